/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxdctl monitor: what daxd signals, one line each, until Ctrl-C.
 */

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/fields.h"
#include "client/report.h"
#include "client/value.h"
#include "client/verbs.h"

#define MATCH_OBJECTS "type='signal',sender='" DAXD_NAME "',path_namespace='" DAXD_PATH "'"
#define MATCH_OWNER                                                                                \
        "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"            \
        "member='NameOwnerChanged',arg0='" DAXD_NAME "'"

typedef struct Monitor {
        bool json;
} Monitor;

/* "device dax0.1" from "/org/daxd1/device/dax0_2e1"; text to free, NULL when out of memory */
static char *path_text(const char *path) {
        static const char *const kinds[] = { "device", "layout" };
        _cleanup_free_ char *name = NULL;
        char *text = NULL;

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                char prefix[32];

                snprintf(prefix, sizeof(prefix), DAXD_PATH "/%s", kinds[i]);
                if (sd_bus_path_decode(path, prefix, &name) <= 0)
                        continue;
                return asprintf(&text, "%s %s", kinds[i], name) < 0 ? NULL : text;
        }

        if (strncmp(path, DAXD_PATH "/", strlen(DAXD_PATH "/")) != 0)
                return strdup("manager");

        text = strdup(path + strlen(DAXD_PATH "/"));
        if (text && strchr(text, '/'))
                *strchr(text, '/') = ' ';
        return text;
}

/* " Size=4096 Mode=devdax"; text to free, NULL when out of memory */
static char *properties_text(json_object *properties) {
        _cleanup_free_ char *text = strdup("");

        if (!text || !properties)
                return steal_string(&text);

        json_object_object_foreach(properties, key, value) {
                bool plain = json_object_is_type(value, json_type_string);
                char *longer;

                if (asprintf(&longer, "%s %s=%s", text, key,
                             plain ? json_object_get_string(value) :
                                     json_object_to_json_string_ext(
                                             value, JSON_C_TO_STRING_NOSLASHESCAPE)) < 0)
                        return NULL;
                free(text);
                text = longer;
        }

        return steal_string(&text);
}

static void print_line(json_object *event, json_object *properties) {
        _cleanup_free_ char *path = path_text(field_string(event, "path"));
        _cleanup_free_ char *text = properties_text(properties);

        if (!path || !text)
                report_oom();
        else
                say("%s %s%s%s", path, field_string(event, "event"), *text ? ":" : "", text);
}

/* D-Bus' own interfaces come with every object and say nothing. */
static bool interface_is_ours(const char *interface) {
        return strncmp(interface, DAXD_NAME ".", strlen(DAXD_NAME ".")) == 0;
}

static int read_changed(sd_bus_message *message, json_object *event) {
        json_object *interface, *properties;
        int r;

        r = value_read(message, &interface);
        if (r > 0)
                r = field_add(event, "interface", interface);
        if (r >= 0)
                r = value_read(message, &properties);
        if (r > 0)
                r = field_add(event, "properties", properties);

        return r;
}

/* InterfacesAdded and InterfacesRemoved: the path, then the interfaces. */
static int read_interfaces(sd_bus_message *message, json_object *event) {
        json_object *path, *interfaces;
        int r;

        r = value_read(message, &path);
        if (r > 0)
                r = field_add(event, "path", path);
        if (r >= 0)
                r = value_read(message, &interfaces);
        if (r > 0)
                r = field_add(event, "interfaces", interfaces);

        return r;
}

/* Job.Finished; a job that is done has neither error nor message. */
static int read_finished(sd_bus_message *message, json_object *event) {
        static const char *const keys[] = { "result", "error", "message" };
        _cleanup_json_ json_object *outcome = json_object_new_object();
        const char *text;
        int r;

        if (!outcome)
                return -ENOMEM;
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
                r = sd_bus_message_read(message, "s", &text);
                if (r >= 0 && *text)
                        r = field_add(outcome, keys[i], json_object_new_string(text));
                if (r < 0)
                        return r;
        }

        return field_add(event, "outcome", steal_json(&outcome));
}

