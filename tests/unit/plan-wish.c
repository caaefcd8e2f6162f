/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is, what is wanted, and what a simple mind can say of it without a planner. */

#include "tests/unit/edit.h"
#include "tests/unit/plan-wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static uint64_t seed;

void roll_start(uint64_t number) {
        seed = number * UINT64_C(0x9e3779b97f4a7c15);
}

uint64_t roll(uint64_t below) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (seed >> 33) % below;
}

bool chance(unsigned percent) {
        return roll(100) < percent;
}

/* --- what is ---------------------------------------------------------------------------------- */

static const char *const labels[] = { "l0", "l1", "l2", "l3", "l4", "l5" };

static DaxAccess roll_access(void) {
        static const DaxAccess accesses[] = {
                { "", "", 0 },      { "", "", 0 },    { "", "redis", 0660 },
                { "pg", "", 0600 }, { "", "", 0666 }, { "", "redis", 0600 },
        };

        return accesses[roll(ELEMENTS(accesses))];
}

/* In bytes. One after the other, so that a number is the same case with every compiler. */
static DaxRange roll_range(uint64_t offsets, uint64_t least, uint64_t sizes) {
        uint64_t offset = roll(offsets), size = least + roll(sizes);

        return (DaxRange){ offset * MODEL_UNIT, size * MODEL_UNIT };
}

/* A device that is there, with memory and without a driver if there is such a one. */
static unsigned roll_device(const Model *model) {
        unsigned id = roll(8);

        for (unsigned i = 0; i < 8; i++, id = (id + 1) % 8)
                if (model->devices[id].n_ranges > 0 && model->devices[id].mode == DAX_MODE_NONE)
                        return id;

        return id;
}

/* Something that someone with root does to the region; the kernel may refuse it. */
static void roll_operation(Model *model) {
        unsigned id = chance(40) ? roll_device(model) : roll(8);
        unsigned units = 1 + roll(model->n_units / 2);
        uint64_t block = model->block_size > 0 ? model->block_size : MODEL_UNIT;
        DaxRange range = roll_range(model->n_units, 1, 12);
        uint64_t mask = chance(60) ? 3 : 0; /* often in whole blocks */

        switch (roll(12)) {
        case 0:
        case 1:
                (void)model_create(model, &id);
                break;
        case 2:
        case 3:
        case 4:
                (void)model_size(model, id, (units + (mask - units % (mask + 1))) * MODEL_UNIT);
                break;
        case 5:
                (void)model_size(model, id, chance(30) ? 0 : units / 3 * MODEL_UNIT);
                break;
        case 6:
        case 7:
                (void)model_mapping(model, id, range);
                break;
        case 8:
                (void)model_align(model, id,
                                  chance(50) ? MODEL_UNIT :
                                               model->aligns & -4096 &
                                                       ~(chance(50) ? 4096 : 4 * MODEL_UNIT));
                break;
        case 9:
                (void)model_delete(model, id);
                break;
        default:
                id = roll_device(model);
                if (model_bind(model, id, chance(55) ? DAX_MODE_SYSTEM_RAM : DAX_MODE_DEVDAX) != 0)
                        break;
                for (uint64_t n = model->start / block; chance(98); n++)
                        if (n >= (model->start + model->n_units * MODEL_UNIT) / block)
                                break;
                        else if (model->devices[id].mode == DAX_MODE_SYSTEM_RAM && chance(50))
                                (void)model_block(model, n,
                                                  chance(60) ? DAX_BLOCK_MOVABLE :
                                                               DAX_BLOCK_KERNEL);
                break;
        }
}

static bool device_fits_align(const ModelDevice *device) {
        for (unsigned i = 0; i < device->n_ranges; i++)
                if (device->ranges[i].count * MODEL_UNIT % MAX(device->align, MODEL_UNIT))
                        return false;

        return true;
}

