/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who a device is, and whose the memory was: from picture to picture. */

#include "daemon/engine/provenance.h"

#include <errno.h>
#include <string.h>

/* The devices that a transaction has changed, by name, to be looked up quickly. */
typedef struct Changed {
        const PlanDevice **list;
        size_t count;
} Changed;

static int compare_changed(const void *a, const void *b) {
        const PlanDevice *const *x = a, *const *y = b;

        return strcmp((*x)->name, (*y)->name);
}

static int compare_with_changed(const void *name, const void *element) {
        const PlanDevice *const *device = element;

        return strcmp(name, (*device)->name);
}

static int changed_of_plan(const Plan *plan, Changed *ret_changed) {
        Changed changed = {};

        changed.list = calloc(plan ? plan->n_devices + 1 : 1, sizeof(*changed.list));
        if (!changed.list)
                return -ENOMEM;
        for (size_t i = 0; plan && i < plan->n_devices; i++)
                if (plan->devices[i].action != PLAN_KEEP)
                        changed.list[changed.count++] = &plan->devices[i];
        if (changed.count > 1)
                qsort(changed.list, changed.count, sizeof(*changed.list), compare_changed);

        *ret_changed = changed;
        return 0;
}

static const PlanDevice *changed_find(const Changed *changed, const char *name) {
        const PlanDevice **found = NULL;

        if (changed->count > 0)
                found = bsearch(name, changed->list, changed->count, sizeof(*changed->list),
                                compare_with_changed);
        return found ? *found : NULL;
}

static void changed_deinit(Changed *changed) {
        free(changed->list);
}

/* A device keeps its incarnation while it is the same one, and while our own hands rebuild it. */
static int follow_incarnations(const DaxRegion *before, DaxRegion *after, const Changed *changed) {
        DaxChanges changes = { .before = before, .after = after };
        const DaxDevice *old, *read;

        while (dax_changes_next(&changes, &old, &read)) {
                const PlanDevice *planned;
                DaxDevice *device;

                if (!read || read->life != 0) /* it has been through here */
                        continue;
                if (dax_region_edit(after, read, &device) < 0)
                        return -ENOMEM;
                device->life = device->incarnation; /* the worker knows no other number */
                if (!old || old->identity != device->identity || old->size == 0 ||
                    device->size == 0)
                        continue;
                planned = changed_find(changed, device->name);
                if (old->life == device->life || (planned && planned->action == PLAN_CHANGE))
                        device->incarnation = old->incarnation;
        }

        return 0;
}

/* --- whose memory ----------------------------------------------------------------------------- */

/*
 * @range holds what @device had there. Where it has not been wiped since it was another's, both may
 * be found.
 */
static int note_range(Owners *owners, DaxRegion *region, DaxRange range, const DaxDevice *device) {
        const char *owner = dax_device_owner(device);
        _cleanup_ranges_ DaxRanges own = {}, mixed = {};
        int r;

        r = dax_ranges_append(&own, range);
        for (size_t i = 0; r >= 0 && i < region->n_owned; i++) {
                DaxRange common = dax_range_common(region->owned[i].range, range);

                if (common.size == 0 || strcmp(region->owned[i].owner, owner) == 0)
                        continue;
                r = dax_ranges_append(&mixed, common);
                if (r >= 0)
                        r = dax_ranges_subtract(&own, common);
        }
        for (size_t i = 0; r >= 0 && i < mixed.count; i++)
                r = owners_set(owners, region, mixed.list[i], DAX_OWNER_UNKNOWN);
        for (size_t i = 0; r >= 0 && i < own.count; i++)
                r = owners_set(owners, region, own.list[i], owner);

        return r;
}

static int note_ranges(Owners *owners, DaxRegion *region, const DaxRanges *ranges,
                       const DaxDevice *device) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ranges->count; i++)
                r = note_range(owners, region, ranges->list[i], device);

        return r;
}

