/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxdctl create-device: in the region of -r, in every one with "-r all", else
 * in the first one that has room.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/device.h"
#include "client/fields.h"
#include "client/inventory.h"
#include "client/job.h"
#include "client/report.h"
#include "client/shape.h"
#include "client/verbs.h"

typedef struct Creation {
        sd_bus *bus;              /* owned */
        json_object *description; /* owned */
        json_object *made;        /* owned: object paths */
        Shape shape;              /* owned */
        const Options *options;
} Creation;

static void creation_deinit(Creation *creation) {
        shape_deinit(&creation->shape);
        json_object_put(creation->made);
        json_object_put(creation->description);
        sd_bus_flush_close_unref(creation->bus);
}

static int creation_add_options(Creation *creation, sd_bus_message *message) {
        const Shape *shape = &creation->shape;
        int r;

        r = job_options_open(message);
        if (r >= 0 && !(shape->given & OPTION_SIZE))
                r = job_option_bool(message, "all", true);
        if (r >= 0 && (shape->given & OPTION_LABEL))
                r = job_option_string(message, "label", shape->label);
        if (r >= 0)
                r = shape_add_options(shape, creation->options, message);

        return r < 0 ? r : device_add_common_options(message, creation->options);
}

/* Tells of its failure unless daxd's error goes to @ret_error. */
static int create_in(Creation *creation, json_object *region, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        Shape *shape = &creation->shape;
        const char *object;
        int r, done;

        r = shape_place(shape, creation->bus, region);
        if (r < 0)
                return r;
        r = bus_new_call(creation->bus, field_string(region, "object"), DAXD_REGION, "CreateDevice",
                         &message);
        if (r < 0)
                return r;
        r = bus_check(
                sd_bus_message_append(message, "t",
                                      shape->given & OPTION_SIZE ? shape->size : UINT64_C(0)));
        if (r < 0)
                return r;
        r = creation_add_options(creation, message);
        if (r < 0)
                return r;
        done = job_run(creation->bus, message, ret_error, &reply);
        if (done < 0)
                return done;

        r = sd_bus_message_read(reply, "o", &object);
        if (r < 0) {
                report("daxd's answer is not what its interface promises");
                return r;
        }
        if (array_add(creation->made, json_object_new_string(object)) < 0)
                return report_oom();

        return done > 0 ? -EINTR : 0;
}

static int region_compare(const void *a, const void *b) {
        json_object *const *first = a, *const *second = b;
        uint64_t first_id = 0, second_id = 0;

        field_uint(*first, "id", &first_id);
        field_uint(*second, "id", &second_id);
        return (first_id > second_id) - (first_id < second_id);
}

/* The dynamic regions that have as much as is wanted, by number. */
static json_object *regions_with_room(Creation *creation) {
        _cleanup_json_ json_object *found = json_object_new_array();
        json_object *regions = field_array(creation->description, "regions");
        uint64_t wanted = creation->shape.given & OPTION_SIZE ? creation->shape.size : 1;

        if (!found)
                return NULL;
        for (size_t i = 0; i < array_length(regions); i++) {
                json_object *region = json_object_array_get_idx(regions, i);
                uint64_t available = 0;

                field_uint(region, "available_size", &available);
                if (field_true(region, "static") || available == 0 || available < wanted)
                        continue;
                if (array_add(found, json_object_get(region)) < 0)
                        return NULL;
        }

        json_object_array_sort(found, region_compare);
        return steal_json(&found);
}

static void report_no_room(const Shape *shape) {
        char size[SIZE_TEXT_MAX] = "anything";

        if (shape->given & OPTION_SIZE)
                size_format_exact(shape->size, size);
        report("no region has %s available; 'daxdctl list -R' shows what they have", size);
}

static bool error_is_no_room(const sd_bus_error *error) {
        return sd_bus_error_has_name(error, "org.daxd1.Error.NoSpace") ||
               sd_bus_error_has_name(error, "org.daxd1.Error.Fragmented");
}

static int create_in_first(Creation *creation, json_object *regions) {
        size_t n = array_length(regions);
        int r = -ENOSPC;

        for (size_t i = 0; i < n; i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

                r = create_in(creation, json_object_array_get_idx(regions, i), &error);
                if (r >= 0 || !sd_bus_error_is_set(&error))
                        return r;
                if (i + 1 == n || !error_is_no_room(&error))
                        return bus_report(&error, r);
        }

        return r;
}

static int create_in_all(Creation *creation, json_object *regions) {
        int r, failure = 0;

        for (size_t i = 0; i < array_length(regions); i++) {
                r = create_in(creation, json_object_array_get_idx(regions, i), NULL);
                if (r == -EINTR)
                        return r;
                if (r < 0)
                        failure = r;
        }

        return failure;
}

static int create_somewhere(Creation *creation) {
        _cleanup_json_ json_object *regions = regions_with_room(creation);

        if (!regions)
                return report_oom();
        if (array_length(regions) == 0) {
                report_no_room(&creation->shape);
                return -ENOSPC;
        }

        return options_has(creation->options, OPTION_REGION) ? create_in_all(creation, regions) :
                                                               create_in_first(creation, regions);
}

static int create(Creation *creation) {
        const Options *options = creation->options;
        uint32_t id = options->region;
        json_object *region;

        if (!options_has(options, OPTION_REGION) && (creation->shape.given & OPTION_REGION))
                id = creation->shape.region;
        else if (options->all_regions)
                return create_somewhere(creation);

        region = inventory_region(creation->description, id);
        if (region)
                return create_in(creation, region, NULL);

        report("there is no region %u; 'daxdctl list -R' shows the regions", id);
        return -ENOENT;
}

static int check_usage(const Shape *shape, const Options *options) {
        const char *mode = shape->given & OPTION_MODE ? shape->mode : "devdax";
        bool one_region = !options->all_regions ||
                          (!options_has(options, OPTION_REGION) && (shape->given & OPTION_REGION));

        if (options_check_mode(options, mode) < 0)
                return -EINVAL;
        if (!(shape->given & OPTION_RANGES) || one_region)
                return 0;

        report("exact ranges lie in one region: say which with -r");
        return -EINVAL;
}

int verb_create_device(const Options *options) {
        _cleanup_(creation_deinit) Creation creation = { .options = options };
        int r;

        if (shape_init(&creation.shape, options) < 0 || check_usage(&creation.shape, options) < 0)
                return EXIT_USAGE;
        creation.made = json_object_new_array();
        if (!creation.made) {
                report_oom();
                return EXIT_REFUSED;
        }
        if (bus_open(&creation.bus) < 0 || bus_describe(creation.bus, &creation.description) < 0)
                return EXIT_REFUSED;

        r = create(&creation);
        if (device_print_all(creation.bus, creation.made, options) < 0 && r >= 0)
                r = -EIO;
        device_print_count("created", array_length(creation.made));

        return r == -EINTR ? EXIT_INTERRUPTED : r < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
