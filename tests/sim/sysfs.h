/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The faces of all that there is: which attributes it has in /sys, its node in /dev, its lines in
 * /proc/iomem, and the events that tell of it.
 */

#include "tests/sim/dax.h"

typedef struct Sysfs Sysfs;
typedef struct World World;

extern const DaxListener sysfs_dax_listener;
extern const MemoryListener sysfs_memory_listener;

/* Builds what is there before any region. Returns 0 or -ENOMEM. */
int sysfs_new(World *world, Sysfs **ret_sysfs);
Sysfs *sysfs_free(Sysfs *sysfs);

/* The folder of the tree that /sys is. */
const Entry *sysfs_top(const Sysfs *sysfs);

/* Has the kernel forget what it remembers of a node's pages, having written it back. */
typedef void (*SysfsFlush)(uint64_t node, void *userdata);
void sysfs_set_flush(Sysfs *sysfs, SysfsFlush flush, void *userdata);
