/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/dax-internal.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"
#include "tests/sim/number.h"
#include "tests/sim/tree.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

/* --- slots: the lowest free number ------------------------------------------------------------ */

static int slot_take(Device ***slots, size_t *n, size_t *lowest, Device *device) {
        while (*lowest < *n && (*slots)[*lowest])
                ++*lowest;
        if (*lowest == *n && ARRAY_APPEND(*slots, *n, (Device *)NULL) < 0)
                return -ENOMEM;

        (*slots)[*lowest] = device;
        return (int)(*lowest)++;
}

static void slot_give(Device **slots, size_t *lowest, size_t number) {
        slots[number] = NULL;
        *lowest = MIN(*lowest, number);
}

/* --- finding ---------------------------------------------------------------------------------- */

int dax_new(const DaxListener *listener, Dax **ret_dax) {
        Dax *dax = calloc(1, sizeof(*dax));

        if (!dax)
                return -ENOMEM;
        dax->listener = listener;
        *ret_dax = dax;
        return 0;
}

Region *dax_regions(const Dax *dax) {
        return dax->regions;
}

Device *dax_devices(const Dax *dax) {
        return dax->first;
}

Region *dax_region_by_id(const Dax *dax, uint32_t id) {
        Region *region = dax->regions;

        while (region && region->id != id)
                region = region->next;
        return region;
}

Region *dax_region_at(const Dax *dax, uint64_t start) {
        Region *region = dax->regions;

        while (region && region->spec.start != start)
                region = region->next;
        return region;
}

Device *dax_find(const Dax *dax, const char *name) {
        uint32_t id, instance;
        char plain[DEVICE_NAME_MAX];
        const Region *region;
        size_t length = strcspn(name, "\n");

        if (length >= sizeof(plain) || !number_same_word(name, name))
                return NULL;
        memcpy(plain, name, length);
        plain[length] = '\0';
        if (text_parse_device_name(plain, &id, &instance) < 0)
                return NULL;

        region = dax_region_by_id(dax, id);
        return region && instance < region->n_devices ? region->devices[instance] : NULL;
}

Device *dax_find_quiet(World *world, const Write *write, const char *name, int *ret_error) {
        Device *device = dax_find(world->dax, name);

        *ret_error = 0;
        while (device && device->is_busy) {
                *ret_error = world_wait(world, write, false, 0);
                if (*ret_error < 0)
                        return NULL;
                device = dax_find(world->dax, name);
        }
        return device;
}

/* --- claims ----------------------------------------------------------------------------------- */

