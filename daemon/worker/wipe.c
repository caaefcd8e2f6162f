/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Wipes a range of a device, counted in bytes from its start. The kernel itself writes the zeroes,
 * by a read of /dev/zero into the mapped device: memory that is broken, or a device that is taken
 * away meanwhile, makes that fail where a store of ours would kill the worker.
 */

#include "daemon/worker/wipe.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/cancel.h"
#include "daemon/worker/node.h"
#include "daemon/worker/result.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#define WINDOW (UINT64_C(64) << 20)
#define CHUNK (UINT64_C(2) << 20)

typedef struct Wipe {
        Step *step;
        Cancel cancel;
        int node;
        int zero;
        uint64_t align;
        uint64_t done;
} Wipe;

static int wipe_kernel(const Wipe *wipe, int error, const char *what) {
        return result_kernel(wipe->step->done, error, what, "devices/%s/node",
                             wipe->step->device.name);
}

/* Zeroes @size bytes of memory of ours that is the device's. */
static int wipe_mapped(Wipe *wipe, char *memory, uint64_t size) {
        while (size > 0) {
                ssize_t n;

                if (cancel_is_requested(&wipe->cancel))
                        return result_set(wipe->step->done, WORKER_CANCELLED, ECANCELED, NULL,
                                          "devices/%s/node", wipe->step->device.name);
                n = read(wipe->zero, memory, MIN(size, CHUNK));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return wipe_kernel(wipe, n < 0 ? -errno : -EIO, "write");

                memory += n;
                size -= n;
                wipe->done += n;
                step_show(wipe->step, wipe->done, wipe->step->what->range.size);
        }

        return 0;
}

/* Wipes from @offset to @end through one mapping, which must begin and end at the alignment. */
static int wipe_window(Wipe *wipe, uint64_t offset, uint64_t end) {
        uint64_t before = offset % wipe->align, first = offset - before;
        uint64_t length = (end - first + wipe->align - 1) / wipe->align * wipe->align;
        char *memory;
        int r;

        memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, wipe->node, first);
        if (memory == MAP_FAILED)
                return wipe_kernel(wipe, -errno, "map");

        r = wipe_mapped(wipe, memory + before, end - offset);
        (void)munmap(memory, length);
        return r;
}

static int wipe_windows(Wipe *wipe) {
        DaxRange range = wipe->step->what->range;
        uint64_t window = MAX(WINDOW / wipe->align, UINT64_C(1)) * wipe->align;

        for (uint64_t offset = range.offset; offset < dax_range_end(range);) {
                uint64_t end = MIN(offset - offset % wipe->align + window, dax_range_end(range));
                int r;

                r = wipe_window(wipe, offset, end);
                if (r != 0)
                        return r;
                offset = end;
        }

        return 0;
}

static int check_device(Step *step, uint64_t *ret_align) {
        int r;

        r = step_know_state(step);
        if (r != 0)
                return r;
        if (step->after->mode != DAX_MODE_DEVDAX)
                return result_set(step->done, WORKER_BAD_REQUEST, ENXIO,
                                  dax_mode_name(step->after->mode), "devices/%s/driver",
                                  step->device.name);
        if (dax_range_end(step->what->range) > step->after->size)
                return result_set(step->done, WORKER_BAD_REQUEST, ERANGE, NULL, "devices/%s/size",
                                  step->device.name);
        r = attribute_read_u64(step->device.dir, "align", ret_align);
        if (r < 0 || *ret_align == 0)
                return step_kernel(step, r < 0 ? r : -ERANGE, "align", NULL);

        return 0;
}

int wipe_range(Step *step) {
        _cleanup_close_ int node = -1, zero = -1;
        Wipe wipe = { .step = step };
        int r;

        r = check_device(step, &wipe.align);
        if (r != 0)
                return r;
        node = node_open(&step->device, O_RDWR);
        if (node < 0)
                return wipe_kernel(&wipe, node, "open");
        zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
        if (zero < 0)
                return wipe_kernel(&wipe, -errno, "/dev/zero");

        wipe.node = node;
        wipe.zero = zero;
        cancel_begin(&wipe.cancel, step->worker->fd, step->request->serial);
        r = wipe_windows(&wipe);
        cancel_end(&wipe.cancel);
        return r;
}
