/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Checks a step, has it carried out, tells what came of it. */

#include "daemon/worker/step.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/blocks.h"
#include "daemon/worker/driver.h"
#include "daemon/worker/publish.h"
#include "daemon/worker/reader.h"
#include "daemon/worker/result.h"
#include "daemon/worker/shape.h"
#include "daemon/worker/wipe.h"

#include <string.h>
#include <time.h>

typedef enum StepNeed {
        NEEDS_DYNAMIC = 1 << 0, /* the kernel lets no one change the shape of a static region */
        NEEDS_VALUE = 1 << 1,
        NEEDS_RANGE = 1 << 2,
        NEEDS_BLOCKS = 1 << 3,
        NEEDS_DRIVER_MODE = 1 << 4,
        NEEDS_ONLINE_STATE = 1 << 5,
        NEEDS_FLAG_VALUE = 1 << 6,
        MAKES_DEVICE = 1 << 7,
} StepNeed;

static const struct {
        int (*run)(Step *step);
        unsigned needs;
} kinds[_PLAN_OP_MAX] = {
        [PLAN_RETRACT] = { publish_retract, 0 },
        [PLAN_OFFLINE] = { blocks_offline, NEEDS_BLOCKS },
        [PLAN_UNBIND] = { driver_unbind, 0 },
        [PLAN_SIZE] = { shape_set_size, NEEDS_DYNAMIC },
        [PLAN_DESTROY] = { shape_destroy, NEEDS_DYNAMIC },
        [PLAN_CREATE] = { shape_create, NEEDS_DYNAMIC | MAKES_DEVICE },
        [PLAN_ALIGN] = { shape_set_align, NEEDS_DYNAMIC | NEEDS_VALUE },
        [PLAN_MAPPING] = { shape_add_mapping, NEEDS_DYNAMIC | NEEDS_RANGE },
        [PLAN_MEMMAP] = { shape_set_memmap, NEEDS_FLAG_VALUE },
        [PLAN_BIND] = { driver_bind, NEEDS_DRIVER_MODE },
        [PLAN_WIPE] = { wipe_range, NEEDS_RANGE },
        [PLAN_ONLINE] = { blocks_online, NEEDS_BLOCKS | NEEDS_ONLINE_STATE },
        [PLAN_PUBLISH] = { publish_name, 0 },
};

/* --- common ----------------------------------------------------------------------------------- */

int step_set_device(Step *step, const char *name) {
        KernelDevice *device = &step->worker->device;
        int r = 0;

        /* mostly the device of the step before */
        if (strcmp(device->name, name) != 0 || !kernel_device_is_live(step->region, device)) {
                kernel_device_deinit(device);
                r = kernel_device_open(step->region, name, device);
        }

        step->device = *device;
        return r;
}

int step_look(Step *step) {
        int r;

        step->after = dax_device_free(step->after);
        r = reader_device(step->region, step->worker->picture, &step->worker->memory, &step->device,
                          &step->after);
        return r < 0 && r != -ENOMEM ? step_kernel(step, r, NULL, NULL) : r;
}

int step_kernel(const Step *step, int error, const char *attribute, const char *value) {
        if (attribute_is_gone(error)) {
                uint64_t identity;

                /* the attribute's own errno, as long as the device is there */
                if (kernel_device_child(&step->device, "subsystem", &identity) < 0)
                        return result_set(step->done, WORKER_GONE, error, value, "devices/%s",
                                          step->device.name);
        }

        return result_kernel(step->done, error, value, "devices/%s%s%s", step->device.name,
                             attribute ? "/" : "", attribute ?: "");
}

int step_ranges(const Step *step, DaxRanges *ret_ranges) {
        _cleanup_mappings_ Mappings mappings = {};
        int r;

        r = mappings_read(&step->device, &mappings);
        if (r >= 0)
                r = mappings_to_ranges(&mappings, step->start, step->region->size, ret_ranges);
        return r < 0 ? step_kernel(step, r, "mapping", NULL) : 0;
}

int step_mode(const Step *step, DaxMode *ret_mode) {
        int r = kernel_device_mode(&step->device, ret_mode);

        return r < 0 ? step_kernel(step, r, "driver", NULL) : 0;
}

