/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sizes of layouts: whole numbers only, so that the same text gives the same bytes everywhere. */

#include "daemon/layout/size.h"
#include "daemon/util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int parse_percent(const char *text, size_t length, uint64_t *ret_hundredths) {
        static const char digits[] = "0123456789";
        size_t whole = strspn(text, digits), decimals = 0;
        uint64_t value = 0;

        if (whole == 0 || whole > 3)
                return -EINVAL;
        if (text[whole] == '.') {
                decimals = strspn(text + whole + 1, digits);
                if (decimals == 0 || decimals > 2)
                        return -EINVAL;
        }
        if (whole + (decimals > 0 ? decimals + 1 : 0) != length)
                return -EINVAL;

        for (size_t i = 0; i < length; i++)
                if (text[i] != '.')
                        value = 10 * value + (text[i] - '0');
        for (; decimals < 2; decimals++)
                value *= 10;
        if (value == 0 || value > LAYOUT_PERCENT_WHOLE)
                return -EINVAL;

        *ret_hundredths = value;
        return 0;
}

int layout_size_parse(const char *text, LayoutSize *ret_size) {
        size_t length = strlen(text);
        LayoutSize size = {};
        int r;

        if (strcmp(text, "rest") == 0) {
                size.unit = LAYOUT_SIZE_REST;
                r = 0;
        } else if (length > 0 && text[length - 1] == '%') {
                size.unit = LAYOUT_SIZE_PERCENT;
                r = parse_percent(text, length - 1, &size.value);
        } else {
                size.unit = LAYOUT_SIZE_BYTES;
                r = text_parse_size(text, &size.value);
        }
        if (r < 0)
                return r;

        *ret_size = size;
        return 0;
}

uint64_t layout_size_bytes(LayoutSize size, uint64_t region_size) {
        assert(size.unit == LAYOUT_SIZE_BYTES || size.unit == LAYOUT_SIZE_PERCENT);

        if (size.unit == LAYOUT_SIZE_BYTES)
                return size.value;

        /* region_size * value / WHOLE, without the product */
        return region_size / LAYOUT_PERCENT_WHOLE * size.value +
               region_size % LAYOUT_PERCENT_WHOLE * size.value / LAYOUT_PERCENT_WHOLE;
}

LayoutSizeText layout_size_text(LayoutSize size) {
        LayoutSizeText text = {};

        switch (size.unit) {
        case LAYOUT_SIZE_BYTES:
                snprintf(text.text, sizeof(text.text), "%llu", (unsigned long long)size.value);
                break;
        case LAYOUT_SIZE_PERCENT:
                snprintf(text.text, sizeof(text.text), "%u.%02u%%", (unsigned)(size.value / 100),
                         (unsigned)(size.value % 100));
                break;
        case LAYOUT_SIZE_REST:
                strcpy(text.text, "rest");
                break;
        case LAYOUT_SIZE_NONE:
        case _LAYOUT_SIZE_UNIT_MAX:
                break;
        }

        return text;
}
