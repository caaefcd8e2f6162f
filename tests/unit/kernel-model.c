/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's rules for one region, unit by unit. */

#include "tests/unit/kernel-model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Out of memory, or a test that asks for more than the model has: not what is tested here. */
static void must(bool done) {
        if (!done)
                abort();
}

void model_init(Model *model, uint64_t start, unsigned n_units, uint64_t block_size) {
        must(n_units <= MODEL_UNITS_MAX && start % MODEL_UNIT == 0);
        must(block_size % MODEL_UNIT == 0);

        *model = (Model){
                .start = start,
                .n_units = n_units,
                .block_size = block_size,
                .align = MODEL_UNIT,
                .aligns = 4096 | MODEL_UNIT | 4 * MODEL_UNIT,
                .memmap_offered = true,
                .next_life = 2,
                .next_identity = 2,
        };
        model->devices[0] = (ModelDevice){
                .exists = true,
                .align = MODEL_UNIT,
                .life = 1,
                .identity = 1,
        };
}

/* --- who has which unit ----------------------------------------------------------------------- */

/* The instance that has @unit, or -1. */
static int unit_holder(const Model *model, unsigned unit) {
        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++) {
                const ModelDevice *device = &model->devices[id];

                for (unsigned i = 0; device->exists && i < device->n_ranges; i++)
                        if (unit >= device->ranges[i].first &&
                            unit < device->ranges[i].first + device->ranges[i].count)
                                return id;
        }

        return -1;
}

/* All at once: the instance that has each unit, or -1. */
static void unit_holders(const Model *model, int8_t holders[MODEL_UNITS_MAX]) {
        memset(holders, -1, MODEL_UNITS_MAX);
        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++) {
                const ModelDevice *device = &model->devices[id];

                for (unsigned i = 0; device->exists && i < device->n_ranges; i++)
                        memset(holders + device->ranges[i].first, id, device->ranges[i].count);
        }
}

static unsigned device_units(const ModelDevice *device) {
        unsigned n = 0;

        for (unsigned i = 0; i < device->n_ranges; i++)
                n += device->ranges[i].count;

        return n;
}

uint64_t model_available(const Model *model) {
        unsigned n = model->n_units;

        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++)
                if (model->devices[id].exists)
                        n -= device_units(&model->devices[id]);

        return n * MODEL_UNIT;
}

static ModelDevice *model_device(Model *model, unsigned id) {
        return id < MODEL_DEVICES_MAX && model->devices[id].exists ? &model->devices[id] : NULL;
}

/* alloc_is_aligned(); memremap_compat_align() is one unit. */
static bool size_is_aligned(const ModelDevice *device, uint64_t size) {
        return size % MAX(device->align, MODEL_UNIT) == 0;
}

/* --- the region's and the device's attributes ------------------------------------------------- */

int model_create(Model *model, unsigned *ret_id) {
        unsigned id = 0;

        if (model_available(model) == 0)
                return ENOSPC;
        while (id < MODEL_DEVICES_MAX && model->devices[id].exists)
                id++;
        must(id < MODEL_DEVICES_MAX); /* the kernel has more, no test does */

        model->devices[id] = (ModelDevice){
                .exists = true,
                .align = model->align,
                .life = model->next_life++,
                .identity = model->next_identity++,
        };
        *ret_id = id;
        return 0;
}

int model_delete(Model *model, unsigned id) {
        ModelDevice *device = model_device(model, id);

        if (!device)
                return ENXIO;
        if (device->mode != DAX_MODE_NONE || device->n_ranges > 0 || id == 0)
                return EBUSY;

        device->exists = false;
        return 0;
}

static void device_append(ModelDevice *device, unsigned first, unsigned count) {
        must(device->n_ranges < MODEL_RANGES_MAX);
        device->ranges[device->n_ranges++] = (ModelRange){ first, count };
}

static void device_shrink(ModelDevice *device, unsigned units) {
        while (units > 0) {
                ModelRange *last = &device->ranges[device->n_ranges - 1];

                if (units < last->count) {
                        last->count -= units;
                        return;
                }
                units -= last->count;
                device->n_ranges--;
        }
}

/*
 * One turn of dev_dax_resize()'s loop: the first hole. A resource of the device is widened only
 * when the hole comes behind it and it is the last range in page-offset order; a hole at the
 * region's start comes behind nothing.
 */
