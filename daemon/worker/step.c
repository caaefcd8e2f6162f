/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Checks steps, has them carried out, tells what came of it. */

#include "daemon/worker/step.h"
#include "daemon/util/clock.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/binds.h"
#include "daemon/worker/blocks.h"
#include "daemon/worker/cancel.h"
#include "daemon/worker/driver.h"
#include "daemon/worker/inventory.h"
#include "daemon/worker/publish.h"
#include "daemon/worker/reader.h"
#include "daemon/worker/result.h"
#include "daemon/worker/shape.h"
#include "daemon/worker/wipe.h"
#include "daemon/worker/witness.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define LOOK_USEC 100000
#define CATCH_TRIES 16 /* others that may be in the way one after the other */
#define CATCH_VAIN 4   /* of those, when nobody is found to have been */
#define CATCH_NSEC 2000000L
#define KNOWN_MAX 65536    /* devices whose pictures are kept */
#define KNOWN_USEC 1000000 /* for so long */

typedef enum StepNeed {
        NEEDS_DYNAMIC = 1 << 0, /* the kernel lets no one change the shape of a static region */
        NEEDS_VALUE = 1 << 1,
        NEEDS_RANGE = 1 << 2,
        NEEDS_BLOCKS = 1 << 3,
        NEEDS_DRIVER_MODE = 1 << 4,
        NEEDS_ONLINE_STATE = 1 << 5,
        NEEDS_FLAG_VALUE = 1 << 6,
        MAKES_DEVICE = 1 << 7,
        TAKES_LONG = 1 << 8, /* may be cancelled before it begins, however soon that is */
} StepNeed;

static const struct {
        int (*run)(Step *step);
        unsigned needs;
} kinds[_PLAN_OP_MAX] = {
        [PLAN_RETRACT] = { publish_retract, 0 },
        [PLAN_OFFLINE] = { blocks_offline, NEEDS_BLOCKS | TAKES_LONG },
        [PLAN_UNBIND] = { driver_unbind, 0 },
        [PLAN_SIZE] = { shape_set_size, NEEDS_DYNAMIC },
        [PLAN_DESTROY] = { shape_destroy, NEEDS_DYNAMIC },
        [PLAN_CREATE] = { shape_create, NEEDS_DYNAMIC | MAKES_DEVICE },
        [PLAN_ALIGN] = { shape_set_align, NEEDS_DYNAMIC | NEEDS_VALUE },
        [PLAN_MAPPING] = { shape_add_mapping, NEEDS_DYNAMIC | NEEDS_RANGE },
        [PLAN_MEMMAP] = { shape_set_memmap, NEEDS_FLAG_VALUE },
        [PLAN_BIND] = { driver_bind, NEEDS_DRIVER_MODE },
        [PLAN_WIPE] = { wipe_range, NEEDS_RANGE | TAKES_LONG },
        [PLAN_ONLINE] = { blocks_online, NEEDS_BLOCKS | NEEDS_ONLINE_STATE | TAKES_LONG },
        [PLAN_PUBLISH] = { publish_name, 0 },
};

/* --- what is known ---------------------------------------------------------------------------- */

void step_forget(Step *step, unsigned known) {
        step->known &= ~known;
        if (step->known == 0)
                step->after = dax_device_unref(step->after);
}

static int step_begin_picture(Step *step) {
        return step->after ? 0 : reader_device_new(step->worker, &step->device, &step->after);
}

int step_set_shape(Step *step, const Mappings *mappings) {
        int r;

        r = step_begin_picture(step);
        if (r >= 0)
                r = reader_shape(step->worker, mappings, step->after);
        if (r < 0)
                return step_kernel(step, r, "mapping", NULL);

        step->known = (step->known & STEP_KNOWS_MODE) | STEP_KNOWS_SHAPE;
        return 0;
}