static int read_signal(sd_bus_message *message, json_object *event, const char **ret_name) {
        int r;

        r = field_add(event, "path", json_object_new_string(sd_bus_message_get_path(message)));
        if (r < 0)
                return r;

        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.Properties",
                                     "PropertiesChanged")) {
                *ret_name = "changed";
                return read_changed(message, event);
        }
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
                                     "InterfacesAdded")) {
                *ret_name = "added";
                return read_interfaces(message, event);
        }
        if (sd_bus_message_is_signal(message, "org.freedesktop.DBus.ObjectManager",
                                     "InterfacesRemoved")) {
                *ret_name = "removed";
                return read_interfaces(message, event);
        }
        if (sd_bus_message_is_signal(message, DAXD_JOB, "Finished")) {
                *ret_name = "finished";
                return read_finished(message, event);
        }

        *ret_name = NULL;
        return 0;
}

static void print_interfaces(json_object *event) {
        json_object *interfaces = field_object(event, "interfaces");

        if (!interfaces) {
                print_line(event, NULL);
                return;
        }

        json_object_object_foreach(interfaces, interface, properties)
                if (interface_is_ours(interface))
                        print_line(event, properties);
}

static void print_event(json_object *event, const Monitor *monitor) {
        if (monitor->json)
                say_json_line(event);
        else if (field_array(event, "interfaces") || field_object(event, "interfaces"))
                print_interfaces(event);
        else
                print_line(event,
                           field_object(event,
                                        field_object(event, "outcome") ? "outcome" : "properties"));

        fflush(stdout);
}

static int on_signal(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        _cleanup_json_ json_object *event = json_object_new_object();
        const char *name;

        (void)unused;
        if (!event)
                return 0;
        /* what cannot be read is not ours to complain about */
        if (field_add(event, "event", json_object_new_string("")) < 0 ||
            read_signal(message, event, &name) < 0 || !name ||
            field_add(event, "event", json_object_new_string(name)) < 0)
                return 0;

        print_event(event, userdata);
        return 0;
}

static int on_owner(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        _cleanup_json_ json_object *event = json_object_new_object();
        const char *name, *before, *after;
        const Monitor *monitor = userdata;

        (void)unused;
        if (!event || sd_bus_message_read(message, "sss", &name, &before, &after) < 0)
                return 0;

        name = *after ? "started" : "stopped";
        if (!monitor->json) {
                say("daxd %s", name);
                fflush(stdout);
        } else if (field_add(event, "event", json_object_new_string(name)) >= 0)
                print_event(event, monitor);

        return 0;
}

/* Something to fail on when daxd is not there: a match alone would wait for ever. */
static int check_presence(sd_bus *bus) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = bus_new_call(bus, DAXD_PATH, "org.freedesktop.DBus.Peer", "Ping", &message);
        return r < 0 ? r : bus_call(bus, message, NULL);
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        (void)info;
        (void)userdata;
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int event_new(sd_bus *bus, sd_event **ret_event) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        sigset_t stop;
        int r;

        sigemptyset(&stop);
        sigaddset(&stop, SIGINT);
        sigaddset(&stop, SIGTERM);
        sigprocmask(SIG_BLOCK, &stop, NULL);

        r = sd_event_new(&event);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGINT, on_stop, NULL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(event, NULL, SIGTERM, on_stop, NULL);
        if (r < 0)
                return r;
        r = sd_bus_set_exit_on_disconnect(bus, true);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;

        *ret_event = sd_event_ref(event);
        return 0;
}

static int monitor_run(sd_bus *bus, const Options *options) {
        Monitor monitor = { .json = options_has(options, OPTION_JSON) };
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int r;

        r = sd_bus_add_match(bus, NULL, MATCH_OBJECTS, on_signal, &monitor);
        if (r < 0)
                return r;
        r = sd_bus_add_match(bus, NULL, MATCH_OWNER, on_owner, &monitor);
        if (r < 0)
                return r;
        r = event_new(bus, &event);
        if (r < 0)
                return r;

        r = sd_event_loop(event);
        sd_bus_detach_event(bus);
        return r == 0 ? 0 : -ECONNRESET;
}

int verb_monitor(const Options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        int r;

        if (bus_open(&bus) < 0 || check_presence(bus) < 0)
                return EXIT_REFUSED;

        r = monitor_run(bus, options);
        if (r < 0)
                report("cannot listen on the system bus: %s", strerror(-r));

        return r < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
