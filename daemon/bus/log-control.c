/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * org.freedesktop.LogControl1: how much daxd says, and where. sd-bus would ask the bus who sets a
 * property, and wait for the answer; so Set goes the way of every method instead.
 */

#include "daemon/bus/internal.h"
#include "daemon/util/log.h"

#include <string.h>

static int get_property(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s",
                                     strcmp(property, "LogLevel") == 0  ? log_level() :
                                     strcmp(property, "LogTarget") == 0 ? log_target() :
                                                                          "daxd");
}

/* For sd-bus, which cannot know that it is never asked. */
static int set_property(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *value, void *userdata, sd_bus_error *error) {
        return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "not to be set");
}

int log_control_dispatch(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        if (sd_bus_message_is_method_call(message, BUS_PROPERTIES, "Set"))
                return call_dispatch(message, userdata, error);
        return 0; /* sd-bus goes on with the vtable */
}

static int log_control_set(Call *call, Failure *failure) {
        const char *interface, *property, *value;
        int r;

        r = sd_bus_message_read(call->message, "ssv", &interface, &property, "s", &value);
        if (r < 0)
                return r;

        if (strcmp(interface, BUS_LOG_CONTROL) == 0 && strcmp(property, "LogLevel") == 0)
                return log_set_level(value) ?
                               call_reply(call, NULL) :
                               refuse_word("log level", value, CONDITION_INVALID_ARGS,
                                           "use emerg, alert, crit, err, warning, notice, info or "
                                           "debug",
                                           failure);
        if (strcmp(interface, BUS_LOG_CONTROL) == 0 && strcmp(property, "LogTarget") == 0)
                return log_set_target(value) ?
                               call_reply(call, NULL) :
                               refuse_word("log target", value, CONDITION_INVALID_ARGS,
                                           "daxd can log to console, and to journal where there is "
                                           "one",
                                           failure);
        return refuse_word("property", property, CONDITION_INVALID_ARGS,
                           "only LogLevel and LogTarget can be set", failure);
}

const Method log_control_methods[] = {
        { BUS_PROPERTIES, "Set", 0, NULL, log_control_set },
        {},
};

const sd_bus_vtable log_control_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_property, set_property, 0, 0),
        SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_property, set_property, 0, 0),
        SD_BUS_PROPERTY("SyslogIdentifier", "s", get_property, 0, 0),
        SD_BUS_VTABLE_END,
};
