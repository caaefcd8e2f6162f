/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sentences about what a worker could not do: what was attempted, why not, what the user can do. */

#include "daemon/engine/record.h"
#include "daemon/engine/workers.h"

/* Each returns the Condition that it set in @failure, or -ENOMEM. */
int report_step(const Plan *plan, const PlanStep *step, const WorkerDone *done, Failure *failure);
int report_held(const Plan *plan, size_t device, const WorkerAnswer *answer, Failure *failure);
int report_read(uint32_t region, const WorkerDone *done, Failure *failure);
int report_restore(const WorkerDone *done, Failure *failure);
int report_unreachable(int error, Failure *failure);
/*
 * The devices that there were before @plan and in whose memory one of its first @n steps may have
 * wiped something, or let the system in. *@ret_whose is NULL when there are none; the caller frees
 * it. 0 or -ENOMEM.
 */
int report_lost(const Plan *plan, size_t n, char **ret_whose);
/*
 * What the devices of @region are, for a person: "dax0.0 64 MiB devdax, dax0.1 empty", and which
 * names devices of @record had that none has now. NULL: no memory.
 */
char *report_region(const DaxRegion *region, const Record *record);
