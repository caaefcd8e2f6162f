/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What daxd and daxd-worker say to each other over one SOCK_SEQPACKET connection. One request at a
 * time; the answer is any number of messages and then exactly one DONE. While a request runs, daxd
 * may send CANCEL, which has no answer of its own: the request ends with ECANCELED, or as it would
 * have, when it was too late. Both ends come from one build: another version is refused.
 *
 * Messages are plain structs in host order; every string ends with a zero byte within its field. The
 * receiver checks length, type and fields before it looks (protocol.c), both ways.
 */

#include "daemon/dax/machine.h"
#include "daemon/plan/plan.h"

#define WORKER_PROTOCOL_VERSION 1
#define WORKER_MESSAGE_MAX 32768
#define WORKER_REQUEST_NAMES_MAX 16
#define WORKER_SOCKET_PATH "/run/daxd/worker"
#define WORKER_LOCK_PATH "/run/daxd/lock"

typedef enum WorkerOp {
        WORKER_HELLO,     /* first; carries the descriptor of daxd's lock (SCM_RIGHTS) */
        WORKER_INVENTORY, /* by libdaxctl in a child: the whole machine, every device */
        WORKER_REGION,    /* one region: attributes, names, and the devices in names[], or all */
        WORKER_HOLDERS,   /* who has the device open or mapped */
        WORKER_STEP, /* one step of a plan, read back; the answer has the device that a CREATE made */
        WORKER_RESTORE_AUTO_ONLINE, /* label: what to write to auto_online_blocks */
        WORKER_CANCEL,
        _WORKER_OP_MAX,
} WorkerOp;

typedef enum WorkerFlag {
        WORKER_ALL_DEVICES = 1 << 0, /* REGION */
        WORKER_FORCE = 1 << 1,       /* STEP unbind: although there are holders */
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
        char device[DAX_NAME_MAX + 1];
        uint64_t identity; /* of the device that is meant, EREMCHG if another; 0: whichever */

        /* STEP: as in PlanStep */
        uint32_t step;  /* PlanOp */
        uint32_t mode;  /* DaxMode */
        uint32_t state; /* DaxBlockState */
        uint64_t value;
        DaxRange range;
        uint64_t first_block;
        uint64_t n_blocks;
        char label[LABEL_MAX + 1];
        DaxAccess access;

        uint32_t n_names; /* REGION */
        char names[WORKER_REQUEST_NAMES_MAX][DAX_NAME_MAX + 1];
} WorkerRequest;

/* Why a request failed, where the errno alone does not say it. */
typedef enum WorkerProblem {
        WORKER_OK,
        WORKER_KERNEL,    /* the kernel refused: error, attribute, value say what */
        WORKER_NO_EFFECT, /* the kernel said yes, reading back says no */
        WORKER_CANCELLED,
        WORKER_GONE,      /* the region or device is not there, or another has its name */
        WORKER_BOUND,     /* a driver holds the device: the kernel would do harm or refuse */
        WORKER_HELD,      /* there are holders */
        WORKER_ONLINE,    /* a memory block is online: unbinding would leak it */
        WORKER_TAINTED,   /* leaked memory in its ranges */
        WORKER_UNDECIDED, /* someone else created a device too: which is ours cannot be told */
        WORKER_PARTIAL,   /* kmem took less memory than the device has whole blocks */
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
        WORKER_MESSAGE_PROGRESS,
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
        uint64_t progress;   /* how many of the step's blocks or bytes were done */
} WorkerDone;

/* What has come of one answer so far. */
typedef struct WorkerAnswer {
        uint64_t serial;
        bool done;
        WorkerDone result;
        uint64_t progress_done, progress_total; /* of the last PROGRESS; total 0: none yet */
        DaxMachine
                machine; /* block_size and auto_online, and the regions with the devices that were read */
        char (*names)[DAX_NAME_MAX + 1]; /* REGION: every device that there is */
        size_t n_names;
        WorkerHolder *holders;
        size_t n_holders;

        /* private: what the next message belongs to, and what of a device is still to come */
        DaxRegion *region;
        DaxDevice *device;
        uint64_t ranges_left, blocks_left;
} WorkerAnswer;

/* The worker's side. Each returns 0 or a negative errno; all block until the message is taken. */
int worker_send_machine(int fd, uint64_t serial,
                        const DaxMachine *machine);                       /* without its regions */
int worker_send_region(int fd, uint64_t serial, const DaxRegion *region); /* without its devices */
int worker_send_names(int fd, uint64_t serial, const char (*names)[DAX_NAME_MAX + 1], size_t n);
/* The region must have been sent before in this answer. */
int worker_send_device(int fd, uint64_t serial, const DaxDevice *device);
int worker_send_holder(int fd, uint64_t serial, const WorkerHolder *holder);
int worker_send_progress(int fd, uint64_t serial, uint64_t done, uint64_t total);
int worker_send_done(int fd, uint64_t serial, const WorkerDone *done);
/*
 * Takes the next request; *@ret_lock_fd is the descriptor that came with a HELLO, else -1.
 * Returns 1, 0 at the end of the connection, -EBADMSG for a malformed one, or another errno.
 */
int worker_receive_request(int fd, int flags, WorkerRequest *ret_request, int *ret_lock_fd);

/* daxd's side: never blocks. */
int worker_send_request(int fd, const WorkerRequest *request, int lock_fd); /* lock_fd -1: none */
/*
 * Takes one message into @answer. Returns 1 when one was taken (look at answer->done), 0 when none is
 * there yet, -ECONNRESET when the worker is gone, -EBADMSG when it talks nonsense, -ENOMEM.
 */
int worker_receive_message(int fd, WorkerAnswer *answer);
void worker_answer_deinit(WorkerAnswer *answer);
