/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one worker process has: its connection, and the region that it last worked on. */

#include "daemon/dax/region.h"
#include "daemon/worker/kernel.h"
#include "daemon/worker/memory.h"
#include "daemon/worker/protocol.h"

typedef struct Worker {
        int fd;       /* the connection */
        int lock_fd;  /* daxd's lock, from HELLO on and for life */
        int iomem_fd; /* see origin.h */
        Memory memory;
        KernelRegion region;
        DaxRegion *picture;  /* of it, without its devices; to be refreshed before it is shown */
        KernelDevice device; /* of that region, the last that a step was about */
} Worker;

#define WORKER_INIT                                                                                \
        ((Worker){ .fd = -1,                                                                       \
                   .lock_fd = -1,                                                                  \
                   .iomem_fd = -1,                                                                 \
                   .memory = MEMORY_INIT,                                                          \
                   .region = KERNEL_REGION_INIT,                                                   \
                   .device = KERNEL_DEVICE_INIT })

void worker_deinit(Worker *worker);
/*
 * Makes worker->region and its picture the one that @request means. Returns 0, a WorkerProblem told
 * in @done (GONE for another region, or none), or a negative errno.
 */
int worker_find_region(Worker *worker, const WorkerRequest *request, WorkerDone *done);