int step_refuse_bound(const Step *step) {
        char driver[64];
        int r;

        r = kernel_device_driver(&step->device, driver, sizeof(driver));
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);
        if (driver[0] != '\0')
                return result_set(step->done, WORKER_BOUND, EBUSY, driver, "devices/%s/driver",
                                  step->device.name);
        return 0;
}

int step_refuse_leak(const Step *step, const DaxRanges *ranges) {
        uint64_t number;

        if (!reader_find_leak(&step->worker->memory, step->start, step->region->size, ranges,
                              &number))
                return 0;

        return result_set(step->done, WORKER_TAINTED, 0, NULL, "memory/memory%llu",
                          (unsigned long long)number);
}

int step_progress(const Step *step, StepProgress *progress, uint64_t done) {
        struct timespec now;
        uint64_t usec;

        step->done->progress = done;
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        usec = now.tv_sec * UINT64_C(1000000) + now.tv_nsec / 1000;
        if (done != progress->total && usec - progress->last_usec < 100000)
                return 0;

        progress->last_usec = usec;
        return worker_send_progress(step->worker->fd, step->request->serial, done, progress->total);
}

/* --- running ---------------------------------------------------------------------------------- */

static bool fits(uint64_t offset, uint64_t size, uint64_t within) {
        return size > 0 && offset <= within && size <= within - offset;
}

static bool request_fits(const WorkerRequest *request, const KernelRegion *region) {
        unsigned needs = kinds[request->step].needs;

        if ((needs & NEEDS_VALUE) && request->value == 0)
                return false;
        if ((needs & NEEDS_FLAG_VALUE) && request->value > 1)
                return false;
        if ((needs & NEEDS_RANGE) &&
            !fits(request->range.offset, request->range.size, region->size))
                return false;
        if ((needs & NEEDS_BLOCKS) && request->n_blocks == 0)
                return false;
        if ((needs & NEEDS_DRIVER_MODE) && !dax_mode_driver(request->mode))
                return false;
        if ((needs & NEEDS_ONLINE_STATE) && !dax_block_state_is_online(request->state))
                return false;
        /* a step means one region, by its place, and one device, by its name */
        if (request->region_size == 0)
                return false;
        return (needs & MAKES_DEVICE) || request->device[0] != '\0';
}

static int step_open_device(Step *step) {
        const char *name = step->request->device;
        int r;

        if (kinds[step->request->step].needs & MAKES_DEVICE)
                return 0;

        r = step_set_device(step, name);
        if (r == -EINVAL)
                return result_set(step->done, WORKER_BAD_REQUEST, r, name, "devices");
        if (attribute_is_gone(r))
                return result_set(step->done, WORKER_GONE, r, NULL, "devices/%s", name);
        if (r < 0)
                return result_kernel(step->done, r, NULL, "devices/%s", name);
        if (step->request->identity != 0 && step->request->identity != step->device.identity)
                return result_set(step->done, WORKER_GONE, EREMCHG, NULL, "devices/%s", name);

        return 0;
}

/* The device that has been made. Of the region it is in only what never changes is fresh. */
static int step_send_device(Step *step) {
        int r = 0;

        if (!step->after)
                r = step_look(step);
        if (r == 0)
                r = worker_send_region(step->worker->fd, step->request->serial,
                                       step->worker->picture);
        if (r == 0)
                r = worker_send_device(step->worker->fd, step->request->serial, step->after);
        return r;
}

static void step_deinit(Step *step) {
        dax_device_free(step->after);
}

int step_run(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        _cleanup_(step_deinit) Step step = {
                .worker = worker, .request = request, .device = KERNEL_DEVICE_INIT, .done = done
        };
        unsigned needs = kinds[request->step].needs;
        int r;

        r = worker_find_region(worker, request, done);
        if (r != 0)
                return r;
        step.region = &worker->region;
        step.start = worker->picture->start;

        if (!request_fits(request, step.region))
                return result_set(done, WORKER_BAD_REQUEST, EINVAL, NULL, "steps/%u",
                                  request->step);
        if ((needs & NEEDS_DYNAMIC) && step.region->is_static)
                return result_set(done, WORKER_BAD_REQUEST, EOPNOTSUPP, "static", "regions/%u",
                                  request->region);

        r = step_open_device(&step);
        if (r == 0)
                r = kinds[request->step].run(&step);
        if (r == 0 && (needs & MAKES_DEVICE))
                r = step_send_device(&step);
        return r;
}
