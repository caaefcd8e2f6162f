/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Regions and devices as they are printed.
 */

#include "client/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/cleanup.h"
#include "client/fields.h"
#include "client/report.h"

static bool key_is_in(const char *key, const char *const *keys) {
        for (; *keys; keys++)
                if (strcmp(key, *keys) == 0)
                        return true;

        return false;
}

static bool key_is_hidden(const char *key, json_object *value, const Options *options) {
        static const char *const always[] = { "devices", "empty_devices", "object", "incarnation",
                                              NULL };
        static const char *const places[] = { "mappings", "ranges", "free_extents", NULL };
        static const char *const when_false[] = { "static", "memmap_on_memory", "tainted", NULL };

        if (key_is_in(key, always))
                return true;
        if (key_is_in(key, places))
                return !options_has(options, OPTION_MAPPINGS);
        if (key_is_in(key, when_false))
                return !json_object_get_boolean(value);

        return json_object_is_type(value, json_type_string) &&
               json_object_get_string_len(value) == 0;
}

static json_object *number_for_people(const char *key, json_object *value) {
        static const char *const sizes[] = { "size", "available_size", "align",
                                             "largest_free_extent", NULL };
        static const char *const addresses[] = { "page_offset", "start", "end", "offset", NULL };
        char text[SIZE_TEXT_MAX];
        uint64_t number;

        if (!value_uint(value, &number))
                return json_object_get(value);

        if (key_is_in(key, addresses)) {
                snprintf(text, sizeof(text), "%#" PRIx64, number);
                return json_object_new_string(text);
        }

        size_format_human(number, text);
        if (!key_is_in(key, sizes) || !strchr(text, ' '))
                return json_object_get(value);

        return json_object_new_string(text);
}

static json_object *view_value(const char *key, json_object *value, const Options *options);

static json_object *view_array(const char *key, json_object *array, const Options *options) {
        _cleanup_json_ json_object *view = json_object_new_array();

        if (!view)
                return NULL;
        for (size_t i = 0; i < array_length(array); i++) {
                json_object *element = json_object_array_get_idx(array, i);

                if (array_add(view, view_value(key, element, options)) < 0)
                        return NULL;
        }

        return steal_json(&view);
}

static json_object *view_value(const char *key, json_object *value, const Options *options) {
        if (json_object_is_type(value, json_type_object))
                return view_new(value, options);
        if (json_object_is_type(value, json_type_array))
                return view_array(key, value, options);
        if (options_has(options, OPTION_HUMAN))
                return number_for_people(key, value);

        return json_object_get(value);
}

json_object *view_new(json_object *object, const Options *options) {
        _cleanup_json_ json_object *view = json_object_new_object();

        if (!view || !json_object_is_type(object, json_type_object))
                return steal_json(&view);
        json_object_object_foreach(object, key, value)
                if (value && !key_is_hidden(key, value, options) &&
                    field_add(view, key, view_value(key, value, options)) < 0)
                        return NULL;

        return steal_json(&view);
}

json_object *view_new_empty(json_object *region, const char *name) {
        _cleanup_json_ json_object *view = json_object_new_object();
        json_object *node;

        if (!view || field_add(view, "chardev", json_object_new_string(name)) < 0 ||
            field_add(view, "size", json_object_new_int(0)) < 0)
                return NULL;
        if (json_object_object_get_ex(region, "target_node", &node) &&
            field_add(view, "target_node", json_object_get(node)) < 0)
                return NULL;
        if (field_add(view, "state", json_object_new_string("disabled")) < 0)
                return NULL;

        return steal_json(&view);
}

int view_print(json_object *array, const Options *options) {
        if (options_has(options, OPTION_HUMAN) && array_length(array) == 1)
                return say_json(json_object_array_get_idx(array, 0));

        return say_json(array);
}
