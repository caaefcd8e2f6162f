/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where in physical memory a region begins. No attribute says it for every kind of region; see
 * origin.c for how it is found out. It never changes while the region lives.
 */

#include "daemon/worker/kernel.h"

/*
 * Opens /proc/iomem, which shows addresses only to who opened it with CAP_SYS_ADMIN. Done once at
 * the start, so that the capability can be given up. Returns a descriptor or an errno.
 */
int origin_open(void);
/* Returns 0, -ENODATA when it cannot be told for certain, or another errno. */
int origin_find(int iomem_fd, const KernelRegion *region, uint64_t *ret_start);
