/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One transaction on one region. A job reads what is, asks its request for the wanted picture,
 * plans, writes the record, has the steps run one after the other, reads back, and only then tells
 * anybody. When a step fails, when it is cancelled or a worker dies, it plans back to what its own
 * devices were, by the same road. A record that an earlier daxd left is settled as a job too.
 */

#include "daemon/engine/record.h"
#include "daemon/engine/workers.h"

typedef struct Engine Engine;
typedef struct Job Job;

typedef enum JobOrigin {
        JOB_ORIGIN_BUS,
        JOB_ORIGIN_BOOT,
        JOB_ORIGIN_EVENT,
        JOB_ORIGIN_RECOVERY,
        _JOB_ORIGIN_MAX,
} JobOrigin;

typedef enum JobResult {
        JOB_DONE,
        JOB_CANCELLED,
        JOB_UNDONE, /* failed or refused; everything is as before */
        JOB_FAILED, /* could not be undone */
        _JOB_RESULT_MAX,
} JobResult;

/* What a request may look at when it says what it wants. */
typedef struct JobView {
        const DaxRegion *now;
        const DaxMachine *machine;
        const char (*held)[DAX_NAME_MAX + 1]; /* devices that were found to have holders */
        size_t n_held;
} JobView;

typedef struct JobRequest {
        const char *operation; /* "CreateDevice"; a constant */
        uint32_t region;
        JobOrigin origin;
        char *tag; /* owned, may be NULL, like the next two */
        char *sender;
        char *expect; /* digest that the plan must have */
        uid_t uid;
        char device[DAX_NAME_MAX + 1]; /* the one that it is about, or "" for all that there are */
        bool force;
        bool reshape_first;
        bool resumes;     /* after a crash it goes on forward */
        bool avoids_held; /* ask want() once more with what is held, instead of InUse */
        bool whole;       /* it may touch every device: read them all first */
        bool dry_run;

        /*
         * Makes the wanted picture from the fresh one. 0, a Condition with its sentence, or
         * -ENOMEM.
         */
        int (*want)(const JobView *view, DaxRegion **ret_wanted, Failure *failure, void *userdata);
        /* Called when the plan stands, before anything is written. May be NULL. As want(). */
        int (*planned)(const Plan *plan, Failure *failure, void *userdata);
        /*
         * Called once, at the end. @plan is NULL when it came to none; its new devices have their
         * names. What the job did has been published before.
         */
        void (*done)(JobResult result, const Plan *plan, const Failure *failure, void *userdata);
        void *userdata;
        void (*free)(void *userdata); /* may be NULL */
} JobRequest;

typedef enum JobStage {
        JOB_QUEUED,
        JOB_READING,
        JOB_ASKING, /* who holds the devices that it will take */
        JOB_RUNNING,
        JOB_VERIFYING,
        JOB_GIVING_UP, /* neither there nor back: reading what is to be told */
        JOB_FINISHED,
} JobStage;

/* What a job knows of a device of its plan. */
typedef struct JobDevice {
        uint64_t identity; /* 0: not made yet */
        size_t entry;      /* in the record */
        size_t last_step;  /* of the plan, on this device or another with its name */
} JobDevice;

struct Job {
        Engine *engine;
        Job *next; /* in the queue of its region */
        uint64_t id;
        JobRequest request;
        DaxRange place;      /* physical, of the region that it is for: ids are given again */
        uint64_t start_time; /* µs, CLOCK_REALTIME */
        JobStage stage;
        size_t step;       /* how many of the plan's have been done, as far as it is known */
        size_t begun;      /* how many may have been begun */
        size_t shown_step; /* which one is under way, as far as a worker has told */
        bool untold;       /* what is shown of it has changed since listeners were told */
        char *step_name;
        double progress; /* 0 to 1 */
        bool cancelled;
        bool settles; /* it has its pictures from a record */
        bool read_all;

        uint64_t presumed; /* outline of the picture that it planned for unread; 0: it was read */
        uint64_t seqnum;   /* of the last uevent before `now` was read */
        DaxRegion *now;   /* what was read while the transaction is in the middle: not for others */
        DaxRegion *fresh; /* devices as they were read back after their last step; may be NULL */
        Plan *plan;
        Record *record;
        JobDevice *devices; /* of the plan */
        char (*held)[DAX_NAME_MAX + 1];
        size_t n_held;
        size_t asked;     /* how many of the plan's devices were asked for holders */
        WorkerStep *sent; /* the steps that a worker has now, from `step` on */
        size_t n_sent;
        uint64_t last_serial; /* of the last that were answered */
        bool undecided;       /* after them: nobody can tell what a CREATE has made */
        int witness_fd;       /* of the region, since the first steps; -1 */
        WorkerCall *call;
        Failure failure;    /* why it goes back */
        Failure stuck;      /* why it does not get back */
        Failure unrestored; /* what a bind has left and could not be put back */
        char *strangers;    /* what could not be settled because it is not its own any more */
};

Job *job_free(Job *job);
void job_request_deinit(JobRequest *request);
DEFINE_CLEANUP(Job *, job_free)

/* The job is at the head of its queue: it runs, and calls engine_job_finished() at the end. */
void job_start(Job *job);
/* Takes effect between steps and inside offlining and wiping. */
void job_cancel(Job *job);
bool job_is_cancelable(const Job *job);
/* Whether the job goes back to what was. */
bool job_is_going_back(const Job *job);

const char *job_origin_name(JobOrigin origin);
const char *job_result_name(JobResult result);
