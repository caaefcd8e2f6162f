/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * From what a layout says to the picture that is wanted. In this order: which device an entry
 * means, what goes, how large each is, whether that fits, where each lies.
 *
 * What an entry does not mention (align, memmap-on-memory) stays as it is on a device that
 * exists. It never takes a device that no entry claims but by prune, and the region's first
 * device while it is as the kernel made it.
 */

#include "daemon/layout/want.h"
#include "daemon/util/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* The kernel takes no size and no boundary finer than this, whatever the alignment (x86). */
#define UNIT_MIN (UINT64_C(2) << 20)

typedef struct Entry {
        const LayoutDevice *says;
        const DaxDevice *before; /* in now; NULL: the device is new */
        DaxDevice *device;       /* in the wanted region */
        uint64_t unit;           /* its sizes and physical boundaries are multiples of this */
} Entry;

typedef struct Want {
        const Layout *layout;
        const LayoutContext *context;
        const DaxRegion *now;
        DaxRegion *region; /* the wanted one */
        Entry *entries;    /* one per device of the layout, in its order */
        Failure *failure;
} Want;

static void want_deinit(Want *want) {
        dax_region_free(want->region);
        free(want->entries);
}

/* "cannot apply layout NAME to region N: REASON". */
static int _printf_(3, 4)
        want_refuse(const Want *want, Condition condition, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        const char *name = want->layout->name;
        va_list args;

        va_start(args, format);
        reason = text_vformat(format, args);
        va_end(args);
        if (!reason)
                return -ENOMEM;

        return failure_set(want->failure, condition, "cannot apply %slayout%s%s to region %u: %s",
                           name[0] != '\0' ? "" : "the ", name[0] != '\0' ? " " : "", name,
                           want->now->id, reason);
}

static bool is_held(const Want *want, const DaxDevice *device) {
        for (size_t i = 0; i < want->context->n_held; i++)
                if (strcmp(want->context->held[i], device->name) == 0)
                        return true;

        return false;
}

static Entry *want_entry_of(const Want *want, const DaxDevice *device) {
        for (size_t i = 0; i < want->layout->n_devices; i++)
                if (want->entries[i].device == device)
                        return &want->entries[i];

        return NULL;
}

static bool has_new_entries(const Want *want) {
        for (size_t i = 0; i < want->layout->n_devices; i++)
                if (!want->entries[i].before)
                        return true;

        return false;
}

/* Whether @device is the region's first device as the kernel made it. */
static bool is_fresh(const DaxRegion *region, const DaxDevice *device) {
        return device->instance == 0 && device->name[0] != '\0' && device->label[0] == '\0' &&
               device->size == region->size && device->size > 0 && device->mode != DAX_MODE_OTHER;
}

static uint64_t entry_align(const Want *want, const Entry *entry) {
        if (entry->says->align != 0)
                return entry->says->align;
        if (entry->before)
                return entry->before->align;
        return want->now->align != 0 ? want->now->align : UNIT_MIN;
}

static uint64_t entry_unit(const Want *want, const Entry *entry) {
        uint64_t unit = MAX(entry_align(want, entry), UNIT_MIN);

        return entry->says->mode == DAX_MODE_SYSTEM_RAM ? MAX(unit, want->context->block_size) :
                                                          unit;
}

static int claim(const Want *want, Entry *entry, const DaxDevice *device) {
        entry->before = dax_region_find(want->now, device->name);
        assert(entry->before);
        return dax_region_edit(want->region, device, &entry->device);
}

/* Devices that are labelled with an entry's name, then those that lie where an entry says. */
static int want_claim(Want *want) {
        for (size_t i = 0; i < want->layout->n_devices; i++) {
                Entry *entry = &want->entries[i];
                const DaxDevice *device = dax_region_find_label(want->region, entry->says->name);

                if (device && claim(want, entry, device) < 0)
                        return -ENOMEM;
        }

        for (size_t i = 0; i < want->layout->n_devices; i++) {
                Entry *entry = &want->entries[i];

                for (size_t k = 0;
                     !entry->before && entry->says->ranges.count > 0 && k < want->region->n_devices;
                     k++) {
                        const DaxDevice *device = want->region->devices[k];

                        if (!want_entry_of(want, device) &&
                            dax_ranges_equal(&device->ranges, &entry->says->ranges) &&
                            claim(want, entry, device) < 0)
                                return -ENOMEM;
                }
        }

        return 0;
}