void step_set_mode(Step *step, DaxMode mode) {
        if (!step->after)
                return;
        step->after->mode = mode;
        step->known = (step->known & ~STEP_KNOWS_REST) | STEP_KNOWS_MODE;
}

int step_know_shape(Step *step) {
        _cleanup_mappings_ Mappings mappings = {};
        int r;

        if (step->known & STEP_KNOWS_SHAPE)
                return 0;

        r = mappings_read(&step->device, &mappings);
        return r < 0 ? step_kernel(step, r, "mapping", NULL) : step_set_shape(step, &mappings);
}

int step_know_mode(Step *step) {
        DaxMode mode;
        int r;

        if (step->known & STEP_KNOWS_MODE)
                return 0;

        r = binds_read_mode(step->worker, &step->device, &mode);
        if (r >= 0)
                r = step_begin_picture(step);
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);

        if ((step->known & STEP_KNOWS_REST) && step->after->mode == mode)
                step->known |= STEP_KNOWS_MODE;
        else
                step_set_mode(step, mode);
        return 0;
}

int step_know_state(Step *step) {
        int r = step_know_shape(step);

        return r == 0 ? step_know_mode(step) : r;
}

int step_look(Step *step) {
        int r;

        r = step_know_state(step);
        if (r != 0)
                return r;

        if (!(step->known & STEP_KNOWS_NAMES))
                r = reader_names(step->worker, &step->device, step->after);
        if (r >= 0 && !(step->known & STEP_KNOWS_REST))
                r = reader_rest(step->worker, &step->device, step->after);
        if (r < 0)
                return step_kernel(step, r, NULL, NULL);
        step->known |= STEP_KNOWS_REST | STEP_KNOWS_NAMES;
        return 0;
}

/* --- common ----------------------------------------------------------------------------------- */

/* Keeps what is known of the device for its next step. */
static void step_put_away(Step *step) {
        Worker *worker = step->worker;

        for (uint32_t entry = step->entry; step->known && worker->n_known <= entry;)
                if (entry >= KNOWN_MAX ||
                    ARRAY_APPEND(worker->known, worker->n_known, (WorkerKnown){}) < 0)
                        step_forget(step, ~0U);
        if (!step->known)
                return;

        dax_device_unref(worker->known[step->entry].device);
        worker->known[step->entry] = (WorkerKnown){ TAKE_PTR(step->after), step->known };
        step->known = 0;
}

static void step_take_out(Step *step) {
        Worker *worker = step->worker;
        WorkerKnown *known;

        step->entry = step->what->entry;
        if (step->entry >= worker->n_known)
                return;
        known = &worker->known[step->entry];
        if (!known->device || known->device->identity != step->device.identity)
                return;

        step->after = TAKE_PTR(known->device);
        step->known = known->parts;
}

int step_set_device(Step *step, const char *name) {
        KernelDevice *device = &step->worker->device;
        int r = 0;

        step_put_away(step);
        /* mostly the device of the step before */
        if (strcmp(device->name, name) != 0 || !kernel_device_is_live(step->region, device)) {
                kernel_device_deinit(device);
                r = kernel_device_open(step->region, name, device);
        }

        step->device = *device;
        step_take_out(step);
        return r;
}

int step_kernel(const Step *step, int error, const char *attribute, const char *value) {
        if (error == -ENOMEM)
                return error;
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

int step_refuse_bound(Step *step) {
        char driver[64];
        int r;

        r = step_know_mode(step);
        if (r != 0 || step->after->mode == DAX_MODE_NONE)
                return r;

        r = kernel_device_driver(&step->device, driver, sizeof(driver));
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);
        return result_set(step->done, WORKER_BOUND, EBUSY, driver, "devices/%s/driver",
                          step->device.name);
}

int step_refuse_leak(const Step *step, const DaxRanges *ranges) {
        uint64_t number;

        if (!reader_find_leak(&step->worker->memory, step->start, step->region->size, ranges,
                              &number))
                return 0;

        return result_set(step->done, WORKER_TAINTED, 0, NULL, "memory/memory%llu",
                          (unsigned long long)number);
}

