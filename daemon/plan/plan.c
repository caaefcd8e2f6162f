/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The planner. It pairs the devices of both pictures, completes the wanted one (placement, memory
 * blocks), refuses what must not be tried, and then writes down the steps while it plays them on a
 * picture of its own, so that each step is chosen knowing what the kernel will have at that moment.
 *
 * The order, and why:
 *  1. names and access are taken away from whatever changes: nobody gets in while memory moves;
 *  2. offlining, which is most likely to fail and costs nothing to undo;
 *  3. unbinding; every block is offline by then, since unbinding an online one leaks it for good;
 *  4. shrinking and destroying: a full region refuses to create;
 *  5. one new device after the other, whole up to its driver, and then those that grow; devices
 * that stay without a driver last, since a new_id for another would catch them;
 *  6. bringing memory online as movable; then what does not come back: wiping, after it names and
 *     access, and memory for the kernel's own use at the very end.
 */

#include "daemon/plan/plan.h"
#include "daemon/plan/check.h"
#include "daemon/plan/place.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct Planner {
        Plan *plan;
        const PlanOptions *options;
        DaxRegion *play;    /* what the kernel has after the steps so far */
        DaxDevice **played; /* for each plan device that changes the one in play, or NULL */
        size_t *changed;    /* the plan devices that do not stay as they are */
        size_t n_changed;
} Planner;

/* With @i as the index of each plan device that changes. */
#define FOR_EACH_CHANGED(planner, i)                                                               \
        for (size_t c_ = 0, i; c_ < (planner)->n_changed && (i = (planner)->changed[c_], true);    \
             c_++)

static const char *const op_names[_PLAN_OP_MAX] = {
        [PLAN_RETRACT] = "retract-name",
        [PLAN_OFFLINE] = "offline-memory",
        [PLAN_UNBIND] = "unbind",
        [PLAN_SIZE] = "set-size",
        [PLAN_DESTROY] = "destroy",
        [PLAN_CREATE] = "create",
        [PLAN_ALIGN] = "set-align",
        [PLAN_MAPPING] = "add-mapping",
        [PLAN_MEMMAP] = "set-memmap-on-memory",
        [PLAN_BIND] = "bind",
        [PLAN_WIPE] = "wipe",
        [PLAN_ONLINE] = "online-memory",
        [PLAN_PUBLISH] = "publish-name",
};

static const char *const action_names[_PLAN_ACTION_MAX] = {
        [PLAN_KEEP] = "keep",
        [PLAN_NEW] = "create",
        [PLAN_CHANGE] = "change",
        [PLAN_REMOVE] = "destroy",
};

const char *plan_op_name(PlanOp op) {
        return op_names[op];
}

const char *plan_action_name(PlanAction action) {
        return action_names[action];
}

Plan *plan_free(Plan *plan) {
        if (!plan)
                return NULL;

        dax_region_free(plan->now);
        dax_region_free(plan->wanted);
        free(plan->devices);
        free(plan->steps);
        free(plan);
        return NULL;
}

/* The device as it shall be, to be changed. */
static int plan_edit_after(Plan *plan, PlanDevice *device, DaxDevice **ret_after) {
        int r = dax_region_edit(plan->wanted, device->after, ret_after);

        if (r >= 0)
                device->after = *ret_after;
        return r;
}

int plan_set_name(Plan *plan, size_t device, const char *name) {
        PlanDevice *d = &plan->devices[device];
        DaxDevice *after;

        snprintf(d->name, sizeof(d->name), "%s", name);
        if (!d->after)
                return 0;
        if (plan_edit_after(plan, d, &after) < 0)
                return -ENOMEM;
        dax_region_rename(plan->wanted, after, name);
        return 0;
}

/* --- pairing ---------------------------------------------------------------------------------- */

static int plan_add_device(Plan *plan, const DaxDevice *before, const DaxDevice *after,
                           PlanAction action) {
        PlanDevice device = { .action = action, .before = before, .after = after };
        const char *name = before ? before->name : after->name;

        memcpy(device.name, name, sizeof(device.name));
        return ARRAY_APPEND(plan->devices, plan->n_devices, device);
}

/* The first device of a region, when nobody wants memory in it: the kernel never deletes it. */
static const DaxDevice *spare_first(const Plan *plan) {
        const DaxDevice *first = plan->now->n_devices > 0 ? plan->now->devices[0] : NULL;
        const DaxDevice *wanted = first ? dax_region_find(plan->wanted, first->name) : NULL;

        return first && first->instance == 0 && !first->tainted && (!wanted || wanted->size == 0) ?
                       first :
                       NULL;
}

/* A wanted device whose name is not there any more is a new one. */
static const DaxDevice *find_lost_name(const Plan *plan) {
        DaxChanges changes = { .before = plan->now, .after = plan->wanted };
        const DaxDevice *before, *after;

        while (dax_changes_next(&changes, &before, &after))
                if (!before && after->name[0] != '\0')
                        return after;

        return NULL;
}