/* Whether @entry asks for the whole region. */
static bool entry_is_whole(const Want *want, const Entry *entry) {
        uint64_t size = want->now->size, unit = entry_unit(want, entry);

        if (entry->says->size.unit == LAYOUT_SIZE_NONE)
                return false; /* then its ranges have claimed it, or are others */
        if (entry->says->size.unit == LAYOUT_SIZE_REST)
                return want->layout->n_devices == 1 &&
                       (want->now->is_static || (size % unit == 0 && want->now->start % unit == 0));

        return layout_size_bytes(entry->says->size, size) == size &&
               (want->now->is_static || size % unit == 0);
}

/*
 * The region's first device, when it is as the kernel made it: kept as it is for an entry of the
 * same size, since then nothing has to move; else it makes room for the new ones.
 */
static int want_reshape(Want *want, const DaxDevice *first) {
        for (size_t i = 0; i < want->layout->n_devices; i++)
                if (!want->entries[i].before && entry_is_whole(want, &want->entries[i]))
                        return claim(want, &want->entries[i], first);

        if (!has_new_entries(want))
                return 0;
        if (first->tainted)
                return want_refuse(want, CONDITION_TAINTED,
                                   "%s has all of it, and its memory leaked: it stays System RAM "
                                   "until the next reboot",
                                   first->name);
        if (is_held(want, first))
                return want_refuse(want, CONDITION_IN_USE,
                                   "%s has all of it, and someone has it open or mapped; end who "
                                   "holds it first (GetHolders tells)",
                                   first->name);

        dax_device_unref(dax_region_take(want->region, first->name));
        return 0;
}

static bool may_prune(const Want *want, const DaxDevice *device) {
        return want->layout->prune == LAYOUT_PRUNE_IDLE && !want->context->repair &&
               device->size > 0 && !is_held(want, device) && !device->tainted &&
               device->mode != DAX_MODE_OTHER && dax_device_online_blocks(device) == 0;
}

/* Takes out what goes. */
static int want_prune(Want *want) {
        int r;

        for (size_t i = 0; i < want->region->n_devices; i++) {
                const DaxDevice *device = want->region->devices[i];

                if (want_entry_of(want, device) || !is_fresh(want->now, device))
                        continue;
                r = want_reshape(want, device);
                if (r != 0)
                        return r;
                break;
        }

        for (size_t i = want->region->n_devices; i > 0; i--) {
                const DaxDevice *device = want->region->devices[i - 1];
                /* an empty instance 0 is the slot of the first new device */
                bool slot = device->instance == 0 && device->size == 0 && has_new_entries(want);

                if (!want_entry_of(want, device) && (slot || may_prune(want, device)))
                        dax_device_unref(dax_region_take(want->region, device->name));
        }

        return 0;
}

static bool ranges_fit_unit(const DaxRegion *region, const DaxRanges *ranges, uint64_t unit) {
        for (size_t i = 0; i < ranges->count; i++)
                if ((region->start + ranges->list[i].offset) % unit != 0 ||
                    ranges->list[i].size % unit != 0)
                        return false;

        return true;
}

static int entry_check_align(const Want *want, const Entry *entry) {
        uint64_t align = entry->device->align;
        bool same = entry->before && entry->before->align == align;

        if (entry->says->align == 0 || same || (want->now->aligns & align))
                return 0;

        return want_refuse(want, CONDITION_INVALID_ALIGN,
                           "device \"%s\" cannot be aligned to %s, the kernel does not offer that "
                           "here; leave align out to have %s",
                           entry->says->name, text_size(align).text,
                           text_size(want->now->align).text);
}

static int entry_set_memmap(const Want *want, Entry *entry) {
        bool offered = want->now->n_devices == 0;

        for (size_t i = 0; i < want->now->n_devices; i++)
                if (want->now->devices[i]->memmap_on_memory >= 0)
                        offered = true;

        if (offered && entry->says->memmap_on_memory >= 0)
                entry->device->memmap_on_memory = entry->says->memmap_on_memory;
        if (offered || entry->says->memmap_on_memory <= 0)
                return 0;

        return want_refuse(want, CONDITION_NOT_SUPPORTED,
                           "device \"%s\" cannot have memmap-on-memory: this kernel does not offer "
                           "it (Linux 6.8 does, with memory_hotplug.memmap_on_memory=Y); leave it "
                           "out",
                           entry->says->name);
}

