/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What is in the memory of the regions, by physical address. It stays there whoever has the memory,
 * as in the real thing: nothing clears it between two owners.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct Contents Contents;

int contents_new(Contents **ret_contents);
Contents *contents_free(Contents *contents);

/* Makes memory at @start; what is there already stays as it is. Returns 0 or an errno. */
int contents_add(Contents *contents, uint64_t start, uint64_t size);

/* Returns 0, or -ENXIO where there is no such memory. */
int contents_read(const Contents *contents, uint64_t start, void *data, size_t size);
int contents_write(Contents *contents, uint64_t start, const void *data, size_t size);

/* Writes the pattern again and again. */
int contents_fill(Contents *contents, uint64_t start, uint64_t size, const void *pattern,
                  size_t pattern_size);

/*
 * Looks for the pattern in a stretch of memory. Returns 1 and where it is, 0 when it is nowhere, or
 * -ENXIO.
 */
int contents_find(const Contents *contents, uint64_t start, uint64_t size, const void *pattern,
                  size_t pattern_size, uint64_t *ret_where);
