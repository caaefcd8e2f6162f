/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The picture of one region, and what follows from it: holes, the kernel's first fit, old owners.
 */

#include "daemon/dax/region.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[_DAX_KIND_MAX] = {
        [DAX_KIND_HMEM] = "hmem",
        [DAX_KIND_CXL] = "cxl",
        [DAX_KIND_PMEM] = "pmem",
        [DAX_KIND_OTHER] = "other",
};

const char *dax_kind_name(DaxKind kind) {
        return kind_names[kind];
}

DaxKind dax_kind_from_name(const char *name) {
        for (DaxKind kind = 0; kind < _DAX_KIND_MAX; kind++)
                if (text_equal(name, kind_names[kind]))
                        return kind;

        return _DAX_KIND_INVALID;
}

int dax_region_new(DaxRegion **ret_region) {
        DaxRegion *region;

        region = calloc(1, sizeof(*region));
        if (!region)
                return -ENOMEM;

        region->kind = DAX_KIND_OTHER;
        region->target_node = -1;
        region->numa_node = -1;
        *ret_region = region;
        return 0;
}

DaxRegion *dax_region_free(DaxRegion *region) {
        if (!region)
                return NULL;

        for (size_t i = 0; i < region->n_devices; i++)
                dax_device_unref(region->devices[i]);
        free(region->devices);
        dax_ranges_deinit(&region->leaked);
        dax_ranges_deinit(&region->holes);
        free(region->owned);
        free(region->path);
        free(region);
        return NULL;
}

int dax_region_copy(const DaxRegion *region, DaxRegion **ret_copy) {
        _cleanup_region_ DaxRegion *copy = NULL;

        copy = malloc(sizeof(*copy));
        if (!copy)
                return -ENOMEM;

        *copy = *region;
        copy->path = NULL;
        copy->devices = NULL;
        copy->n_devices = 0;
        copy->holes = (DaxRanges){};
        copy->sealed = false;
        copy->leaked = (DaxRanges){};
        copy->owned = NULL;
        copy->n_owned = 0;

        if (region->path) {
                copy->path = strdup(region->path);
                if (!copy->path)
                        return -ENOMEM;
        }
        if (dax_ranges_copy(&region->leaked, &copy->leaked) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < region->n_owned; i++)
                if (ARRAY_APPEND(copy->owned, copy->n_owned, region->owned[i]) < 0)
                        return -ENOMEM;
        copy->devices = malloc(array_room(region->n_devices) * sizeof(*copy->devices));
        if (!copy->devices)
                return -ENOMEM;
        for (; copy->n_devices < region->n_devices; copy->n_devices++)
                copy->devices[copy->n_devices] = dax_device_ref(region->devices[copy->n_devices]);

        *ret_copy = TAKE_PTR(copy);
        return 0;
}

static bool device_before(const DaxDevice *a, const DaxDevice *b) {
        if (a->name[0] == '\0' || b->name[0] == '\0')
                return a->name[0] != '\0' && b->name[0] == '\0';
        return a->instance < b->instance;
}

/* Moves the last device to its place in the order. */
static void region_settle_last(DaxRegion *region) {
        size_t at = region->n_devices - 1;
        const DaxDevice *device = region->devices[at];

        for (; at > 0 && device_before(device, region->devices[at - 1]); at--)
                region->devices[at] = region->devices[at - 1];
        region->devices[at] = device;
}

int dax_region_add(DaxRegion *region, const DaxDevice *device) {
        assert(!region->sealed);
        if (ARRAY_APPEND(region->devices, region->n_devices, device) < 0) {
                dax_device_unref(device);
                return -ENOMEM;
        }

        region_settle_last(region);
        return 0;
}

void dax_region_swap_devices(DaxRegion *a, DaxRegion *b) {
        const DaxDevice **devices = a->devices;
        size_t n_devices = a->n_devices;

        assert(!a->sealed && !b->sealed);
        a->devices = b->devices;
        a->n_devices = b->n_devices;
        b->devices = devices;
        b->n_devices = n_devices;
}