static unsigned device_grow_once(Model *model, ModelDevice *device, unsigned units) {
        ModelRange *last = device->n_ranges > 0 ? &device->ranges[device->n_ranges - 1] : NULL;
        int8_t holders[MODEL_UNITS_MAX];
        unsigned first = 0, count = 0;

        unit_holders(model, holders);
        while (holders[first] >= 0)
                first++;
        while (count < units && first + count < model->n_units && holders[first + count] < 0)
                count++;

        if (last && first > 0 && last->first + last->count == first)
                last->count += count;
        else
                device_append(device, first, count);
        return count;
}

int model_size(Model *model, unsigned id, uint64_t size) {
        ModelDevice *device = model_device(model, id);
        uint64_t has;

        if (!device)
                return ENOENT;
        if (!size_is_aligned(device, size))
                return EINVAL;
        if (device->mode != DAX_MODE_NONE)
                return EBUSY;
        has = device_units(device) * MODEL_UNIT;
        if (size == has)
                return 0;
        if (size > has && size - has > model_available(model))
                return ENOSPC;

        if (size < has)
                device_shrink(device, (has - size) / MODEL_UNIT);
        for (unsigned missing = size > has ? (size - has) / MODEL_UNIT : 0; missing > 0;)
                missing -= device_grow_once(model, device, missing);
        if (size == 0) /* what it had is nobody's now */
                device->life = model->next_life++;
        return 0;
}

int model_align(Model *model, unsigned id, uint64_t align) {
        ModelDevice *device = model_device(model, id);

        if (!device)
                return ENOENT;
        if (align == 0 || (align & (align - 1)) || !(model->aligns & align))
                return EINVAL;
        if (device->mode != DAX_MODE_NONE)
                return EBUSY;
        for (unsigned i = 0; i < device->n_ranges; i++)
                if (device->ranges[i].count * MODEL_UNIT % MAX(align, MODEL_UNIT))
                        return EINVAL;

        device->align = align;
        return 0;
}

int model_mapping(Model *model, unsigned id, DaxRange range) {
        ModelDevice *device = model_device(model, id);

        if (!device)
                return ENOENT;
        /* 6.1 says ENXIO, 6.12 says nothing and does nothing: both are a mistake */
        if (range.size == 0 || !size_is_aligned(device, range.size) || range.offset % MODEL_UNIT)
                return ENXIO;
        /* the kernel would do it, and kmem would fall over it later */
        if (device->mode != DAX_MODE_NONE)
                return EBUSY;
        if (range.offset + range.size > model->n_units * MODEL_UNIT)
                return ENOMEM;
        for (uint64_t at = range.offset; at < range.offset + range.size; at += MODEL_UNIT)
                if (unit_holder(model, at / MODEL_UNIT) >= 0)
                        return ENOMEM;

        device_append(device, range.offset / MODEL_UNIT, range.size / MODEL_UNIT);
        return 0;
}

int model_memmap(Model *model, unsigned id, int value) {
        ModelDevice *device = model_device(model, id);

        if (!device || !model->memmap_offered)
                return ENOENT; /* no such attribute */
        if (value != 0 && value != 1)
                return EINVAL;
        if (device->memmap != value && device->mode == DAX_MODE_SYSTEM_RAM)
                return EBUSY;

        device->memmap = value;
        return 0;
}

/* --- drivers and memory blocks ---------------------------------------------------------------- */

static unsigned block_units(const Model *model) {
        return model->block_size / MODEL_UNIT;
}

/* The units of @range that are whole blocks: trimmed inward, perhaps empty. */
static ModelRange range_trim(const Model *model, ModelRange range) {
        uint64_t base = model->start / MODEL_UNIT, n = block_units(model);
        uint64_t first = base + range.first, end = first + range.count;

        first = (first + n - 1) / n * n;
        end = end / n * n;
        if (end <= first)
                return (ModelRange){ range.first, 0 };
        return (ModelRange){ first - base, end - first };
}

static void device_set_blocks(Model *model, const ModelDevice *device, DaxBlockState state) {
        for (unsigned i = 0; i < device->n_ranges; i++) {
                ModelRange whole = range_trim(model, device->ranges[i]);

                for (unsigned u = whole.first; u < (unsigned)whole.first + whole.count; u++)
                        model->blocks[u] = state;
        }
}

static bool device_touches_leak(const Model *model, const ModelDevice *device) {
        for (unsigned i = 0; i < device->n_ranges; i++)
                for (unsigned k = 0; k < device->ranges[i].count; k++)
                        if (model->leaked[device->ranges[i].first + k])
                                return true;

        return false;
}

