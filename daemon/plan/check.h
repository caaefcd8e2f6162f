/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the kernel would refuse, or do harm by doing: found before the first step, said with a
 * reason.
 */

#include "daemon/plan/plan.h"

/*
 * Sizes and boundaries are multiples of the alignment and at least of this: memremap_compat_align()
 * on x86 (drivers/dax/bus.c, alloc_is_aligned()).
 */
#define CHECK_SIZE_UNIT (UINT64_C(2) << 20)

typedef struct DeviceWords {
        char text[LABEL_MAX + DAX_NAME_MAX + 16];
} DeviceWords;

/* How a sentence calls @device: its name, and its label where it has one; "a new device". */
DeviceWords check_device_words(const DaxDevice *device);

/*
 * Each returns 0, a Condition with its sentence, or -ENOMEM. The first is for what was asked for,
 * before it is placed, the second for the placed device; both only for devices that differ.
 */
int check_wish(const DaxRegion *region, const DaxDevice *before, const DaxDevice *wanted,
               uint64_t block_size, Failure *failure);
int check_placed(const DaxRegion *wanted_region, const DaxDevice *before, const DaxDevice *after,
                 uint64_t block_size, Failure *failure);
/* Whether files name the node of @device: it has a label, or access other than root's alone. */
bool check_device_is_named(const DaxDevice *device);
/*
 * Whether this kernel has the attribute: every device has it then, and instance 0 is always there.
 */
bool check_memmap_is_offered(const DaxRegion *now);
/* Whether what is now at @before allows a change that needs @before's driver to let go. */
int check_release(const DaxDevice *before, bool may_offline, const char *what, Failure *failure);
