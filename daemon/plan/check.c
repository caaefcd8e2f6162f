/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Refusals. Each rule stands with the sentence that the user reads. */

#include "daemon/plan/check.h"
#include "daemon/plan/place.h"

#include <stdio.h>
#include <string.h>

DeviceWords check_device_words(const DaxDevice *device) {
        DeviceWords words;

        if (device->name[0] != '\0' && device->label[0] != '\0')
                snprintf(words.text, sizeof(words.text), "%s (%s)", device->name, device->label);
        else if (device->name[0] != '\0')
                snprintf(words.text, sizeof(words.text), "%s", device->name);
        else if (device->label[0] != '\0')
                snprintf(words.text, sizeof(words.text), "a device %s", device->label);
        else
                snprintf(words.text, sizeof(words.text), "a new device");

        return words;
}

static int check_align(const DaxRegion *region, const DaxDevice *before, const DaxDevice *wanted,
                       Failure *failure) {
        if (before && before->align == wanted->align)
                return 0;
        if (wanted->align != 0 && (wanted->align & (wanted->align - 1)) == 0 &&
            (region->aligns & wanted->align))
                return 0;

        return failure_set(failure, CONDITION_INVALID_ALIGN,
                           "cannot align %s to %llu: this machine offers%s%s%s",
                           check_device_words(wanted).text, (unsigned long long)wanted->align,
                           region->aligns & 4096 ? " 4096" : "",
                           region->aligns & (UINT64_C(2) << 20) ? " 2097152" : "",
                           region->aligns & (UINT64_C(1) << 30) ? " 1073741824" : "");
}

static int check_size(const DaxRegion *region, const DaxDevice *before, const DaxDevice *wanted,
                      uint64_t block_size, Failure *failure) {
        /* who names the ranges himself may have them end within a block */
        bool blocks = wanted->mode == DAX_MODE_SYSTEM_RAM &&
                      wanted->size != dax_ranges_size(&wanted->ranges);
        uint64_t unit = blocks ? place_unit(wanted, block_size) : place_unit(wanted, 0);
        uint64_t below = wanted->size - wanted->size % unit;
        bool aligned = wanted->size % place_unit(wanted, 0) == 0; /* then it is about blocks */
        char use[64];

        if (wanted->size == DAX_SIZE_REST || (before && before->size == wanted->size))
                return 0;
        if (wanted->size > region->size)
                return failure_set(failure, CONDITION_NO_SPACE,
                                   before ? "cannot resize %s to %llu bytes: region %u has %llu "
                                            "in all" :
                                            "cannot create %s of %llu bytes: region %u has %llu "
                                            "in all",
                                   check_device_words(wanted).text,
                                   (unsigned long long)wanted->size, region->id,
                                   (unsigned long long)region->size);
        if (wanted->size % unit == 0)
                return 0;
        if (below == 0)
                snprintf(use, sizeof(use), "%llu", (unsigned long long)unit);
        else
                snprintf(use, sizeof(use), "%llu or %llu", (unsigned long long)below,
                         (unsigned long long)(below + unit));

        return failure_set(failure, aligned ? CONDITION_MEMORY_BLOCK_ALIGN : CONDITION_INVALID_SIZE,
                           before ? "cannot resize %s to %llu bytes: not a multiple of the %s %s; "
                                    "use %s" :
                                    "cannot create %s of %llu bytes: not a multiple of the %s %s; "
                                    "use %s",
                           check_device_words(wanted).text, (unsigned long long)wanted->size,
                           text_size(unit).text, aligned ? "memory blocks" : "alignment", use);
}

static int check_ranges(const DaxRegion *region, const DaxDevice *wanted, Failure *failure) {
        uint64_t unit = place_unit(wanted, 0);

        for (size_t i = 0; i < wanted->ranges.count; i++) {
                DaxRange range = wanted->ranges.list[i];

                if (range.size == 0 || range.size % unit || range.offset % CHECK_SIZE_UNIT)
                        return failure_set(failure, CONDITION_INVALID_RANGE,
                                           "cannot place %s at %llu+%llu: offset and size must be "
                                           "multiples of %s",
                                           check_device_words(wanted).text,
                                           (unsigned long long)range.offset,
                                           (unsigned long long)range.size, text_size(unit).text);
                if (range.offset > region->size || range.size > region->size - range.offset)
                        return failure_set(failure, CONDITION_INVALID_RANGE,
                                           "cannot place %s at %llu+%llu: region %u ends at %llu",
                                           check_device_words(wanted).text,
                                           (unsigned long long)range.offset,
                                           (unsigned long long)range.size, region->id,
                                           (unsigned long long)region->size);
        }

        return 0;
}

bool check_device_is_named(const DaxDevice *device) {
        return device->label[0] != '\0' || !dax_access_equal(&device->access, &(DaxAccess){});
}

bool check_memmap_is_offered(const DaxRegion *now) {
        return now->n_devices > 0 && now->devices[0]->memmap_on_memory >= 0;
}

