/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What keeps workers apart that are at the same region. Not locks of the kernel's own folders,
 * which everybody may lock, but of bytes of a file that is root's: they end with who has them, and
 * a region that comes again under its number has them still.
 */

#include <stdbool.h>
#include <stdint.h>

typedef enum RegionLock {
        REGION_LOCK_SHAPES, /* see kernel_device_lock() */
        REGION_LOCK_NAMES,  /* see names_lock() */
        REGION_LOCK_BINDS,  /* of REGION_LOCK_EVERYWHERE: see binds.h */
        _REGION_LOCK_MAX,
} RegionLock;

/* Instead of a region: for what is not of one. */
#define REGION_LOCK_EVERYWHERE UINT32_MAX

/* Opens the file; the descriptor is what the others take. Or an errno. */
int region_lock_open(void);
/*
 * Waits for everybody, unless @shared for those who share it only. 0, or an errno: -EWOULDBLOCK
 * where somebody has it and @wait is not set. Interruptions are slept over.
 */
int region_lock_take(int fd, uint32_t region, RegionLock lock, bool shared, bool wait);
void region_lock_release(int fd, uint32_t region, RegionLock lock);
