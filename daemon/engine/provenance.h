/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What no attribute of the kernel says, and follows from the picture before and from what a
 * transaction has done: whether a device is still the one that it was, and whose the memory was.
 */

#include "daemon/engine/owners.h"
#include "daemon/engine/record.h"

/* The transaction by which a region has become what it is. Each may be NULL. */
typedef struct EngineCause {
        const Plan *plan;     /* what it did at last */
        const Record *record; /* all that it has tried */
        bool unfinished;      /* it was left in the middle */
} EngineCause;

/*
 * Fills in the incarnations and the old owners of @after, a fresh picture. @before may be NULL.
 * @settled: what others have bound since then they use; before that it may be what a dead daxd has
 * bound. 0 or an errno.
 */
int provenance_follow(Owners *owners, const DaxRegion *before, DaxRegion *after,
                      const EngineCause *by, bool settled);
/*
 * Notes whose the memory was that others took from @old, which is @device by now; NULL: it is gone.
 * 0 or an errno.
 */
int provenance_lost(Owners *owners, DaxRegion *region, const DaxDevice *old,
                    const DaxDevice *device);
/*
 * Notes whose the memory was that @plan, of @record, takes from its devices: before anything is
 * done. 0 or an errno.
 */
int provenance_note(Owners *owners, DaxRegion *region, const Record *record, const Plan *plan);