int model_bind(Model *model, unsigned id, DaxMode mode) {
        ModelDevice *device = model_device(model, id);
        unsigned whole = 0;

        if (!device)
                return ENODEV;
        if (device->mode != DAX_MODE_NONE)
                return EBUSY;
        if (device->n_ranges == 0)
                return ENXIO;
        if (device_touches_leak(model, device))
                return EBUSY;

        if (mode == DAX_MODE_SYSTEM_RAM) {
                for (unsigned i = 0; model->block_size > 0 && i < device->n_ranges; i++)
                        whole += range_trim(model, device->ranges[i]).count;
                if (whole == 0)
                        return EINVAL; /* too small after alignment */
                device_set_blocks(model, device, DAX_BLOCK_OFFLINE);
        }

        device->mode = mode;
        return 0;
}

int model_unbind(Model *model, unsigned id) {
        ModelDevice *device = model_device(model, id);

        if (!device || device->mode == DAX_MODE_NONE)
                return ENODEV;

        if (device->mode == DAX_MODE_SYSTEM_RAM) {
                bool leaks = false;

                for (unsigned i = 0; i < device->n_ranges; i++) {
                        ModelRange whole = range_trim(model, device->ranges[i]);

                        for (unsigned u = whole.first; u < (unsigned)whole.first + whole.count; u++)
                                if (dax_block_state_is_online(model->blocks[u])) {
                                        model->leaked[u] = true;
                                        leaks = true;
                                } else {
                                        model->blocks[u] = DAX_BLOCK_ABSENT;
                                }
                }
                model->leaks += leaks;
        }

        device->mode = DAX_MODE_NONE;
        return 0;
}

static void unit_write(Model *model, unsigned unit, const char *owner, uint32_t life) {
        ModelTag *tag = &model->tags[unit];

        *tag = (ModelTag){ .dirty = true, .life = life };
        snprintf(tag->owner, sizeof(tag->owner), "%s", owner);
}

int model_block(Model *model, uint64_t number, DaxBlockState state) {
        uint64_t base = model->start / MODEL_UNIT, first = number * block_units(model);
        DaxBlockState was;

        if (model->block_size == 0 || first < base ||
            first - base + block_units(model) > model->n_units)
                return ENOENT;
        first -= base;
        was = model->blocks[first];
        if (was == DAX_BLOCK_ABSENT)
                return ENOENT;
        /* the state already held, and a zone is changed only by way of offline */
        if (state == DAX_BLOCK_ABSENT || was == state ||
            (dax_block_state_is_online(was) && state != DAX_BLOCK_OFFLINE))
                return EINVAL;

        for (unsigned u = first; u < first + block_units(model); u++) {
                model->blocks[u] = state;
                if (state != DAX_BLOCK_OFFLINE)
                        unit_write(model, u, DAX_OWNER_SYSTEM_RAM, 0);
        }
        return 0;
}

/* --- what daxd-worker does beside the kernel -------------------------------------------------- */

/* The unit in which byte @offset of @device lies; -1: beyond its end. */
static int device_unit(const ModelDevice *device, uint64_t offset) {
        uint64_t unit = offset / MODEL_UNIT;

        for (unsigned i = 0; i < device->n_ranges; i++) {
                if (unit < device->ranges[i].count)
                        return device->ranges[i].first + unit;
                unit -= device->ranges[i].count;
        }

        return -1;
}

int model_wipe(Model *model, unsigned id, DaxRange range) {
        ModelDevice *device = model_device(model, id);

        if (!device || device->mode != DAX_MODE_DEVDAX)
                return ENXIO;
        if (range.offset % MODEL_UNIT || range.size % MODEL_UNIT || range.size == 0 ||
            range.offset + range.size > device_units(device) * MODEL_UNIT)
                return EINVAL;

        for (uint64_t at = 0; at < range.size; at += MODEL_UNIT)
                model->tags[device_unit(device, range.offset + at)] = (ModelTag){};
        return 0;
}

void model_write(Model *model, unsigned id, const char *owner, uint32_t life) {
        const ModelDevice *device = &model->devices[id];

        for (unsigned i = 0; i < device->n_ranges; i++)
                for (unsigned k = 0; k < device->ranges[i].count; k++)
                        unit_write(model, device->ranges[i].first + k, owner, life);
}

static ModelName *model_name(const Model *model, const ModelDevice *device) {
        for (unsigned i = 0; device->n_ranges > 0 && i < ELEMENTS(model->names); i++) {
                const ModelName *name = &model->names[i];

                if (name->exists && name->n_ranges == device->n_ranges &&
                    memcmp(name->ranges, device->ranges, device->n_ranges * sizeof(ModelRange)) ==
                            0)
                        return (ModelName *)name;
        }

        return NULL;
}

