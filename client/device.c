/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxdctl destroy-device, reconfigure-device, online-memory, offline-memory,
 * enable-device and disable-device: the same method called on each device that
 * was named. A device that fails does not stop the others.
 *
 * Each call carries the incarnation of the device that was looked up, so that
 * it never meets another device that got the same name meanwhile.
 */

#include "client/device.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/fields.h"
#include "client/inventory.h"
#include "client/job.h"
#include "client/name.h"
#include "client/report.h"
#include "client/shape.h"
#include "client/verbs.h"
#include "client/view.h"

typedef struct DeviceVerb {
        const char *method;
        const char *argument; /* its string argument, NULL when it has none */
        const char *done;     /* "destroyed" */
        bool gone;            /* what was done leaves nothing to print */
        bool (*already)(json_object *device);
        bool (*already_empty)(const DeviceName *name);
} DeviceVerb;

typedef struct Batch {
        const DeviceVerb *verb;
        const Options *options;
        Shape *shape;             /* for reconfigure-device, else NULL */
        sd_bus *bus;              /* owned */
        json_object *description; /* owned */
        json_object *done;        /* owned: object paths */
        size_t n_done;
        bool failed;
} Batch;

static void batch_deinit(Batch *batch) {
        json_object_put(batch->done);
        json_object_put(batch->description);
        sd_bus_flush_close_unref(batch->bus);
}

int device_add_common_options(sd_bus_message *message, const Options *options) {
        int r = 0;

        if (options_has(options, OPTION_FORCE))
                r = job_option_bool(message, "force", true);

        return r;
}

int device_print_all(sd_bus *bus, json_object *objects, const Options *options) {
        _cleanup_json_ json_object *description = NULL, *views = json_object_new_array();
        int r;

        if (!views)
                return report_oom();
        if (array_length(objects) == 0)
                return 0;
        r = bus_describe(bus, &description);
        if (r < 0)
                return r;

        for (size_t i = 0; i < array_length(objects); i++) {
                const char *object = json_object_get_string(json_object_array_get_idx(objects, i));
                json_object *device = inventory_device(description, object);

                if (device && array_add(views, view_new(device, options)) < 0)
                        return report_oom();
        }

        return view_print(views, options);
}

void device_print_count(const char *done, size_t n_devices) {
        fflush(stdout); /* where both go to one file, the devices come first */
        fprintf(stderr, "%s %zu device%s\n", done, n_devices, n_devices == 1 ? "" : "s");
}

static int batch_add_options(Batch *batch, json_object *device, sd_bus_message *message) {
        uint64_t incarnation;
        int r;

        r = job_options_open(message);
        if (r >= 0 && field_uint(device, "incarnation", &incarnation))
                r = job_option_size(message, "incarnation", incarnation);
        if (r >= 0 && batch->shape && (batch->shape->given & OPTION_SIZE))
                r = job_option_size(message, "size", batch->shape->size);
        if (r >= 0 && batch->shape)
                r = shape_add_options(batch->shape, batch->options, message);

        return r < 0 ? r : device_add_common_options(message, batch->options);
}

static int batch_call(Batch *batch, json_object *device) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        const char *object = field_string(device, "object");
        int r;

        if (batch->shape) {
                r = shape_place(batch->shape, batch->bus,
                                inventory_region_of(batch->description, object));
                if (r < 0)
                        return r;
        }

        r = bus_new_call(batch->bus, object, DAXD_DEVICE, batch->verb->method, &message);
        if (r < 0)
                return r;
        if (batch->verb->argument) {
                r = bus_check(sd_bus_message_append(message, "s", batch->verb->argument));
                if (r < 0)
                        return r;
        }

        r = batch_add_options(batch, device, message);
        return r < 0 ? r : job_run(batch->bus, message, NULL, NULL);
}

static int batch_run_device(Batch *batch, json_object *device) {
        int r = 0;

        if (!batch->verb->already || !batch->verb->already(device)) {
                r = batch_call(batch, device);
                if (r < 0)
                        return r;
        }

        batch->n_done++;
        if (array_add(batch->done, json_object_new_string(field_string(device, "object"))) < 0)
                return report_oom();

        return r > 0 ? -EINTR : 0;
}

/* What a failure means for the rest: 0 to go on. */
static int batch_fail(Batch *batch, int r) {
        if (r >= 0)
                return 0;

        batch->failed = true;
        return r == -EINTR || sd_bus_is_open(batch->bus) <= 0 ? r : 0;
}

static int batch_run_all(Batch *batch) {
        json_object *regions = field_array(batch->description, "regions");
        int r;

        for (size_t i = 0; i < array_length(regions); i++) {
                json_object *region = json_object_array_get_idx(regions, i);
                json_object *devices = field_array(region, "devices");

                if (!region_selected(region, batch->options))
                        continue;
                for (size_t j = 0; j < array_length(devices); j++) {
                        json_object *device = json_object_array_get_idx(devices, j);

                        r = batch_fail(batch, batch_run_device(batch, device));
                        if (r < 0)
                                return r;
                }
        }

        return 0;
}

