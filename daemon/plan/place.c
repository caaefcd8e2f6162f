/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Placement: those with the largest boundaries first, else in order of the list, first hole first;
 * largest holes first when one must be split.
 */

#include "daemon/plan/place.h"
#include "daemon/plan/check.h"

#include <string.h>

uint64_t place_unit(const DaxDevice *device, uint64_t block_size) {
        uint64_t unit = MAX(device->align, CHECK_SIZE_UNIT);

        return device->mode == DAX_MODE_SYSTEM_RAM ? MAX(unit, block_size) : unit;
}

/* The part of @hole whose physical start and end are multiples of @unit; size 0 when none is. */
static DaxRange hole_inner(const DaxRegion *region, DaxRange hole, uint64_t unit) {
        uint64_t start = region->start + hole.offset, end = start + hole.size;
        uint64_t first = start + (unit - start % unit) % unit, last = end - end % unit;

        return (DaxRange){ first - region->start, last > first ? last - first : 0 };
}

/* Widens the last range of @device into the hole right behind it, by at most @need. */
static uint64_t place_behind(const DaxRegion *region, DaxDevice *device, DaxRanges *holes,
                             uint64_t unit, uint64_t need) {
        uint64_t align = place_unit(device, 0), start;
        DaxRange *last;

        if (device->ranges.count == 0)
                return 0;

        last = &device->ranges.list[device->ranges.count - 1];
        start = region->start + last->offset;
        /*
         * up to a boundary; where it does not begin at one, by what the kernel asks of its length
         */
        if (start % align) {
                start = 0;
                unit = align;
        }
        for (size_t i = 0; i < holes->count; i++) {
                DaxRange hole = holes->list[i];
                uint64_t room = MIN(need, hole.size);

                if (hole.offset != dax_range_end(*last))
                        continue;

                /* as much as was asked for, or whole units */
                if (room < need)
                        room -= MIN(room, (start + last->size + room) % unit);
                last->size += room;
                return room;
        }

        return 0;
}

static bool hole_behind_is_enough(const DaxDevice *device, const DaxRanges *holes, uint64_t need) {
        const DaxRange *last;

        if (device->ranges.count == 0)
                return false;

        last = &device->ranges.list[device->ranges.count - 1];
        for (size_t i = 0; i < holes->count; i++)
                if (holes->list[i].offset == dax_range_end(*last))
                        return holes->list[i].size >= need;

        return false;
}

/* The hole to take next: the first that holds all of @need, else the one that holds most. */
static DaxRange hole_choose(const DaxRegion *region, const DaxRanges *holes, uint64_t unit,
                            uint64_t need) {
        DaxRange chosen = {};

        for (size_t i = 0; i < holes->count; i++) {
                DaxRange inner = hole_inner(region, holes->list[i], unit);

                if (inner.size >= need)
                        return (DaxRange){ inner.offset, need };
                if (inner.size > chosen.size)
                        chosen = inner;
        }

        return chosen;
}

static int refuse_space(const DaxRegion *region, const DaxDevice *device, const DaxRanges *holes,
                        uint64_t unit, uint64_t need, uint64_t missing, Failure *failure) {
        uint64_t available = dax_ranges_size(holes);

        if (available < missing)
                return failure_set(failure, CONDITION_NO_SPACE,
                                   "cannot give %s %llu bytes of region %u: it lacks %llu more; "
                                   "make the device smaller or free some first",
                                   check_device_words(device).text, (unsigned long long)need,
                                   region->id, (unsigned long long)(missing - available));

        return failure_set(failure, CONDITION_FRAGMENTED,
                           "cannot give %s %llu bytes of region %u: enough is free but not in "
                           "pieces of %s at their boundaries; make the device smaller or move "
                           "others first",
                           check_device_words(device).text, (unsigned long long)need, region->id,
                           text_size(unit).text);
}

