/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Arithmetic on lists of ranges. A list never holds an empty range. */

#include "daemon/dax/range.h"
#include "daemon/util/text.h"

#include <string.h>

bool dax_range_overlaps(DaxRange a, DaxRange b) {
        return a.offset < dax_range_end(b) && b.offset < dax_range_end(a);
}

DaxRange dax_range_common(DaxRange a, DaxRange b) {
        uint64_t start = MAX(a.offset, b.offset), end = MIN(dax_range_end(a), dax_range_end(b));

        return start < end ? (DaxRange){ start, end - start } : (DaxRange){};
}

bool dax_range_contains(DaxRange outer, DaxRange inner) {
        return inner.offset >= outer.offset && dax_range_end(inner) <= dax_range_end(outer);
}

int dax_ranges_append(DaxRanges *ranges, DaxRange range) {
        return ARRAY_APPEND(ranges->list, ranges->count, range);
}

int dax_ranges_copy(const DaxRanges *ranges, DaxRanges *ret_copy) {
        _cleanup_ranges_ DaxRanges copy = {};

        for (size_t i = 0; i < ranges->count; i++)
                if (dax_ranges_append(&copy, ranges->list[i]) < 0)
                        return -ENOMEM;

        *ret_copy = copy;
        copy = (DaxRanges){};
        return 0;
}

void dax_ranges_deinit(DaxRanges *ranges) {
        free(ranges->list);
        *ranges = (DaxRanges){};
}

uint64_t dax_ranges_size(const DaxRanges *ranges) {
        uint64_t size = 0;

        for (size_t i = 0; i < ranges->count; i++)
                size += ranges->list[i].size;

        return size;
}

bool dax_ranges_equal(const DaxRanges *a, const DaxRanges *b) {
        return a->count == b->count &&
               (a->count == 0 || memcmp(a->list, b->list, a->count * sizeof(DaxRange)) == 0);
}

uint64_t dax_ranges_hash(const DaxRanges *ranges) {
        return text_hash(TEXT_HASH_INIT, ranges->list, ranges->count * sizeof(DaxRange));
}

bool dax_ranges_overlap(const DaxRanges *ranges, DaxRange range) {
        for (size_t i = 0; i < ranges->count; i++)
                if (dax_range_overlaps(ranges->list[i], range))
                        return true;

        return false;
}

bool dax_ranges_cover(const DaxRanges *ranges, DaxRange range) {
        while (range.size > 0) {
                bool found = false;

                for (size_t i = 0; i < ranges->count; i++) {
                        DaxRange r = ranges->list[i];

                        if (r.offset <= range.offset && range.offset < dax_range_end(r)) {
                                uint64_t n = MIN(range.size, dax_range_end(r) - range.offset);

                                range.offset += n;
                                range.size -= n;
                                found = true;
                        }
                        if (range.size == 0)
                                break;
                }
                if (!found)
                        return false;
        }

        return true;
}

bool dax_ranges_is_head(const DaxRanges *ranges, const DaxRanges *whole) {
        if (ranges->count > whole->count)
                return false;

        for (size_t i = 0; i < ranges->count; i++) {
                DaxRange part = ranges->list[i], of = whole->list[i];

                if (part.offset != of.offset || part.size > of.size)
                        return false;
                if (part.size < of.size && i + 1 < ranges->count)
                        return false;
        }

        return true;
}

void dax_ranges_cut(DaxRanges *ranges, uint64_t size) {
        uint64_t excess = dax_ranges_size(ranges);

        excess -= MIN(excess, size);
        while (excess > 0) {
                DaxRange *last = &ranges->list[ranges->count - 1];
                uint64_t n = MIN(last->size, excess);

                last->size -= n;
                excess -= n;
                if (last->size == 0)
                        ranges->count--;
        }
}

static int range_compare(const void *a, const void *b) {
        const DaxRange *x = a, *y = b;

        return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/*
 * Mostly they are in order but for a few, since the kernel gives out the lowest names and the first
 * holes: each is put into its place, as long as that takes no more than a few moves for each.
 */
void dax_ranges_sort(DaxRanges *ranges) {
        size_t moves = 0, moves_max = 4 * ranges->count;

        for (size_t i = 1; i < ranges->count && moves <= moves_max; i++) {
                DaxRange range = ranges->list[i];
                size_t at = i;

                for (; at > 0 && ranges->list[at - 1].offset > range.offset; at--, moves++)
                        ranges->list[at] = ranges->list[at - 1];
                ranges->list[at] = range;
        }
        if (moves > moves_max)
                qsort(ranges->list, ranges->count, sizeof(DaxRange), range_compare);
}

int dax_ranges_subtract(DaxRanges *ranges, DaxRange range) {
        for (size_t i = 0; i < ranges->count; i++) {
                DaxRange *r = &ranges->list[i], was = *r;

                if (!dax_range_overlaps(was, range))
                        continue;

                if (was.offset < range.offset && dax_range_end(range) < dax_range_end(was)) {
                        DaxRange rest = { dax_range_end(range),
                                          dax_range_end(was) - dax_range_end(range) };

                        r->size = range.offset - was.offset;
                        if (dax_ranges_append(ranges, rest) < 0)
                                return -ENOMEM;
                        for (size_t k = ranges->count - 1; k > i + 1; k--)
                                ranges->list[k] = ranges->list[k - 1];
                        ranges->list[i + 1] = rest;
                } else if (was.offset < range.offset) {
                        r->size = range.offset - was.offset;
                } else if (dax_range_end(range) < dax_range_end(was)) {
                        r->offset = dax_range_end(range);
                        r->size = dax_range_end(was) - dax_range_end(range);
                } else {
                        ARRAY_REMOVE(ranges->list, ranges->count, i);
                        i--;
                }
        }

        return 0;
}

int dax_ranges_subtract_all(DaxRanges *ranges, const DaxRanges *less) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < less->count; i++)
                r = dax_ranges_subtract(ranges, less->list[i]);

        return r;
}

int dax_ranges_intersect(const DaxRanges *a, const DaxRanges *b, DaxRanges *ret_both) {
        int r = 0;

        for (size_t i = 0; i < a->count; i++)
                for (size_t k = 0; r >= 0 && k < b->count; k++) {
                        DaxRange both = dax_range_common(a->list[i], b->list[k]);

                        if (both.size > 0)
                                r = dax_ranges_append(ret_both, both);
                }

        return r;
}

int dax_ranges_add(DaxRanges *sorted, DaxRange range) {
        size_t at = 0;

        while (at < sorted->count && sorted->list[at].offset < range.offset)
                at++;

        if (at > 0 && dax_range_end(sorted->list[at - 1]) == range.offset) {
                sorted->list[at - 1].size += range.size;
                if (at < sorted->count && dax_range_end(range) == sorted->list[at].offset) {
                        sorted->list[at - 1].size += sorted->list[at].size;
                        ARRAY_REMOVE(sorted->list, sorted->count, at);
                }
                return 0;
        }
        if (at < sorted->count && dax_range_end(range) == sorted->list[at].offset) {
                sorted->list[at].offset = range.offset;
                sorted->list[at].size += range.size;
                return 0;
        }

        if (dax_ranges_append(sorted, range) < 0)
                return -ENOMEM;
        for (size_t k = sorted->count - 1; k > at; k--)
                sorted->list[k] = sorted->list[k - 1];
        sorted->list[at] = range;
        return 0;
}