/* A device of size 0 is no object of daxd's, yet it may be just what is wanted. */
static int batch_run_empty(Batch *batch, const DeviceName *name, const char *text) {
        if (batch->verb->already_empty && batch->verb->already_empty(name)) {
                batch->n_done++;
                return 0;
        }

        report("%s is empty (size 0): 'daxdctl create-device -r %" PRIu32 "' makes a device "
               "that has memory",
               text, name->region);
        return -ENOENT;
}

static int batch_run_one(Batch *batch, const char *argument) {
        _cleanup_free_ char *object = NULL;
        char text[DEVICE_NAME_TEXT_MAX];
        json_object *region;
        DeviceName name;
        int r;

        if (device_name_parse(argument, &name)) {
                device_name_format(&name, text);
                argument = text;
                if (inventory_has_empty(batch->description, text))
                        return batch_run_empty(batch, &name, text);
        }

        r = bus_get_device(batch->bus, argument, &object);
        if (r < 0)
                return r;
        region = inventory_region_of(batch->description, object);
        if (!region) {
                report("%s has changed just now; try again", argument);
                return -EAGAIN;
        }
        if (!region_selected(region, batch->options)) {
                report("%s is not in region %" PRIu32, argument, batch->options->region);
                return -ENOENT;
        }

        return batch_run_device(batch, inventory_device(batch->description, object));
}

static int batch_run(Batch *batch) {
        const Options *options = batch->options;
        int r = 0;

        if (!options->all_regions && !inventory_region(batch->description, options->region)) {
                report("there is no region %" PRIu32 "; 'daxdctl list -R' shows the regions",
                       options->region);
                return -ENOENT;
        }

        for (size_t i = 0; i < options->n_args && r >= 0; i++)
                r = strcmp(options->args[i], "all") == 0 ?
                            batch_run_all(batch) :
                            batch_fail(batch, batch_run_one(batch, options->args[i]));

        return r;
}

static int device_verb_run(const DeviceVerb *verb, const Options *options, Shape *shape) {
        _cleanup_(batch_deinit) Batch batch = { .verb = verb, .options = options, .shape = shape };
        int r;

        batch.done = json_object_new_array();
        if (!batch.done) {
                report_oom();
                return EXIT_REFUSED;
        }
        if (bus_open(&batch.bus) < 0 || bus_describe(batch.bus, &batch.description) < 0)
                return EXIT_REFUSED;

        r = batch_run(&batch);
        if (!verb->gone && device_print_all(batch.bus, batch.done, options) < 0)
                batch.failed = true;
        device_print_count(verb->done, batch.n_done);

        return r == -EINTR ? EXIT_INTERRUPTED : r < 0 || batch.failed ? EXIT_REFUSED : EXIT_SUCCESS;
}

static bool already_enabled(json_object *device) {
        return strcmp(field_string(device, "state"), "disabled") != 0;
}

/* The kernel never deletes instance 0; daxd empties it. */
static bool already_destroyed(const DeviceName *name) {
        return name->instance == 0;
}

static bool already_disabled(const DeviceName *name) {
        (void)name;
        return true;
}

int verb_destroy_device(const Options *options) {
        static const DeviceVerb verb = {
                .method = "Destroy",
                .done = "destroyed",
                .gone = true,
                .already_empty = already_destroyed,
        };

        return device_verb_run(&verb, options, NULL);
}

static int check_reconfiguration(const Shape *shape, const Options *options) {
        const uint32_t changes = OPTION_SIZE | OPTION_ALIGN | OPTION_MODE | OPTION_RANGES;
        bool one = options->n_args == 1 && strcmp(options->args[0], "all") != 0;

        if (!(shape->given & changes)) {
                report("say what is to change: --size, --align, --mode, --ranges or --input");
                return -EINVAL;
        }
        if ((shape->given & OPTION_RANGES) && !one) {
                report("exact ranges are for one device");
                return -EINVAL;
        }

        return options_check_mode(options, shape->given & OPTION_MODE ? shape->mode : NULL);
}

int verb_reconfigure_device(const Options *options) {
        static const DeviceVerb verb = { .method = "Reconfigure", .done = "reconfigured" };
        _cleanup_(shape_deinit) Shape shape = { 0 };

        if (shape_init(&shape, options) < 0 || check_reconfiguration(&shape, options) < 0)
                return EXIT_USAGE;

        return device_verb_run(&verb, options, &shape);
}

int verb_online_memory(const Options *options) {
        const DeviceVerb verb = {
                .method = "OnlineMemory",
                .argument = options_online_policy(options),
                .done = "onlined memory for",
        };

        return device_verb_run(&verb, options, NULL);
}

int verb_offline_memory(const Options *options) {
        static const DeviceVerb verb = {
                .method = "OfflineMemory",
                .done = "offlined memory for",
        };

        return device_verb_run(&verb, options, NULL);
}

int verb_enable_device(const Options *options) {
        static const DeviceVerb verb = {
                .method = "SetMode",
                .argument = "devdax",
                .done = "enabled",
                .already = already_enabled,
        };

        return device_verb_run(&verb, options, NULL);
}

int verb_disable_device(const Options *options) {
        static const DeviceVerb verb = {
                .method = "SetMode",
                .argument = "none",
                .done = "disabled",
                .already_empty = already_disabled,
        };

        return device_verb_run(&verb, options, NULL);
}
