/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One step of a plan. It is checked here as if an enemy had sent it, then carried out and read back
 * by the file of its kind. All of those return 0, a WorkerProblem told in step->done, or a negative
 * errno.
 */

#include "daemon/worker/mapping.h"
#include "daemon/worker/worker.h"

typedef struct Step {
        Worker *worker;
        const WorkerRequest *request;
        const KernelRegion *region;
        uint64_t start;      /* of the region */
        KernelDevice device; /* the worker's */
        DaxDevice *after;    /* the device as it was read back, NULL when that has not been done */
        WorkerDone *done;
} Step;

/* Runs the step of @request, and sends the device when the step has made one. */
int step_run(Worker *worker, const WorkerRequest *request, WorkerDone *done);

/* --- what the kinds of steps have in common --- */

/* Makes @name of the region the step's device. Returns 0 or an errno. */
int step_set_device(Step *step, const char *name);
/* Reads the device into step->after. What is written to the kernel after that makes it a lie. */
int step_look(Step *step);
/* The device's ranges now, and mode. */
int step_ranges(const Step *step, DaxRanges *ret_ranges);
int step_mode(const Step *step, DaxMode *ret_mode);
/* WORKER_BOUND when a driver holds the device. */
int step_refuse_bound(const Step *step);
/* WORKER_TAINTED when memory blocks stand where @ranges are. */
int step_refuse_leak(const Step *step, const DaxRanges *ranges);
/* What an errno of a read or write of the device's attribute means. */
int step_kernel(const Step *step, int error, const char *attribute, const char *value);
/* At most ten times a second. */
typedef struct StepProgress {
        uint64_t total;
        uint64_t last_usec;
} StepProgress;
int step_progress(const Step *step, StepProgress *progress, uint64_t done);
