/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a device is to be.
 *
 * Of a device in an --input file daxdctl has listed "ranges", offsets in the
 * region in their order; daxctl only "mappings", physical addresses, last one
 * first, so page_offset tells the order.
 */

#include "client/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/fields.h"
#include "client/input.h"
#include "client/job.h"
#include "client/name.h"
#include "client/report.h"

static int mapping_compare(const void *a, const void *b) {
        json_object *const *first = a, *const *second = b;
        uint64_t first_page = 0, second_page = 0;

        input_size(*first, "page_offset", &first_page);
        input_size(*second, "page_offset", &second_page);
        return (first_page > second_page) - (first_page < second_page);
}

static int shape_read_ranges(Shape *shape) {
        json_object *ranges = field_array(shape->input, "ranges");

        shape->physical = !ranges;
        if (shape->physical) {
                ranges = field_array(shape->input, "mappings");
                if (ranges)
                        json_object_array_sort(ranges, mapping_compare);
        }
        if (array_length(ranges) == 0)
                return 0;

        shape->given |= OPTION_RANGES;
        shape->n_ranges = array_length(ranges);
        shape->ranges = calloc(shape->n_ranges, sizeof(*shape->ranges));
        if (!shape->ranges)
                return report_oom();

        for (size_t i = 0; i < shape->n_ranges; i++)
                (void)input_extent(json_object_array_get_idx(ranges, i), shape->physical,
                                   &shape->ranges[i]);

        return 0;
}

static void shape_read_words(Shape *shape) {
        DeviceName name;

        shape->mode = field_string(shape->input, "mode");
        if (*shape->mode)
                shape->given |= OPTION_MODE;
        shape->label = field_string(shape->input, "label");
        if (*shape->label)
                shape->given |= OPTION_LABEL;
        if (field_true(shape->input, "memmap_on_memory") && strcmp(shape->mode, "system-ram") == 0)
                shape->given |= OPTION_MEMMAP;
        if (device_name_parse(field_string(shape->input, "chardev"), &name)) {
                shape->region = name.region;
                shape->given |= OPTION_REGION;
        }
}

static int shape_read_input(Shape *shape, const char *path) {
        int r;

        r = input_read(path, &shape->input);
        if (r < 0)
                return r;

        shape_read_words(shape);
        if (input_size(shape->input, "size", &shape->size))
                shape->given |= OPTION_SIZE;
        if (input_size(shape->input, "align", &shape->align))
                shape->given |= OPTION_ALIGN;
        return shape_read_ranges(shape);
}

static int shape_read_options(Shape *shape, const Options *options) {
        if (options_has(options, OPTION_SIZE))
                shape->size = options->size;
        if (options_has(options, OPTION_ALIGN))
                shape->align = options->align;
        if (options_has(options, OPTION_MODE))
                shape->mode = options->mode;
        if (options_has(options, OPTION_LABEL))
                shape->label = options->label;
        shape->given |= options->given & (OPTION_SIZE | OPTION_ALIGN | OPTION_MODE | OPTION_LABEL |
                                          OPTION_RANGES | OPTION_MEMMAP);
        if (!options_has(options, OPTION_RANGES))
                return 0;

        free(shape->ranges);
        shape->n_ranges = 0;
        shape->physical = false;
        shape->ranges = calloc(options->n_ranges, sizeof(*shape->ranges));
        if (!shape->ranges)
                return report_oom();
        memcpy(shape->ranges, options->ranges, options->n_ranges * sizeof(*shape->ranges));
        shape->n_ranges = options->n_ranges;
        return 0;
}

/* Without a size a device gets all that there is: that is asked for by giving no file. */
static int shape_check_input(const Shape *shape) {
        if (!shape->input || (shape->given & (OPTION_SIZE | OPTION_RANGES)))
                return 0;

        report("the --input file has no \"size\": give one device as 'daxdctl list -M' prints it, or "
               "add --size");
        return -EINVAL;
}

/* Exact ranges say the size, so a size that was given besides must be theirs. */
static int shape_check_size(Shape *shape) {
        char size[SIZE_TEXT_MAX], sum_text[SIZE_TEXT_MAX];
        uint64_t sum;

        if (!(shape->given & OPTION_RANGES))
                return 0;
        if (extents_sum(shape->ranges, shape->n_ranges, &sum) < 0) {
                report("the ranges go beyond 64 bits");
                return -EINVAL;
        }
        if ((shape->given & OPTION_SIZE) && shape->size != sum) {
                size_format_exact(shape->size, size);
                size_format_exact(sum, sum_text);
                report("the size is %s but the ranges have %s; leave one of them out", size,
                       sum_text);
                return -EINVAL;
        }

        shape->size = sum;
        shape->given |= OPTION_SIZE;
        return 0;
}

