/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sizes and ranges as people write and read them. Every addition and
 * multiplication is checked: a size that wraps would be a wrong size.
 */

#include "client/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cleanup.h"

static int digit_value(char c, unsigned int base) {
        int value = -1;

        if (c >= '0' && c <= '9')
                value = c - '0';
        else if (c >= 'a' && c <= 'f')
                value = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
                value = c - 'A' + 10;

        return value < (int)base ? value : -1;
}

static int suffix_shift(char suffix, unsigned int *ret_shift) {
        switch (suffix) {
        case '\0':
                *ret_shift = 0;
                return 0;
        case 'k':
        case 'K':
                *ret_shift = 10;
                return 0;
        case 'm':
        case 'M':
                *ret_shift = 20;
                return 0;
        case 'g':
        case 'G':
                *ret_shift = 30;
                return 0;
        case 't':
        case 'T':
                *ret_shift = 40;
                return 0;
        default:
                return -EINVAL;
        }
}

static int size_parse_n(const char *text, size_t length, uint64_t *ret_size) {
        unsigned int base = 10, shift;
        uint64_t size = 0;
        size_t i = 0, first;
        int digit;

        if (length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
                base = 16;
                i = 2;
        }

        for (first = i; i < length && (digit = digit_value(text[i], base)) >= 0; i++)
                if (__builtin_mul_overflow(size, (uint64_t)base, &size) ||
                    __builtin_add_overflow(size, (uint64_t)digit, &size))
                        return -ERANGE;

        if (i == first || length - i > 1)
                return -EINVAL;
        if (suffix_shift(i < length ? text[i] : '\0', &shift) < 0)
                return -EINVAL;
        if (size > UINT64_MAX >> shift)
                return -ERANGE;

        *ret_size = size << shift;
        return 0;
}

int size_parse(const char *text, uint64_t *ret_size) {
        return size_parse_n(text, strlen(text), ret_size);
}

void size_format_human(uint64_t size, char text[static SIZE_TEXT_MAX]) {
        static const uint64_t limit_plain = UINT64_C(5000) << 10, limit_mega = UINT64_C(2) << 30;
        unsigned int shift = size < limit_mega ? 20 : 30;
        uint64_t decimal = size < limit_mega ? UINT64_C(1000000) : UINT64_C(1000000000);
        uint64_t rest = size & ((UINT64_C(1) << shift) - 1);
        uint64_t binary_cents, decimal_cents;
        char letter = size < limit_mega ? 'M' : 'G';

        if (size < limit_plain) {
                snprintf(text, SIZE_TEXT_MAX, "%" PRIu64, size);
                return;
        }

        /* hundredths, rounded to the nearest; the whole units apart, so that nothing overflows */
        binary_cents = (size >> shift) * 100 + ((rest * 200 >> shift) + 1) / 2;
        decimal_cents = (size / (decimal / 200) + 1) / 2;

        snprintf(text, SIZE_TEXT_MAX,
                 "%" PRIu64 ".%02" PRIu64 " %ciB (%" PRIu64 ".%02" PRIu64 " %cB)",
                 binary_cents / 100, binary_cents % 100, letter, decimal_cents / 100,
                 decimal_cents % 100, letter);
}

void size_format_exact(uint64_t size, char text[static SIZE_TEXT_MAX]) {
        static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
        size_t unit = 0;

        while (unit < 4 && size >= 1024 && size % 1024 == 0) {
                size /= 1024;
                unit++;
        }

        snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " %s", size, units[unit]);
}

static int extent_parse(const char *text, size_t length, Extent *ret_extent) {
        const char *colon = memchr(text, ':', length);
        Extent extent = { 0 };
        uint64_t end;
        size_t n;
        int r;

        if (!colon)
                return -EINVAL;
        n = (size_t)(colon - text);

        r = size_parse_n(text, n, &extent.offset);
        if (r < 0)
                return r;
        r = size_parse_n(colon + 1, length - n - 1, &extent.size);
        if (r < 0)
                return r;
        if (extent.size == 0)
                return -EINVAL;
        if (__builtin_add_overflow(extent.offset, extent.size, &end))
                return -ERANGE;

        *ret_extent = extent;
        return 0;
}

int extents_sum(const Extent *extents, size_t n_extents, uint64_t *ret_size) {
        uint64_t sum = 0;

        for (size_t i = 0; i < n_extents; i++)
                if (__builtin_add_overflow(sum, extents[i].size, &sum))
                        return -ERANGE;

        *ret_size = sum;
        return 0;
}

int extents_parse(const char *text, Extent **ret_extents, size_t *ret_n_extents) {
        _cleanup_free_ Extent *extents = NULL;
        size_t n = 1;
        uint64_t sum;
        int r;

        for (const char *p = text; *p; p++)
                n += *p == ',';
        extents = calloc(n, sizeof(*extents));
        if (!extents)
                return -ENOMEM;

        for (size_t i = 0; i < n; i++) {
                size_t length = strcspn(text, ",");

                r = extent_parse(text, length, &extents[i]);
                if (r < 0)
                        return r;
                text += length + 1;
        }

        r = extents_sum(extents, n, &sum);
        if (r < 0)
                return r;

        *ret_extents = extents;
        *ret_n_extents = n;
        extents = NULL;
        return 0;
}