static int entry_check_ranges(const Want *want, const Entry *entry) {
        const DaxRanges *ranges = &entry->says->ranges;

        for (size_t i = 0; i < ranges->count; i++)
                if (dax_range_end(ranges->list[i]) > want->now->size)
                        return want_refuse(want, CONDITION_INVALID_RANGE,
                                           "the range [%llu, %llu] of device \"%s\" ends behind "
                                           "the region, which has %llu bytes",
                                           (unsigned long long)ranges->list[i].offset,
                                           (unsigned long long)ranges->list[i].size,
                                           entry->says->name, (unsigned long long)want->now->size);

        if ((entry->before && dax_ranges_equal(&entry->before->ranges, ranges)) ||
            ranges_fit_unit(want->now, ranges, entry->unit))
                return 0;

        return want_refuse(want, CONDITION_INVALID_RANGE,
                           "the ranges of device \"%s\" have to begin and end at multiples of %s "
                           "of memory%s",
                           entry->says->name, text_size(entry->unit).text,
                           entry->says->mode == DAX_MODE_SYSTEM_RAM ? ", whole memory blocks" : "");
}

/* How large the device of @entry is to be: in bytes, or DAX_SIZE_REST. */
static int entry_set_size(const Want *want, Entry *entry) {
        DaxDevice *device = entry->device;
        uint64_t size;

        if (entry->says->ranges.count > 0) {
                device->size = dax_ranges_size(&entry->says->ranges);
                return entry_check_ranges(want, entry);
        }
        if (entry->says->size.unit == LAYOUT_SIZE_REST) {
                device->size = want->now->is_static && entry->before ? entry->before->size :
                                                                       DAX_SIZE_REST;
                return 0;
        }

        size = layout_size_bytes(entry->says->size, want->now->size);
        /* a static device cannot be rounded */
        if (want->now->is_static && entry->before && entry->before->size == size) {
                device->size = size;
                return 0;
        }

        device->lost_to_rounding = size % entry->unit;
        device->size = size - device->lost_to_rounding;
        if (device->size > 0)
                return 0;

        return want_refuse(want, CONDITION_INVALID_SIZE,
                           "nothing is left of the %llu bytes of device \"%s\" when they are "
                           "rounded down to multiples of %s; make it at least so large",
                           (unsigned long long)size, entry->says->name,
                           text_size(entry->unit).text);
}

/* Everything of the device but where it lies. */
static int entry_fill(const Want *want, Entry *entry) {
        const LayoutDevice *says = entry->says;
        DaxDevice *device = entry->device;
        int r;

        if (says->mode == DAX_MODE_SYSTEM_RAM && want->context->block_size == 0)
                return want_refuse(want, CONDITION_NOT_SUPPORTED,
                                   "device \"%s\" cannot be system-ram: this kernel has no memory "
                                   "hotplug",
                                   says->name);

        strcpy(device->label, says->name);
        device->access = says->access;
        device->align = entry_align(want, entry);
        device->mode = says->mode;
        device->online = says->online;
        device->wipe = says->wipe;
        entry->unit = entry_unit(want, entry);

        r = entry_check_align(want, entry);
        if (r == 0)
                r = entry_set_memmap(want, entry);
        return r == 0 ? entry_set_size(want, entry) : r;
}

static int want_fill(Want *want) {
        int r;

        for (size_t i = 0; i < want->layout->n_devices; i++) {
                Entry *entry = &want->entries[i];

                if (!entry->device) {
                        DaxDevice *device;

                        if (dax_device_new(&device) < 0 || dax_region_add(want->region, device) < 0)
                                return -ENOMEM;
                        device->target_node = want->now->target_node;
                        device->numa_node = want->now->numa_node;
                        entry->device = device;
                }
                r = entry_fill(want, entry);
                if (r != 0)
                        return r;
        }

        return 0;
}

/* Of a static region only mode, memory, label and access can change. */
static int want_check_static(const Want *want) {
        bool same = want->region->n_devices == want->now->n_devices;

        if (!want->now->is_static)
                return 0;

        for (size_t i = 0; i < want->layout->n_devices; i++) {
                const Entry *entry = &want->entries[i];

                same = same && entry->before && entry->before->size == entry->device->size &&
                       entry->before->align == entry->device->align &&
                       (entry->says->ranges.count == 0 ||
                        dax_ranges_equal(&entry->says->ranges, &entry->before->ranges));
        }
        if (same)
                return 0;

        return want_refuse(want, CONDITION_STATIC_REGION,
                           "it is static, its devices can be neither made, resized, realigned nor "
                           "removed; let one device have all of it");
}