/* What is in these is whose they are now. */
static int clear_ranges(Owners *owners, DaxRegion *region, const DaxRanges *ranges) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ranges->count; i++)
                r = owners_clear(owners, region, ranges->list[i]);

        return r;
}

/* Where it is noted that @owner was; NULL: that anybody was. */
static int owned_by(const DaxRegion *region, const char *owner, DaxRanges *ret_ranges) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < region->n_owned; i++)
                if (!owner || strcmp(region->owned[i].owner, owner) == 0)
                        r = dax_ranges_append(ret_ranges, region->owned[i].range);

        return r;
}

int provenance_lost(Owners *owners, DaxRegion *region, const DaxDevice *old,
                    const DaxDevice *device) {
        bool same = device && device->identity == old->identity &&
                    strcmp(dax_device_owner(device), dax_device_owner(old)) == 0;
        int r = 0;

        for (size_t k = 0; r >= 0 && k < old->ranges.count; k++)
                if (!same || !dax_ranges_cover(&device->ranges, old->ranges.list[k]))
                        r = note_range(owners, region, old->ranges.list[k], old);

        return r;
}

/*
 * What another agent has bound is in use: giving it a label later must not wipe it. One of ours
 * that he has bound is wiped before somebody is let in.
 */
static int follow_used(Owners *owners, DaxRegion *region, const DaxDevice *old,
                       const DaxDevice *device) {
        if (device->mode != DAX_MODE_DEVDAX || device->label[0] != '\0' ||
            (old && old->life == device->life && old->mode == device->mode))
                return 0;
        return clear_ranges(owners, region, &device->ranges);
}

/*
 * What @before had with the driver of devdax and @is has still was noted for the time in between
 * only: its contents are its own. What had not been wiped before that is not.
 */
static int follow_kept(Owners *owners, DaxRegion *region, const DaxDevice *before,
                       const DaxDevice *is) {
        _cleanup_ranges_ DaxRanges noted = {}, both = {}, kept = {};
        int r;

        if (before->mode != DAX_MODE_DEVDAX)
                return 0;
        r = owned_by(region, dax_device_owner(before), &noted);
        if (r >= 0)
                r = dax_ranges_intersect(&before->ranges, &is->ranges, &both);
        if (r >= 0)
                r = dax_ranges_intersect(&both, &noted, &kept);
        return r < 0 ? r : clear_ranges(owners, region, &kept);
}

/*
 * What a transaction has wiped, or given to the system, is nobody's old memory. What a device had
 * when it began and has still is that device's, also after one that was left in the middle; but
 * what was another's then, or was bound on the way and not wiped, is not.
 */
static int follow_done(Owners *owners, DaxRegion *after, const EngineCause *by) {
        int r = 0;

        for (size_t i = 0; r >= 0 && by->plan && i < by->plan->n_devices; i++) {
                const PlanDevice *device = &by->plan->devices[i];
                const DaxDevice *is = device->after;
                /* what is put back as it was, nobody let in meanwhile, is as dirty as it was */
                bool wiped = is && (!by->record || by->record->forward || is->wipe != 0);

                if (is && is != device->before &&
                    (is->mode == DAX_MODE_SYSTEM_RAM || (is->mode == DAX_MODE_DEVDAX && wiped)))
                        r = clear_ranges(owners, after, &is->ranges);
        }
        for (size_t i = 0; r >= 0 && by->record && i < by->record->n_devices; i++) {
                const RecordDevice *entry = &by->record->devices[i];
                const DaxDevice *is = dax_region_find(after, entry->name);

                if (is && entry->before && is->identity == entry->identity)
                        r = follow_kept(owners, after, entry->before, is);
        }

        return r;
}

/*
 * What others did first, then what the transaction has done. One that was left in the middle has
 * let nobody in to what it has bound.
 */