int check_wish(const DaxRegion *region, const DaxDevice *before, const DaxDevice *wanted,
               uint64_t block_size, Failure *failure) {
        bool same_ranges = before && dax_ranges_equal(&before->ranges, &wanted->ranges);
        int r;

        if (wanted->size == 0 && !before)
                return failure_set(failure, CONDITION_INVALID_SIZE,
                                   "cannot make %s of 0 bytes: a device needs a size",
                                   check_device_words(wanted).text);
        if (wanted->mode == DAX_MODE_OTHER && (!before || before->mode != DAX_MODE_OTHER))
                return failure_set(failure, CONDITION_INVALID_MODE,
                                   "cannot give %s this mode: use devdax, system-ram or none",
                                   check_device_words(wanted).text);
        if (wanted->mode == DAX_MODE_SYSTEM_RAM && block_size == 0)
                return failure_set(failure, CONDITION_NOT_SUPPORTED,
                                   "cannot make %s system-ram: this kernel has no memory hotplug",
                                   check_device_words(wanted).text);
        if (wanted->memmap_on_memory == 1 && !check_memmap_is_offered(region))
                return failure_set(failure, CONDITION_NOT_SUPPORTED,
                                   "cannot set memmap-on-memory for %s: this kernel does not "
                                   "offer it (Linux 6.8 does, with "
                                   "memory_hotplug.memmap_on_memory=Y)",
                                   check_device_words(wanted).text);

        r = check_align(region, before, wanted, failure);
        if (r == 0)
                r = check_size(region, before, wanted, block_size, failure);
        if (r == 0 && !same_ranges)
                r = check_ranges(region, wanted, failure);
        return r;
}

static int refuse_overlap(const DaxDevice *after, DaxRange range, const DaxDevice *other,
                          DaxRange taken, Failure *failure) {
        return failure_set(failure, CONDITION_INVALID_RANGE,
                           "cannot place %s at %llu+%llu: %s has part of it, %llu+%llu; take what "
                           "FreeExtents or 'daxdctl list -R' shows as free",
                           check_device_words(after).text, (unsigned long long)range.offset,
                           (unsigned long long)range.size,
                           other == after ? "another of its ranges" :
                                            check_device_words(other).text,
                           (unsigned long long)taken.offset, (unsigned long long)taken.size);
}

static int check_overlap(const DaxRegion *region, const DaxDevice *after, Failure *failure) {
        for (size_t i = 0; i < after->ranges.count; i++) {
                DaxRange range = after->ranges.list[i];

                for (size_t k = 0; k < region->n_devices; k++) {
                        const DaxDevice *other = region->devices[k];

                        for (size_t m = 0; m < other->ranges.count; m++) {
                                if (other == after && m == i)
                                        continue;
                                if (!dax_range_overlaps(range, other->ranges.list[m]))
                                        continue;
                                return refuse_overlap(after, range, other, other->ranges.list[m],
                                                      failure);
                        }
                }
                if (dax_ranges_overlap(&region->leaked, range))
                        return failure_set(failure, CONDITION_TAINTED,
                                           "cannot place %s at %llu+%llu: memory there leaked and "
                                           "stays System RAM until the next reboot",
                                           check_device_words(after).text,
                                           (unsigned long long)range.offset,
                                           (unsigned long long)range.size);
        }

        return 0;
}

int check_placed(const DaxRegion *wanted_region, const DaxDevice *before, const DaxDevice *after,
                 uint64_t block_size, Failure *failure) {
        uint64_t unit = place_unit(after, 0);
        bool same = before && dax_ranges_equal(&before->ranges, &after->ranges);
        int r;

        r = check_overlap(wanted_region, after, failure);
        if (r != 0)
                return r;

        for (size_t i = 0; i < after->ranges.count; i++)
                if (after->ranges.list[i].size % unit && (!same || before->align != after->align))
                        return failure_set(failure, CONDITION_INVALID_ALIGN,
                                           "cannot align %s to %llu: its range of %llu bytes does "
                                           "not fit that",
                                           check_device_words(after).text, (unsigned long long)unit,
                                           (unsigned long long)after->ranges.list[i].size);

        if (after->mode == DAX_MODE_SYSTEM_RAM && after->size > 0 && after->n_blocks == 0)
                return failure_set(failure, CONDITION_MEMORY_BLOCK_ALIGN,
                                   "cannot make %s system-ram: none of its ranges holds a whole "
                                   "memory block of %llu bytes; make it larger or place it on a "
                                   "block boundary",
                                   check_device_words(after).text, (unsigned long long)block_size);

        if (check_device_is_named(after) && after->ranges.count > DAX_NAMED_RANGES_MAX)
                return failure_set(failure, CONDITION_FRAGMENTED,
                                   "cannot give %s a lasting name: it would lie in %zu pieces, and "
                                   "a named device may have %d; free a larger extent first",
                                   check_device_words(after).text, after->ranges.count,
                                   DAX_NAMED_RANGES_MAX);
        return 0;
}

int check_release(const DaxDevice *before, bool may_offline, const char *what, Failure *failure) {
        size_t online = dax_device_online_blocks(before);

        if (before->tainted)
                return failure_set(failure, CONDITION_TAINTED,
                                   "cannot %s %s: its memory leaked and stays System RAM until the "
                                   "next reboot",
                                   what, check_device_words(before).text);
        if (before->mode == DAX_MODE_OTHER)
                return failure_set(failure, CONDITION_NOT_SUPPORTED,
                                   "cannot %s %s: a driver that daxd does not know holds it", what,
                                   check_device_words(before).text);
        if (before->mode == DAX_MODE_SYSTEM_RAM && online > 0 && !may_offline)
                return failure_set(failure, CONDITION_MEMORY_ONLINE,
                                   "cannot %s %s: %zu of its %zu memory blocks are online; take "
                                   "them offline first, or use force",
                                   what, check_device_words(before).text, online, before->n_blocks);
        return 0;
}
