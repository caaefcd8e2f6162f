/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The machine as a whole: which regions it has whenever it boots, and booting. */

#include "tests/sim/dax.h"

typedef struct World World;
typedef struct Machine Machine;

typedef struct MachineOptions {
        const char *kernel;
        const char *memhp_default; /* of new memory blocks; NULL: as the release has it */
        bool region_idle, memmap_possible;
        uint64_t block_size; /* of memory; a power of two, as x86 has it with little memory or much
                              */
} MachineOptions;

/* A machine that has booted, without regions. Returns 0 or a negative errno. */
int machine_new(const MachineOptions *options, World **ret_world);

Machine *machine_free(Machine *machine);

/* A region appears, now and at every boot. */
int machine_add_region(World *world, const RegionSpec *spec, Region **ret_region);

/* It goes; @for_good: also at the next boot. */
void machine_remove_region(World *world, Region *region, bool for_good);

/*
 * Everything that a reboot resets is reset, but for processes: that is up to the caller. Regions
 * are probed in their order, or the other way round, so that they get other ids. What is in the
 * memory stays.
 */
int machine_reboot(World *world, bool reversed);