static int follow_owners(Owners *owners, const DaxRegion *before, DaxRegion *after,
                         const EngineCause *by, const Changed *changed, bool settled) {
        DaxChanges lost = { .before = before, .after = after }, used = lost;
        const DaxDevice *old, *device;
        int r = 0;

        while (r >= 0 && dax_changes_next(&lost, &old, &device))
                if (old && !changed_find(changed, old->name))
                        r = provenance_lost(owners, after, old, device);
        while (r >= 0 && before && settled && dax_changes_next(&used, &old, &device))
                if (device && !changed_find(changed, device->name) &&
                    !(by->unfinished && record_is_about(by->record, device->name)))
                        r = follow_used(owners, after, old, device);

        return r < 0 ? r : follow_done(owners, after, by);
}

int provenance_follow(Owners *owners, const DaxRegion *before, DaxRegion *after,
                      const EngineCause *by, bool settled) {
        _cleanup_(changed_deinit) Changed changed = {};
        int r;

        r = changed_of_plan(by->plan, &changed);
        if (r >= 0)
                r = follow_incarnations(before, after, &changed);
        return r < 0 ? r : follow_owners(owners, before, after, by, &changed, settled);
}

/* --- before a transaction --------------------------------------------------------------------- */

/* What @device was when @record began, if that was it; on the way its name can be missing. */
static const DaxDevice *device_at_first(const Record *record, const DaxDevice *device) {
        for (size_t i = 0; i < record->n_devices; i++)
                if (record->devices[i].before && record->devices[i].identity == device->identity &&
                    strcmp(record->devices[i].name, device->name) == 0)
                        return record->devices[i].before;

        return device;
}

/*
 * What a device had that others, or a driver, were in, has its contents from now on: all of it,
 * when it gets other ranges, for then others could get it before it is back at its place. What it
 * had when @record began is still of whom it was then, unless it is System RAM by now.
 */
static int note_device(Owners *owners, DaxRegion *region, const Record *record,
                       const PlanDevice *device) {
        const DaxDevice *before = device->before, *after = device->after;
        const DaxDevice *first = before->mode == DAX_MODE_SYSTEM_RAM ?
                                         before :
                                         device_at_first(record, before);
        _cleanup_ranges_ DaxRanges same = {}, rest = {};
        int r;

        if (before->mode != DAX_MODE_SYSTEM_RAM && after &&
            dax_ranges_equal(&before->ranges, &after->ranges))
                return 0;

        r = dax_ranges_intersect(&before->ranges, &first->ranges, &same);
        if (r >= 0)
                r = dax_ranges_copy(&before->ranges, &rest);
        if (r >= 0)
                r = dax_ranges_subtract_all(&rest, &same);
        if (r >= 0)
                r = note_ranges(owners, region, &same, first);
        return r < 0 ? r : note_ranges(owners, region, &rest, before);
}

/* What has no driver has what it had when it lost it, or what its memory had when it got that. */
static int note_unbound(Owners *owners, DaxRegion *region, const PlanDevice *device) {
        const DaxDevice *before = device->before, *after = device->after;
        _cleanup_ranges_ DaxRanges noted = {}, lost = {};
        int r;

        r = owned_by(region, NULL, &noted);
        if (r >= 0)
                r = dax_ranges_copy(&before->ranges, &lost);
        if (r >= 0 && after)
                r = dax_ranges_subtract_all(&lost, &after->ranges);
        if (r >= 0)
                r = dax_ranges_subtract_all(&lost, &noted);
        for (size_t i = 0; r >= 0 && i < lost.count; i++)
                r = owners_set(owners, region, lost.list[i], dax_device_owner(before));

        return r;
}

int provenance_note(Owners *owners, DaxRegion *region, const Record *record, const Plan *plan) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];

                if (!device->before || device->action == PLAN_KEEP)
                        continue;
                r = device->before->mode == DAX_MODE_NONE ?
                            note_unbound(owners, region, device) :
                            note_device(owners, region, record, device);
        }

        return r;
}