static int forget_lost_names(Plan *plan) {
        const DaxDevice *device;

        while ((device = find_lost_name(plan))) {
                DaxDevice *lost;

                if (device->size == 0) {
                        dax_device_unref(dax_region_take(plan->wanted, device->name));
                        continue;
                }
                if (dax_region_edit(plan->wanted, device, &lost) < 0)
                        return -ENOMEM;
                dax_region_rename(plan->wanted, lost, ""); /* behind all others */
        }

        return 0;
}

/* The first of the new devices goes into @first, the region's spare one, if there is one. */
static int pair_first(Plan *plan, const DaxDevice *first) {
        const DaxDevice *found = NULL;
        DaxDevice *device;

        for (size_t i = 0; first && !found && i < plan->wanted->n_devices; i++)
                if (plan->wanted->devices[i]->name[0] == '\0' && plan->wanted->devices[i]->size > 0)
                        found = plan->wanted->devices[i];
        if (!found)
                return 0;
        if (dax_region_edit(plan->wanted, found, &device) < 0)
                return -ENOMEM;

        dax_device_unref(dax_region_take(plan->wanted, first->name));
        dax_region_rename(plan->wanted, device, first->name);
        /* when it has memory, it is emptied first: two entries of the plan, one name */
        if (first->size > 0 && plan_add_device(plan, first, NULL, PLAN_REMOVE) < 0)
                return -ENOMEM;
        return plan_add_device(plan, NULL, device, PLAN_NEW);
}

static int pair_wanted(Plan *plan, const DaxDevice *before, const DaxDevice *after) {
        if (before == after) /* shared: nothing of it has been changed */
                return plan_add_device(plan, before, after, PLAN_KEEP);
        if (before && after->size == 0)
                return plan_add_device(plan, before, after,
                                       before->size > 0 ? PLAN_REMOVE : PLAN_KEEP);
        if (before && before->size > 0)
                return plan_add_device(plan, before, after, PLAN_CHANGE);

        return plan_add_device(plan, NULL, after, PLAN_NEW);
}

static int plan_pair(Plan *plan, bool shown) {
        const DaxDevice *first = spare_first(plan);
        /* where it is wanted empty, what comes back gets a name of its own again if it can */
        bool placeholder = first && dax_region_find(plan->wanted, first->name);
        DaxChanges pairs = { .before = plan->now, .after = plan->wanted, .all = shown };
        DaxChanges gone = pairs;
        const DaxDevice *paired, *before, *after;

        if (placeholder && pair_first(plan, first) < 0)
                return -ENOMEM;
        if (forget_lost_names(plan) < 0)
                return -ENOMEM;
        if (!placeholder && pair_first(plan, first) < 0)
                return -ENOMEM;

        paired = plan->n_devices > 0 ? plan->devices[plan->n_devices - 1].after : NULL;
        while (dax_changes_next(&pairs, &before, &after))
                if (after && after != paired && pair_wanted(plan, before, after) < 0)
                        return -ENOMEM;
        while (dax_changes_next(&gone, &before, &after))
                if (!after && (before->instance != 0 || before->size > 0) &&
                    plan_add_device(plan, before, NULL, PLAN_REMOVE) < 0)
                        return -ENOMEM;

        return 0;
}

/* What of two pictures of a device differs that its driver must let go for. */
#define DIFFERS_IN_BUILD                                                                           \
        (DAX_DIFFERS_RANGES | DAX_DIFFERS_ALIGN | DAX_DIFFERS_MODE | DAX_DIFFERS_MEMMAP)

/* --- completing ------------------------------------------------------------------------------- */

/* The state of block @number in @device; @otherwise where it is absent or not listed. */
static DaxBlockState block_state_in(const DaxDevice *device, uint64_t number,
                                    DaxBlockState otherwise) {
        for (size_t i = 0; device && i < device->n_blocks; i++)
                if (device->blocks[i].number == number)
                        return device->blocks[i].state == DAX_BLOCK_ABSENT ?
                                       otherwise :
                                       device->blocks[i].state;

        return otherwise;
}

static DaxBlockState first_block_state(const DaxDevice *device, DaxBlockState otherwise) {
        for (size_t i = 0; device && i < device->n_blocks; i++)
                if (device->blocks[i].state != DAX_BLOCK_ABSENT)
                        return device->blocks[i].state;

        return otherwise;
}

/* Fills in what was left unsaid, and empties what shall be empty. */
static int complete_unsaid(Plan *plan, PlanDevice *device) {
        const DaxDevice *before = device->before;
        DaxDevice *after;

        if (plan_edit_after(plan, device, &after) < 0)
                return -ENOMEM;
        if (check_memmap_is_offered(plan->now)) {
                if (after->memmap_on_memory < 0)
                        after->memmap_on_memory = before ? before->memmap_on_memory : 0;
        } else if (after->memmap_on_memory == 0 || after->size == 0) {
                after->memmap_on_memory = -1;
        }

        if (after->size > 0)
                return 0;
        dax_ranges_deinit(&after->ranges);
        after->mode = DAX_MODE_NONE;
        after->access = (DaxAccess){};
        memset(after->label, 0, sizeof(after->label));
        free(TAKE_PTR(after->blocks));
        after->n_blocks = 0;
        /* an empty one that only differs in what it would be made with is set back, too */
        if (before && (dax_device_difference(before, after) & DIFFERS_IN_BUILD))
                device->action = PLAN_REMOVE;
        return 0;
}

