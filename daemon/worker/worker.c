/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeps the handle of the region that requests are about, since they mostly are about the same. */

#include "daemon/worker/worker.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/origin.h"
#include "daemon/worker/reader.h"
#include "daemon/worker/result.h"

void worker_forget(Worker *worker) {
        for (size_t i = 0; i < worker->n_known; i++)
                dax_device_unref(worker->known[i].device);
        free(TAKE_PTR(worker->known));
        worker->n_known = 0;
        worker->last_steps = 0;
}

static void region_drop(Worker *worker) {
        worker_forget(worker);
        kernel_device_deinit(&worker->device);
        worker->picture = dax_region_free(worker->picture);
        roster_drop(&worker->roster);
        kernel_region_deinit(&worker->region);
}

void worker_deinit(Worker *worker) {
        region_drop(worker);
        names_close(&worker->names);
        memory_close(&worker->memory);
        worker_board_free(worker->board);
        closep(&worker->iomem_fd);
        closep(&worker->event_fd);
        closep(&worker->locks_fd);
        closep(&worker->lock_fd);
        closep(&worker->fd);
}

uint64_t worker_outline(const Worker *worker) {
        const KernelNames *names = &worker->roster.names;

        return dax_region_outline_of(worker->picture, names->list, names->count);
}

static int region_load(Worker *worker, uint32_t id) {
        uint64_t start;
        int r;

        if (worker->region.id == id && kernel_region_is_live(&worker->region))
                return 0;

        region_drop(worker);
        r = kernel_region_open(id, worker->locks_fd, &worker->region);
        if (r < 0)
                return r;
        r = origin_find(worker->iomem_fd, &worker->region, &start);
        if (r < 0)
                return r;
        return reader_region(&worker->region, start, &worker->picture);
}

int worker_find_region(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        int r;

        r = region_load(worker, request->region);
        if (r < 0)
                region_drop(worker);
        if (attribute_is_gone(r))
                return result_set(done, WORKER_GONE, r, NULL, "regions/%u", request->region);
        if (r == -ENODATA)
                return result_set(done, WORKER_KERNEL, r, NULL, "regions/%u/start",
                                  request->region);
        if (r < 0)
                return r == -ENOMEM ? r :
                                      result_kernel(done, r, NULL, "regions/%u", request->region);

        /* a size of 0 is no region's: whichever has this id */
        if (request->region_size != 0 && (request->region_size != worker->region.size ||
                                          request->region_start != worker->picture->start))
                return result_set(done, WORKER_GONE, EREMCHG, NULL, "regions/%u", request->region);

        return 0;
}