void step_show(const Step *step, uint64_t done, uint64_t total) {
        WorkerBoard *board = step->worker->board;

        board->total = 0; /* what is there of the last one is not of this */
        board->step = step->number;
        board->done = done;
        board->total = total;
}

int step_note(const Step *step, const char *format, ...) {
        char line[128];
        struct stat st;
        va_list args;
        ssize_t n;
        int size;

        va_start(args, format);
        size = vsnprintf(line, sizeof(line), format, args);
        va_end(args);

        n = write(step->record_fd, line, size);
        if (n == size)
                return 0;
        if (n < 0)
                return result_kernel(step->done, -errno, NULL, "record");

        if (fstat(step->record_fd, &st) >= 0)
                (void)!ftruncate(step->record_fd, st.st_size - n);
        return result_kernel(step->done, -ENOSPC, NULL, "record");
}

/* --- checking --------------------------------------------------------------------------------- */

static bool fits(uint64_t offset, uint64_t size, uint64_t within) {
        return size > 0 && offset <= within && size <= within - offset;
}

static bool step_fits(const WorkerStep *what, const KernelRegion *region) {
        unsigned needs = kinds[what->op].needs;

        if ((needs & NEEDS_VALUE) && what->value == 0)
                return false;
        if ((needs & NEEDS_FLAG_VALUE) && what->value > 1)
                return false;
        if ((needs & NEEDS_RANGE) && !fits(what->range.offset, what->range.size, region->size))
                return false;
        if ((needs & NEEDS_BLOCKS) && what->n_blocks == 0)
                return false;
        if ((needs & NEEDS_DRIVER_MODE) && !dax_mode_driver(what->mode))
                return false;
        return !(needs & NEEDS_ONLINE_STATE) || dax_block_state_is_online(what->state);
}

static const StepMade *find_made(const Step *step, uint32_t entry) {
        for (size_t i = 0; i < step->n_made; i++)
                if (step->made[i].entry == entry)
                        return &step->made[i];

        return NULL;
}

/* Opens the device of the step that begins, @before being the one before it. */
static int step_open_device(Step *step, const WorkerStep *before) {
        const WorkerStep *what = step->what;
        const char *name = what->device;
        uint64_t identity = what->identity;
        int r;

        if (kinds[what->op].needs & MAKES_DEVICE)
                return 0;
        if (before && before->entry == what->entry && before->op != PLAN_DESTROY &&
            strcmp(before->device, name) == 0)
                return 0; /* it is open */

        if (name[0] == '\0') {
                const StepMade *made = find_made(step, what->entry);

                if (!made) /* it was, and lost its name to another */
                        return result_set(step->done, WORKER_GONE, EREMCHG, NULL, "devices");
                name = made->name;
                identity = made->identity;
        }
        r = step_set_device(step, name);
        if (r == -EINVAL)
                return result_set(step->done, WORKER_BAD_REQUEST, r, name, "devices");
        if (attribute_is_gone(r))
                return result_set(step->done, WORKER_GONE, r, NULL, "devices/%s", name);
        if (r < 0)
                return result_kernel(step->done, r, NULL, "devices/%s", name);
        if (identity != 0 && identity != step->device.identity)
                return result_set(step->done, WORKER_GONE, EREMCHG, NULL, "devices/%s", name);

        return 0;
}

/* --- running ---------------------------------------------------------------------------------- */

/* Others may have been at the devices since: what is known is good for a moment only. */
static void step_forget_old(Step *step) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC);

        if (now - step->worker->known_usec <= KNOWN_USEC)
                return;
        step_forget(step, ~0U);
        worker_forget(step->worker);
        step->worker->known_usec = now;
}

/*
 * What events tell of is looked at after the number of the last one: what others do to the device
 * later on, they do after that.
 */