/* Lists the memory blocks that @after shall have, from its ranges and from what is said of them. */
static int complete_blocks(Plan *plan, const PlanOptions *options, PlanDevice *device) {
        const DaxDevice *before = device->before;
        const DaxDevice *was = before && before->mode == DAX_MODE_SYSTEM_RAM ? before : NULL;
        _cleanup_free_ DaxBlock *blocks = NULL;
        DaxBlockState fresh;
        DaxDevice *after;
        size_t n_blocks = 0;
        bool rebuilt;

        if (plan_edit_after(plan, device, &after) < 0)
                return -ENOMEM;
        rebuilt = !was || (dax_device_difference(was, after) & DIFFERS_IN_BUILD);
        if (after->mode != DAX_MODE_SYSTEM_RAM) {
                free(TAKE_PTR(after->blocks));
                after->n_blocks = 0;
                return 0;
        }

        /* what the caller lists (a picture to go back to) stands, then what is, then its like */
        fresh = after->online != DAX_ONLINE_KEEP ?
                        dax_online_block_state(after->online) :
                        first_block_state(after, first_block_state(was, DAX_BLOCK_MOVABLE));

        if (dax_blocks_of_ranges(&after->ranges, plan->wanted->start, options->block_size, fresh,
                                 &blocks, &n_blocks) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < n_blocks; i++) {
                uint64_t number = blocks[i].number;

                /* what kmem did not take it does not take until it is bound again */
                if (!rebuilt && block_state_in(was, number, DAX_BLOCK_ABSENT) == DAX_BLOCK_ABSENT)
                        blocks[i].state = DAX_BLOCK_ABSENT;
                else if (after->online == DAX_ONLINE_KEEP)
                        blocks[i].state = block_state_in(after, number,
                                                         block_state_in(was, number, fresh));
        }

        free(after->blocks);
        after->blocks = TAKE_PTR(blocks);
        after->n_blocks = n_blocks;
        return 0;
}

static bool device_stays(const PlanDevice *device) {
        return device->action == PLAN_KEEP ||
               (device->action == PLAN_CHANGE && device->before && device->after &&
                device->before->size == device->after->size &&
                device->after->online == DAX_ONLINE_KEEP && device->after->wipe != 1 &&
                dax_device_difference(device->before, device->after) == 0);
}

static int plan_complete(Plan *plan, const PlanOptions *options, Failure *failure) {
        int r;

        for (size_t i = 0; i < plan->n_devices; i++) {
                PlanDevice *device = &plan->devices[i];

                if (device->before && device->before == device->after)
                        continue;
                if (device->after && complete_unsaid(plan, device) < 0)
                        return -ENOMEM;
                if (device_stays(device)) {
                        device->action = PLAN_KEEP;
                        continue;
                }
                if (!device->after)
                        continue;
                r = check_wish(plan->now, device->before, device->after, options->block_size,
                               failure);
                if (r != 0)
                        return r;
        }

        r = place_devices(plan->wanted, options->block_size, failure);
        if (r != 0)
                return r;

        for (size_t i = 0; i < plan->n_devices; i++) {
                PlanDevice *device = &plan->devices[i];

                if (device->action == PLAN_KEEP || !device->after || device->after->size == 0)
                        continue;
                if (complete_blocks(plan, options, device) < 0)
                        return -ENOMEM;
                r = check_placed(plan->wanted, device->before, device->after, options->block_size,
                                 failure);
                if (r != 0)
                        return r;
                if (device_stays(device) ||
                    (device->before && device->after->wipe != 1 &&
                     dax_device_difference(device->before, device->after) == 0))
                        device->action = PLAN_KEEP;
        }

        return 0;
}

/* --- refusing --------------------------------------------------------------------------------- */

/* What of the device changes that its driver must let go for. */
static bool device_is_rebuilt(const PlanDevice *device) {
        if (device->action == PLAN_REMOVE)
                return true;
        return device->action == PLAN_CHANGE &&
               (dax_device_difference(device->before, device->after) & DIFFERS_IN_BUILD);
}

/* Before anything is placed: that there is no room is not the reason. */
static int plan_refuse_static(const Plan *plan, Failure *failure) {
        for (size_t i = 0; plan->now->is_static && i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];

                if (device->action == PLAN_KEEP ||
                    (device->action == PLAN_CHANGE && device->before->size == device->after->size &&
                     !(dax_device_difference(device->before, device->after) &
                       (DAX_DIFFERS_RANGES | DAX_DIFFERS_ALIGN))))
                        continue;
                return failure_set(failure, CONDITION_STATIC_REGION,
                                   "cannot split region %u: it is static (%s), one piece of which "
                                   "just the mode can be changed; ndctl makes its namespace anew",
                                   plan->now->id, dax_kind_name(plan->now->kind));
        }

        return 0;
}

static int plan_refuse(Plan *plan, const PlanOptions *options, Failure *failure) {
        for (size_t i = 0; i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];
                const char *what = device->action == PLAN_REMOVE ? "destroy" : "change";
                bool may_offline;
                int r;

                if (!device->before || !device_is_rebuilt(device))
                        continue;

                may_offline = options->force ||
                              (options->reshape_first && device->before->instance == 0);
                r = check_release(device->before, may_offline, what, failure);
                if (r != 0)
                        return r;
        }

        return 0;
}

