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

static int explain(Unseen *unseen, const DaxRegion *after, const char *name, uint64_t seqnum) {
        Explained one = { .until = seqnum };
        uint32_t region;

        if (has_memory(after, name) || text_parse_device_name(name, &region, &one.instance) < 0)
                return 0;

        for (size_t i = 0; i < unseen->count; i++)
                if (unseen->list[i].instance == one.instance) {
                        unseen->list[i] = one;
                        return 0;
                }
        return ARRAY_APPEND(unseen->list, unseen->count, one);
}

int unseen_explain(Unseen *unseen, const DaxRegion *before, const DaxRegion *after,
                   const Plan *plan, const Record *unfinished, uint64_t seqnum) {
        DaxChanges changes = { .before = before, .after = after };
        const DaxDevice *old, *device;
        int r = 0;

        while (r >= 0 && dax_changes_next(&changes, &old, &device))
                if (old && old->size > 0)
                        r = explain(unseen, after, old->name, seqnum);
        for (size_t i = 0; r >= 0 && plan && i < plan->n_devices; i++)
                if (plan->devices[i].action != PLAN_KEEP)
                        r = explain(unseen, after, plan->devices[i].name, seqnum);
        for (size_t i = 0; r >= 0 && unfinished && i < unfinished->n_devices; i++)
                r = explain(unseen, after, unfinished->devices[i].name, seqnum);

        return r;
}

bool unseen_tells(const Unseen *unseen, const DaxRegion *region, uint32_t instance,
                  uint64_t seqnum) {
        char name[DAX_NAME_MAX + 1];

        snprintf(name, sizeof(name), "dax%" PRIu32 ".%" PRIu32, region->id, instance);
        if (has_memory(region, name))
                return false;
        for (size_t i = 0; i < unseen->count; i++)
                if (unseen->list[i].instance == instance && seqnum <= unseen->list[i].until)
                        return false;

        return true;
}
