/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pictures, read from the kernel: of a region, of its devices. The reader changes nothing, with one
 * exception: a name that was given to an earlier device at the same place is taken back at once.
 */

#include "daemon/dax/region.h"
#include "daemon/worker/kernel.h"
#include "daemon/worker/mapping.h"
#include "daemon/worker/memory.h"

/* The region's own attributes, without its devices. @start: where it begins in physical memory. */
int reader_region(const KernelRegion *region, uint64_t start, DaxRegion **ret_region);
/* Reads again what of these can change. */
int reader_refresh_region(const KernelRegion *region, DaxRegion *picture);
/* One device of the region of @picture. A "gone" errno when it has vanished. */
int reader_device(const KernelRegion *region, const DaxRegion *picture, const Memory *memory,
                  const KernelDevice *device, DaxDevice **ret_device);
/*
 * Fills in what leaked: memory blocks in the region where no device has them. Needs every device.
 */
int reader_leaked(const Memory *memory, DaxRegion *region);
/*
 * Whether memory blocks stand in a range of a device that is not system-ram: then its memory
 * leaked. Returns 1 and such a block, or 0.
 */
int reader_find_leak(const Memory *memory, uint64_t start, uint64_t size, const DaxRanges *ranges,
                     uint64_t *ret_number);
/*
 * The number of @device's life with its memory: it is another for each new device, and never
 * reused.
 */
int reader_incarnation(const KernelDevice *device, uint64_t *ret_incarnation);
