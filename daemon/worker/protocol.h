/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What daxd and daxd-worker say to each other over one SOCK_SEQPACKET connection. One request at a
 * time; the answer is any number of messages, several to a packet, and then exactly one DONE. While
 * a request runs, daxd may send CANCEL, which has no answer of its own: the request ends with
 * ECANCELED, or as it would have, when it was too late. Both ends come from one build: another
 * version is refused.
 *
 * Messages are plain structs in host order; every string ends with a zero byte within its field.
 * The receiver checks length, type and fields before it looks (protocol.c), both ways.
 */

#include "daemon/dax/machine.h"
#include "daemon/plan/plan.h"

#define WORKER_PROTOCOL_VERSION 4
#define WORKER_MESSAGE_MAX 32768
#define WORKER_STEPS_MAX 120 /* so that a request fits a message */
#define WORKER_FDS_MAX 2     /* descriptors that go with a request (SCM_RIGHTS) */
#define WORKER_SOCKET_PATH "/run/daxd/worker"
#define WORKER_LOCK_PATH "/run/daxd/lock"

typedef enum WorkerOp {
        WORKER_HELLO,     /* first; carries daxd's lock, and a WorkerBoard */
        WORKER_INVENTORY, /* by libdaxctl in a child: the whole machine, every device */
        WORKER_REGION,    /* one region: attributes, names, and one device, or all */
        WORKER_HOLDERS,   /* who has the device open or mapped */
        /* steps of a plan, up to the first that fails; carries their record, and the region's
         * witness of CREATEs */
        WORKER_STEPS,
        WORKER_RESTORE, /* what a bind that died in the middle may have left: value, device, mode */
        WORKER_CANCEL,
        _WORKER_OP_MAX,
} WorkerOp;

typedef enum WorkerFlag {
        WORKER_ALL_DEVICES = 1 << 0, /* REGION */
        WORKER_FORCE = 1 << 1,       /* STEPS: unbind although there are holders */
        WORKER_THEN_REGION = 1 << 2, /* STEPS: when all are done, answer as to REGION */
} WorkerFlag;

typedef struct WorkerRequest {
        uint32_t version;
        uint32_t op;     /* WorkerOp */
        uint64_t serial; /* comes back in every message of the answer */
        uint32_t flags;
        uint32_t region;
        uint64_t
                region_start; /* the region that is meant: ids are not stable, EREMCHG if another */
        uint64_t region_size;
        /* HOLDERS, REGION: the only one that is read; RESTORE: whose id is taken back; or "" */
        char device[DAX_NAME_MAX + 1];
        uint32_t mode;     /* RESTORE: DaxMode, from the driver of that */
        uint64_t identity; /* of the device that is meant, EREMCHG if another; 0: whichever */
        char value[16];    /* RESTORE: what to write to auto_online_blocks, or "" */
        uint64_t follows;  /* STEPS: serial of those before of the same plan; 0: the first */
        /*
         * As the region is known to daxd, 0: not known. STEPS are STALE when it is another; to
         * REGION there are no names in the answer when it is this one.
         */
        uint64_t outline;
        uint32_t n_steps; /* STEPS: so many WorkerSteps follow in the packet */
} WorkerRequest;

/*
 * One step. It is carried out and read back as if it were the only one, but what a step has found
 * out about its device later ones of the plan may build on, as long as one worker runs them all and
 * none took long.
 */
typedef struct WorkerStep {
        uint32_t op;    /* PlanOp */
        uint32_t mode;  /* DaxMode; of a PLAN_PUBLISH the one that the device is to be in */
        uint32_t state; /* DaxBlockState */
        /* Which device: its number in the record. A CREATE writes its device's line there. */
        uint32_t entry;
        uint64_t identity; /* as in WorkerRequest */
        uint64_t value;    /* of a PLAN_PUBLISH the hash of the ranges that the name is for */
        DaxRange range;
        uint64_t first_block;
        uint64_t n_blocks;
        uint32_t is_last; /* of the plan for its device: the answer has the device as it is now */
        char device[DAX_NAME_MAX + 1]; /* "": the one that a CREATE before it has made */
        char label[LABEL_MAX + 1];
        DaxAccess access;
} WorkerStep;

/*
 * What the worker adds to the record right before it creates a device: its number; and right after,
 * before it goes on: number, name and identity. What happens between these two lines the witness
 * tells, see witness.h.
 */
#define WORKER_MAKING_LINE "{\"making\":%u}\n"
#define WORKER_MADE_LINE "{\"made\":%u,\"name\":\"%s\",\"identity\":%llu}\n"

/*
 * And before it tells a driver by new_id to take a device: from now on the name has to be taken
 * back by remove_id, whatever comes.
 */
#define WORKER_ID_LINE "{\"id\":\"%s\",\"mode\":\"%s\"}\n"

/*
 * And before it sets auto_online_blocks to offline: what to put back; "" when that is done.
 */
#define WORKER_AUTO_ONLINE_LINE "{\"auto-online\":\"%s\"}\n"

