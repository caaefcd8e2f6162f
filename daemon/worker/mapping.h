/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The ranges of a device, in physical addresses.
 *
 * The kernel tells them in mappingN/{start,end,page_offset}, but reading one of these while a write
 * of `size` takes that mapping away is a deadlock in the kernel: the reader waits for the region's
 * lock, the writer, who has it, for the reader (get_dax_range() and unregister_dax_mapping() in
 * drivers/dax/bus.c; for good on 6.1, until the reader is killed on 6.12). So they are read only
 * where there is no other way, which is for devices of several ranges, and under a lock that keeps
 * other workers from writing `size` meanwhile. A stranger's write cannot be kept out.
 */

#include "daemon/worker/kernel.h"

typedef struct Mapping {
        uint64_t start;
        uint64_t size;
        uint64_t page_offset;
} Mapping;

typedef struct Mappings {
        Mapping *list; /* in page-offset order */
        size_t count;
        uint64_t life; /* the number of the device's life with its memory: never used again */
} Mappings;

#define _cleanup_mappings_ _cleanup_(mappings_deinit)

/*
 * Returns 0, a "gone" errno, -EAGAIN when the device changed too often while it was read, or
 * another errno.
 */
int mappings_read(const KernelDevice *device, Mappings *ret_mappings);
/* The same for a device whose size has just been read. -EAGAIN when it has another by now. */
int mappings_read_sized(const KernelDevice *device, uint64_t size, Mappings *ret_mappings);
void mappings_deinit(Mappings *mappings);
uint64_t mappings_size(const Mappings *mappings);
/*
 * As ranges of a region that begins at @region_start; -ERANGE when one lies outside of @size bytes.
 */
int mappings_to_ranges(const Mappings *mappings, uint64_t region_start, uint64_t region_size,
                       DaxRanges *ret_ranges);
