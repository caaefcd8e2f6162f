/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes and lists of ranges in JSON. */

#include "daemon/layout/ranges.h"
#include "daemon/util/text.h"

int layout_read_bytes(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);

        if (json_value_u64(value, target) || (text && text_parse_size(text, target) >= 0))
                return 0;
        return json_expected(value, "a number of bytes below 2^64, or a string such as \"256M\", "
                                    "\"4G\" or \"0x10000000\"");
}

static int read_half(const JsonValue *value, void *target) {
        uint64_t *pair = target;

        return layout_read_bytes(value, &pair[value->index]);
}

static int read_range(const JsonValue *value, void *target) {
        DaxRanges *ranges = target;
        uint64_t pair[2], end;
        int r;

        if (!json_object_is_type(value->object, json_type_array) ||
            json_object_array_length(value->object) != 2)
                return json_expected(value, "a pair [offset in the region, size]");
        r = json_read_array(value, read_half, pair);
        if (r != 0)
                return r;
        if (pair[1] == 0)
                return json_refuse(value, "expected a size above 0");
        if (__builtin_add_overflow(pair[0], pair[1], &end))
                return json_refuse(value, "this range ends above 2^64 - 1");

        return dax_ranges_append(ranges, (DaxRange){ pair[0], pair[1] });
}

int layout_read_ranges(const JsonValue *value, void *target) {
        DaxRanges *ranges = target;
        int r;

        r = json_read_array(value, read_range, ranges);
        return r == 0 && ranges->count == 0 ? json_refuse(value, "expected at least one range") : r;
}

int layout_add_ranges(json_object *object, const DaxRanges *ranges) {
        _cleanup_json_ json_object *array = NULL;

        array = json_object_new_array();
        if (!array)
                return -ENOMEM;

        for (size_t i = 0; i < ranges->count; i++) {
                _cleanup_json_ json_object *pair = json_object_new_array();
                DaxRange range = ranges->list[i];

                if (!pair || json_append(pair, json_object_new_uint64(range.offset)) < 0 ||
                    json_append(pair, json_object_new_uint64(range.size)) < 0 ||
                    json_append(array, TAKE_PTR(pair)) < 0)
                        return -ENOMEM;
        }

        return json_add(object, "ranges", TAKE_PTR(array));
}
