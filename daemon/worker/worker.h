/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one worker process has: its connection, and the region that it last worked on. */

#include "daemon/dax/region.h"
#include "daemon/worker/kernel.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/names.h"
#include "daemon/worker/protocol.h"
#include "daemon/worker/roster.h"

/* What has been read of one of the devices that a transaction is at. */
typedef struct WorkerKnown {
        DaxDevice *device; /* NULL: nothing */
        unsigned parts;    /* StepKnows */
} WorkerKnown;

typedef struct Worker {
        int fd; /* the connection */
        WorkerSender sender;
        int lock_fd;        /* daxd's lock, from HELLO on and for life */
        WorkerBoard *board; /* daxd's, likewise */
        int locks_fd;       /* see region-lock.h */
        bool waits;         /* for what others are about to undo; not who reads beside jobs */
        int iomem_fd;       /* see origin.h */
        int event_fd;       /* /sys/kernel/uevent_seqnum: the number of the kernel's last event */
        Memory memory;
        Names names;
        KernelRegion region;
        Roster roster;       /* of it */
        DaxRegion *picture;  /* of it, without its devices; to be refreshed before it is shown */
        KernelDevice device; /* of that region, the last that a step was about */
        WorkerKnown *known;  /* of the transaction's devices, by their number in its record */
        size_t n_known;
        uint64_t last_steps; /* serial of the steps that this is known from; 0: none */
        uint64_t known_usec; /* µs, CLOCK_MONOTONIC: since when */
} Worker;

#define WORKER_INIT                                                                                \
        ((Worker){ .fd = -1,                                                                       \
                   .lock_fd = -1,                                                                  \
                   .locks_fd = -1,                                                                 \
                   .iomem_fd = -1,                                                                 \
                   .event_fd = -1,                                                                 \
                   .memory = MEMORY_INIT,                                                          \
                   .names = NAMES_INIT,                                                            \
                   .region = KERNEL_REGION_INIT,                                                   \
                   .device = KERNEL_DEVICE_INIT })

void worker_deinit(Worker *worker);
/* What was read of devices is not to be relied upon any more. */
void worker_forget(Worker *worker);
/* Of the region, as its picture and its roster have it. */
uint64_t worker_outline(const Worker *worker);
/*
 * Makes worker->region and its picture the one that @request means. Returns 0, a WorkerProblem told
 * in @done (GONE for another region, or none), or a negative errno.
 */
int worker_find_region(Worker *worker, const WorkerRequest *request, WorkerDone *done);
