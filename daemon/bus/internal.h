/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this room share. */

#include "daemon/bus/authorize.h"
#include "daemon/bus/bus.h"
#include "daemon/bus/options.h"

#include <systemd/sd-bus.h>

#define BUS_PATH "/org/daxd1"
#define BUS_MANAGER "org.daxd1.Manager"
#define BUS_REGION "org.daxd1.Region"
#define BUS_DEVICE "org.daxd1.Device"
#define BUS_LAYOUT "org.daxd1.Layout"
#define BUS_JOB "org.daxd1.Job"
#define BUS_PROPERTIES "org.freedesktop.DBus.Properties"
#define BUS_LOG_CONTROL_PATH "/org/freedesktop/LogControl1"
#define BUS_LOG_CONTROL "org.freedesktop.LogControl1"

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)

typedef struct Method Method;
typedef struct Call Call;

struct Bus {
        sd_event *event;
        Engine *engine;
        Keeper *keeper;
        sd_bus *bus; /* NULL between two connections */
        sd_event_source *reconnect;
        Senders senders;
        Call *unknown;  /* those whose senders' uids were asked for, in their order */
        char **layouts; /* paths of the layout objects that were announced */
        size_t n_layouts;
};

/* One method call on its way to its reply. */
struct Call {
        Bus *bus;
        Call *next; /* in Bus.unknown */
        sd_bus_message *message;
        const Method *method;
        uid_t uid;
        const char *string; /* the argument, when it is one (borrowed from the message) */
        uint64_t number;
        uint32_t region; /* of the object that is called */
        char device[DAX_NAME_MAX + 1];
        uint64_t incarnation;
        uint64_t job;
        Layout *layout; /* that the argument is, when the method takes one */
        Options options;
};

/*
 * Returns 0 when the reply is sent or will be (the call is then another's), a Condition with its
 * sentence, or a negative errno.
 */
typedef int (*MethodHandler)(Call *call, Failure *failure);

struct Method {
        const char *interface, *member;
        char argument;             /* s, t, u, or 0 for none */
        const OptionSpec *options; /* NULL: none of ours, its handler reads its arguments */
        MethodHandler handler;
        bool takes_layout; /* its argument is one */
};

Call *call_free(Call *call);
DEFINE_CLEANUP(Call *, call_free)
/* Each sends the reply and frees the call. */
int call_reply(Call *call, const char *types, ...);
void call_reply_failure(Call *call, const Failure *failure);
/* The handler of every method in every vtable: parse, authorize, then the method's own handler. */
int call_dispatch(sd_bus_message *message, void *userdata, sd_bus_error *error);
/* "cannot take the WHAT 'WORD': USE", with @word made harmless. Returns @condition or -ENOMEM. */
int refuse_word(const char *what, const char *word, Condition condition, const char *use,
                Failure *failure);
/* Forgets the calls that nobody can answer any more: the connection is gone. */
void calls_drop(Bus *bus);

/* Properties in a vtable: one that never changes, and one that PropertiesChanged tells of. */
#define CONSTANT(name, type, getter)                                                               \
        SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define PROPERTY(name, type, getter)                                                               \
        SD_BUS_PROPERTY(name, type, getter, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)

extern const Method manager_methods[], region_methods[], device_methods[], layout_methods[],
        job_methods[], log_control_methods[];
extern const sd_bus_vtable manager_vtable[], region_vtable[], device_vtable[], layout_vtable[],
        job_vtable[], log_control_vtable[];
/* Comes before the vtable of its object: takes what that must not. */
int log_control_dispatch(sd_bus_message *message, void *userdata, sd_bus_error *error);

/* Paths of objects; all freed by the caller, NULL when out of memory. */
char *path_of_region(uint32_t id);
char *path_of_device(const char *name);
char *path_of_layout(const char *name);
char *path_of_job(uint64_t id);
/* The name of the device or layout that is or was at @path, made harmless. As above. */
char *name_at(const char *path);

const DaxRegion *bus_region_at(const Bus *bus, const char *path);
const DaxDevice *bus_device_at(const Bus *bus, const char *path, DaxRegion **ret_region);
const KeptLayout *bus_layout_at(const Bus *bus, const char *path);
Job *bus_job_at(const Bus *bus, const char *path);

/* Turns @failure into a D-Bus error. The one place that knows their names. */
int bus_error_set(sd_bus_error *error, const Failure *failure);

/* Tells the bus what differs between two pictures of a region. */
void bus_emit_region(Bus *bus, const DaxRegion *before, const DaxRegion *after);
void bus_emit_region_state(Bus *bus, const DaxRegion *region);
void bus_emit_layouts(Bus *bus);
bool bus_is_ready(const Bus *bus);

/* The text that Describe returns. 0 or -ENOMEM. */
int bus_describe(const Bus *bus, bool addresses, char **ret_text);

/* Fills what every job of a bus call has in common. 0 or -ENOMEM. */
int call_make_request(const Call *call, const char *operation, JobRequest *ret_request);
