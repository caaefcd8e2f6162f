/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Steps of a plan, one after the other. Each is checked here as if an enemy had sent it, then
 * carried out and read back by the file of its kind. All of those return 0, a WorkerProblem told in
 * step->done, or a negative errno.
 */

#include "daemon/worker/mapping.h"
#include "daemon/worker/worker.h"

typedef enum StepKnows {
        STEP_KNOWS_SHAPE = 1 << 0, /* ranges, size, incarnation */
        STEP_KNOWS_MODE = 1 << 1,
        STEP_KNOWS_NAMES = 1 << 2, /* label, access */
        STEP_KNOWS_REST = 1 << 3,  /* align and what follows from all that */
} StepKnows;

/* A device that a CREATE of this request has made. */
typedef struct StepMade {
        uint32_t entry;
        char name[DAX_NAME_MAX + 1];
        uint64_t identity;
} StepMade;

/* The step that runs, and what is left from those before it. */
typedef struct Step {
        Worker *worker;
        const WorkerRequest *request;
        const WorkerStep *what;
        uint64_t number; /* of it, in the request */
        const KernelRegion *region;
        uint64_t start;      /* of the region */
        KernelDevice device; /* the worker's */
        uint32_t entry;      /* of it */

        DaxDevice *after; /* the device as far as it has been read; NULL: nothing has */
        unsigned known;   /* StepKnows: what of it */

        int record_fd, witness_fd;
        int create_fd; /* kept open for the steps to come, like the next; -1 */
        int bind_fd;
        char bind_driver[32]; /* which driver's that is */
        StepMade made[WORKER_STEPS_MAX];
        size_t n_made;
        DaxAccess owners; /* the last that were looked up, and are there */
        bool region_is_sent;
        bool is_again;        /* it is tried once more: see step_carry_out() */
        bool is_final;        /* what went wrong is none of that */
        uint64_t looked_usec; /* when it was last looked whether to go on */
        WorkerDone *done;
} Step;

/*
 * Runs the steps of @request up to the first that fails; done->steps is how many did not. Sends
 * every device whose last step that was. What has been made stands in the record before the next
 * step begins. @fds: the record and the witness.
 */
int steps_run(Worker *worker, const WorkerRequest *request, const WorkerStep *steps,
              const int fds[static WORKER_FDS_MAX], WorkerDone *done);

/* --- what the kinds of steps have in common --- */

/* Makes @name of the region the step's device. Returns 0 or an errno. */
int step_set_device(Step *step, const char *name);

/* Each makes a part of step->after known, if it is not; step_look() all of it. */
int step_know_shape(Step *step);
int step_know_mode(Step *step);
int step_know_state(Step *step); /* both of these */
int step_look(Step *step);
/* What has just been read, and what has become of the device by a write. */
int step_set_shape(Step *step, const Mappings *mappings);
void step_set_mode(Step *step, DaxMode mode);
void step_forget(Step *step, unsigned known);

/* WORKER_BOUND when a driver holds the device. */
int step_refuse_bound(Step *step);
/* WORKER_TAINTED when memory blocks stand where @ranges are. */
int step_refuse_leak(const Step *step, const DaxRanges *ranges);
/* What an errno of a read or write of the device's attribute means. */
int step_kernel(const Step *step, int error, const char *attribute, const char *value);
/* Adds a line to the transaction's record, whole or not at all. */
int step_note(const Step *step, const char *format, ...) _printf_(2, 3);
/* Shows how far the step is, in its blocks or bytes. */
void step_show(const Step *step, uint64_t done, uint64_t total);