int shape_init(Shape *shape, const Options *options) {
        int r;

        *shape = (Shape){ 0 };
        if (options->input) {
                r = shape_read_input(shape, options->input);
                if (r < 0)
                        return r;
        }

        r = shape_read_options(shape, options);
        if (r < 0)
                return r;
        r = shape_check_input(shape);
        return r < 0 ? r : shape_check_size(shape);
}

void shape_deinit(Shape *shape) {
        free(shape->ranges);
        json_object_put(shape->input);
}

static int region_get_resource(sd_bus *bus, json_object *region, Extent *ret_resource) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        int r;

        r = bus_new_call(bus, field_string(region, "object"), DAXD_REGION, "GetResource", &message);
        if (r < 0)
                return r;
        r = bus_check(sd_bus_message_append(message, "a{sv}", 0));
        if (r < 0)
                return r;
        r = bus_check(sd_bus_message_set_allow_interactive_authorization(message, true));
        if (r < 0)
                return r;
        r = bus_call(bus, message, &reply);
        if (r < 0)
                return r;

        r = sd_bus_message_read(reply, "tt", &ret_resource->offset, &ret_resource->size);
        if (r < 0)
                report("daxd's answer is not what its interface promises");
        return r < 0 ? r : 0;
}

int shape_place(Shape *shape, sd_bus *bus, json_object *region) {
        Extent resource;
        int r;

        if (!shape->physical || shape->n_ranges == 0)
                return 0;

        r = region_get_resource(bus, region, &resource);
        if (r < 0)
                return r;

        for (size_t i = 0; i < shape->n_ranges; i++) {
                if (shape->ranges[i].offset < resource.offset) {
                        report("the mapping that starts at %#llx lies before the region %s",
                               (unsigned long long)shape->ranges[i].offset,
                               field_string(region, "path"));
                        return -EINVAL;
                }
                shape->ranges[i].offset -= resource.offset;
        }

        shape->physical = false;
        return 0;
}

static int add_ranges(const Shape *shape, sd_bus_message *message) {
        int r;

        r = sd_bus_message_open_container(message, SD_BUS_TYPE_DICT_ENTRY, "sv");
        if (r < 0)
                return r;
        r = sd_bus_message_append(message, "s", "ranges");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(message, SD_BUS_TYPE_VARIANT, "a(tt)");
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "(tt)");
        if (r < 0)
                return r;

        for (size_t i = 0; i < shape->n_ranges; i++) {
                r = sd_bus_message_append(message, "(tt)", shape->ranges[i].offset,
                                          shape->ranges[i].size);
                if (r < 0)
                        return r;
        }

        for (size_t i = 0; i < 3; i++) {
                r = sd_bus_message_close_container(message);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* System RAM goes online as movable unless something else was said, as with daxctl. */
static bool shape_has_policy(const Shape *shape, const Options *options) {
        if (options_has(options, OPTION_NO_ONLINE | OPTION_NO_MOVABLE))
                return true;

        return (shape->given & OPTION_MODE) && strcmp(shape->mode, "system-ram") == 0;
}

int shape_add_options(const Shape *shape, const Options *options, sd_bus_message *message) {
        int r = 0;

        if (shape->given & OPTION_ALIGN)
                r = job_option_size(message, "align", shape->align);
        if (r >= 0 && (shape->given & OPTION_MODE))
                r = job_option_string(message, "mode", shape->mode);
        if (r >= 0 && shape_has_policy(shape, options))
                r = job_option_string(message, "online", options_online_policy(options));
        if (r >= 0 && (shape->given & OPTION_MEMMAP))
                r = job_option_bool(message, "memmap-on-memory", true);
        if (r >= 0 && (shape->given & OPTION_RANGES))
                r = bus_check(add_ranges(shape, message));
        if (r >= 0 && options_has(options, OPTION_WIPE | OPTION_NO_WIPE))
                r = job_option_bool(message, "wipe", options_has(options, OPTION_WIPE));

        return r;
}
