/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a layout says how large a device is to be. */

#include <stdint.h>

typedef enum LayoutSizeUnit {
        LAYOUT_SIZE_NONE, /* not said: the ranges say it */
        LAYOUT_SIZE_BYTES,
        LAYOUT_SIZE_PERCENT, /* of the region; the value is in hundredths of a percent */
        LAYOUT_SIZE_REST,    /* what the others leave */
        _LAYOUT_SIZE_UNIT_MAX,
} LayoutSizeUnit;

typedef struct LayoutSize {
        LayoutSizeUnit unit;
        uint64_t value;
} LayoutSize;

#define LAYOUT_PERCENT_WHOLE 10000

/*
 * Reads "268435456", "0x10000000", "256M" (K, M, G, T: powers of 1024), "50%", "12.5%" (up to two
 * decimals, above 0, at most 100) or "rest". Returns 0, -EINVAL, or -ERANGE (above 2^64 - 1).
 */
int layout_size_parse(const char *text, LayoutSize *ret_size);

/*
 * In bytes, of a region of @region_size bytes; the fraction of a byte is dropped. Not for NONE,
 * REST.
 */
uint64_t layout_size_bytes(LayoutSize size, uint64_t region_size);

/* As layout_size_parse() reads it. */
typedef struct LayoutSizeText {
        char text[32];
} LayoutSizeText;
LayoutSizeText layout_size_text(LayoutSize size);