/* Labels, access, and what is written in the memory. */
static void roll_owners(Model *model) {
        for (unsigned u = 0; u < model->n_units; u += 1 + roll(24)) {
                static const char *const owners[] = {
                        "l0", "l1", "l2", "gone", "", DAX_OWNER_SYSTEM_RAM, DAX_OWNER_UNKNOWN,
                };
                const char *owner = owners[roll(ELEMENTS(owners))];

                for (unsigned n = roll(10); n > 0 && u < model->n_units; n--, u++)
                        if (!model->tags[u].dirty && model->blocks[u] == DAX_BLOCK_ABSENT) {
                                model->tags[u] = (ModelTag){ .dirty = true, .life = 1 << 30 };
                                strcpy(model->tags[u].owner, owner);
                        }
        }

        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++) {
                ModelDevice *device = &model->devices[id];
                const char *label = chance(50) && id < ELEMENTS(labels) ? labels[id] : "";
                DaxAccess access = roll_access();
                bool named = (label[0] != '\0' || !dax_access_equal(&access, &(DaxAccess){})) &&
                             device->n_ranges > 0 && device->n_ranges <= DAX_NAMED_RANGES_MAX;

                if (!device->exists || device->n_ranges == 0)
                        continue;
                if (named)
                        (void)model_publish(model, id, label, &access, device->life, false);
                if (device->mode == DAX_MODE_DEVDAX ||
                    (device->mode == DAX_MODE_NONE && chance(60)))
                        model_write(model, id, named ? label : "", device->life);
        }
}

void wish_roll_now(Model *model) {
        static const unsigned block_units[] = { 4, 4, 4, 4, 1, 2, 16, 64 };
        unsigned id, offset = chance(50) ? 0 : roll(64);
        unsigned n_units = 16 + roll(chance(70) ? 48 : MODEL_UNITS_MAX - 16);

        model_init(model, (UINT64_C(4) << 30) + offset * MODEL_UNIT, n_units,
                   block_units[roll(ELEMENTS(block_units))] * MODEL_UNIT);
        model->memmap_offered = chance(80);
        if (model->memmap_offered && chance(20))
                model->devices[0].memmap = 1;

        if (chance(40)) { /* without region_idle the first device has it all */
                (void)model_size(model, 0, model->n_units * MODEL_UNIT);
                (void)model_bind(model, 0, DAX_MODE_DEVDAX);
                if (chance(60)) {
                        (void)model_unbind(model, 0);
                        (void)model_size(model, 0, roll(model->n_units) * MODEL_UNIT);
                }
        }
        for (size_t n = roll(40); n > 0; n--)
                roll_operation(model);
        if (chance(10)) { /* someone unbinds what is online */
                for (id = roll(4); id < 7 && model->devices[id].mode != DAX_MODE_SYSTEM_RAM; id++)
                        ;
                (void)model_unbind(model, id);
                if (chance(50))
                        (void)model_size(model, id, 0);
                model->leaks = 0;
        }
        if (chance(5))
                for (id = 0; id < MODEL_DEVICES_MAX; id++)
                        if (model->devices[id].mode == DAX_MODE_DEVDAX && chance(50))
                                model->devices[id].mode = DAX_MODE_OTHER;
        /* ranges that the kernel gave but would not give again: such a device cannot be rebuilt */
        for (id = 0; id < MODEL_DEVICES_MAX; id++)
                if (model->devices[id].exists && !device_fits_align(&model->devices[id]))
                        model->devices[id].align = MODEL_UNIT;
        roll_owners(model);
}

/* --- what is wanted --------------------------------------------------------------------------- */

uint64_t wish_unit(const Wish *wish, const DaxDevice *device) {
        uint64_t unit = MAX(device->align, MODEL_UNIT);

        return device->mode == DAX_MODE_SYSTEM_RAM ? MAX(unit, wish->options.block_size) : unit;
}

static void set_label(DaxDevice *device, const char *label) {
        snprintf(device->label, sizeof(device->label), "%s", label);
}

/* A label that no device of @wanted has; "" when there is none left. */
static const char *free_label(const DaxRegion *wanted) {
        size_t from = roll(ELEMENTS(labels));

        for (size_t i = 0; i < ELEMENTS(labels); i++) {
                const char *label = labels[(from + i) % ELEMENTS(labels)];

                if (!dax_region_find_label(wanted, label))
                        return label;
        }

        return "";
}

static uint64_t roll_size(const Wish *wish, const DaxDevice *device, uint64_t most) {
        uint64_t unit = wish_unit(wish, device), n = most / unit;

        if (chance(3))
                return (1 + roll(40)) * MODEL_UNIT; /* perhaps not what the alignment allows */
        if (chance(2))
                return roll(UINT64_MAX);
        return (1 + roll(MAX(n, 1))) * unit;
}

