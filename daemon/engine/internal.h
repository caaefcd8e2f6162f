/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What job.c and engine.c share: the way of a job through the engine, and nothing more. */

#include "daemon/engine/engine.h"
#include "daemon/engine/provenance.h"
#include "daemon/engine/witnesses.h"

Workers *engine_workers(Engine *engine);
int engine_transactions_dir(Engine *engine);
Witnesses *engine_witnesses(Engine *engine);

/* What an answer is completed by, where it does not have every device. Each may be NULL. */
typedef struct EngineKnows {
        DaxRegion *fresh;       /* devices that were read just before */
        const DaxRegion *known; /* the region as it was */
        const Plan *plan;       /* what was done to it since */
        bool all;               /* all devices were read: nothing is to be completed */
} EngineKnows;

/*
 * The picture of a region as a worker's answer has it. *@ret_missing: it takes reading all devices.
 * 0 or an errno.
 */
int engine_complete_region(Engine *engine, WorkerAnswer *answer, const EngineKnows *knows,
                           DaxRegion **ret_region, bool *ret_missing);
/*
 * Whether a worker's answer, for which no device was read, says that the region @id is as it is
 * known: then its picture stands, as one of the answer's moment.
 */
bool engine_confirm_region(Engine *engine, uint32_t id, const WorkerAnswer *answer);
/*
 * The outline of the region @id as it is known, by which a worker can tell whether it still is. 0:
 * it is not known, or something speaks against it.
 */
uint64_t engine_outline(const Engine *engine, uint32_t id);
/* Whether somebody has let go of a device since, so that all have to be read before a plan. */
bool engine_must_look(const Engine *engine, uint32_t id);
/*
 * Puts @region in place, as it was read when @seqnum was the last uevent, and tells the listeners.
 * Without @cause others have made it so. Fills in incarnations and old owners. Takes @region. 0 or
 * an errno.
 */
int engine_put_region(Engine *engine, DaxRegion *region, const EngineCause *cause, uint64_t seqnum);
/* Notes whose the memory was that @plan, of @record, takes from its devices. 0 or an errno. */
int engine_note_owners(Engine *engine, const Record *record, const Plan *plan);

void engine_job_changed(Engine *engine, const Job *job);
void engine_job_finished(Engine *engine, Job *job, JobResult result, const Failure *failure);
/*
 * The region cannot be trusted to be whole: @reason (taken) until a transaction on it succeeds. The
 * record of the transaction @id stays until then, so that the next daxd knows it, too.
 */
void engine_set_region_failure(Engine *engine, uint32_t region, char *reason, uint64_t id);
/* A transaction has succeeded: the region is whole. */
void engine_clear_region_failure(Engine *engine, uint32_t region);
