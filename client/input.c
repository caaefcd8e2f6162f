/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The file of --input. A key that is misspelt or of another thing than a device
 * would be missing without a word, and a device without a size is all that there
 * is: so nothing is passed over but what list prints of a device and a new one
 * cannot be told.
 */

#include "client/input.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/cleanup.h"
#include "client/fields.h"
#include "client/file.h"
#include "client/name.h"
#include "client/report.h"

/* as much of a value as a sentence bears */
#define SHOWN "%.60s"

typedef struct InputKey {
        const char *name;
        const char *kind; /* what its value is */
        bool (*check)(json_object *device, const char *key);
} InputKey;

static int __attribute__((__format__(__printf__, 2, 3)))
input_refuse(const char *path, const char *format, ...) {
        _cleanup_free_ char *what = NULL;
        va_list arguments;
        int r;

        va_start(arguments, format);
        r = vasprintf(&what, format, arguments);
        va_end(arguments);
        if (r < 0) {
                what = NULL;
                return report_oom();
        }

        report("%s: %s; give one device as 'daxdctl list -M' prints it without -u",
               strcmp(path, "-") == 0 ? "stdin" : path, what);
        return -EINVAL;
}

bool input_size(json_object *object, const char *key, uint64_t *ret_size) {
        return field_uint(object, key, ret_size) ||
               size_parse(field_string(object, key), ret_size) == 0;
}

bool input_extent(json_object *value, bool physical, Extent *ret_extent) {
        Extent extent = { 0 };
        uint64_t end, page;

        if (!physical) {
                if (!input_size(value, "offset", &extent.offset) ||
                    !input_size(value, "size", &extent.size) || extent.size == 0)
                        return false;
                *ret_extent = extent;
                return true;
        }

        if (!input_size(value, "page_offset", &page) ||
            !input_size(value, "start", &extent.offset) || !input_size(value, "end", &end) ||
            end < extent.offset || end == UINT64_MAX)
                return false;

        extent.size = end - extent.offset + 1;
        *ret_extent = extent;
        return true;
}

/* --- kinds of values -------------------------------------------------------------------------- */

static bool is_type(json_object *device, const char *key, json_type type) {
        return json_object_is_type(json_object_object_get(device, key), type);
}

static bool is_text(json_object *device, const char *key) {
        return *field_string(device, key);
}

static bool is_number(json_object *device, const char *key) {
        return is_type(device, key, json_type_int);
}

static bool is_truth(json_object *device, const char *key) {
        return is_type(device, key, json_type_boolean);
}

static bool is_size(json_object *device, const char *key) {
        uint64_t size;

        return input_size(device, key, &size);
}

static bool is_name(json_object *device, const char *key) {
        DeviceName name;

        return device_name_parse(field_string(device, key), &name);
}

static bool are_extents(json_object *device, const char *key, bool physical) {
        json_object *extents = field_array(device, key);
        Extent extent;

        for (size_t i = 0; i < array_length(extents); i++)
                if (!input_extent(json_object_array_get_idx(extents, i), physical, &extent))
                        return false;

        return extents;
}

static bool are_ranges(json_object *device, const char *key) {
        return are_extents(device, key, false);
}

static bool are_mappings(json_object *device, const char *key) {
        return are_extents(device, key, true);
}

/* --- the device ------------------------------------------------------------------------------- */

static const InputKey input_keys[] = {
        { "chardev", "the name of a device", is_name },
        { "size", "a size", is_size },
        { "align", "a size", is_size },
        { "mode", "a text", is_text },
        { "label", "a text", is_text },
        { "ranges", "a list of ranges with offset and size", are_ranges },
        { "mappings", "a list of mappings with page_offset, start and end", are_mappings },
        { "memmap_on_memory", "true or false", is_truth },
        /* what the device has come to: nothing that a new one could be told */
        { "target_node", "a number", is_number },
        { "online_memblocks", "a number", is_number },
        { "total_memblocks", "a number", is_number },
        { "movable", "true or false", is_truth },
        { "state", "a text", is_text },
        { "tainted", "true or false", is_truth },
};

#define N_KEYS (sizeof(input_keys) / sizeof(input_keys[0]))

static int refuse_key(const char *path, const char *name) {
        const char *names[N_KEYS], *nearest;

        for (size_t i = 0; i < N_KEYS; i++)
                names[i] = input_keys[i].name;

        nearest = nearest_word(name, names, N_KEYS);
        return input_refuse(path, "a device has no \"" SHOWN "\"%s%s%s", name,
                            nearest ? " (did you mean \"" : "", nearest ? nearest : "",
                            nearest ? "\"?)" : "");
}

static int check_key(const char *path, json_object *device, const char *name) {
        for (size_t i = 0; i < N_KEYS; i++) {
                const InputKey *key = &input_keys[i];

                if (strcmp(key->name, name) != 0)
                        continue;
                if (key->check(device, name))
                        return 0;
                return input_refuse(path, "\"%s\" is " SHOWN ", not %s", name,
                                    json_object_to_json_string(
                                            json_object_object_get(device, name)),
                                    key->kind);
        }

        return refuse_key(path, name);
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

static int input_parse(const char *path, const char *text, json_object **ret_value) {
        _cleanup_(tokener_freep) json_tokener *tokener = json_tokener_new();
        _cleanup_json_ json_object *value = NULL;
        const char *rest;

        if (!tokener)
                return report_oom();

        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS);
        value = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
        if (json_tokener_get_error(tokener) != json_tokener_success)
                return input_refuse(path, "this is no JSON, at byte %zu: %s",
                                    json_tokener_get_parse_end(tokener),
                                    json_tokener_error_desc(json_tokener_get_error(tokener)));

        rest = text + json_tokener_get_parse_end(tokener);
        rest += strspn(rest, " \t\r\n");
        if (*rest)
                return input_refuse(path, "there is more behind the device: " SHOWN, rest);

        *ret_value = steal_json(&value);
        return 0;
}

int input_read(const char *path, json_object **ret_device) {
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_object *device = NULL;
        int r;

        r = file_read(path, &text);
        if (r < 0)
                return r;
        r = input_parse(path, text, &device);
        if (r < 0)
                return r;

        device = take_only(device);
        if (!json_object_is_type(device, json_type_object))
                return input_refuse(path, "this is no JSON object, nor an array of one");
        json_object_object_foreach(device, key, value) {
                (void)value;
                r = check_key(path, device, key);
                if (r < 0)
                        return r;
        }

        *ret_device = steal_json(&device);
        return 0;
}
