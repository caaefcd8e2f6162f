/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Values of D-Bus messages as JSON. The bus checks messages before we see
 * them, among others that containers lie at most 64 deep, so recursion ends.
 */

#include "client/value.h"

#include <errno.h>
#include <stdbool.h>

#include "client/cleanup.h"
#include "client/fields.h"

static json_object *basic_to_json(sd_bus_message *message, char type) {
        union {
                uint8_t y;
                int b;
                int16_t n;
                uint16_t q;
                int32_t i;
                uint32_t u;
                int64_t x;
                uint64_t t;
                double d;
                const char *s;
        } value;

        if (sd_bus_message_read_basic(message, type, &value) < 0)
                return NULL;

        switch (type) {
        case SD_BUS_TYPE_BYTE:
                return json_object_new_int(value.y);
        case SD_BUS_TYPE_BOOLEAN:
                return json_object_new_boolean(value.b);
        case SD_BUS_TYPE_INT16:
                return json_object_new_int(value.n);
        case SD_BUS_TYPE_UINT16:
                return json_object_new_int(value.q);
        case SD_BUS_TYPE_INT32:
                return json_object_new_int(value.i);
        case SD_BUS_TYPE_UINT32:
                return json_object_new_int64(value.u);
        case SD_BUS_TYPE_INT64:
                return json_object_new_int64(value.x);
        case SD_BUS_TYPE_UINT64:
                return json_object_new_uint64(value.t);
        case SD_BUS_TYPE_DOUBLE:
                return json_object_new_double(value.d);
        case SD_BUS_TYPE_STRING:
        case SD_BUS_TYPE_OBJECT_PATH:
        case SD_BUS_TYPE_SIGNATURE:
                return json_object_new_string(value.s);
        default:
                return NULL; /* file descriptors, of which daxd sends none */
        }
}

static int read_elements(sd_bus_message *message, json_object *array) {
        json_object *element;
        int r;

        while ((r = value_read(message, &element)) > 0) {
                r = array_add(array, element);
                if (r < 0)
                        return r;
        }

        return r;
}

static int read_entries(sd_bus_message *message, const char *entry, json_object *object) {
        int r;

        while ((r = sd_bus_message_enter_container(message, SD_BUS_TYPE_DICT_ENTRY, entry)) > 0) {
                _cleanup_json_ json_object *key = NULL;
                json_object *value;

                r = value_read(message, &key);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
                r = value_read(message, &value);
                if (r <= 0)
                        return r < 0 ? r : -EBADMSG;
                r = field_add(object, json_object_get_string(key), value);
                if (r < 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }

        return r;
}

static int read_container(sd_bus_message *message, char type, const char *contents,
                          json_object **ret_value) {
        _cleanup_free_ char *entry = NULL;
        _cleanup_json_ json_object *value = NULL;
        bool dictionary = type == SD_BUS_TYPE_ARRAY && contents[0] == '{';
        int r;

        value = dictionary ? json_object_new_object() : json_object_new_array();
        if (!value)
                return -ENOMEM;
        if (dictionary) {
                entry = strndup(contents + 1, strlen(contents) - 2);
                if (!entry)
                        return -ENOMEM;
        }

        r = sd_bus_message_enter_container(message, type, contents);
        if (r < 0)
                return r;
        r = dictionary ? read_entries(message, entry, value) : read_elements(message, value);
        if (r < 0)
                return r;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;

        *ret_value = steal_json(&value);
        return 1;
}

static int read_variant(sd_bus_message *message, const char *contents, json_object **ret_value) {
        _cleanup_json_ json_object *value = NULL;
        int r;

        r = sd_bus_message_enter_container(message, SD_BUS_TYPE_VARIANT, contents);
        if (r < 0)
                return r;
        r = value_read(message, &value);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;

        *ret_value = steal_json(&value);
        return 1;
}

int value_read(sd_bus_message *message, json_object **ret_value) {
        const char *contents;
        char type;
        int r;

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r <= 0)
                return r;

        switch (type) {
        case SD_BUS_TYPE_VARIANT:
                return read_variant(message, contents, ret_value);
        case SD_BUS_TYPE_ARRAY:
        case SD_BUS_TYPE_STRUCT:
                return read_container(message, type, contents, ret_value);
        default:
                *ret_value = basic_to_json(message, type);
                return *ret_value ? 1 : -ENOMEM;
        }
}