void dax_region_rename(DaxRegion *region, DaxDevice *device, const char *name) {
        uint32_t id;
        size_t at = 0;

        assert(!region->sealed);
        while (region->devices[at] != device)
                at++;
        for (; at + 1 < region->n_devices; at++)
                region->devices[at] = region->devices[at + 1];
        region->devices[at] = device;

        snprintf(device->name, sizeof(device->name), "%s", name);
        if (text_parse_device_name(name, &id, &device->instance) < 0)
                device->instance = 0;
        region_settle_last(region);
}

/* The index of the device called @name, or n_devices. */
static size_t region_index(const DaxRegion *region, const char *name) {
        size_t low = 0, high = region->n_devices;
        uint32_t id, instance;

        if (text_parse_device_name(name, &id, &instance) < 0)
                return region->n_devices;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const DaxDevice *device = region->devices[middle];

                if (device->name[0] != '\0' && device->instance < instance)
                        low = middle + 1;
                else
                        high = middle;
        }

        return low < region->n_devices && strcmp(region->devices[low]->name, name) == 0 ?
                       low :
                       region->n_devices;
}

const DaxDevice *dax_region_take(DaxRegion *region, const char *name) {
        size_t index = region_index(region, name);
        const DaxDevice *device;

        assert(!region->sealed);
        if (index == region->n_devices)
                return NULL;

        device = region->devices[index];
        ARRAY_REMOVE(region->devices, region->n_devices, index);
        return device;
}

int dax_region_edit(DaxRegion *region, const DaxDevice *device, DaxDevice **ret_device) {
        DaxDevice *copy;

        assert(!region->sealed);
        if (device->n_refs > 1) {
                size_t index = region_index(region, device->name);

                if (index == region->n_devices) /* a new one */
                        while (region->devices[--index] != device)
                                ;
                if (dax_device_copy(device, &copy) < 0)
                        return -ENOMEM;
                region->devices[index] = copy;
                dax_device_unref(device);
                device = copy;
        }

        *ret_device = (DaxDevice *)device;
        return 0;
}

const DaxDevice *dax_region_find(const DaxRegion *region, const char *name) {
        size_t index = region_index(region, name);

        return index < region->n_devices ? region->devices[index] : NULL;
}

static const DaxDevice *device_at(const DaxRegion *region, size_t index) {
        return region && index < region->n_devices ? region->devices[index] : NULL;
}

/* How many devices from there on are shared, one after the other. */
static size_t count_shared(const DaxChanges *changes) {
        const DaxRegion *before = changes->before, *after = changes->after;
        size_t n = 0, max;

        if (!before || !after || changes->all)
                return 0;
        max = MIN(before->n_devices - changes->at_before, after->n_devices - changes->at_after);
        while (n < max &&
               before->devices[changes->at_before + n] == after->devices[changes->at_after + n])
                n++;
        return n;
}

bool dax_changes_next(DaxChanges *changes, const DaxDevice **ret_before,
                      const DaxDevice **ret_after) {
        size_t shared = count_shared(changes);
        const DaxDevice *before, *after;

        changes->at_before += shared;
        changes->at_after += shared;
        before = device_at(changes->before, changes->at_before);
        after = device_at(changes->after, changes->at_after);
        if (before && after && device_before(before, after))
                after = NULL;
        else if (before && after && (device_before(after, before) || after->name[0] == '\0'))
                before = NULL;
        changes->at_before += before != NULL;
        changes->at_after += after != NULL;
        *ret_before = before;
        *ret_after = after;
        return before || after;
}

static bool is_named_from(const DaxRegion *region, size_t index, uint32_t instance) {
        const DaxDevice *device = region->devices[index];

        return device->name[0] == '\0' || device->instance >= instance;
}

const DaxDevice *dax_cursor_find(DaxCursor *cursor, uint32_t instance) {
        const DaxRegion *region = cursor->region;
        const DaxDevice *found;

        if (!region)
                return NULL;
        while (cursor->at > 0 && is_named_from(region, cursor->at - 1, instance))
                cursor->at--;
        while (cursor->at < region->n_devices && !is_named_from(region, cursor->at, instance))
                cursor->at++;
        if (cursor->at == region->n_devices)
                return NULL;

        found = region->devices[cursor->at];
        return found->name[0] != '\0' && found->instance == instance ? found : NULL;
}

