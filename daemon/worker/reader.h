/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Pictures, read from the kernel: of a region, of its devices. The reader changes nothing, with one
 * exception: a name that was given to an earlier device at the same place is taken back at once.
 */

#include "daemon/worker/mapping.h"
#include "daemon/worker/worker.h"

/* The region's own attributes, without its devices. @start: where it begins in physical memory. */
int reader_region(const KernelRegion *region, uint64_t start, DaxRegion **ret_region);
/* Reads again what of these can change. */
int reader_refresh_region(const KernelRegion *region, DaxRegion *picture);

/*
 * One device of the worker's region. A "gone" errno when it has vanished. What is known of a device
 * can be built up in parts, in this order, which are what reader_device() reads:
 */
int reader_device(Worker *worker, const KernelDevice *kernel, DaxDevice **ret_device);
/* Its name and whose it is, and nothing that the kernel would have to be asked. */
int reader_device_new(const Worker *worker, const KernelDevice *kernel, DaxDevice **ret_device);
/* Its ranges, which @mappings are, size and incarnation. -ERANGE when they are not the region's. */
int reader_shape(const Worker *worker, const Mappings *mappings, DaxDevice *device);
/* Everything else but the names, when the mode is known. */
int reader_rest(Worker *worker, const KernelDevice *kernel, DaxDevice *device);
int reader_names(Worker *worker, const KernelDevice *kernel, DaxDevice *device);

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
