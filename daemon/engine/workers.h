/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Connections to daxd-worker. One is kept for memory work, since the kernel has one lock for it,
 * and a few for the rest; calls wait their turn in order. Nothing here blocks. A connection is
 * opened with the first call that needs it; a worker that goes away ends the call that it had and
 * nothing else.
 */

#include "daemon/worker/protocol.h"

#include <systemd/sd-event.h>

typedef struct Workers Workers;
typedef struct WorkerCall WorkerCall;

/*
 * @error is 0, then @answer is done and says how it went; or a negative errno when the worker could
 * not be reached (-ECONNREFUSED and its like) or died in the middle (-ECONNRESET): then nobody
 * knows how far it came. The answer may be emptied by the callee. Called exactly once for each
 * call.
 */
typedef void (*WorkerCallDone)(int error, WorkerAnswer *answer, void *userdata);
/*
 * Which of its steps the call is at, and the part of that which is done, from 0 to 1: also when the
 * worker hangs there. Called again and again while the call waits or runs, eight times a second.
 */
typedef void (*WorkerCallProgress)(uint64_t step, double part, void *userdata);

/* @lock_fd is borrowed, and is handed to every worker. */
int workers_new(sd_event *event, const char *socket_path, int lock_fd, Workers **ret_workers);
Workers *workers_free(Workers *workers); /* asserts that no call is under way */
DEFINE_CLEANUP(Workers *, workers_free)

/* What is asked of a worker. */
typedef struct WorkerTask {
        WorkerRequest request;   /* version and serial are filled in by workers_call() */
        WorkerStep *steps;       /* request.n_steps; borrowed until the call is done, like @fds */
        int fds[WORKER_FDS_MAX]; /* those that go with the request */
        bool memory;             /* memory work */
        WorkerCallDone done;
        WorkerCallProgress progress; /* may be NULL */
        void *userdata;
} WorkerTask;

/*
 * Queues a call. The call belongs to @workers and is gone when @task->done has been called. Returns
 * 0 or -ENOMEM.
 */
int workers_call(Workers *workers, const WorkerTask *task, WorkerCall **ret_call);

/* Asks the worker to stop inside what it does; the call ends as usual, perhaps with ECANCELED. */
void worker_call_interrupt(WorkerCall *call);
