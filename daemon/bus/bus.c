/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection: joining the bus, announcing what is there, and leaving it. */

#include "daemon/bus/internal.h"
#include "daemon/util/log.h"

#include <string.h>
#include <time.h>

#define BUS_NAME "org.daxd1"

#define log_no_bus(priority, ...)                                                                  \
        log_line(priority, &(LogContext){ .message_id = LOG_MESSAGE_NO_BUS }, __VA_ARGS__)

static int bus_connect(Bus *bus);

/* --- objects ---------------------------------------------------------------------------------- */

static int find_region(sd_bus *sd, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *error) {
        if (!bus_region_at(userdata, path))
                return 0;
        *ret_found = userdata;
        return 1;
}

static int find_device(sd_bus *sd, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *error) {
        const DaxDevice *device = bus_device_at(userdata, path, NULL);

        if (!device)
                return 0;
        *ret_found = (void *)device; /* which its getters do not change */
        return 1;
}

static int find_layout(sd_bus *sd, const char *path, const char *interface, void *userdata,
                       void **ret_found, sd_bus_error *error) {
        if (!bus_layout_at(userdata, path))
                return 0;
        *ret_found = userdata;
        return 1;
}

static int find_job(sd_bus *sd, const char *path, const char *interface, void *userdata,
                    void **ret_found, sd_bus_error *error) {
        Job *job = bus_job_at(userdata, path);

        if (!job)
                return 0;
        *ret_found = job;
        return 1;
}

/* sd-bus frees the list and its paths. */
static int list_add(char ***list, size_t *n, char *path) {
        int r;

        if (!path)
                return -ENOMEM;
        r = ARRAY_APPEND(*list, *n, path);
        if (r < 0)
                free(path);
        return r;
}

static int list_objects(sd_bus *sd, const char *prefix, void *userdata, char ***ret_nodes,
                        sd_bus_error *error) {
        const Bus *bus = userdata;
        const DaxMachine *machine = engine_machine(bus->engine);
        char **list = NULL;
        size_t n = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < machine->n_regions; i++) {
                const DaxRegion *region = machine->regions[i];

                r = list_add(&list, &n, path_of_region(region->id));
                for (size_t k = 0; r >= 0 && k < region->n_devices; k++)
                        if (region->devices[k]->size > 0)
                                r = list_add(&list, &n, path_of_device(region->devices[k]->name));
        }
        for (size_t i = 0; r >= 0 && i < keeper_count(bus->keeper); i++)
                r = list_add(&list, &n, path_of_layout(keeper_get(bus->keeper, i)->name));
        for (Job *job = engine_first_job(bus->engine); r >= 0 && job;
             job = engine_next_job(bus->engine, job))
                r = list_add(&list, &n, path_of_job(job->id));
        if (r >= 0)
                r = array_grow(&list, n, sizeof(*list));
        if (r < 0) {
                for (size_t i = 0; i < n; i++)
                        free(list[i]);
                free(list);
                return r;
        }

        list[n] = NULL;
        *ret_nodes = list;
        return 0;
}

static int bus_add_objects(Bus *bus) {
        int r;

        r = sd_bus_add_object_manager(bus->bus, NULL, BUS_PATH);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus->bus, NULL, BUS_PATH, BUS_MANAGER, manager_vtable,
                                             bus);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus->bus, NULL, BUS_PATH "/region", BUS_REGION,
                                               region_vtable, find_region, bus);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus->bus, NULL, BUS_PATH "/device", BUS_DEVICE,
                                               device_vtable, find_device, bus);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus->bus, NULL, BUS_PATH "/layout", BUS_LAYOUT,
                                               layout_vtable, find_layout, bus);
        if (r >= 0)
                r = sd_bus_add_fallback_vtable(bus->bus, NULL, BUS_PATH "/job", BUS_JOB, job_vtable,
                                               find_job, bus);
        if (r >= 0)
                r = sd_bus_add_object(bus->bus, NULL, BUS_LOG_CONTROL_PATH, log_control_dispatch,
                                      bus);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus->bus, NULL, BUS_LOG_CONTROL_PATH, BUS_LOG_CONTROL,
                                             log_control_vtable, bus);
        if (r >= 0)
                r = sd_bus_add_node_enumerator(bus->bus, NULL, BUS_PATH, list_objects, bus);
        return r;
}

/* --- connection ------------------------------------------------------------------------------- */

static void bus_disconnect(Bus *bus) {
        if (!bus->bus)
                return;

        (void)sd_bus_detach_event(bus->bus);
        bus->bus = sd_bus_close_unref(bus->bus);
        senders_deinit(&bus->senders); /* names are unique to one life of the bus */
        calls_drop(bus);
}

static int bus_reconnect(sd_event_source *source, void *userdata) {
        Bus *bus = userdata;
        int r;

        bus_disconnect(bus);
        r = bus_connect(bus);
        if (r < 0)
                log_no_bus(LOG_ERR, "cannot join the system bus again: %s", text_errno(r));
        return 0;
}

static int bus_lost(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Bus *bus = userdata;

        log_no_bus(LOG_WARNING, "the system bus is gone; waiting for it to come back");
        (void)sd_event_source_set_enabled(bus->reconnect, SD_EVENT_ONESHOT);
        return 0;
}

static int bus_named(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const sd_bus_error *why = sd_bus_message_get_error(reply);

        if (why)
                log_no_bus(LOG_ERR, "cannot have the name " BUS_NAME " on the system bus: %s",
                           why->message);
        return 0;
}

/*
 * Who calls is to find everything as it is: so there is no name before the last daxd's transactions
 * are settled and the regions are read. The request is queued until there is a bus.
 */