static uint64_t add_clamped(uint64_t a, uint64_t b) {
        uint64_t sum;

        return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

/* Of the rest it is one unit. */
static uint64_t entry_needs(const Entry *entry) {
        return entry->device->size == DAX_SIZE_REST ? entry->unit : entry->device->size;
}

/* What the entries need, and what others keep from them. */
static void want_sum(const Want *want, uint64_t *ret_needed, uint64_t *ret_taken) {
        *ret_needed = 0;
        *ret_taken = dax_ranges_size(&want->region->leaked);

        for (size_t i = 0; i < want->region->n_devices; i++) {
                const DaxDevice *device = want->region->devices[i];
                const Entry *entry = want_entry_of(want, device);

                if (entry)
                        *ret_needed = add_clamped(*ret_needed, entry_needs(entry));
                else
                        *ret_taken += device->size;
        }
}

/* The entry that needs most: the one to look at first when there is not enough. */
static const Entry *want_largest(const Want *want) {
        const Entry *largest = NULL;

        for (size_t i = 0; i < want->layout->n_devices; i++) {
                const Entry *entry = &want->entries[i];

                if (!largest || entry_needs(entry) >= entry_needs(largest))
                        largest = entry;
        }

        return largest;
}

typedef struct Advice {
        char text[192];
} Advice;

/* Why the rest for @entry cannot be less than its unit, and what to do. */
static const char *entry_explain_unit(const Entry *entry) {
        if (entry->unit == UNIT_MIN)
                return "no device has less: leave something out";

        return entry->unit > entry->device->align ?
                       "a memory block: leave it out or make it devdax" :
                       "its alignment: give it a smaller one";
}

/* What the entries can do when there is not enough. */
static Advice want_advise(const Want *want) {
        const Entry *entry = want_largest(want);
        const char *name = entry ? entry->says->name : "";
        Advice advice = {};

        if (entry && entry->device->size == DAX_SIZE_REST)
                snprintf(advice.text, sizeof(advice.text), "the rest for \"%s\" is %s at least, %s",
                         name, text_size(entry->unit).text, entry_explain_unit(entry));
        else
                snprintf(advice.text, sizeof(advice.text), "make the devices smaller, \"%s\" first",
                         name);
        return advice;
}

/* The first device that keeps memory and that no entry claims, and how many others do. */
static const DaxDevice *want_unclaimed(const Want *want, size_t *ret_others) {
        const DaxDevice *first = NULL;

        *ret_others = 0;
        for (size_t i = 0; i < want->region->n_devices; i++) {
                const DaxDevice *device = want->region->devices[i];

                if (device->size == 0 || want_entry_of(want, device))
                        continue;
                if (first)
                        ++*ret_others;
                else
                        first = device;
        }

        return first;
}

/* What can be done about memory that is kept: @first is a device that keeps some, or NULL. */
static const char *want_advise_kept(const Want *want, const DaxDevice *first) {
        if (!first)
                return ", or reboot to have back what leaked";

        return want->layout->prune == LAYOUT_PRUNE_IDLE ?
                       ", or destroy these" :
                       ", or have these removed by \"prune\": \"idle\"";
}

static int want_check_space(const Want *want) {
        const DaxDevice *first;
        uint64_t needed, taken;
        size_t others;
        char names[DAX_NAME_MAX + 40] = "";

        want_sum(want, &needed, &taken);
        if (taken <= want->now->size && needed <= want->now->size - taken)
                return 0;

        first = want_unclaimed(want, &others);
        if (first && others > 0)
                snprintf(names, sizeof(names), " (%s and %zu more)", first->name, others);
        else if (first)
                snprintf(names, sizeof(names), " (%s)", first->name);
        return want_refuse(want, CONDITION_NO_SPACE,
                           "its devices need %llu bytes together, the region has %llu, of which "
                           "%llu are kept by devices that no entry claims%s or have leaked; %s%s",
                           (unsigned long long)needed, (unsigned long long)want->now->size,
                           (unsigned long long)taken, names, want_advise(want).text,
                           taken > 0 ? want_advise_kept(want, first) : "");
}

/* Whether an entry says by exact ranges that another device than @except lies on @range. */
static bool is_promised(const Want *want, DaxRange range, const Entry *except) {
        for (size_t i = 0; i < want->layout->n_devices; i++)
                if (&want->entries[i] != except &&
                    dax_ranges_overlap(&want->entries[i].says->ranges, range))
                        return true;

        return false;
}

/* Whether a device that exists can stay where it is, grow from there or shrink there. */
static bool entry_can_stay(const Want *want, const Entry *entry) {
        const DaxDevice *before = entry->before, *device = entry->device;
        bool same_rules = device->align == before->align && (device->mode != DAX_MODE_SYSTEM_RAM ||
                                                             before->mode == DAX_MODE_SYSTEM_RAM);

        if (want->now->is_static)
                return true;
        if (!same_rules && !ranges_fit_unit(want->now, &before->ranges, entry->unit))
                return false;
        for (size_t i = 0; i < before->ranges.count; i++)
                if (is_promised(want, before->ranges.list[i], entry))
                        return false;

        return true;
}

static int want_place_fixed(const Want *want) {
        for (size_t i = 0; i < want->layout->n_devices; i++) {
                const Entry *entry = &want->entries[i];
                bool exact = entry->says->ranges.count > 0;

                if (!exact && entry->before && entry_can_stay(want, entry))
                        continue;

                dax_ranges_deinit(&entry->device->ranges);
                if (exact && dax_ranges_copy(&entry->says->ranges, &entry->device->ranges) < 0)
                        return -ENOMEM;
        }

        return 0;
}

/* Whether nobody but @entry's own device is on or promised any of @ranges. */
static bool ranges_are_free(const Want *want, const Entry *entry, const DaxRanges *ranges) {
        for (size_t i = 0; i < ranges->count; i++) {
                if (dax_range_end(ranges->list[i]) > want->now->size ||
                    dax_ranges_overlap(&want->region->leaked, ranges->list[i]))
                        return false;
                for (size_t k = 0; k < want->region->n_devices; k++)
                        if (want->region->devices[k] != entry->device &&
                            dax_ranges_overlap(&want->region->devices[k]->ranges, ranges->list[i]))
                                return false;
        }

        return true;
}

/* Puts the remembered ranges of @entry, if they make @size bytes and fit, into its device. */
static int entry_recall(const Want *want, Entry *entry, uint64_t size) {
        DaxRanges *ranges = &entry->device->ranges;
        const DaxRanges *remembered;
        _cleanup_ranges_ DaxRanges copy = {};

        remembered = want->context->placements ? placements_find(want->context->placements,
                                                                 want->now, entry->says->name) :
                                                 NULL;
        if (!remembered || remembered->count > DAX_NAMED_RANGES_MAX ||
            dax_ranges_size(remembered) != size ||
            !ranges_fit_unit(want->now, remembered, entry->unit) ||
            !ranges_are_free(want, entry, remembered))
                return 0;
        /* what is there already does not move */
        if (!dax_ranges_is_head(ranges, remembered) && !dax_ranges_is_head(remembered, ranges))
                return 0;

        if (dax_ranges_copy(remembered, &copy) < 0)
                return -ENOMEM;
        dax_ranges_deinit(ranges);
        *ranges = copy;
        copy = (DaxRanges){};
        entry->device->size = size;
        return 0;
}

static int want_place_remembered(const Want *want) {
        for (size_t i = 0; i < want->layout->n_devices; i++) {
                Entry *entry = &want->entries[i];

                if (entry->device->size == DAX_SIZE_REST ||
                    entry->device->size == dax_ranges_size(&entry->device->ranges))
                        continue;
                if (entry_recall(want, entry, entry->device->size) < 0)
                        return -ENOMEM;
        }

        return 0;
}

/* The usable bytes, in whole units, that nobody but @entry's device has. */
static int entry_room(const Want *want, const Entry *entry, uint64_t *ret_room) {
        _cleanup_ranges_ DaxRanges extents = {};
        DaxRanges own = entry->device->ranges;
        uint64_t room = 0;
        int r;

        entry->device->ranges = (DaxRanges){};
        r = dax_region_free_extents(want->region, true, &extents);
        entry->device->ranges = own;
        if (r < 0)
                return r;

        for (size_t i = 0; i < extents.count; i++) {
                uint64_t start = want->now->start + extents.list[i].offset;
                uint64_t end = start + extents.list[i].size;
                uint64_t skip = (entry->unit - start % entry->unit) % entry->unit;

                end -= end % entry->unit;
                if (end > start && end - start > skip)
                        room += end - start - skip;
        }

        *ret_room = room;
        return 0;
}

static bool others_are_placed(const Want *want, const Entry *entry) {
        for (size_t i = 0; i < want->region->n_devices; i++) {
                const DaxDevice *device = want->region->devices[i];

                if (device != entry->device && device->size != dax_ranges_size(&device->ranges))
                        return false;
        }

        return true;
}

/*
 * The rest, as far as it can be told before the others are placed: a device that has all of it
 * keeps it, one that has more than the others leave gives the end of it up, a new one lies where
 * it lay.
 */
static int entry_place_rest(const Want *want, Entry *entry) {
        DaxDevice *device = entry->device;
        uint64_t has = dax_ranges_size(&device->ranges), needed, taken, rest, room;

        want_sum(want, &needed, &taken);
        rest = want->now->size - taken - (needed - entry->unit);
        rest -= rest % entry->unit;

        if (others_are_placed(want, entry)) {
                if (entry_room(want, entry, &room) < 0)
                        return -ENOMEM;
                if (entry_recall(want, entry, room) < 0)
                        return -ENOMEM;
                if (device->size == DAX_SIZE_REST && has > 0 && has >= room)
                        device->size = has;
        }
        if (device->size == DAX_SIZE_REST && has > 0 && has >= rest)
                device->size = rest;

        return 0;
}

static int want_place_rest(const Want *want) {
        for (size_t i = 0; i < want->layout->n_devices; i++)
                if (want->entries[i].device->size == DAX_SIZE_REST)
                        return entry_place_rest(want, &want->entries[i]);

        return 0;
}

/* The blocks of devices that stay where they are; the planner knows those of the others. */
static void entry_set_blocks(const Entry *entry) {
        DaxDevice *device = entry->device;

        if (!entry->before || entry->before->mode != device->mode ||
            entry->before->size != device->size ||
            !dax_ranges_equal(&entry->before->ranges, &device->ranges)) {
                free(device->blocks);
                device->blocks = NULL;
                device->n_blocks = 0;
        } else if (device->mode == DAX_MODE_SYSTEM_RAM && !device->tainted) {
                for (size_t i = 0; i < device->n_blocks; i++)
                        device->blocks[i].state = dax_online_block_state(device->online);
        }
}

/*
 * "wipe" is for memory that a device gets, not for what it has and goes on having: there the rule
 * for other people's memory is enough.
 */
static void entry_spare_contents(const Entry *entry) {
        const DaxDevice *before = entry->before;
        DaxDevice *device = entry->device;

        if (device->wipe > 0 && before && before->mode == device->mode &&
            strcmp(before->label, device->label) == 0 && device->ranges.count > 0 &&
            (dax_ranges_is_head(&before->ranges, &device->ranges) ||
             dax_ranges_is_head(&device->ranges, &before->ranges)))
                device->wipe = -1;
}

static int want_init(Want *want) {
        if (dax_region_copy(want->now, &want->region) < 0)
                return -ENOMEM;

        want->entries = calloc(want->layout->n_devices + 1, sizeof(*want->entries));
        if (!want->entries)
                return -ENOMEM;
        for (size_t i = 0; i < want->layout->n_devices; i++)
                want->entries[i].says = &want->layout->devices[i];

        return 0;
}

int layout_want(const Layout *layout, const LayoutContext *context, DaxRegion **ret_wanted,
                Failure *failure) {
        static int (*const stages[])(const Want *) = {
                want_check_static,     want_check_space, want_place_fixed,
                want_place_remembered, want_place_rest,
        };
        _cleanup_(want_deinit) Want want = {
                .layout = layout,
                .context = context,
                .now = context->now,
                .failure = failure,
        };
        int r;

        r = want_init(&want);
        if (r < 0)
                return r;

        r = want_claim(&want);
        if (r == 0)
                r = want_prune(&want);
        if (r == 0)
                r = want_fill(&want);
        for (size_t i = 0; i < ELEMENTS(stages) && r == 0; i++)
                r = stages[i](&want);
        if (r != 0)
                return r;

        for (size_t i = 0; i < layout->n_devices; i++) {
                entry_set_blocks(&want.entries[i]);
                entry_spare_contents(&want.entries[i]);
        }
        *ret_wanted = TAKE_PTR(want.region);
        return 0;
}
