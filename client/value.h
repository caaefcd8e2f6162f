/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Values of D-Bus messages as JSON. Silent.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

/**
 * value_read() - the next complete value of @message
 *
 * Dictionaries become objects, arrays and structs become arrays, variants what
 * is in them. Returns 1, 0 at the end of the container, or a negative errno.
 */
int value_read(sd_bus_message *message, json_object **ret_value);