int model_retract(Model *model, unsigned id) {
        ModelDevice *device = model_device(model, id);
        ModelName *name = device ? model_name(model, device) : NULL;

        if (!name)
                return ENOENT;

        name->exists = false;
        return 0;
}

int model_publish(Model *model, unsigned id, const char *label, const DaxAccess *access,
                  uint32_t life, bool unwiped) {
        ModelDevice *device = model_device(model, id);
        ModelName *name;

        if (!device || device->n_ranges == 0 || device->n_ranges > DAX_NAMED_RANGES_MAX)
                return EINVAL;

        name = model_name(model, device);
        for (unsigned i = 0; !name && i < ELEMENTS(model->names); i++)
                if (!model->names[i].exists)
                        name = &model->names[i];
        must(name);

        device->life = life;
        *name = (ModelName){
                .exists = true,
                .unwiped = unwiped,
                .life = life,
                .n_ranges = device->n_ranges,
                .access = *access,
        };
        snprintf(name->label, sizeof(name->label), "%s", label);
        memcpy(name->ranges, device->ranges, device->n_ranges * sizeof(ModelRange));
        return 0;
}

/* Whether what @tag says is another's for whoever gets in by @name. */
static bool tag_is_strange(const ModelTag *tag, const ModelName *name) {
        if (!tag->dirty || tag->life == name->life)
                return false;
        if (name->label[0] == '\0' && !dax_access_is_open(&name->access))
                return false; /* root's, whatever the group */
        return strcmp(tag->owner, name->label) != 0 ||
               (tag->owner[0] == '\0' && dax_access_is_open(&name->access));
}

int model_exposed(const Model *model) {
        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++) {
                const ModelDevice *device = &model->devices[id];
                const ModelName *name;

                if (!device->exists || device->mode != DAX_MODE_DEVDAX)
                        continue;
                name = model_name(model, device);
                if (!name || name->unwiped)
                        continue;
                for (unsigned i = 0; i < device->n_ranges; i++)
                        for (unsigned k = 0; k < device->ranges[i].count; k++)
                                if (tag_is_strange(&model->tags[device->ranges[i].first + k], name))
                                        return id;
        }

        return -1;
}

/* --- the picture ------------------------------------------------------------------------------ */

static DaxDevice *picture_device(const Model *model, unsigned id) {
        const ModelDevice *from = &model->devices[id];
        const ModelName *name = model_name(model, from);
        DaxDevice *device;

        must(dax_device_new(&device) == 0);
        snprintf(device->name, sizeof(device->name), "dax0.%u", id);
        device->instance = id;
        device->identity = from->identity;
        device->incarnation = from->life;
        device->align = from->align;
        device->mode = from->mode;
        device->memmap_on_memory = model->memmap_offered ? from->memmap : -1;
        device->size = device_units(from) * MODEL_UNIT;
        device->tainted = device_touches_leak(model, from);
        if (name) {
                memcpy(device->label, name->label, sizeof(device->label));
                device->access = name->access;
        }

        for (unsigned i = 0; i < from->n_ranges; i++) {
                ModelRange range = from->ranges[i], whole = range;
                unsigned n = block_units(model);
                DaxRange bytes = { range.first * MODEL_UNIT, range.count * MODEL_UNIT };

                must(dax_ranges_append(&device->ranges, bytes) == 0);
                if (from->mode != DAX_MODE_SYSTEM_RAM)
                        continue;
                whole = range_trim(model, range);
                for (unsigned u = whole.first; u < (unsigned)whole.first + whole.count; u += n) {
                        DaxBlock block = { (model->start / MODEL_UNIT + u) / n, model->blocks[u] };

                        must(ARRAY_APPEND(device->blocks, device->n_blocks, block) == 0);
                }
        }

        return device;
}

/* Whose memory each unit was, as far as that is not plain from the device that has it. */
static void picture_owned(const Model *model, const int8_t *holders, DaxRegion *region) {
        for (unsigned u = 0; u < model->n_units; u++) {
                const ModelTag *tag = &model->tags[u];
                DaxOwned *last = region->n_owned > 0 ? &region->owned[region->n_owned - 1] : NULL;
                DaxOwned owned = { .range = { u * MODEL_UNIT, MODEL_UNIT } };

                if (!tag->dirty ||
                    (holders[u] >= 0 && model->devices[holders[u]].life == tag->life))
                        continue;
                if (last && dax_range_end(last->range) == owned.range.offset &&
                    strcmp(last->owner, tag->owner) == 0) {
                        last->range.size += MODEL_UNIT;
                        continue;
                }
                memcpy(owned.owner, tag->owner, sizeof(tag->owner));
                must(ARRAY_APPEND(region->owned, region->n_owned, owned) == 0);
        }
}