/* --- steps ------------------------------------------------------------------------------------ */

static int planner_add(Planner *planner, PlanStep step) {
        return ARRAY_APPEND(planner->plan->steps, planner->plan->n_steps, step);
}

/*
 * Whether the files that name the node must be written anew: they go by place, and access by mode.
 */
static bool device_is_renamed(const PlanDevice *device) {
        if (device->action == PLAN_KEEP)
                return false;
        if (!device->before || !device->after)
                return true;
        return dax_device_difference(device->before, device->after) &
               (DAX_DIFFERS_RANGES | DAX_DIFFERS_MODE | DAX_DIFFERS_LABEL | DAX_DIFFERS_ACCESS);
}

static int add_retracts(Planner *planner) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];

                if (device->before && device_is_renamed(device) &&
                    check_device_is_named(device->before) &&
                    planner_add(planner,
                                (PlanStep){ .op = PLAN_RETRACT, .device = i, .disruptive = true }) <
                            0)
                        return -ENOMEM;
        }

        return 0;
}

static DaxBlockState block_target(const PlanDevice *device, uint64_t number) {
        if (!device->after || device_is_rebuilt(device))
                return DAX_BLOCK_OFFLINE;
        return block_state_in(device->after, number, DAX_BLOCK_OFFLINE);
}

/* Steps for the runs of blocks of plan device @i that @op moves: one step for each unbroken run. */
static int add_block_runs(Planner *planner, size_t i, PlanOp op, DaxBlockState to) {
        const PlanDevice *device = &planner->plan->devices[i];
        DaxDevice *played = planner->played[i];
        PlanStep step = { .op = op,
                          .device = i,
                          .state = to,
                          .disruptive = op == PLAN_OFFLINE,
                          .irreversible = to == DAX_BLOCK_KERNEL };

        for (size_t k = 0; k < played->n_blocks; k++) {
                DaxBlock *block = &played->blocks[k];
                bool takes;

                if (op == PLAN_OFFLINE)
                        takes = dax_block_state_is_online(block->state) &&
                                block_target(device, block->number) != block->state;
                else
                        takes = !dax_block_state_is_online(block->state) &&
                                block_state_in(device->after, block->number, DAX_BLOCK_OFFLINE) ==
                                        to;
                if (!takes)
                        continue;

                if (step.n_blocks > 0 && step.first_block + step.n_blocks != block->number) {
                        if (planner_add(planner, step) < 0)
                                return -ENOMEM;
                        step.n_blocks = 0;
                }
                if (step.n_blocks == 0)
                        step.first_block = block->number;
                step.n_blocks++;
                block->state = to;
        }

        return step.n_blocks > 0 ? planner_add(planner, step) : 0;
}

static int add_offlines(Planner *planner) {
        FOR_EACH_CHANGED(planner, i)
                if (planner->played[i] &&
                    add_block_runs(planner, i, PLAN_OFFLINE, DAX_BLOCK_OFFLINE) < 0)
                        return -ENOMEM;

        return 0;
}

static int add_unbinds(Planner *planner, DaxMode mode) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];
                DaxDevice *played = planner->played[i];

                if (!device->before || device->before->mode != mode || !device_is_rebuilt(device))
                        continue;
                if (planner_add(planner, (PlanStep){ .op = PLAN_UNBIND,
                                                     .device = i,
                                                     .disruptive = true,
                                                     .irreversible = mode == DAX_MODE_DEVDAX &&
                                                                     planner->options->force }) < 0)
                        return -ENOMEM;
                played->mode = DAX_MODE_NONE;
                free(TAKE_PTR(played->blocks));
                played->n_blocks = 0;
        }

        return 0;
}

/* Takes @ranges, which `size` gives. */
static int add_size_of(Planner *planner, size_t i, DaxRanges *ranges) {
        DaxDevice *played = planner->played[i];

        dax_ranges_deinit(&played->ranges);
        played->ranges = *ranges;
        *ranges = (DaxRanges){};
        played->size = dax_ranges_size(&played->ranges);
        return planner_add(planner,
                           (PlanStep){ .op = PLAN_SIZE, .device = i, .value = played->size });
}

static int add_size(Planner *planner, size_t i, uint64_t size) {
        DaxRanges ranges;
        int r;

        r = dax_region_first_fit(planner->play, planner->played[i], size, &ranges);
        return r < 0 ? r : add_size_of(planner, i, &ranges);
}

static int add_align(Planner *planner, size_t i, uint64_t align) {
        if (planner->played[i]->align == align)
                return 0;

        planner->played[i]->align = align;
        return planner_add(planner, (PlanStep){ .op = PLAN_ALIGN, .device = i, .value = align });
}

static int add_memmap(Planner *planner, size_t i, int memmap) {
        if (memmap < 0 || planner->played[i]->memmap_on_memory == memmap)
                return 0;

        planner->played[i]->memmap_on_memory = memmap;
        return planner_add(planner, (PlanStep){ .op = PLAN_MEMMAP, .device = i, .value = memmap });
}

