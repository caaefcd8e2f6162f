/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who takes which device. A driver that works for long holds its device's lock (is_busy), not the
 * world's.
 */

#include "tests/sim/dax-internal.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"
#include "tests/sim/number.h"
#include "tests/sim/tree.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

static const char *const names[_DRIVER_MAX] = {
        [DRIVER_NONE] = "",
        [DRIVER_DEVDAX] = "device_dax",
        [DRIVER_KMEM] = "kmem",
};

const char *driver_name(Driver driver) {
        return names[driver];
}

unsigned driver_users(const Dax *dax) {
        return dax->n_open;
}

void driver_count_user(Dax *dax, int change) {
        dax->n_open += change;
}

/* --- ids -------------------------------------------------------------------------------------- */

/* The index among those that the driver takes by new_id; n_ids: it is not there. */
static size_t find_id(const Dax *dax, Driver driver, const char *name) {
        size_t i = 0;

        while (i < dax->n_ids[driver] && !number_same_word(dax->ids[driver][i], name))
                i++;
        return i;
}

size_t driver_n_ids(const Dax *dax, Driver driver) {
        return dax->n_ids[driver];
}

const char *driver_id(const Dax *dax, Driver driver, size_t i) {
        return dax->ids[driver][i];
}

static bool matches(const Dax *dax, Driver driver, const Device *device) {
        return find_id(dax, driver, device->name) < dax->n_ids[driver] ||
               (driver == DRIVER_KMEM) == device->region->prefers_kmem;
}

/* "daxR.I" as the kernel would print it, and nothing else; to it the numbers have signs. */
static bool is_device_name(const char *name) {
        int region, instance;
        char again[DEVICE_NAME_MAX];

        if (sscanf(name, "dax%d.%d", &region, &instance) != 2)
                return false;
        snprintf(again, sizeof(again), "dax%d.%d", region, instance);
        return number_same_word(name, again);
}

/* --- probing ---------------------------------------------------------------------------------- */

/* What device_dax wants to map must be nobody's, and begin where the kernel can map. */
static int devdax_check(World *world, const Device *device) {
        for (size_t i = 0; i < device->n_ranges; i++)
                if (memory_is_leaked(world->memory, device->ranges[i]->start,
                                     device->ranges[i]->end - device->ranges[i]->start))
                        return -EBUSY;
        memory_await_turn(world);
        for (size_t i = 0; i < device->n_ranges; i++)
                if (device->ranges[i]->start % DAX_ALIGN)
                        return -EINVAL;

        return 0;
}

static int devdax_probe(World *world, Device *device) {
        bool is_static = device->region->spec.kind == REGION_PMEM;
        int r;

        if (device->is_broken)
                return -EINVAL;
        r = devdax_check(world, device);
        device->is_broken = r < 0 && !is_static;
        return r;
}

static bool has_memory(const World *world, const Device *device) {
        for (size_t i = 0; i < device->n_ranges; i++) {
                uint64_t start = device->ranges[i]->start, end = device->ranges[i]->end;

                if (memory_trim(world, &start, &end))
                        return true;
        }

        return false;
}

/* What cannot be added is left out once something has been: so is the kernel. */
static int kmem_probe(World *world, Device *device) {
        size_t n_ranges = device->n_ranges;
        int added = 0;

        if (device->region->spec.node < 0 || !has_memory(world, device))
                return -EINVAL;

        for (size_t i = 0; i < n_ranges; i++) {
                Range *range = device->ranges[i];
                uint64_t start = range->start, end = range->end;
                int r = -EBUSY;

                if (!memory_trim(world, &start, &end))
                        continue;
                if (!memory_is_leaked(world->memory, start, end - start))
                        r = memory_add(world, NULL, device->region->spec.node, start, end - start);
                range->is_memory = r == 0;
                added += r == 0;
                if (r < 0 && added == 0)
                        return r;
        }

        return 0;
}

static int probe(World *world, Driver driver, Device *device) {
        Region *region = device->region;
        int r;

        if (device->n_ranges == 0)
                return -ENXIO;

        device->driver = driver;
        device->is_busy = true;
        r = driver == DRIVER_KMEM ? kmem_probe(world, device) : devdax_probe(world, device);
        device->is_busy = false;
        world_changed(world);
        if (r < 0) {
                device->driver = DRIVER_NONE;
                return r;
        }

        if (region->seed == device && region->spec.kind != REGION_PMEM)
                region->seed = NULL;
        device->was_opened = false;
        for (size_t i = 0; i < device->n_ranges; i++)
                device->ranges[i]->is_mapped = driver == DRIVER_DEVDAX;
        world->dax->listener->driver_changed(world, device, DRIVER_NONE);
        return 0;
}