static int step_look_last(Step *step) {
        uint64_t seen = 0;
        int r;

        (void)attribute_get_u64(step->worker->event_fd, &seen);
        step_forget_old(step);
        if (step->after && step->after->mode == DAX_MODE_SYSTEM_RAM)
                step_forget(step, STEP_KNOWS_REST);
        step_forget(step, STEP_KNOWS_MODE);
        r = step_look(step);
        if (r == 0)
                step->after->seen = seen;
        return r;
}

/* How often another worker's new_id was thought to be in the way, and was not found there at last.
 */
typedef struct Catches {
        int n, vain;
} Catches;

/*
 * Waits for who may be in the way. Returns whether to try again: as long as somebody was, and a few
 * times more, for one can have gone, and the next one come, before this has looked.
 */
static bool step_await_others(const Step *step, Catches *catches) {
        struct timespec pause = { 0, CATCH_NSEC };

        catches->n++;
        if (binds_await(step->worker)) {
                catches->vain = 0;
        } else {
                catches->vain++;
                (void)nanosleep(&pause, NULL);
        }

        return catches->n < CATCH_TRIES && catches->vain < CATCH_VAIN;
}

/* Of the region it is in only what never changes is fresh. */
static int step_send_device(Step *step) {
        WorkerSender *sender = &step->worker->sender;
        bool was_free = step->after && step->after->mode == DAX_MODE_NONE;
        Catches catches = {};
        int r;

        r = step_look_last(step);
        /* as step_carry_out() */
        while (r == 0 && was_free && step->after->mode != DAX_MODE_NONE &&
               step_await_others(step, &catches))
                r = step_look_last(step);
        if (r == 0 && !step->region_is_sent)
                r = worker_send_region(sender, step->worker->picture, 0);
        if (r == 0) {
                step->region_is_sent = true;
                r = worker_send_device(sender, step->after);
        }
        return r;
}

/* Between two steps: shows which is next, and looks whether to go on. */
static int step_pause(Step *step) {
        bool takes_long = kinds[step->what->op].needs & TAKES_LONG;
        uint64_t now = clock_usec(CLOCK_MONOTONIC);

        step_forget_old(step);
        step_show(step, 0, 0);
        if (!takes_long && now - step->looked_usec < LOOK_USEC)
                return 0;

        step->looked_usec = now;
        return cancel_has_come(step->worker->fd, step->request->serial) ?
                       result_set(step->done, WORKER_CANCELLED, ECANCELED, NULL, "steps") :
                       0;
}

/* Whether it may be that another worker's new_id has caught the device: see binds.h. */
static bool may_be_caught(const Step *step) {
        PlanOp op = step->what->op;
        const WorkerDone *done = step->done;

        /* what takes long is for devices that have their driver */
        if (step->is_final || (kinds[op].needs & TAKES_LONG))
                return false;

        return done->problem == WORKER_BOUND ||
               (done->problem == WORKER_TAINTED && op != PLAN_UNBIND) ||
               (done->problem == WORKER_NO_EFFECT && (op == PLAN_BIND || op == PLAN_UNBIND)) ||
               (done->problem == WORKER_KERNEL && done->error == EBUSY);
}

/* Once more, when another worker may have been in the way. */
static int step_carry_out(Step *step) {
        const WorkerDone before = *step->done;
        Catches catches = {};
        int r;

        step->is_again = step->is_final = false;
        for (;;) {
                r = kinds[step->what->op].run(step);
                if (r <= 0 || !may_be_caught(step) || !step_await_others(step, &catches))
                        return r;
                step->is_again = true;
                *step->done = before;
                step_forget(step, ~0U);
        }
}

