/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Devices that were let go before anybody has looked at them: others make and use them beside a
 * job, or faster than udev tells. What lay in them is in memory that is free now, and nobody knows
 * where. That there was one, only an unbind tells that has no explanation: neither has the device
 * memory now, nor had it in the picture before, nor was it in a transaction's hands. Not found out
 * is who uses a name at the same time as somebody that explains it, nor who takes more memory for a
 * moment than his device has before and after.
 */

#include "daemon/engine/record.h"
#include "daemon/plan/plan.h"

typedef struct Explained {
        uint32_t instance;
        uint64_t until; /* the last uevent of which that is true */
        bool owes;      /* it went while it was looked at: its unbind may come after that */
} Explained;

/* Of one region. */
typedef struct Unseen {
        Explained *list;
        size_t count;
        uint64_t since; /* the first picture: what was before is not ours to judge */
} Unseen;

void unseen_deinit(Unseen *unseen);
/*
 * The picture of a region became @after, which was read when @seqnum was the last uevent: because
 * of what others did, of @plan, and of all that the transaction of @record has tried (either may be
 * NULL). Returns 0 or -ENOMEM.
 */
int unseen_explain(Unseen *unseen, const DaxRegion *before, const DaxRegion *after,
                   const Plan *plan, const Record *record, uint64_t seqnum);
/*
 * Whether there was one: @seqnum is that of an unbind of device @instance, and @region was read
 * after that. Each event is asked about once.
 */
bool unseen_tells(Unseen *unseen, const DaxRegion *region, uint32_t instance, uint64_t seqnum);