/* Why a request failed, where the errno alone does not say it. */
typedef enum WorkerProblem {
        WORKER_OK,
        WORKER_KERNEL,    /* the kernel refused: error, attribute, value say what */
        WORKER_NO_EFFECT, /* the kernel said yes, reading back says no */
        WORKER_CANCELLED,
        WORKER_GONE,      /* the region or device is not there, or another has its name */
        WORKER_BOUND,     /* a driver holds the device: the kernel would do harm or refuse */
        WORKER_HELD,      /* there are holders */
        WORKER_RESHAPED,  /* the device does not lie where it did */
        WORKER_ONLINE,    /* a memory block is online: unbinding would leak it */
        WORKER_TAINTED,   /* leaked memory in its ranges */
        WORKER_UNDECIDED, /* someone else created a device too: which is ours cannot be told */
        WORKER_PARTIAL,   /* kmem took less memory than the device has whole blocks */
        WORKER_STALE,     /* the region is not as it was thought to be; nothing was done */
        WORKER_READ_ONLY, /* /sys cannot be written: the sandbox or the mount is wrong */
        WORKER_BAD_REQUEST,
        _WORKER_PROBLEM_MAX,
} WorkerProblem;

typedef enum WorkerMessageType {
        WORKER_MESSAGE_MACHINE,
        WORKER_MESSAGE_REGION,
        WORKER_MESSAGE_LEAKED, /* ranges of the region before it */
        WORKER_MESSAGE_NAMES,  /* of every device of the region before it */
        WORKER_MESSAGE_DEVICE, /* of the region before it */
        WORKER_MESSAGE_RANGES, /* more of the device before it */
        WORKER_MESSAGE_BLOCKS,
        WORKER_MESSAGE_HOLDER,
        WORKER_MESSAGE_DONE,
        _WORKER_MESSAGE_MAX,
} WorkerMessageType;

typedef struct WorkerHolder {
        uint32_t pid;
        char command[64];
} WorkerHolder;

typedef struct WorkerDone {
        WorkerProblem problem;
        int error;           /* positive errno, or 0 */
        char attribute[128]; /* what was written: "devices/dax0.1/size", "memory/memory32/state" */
        char value[128];     /* what was written into it, or what was read back instead */
        uint64_t steps; /* STEPS: how many were done; where there is a problem the next had it */
} WorkerDone;

/*
 * Memory that daxd shares with one worker: what the worker is at is seen there also while it hangs
 * in the kernel, and it wakes nobody. What daxd reads may be of two moments, so it is for showing
 * and for nothing else.
 */
typedef struct WorkerBoard {
        _Atomic uint64_t serial; /* of the STEPS; what follows is of no others */
        _Atomic uint64_t step;   /* which of them */
        _Atomic uint64_t done;   /* how far that has come, in its blocks or bytes */
        _Atomic uint64_t total;  /* 0: it does not tell */
} WorkerBoard;

/*
 * Makes one. Returns the descriptor by which it is handed on, which is the caller's, or an errno.
 */
int worker_board_new(WorkerBoard **ret_board);
/*
 * Maps the one behind the descriptor, which nobody may be able to make shorter: who then looked at
 * it would be killed. 0, -EINVAL where it is not so, or another errno.
 */
int worker_board_map(int fd, WorkerBoard **ret_board);
WorkerBoard *worker_board_free(WorkerBoard *board);

/* What has come of one answer so far. */
typedef struct WorkerAnswer {
        uint64_t serial;
        bool done;
        WorkerDone result;
        DaxMachine machine; /* block_size and auto_online, and the regions with the devices that
                               were read */
        uint64_t outline;   /* of the region, where it was read; 0: it was not */
        DaxName *names;     /* every device that there is; none where the outline is enough */
        size_t n_names;
        WorkerHolder *holders;
        size_t n_holders;

        /* private: what the next message belongs to, and what of a device is still to come */
        DaxRegion *region;
        DaxDevice *device;
        uint64_t ranges_left, blocks_left;
} WorkerAnswer;

/*
 * The worker's side. Messages wait in the sender until it is full, or the DONE. Each returns 0 or a
 * negative errno; all block until what is sent has been taken.
 */
typedef struct WorkerSender {
        int fd;
        uint64_t serial; /* of the request that is being answered */
        size_t size;
        _Alignas(uint64_t) char room[WORKER_MESSAGE_MAX];
} WorkerSender;

int worker_send_machine(WorkerSender *sender, const DaxMachine *machine); /* without its regions */
int worker_send_region(WorkerSender *sender, const DaxRegion *region,
                       uint64_t outline); /* without its devices */
int worker_send_names(WorkerSender *sender, const DaxName *names, size_t n);
/* The region must have been sent before in this answer. */
int worker_send_device(WorkerSender *sender, const DaxDevice *device);
int worker_send_holder(WorkerSender *sender, const WorkerHolder *holder);
int worker_send_done(WorkerSender *sender, const WorkerDone *done);
/*
 * Takes the next request, and its steps into @steps, which has room for WORKER_STEPS_MAX. @ret_fds
 * are the descriptors that came with it, in the order in which WorkerOp names them, then -1.
 * Returns 1, 0 at the end of the connection, -EBADMSG for a malformed one, or another errno.
 */
int worker_receive_request(int fd, int flags, WorkerRequest *ret_request, WorkerStep *steps,
                           int ret_fds[static WORKER_FDS_MAX]);
void worker_close_fds(int (*fds)[WORKER_FDS_MAX]); /* those that are not -1 */

/*
 * daxd's side: never blocks. @steps are request->n_steps, @fds as many descriptors as go with such
 * a request; both stay the caller's.
 */
int worker_send_request(int fd, const WorkerRequest *request, const WorkerStep *steps,
                        const int *fds);
/*
 * Takes one packet into @answer. Returns 1 when one was taken (look at answer->done), 0 when none
 * is there yet, -ECONNRESET when the worker is gone, -EBADMSG when it talks nonsense, -ENOMEM.
 */
int worker_receive_answer(int fd, WorkerAnswer *answer);
void worker_answer_deinit(WorkerAnswer *answer);