/* The bytes at the start of @from that also stand at the start of @to, range by range. */
static uint64_t common_head(const DaxRanges *from, const DaxRanges *to) {
        uint64_t size = 0;

        for (size_t i = 0; i < from->count && i < to->count; i++) {
                if (from->list[i].offset != to->list[i].offset)
                        break;
                size += MIN(from->list[i].size, to->list[i].size);
                if (from->list[i].size != to->list[i].size)
                        break;
        }

        return size;
}

static int add_frees(Planner *planner) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];
                DaxDevice *played = planner->played[i];
                uint64_t keep = 0;

                if (!device->before || !device_is_rebuilt(device))
                        continue;

                if (device->after && device->action == PLAN_CHANGE) {
                        /* a smaller alignment first, so that the smaller size fits it */
                        if (device->after->align < played->align &&
                            add_align(planner, i, device->after->align) < 0)
                                return -ENOMEM;
                        keep = common_head(&played->ranges, &device->after->ranges);
                        keep -= keep % place_unit(played, 0);
                }
                if (keep < played->size && add_size(planner, i, keep) < 0)
                        return -ENOMEM;
                /* an empty one stays, as it was before it was ever used */
                if (device->after && device->action == PLAN_REMOVE &&
                    (add_align(planner, i, device->after->align) < 0 ||
                     add_memmap(planner, i, device->after->memmap_on_memory) < 0))
                        return -ENOMEM;
        }

        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];

                if (device->action != PLAN_REMOVE || device->after || device->before->instance == 0)
                        continue;
                if (planner_add(planner, (PlanStep){ .op = PLAN_DESTROY, .device = i }) < 0)
                        return -ENOMEM;
                dax_device_unref(dax_region_take(planner->play, device->before->name));
                planner->played[i] = NULL;
        }

        return 0;
}

/* The device that a CREATE makes: the kernel hands out the lowest free instance. */
static int play_create(Planner *planner, size_t i) {
        size_t instance = 0, end = planner->play->n_devices;
        DaxDevice *device;
        int r;

        while (instance < end) { /* sorted by instance: up to the first gap each is its own index */
                size_t middle = instance + (end - instance) / 2;

                if (planner->play->devices[middle]->instance == middle)
                        instance = middle + 1;
                else
                        end = middle;
        }

        r = dax_device_new(&device);
        if (r < 0)
                return r;
        device->instance = instance;
        device->align = planner->play->align;
        device->memmap_on_memory = check_memmap_is_offered(planner->play) ? 0 : -1;
        snprintf(device->name, sizeof(device->name), "dax%u.%zu", planner->play->id, instance);
        planner->played[i] = device;
        return dax_region_add(planner->play, device);
}

/* The most ranges of @target that one `size` can give, counting from its start, or none. */
static int size_reaches(Planner *planner, size_t i, const DaxRanges *target, DaxRanges *ret_reach) {
        const DaxDevice *played = planner->played[i];
        uint64_t size = dax_ranges_size(target);

        *ret_reach = (DaxRanges){};
        for (size_t count = target->count; count > 0 && size > played->size; count--) {
                DaxRanges head = { target->list, count };
                _cleanup_ranges_ DaxRanges fit = {};
                int r;

                r = dax_region_first_fit(planner->play, played, size, &fit);
                if (r < 0 && r != -ENOSPC)
                        return r;
                if (r >= 0 && dax_ranges_equal(&fit, &head)) {
                        *ret_reach = fit;
                        fit = (DaxRanges){};
                        return 0;
                }
                size -= target->list[count - 1].size;
        }

        return 0;
}

static int add_mapping(Planner *planner, size_t i, DaxRange range) {
        if (dax_ranges_append(&planner->played[i]->ranges, range) < 0)
                return -ENOMEM;
        planner->played[i]->size += range.size;
        return planner_add(planner, (PlanStep){ .op = PLAN_MAPPING, .device = i, .range = range });
}

/*
 * From the ranges that are left to those that are wanted: by size where first fit gives just those.
 */
