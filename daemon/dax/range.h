/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Lists of ranges: (offset in the region, size) in bytes. A device's list is in page-offset order,
 * never sorted and never merged, since order and boundaries mean something to the kernel. Lists of
 * free or of owned memory are sorted by offset.
 */

#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct DaxRange {
        uint64_t offset;
        uint64_t size;
} DaxRange;

typedef struct DaxRanges {
        DaxRange *list;
        size_t count;
} DaxRanges;

#define _cleanup_ranges_ _cleanup_(dax_ranges_deinit)

static inline uint64_t dax_range_end(DaxRange range) {
        return range.offset + range.size;
}

bool dax_range_overlaps(DaxRange a, DaxRange b);
DaxRange dax_range_common(DaxRange a, DaxRange b); /* of size 0: nothing */
bool dax_range_contains(DaxRange outer, DaxRange inner);

int dax_ranges_append(DaxRanges *ranges, DaxRange range); /* 0 or -ENOMEM */
int dax_ranges_copy(const DaxRanges *ranges, DaxRanges *ret_copy);
void dax_ranges_deinit(DaxRanges *ranges);

uint64_t dax_ranges_size(const DaxRanges *ranges);
bool dax_ranges_equal(const DaxRanges *a, const DaxRanges *b); /* same order, same boundaries */
/*
 * The same for equal ones. For who asks whether they still are what they were, not against malice.
 */
uint64_t dax_ranges_hash(const DaxRanges *ranges);
bool dax_ranges_overlap(const DaxRanges *ranges, DaxRange range);
/* Whether every byte of @range lies in @ranges, which need not be sorted. */
bool dax_ranges_cover(const DaxRanges *ranges, DaxRange range);
/* Whether @ranges are what is left of @whole when bytes are taken from its end. */
bool dax_ranges_is_head(const DaxRanges *ranges, const DaxRanges *whole);

/* Takes bytes from the end until @size is left, as the kernel does when a device shrinks. */
void dax_ranges_cut(DaxRanges *ranges, uint64_t size);
/* Sorts by offset; does not merge. */
void dax_ranges_sort(DaxRanges *ranges);
/* Takes the bytes of @range out of every element; an element may become two. 0 or -ENOMEM. */
int dax_ranges_subtract(DaxRanges *ranges, DaxRange range);
int dax_ranges_subtract_all(DaxRanges *ranges, const DaxRanges *less);
/* Appends what lies in both, each piece for itself, in the order of @a. 0 or -ENOMEM. */
int dax_ranges_intersect(const DaxRanges *a, const DaxRanges *b, DaxRanges *ret_both);
/* Adds @range to a sorted list in which nothing overlaps it, merging with neighbours. */
int dax_ranges_add(DaxRanges *sorted, DaxRange range);
