/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * An explanation is true of an instance up to an event, so it does not matter in which order events
 * and pictures come. It never ends: there are no more of them than instances that there ever were.
 */

#include "daemon/engine/unseen.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

void unseen_deinit(Unseen *unseen) {
        free(unseen->list);
        *unseen = (Unseen){};
}

static bool has_memory(const DaxRegion *region, const char *name) {
        const DaxDevice *device = dax_region_find(region, name);

        return device && device->size > 0;
}

static int explain(Unseen *unseen, const DaxRegion *after, const char *name, Explained what) {
        uint32_t region;

        if (has_memory(after, name) || text_parse_device_name(name, &region, &what.instance) < 0)
                return 0;

        for (size_t i = 0; i < unseen->count; i++)
                if (unseen->list[i].instance == what.instance) {
                        unseen->list[i] = what;
                        return 0;
                }
        return ARRAY_APPEND(unseen->list, unseen->count, what);
}

int unseen_explain(Unseen *unseen, const DaxRegion *before, const DaxRegion *after,
                   const Plan *plan, const Record *record, uint64_t seqnum) {
        DaxChanges changes = { .before = before, .after = after };
        Explained what = { .until = seqnum };
        const DaxDevice *old, *device;
        int r = 0;

        if (!before)
                unseen->since = seqnum;

        while (r >= 0 && dax_changes_next(&changes, &old, &device)) {
                if (!old || old->size == 0)
                        continue;
                what.owes = old->mode != DAX_MODE_NONE;
                r = explain(unseen, after, old->name, what);
        }

        what.owes = false;
        for (size_t i = 0; r >= 0 && plan && i < plan->n_devices; i++)
                if (plan->devices[i].action != PLAN_KEEP)
                        r = explain(unseen, after, plan->devices[i].name, what);
        for (size_t i = 0; r >= 0 && record && i < record->n_devices; i++)
                r = explain(unseen, after, record->devices[i].name, what);

        return r;
}

bool unseen_tells(Unseen *unseen, const DaxRegion *region, uint32_t instance, uint64_t seqnum) {
        char name[DAX_NAME_MAX + 1];

        snprintf(name, sizeof(name), "dax%" PRIu32 ".%" PRIu32, region->id, instance);
        if (seqnum <= unseen->since || has_memory(region, name))
                return false;

        for (size_t i = 0; i < unseen->count; i++) {
                Explained *what = &unseen->list[i];

                if (what->instance != instance)
                        continue;
                if (seqnum > what->until && !what->owes)
                        return true;
                what->owes = false;
                return false;
        }

        return true;
}