/* Explicit ranges somewhere in what nobody in @wanted has. */
static void roll_ranges(Wish *wish, DaxDevice *device) {
        _cleanup_ranges_ DaxRanges holes = {};
        uint64_t unit = wish_unit(wish, device);
        size_t n = 1 + roll(3);

        assert_int_equal(dax_region_free_extents(wish->wanted, true, &holes), 0);
        for (size_t i = 0; i < 8 && n > 0 && holes.count > 0; i++) {
                DaxRange hole = holes.list[roll(holes.count)], range;
                uint64_t start = wish->wanted->start + hole.offset;

                range.offset = hole.offset + (unit - start % unit) % unit + roll(3) * unit;
                range.size = (1 + roll(4)) * unit;
                if (chance(2))
                        range = roll_range(700, 0, 30);
                else if (!dax_range_contains(hole, range))
                        continue;
                assert_int_equal(dax_ranges_append(&device->ranges, range), 0);
                assert_int_equal(dax_ranges_subtract(&holes, range), 0);
                n--;
        }
        device->size = dax_ranges_size(&device->ranges);
}

static void wish_for_new(Wish *wish) {
        uint64_t available = wish->wanted->size;
        _cleanup_ranges_ DaxRanges holes = {};
        DaxDevice *device;

        assert_int_equal(dax_region_free_extents(wish->wanted, true, &holes), 0);
        if (dax_ranges_size(&holes) > 0 && chance(90))
                available = dax_ranges_size(&holes) / (1 + roll(3));

        assert_int_equal(dax_device_new(&device), 0);
        device->mode = (DaxMode[]){ DAX_MODE_DEVDAX, DAX_MODE_DEVDAX, DAX_MODE_SYSTEM_RAM,
                                    DAX_MODE_SYSTEM_RAM, DAX_MODE_NONE }[roll(5)];
        device->align = chance(75) ? MODEL_UNIT : chance(50) ? 4096 : 4 * MODEL_UNIT;
        if (chance(1))
                device->align = (uint64_t[]){ 0, 3, 8192, 16 * MODEL_UNIT }[roll(4)];
        device->size = roll_size(wish, device, available);
        if (device->align > 0 && chance(25))
                roll_ranges(wish, device);
        if (device->size == 0) {
                dax_device_unref(device);
                return;
        }
        if (chance(50))
                set_label(device, free_label(wish->wanted));
        device->access = roll_access();
        device->online = roll(_DAX_ONLINE_MAX);
        device->memmap_on_memory = chance(70) ? -1 : (int)roll(2);
        device->wipe = chance(80) ? -1 : (int)roll(2);
        assert_int_equal(dax_region_add(wish->wanted, device), 0);
}

static void wish_for_change(Wish *wish, DaxDevice *device) {
        wish->touched[device->instance] = true;

        switch (roll(10)) {
        case 0:
        case 1:
                device->size = roll_size(wish, device, 2 * device->size);
                break;
        case 2:
                device->size = roll_size(wish, device, device->size);
                break;
        case 3:
        case 4:
                if (device->mode == DAX_MODE_OTHER)
                        break;
                device->mode = roll(DAX_MODE_OTHER);
                device->online = roll(_DAX_ONLINE_MAX);
                if (chance(50)) /* as the bus does: what it knows of blocks is of the old mode */
                        device->n_blocks = 0;
                break;
        case 5:
                device->align = chance(50) ? 4 * MODEL_UNIT : chance(50) ? MODEL_UNIT : 4096;
                break;
        case 6:
                device->online = roll(_DAX_ONLINE_MAX);
                break;
        case 7:
                device->memmap_on_memory = roll(2);
                break;
        case 8:
                set_label(device, chance(50) ? "" : free_label(wish->wanted));
                device->access = roll_access();
                break;
        case 9:
                dax_ranges_deinit(&device->ranges);
                roll_ranges(wish, device);
                break;
        }
        if (chance(10))
                device->wipe = roll(2);
        if (device->size == 0)
                device->size = MODEL_UNIT;
}

static void wish_for_something(Wish *wish) {
        size_t n = wish->wanted->n_devices;
        DaxDevice *device = n > 0 ? edit_device(wish->wanted, wish->wanted->devices[roll(n)]) :
                                    NULL;

        if (chance(40) || !device) {
                wish_for_new(wish);
        } else if (device->name[0] == '\0') {
                return;
        } else if (chance(35)) {
                wish->touched[device->instance] = true;
                if (device->instance == 0 && chance(50))
                        device->size = 0;
                else
                        dax_device_unref(dax_region_take(wish->wanted, device->name));
        } else if (device->size > 0) {
                wish_for_change(wish, device);
        } else if (device->instance != 0 || chance(30)) { /* make something of an empty one */
                wish->touched[device->instance] = true;
                device->size = roll_size(wish, device, wish->wanted->size / 4);
                device->mode = roll(DAX_MODE_OTHER);
        }
}

/* --- what may be said against it -------------------------------------------------------------- */