/* The index of the first claim that does not begin before @start. */
static size_t claim_index(const Region *region, uint64_t start) {
        size_t low = 0, high = region->n_claims;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (region->claims[middle].start < start)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static uint64_t region_end(const Region *region) {
        return region->spec.start + region->spec.size;
}

/* Takes memory for a device. The kernel says -ENOMEM whatever is in the way. */
static int claim_add(Region *region, uint64_t start, uint64_t end, Device *device) {
        size_t i = claim_index(region, start);
        Claim claim = { start, end, device };

        if (start >= end || start < region->spec.start || end > region_end(region) ||
            (i > 0 && region->claims[i - 1].end > start) ||
            (i < region->n_claims && region->claims[i].start < end) ||
            array_grow(&region->claims, region->n_claims, sizeof(Claim)) < 0)
                return -ENOMEM;

        memmove(&region->claims[i + 1], &region->claims[i], (region->n_claims - i) * sizeof(Claim));
        region->claims[i] = claim;
        region->n_claims++;
        region->available -= end - start;
        return 0;
}

/* Moves the end of the claim that begins at @start; to the start itself to give it all back. */
static void claim_move_end(Region *region, uint64_t start, uint64_t end) {
        size_t i = claim_index(region, start);
        Claim *claim = &region->claims[i];

        region->available += claim->end - end;
        if (end < claim->end)
                region->full_until = MIN(region->full_until, end);
        claim->end = end;
        if (end == start)
                ARRAY_REMOVE(region->claims, region->n_claims, i);
}

/* The first hole; the claim right before it, if there is one. */
static void find_hole(Region *region, Claim *ret_hole, const Claim **ret_before) {
        uint64_t at = MAX(region->full_until, region->spec.start);
        size_t i = claim_index(region, at);

        if (i > 0 && region->claims[i - 1].end > at) /* it has grown since */
                at = region->claims[i - 1].end;
        for (; i < region->n_claims && region->claims[i].start == at; i++)
                at = region->claims[i].end;

        region->full_until = at;
        ret_hole->start = at;
        ret_hole->end = i < region->n_claims ? region->claims[i].start : region_end(region);
        *ret_before = i > 0 ? &region->claims[i - 1] : NULL;
}

/* --- ranges ----------------------------------------------------------------------------------- */

static uint64_t range_size(const Range *range) {
        return range->end - range->start;
}

uint64_t device_size(const Device *device) {
        const Range *last = device->n_ranges > 0 ? device->ranges[device->n_ranges - 1] : NULL;

        return last ? last->page_offset * DAX_PAGE + range_size(last) : 0;
}

uint64_t device_address(const Device *device, uint64_t offset, uint64_t *ret_length) {
        for (size_t i = 0; i < device->n_ranges; i++) {
                const Range *range = device->ranges[i];
                uint64_t first = range->page_offset * DAX_PAGE;

                if (offset >= first && offset - first < range_size(range)) {
                        *ret_length = range_size(range) - (offset - first);
                        return range->start + (offset - first);
                }
        }

        *ret_length = 0;
        return 0;
}

static unsigned free_mapping_id(const Device *device) {
        for (unsigned id = 0;; id++) {
                bool taken = false;

                for (size_t i = 0; i < device->n_ranges; i++)
                        taken |= device->ranges[i]->id == id;
                if (!taken)
                        return id;
        }
}

static int range_add(World *world, Device *device, uint64_t start, uint64_t end) {
        Range *range;
        int r;

        r = claim_add(device->region, start, end, device);
        if (r < 0)
                return r;
        range = calloc(1, sizeof(*range));
        if (!range || array_grow(&device->ranges, device->n_ranges, sizeof(Range *)) < 0) {
                free(range);
                claim_move_end(device->region, start, start);
                return -ENOMEM;
        }

        *range = (Range){
                .device = device,
                .start = start,
                .end = end,
                .page_offset = device_size(device) / DAX_PAGE,
                .id = free_mapping_id(device),
        };
        device->ranges[device->n_ranges++] = range;
        r = device->view ? world->dax->listener->range_added(world, range) : 0;
        return r;
}

static void range_remove_last(World *world, Device *device) {
        Range *range = device->ranges[--device->n_ranges];

        if (range->view)
                world->dax->listener->range_removed(world, range);
        claim_move_end(device->region, range->start, range->start);
        free(range);
}

static bool is_aligned(const Device *device, uint64_t size) {
        return size % MAX(device->align, DAX_ALIGN) == 0;
}

static void shrink(World *world, Device *device, uint64_t size) {
        uint64_t surplus = device_size(device) - size;

        while (surplus > 0) {
                Range *last = device->ranges[device->n_ranges - 1];

                if (surplus < range_size(last)) {
                        claim_move_end(device->region, last->start, last->end - surplus);
                        last->end -= surplus;
                        return;
                }
                surplus -= range_size(last);
                range_remove_last(world, device);
        }
}

/* Takes the first hole, then the next: an earlier one before the space right behind the device. */
static int grow(World *world, Device *device, uint64_t more) {
        Region *region = device->region;

        while (more > 0) {
                Range *last = device->n_ranges > 0 ? device->ranges[device->n_ranges - 1] : NULL;
                const Claim *before;
                uint64_t size;
                Claim hole;

                find_hole(region, &hole, &before);
                size = MIN(hole.end - hole.start, more);
                if (before && last && before->start == last->start) {
                        claim_move_end(region, last->start, last->end + size);
                        last->end += size;
                } else {
                        int r = range_add(world, device, hole.start, hole.start + size);

                        if (r < 0)
                                return r;
                }
                more -= size;
        }

        return 0;
}

uint64_t device_size_midway(const Device *device, uint64_t size) {
        uint64_t now = device_size(device), unit = MAX(device->align, DAX_ALIGN);

        return MIN(now, size) + (MAX(now, size) - MIN(now, size)) / 2 / unit * unit;
}

int device_set_size(World *world, Device *device, uint64_t size) {
        uint64_t now = device_size(device);

        if (!is_aligned(device, size))
                return -EINVAL;
        if (device->driver != DRIVER_NONE)
                return -EBUSY;
        if (size > now && size - now > device->region->available)
                return -ENOSPC;
        if (size > now && !is_aligned(device, size - now))
                return -ENXIO;
        if (size > now)
                return grow(world, device, size - now);

        shrink(world, device, size);
        return 0;
}

int device_set_align(World *world, Device *device, uint64_t align) {
        uint64_t before = device->align;

        if (align != DAX_PAGE && align != DAX_ALIGN && align != UINT64_C(1) << 30)
                return -EINVAL;
        if (device->driver != DRIVER_NONE)
                return -EBUSY;

        device->align = align;
        for (size_t i = 0; i < device->n_ranges; i++)
                if (!is_aligned(device, range_size(device->ranges[i]))) {
                        device->align = before;
                        return -EINVAL;
                }
        return 0;
}

int device_set_memmap(World *world, Device *device, bool memmap) {
        if (memmap && !world->memmap_possible)
                return -EOPNOTSUPP;
        if (device->memmap != memmap && device->driver == DRIVER_KMEM)
                return -EBUSY;

        device->memmap = memmap;
        return 0;
}

/* Not refused for a device that is bound: that is how the kernel is. */
int device_add_mapping(World *world, Device *device, uint64_t start, uint64_t last) {
        uint64_t size = last - start + 1;

        if (!is_aligned(device, size))
                return world->manner->ignores_misaligned ? 0 : -ENXIO;
        if (size == 0)
                return device->n_ranges > 0 ? -EBUSY : 0;
        if (last < start || last == UINT64_MAX)
                return -ENOMEM;
        return range_add(world, device, start, last + 1);
}

/* --- devices ---------------------------------------------------------------------------------- */

static void device_unlist(Dax *dax, Device *device) {
        *(device->previous ? &device->previous->next : &dax->first) = device->next;
        *(device->next ? &device->next->previous : &dax->last) = device->previous;
        slot_give(dax->minors, &dax->lowest_minor, device->minor);
        slot_give(device->region->devices, &device->region->lowest_free, device->instance);
}

static int device_list(Dax *dax, Device *device) {
        Region *region = device->region;
        int instance, minor;

        instance = slot_take(&region->devices, &region->n_devices, &region->lowest_free, device);
        if (instance < 0)
                return instance;
        minor = slot_take(&dax->minors, &dax->n_minors, &dax->lowest_minor, device);
        if (minor < 0) {
                slot_give(region->devices, &region->lowest_free, instance);
                return minor;
        }

        device->instance = instance;
        device->minor = minor;
        snprintf(device->name, sizeof(device->name), "dax%u.%u", region->id, device->instance);
        device->previous = dax->last;
        *(dax->last ? &dax->last->next : &dax->first) = device;
        dax->last = device;
        return 0;
}

/* Its memory is free only once it is no more to be seen. */
static void device_remove(World *world, Device *device) {
        Region *region = device->region;

        if (region->seed == device)
                region->seed = NULL;
        if (region->youngest == device)
                region->youngest = NULL;
        if (device->view)
                world->dax->listener->device_removed(world, device);
        while (device->n_ranges > 0)
                range_remove_last(world, device);
        device_unlist(world->dax, device);
        free(device->ranges);
        free(device);
}

static int device_new(World *world, Region *region, uint64_t size, bool memmap,
                      Device **ret_device) {
        Device *device = calloc(1, sizeof(*device));
        int r;

        if (!device)
                return -ENOMEM;
        device->region = region;
        device->align = DAX_ALIGN;
        device->memmap = memmap;
        r = device_list(world->dax, device);
        if (r < 0) {
                free(device);
                return r;
        }

        if (size > 0)
                r = range_add(world, device, region->spec.start, region->spec.start + size);
        if (r == 0)
                r = world->dax->listener->device_added(world, device);
        if (r < 0) {
                device_remove(world, device);
                return r;
        }

        driver_attach(world, NULL, device);
        *ret_device = device;
        return 0;
}

/* --- regions ---------------------------------------------------------------------------------- */

int dax_create(World *world, Region *region) {
        Device *device;
        int r;

        if (region->available == 0)
                return -ENOSPC;
        r = device_new(world, region, 0, false, &device);
        if (r < 0)
                return r;

        if (!region->seed)
                region->seed = device;
        region->youngest = device;
        return 0;
}

int dax_delete(World *world, Region *region, const char *name) {
        Device *device = dax_find(world->dax, name);

        if (!device || device->region != region)
                return -ENXIO;
        if (device->driver != DRIVER_NONE || device->n_ranges > 0 || device->instance == 0)
                return -EBUSY;

        device_remove(world, device);
        return 0;
}

static uint32_t free_region_id(const Dax *dax) {
        for (uint32_t id = 0;; id++)
                if (!dax_region_by_id(dax, id))
                        return id;
}

static void region_unlist(World *world, Region *region) {
        Region **p = &world->dax->regions;

        while (*p != region)
                p = &(*p)->next;
        *p = region->next;
        if (region->view)
                world->dax->listener->region_removed(world, region);
        free(region->claims);
        free(region->devices);
        free(region);
}

int dax_add_region(World *world, const RegionSpec *spec, Region **ret_region) {
        bool idle = spec->kind == REGION_HMEM && world->region_idle;
        Region *region = calloc(1, sizeof(*region)), **last = &world->dax->regions;
        Device *device;
        int r;

        if (!region)
                return -ENOMEM;
        region->spec = *spec;
        region->id = free_region_id(world->dax);
        region->available = spec->size;
        region->prefers_kmem = world->manner->prefers_kmem && spec->kind != REGION_PMEM && !idle;
        while (*last)
                last = &(*last)->next;
        *last = region;

        r = world->dax->listener->region_added(world, region);
        if (r == 0)
                r = device_new(world, region, idle ? 0 : spec->size, spec->kind == REGION_CXL,
                               &device);
        if (r < 0) {
                region_unlist(world, region);
                return r;
        }

        if (ret_region)
                *ret_region = region;
        return 0;
}

/* Somebody may hold its lock, or that of one of its devices. */
static void wait_quiet(World *world, const Region *region) {
        for (size_t i = 0; i < region->n_devices;)
                if (region->is_locked || (region->devices[i] && region->devices[i]->is_busy))
                        (void)world_wait(world, NULL, false, 0);
                else
                        i++;
}

static Device *last_device(const World *world, const Region *region) {
        Device *device = world->dax->last;

        while (device && device->region != region)
                device = device->previous;
        return device;
}

void dax_remove_region(World *world, const Write *write, Region *region) {
        Device *device;

        for (;;) {
                wait_quiet(world, region);
                device = last_device(world, region);
                if (!device)
                        break;
                if (device->driver != DRIVER_NONE)
                        driver_detach(world, write, device);
                device_remove(world, device);
        }
        region_unlist(world, region);
}

void dax_reset(World *world) {
        Dax *dax = world->dax;

        while (dax->last) {
                wait_quiet(world, dax->last->region);
                device_remove(world, dax->last);
        }
        while (dax->regions)
                region_unlist(world, dax->regions);
        for (Driver driver = 0; driver < _DRIVER_MAX; driver++)
                dax->n_ids[driver] = 0;
}

void dax_free(World *world) {
        Dax *dax = world->dax;

        if (!dax)
                return;
        dax_reset(world);
        for (Driver driver = 0; driver < _DRIVER_MAX; driver++)
                free(dax->ids[driver]);
        free(dax->minors);
        free(TAKE_PTR(world->dax));
}