const DaxDevice *dax_region_find_label(const DaxRegion *region, const char *label) {
        for (size_t i = 0; label[0] != '\0' && i < region->n_devices; i++)
                if (strcmp(region->devices[i]->label, label) == 0)
                        return region->devices[i];

        return NULL;
}

/* Spreads what differs in few bits over all of them, so that sums of it tell sets apart. */
static uint64_t spread(uint64_t number) {
        number = (number ^ (number >> 32)) * UINT64_C(0x9e3779b97f4a7c15);
        number = (number ^ (number >> 29)) * UINT64_C(0xbf58476d1ce4e5b9);
        return number ^ (number >> 32);
}

static uint64_t outline_of_space(const DaxRegion *region) {
        return spread(region->start) + 3 * spread(region->size) +
               5 * spread(region->available_size) +
               text_hash(text_hash(0, region->seed, sizeof(region->seed)), region->youngest,
                         sizeof(region->youngest));
}

uint64_t dax_region_outline(const DaxRegion *region) {
        uint64_t outline;

        if (region->sealed)
                return region->outline;

        outline = outline_of_space(region);
        for (size_t i = 0; i < region->n_devices; i++)
                outline += spread(region->devices[i]->identity);

        return outline;
}

uint64_t dax_region_outline_of(const DaxRegion *region, const DaxName *names, size_t n) {
        uint64_t outline = outline_of_space(region);

        for (size_t i = 0; i < n; i++) /* a number is never another's, so the name adds nothing */
                outline += spread(names[i].identity);

        return outline;
}

/* What no range of a device has, sorted and merged. */
static int region_holes(const DaxRegion *region, DaxRanges *ret_holes) {
        _cleanup_ranges_ DaxRanges taken = {}, holes = {};
        size_t n = 0;
        uint64_t at = 0;

        for (size_t i = 0; i < region->n_devices; i++)
                n += region->devices[i]->ranges.count;
        taken.list = malloc(array_room(n) * sizeof(*taken.list));
        if (!taken.list)
                return -ENOMEM;
        for (size_t i = 0; i < region->n_devices; i++)
                for (size_t k = 0; k < region->devices[i]->ranges.count; k++)
                        taken.list[taken.count++] = region->devices[i]->ranges.list[k];
        dax_ranges_sort(&taken);

        for (size_t i = 0; i <= taken.count; i++) {
                uint64_t next = i < taken.count ? taken.list[i].offset : region->size;

                if (next > at && dax_ranges_append(&holes, (DaxRange){ at, next - at }) < 0)
                        return -ENOMEM;
                if (i < taken.count)
                        at = MAX(at, dax_range_end(taken.list[i]));
        }

        *ret_holes = holes;
        holes = (DaxRanges){};
        return 0;
}

int dax_region_seal(DaxRegion *region) {
        assert(!region->sealed);
        if (region_holes(region, &region->holes) < 0)
                return -ENOMEM;

        region->outline = dax_region_outline(region);
        region->sealed = true;
        return 0;
}

int dax_region_free_extents(const DaxRegion *region, bool usable, DaxRanges *ret_extents) {
        _cleanup_ranges_ DaxRanges extents = {};
        int r;

        r = region->sealed ? dax_ranges_copy(&region->holes, &extents) :
                             region_holes(region, &extents);
        if (r >= 0 && usable)
                r = dax_ranges_subtract_all(&extents, &region->leaked);
        if (r < 0)
                return r;

        *ret_extents = extents;
        extents = (DaxRanges){};
        return 0;
}

int dax_region_largest_free_extent(const DaxRegion *region, uint64_t *ret_size) {
        _cleanup_ranges_ DaxRanges extents = {};
        uint64_t largest = 0;

        if (dax_region_free_extents(region, true, &extents) < 0)
                return -ENOMEM;

        for (size_t i = 0; i < extents.count; i++)
                largest = MAX(largest, extents.list[i].size);

        *ret_size = largest;
        return 0;
}