static bool blocks_in(const DaxRegion *region, const DaxRanges *ranges, uint64_t block_size) {
        for (size_t i = 0; block_size > 0 && i < ranges->count; i++) {
                uint64_t start = region->start + ranges->list[i].offset;
                uint64_t first = (start + block_size - 1) / block_size * block_size;

                if (first + block_size <= start + ranges->list[i].size)
                        return true;
        }

        return false;
}

static bool ranges_fit(const DaxRanges *ranges, uint64_t unit) {
        for (size_t i = 0; i < ranges->count; i++)
                if (ranges->list[i].size % unit)
                        return false;

        return true;
}

static void may_and_must(Wish *wish, Condition condition) {
        wish->may[condition] = true;
        wish->must = condition;
}

static void judge_device(Wish *wish, const DaxRegion *now, const DaxDevice *wanted) {
        const DaxDevice *before = dax_region_find(now, wanted->name);
        uint64_t align_unit = MAX(wanted->align, MODEL_UNIT);
        bool rest = wanted->size == DAX_SIZE_REST;
        bool open = wanted->size != dax_ranges_size(&wanted->ranges);

        if (before && before->size == 0)
                before = NULL;
        if (wanted->align == 0 || (wanted->align & (wanted->align - 1)) ||
            !(now->aligns & wanted->align))
                may_and_must(wish, CONDITION_INVALID_ALIGN);
        if (!rest && wanted->size % align_unit)
                wish->may[CONDITION_INVALID_SIZE] = wish->may[CONDITION_INVALID_ALIGN] = true;
        if (!ranges_fit(&wanted->ranges, align_unit))
                wish->may[CONDITION_INVALID_ALIGN] = wish->may[CONDITION_INVALID_RANGE] = true;
        if (!rest && wanted->size > now->size)
                may_and_must(wish, CONDITION_NO_SPACE);
        if (wanted->mode == DAX_MODE_SYSTEM_RAM) {
                if (!rest && open && wanted->size % wish->options.block_size)
                        wish->may[CONDITION_MEMORY_BLOCK_ALIGN] = true;
                if (wanted->ranges.count > 0 &&
                    !(wanted->size >= dax_ranges_size(&wanted->ranges) &&
                      blocks_in(now, &wanted->ranges, wish->options.block_size)))
                        wish->may[CONDITION_MEMORY_BLOCK_ALIGN] = true;
        }
        if (wanted->memmap_on_memory == 1 && (!before || before->memmap_on_memory != 1)) {
                bool offered = false;

                for (size_t i = 0; i < now->n_devices; i++)
                        offered |= now->devices[i]->memmap_on_memory >= 0;
                if (!offered)
                        may_and_must(wish, CONDITION_NOT_SUPPORTED);
        }

        for (size_t i = 0; i < wanted->ranges.count; i++) {
                DaxRange range = wanted->ranges.list[i];

                if (range.size == 0 || dax_range_end(range) > now->size)
                        may_and_must(wish, CONDITION_INVALID_RANGE);
                if (dax_ranges_overlap(&now->leaked, range))
                        wish->may[CONDITION_TAINTED] = true;
                for (size_t k = 0; k < wish->wanted->n_devices; k++) {
                        const DaxDevice *other = wish->wanted->devices[k];

                        for (size_t m = 0; m < other->ranges.count; m++)
                                if ((other != wanted || m != i) &&
                                    dax_range_overlaps(other->ranges.list[m], range))
                                        wish->may[CONDITION_INVALID_RANGE] = true;
                }
        }
}

/* What the wish says of the devices that it takes something from. */
static void judge_touched(Wish *wish, const DaxRegion *now, const DaxDevice *before) {
        bool force = wish->options.force || (wish->options.reshape_first && before->instance == 0);

        if (!wish->touched[before->instance] || before->size == 0)
                return;
        if (before->tainted)
                wish->may[CONDITION_TAINTED] = true;
        if (before->mode == DAX_MODE_OTHER)
                wish->may[CONDITION_NOT_SUPPORTED] = wish->may[CONDITION_INVALID_MODE] = true;
        if (!force && dax_device_online_blocks(before) > 0)
                wish->may[CONDITION_MEMORY_ONLINE] = true;
}

/*
 * The space that the wish takes beyond what devices keep, from the largest unit to the smallest;
 * since each unit is a multiple of the next, and devices may be split, it is enough to count.
 */