static int add_growth(Planner *planner, size_t i) {
        const DaxRanges *target = &planner->plan->devices[i].after->ranges;
        DaxDevice *played = planner->played[i];

        while (!dax_ranges_equal(&played->ranges, target)) {
                _cleanup_ranges_ DaxRanges reach = {};
                size_t have = played->ranges.count;
                int r;

                r = size_reaches(planner, i, target, &reach);
                if (r < 0)
                        return r;

                if (reach.count > 0) {
                        r = add_size_of(planner, i, &reach);
                } else if (have > 0 &&
                           played->ranges.list[have - 1].size < target->list[have - 1].size) {
                        /* first fit would go elsewhere: this range is made anew, as a whole */
                        r = add_size(planner, i, played->size - played->ranges.list[have - 1].size);
                } else {
                        r = add_mapping(planner, i, target->list[have]);
                }
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_build(Planner *planner, size_t i) {
        const PlanDevice *device = &planner->plan->devices[i];
        const DaxDevice *after = device->after;
        DaxDevice *played;
        int r;

        if (device->action == PLAN_NEW && !planner->played[i]) {
                r = play_create(planner, i);
                if (r < 0)
                        return r;
                r = planner_add(planner, (PlanStep){ .op = PLAN_CREATE, .device = i });
                if (r < 0)
                        return r;
        }

        played = planner->played[i];
        if (played->size == 0) {
                r = add_align(planner, i, after->align);
                if (r < 0)
                        return r;
        }
        r = add_growth(planner, i);
        if (r < 0)
                return r;
        r = add_align(planner, i, after->align);
        if (r < 0)
                return r;

        r = add_memmap(planner, i, after->memmap_on_memory);
        if (r < 0)
                return r;

        if (after->mode == DAX_MODE_NONE || after->mode == played->mode)
                return 0;

        played->mode = after->mode;
        if (dax_blocks_of_ranges(&after->ranges, planner->play->start,
                                 after->mode == DAX_MODE_SYSTEM_RAM ? planner->options->block_size :
                                                                      0,
                                 DAX_BLOCK_OFFLINE, &played->blocks, &played->n_blocks) < 0)
                return -ENOMEM;
        return planner_add(planner,
                           (PlanStep){ .op = PLAN_BIND, .device = i, .mode = after->mode });
}

static int add_builds(Planner *planner, PlanAction action, bool bound) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];
                int r;

                if (device->action != action || !device->after ||
                    (device->after->mode != DAX_MODE_NONE) != bound ||
                    (action == PLAN_CHANGE && !device_is_rebuilt(device)))
                        continue;
                r = add_build(planner, i);
                if (r < 0)
                        return r;
        }

        return 0;
}

/* Whether @owner's memory must not be seen by whoever may open @device. */
static bool owner_is_another(const DaxDevice *device, const char *owner) {
        if (strcmp(owner, device->label) != 0)
                return true;
        return owner[0] == '\0' && dax_access_is_open(&device->access);
}

/* What of @range lies in @within is dirty for @device when it was @owner's. */
static int dirty_add(DaxRanges *dirty, DaxRange range, DaxRange within, const DaxDevice *device,
                     const char *owner) {
        uint64_t start = MAX(range.offset, within.offset);
        uint64_t end = MIN(dax_range_end(range), dax_range_end(within));

        if (start >= end || !owner_is_another(device, owner))
                return 0;
        return dax_ranges_append(dirty, (DaxRange){ start, end - start });
}

/*
 * Of memory that @owned is about: a device goes on having what was noted as its own while its name
 * is there; without one it may be half made, not wiped yet.
 */
static int dirty_of_owned(const PlanDevice *device, const DaxOwned *owned, DaxRange range,
                          DaxRanges *dirty) {
        const DaxDevice *before = device->before;
        _cleanup_ranges_ DaxRanges others = {};
        bool own = before && before->mode == DAX_MODE_DEVDAX && check_device_is_named(before) &&
                   strcmp(owned->owner, before->label) == 0;
        int r;

        r = dax_ranges_append(&others, owned->range);
        if (r >= 0 && own)
                r = dax_ranges_subtract_all(&others, &before->ranges);
        for (size_t i = 0; r >= 0 && i < others.count; i++)
                r = dirty_add(dirty, others.list[i], range, device->after, owned->owner);

        return r;
}

/* What of @range, which @device gets, holds memory of others. In region offsets, any order. */
static int dirty_of_range(const Plan *plan, const PlanDevice *device, DaxRange range,
                          DaxRanges *dirty) {
        const DaxDevice *after = device->after;
        const DaxRegion *now = plan->now;

        for (size_t i = 0; i < now->n_owned; i++)
                if (dirty_of_owned(device, &now->owned[i], range, dirty) < 0)
                        return -ENOMEM;

        for (size_t i = 0; i < now->n_devices; i++) {
                const DaxDevice *other = now->devices[i];
                bool same = other == device->before && other->mode != DAX_MODE_SYSTEM_RAM;

                for (size_t k = 0; !same && k < other->ranges.count; k++)
                        if (dirty_add(dirty, other->ranges.list[k], range, after,
                                      dax_device_owner(other)) < 0)
                                return -ENOMEM;
        }

        return 0;
}

static int add_wipe(Planner *planner, size_t i) {
        const PlanDevice *device = &planner->plan->devices[i];
        const DaxDevice *after = device->after;
        uint64_t page_offset = 0;

        for (size_t k = 0; k < after->ranges.count; k++) {
                DaxRange range = after->ranges.list[k];
                _cleanup_ranges_ DaxRanges dirty = {};
                uint64_t done = 0;

                if (after->wipe == 1) {
                        if (dax_ranges_append(&dirty, range) < 0)
                                return -ENOMEM;
                } else if (dirty_of_range(planner->plan, device, range, &dirty) < 0) {
                        return -ENOMEM;
                }

                dax_ranges_sort(&dirty);
                for (size_t m = 0; m < dirty.count; m++) {
                        uint64_t from = MAX(dirty.list[m].offset - range.offset, done);
                        uint64_t to = dax_range_end(dirty.list[m]) - range.offset;

                        /* overlapping stories of one piece, and pieces that touch, are one wipe */
                        while (m + 1 < dirty.count &&
                               dirty.list[m + 1].offset - range.offset <= to) {
                                m++;
                                to = MAX(to, dax_range_end(dirty.list[m]) - range.offset);
                        }
                        if (to <= from)
                                continue;
                        if (planner_add(planner, (PlanStep){ .op = PLAN_WIPE,
                                                             .device = i,
                                                             .irreversible = true,
                                                             .disruptive = device->before != NULL,
                                                             .range = { page_offset + from,
                                                                        to - from } }) < 0)
                                return -ENOMEM;
                        done = to;
                }
                page_offset += range.size;
        }

        return 0;
}