/* Widens the last range of @ranges by @n where the kernel would, else appends. */
static int ranges_widen(DaxRanges *ranges, uint64_t offset, uint64_t n) {
        DaxRange *last = ranges->count > 0 ? &ranges->list[ranges->count - 1] : NULL;

        if (last && dax_range_end(*last) == offset) {
                last->size += n;
                return 0;
        }

        return dax_ranges_append(ranges, (DaxRange){ offset, n });
}

int dax_region_first_fit(const DaxRegion *region, const DaxDevice *device, uint64_t size,
                         DaxRanges *ret_ranges) {
        _cleanup_ranges_ DaxRanges ranges = {}, holes = {};
        uint64_t has = dax_ranges_size(&device->ranges), missing;

        if (dax_ranges_copy(&device->ranges, &ranges) < 0)
                return -ENOMEM;

        if (size < has)
                dax_ranges_cut(&ranges, size);
        missing = size < has ? 0 : size - has;

        if (missing > 0 && dax_region_free_extents(region, false, &holes) < 0)
                return -ENOMEM;
        for (size_t i = 0; missing > 0; i++) {
                uint64_t n;

                if (i >= holes.count)
                        return -ENOSPC;

                n = MIN(holes.list[i].size, missing);
                /* the hole before the first allocation is never joined to anything: there is
                 * nothing below it; behind each allocation its own device's last range grows */
                if (ranges_widen(&ranges, holes.list[i].offset, n) < 0)
                        return -ENOMEM;
                missing -= n;
        }

        *ret_ranges = ranges;
        ranges = (DaxRanges){};
        return 0;
}

int dax_region_clear_owner(DaxRegion *region, DaxRange range) {
        for (size_t i = 0; i < region->n_owned; i++) {
                DaxOwned *owned = &region->owned[i], was = *owned;

                if (!dax_range_overlaps(was.range, range))
                        continue;

                if (was.range.offset < range.offset) {
                        owned->range.size = range.offset - was.range.offset;
                        if (dax_range_end(range) < dax_range_end(was.range)) {
                                DaxOwned rest = was;

                                rest.range.offset = dax_range_end(range);
                                rest.range.size = dax_range_end(was.range) - dax_range_end(range);
                                return ARRAY_APPEND(region->owned, region->n_owned, rest);
                        }
                } else if (dax_range_end(range) < dax_range_end(was.range)) {
                        owned->range.offset = dax_range_end(range);
                        owned->range.size = dax_range_end(was.range) - dax_range_end(range);
                } else {
                        ARRAY_REMOVE(region->owned, region->n_owned, i);
                        i--;
                }
        }

        return 0;
}

int dax_region_set_owner(DaxRegion *region, DaxRange range, const char *owner) {
        DaxOwned owned = { .range = range };

        if (dax_region_clear_owner(region, range) < 0)
                return -ENOMEM;

        /*
         * neighbours with the same owner become one, so that the list stays as short as the story
         */
        for (size_t i = 0; i < region->n_owned; i++) {
                DaxOwned *other = &region->owned[i];

                if (strcmp(other->owner, owner) != 0)
                        continue;
                if (dax_range_end(other->range) == owned.range.offset) {
                        owned.range.offset = other->range.offset;
                        owned.range.size += other->range.size;
                } else if (dax_range_end(owned.range) == other->range.offset) {
                        owned.range.size += other->range.size;
                } else {
                        continue;
                }
                ARRAY_REMOVE(region->owned, region->n_owned, i);
                i--;
        }

        strncpy(owned.owner, owner, LABEL_MAX);
        return ARRAY_APPEND(region->owned, region->n_owned, owned);
}

const char *dax_device_owner(const DaxDevice *device) {
        return device->mode == DAX_MODE_SYSTEM_RAM || device->tainted ? DAX_OWNER_SYSTEM_RAM :
                                                                        device->label;
}
