/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Making it so: the picture of the machine, one queue for each region, and the way in for
 * everything that wants a change. It alone replaces pictures, and only by what a worker has read.
 */

#include "daemon/engine/job.h"

typedef struct EngineListener {
        /* One region is another now. Either may be NULL: it came, or it went. */
        void (*region_changed)(const DaxRegion *before, const DaxRegion *after, void *userdata);
        void (*machine_changed)(const DaxMachine *machine, void *userdata);
        void (*job_added)(const Job *job, void *userdata);
        void (*job_changed)(const Job *job, void *userdata);
        void (*job_finished)(const Job *job, JobResult result, const Failure *failure,
                             void *userdata);
        /* What the last daxd left is settled, and the queue runs. Once. */
        void (*settled)(void *userdata);
        /* After engine_stop(): nothing runs any more. */
        void (*stopped)(void *userdata);
} EngineListener;

/* A udev event: about a device of the bus, or about a memory block. */
typedef struct EngineEvent {
        uint64_t seqnum;
        const char *device; /* "dax0.1", or NULL */
        uint64_t block;     /* N of memoryN, when device is NULL */
        const char *action; /* the kernel's word */
} EngineEvent;

/* @runtime_dir is /run/daxd. Everything after that is started by engine_start(). 0 or an errno. */
int engine_new(sd_event *event, const char *runtime_dir, Engine **ret_engine);
Engine *engine_free(Engine *engine);
DEFINE_CLEANUP(Engine *, engine_free)

void engine_add_listener(Engine *engine, const EngineListener *listener, void *userdata);

/*
 * Takes the lock (waiting for workers of an earlier daxd), reads the machine, settles the records.
 */
int engine_start(Engine *engine);
/* Takes nothing new, rolls back or finishes what runs, then says stopped(). */
void engine_stop(Engine *engine);

const DaxMachine *engine_machine(const Engine *engine);
bool engine_is_settled(const Engine *engine);
/* Why a transaction on this region could not be undone; NULL when none is in this state. */
const char *engine_region_failure(const Engine *engine, uint32_t region);
/*
 * The device that has @label, or that the running job of another region than @region is about to
 * give it to; NULL when it is free.
 */
const DaxDevice *engine_find_label(const Engine *engine, const char *label, uint32_t region);

/*
 * Queues a transaction. Takes what @request owns, also on failure; its done() is called only when 0
 * is returned, never from within. *@ret_job may be NULL. Returns 0, a Condition (NoSuchRegion,
 * QueueFull, Busy while it stops) with its sentence, or -ENOMEM.
 */
int engine_submit(Engine *engine, JobRequest *request, Job **ret_job, Failure *failure);
Job *engine_find_job(const Engine *engine, uint64_t id);
Job *engine_first_job(const Engine *engine);
Job *engine_next_job(const Engine *engine, const Job *job);

/* Reads the whole machine anew. @done may be NULL. */
typedef void (*EngineDone)(const Failure *failure, void *userdata);
int engine_refresh(Engine *engine, EngineDone done, void *userdata);

typedef void (*EngineHolders)(const WorkerHolder *holders, size_t n_holders, const Failure *failure,
                              void *userdata);
int engine_holders(Engine *engine, const DaxRegion *region, const DaxDevice *device,
                   EngineHolders done, void *userdata);

void engine_event(Engine *engine, const EngineEvent *event);
/* Nobody knows what has happened: everything is read anew. */
void engine_lost_events(Engine *engine);