static int add_wipes(Planner *planner) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];

                if (!device->after || device->after->size == 0 ||
                    device->after->mode != DAX_MODE_DEVDAX || device->after->wipe == 0)
                        continue;
                if (add_wipe(planner, i) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int add_onlines(Planner *planner, DaxBlockState to) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];

                if (!device->after || !planner->played[i])
                        continue;
                if (add_block_runs(planner, i, PLAN_ONLINE, to) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int add_publishes(Planner *planner) {
        FOR_EACH_CHANGED(planner, i) {
                const PlanDevice *device = &planner->plan->devices[i];

                if (!device->after || device->after->size == 0 ||
                    !check_device_is_named(device->after) || !device_is_renamed(device))
                        continue;
                if (planner_add(planner, (PlanStep){ .op = PLAN_PUBLISH, .device = i }) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int planner_start(Planner *planner) {
        Plan *plan = planner->plan;

        if (dax_region_copy(plan->now, &planner->play) < 0)
                return -ENOMEM;
        planner->played = calloc(plan->n_devices + 1, sizeof(DaxDevice *));
        if (!planner->played)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];
                const DaxDevice *played = NULL;

                if (device->action == PLAN_KEEP)
                        continue;
                if (ARRAY_APPEND(planner->changed, planner->n_changed, i) < 0)
                        return -ENOMEM;
                if (device->name[0] != '\0')
                        played = dax_region_find(planner->play, device->name);
                if (played && dax_region_edit(planner->play, played, &planner->played[i]) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int planner_run(Planner *planner) {
        int r;

        r = planner_start(planner);
        if (r >= 0)
                r = add_retracts(planner);
        if (r >= 0)
                r = add_offlines(planner);
        if (r >= 0)
                r = add_unbinds(planner, DAX_MODE_SYSTEM_RAM);
        if (r >= 0)
                r = add_unbinds(planner, DAX_MODE_DEVDAX);
        if (r >= 0)
                r = add_frees(planner);
        if (r >= 0)
                r = add_builds(planner, PLAN_NEW, true);
        if (r >= 0)
                r = add_builds(planner, PLAN_CHANGE, true);
        if (r >= 0)
                r = add_builds(planner, PLAN_NEW, false);
        if (r >= 0)
                r = add_builds(planner, PLAN_CHANGE, false);
        if (r >= 0)
                r = add_onlines(planner, DAX_BLOCK_MOVABLE);
        if (r >= 0)
                r = add_wipes(planner);
        if (r >= 0)
                r = add_publishes(planner);
        if (r >= 0)
                r = add_onlines(planner, DAX_BLOCK_KERNEL);
        return r;
}

/* --- digest ----------------------------------------------------------------------------------- */

static void digest_add(uint64_t *hash, const void *data, size_t size) {
        *hash = text_hash(*hash, data, size);
}

static void digest_number(uint64_t *hash, uint64_t number) {
        digest_add(hash, &number, sizeof(number));
}

static void digest_device(uint64_t *hash, const DaxDevice *device) {
        digest_number(hash, device != NULL);
        if (!device)
                return;

        digest_add(hash, device->label, strlen(device->label) + 1);
        digest_add(hash, device->access.user, strlen(device->access.user) + 1);
        digest_add(hash, device->access.group, strlen(device->access.group) + 1);
        digest_number(hash, device->access.mode);
        digest_number(hash, device->align);
        digest_number(hash, device->mode);
        digest_number(hash, device->memmap_on_memory);
        for (size_t i = 0; i < device->ranges.count; i++) {
                digest_number(hash, device->ranges.list[i].offset);
                digest_number(hash, device->ranges.list[i].size);
        }
        for (size_t i = 0; i < device->n_blocks; i++)
                digest_number(hash, device->blocks[i].state);
}

/* Which of its device's blocks a step begins with: no number of a block, which is an address. */
static uint64_t digest_first_block(const Plan *plan, const PlanStep *step) {
        const PlanDevice *device = &plan->devices[step->device];
        const DaxDevice *has = device->before && device->before->n_blocks > 0 ? device->before :
                                                                                device->after;

        return step->n_blocks > 0 && has && has->n_blocks > 0 ?
                       step->first_block - has->blocks[0].number :
                       0;
}

/* Anybody may see it, and guess what went into it: so there is no physical address in it. */
static void plan_digest(Plan *plan) {
        uint64_t hash = TEXT_HASH_INIT;

        digest_number(&hash, plan->now->id);
        digest_number(&hash, plan->now->size);
        for (size_t i = 0; i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];

                digest_number(&hash, device->action);
                digest_add(&hash, device->name, strlen(device->name) + 1);
                digest_device(&hash, device->before);
                digest_device(&hash, device->after);
        }
        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];

                digest_number(&hash, step->op);
                digest_number(&hash, step->device);
                digest_number(&hash, step->value);
                digest_number(&hash, step->range.offset);
                digest_number(&hash, step->range.size);
                digest_number(&hash, step->mode);
                digest_number(&hash, digest_first_block(plan, step));
                digest_number(&hash, step->n_blocks);
                digest_number(&hash, step->state);
        }

        snprintf(plan->digest, sizeof(plan->digest), "%016llx", (unsigned long long)hash);
}

int plan_new(const DaxRegion *now, const DaxRegion *wanted, const PlanOptions *options,
             Plan **ret_plan, Failure *failure) {
        _cleanup_plan_ Plan *plan = NULL;
        Planner planner;
        int r;

        plan = calloc(1, sizeof(*plan));
        if (!plan)
                return -ENOMEM;
        if (dax_region_copy(now, &plan->now) < 0 || dax_region_copy(wanted, &plan->wanted) < 0)
                return -ENOMEM;

        r = plan_pair(plan, options->shown);
        if (r == 0)
                r = plan_refuse_static(plan, failure);
        if (r == 0)
                r = plan_complete(plan, options, failure);
        if (r == 0)
                r = plan_refuse(plan, options, failure);
        if (r != 0)
                return r;

        planner = (Planner){ .plan = plan, .options = options };
        r = planner_run(&planner);
        dax_region_free(planner.play);
        free(planner.played);
        free(planner.changed);
        if (r < 0)
                return r;

        if (options->shown)
                plan_digest(plan);
        *ret_plan = TAKE_PTR(plan);
        return 0;
}

bool plan_device_is_disrupted(const Plan *plan, size_t device) {
        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];

                if (step->device == device &&
                    (step->op == PLAN_UNBIND || (step->op == PLAN_WIPE && step->disruptive)))
                        return true;
        }

        return false;
}

