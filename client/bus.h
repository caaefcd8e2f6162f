/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The way to daxd: the bus, calls that only read, and its errors in words.
 * Every function here that returns a negative errno has told of it.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#define DAXD_NAME "org.daxd1"
#define DAXD_PATH "/org/daxd1"
#define DAXD_MANAGER "org.daxd1.Manager"
#define DAXD_REGION "org.daxd1.Region"
#define DAXD_DEVICE "org.daxd1.Device"
#define DAXD_JOB "org.daxd1.Job"

/** bus_open() - connect to the system bus; free with sd_bus_flush_close_unref() */
int bus_open(sd_bus **ret_bus);

/** bus_report() - tell of an error reply, or of @error_code when there is none; returns it */
int bus_report(const sd_bus_error *error, int error_code);

/** bus_call() - call and wait; @ret_reply may be NULL */
int bus_call(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply);

/** bus_describe() - Manager.Describe: everything that daxd knows */
int bus_describe(sd_bus *bus, json_object **ret_description);

/** bus_get_device() - Manager.GetDevice: the object path of a name or label, to free */
int bus_get_device(sd_bus *bus, const char *name_or_label, char **ret_object);

/** bus_parse_json() - JSON that daxd sent in a string */
int bus_parse_json(sd_bus_message *reply, json_object **ret_value);

/** bus_new_call() - a call to fill; tells of its failure */
int bus_new_call(sd_bus *bus, const char *path, const char *interface, const char *member,
                 sd_bus_message **ret_message);

/** bus_check() - tell when a message could not be filled; returns @r */
int bus_check(int r);