DaxRegion *model_picture(const Model *model) {
        int8_t holders[MODEL_UNITS_MAX];
        DaxRegion *region;

        unit_holders(model, holders);
        must(dax_region_new(&region) == 0);
        region->kind = DAX_KIND_HMEM;
        region->start = model->start;
        region->size = model->n_units * MODEL_UNIT;
        region->align = model->align;
        region->aligns = model->aligns;
        region->available_size = model_available(model);

        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++)
                if (model->devices[id].exists)
                        must(dax_region_add(region, picture_device(model, id)) == 0);
        for (unsigned u = 0; u < model->n_units; u++)
                if (holders[u] < 0 && model->leaked[u])
                        must(dax_ranges_add(&region->leaked,
                                            (DaxRange){ u * MODEL_UNIT, MODEL_UNIT }) == 0);
        picture_owned(model, holders, region);
        return region;
}

/* --- steps ------------------------------------------------------------------------------------ */

static bool device_has_block(const Model *model, const ModelDevice *device, uint64_t number) {
        uint64_t unit = number * block_units(model) - model->start / MODEL_UNIT;

        for (unsigned i = 0; device->mode == DAX_MODE_SYSTEM_RAM && i < device->n_ranges; i++) {
                ModelRange whole = range_trim(model, device->ranges[i]);

                if (unit >= whole.first && unit < (unsigned)whole.first + whole.count)
                        return true;
        }

        return false;
}

static int step_blocks(Model *model, const ModelDevice *device, const PlanStep *step,
                       uint64_t limit) {
        if (step->n_blocks == 0)
                return EINVAL;

        for (uint64_t i = 0; i < step->n_blocks && i < limit; i++) {
                int r;

                if (!device_has_block(model, device, step->first_block + i))
                        return ENOENT;
                r = model_block(model, step->first_block + i,
                                step->op == PLAN_OFFLINE ? DAX_BLOCK_OFFLINE : step->state);
                if (r != 0)
                        return r;
        }

        return 0;
}

static int step_create(Model *model, Plan *plan, const PlanStep *step) {
        char name[DAX_NAME_MAX + 1];
        unsigned id;
        int r;

        r = model_create(model, &id);
        if (r != 0)
                return r;

        snprintf(name, sizeof(name), "dax0.%u", id);
        return plan_set_name(plan, step->device, name);
}

static int step_publish(Model *model, const PlanDevice *device, unsigned id) {
        const DaxDevice *after = device->after;
        uint32_t life = device->before ? device->before->incarnation : model->next_life++;
        int r;

        r = model_publish(model, id, after->label, &after->access, life, after->wipe == 0);
        if (r != 0)
                return r;
        /* another's memory that could be read now must not be hidden by what is written next */
        if (model->devices[id].mode == DAX_MODE_DEVDAX && model_exposed(model) != (int)id)
                model_write(model, id, after->label, life);
        return 0;
}

int model_step(Model *model, Plan *plan, const PlanStep *step, uint64_t limit) {
        const PlanDevice *device = &plan->devices[step->device];
        DaxRange range = step->range;
        uint32_t region, id;

        if (step->op == PLAN_CREATE)
                return step_create(model, plan, step);
        if (text_parse_device_name(device->name, &region, &id) < 0 || !model_device(model, id))
                return ENODEV;

        switch (step->op) {
        case PLAN_RETRACT:
                return model_retract(model, id);
        case PLAN_OFFLINE:
        case PLAN_ONLINE:
                return step_blocks(model, &model->devices[id], step, limit);
        case PLAN_UNBIND:
                return model_unbind(model, id);
        case PLAN_SIZE:
                return model_size(model, id, step->value);
        case PLAN_DESTROY:
                return model_delete(model, id);
        case PLAN_ALIGN:
                return model_align(model, id, step->value);
        case PLAN_MAPPING:
                return model_mapping(model, id, step->range);
        case PLAN_MEMMAP:
                return model_memmap(model, id, step->value);
        case PLAN_BIND:
                return model_bind(model, id, step->mode);
        case PLAN_WIPE:
                range.size = MIN(range.size, limit * MODEL_UNIT);
                return range.size == 0 ? 0 : model_wipe(model, id, range);
        case PLAN_PUBLISH:
                return step_publish(model, device, id);
        case PLAN_CREATE:
        case _PLAN_OP_MAX:
                break;
        }

        return EINVAL;
}