static void judge_space(Wish *wish, bool *ret_trivial) {
        _cleanup_region_ DaxRegion *kept = NULL;
        _cleanup_ranges_ DaxRanges holes = {};
        uint64_t need = 0, available, coarse = MODEL_UNIT, largest = 0, rounded = 0;
        bool rest = false, grows = false;
        size_t pieces = 0;

        assert_int_equal(dax_region_copy(wish->wanted, &kept), 0);
        for (size_t i = 0; i < kept->n_devices; i++) {
                DaxDevice *device = edit_device(kept, kept->devices[i]);

                dax_ranges_cut(&device->ranges, device->size);
                pieces = MAX(pieces, device->ranges.count);
        }
        assert_int_equal(dax_region_free_extents(kept, true, &holes), 0);
        available = dax_ranges_size(&holes);

        for (size_t i = 0; i < kept->n_devices; i++) {
                const DaxDevice *device = kept->devices[i];
                uint64_t has = dax_ranges_size(&device->ranges);

                if (device->size != has)
                        coarse = MAX(coarse, wish_unit(wish, device));
                if (device->size == DAX_SIZE_REST) {
                        rest = true;
                        need += wish_unit(wish, device);
                } else if (device->size > has) {
                        grows |= has > 0;
                        need += MIN(device->size - has, wish->wanted->size + MODEL_UNIT);
                }
        }
        for (size_t i = 0; i < holes.count; i++) {
                uint64_t start = wish->wanted->start + holes.list[i].offset;
                uint64_t end = start + holes.list[i].size;

                start = (start + coarse - 1) / coarse * coarse;
                end = end / coarse * coarse;
                largest = MAX(largest, end > start ? end - start : 0);
        }
        for (size_t i = 0; i < kept->n_devices; i++) {
                uint64_t has = dax_ranges_size(&kept->devices[i]->ranges);

                if (kept->devices[i]->size != DAX_SIZE_REST && kept->devices[i]->size > has)
                        rounded += (kept->devices[i]->size - has + coarse - 1) / coarse * coarse;
        }

        if (need > available || rest)
                wish->may[CONDITION_NO_SPACE] = true;
        if (need > available)
                wish->must = CONDITION_NO_SPACE;
        for (uint64_t unit = coarse; !grows && need <= available && unit >= MODEL_UNIT; unit /= 2) {
                uint64_t slots = 0, wanted = 0;

                for (size_t i = 0; i < holes.count; i++) {
                        uint64_t start = wish->wanted->start + holes.list[i].offset;
                        uint64_t end = (start + holes.list[i].size) / unit;

                        start = (start + unit - 1) / unit;
                        slots += end > start ? end - start : 0;
                }
                for (size_t i = 0; i < kept->n_devices; i++) {
                        const DaxDevice *device = kept->devices[i];

                        if (device->ranges.count == 0 && wish_unit(wish, device) >= unit)
                                wanted += device->size == DAX_SIZE_REST ?
                                                  wish_unit(wish, device) / unit :
                                                  device->size / unit;
                }
                if (wanted > slots)
                        may_and_must(wish, CONDITION_FRAGMENTED);
        }
        if (grows || largest < rounded ||
            pieces + holes.count + kept->n_devices > DAX_NAMED_RANGES_MAX)
                wish->may[CONDITION_FRAGMENTED] = true; /* perhaps, or too many pieces for a name */
        *ret_trivial = largest >= rounded + (rest ? coarse : 0);
}

static void judge(Wish *wish, const DaxRegion *now) {
        bool trivial;

        for (size_t i = 0; i < wish->wanted->n_devices; i++) {
                const DaxDevice *wanted = wish->wanted->devices[i];

                if (wanted->size > 0 &&
                    (wanted->name[0] == '\0' || wish->touched[wanted->instance]))
                        judge_device(wish, now, wanted);
        }
        for (size_t i = 0; i < now->n_devices; i++)
                judge_touched(wish, now, now->devices[i]);
        judge_space(wish, &trivial);
        if (!trivial)
                wish->may[CONDITION_FRAGMENTED] = true;
}

void wish_roll(Wish *wish, const DaxRegion *now, uint64_t block_size) {
        *wish = (Wish){ .options.block_size = block_size };
        wish->options.force = chance(75);
        wish->options.reshape_first = chance(20);
        assert_int_equal(dax_region_copy(now, &wish->wanted), 0);
        for (size_t n = 1 + roll(chance(70) ? 3 : 8); n > 0; n--)
                wish_for_something(wish);
        for (size_t i = wish->wanted->n_devices; i-- > 0 && chance(15);)
                if (wish->wanted->devices[i]->name[0] == '\0') {
                        DaxDevice *device = edit_device(wish->wanted, wish->wanted->devices[i]);

                        device->size = DAX_SIZE_REST;
                        dax_ranges_deinit(&device->ranges);
                        break;
                }
        judge(wish, now);
}