bool plan_op_lets_in(PlanOp op) {
        return op == PLAN_PUBLISH || op == PLAN_ONLINE;
}

bool plan_step_is_memory(const Plan *plan, const PlanStep *step) {
        const PlanDevice *device = &plan->devices[step->device];

        switch (step->op) {
        case PLAN_OFFLINE:
        case PLAN_ONLINE:
                return true;
        case PLAN_BIND:
                return step->mode == DAX_MODE_SYSTEM_RAM;
        case PLAN_UNBIND:
                return device->before && device->before->mode == DAX_MODE_SYSTEM_RAM;
        case PLAN_RETRACT:
        case PLAN_SIZE:
        case PLAN_DESTROY:
        case PLAN_CREATE:
        case PLAN_ALIGN:
        case PLAN_MAPPING:
        case PLAN_MEMMAP:
        case PLAN_WIPE:
        case PLAN_PUBLISH:
        case _PLAN_OP_MAX:
                break;
        }

        return false;
}

char *plan_step_describe(const Plan *plan, const PlanStep *step) {
        const PlanDevice *device = &plan->devices[step->device];
        DaxDevice words = {};
        char *text = NULL;
        DeviceWords who;
        int r = -1;

        memcpy(words.name, device->name, sizeof(words.name));
        if (device->after)
                memcpy(words.label, device->after->label, sizeof(words.label));
        else if (device->before)
                memcpy(words.label, device->before->label, sizeof(words.label));
        who = check_device_words(&words);

        switch (step->op) {
        case PLAN_RETRACT:
                r = asprintf(&text, "take name and access from %s", who.text);
                break;
        case PLAN_OFFLINE:
                r = asprintf(&text, "take %llu memory blocks of %s offline",
                             (unsigned long long)step->n_blocks, who.text);
                break;
        case PLAN_UNBIND:
                r = asprintf(&text, "unbind %s", who.text);
                break;
        case PLAN_SIZE:
                r = asprintf(&text, "set the size of %s to %s", who.text,
                             step->value > 0 ? text_size(step->value).text : "0");
                break;
        case PLAN_DESTROY:
                r = asprintf(&text, "destroy %s", who.text);
                break;
        case PLAN_CREATE:
                r = asprintf(&text, "create %s", who.text);
                break;
        case PLAN_ALIGN:
                r = asprintf(&text, "align %s to %s", who.text, text_size(step->value).text);
                break;
        case PLAN_MAPPING:
                r = asprintf(&text, "add %s at offset %s to %s", text_size(step->range.size).text,
                             step->range.offset > 0 ? text_size(step->range.offset).text : "0",
                             who.text);
                break;
        case PLAN_MEMMAP:
                r = asprintf(&text, "switch memmap-on-memory of %s %s", who.text,
                             step->value ? "on" : "off");
                break;
        case PLAN_BIND:
                r = asprintf(&text, "bind %s as %s", who.text, dax_mode_name(step->mode));
                break;
        case PLAN_WIPE:
                r = asprintf(&text, "wipe %s of %s", text_size(step->range.size).text, who.text);
                break;
        case PLAN_ONLINE:
                r = asprintf(&text, "bring %llu memory blocks of %s online (%s)",
                             (unsigned long long)step->n_blocks, who.text,
                             dax_block_state_name(step->state));
                break;
        case PLAN_PUBLISH:
                r = asprintf(&text, "give %s its name and access", who.text);
                break;
        case _PLAN_OP_MAX:
                break;
        }

        return r < 0 ? NULL : text;
}
