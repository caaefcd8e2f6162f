/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The way to daxd: the bus, calls that only read, and its errors in words.
 */

#include "client/bus.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "client/cleanup.h"
#include "client/report.h"

int bus_open(sd_bus **ret_bus) {
        int r = sd_bus_open_system(ret_bus);

        if (r < 0)
                report("cannot reach the system bus: %s; is dbus running?", strerror(-r));

        return r;
}

static bool error_is_absence(const sd_bus_error *error) {
        static const char *const names[] = {
                SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER,
                "org.freedesktop.systemd1.NoSuchUnit",
                "org.freedesktop.systemd1.UnitMasked",
        };

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (sd_bus_error_has_name(error, names[i]))
                        return true;

        return strncmp(error->name, "org.freedesktop.DBus.Error.Spawn.",
                       strlen("org.freedesktop.DBus.Error.Spawn.")) == 0;
}

int bus_report(const sd_bus_error *error, int error_code) {
        const char *message;

        if (!sd_bus_error_is_set(error)) {
                report("the connection to the system bus broke: %s", strerror(-error_code));
                return error_code;
        }

        message = error->message && *error->message ? error->message : error->name;
        if (error_is_absence(error))
                report("daxd is not running and could not be started (%s); "
                       "see 'systemctl status daxd.service'",
                       message);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
                 sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
                report("daxd did not answer (%s): whether the change was made is not known yet; a "
                       "daxd that is started again finishes a layout and undoes any other change; "
                       "see 'systemctl status daxd.service'",
                       message);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                report("access denied: %s; try again as root", message);
        else if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                report("nobody could be asked for authorization: %s; try again as root", message);
        else
                report("%s", message);

        return -sd_bus_error_get_errno(error);
}

int bus_check(int r) {
        if (r == -ENOMEM)
                return report_oom();
        if (r == -EINVAL)
                report("what was given is no UTF-8 text");
        else if (r < 0)
                report("cannot write the call to daxd: %s", strerror(-r));

        return r;
}

int bus_new_call(sd_bus *bus, const char *path, const char *interface, const char *member,
                 sd_bus_message **ret_message) {
        return bus_check(sd_bus_message_new_method_call(bus, ret_message, DAXD_NAME, path,
                                                        interface, member));
}

int bus_call(sd_bus *bus, sd_bus_message *message, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r = sd_bus_call(bus, message, 0, &error, ret_reply);

        return r < 0 ? bus_report(&error, r) : 0;
}

int bus_parse_json(sd_bus_message *reply, json_object **ret_value) {
        enum json_tokener_error error;
        const char *text;
        int r;

        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0) {
                report("daxd's answer is not what its interface promises");
                return r;
        }

        *ret_value = json_tokener_parse_verbose(text, &error);
        if (*ret_value)
                return 0;

        report("daxd's answer is no JSON: %s", json_tokener_error_desc(error));
        return -EBADMSG;
}

int bus_describe(sd_bus *bus, json_object **ret_description) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, DAXD_PATH, DAXD_MANAGER, "Describe", &message);
        if (r < 0)
                return r;
        r = bus_check(sd_bus_message_append(message, "a{sv}", 0));
        if (r < 0)
                return r;

        r = bus_call(bus, message, &reply);
        return r < 0 ? r : bus_parse_json(reply, ret_description);
}

int bus_get_device(sd_bus *bus, const char *name_or_label, char **ret_object) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        const char *object;
        int r;

        r = bus_new_call(bus, DAXD_PATH, DAXD_MANAGER, "GetDevice", &message);
        if (r < 0)
                return r;
        r = bus_check(sd_bus_message_append(message, "sa{sv}", name_or_label, 0));
        if (r < 0)
                return r;
        r = bus_call(bus, message, &reply);
        if (r < 0)
                return r;

        r = sd_bus_message_read(reply, "o", &object);
        if (r < 0) {
                report("daxd's answer is not what its interface promises");
                return r;
        }

        *ret_object = strdup(object);
        return *ret_object ? 0 : report_oom();
}