void driver_attach(World *world, const Write *write, Device *device) {
        for (Driver driver = DRIVER_DEVDAX; driver < _DRIVER_MAX; driver++)
                if (device->driver == DRIVER_NONE && matches(world->dax, driver, device))
                        (void)probe(world, driver, device);
}

/* --- removing --------------------------------------------------------------------------------- */

static void kmem_remove(World *world, Device *device) {
        size_t n_ranges = device->n_ranges;

        for (size_t i = 0; i < n_ranges; i++) {
                Range *range = device->ranges[i];
                uint64_t start = range->start, end = range->end;
                char text[160];

                if (!range->is_memory)
                        continue;
                range->is_memory = false;
                (void)memory_trim(world, &start, &end);
                if (memory_remove(world, NULL, device->name, start, end - start) != -EBUSY)
                        continue;
                snprintf(text, sizeof(text),
                         "kmem %s: mapping%zu: %#llx-%#llx cannot be hotremoved until the next "
                         "reboot",
                         device->name, i, (unsigned long long)start, (unsigned long long)end - 1);
                world->dax->listener->complain(world, text);
        }
}

void driver_detach(World *world, const Write *write, Device *device) {
        Driver before = device->driver;

        device->is_busy = true;
        if (before == DRIVER_KMEM) {
                kmem_remove(world, device);
        } else {
                world->dax->listener->driver_leaves(world, device);
                memory_await_turn(world);
        }
        device->is_busy = false;
        device->driver = DRIVER_NONE;
        for (size_t i = 0; i < device->n_ranges; i++)
                device->ranges[i]->is_mapped = false;
        world->dax->listener->driver_changed(world, device, before);
        world_changed(world);
}

/* --- what is written to a driver's attributes ------------------------------------------------- */

int driver_bind(World *world, const Write *write, Driver driver, const char *name) {
        Device *device;
        int r;

        device = dax_find_quiet(world, write, name, &r);
        if (r < 0)
                return r;
        if (!device || !matches(world->dax, driver, device))
                return -ENODEV;
        if (device->driver != DRIVER_NONE)
                return -EBUSY;
        return probe(world, driver, device);
}

int driver_unbind(World *world, const Write *write, Driver driver, const char *name) {
        Device *device;
        int r;

        device = dax_find_quiet(world, write, name, &r);
        if (r < 0)
                return r;
        if (!device || device->driver != driver)
                return -ENODEV;

        driver_detach(world, write, device);
        return 0;
}

/* Offers all devices to the driver. One that it waits for may go meanwhile, hence the names. */
static int attach_all(World *world, const Write *write, Driver driver) {
        char(*found)[DEVICE_NAME_MAX] = NULL;
        size_t n_found = 0;
        int r = 0;

        for (const Device *device = world->dax->first; device && r >= 0; device = device->next)
                if (matches(world->dax, driver, device)) {
                        r = array_grow(&found, n_found, DEVICE_NAME_MAX);
                        if (r >= 0)
                                memcpy(found[n_found++], device->name, DEVICE_NAME_MAX);
                }

        for (size_t i = 0; i < n_found && r >= 0; i++) {
                Device *device = dax_find_quiet(world, write, found[i], &r);

                if (device && device->driver == DRIVER_NONE)
                        (void)probe(world, driver, device);
        }

        free(found);
        return r;
}

int driver_new_id(World *world, const Write *write, Driver driver, const char *name) {
        Dax *dax = world->dax;

        if (!is_device_name(name))
                return -EINVAL;
        if (find_id(dax, driver, name) == dax->n_ids[driver]) {
                size_t *n = &dax->n_ids[driver];

                if (array_grow(&dax->ids[driver], *n, DEVICE_NAME_MAX) < 0)
                        return -ENOMEM;
                snprintf(dax->ids[driver][(*n)++], DEVICE_NAME_MAX, "%.*s",
                         (int)strcspn(name, "\n"), name);
        }

        return attach_all(world, write, driver);
}

int driver_remove_id(World *world, Driver driver, const char *name) {
        Dax *dax = world->dax;
        size_t i, *n = &dax->n_ids[driver];

        if (!is_device_name(name))
                return -EINVAL;
        i = find_id(dax, driver, name);
        if (i == *n)
                return 0;

        --*n;
        memmove(dax->ids[driver][i], dax->ids[driver][i + 1], (*n - i) * DEVICE_NAME_MAX);
        return 0;
}
