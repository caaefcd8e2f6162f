/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a device is to be.
 *
 * The --input file is one device as "list -M" prints it, daxdctl's or daxctl's.
 * daxdctl's has "ranges", offsets in the region in their order; daxctl's has only
 * "mappings", physical addresses, last one first, so page_offset tells the order.
 */

#include "client/shape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/fields.h"
#include "client/file.h"
#include "client/job.h"
#include "client/name.h"
#include "client/report.h"

/* A number, or a text with one as -u prints addresses. */
static bool field_size(json_object *object, const char *key, uint64_t *ret_size) {
        return field_uint(object, key, ret_size) ||
               size_parse(field_string(object, key), ret_size) == 0;
}

static int input_refuse(const char *path, const char *what) {
        report("%s: %s; give one device as 'daxdctl list -M' prints it without -u", path, what);
        return -EINVAL;
}

static int mapping_compare(const void *a, const void *b) {
        json_object *const *first = a, *const *second = b;
        uint64_t first_page = 0, second_page = 0;

        field_size(*first, "page_offset", &first_page);
        field_size(*second, "page_offset", &second_page);
        return (first_page > second_page) - (first_page < second_page);
}

static bool extent_from_json(json_object *value, bool physical, Extent *ret_extent) {
        Extent extent = { 0 };
        uint64_t end;

        if (!physical)
                return field_size(value, "offset", &ret_extent->offset) &&
                       field_size(value, "size", &ret_extent->size) && ret_extent->size > 0;

        if (!field_size(value, "start", &extent.offset) || !field_size(value, "end", &end) ||
            end < extent.offset || end == UINT64_MAX)
                return false;

        extent.size = end - extent.offset + 1;
        *ret_extent = extent;
        return true;
}

static int shape_read_ranges(Shape *shape, const char *path) {
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
                if (!extent_from_json(json_object_array_get_idx(ranges, i), shape->physical,
                                      &shape->ranges[i]))
                        return input_refuse(path, shape->physical ? "bad \"mappings\"" :
                                                                    "bad \"ranges\"");

        return 0;
}

static int shape_read_sizes(Shape *shape, const char *path) {
        json_object *unused;

        if (json_object_object_get_ex(shape->input, "size", &unused)) {
                if (!field_size(shape->input, "size", &shape->size))
                        return input_refuse(path, "\"size\" is no number");
                shape->given |= OPTION_SIZE;
        }

        if (json_object_object_get_ex(shape->input, "align", &unused)) {
                if (!field_size(shape->input, "align", &shape->align))
                        return input_refuse(path, "\"align\" is no number");
                shape->given |= OPTION_ALIGN;
        }

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

/* A list of one, as `daxdctl list -d` prints it, is that one. */
static json_object *take_only(json_object *value) {
        json_object *only;

        if (!json_object_is_type(value, json_type_array) || json_object_array_length(value) != 1)
                return value;

        only = json_object_get(json_object_array_get_idx(value, 0));
        json_object_put(value);
        return only;
}

static int shape_read_input(Shape *shape, const char *path) {
        _cleanup_free_ char *text = NULL;
        enum json_tokener_error error;
        int r;

        r = file_read(path, &text);
        if (r < 0)
                return r;

        shape->input = json_tokener_parse_verbose(text, &error);
        if (!shape->input)
                return input_refuse(path, json_tokener_error_desc(error));
        shape->input = take_only(shape->input);
        if (!json_object_is_type(shape->input, json_type_object))
                return input_refuse(path, "this is no JSON object, nor an array of one");

        shape_read_words(shape);
        r = shape_read_sizes(shape, path);
        return r < 0 ? r : shape_read_ranges(shape, path);
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
        return shape_check_size(shape);
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
