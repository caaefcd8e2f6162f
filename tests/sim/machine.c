/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/machine.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"
#include "tests/sim/contents.h"
#include "tests/sim/fault.h"
#include "tests/sim/sysfs.h"
#include "tests/sim/tree.h"
#include "tests/sim/uevent.h"
#include "tests/sim/world.h"

#define BOOT_MEMORY (UINT64_C(512) << 20)

struct Machine {
        RegionSpec *specs;
        size_t n_specs;
};

static int build(World *world) {
        int r;

        world->machine = calloc(1, sizeof(Machine));
        if (!world->machine)
                return -ENOMEM;
        r = tree_new(world, &world->tree);
        if (r == 0)
                r = contents_new(&world->contents);
        if (r == 0)
                r = faults_new(&world->faults);
        if (r == 0)
                r = uevents_new(&world->uevents);
        if (r == 0)
                r = memory_new(world, &sysfs_memory_listener, &world->memory);
        if (r == 0)
                r = dax_new(&sysfs_dax_listener, &world->dax);
        if (r == 0)
                r = sysfs_new(world, &world->sysfs);
        if (r == 0)
                r = memory_boot(world, BOOT_MEMORY);
        return r;
}

int machine_new(const MachineOptions *options, World **ret_world) {
        World *world;
        int r;

        r = world_new(&world);
        if (r < 0)
                return r;
        world->manner = manner_find(options->kernel);
        if (world->manner)
                world->auto_online = options->memhp_default ?: world->manner->auto_online;
        world->region_idle = options->region_idle;
        world->memmap_possible = options->memmap_possible && world->manner;
        world->block_size = options->block_size;
        r = world->manner ? build(world) : -EINVAL;
        if (r < 0) {
                world_free(world);
                return r;
        }

        *ret_world = world;
        return 0;
}

Machine *machine_free(Machine *machine) {
        if (machine)
                free(machine->specs);
        free(machine);
        return NULL;
}

static int probe_spec(World *world, const RegionSpec *spec, Region **ret_region) {
        int r;

        r = contents_add(world->contents, spec->start, spec->size);
        return r < 0 ? r : dax_add_region(world, spec, ret_region);
}

static bool overlaps(const RegionSpec *a, const RegionSpec *b) {
        return a->start < b->start + b->size && b->start < a->start + a->size;
}

int machine_add_region(World *world, const RegionSpec *spec, Region **ret_region) {
        Machine *machine = world->machine;
        bool known = false;
        int r;

        if (spec->start < BOOT_MEMORY)
                return -EINVAL;
        for (const Region *region = dax_regions(world->dax); region; region = region->next)
                if (overlaps(&region->spec, spec))
                        return -EEXIST;
        for (size_t i = 0; i < machine->n_specs; i++)
                known |= machine->specs[i].start == spec->start;

        r = probe_spec(world, spec, ret_region);
        if (r == 0 && !known)
                r = ARRAY_APPEND(machine->specs, machine->n_specs, *spec);
        return r;
}

void machine_remove_region(World *world, Region *region, bool for_good) {
        Machine *machine = world->machine;

        for (size_t i = 0; for_good && i < machine->n_specs; i++)
                if (machine->specs[i].start == region->spec.start) {
                        ARRAY_REMOVE(machine->specs, machine->n_specs, i);
                        break;
                }
        dax_remove_region(world, NULL, region);
}

int machine_reboot(World *world, bool reversed) {
        const Machine *machine = world->machine;
        int r = 0;

        faults_clear(world, 0);
        memory_clear_trouble(world);
        dax_reset(world);
        memory_reset(world);
        uevents_restart(world->uevents);

        for (size_t i = 0; r == 0 && i < machine->n_specs; i++)
                r = probe_spec(world, &machine->specs[reversed ? machine->n_specs - 1 - i : i],
                               NULL);
        return r;
}