static int step_run(Step *step, const WorkerStep *before) {
        const WorkerStep *what = step->what;
        unsigned needs = kinds[what->op].needs;
        int r;

        if (!step_fits(what, step->region))
                return result_set(step->done, WORKER_BAD_REQUEST, EINVAL, NULL, "steps/%u",
                                  what->op);
        if ((needs & NEEDS_DYNAMIC) && step->region->is_static)
                return result_set(step->done, WORKER_BAD_REQUEST, EOPNOTSUPP, "static",
                                  "regions/%u", step->region->id);

        r = step_pause(step);
        if (r == 0)
                r = step_open_device(step, before);
        if (r == 0)
                r = step_carry_out(step);
        if (r == 0 && what->is_last && what->op != PLAN_DESTROY)
                r = step_send_device(step);
        return r;
}

/* A file beside the lock, to add lines to: nothing that a write could wait for. */
static bool is_record(const Worker *worker, int fd) {
        struct stat st, lock;
        int flags = fcntl(fd, F_GETFL);

        return fstat(fd, &st) >= 0 && fstat(worker->lock_fd, &lock) >= 0 && S_ISREG(st.st_mode) &&
               st.st_dev == lock.st_dev && flags >= 0 && (flags & O_APPEND) &&
               (flags & O_ACCMODE) == O_RDWR;
}

/* What daxd planned for is what there is, or nothing is done. */
static int step_compare(Step *step, uint64_t outline) {
        Worker *worker = step->worker;
        int r;

        r = reader_refresh_region(&worker->region, worker->picture);
        if (r >= 0)
                r = roster_update(&worker->roster, &worker->region, worker->event_fd);
        if (attribute_is_gone(r))
                return result_set(step->done, WORKER_GONE, r, NULL, "regions/%u",
                                  worker->region.id);
        if (r < 0)
                return result_kernel(step->done, r, NULL, "regions/%u", worker->region.id);

        return worker_outline(worker) == outline ? 0 :
                                                   result_set(step->done, WORKER_STALE, 0, NULL,
                                                              "regions/%u", worker->region.id);
}

static void step_deinit(Step *step) {
        step_put_away(step);
        dax_device_unref(step->after);
        closep(&step->create_fd);
        closep(&step->bind_fd);
}

int steps_run(Worker *worker, const WorkerRequest *request, const WorkerStep *steps,
              const int fds[static WORKER_FDS_MAX], WorkerDone *done) {
        _cleanup_(step_deinit) Step step = { .worker = worker,
                                             .request = request,
                                             .device = KERNEL_DEVICE_INIT,
                                             .record_fd = fds[0],
                                             .witness_fd = fds[1],
                                             .create_fd = -1,
                                             .bind_fd = -1,
                                             .looked_usec = clock_usec(CLOCK_MONOTONIC),
                                             .done = done };
        int r;

        if (request->region_size == 0) /* steps mean one region, by its place */
                return result_set(done, WORKER_BAD_REQUEST, EINVAL, NULL, "regions/%u",
                                  request->region);
        if (!is_record(worker, step.record_fd))
                return result_set(done, WORKER_BAD_REQUEST, EBADF, NULL, "record");
        if (!witness_is_sound(step.witness_fd))
                return result_set(done, WORKER_BAD_REQUEST, EBADF, NULL, "witness");
        r = worker_find_region(worker, request, done);
        if (r != 0)
                return r;

        if (request->follows == 0 || request->follows != worker->last_steps)
                worker_forget(worker);
        step.region = &worker->region;
        step.start = worker->picture->start;
        step_show(&step, 0, 0);
        worker->board->serial = request->serial;
        if (request->outline != 0)
                r = step_compare(&step, request->outline);
        for (; r == 0 && step.number < request->n_steps; step.number++) {
                step.what = &steps[step.number];
                r = step_run(&step, step.number > 0 ? step.what - 1 : NULL);
                done->steps += r == 0;
        }
        worker->last_steps = request->serial;
        return r == 0 && (request->flags & WORKER_THEN_REGION) ?
                       inventory_region(worker, request, done) :
                       r;
}