static int bus_request_name(Bus *bus) {
        return sd_bus_request_name_async(bus->bus, NULL, BUS_NAME, 0, bus_named, bus);
}

static int bus_connect(Bus *bus) {
        const char *address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        int r;

        r = sd_bus_new(&bus->bus);
        if (r < 0)
                return r;

        r = sd_bus_set_description(bus->bus, "system");
        if (r >= 0)
                r = sd_bus_set_address(bus->bus,
                                       address ?: "unix:path=/run/dbus/system_bus_socket");
        if (r >= 0)
                r = sd_bus_set_bus_client(bus->bus, true);
        if (r >= 0)
                r = sd_bus_set_trusted(bus->bus, false);
        if (r >= 0)
                r = sd_bus_set_watch_bind(bus->bus, true);
        if (r >= 0)
                r = bus_add_objects(bus);
        if (r >= 0)
                r = sd_bus_match_signal_async(bus->bus, NULL, "org.freedesktop.DBus.Local",
                                              "/org/freedesktop/DBus/Local",
                                              "org.freedesktop.DBus.Local", "Disconnected",
                                              bus_lost, NULL, bus);
        if (r >= 0)
                r = sd_bus_start(bus->bus);
        if (r >= 0 && engine_is_settled(bus->engine))
                r = bus_request_name(bus);
        if (r >= 0)
                r = sd_bus_attach_event(bus->bus, bus->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                bus_disconnect(bus);
        return r;
}

/* --- what the engine and the keeper say ------------------------------------------------------- */

static void region_changed(const DaxRegion *before, const DaxRegion *after, void *userdata) {
        Bus *bus = userdata;

        if (bus_is_ready(bus))
                bus_emit_region(bus, before, after);
}

static void machine_changed(const DaxMachine *machine, void *userdata) {
        Bus *bus = userdata;

        if (bus_is_ready(bus))
                (void)sd_bus_emit_properties_changed(bus->bus, BUS_PATH, BUS_MANAGER, "AutoOnline",
                                                     "MemoryBlockSize", NULL);
}

static void job_added(const Job *job, void *userdata) {
        Bus *bus = userdata;
        _cleanup_free_ char *path = path_of_job(job->id);

        if (bus_is_ready(bus) && path)
                (void)sd_bus_emit_interfaces_added(bus->bus, path, BUS_JOB, NULL);
}

static void job_changed(const Job *job, void *userdata) {
        Bus *bus = userdata;
        _cleanup_free_ char *path = path_of_job(job->id);

        if (bus_is_ready(bus) && path)
                (void)sd_bus_emit_properties_changed(bus->bus, path, BUS_JOB, "Step", "Steps",
                                                     "StepName", "Progress", "Cancelable",
                                                     "Objects", NULL);
}

static void job_finished(const Job *job, JobResult result, const Failure *failure, void *userdata) {
        Bus *bus = userdata;
        _cleanup_free_ char *path = NULL;
        sd_bus_error error = SD_BUS_ERROR_NULL;

        if (!bus_is_ready(bus))
                return;
        path = path_of_job(job->id);
        if (!path)
                return;
        if (failure)
                bus_error_set(&error, failure);

        (void)sd_bus_emit_signal(bus->bus, path, BUS_JOB, "Finished", "sss",
                                 job_result_name(result), error.name ?: "", error.message ?: "");
        (void)sd_bus_emit_interfaces_removed(bus->bus, path, BUS_JOB, NULL);
        sd_bus_error_free(&error);
}

static void layouts_changed(void *userdata) {
        Bus *bus = userdata;
        const DaxMachine *machine = engine_machine(bus->engine);

        bus_emit_layouts(bus);
        for (size_t i = 0; bus_is_ready(bus) && i < machine->n_regions; i++)
                bus_emit_region_state(bus, machine->regions[i]);
}

static void settled(void *userdata) {
        Bus *bus = userdata;

        if (bus->bus && bus_request_name(bus) < 0)
                log_no_bus(LOG_ERR, "cannot ask for the name " BUS_NAME " on the system bus");
}

static const EngineListener bus_listens = {
        .settled = settled,
        .region_changed = region_changed,
        .machine_changed = machine_changed,
        .job_added = job_added,
        .job_changed = job_changed,
        .job_finished = job_finished,
};

static const KeeperListener bus_hears = { .layouts_changed = layouts_changed };

int bus_new(sd_event *event, Engine *engine, Keeper *keeper, Bus **ret_bus) {
        _cleanup_(bus_freep) Bus *bus = NULL;
        int r;

        bus = calloc(1, sizeof(*bus));
        if (!bus)
                return -ENOMEM;
        bus->event = sd_event_ref(event);
        bus->engine = engine;
        bus->keeper = keeper;

        r = sd_event_add_defer(event, &bus->reconnect, bus_reconnect, bus);
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->reconnect, SD_EVENT_OFF);
        if (r >= 0)
                r = bus_connect(bus);
        if (r < 0)
                return r;

        engine_add_listener(engine, &bus_listens, bus);
        keeper_set_listener(keeper, &bus_hears, bus);
        *ret_bus = TAKE_PTR(bus);
        return 0;
}

Bus *bus_free(Bus *bus) {
        if (!bus)
                return NULL;

        if (bus_is_ready(bus)) /* it would wait for a bus that is not there */
                (void)sd_bus_flush(bus->bus);
        bus_disconnect(bus);
        for (size_t i = 0; i < bus->n_layouts; i++)
                free(bus->layouts[i]);
        free(bus->layouts);
        sd_event_source_disable_unref(bus->reconnect);
        sd_event_unref(bus->event);
        free(bus);
        return NULL;
}
