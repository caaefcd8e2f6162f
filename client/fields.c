/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Fields of JSON objects, by type.
 */

#include "client/fields.h"

#include <errno.h>

static json_object *field_get(json_object *object, const char *key, json_type type) {
        json_object *value;

        if (!json_object_is_type(object, json_type_object) ||
            !json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, type))
                return NULL;

        return value;
}

const char *field_string(json_object *object, const char *key) {
        json_object *value = field_get(object, key, json_type_string);

        return value ? json_object_get_string(value) : "";
}

bool value_uint(json_object *value, uint64_t *ret_value) {
        if (!json_object_is_type(value, json_type_int))
                return false;
        /* a value above INT64_MAX reads as INT64_MAX here, a negative one as itself */
        if (json_object_get_int64(value) < 0)
                return false;

        *ret_value = json_object_get_uint64(value);
        return true;
}

bool field_uint(json_object *object, const char *key, uint64_t *ret_value) {
        return value_uint(field_get(object, key, json_type_int), ret_value);
}

bool field_true(json_object *object, const char *key) {
        json_object *value = field_get(object, key, json_type_boolean);

        return value && json_object_get_boolean(value);
}

json_object *field_array(json_object *object, const char *key) {
        return field_get(object, key, json_type_array);
}

json_object *field_object(json_object *object, const char *key) {
        return field_get(object, key, json_type_object);
}

size_t array_length(json_object *array) {
        return array ? json_object_array_length(array) : 0;
}

int field_add(json_object *object, const char *key, json_object *value) {
        if (value && json_object_object_add(object, key, value) >= 0)
                return 0;

        json_object_put(value);
        return -ENOMEM;
}

int array_add(json_object *array, json_object *value) {
        if (value && json_object_array_add(array, value) >= 0)
                return 0;

        json_object_put(value);
        return -ENOMEM;
}
