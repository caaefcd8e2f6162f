/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The difference between two pictures of one region as steps that the kernel will take. Pure: no
 * I/O, no clock, no memory of earlier calls.
 *
 * plan_new(now, wanted): devices of `wanted` with the name of a device of `now` are that device;
 * the others are new; devices of `now` that `wanted` does not have are destroyed (instance 0, which
 * the kernel never deletes, is emptied; where `wanted` has no memory in it, it serves as the first
 * new one). A device half made is paired by its name like any other: what shall be planned onward
 * after a crash gives new devices no name, or the name of their own CREATE. The caller leaves in
 * `wanted` unchanged what is not its own. Making, resizing, applying a layout, rolling back,
 * recovering and repairing are all this one call with another `wanted`.
 */

#include "daemon/dax/region.h"
#include "daemon/util/failure.h"

typedef enum PlanOp {
        PLAN_RETRACT, /* take label and access away: the node is root's alone */
        PLAN_OFFLINE, /* a run of memory blocks */
        PLAN_UNBIND,
        PLAN_SIZE, /* value: bytes */
        PLAN_DESTROY,
        PLAN_CREATE,
        PLAN_ALIGN,   /* value: bytes */
        PLAN_MAPPING, /* range: appended to the device's */
        PLAN_MEMMAP,  /* value: 0 or 1 */
        PLAN_BIND,    /* mode */
        PLAN_WIPE,    /* range: bytes from the start of the device */
        PLAN_ONLINE,  /* a run of memory blocks, into the zone of state */
        PLAN_PUBLISH, /* label and access of the device's picture after */
        _PLAN_OP_MAX,
} PlanOp;

typedef struct PlanStep {
        PlanOp op;
        size_t device; /* index in Plan.devices */
        uint64_t value;
        DaxRange range;
        DaxMode mode;
        uint64_t first_block; /* N of memoryN */
        uint64_t n_blocks;
        DaxBlockState state;
        bool disruptive;   /* takes something from who uses the device */
        bool irreversible; /* what it takes does not come back by planning back */
} PlanStep;

typedef enum PlanAction {
        PLAN_KEEP,
        PLAN_NEW,
        PLAN_CHANGE,
        PLAN_REMOVE,
        _PLAN_ACTION_MAX,
} PlanAction;

typedef struct PlanDevice {
        PlanAction action;
        /* In the kernel: known from the start, or when its CREATE has run (plan_set_name()). */
        char name[DAX_NAME_MAX + 1];
        const DaxDevice *before; /* in Plan.now; NULL when there is none, or it was empty */
        const DaxDevice *after;  /* in Plan.wanted, complete; NULL when it goes */
} PlanDevice;

typedef struct Plan {
        DaxRegion *now;      /* copies, owned by the plan */
        DaxRegion *wanted;   /* complete: placed, with blocks */
        PlanDevice *devices; /* in the order of wanted, then the rest */
        size_t n_devices;
        PlanStep *steps;
        size_t n_steps;
        char digest[17]; /* of now and steps: equal exactly when the plan is; "" if not shown */
} Plan;

typedef struct PlanOptions {
        uint64_t block_size;
        bool force;         /* offline online memory where the change needs it */
        bool reshape_first; /* the same for instance 0 alone: a fresh region's first device */
        bool shown; /* somebody will see it: also with the devices that stay, and with a digest */
} PlanOptions;

/*
 * Returns 0, a Condition with its sentence in @failure when the kernel (or daxd's own promise)
 * would refuse, or -ENOMEM. The pictures stay the caller's.
 */
int plan_new(const DaxRegion *now, const DaxRegion *wanted, const PlanOptions *options,
             Plan **ret_plan, Failure *failure);
Plan *plan_free(Plan *plan);
DEFINE_CLEANUP(Plan *, plan_free)
/* Names the device that a CREATE has made. 0 or -ENOMEM. */
int plan_set_name(Plan *plan, size_t device, const char *name);
#define _cleanup_plan_ _cleanup_(plan_freep)

const char *plan_op_name(PlanOp op);             /* "offline-memory", "set-size", ... */
const char *plan_action_name(PlanAction action); /* "keep", "create", "change", "destroy" */

/* What anybody may read of @step: "set the size of dax0.1 to 256 MiB". NULL when out of memory. */
char *plan_step_describe(const Plan *plan, const PlanStep *step);

/* Whether @device is going to be taken from who has it open or mapped. */
bool plan_device_is_disrupted(const Plan *plan, size_t device);
/* Whether it lets others into a device's memory: who may open it by its name, or the system. */
bool plan_op_lets_in(PlanOp op);
/* Whether a step of @plan needs the machine-wide lock for memory work. */
bool plan_step_is_memory(const Plan *plan, const PlanStep *step);
