/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the verbs that change devices have in common.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "client/options.h"

/** device_add_common_options() - force, to an open a{sv}; tells of its failure */
int device_add_common_options(sd_bus_message *message, const Options *options);

/**
 * device_print_all() - the devices at these object paths as they are now, on stdout
 *
 * Prints nothing when there are no paths. Tells of its failure.
 */
int device_print_all(sd_bus *bus, json_object *objects, const Options *options);

/** device_print_count() - "created 2 devices" on stderr */
void device_print_count(const char *done, size_t n_devices);