static int place_device(DaxRegion *region, DaxDevice *device, uint64_t block_size,
                        Failure *failure) {
        _cleanup_ranges_ DaxRanges holes = {};
        uint64_t unit = place_unit(device, block_size);
        uint64_t need = device->size - dax_ranges_size(&device->ranges), missing = need;
        bool whole = false;

        if (dax_region_free_extents(region, true, &holes) < 0)
                return -ENOMEM;

        /*
         * in one piece behind what it has; else in one piece elsewhere; else in as few as it takes
         */
        if (!hole_behind_is_enough(device, &holes, need))
                whole = hole_choose(region, &holes, unit, need).size == need;
        if (!whole && device->ranges.count > 0) {
                missing -= place_behind(region, device, &holes, unit, missing);
                dax_ranges_deinit(&holes);
                if (dax_region_free_extents(region, true, &holes) < 0)
                        return -ENOMEM;
        }

        while (missing > 0) {
                DaxRange piece = hole_choose(region, &holes, unit, missing);

                if (piece.size == 0)
                        return refuse_space(region, device, &holes, unit, need, missing, failure);
                if (dax_ranges_append(&device->ranges, piece) < 0 ||
                    dax_ranges_subtract(&holes, piece) < 0)
                        return -ENOMEM;
                missing -= piece.size;
        }

        return 0;
}

/* Everything that is left, in address order. */
static int place_rest(DaxRegion *region, DaxDevice *device, uint64_t block_size, Failure *failure) {
        _cleanup_ranges_ DaxRanges holes = {};
        uint64_t unit = place_unit(device, block_size);

        if (dax_region_free_extents(region, true, &holes) < 0)
                return -ENOMEM;

        (void)place_behind(region, device, &holes, unit, UINT64_MAX - unit);
        dax_ranges_deinit(&holes);
        if (dax_region_free_extents(region, true, &holes) < 0)
                return -ENOMEM;

        for (size_t i = 0; i < holes.count; i++) {
                DaxRange inner = hole_inner(region, holes.list[i], unit);

                device->lost_to_rounding += holes.list[i].size - inner.size;
                if (inner.size > 0 && dax_ranges_append(&device->ranges, inner) < 0)
                        return -ENOMEM;
        }

        device->size = dax_ranges_size(&device->ranges);
        if (device->size > 0)
                return 0;

        return failure_set(failure, CONDITION_NO_SPACE,
                           "cannot give %s what is left of region %u: nothing is, in pieces of %s; "
                           "free some first",
                           check_device_words(device).text, region->id, text_size(unit).text);
}

/* The devices that are to have other ranges than they have. */
typedef struct Places {
        DaxDevice **list;
        size_t count;
} Places;

static void places_deinit(Places *places) {
        free(places->list);
}

static int places_find(DaxRegion *wanted, Places *places) {
        for (size_t i = 0; i < wanted->n_devices; i++) {
                const DaxDevice *device = wanted->devices[i];
                DaxDevice *place;

                if (device->size == dax_ranges_size(&device->ranges))
                        continue;
                if (dax_region_edit(wanted, device, &place) < 0 ||
                    ARRAY_APPEND(places->list, places->count, place) < 0)
                        return -ENOMEM;
        }

        return 0;
}

/* The largest unit below @below that one of them has; 0 when there is none. */
static uint64_t next_unit(const Places *places, uint64_t block_size, uint64_t below) {
        uint64_t next = 0;

        for (size_t i = 0; i < places->count; i++) {
                uint64_t unit = place_unit(places->list[i], block_size);

                if (unit < below)
                        next = MAX(next, unit);
        }

        return next;
}

int place_devices(DaxRegion *wanted, uint64_t block_size, Failure *failure) {
        _cleanup_(places_deinit) Places places = {};
        int r = 0;

        if (places_find(wanted, &places) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < places.count; i++)
                dax_ranges_cut(&places.list[i]->ranges, places.list[i]->size);

        /* those that need the largest boundaries first: what others leave may have none */
        for (uint64_t unit = next_unit(&places, block_size, UINT64_MAX); unit > 0;
             unit = next_unit(&places, block_size, unit))
                for (size_t i = 0; r == 0 && i < places.count; i++)
                        if (places.list[i]->size != DAX_SIZE_REST &&
                            places.list[i]->size > dax_ranges_size(&places.list[i]->ranges) &&
                            place_unit(places.list[i], block_size) == unit)
                                r = place_device(wanted, places.list[i], block_size, failure);

        for (size_t i = 0; r == 0 && i < places.count; i++)
                if (places.list[i]->size == DAX_SIZE_REST)
                        r = place_rest(wanted, places.list[i], block_size, failure);

        return r;
}
