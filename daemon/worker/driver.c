/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Binds and unbinds. A driver takes over a device only as a whole and can do lasting harm doing so,
 * hence the checks right before, and the look right after, whatever the write said: new_id succeeds
 * when nothing was bound and takes other devices along; unbinding succeeds when it has leaked
 * memory.
 */

#include "daemon/worker/driver.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/binds.h"
#include "daemon/worker/blocks.h"
#include "daemon/worker/holders.h"
#include "daemon/worker/mapping.h"
#include "daemon/worker/result.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AGAIN_TRIES 50
#define AGAIN_NSEC 20000000L /* 50 of them: a second */

static int driver_write(const char *driver, const char *attribute, const char *name) {
        char path[sizeof(KERNEL_DRIVERS) + 128];

        snprintf(path, sizeof(path), KERNEL_DRIVERS "/%s/%s", driver, attribute);
        return attribute_write(AT_FDCWD, path, name);
}

static int driver_kernel(const Step *step, int error, const char *driver, const char *attribute,
                         const char *value) {
        return result_kernel(step->done, error, value, "drivers/%s/%s", driver, attribute);
}

/* --- auto_online_blocks around a bind or unbind ----------------------------------------------- */

/* @r is not 0: an errno, or what memory_set_auto_online() returned for @word. */
static int refuse_auto_online(const Memory *memory, int r, const char *word, WorkerDone *done) {
        char now[MEMORY_AUTO_ONLINE_MAX];

        if (r < 0)
                return result_kernel(done, r, word, "memory/auto_online_blocks");

        (void)memory_auto_online(memory, now, sizeof(now));
        return result_set(done, WORKER_NO_EFFECT, 0, now, "memory/auto_online_blocks");
}

/*
 * While this is held new memory stays offline, and nobody ends this process before it is put back.
 */
typedef struct Hold {
        Step *step;
        int lock_fd;
        char before[MEMORY_AUTO_ONLINE_MAX];
        sigset_t mask;
} Hold;

static bool hold_changes(const Hold *hold) {
        return hold->before[0] != '\0' && strcmp(hold->before, "offline") != 0;
}

static int hold_begin(Hold *hold, Step *step) {
        const Memory *memory = &step->worker->memory;
        sigset_t block;
        int r;

        *hold = (Hold){ .step = step, .lock_fd = -1 };
        sigemptyset(&block);
        sigaddset(&block, SIGTERM);
        sigaddset(&block, SIGINT);
        sigaddset(&block, SIGHUP);
        (void)sigprocmask(SIG_BLOCK, &block, &hold->mask);

        r = memory_lock_auto_online(true, &hold->lock_fd);
        if (r < 0)
                return result_kernel(step->done, r, NULL, "auto-online.lock");
        r = memory_auto_online(memory, hold->before, sizeof(hold->before));
        if (r < 0)
                return result_kernel(step->done, r, NULL, "memory/auto_online_blocks");
        if (!hold_changes(hold))
                return 0;

        r = step_note(step, WORKER_AUTO_ONLINE_LINE, hold->before);
        if (r != 0) {
                hold->before[0] = '\0';
                return r;
        }
        r = memory_set_auto_online(memory, "offline");
        step->is_final = r > 0;
        return r != 0 ? refuse_auto_online(memory, r, "offline", step->done) : 0;
}

/* Unless someone else has changed it meanwhile. The lock is held. */
static int put_auto_online_back(const Memory *memory, const char *word) {
        char now[MEMORY_AUTO_ONLINE_MAX];
        int r;

        r = memory_auto_online(memory, now, sizeof(now));
        if (r < 0 || strcmp(now, "offline") != 0)
                return r;
        return memory_set_auto_online(memory, word);
}

/* Puts it back. Returns @result, or its own failure. */
static int hold_end(Hold *hold, int result) {
        Step *step = hold->step;
        WorkerDone told = *step->done;
        int r = 0;

        if (hold_changes(hold))
                r = put_auto_online_back(&step->worker->memory, hold->before);
        /* who restores it once more does no harm */
        if (hold_changes(hold) && r == 0 && step_note(step, WORKER_AUTO_ONLINE_LINE, "") != 0)
                *step->done = told;

        closep(&hold->lock_fd);
        (void)sigprocmask(SIG_SETMASK, &hold->mask, NULL);
        if (r == 0 || result != 0)
                return result;

        step->is_final = true;
        return refuse_auto_online(&step->worker->memory, r, hold->before, step->done);
}

static int restore_auto_online(const Memory *memory, const char *word, WorkerDone *done) {
        _cleanup_close_ int lock_fd = -1;
        int r;

        if (!memory_is_auto_online_word(word))
                return result_set(done, WORKER_BAD_REQUEST, EINVAL, word,
                                  "memory/auto_online_blocks");
        r = memory_lock_auto_online(true, &lock_fd);
        if (r >= 0)
                r = put_auto_online_back(memory, word);
        return r != 0 ? refuse_auto_online(memory, r, word, done) : 0;
}

/* The kernel does not say which ids there are, but one that is not there may be taken back, too. */
static int restore_id(const char *name, DaxMode mode, WorkerDone *done) {
        const char *driver = dax_mode_driver(mode);
        int r;

        if (!driver)
                return result_set(done, WORKER_BAD_REQUEST, EINVAL, name, "drivers");
        r = driver_write(driver, "remove_id", name);
        if (r == -ENOENT) /* the driver has gone, and its ids with it */
                return 0;

        return r < 0 ? result_kernel(done, r, name, "drivers/%s/remove_id", driver) : 0;
}

int driver_restore(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        int r = 0, s = 0;

        if (request->value[0] != '\0')
                r = restore_auto_online(&worker->memory, request->value, done);
        if (request->device[0] != '\0')
                s = restore_id(request->device, (DaxMode)request->mode, done);
        return r ?: s;
}

/* --- bind ------------------------------------------------------------------------------------- */

/* Opens the driver's `bind`, unless it is open from a step before. */
static int open_bind(Step *step, const char *driver) {
        char path[sizeof(KERNEL_DRIVERS) + 64];

        if (step->bind_fd >= 0 && strcmp(step->bind_driver, driver) == 0)
                return 0;

        closep(&step->bind_fd);
        step->bind_fd = -1;
        snprintf(step->bind_driver, sizeof(step->bind_driver), "%s", driver);
        snprintf(path, sizeof(path), KERNEL_DRIVERS "/%s/bind", driver);
        step->bind_fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        return step->bind_fd < 0 ? -errno : 0;
}

/* A plain bind, as long as the kernel asks to come back. Binds are locked. */
static int bind_plainly(Step *step, const char *driver) {
        struct timespec pause = { 0, AGAIN_NSEC };
        int r;

        r = open_bind(step, driver);
        if (r < 0)
                return r;

        r = -EAGAIN;
        for (int i = 0; r == -EAGAIN && i < AGAIN_TRIES; i++) {
                if (i > 0)
                        (void)nanosleep(&pause, NULL);
                r = attribute_put(step->bind_fd, step->device.name);
        }

        return r;
}

static int refuse_tainted(Step *step) {
        int r = step_know_shape(step);

        return r != 0 ? r : step_refuse_leak(step, &step->after->ranges);
}

static bool has_online_blocks(const Memory *memory, const Mappings *mappings) {
        uint64_t size = memory->block_size;

        for (size_t i = 0; size > 0 && i < mappings->count; i++) {
                const Mapping *mapping = &mappings->list[i];

                for (uint64_t n = mapping->start / size; n * size < mapping->start + mapping->size;
                     n++) {
                        DaxBlockState state;

                        if (memory_block_state(memory, n, &state) >= 0 &&
                            dax_block_state_is_online(state))
                                return true;
                }
        }

        return false;
}

/*
 * Whether somebody uses a device: he has bound it himself. What has been caught here is not held,
 * and as memory it is offline, since auto_online_blocks is. 1, 0 or an errno.
 */
static int is_used(const Step *step, const KernelDevice *device, const char *driver) {
        _cleanup_mappings_ Mappings mappings = {};
        _cleanup_free_ WorkerHolder *holders = NULL;
        size_t n_holders = 0;
        int r;

        if (dax_mode_from_driver(driver) == DAX_MODE_SYSTEM_RAM) {
                r = mappings_read(device, &mappings);
                return r < 0 ? r : has_online_blocks(&step->worker->memory, &mappings);
        }

        r = holders_find(device, &holders, &n_holders);
        return r < 0 ? r : n_holders > 0;
}

/* What there was before a driver was told an id. */
typedef struct Before {
        KernelNames bound;    /* to it */
        KernelNames siblings; /* in the region of the device that it is told of */
} Before;

static void before_deinit(Before *before) {
        kernel_names_deinit(&before->bound);
        kernel_names_deinit(&before->siblings);
}

/*
 * Whether somebody has made it and bound it himself since. A driver that does not match the region
 * takes there what has an id only (dax_bus_match() in drivers/dax/bus.c), and it did not take the
 * step's device without one. So what is new there had an id of its own.
 */
static bool is_anothers(const Step *step, const Before *before, const KernelDevice *device) {
        DaxName sibling = { .identity = device->identity };

        strcpy(sibling.name, device->name);
        return device->region == step->device.region &&
               !kernel_names_have_same(&before->siblings, &sibling);
}

/* Lets go of a device that a new_id for another one has caught. */
static int release_bystander(const Step *step, const char *driver, const Before *before,
                             const char *name) {
        _cleanup_kernel_device_ KernelDevice device = KERNEL_DEVICE_INIT;
        char now[64];
        int r;

        r = kernel_device_find(name, &device);
        if (r >= 0 && is_anothers(step, before, &device))
                return 0;
        if (r >= 0) {
                device.locks = step->worker->locks_fd;
                r = is_used(step, &device, driver);
        }
        if (r > 0 || attribute_is_gone(r))
                return 0;
        if (r < 0)
                return result_kernel(step->done, r, driver, "devices/%s/driver", name);

        r = driver_write(driver, "unbind", name);
        if (kernel_device_driver(&device, now, sizeof(now)) < 0 || strcmp(now, driver) != 0)
                return 0; /* let go, or gone */

        return result_kernel(step->done, r < 0 ? r : -EBUSY, driver, "devices/%s/driver", name);
}

static int release_bystanders(const Step *step, const char *driver, const Before *before) {
        _cleanup_kernel_names_ KernelNames after = {};
        int problem = 0, r;

        r = kernel_driver_names(driver, &after);
        if (r < 0)
                return driver_kernel(step, r, driver, "", NULL);

        for (size_t i = 0; i < after.count; i++) {
                if (strcmp(after.list[i].name, step->device.name) == 0 ||
                    kernel_names_have(&before->bound, after.list[i].name))
                        continue;
                r = release_bystander(step, driver, before, after.list[i].name);
                problem = problem ?: r;
        }

        return problem;
}

/*
 * For a device that the driver does not take of its own accord. new_id at once attaches the driver
 * to whatever it matches now, so what was caught with it is let go again. The id is never left
 * behind: names are reused, and the next new_id would catch whoever has this one. *@ret_bind is
 * what binding said, by *@ret_attribute. Binds are locked.
 */
static int bind_by_id(Step *step, const char *driver, int *ret_bind, const char **ret_attribute) {
        _cleanup_(before_deinit) Before before = {};
        const char *name = step->device.name;
        char now[64] = "";
        int r, problem;

        r = kernel_driver_names(driver, &before.bound);
        if (r < 0)
                return driver_kernel(step, r, driver, "", NULL);
        r = kernel_region_names(step->region, &before.siblings);
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);

        r = step_note(step, WORKER_ID_LINE, name, dax_mode_name((DaxMode)step->what->mode));
        if (r != 0)
                return r;

        *ret_attribute = "new_id";
        *ret_bind = driver_write(driver, "new_id", name);
        if (*ret_bind >= 0 &&
            (kernel_device_driver(&step->device, now, sizeof(now)) < 0 || now[0] == '\0')) {
                *ret_attribute = "bind";
                *ret_bind = bind_plainly(step, driver); /* now it says why */
        }

        problem = release_bystanders(step, driver, &before);
        r = driver_write(driver, "remove_id", name);
        if (r < 0 && problem == 0)
                problem = driver_kernel(step, r, driver, "remove_id", name);
        step->is_final = problem != 0;
        return problem;
}

static int bind_device(Step *step, const char *driver) {
        const char *attribute = "bind";
        char now[64];
        int r, written;
        bool plainly;

        step_forget(step, STEP_KNOWS_MODE | STEP_KNOWS_REST);
        written = binds_lock(step->worker, driver, false);
        if (written >= 0)
                written = bind_plainly(step, driver);
        binds_unlock(step->worker, driver);
        plainly = written >= 0;
        if (written == -ENOENT)
                return result_set(step->done, WORKER_KERNEL, ENODEV,
                                  dax_mode_module(step->what->mode), "drivers/%s", driver);
        if (written == -ENODEV) {
                r = binds_lock(step->worker, driver, true);
                r = r < 0 ? driver_kernel(step, r, driver, "new_id", step->device.name) :
                            bind_by_id(step, driver, &written, &attribute);
                binds_unlock(step->worker, driver);
                if (r != 0)
                        return r;
        }

        /* whatever the writes said: someone else may have been there first */
        r = kernel_device_driver(&step->device, now, sizeof(now));
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);
        if (strcmp(now, driver) == 0) {
                if (plainly)
                        roster_event(&step->worker->roster);
                step_set_mode(step, step->what->mode);
                return 0;
        }
        if (now[0] != '\0')
                return result_set(step->done, WORKER_BOUND, EBUSY, now, "devices/%s/driver",
                                  step->device.name);

        return written < 0 ? driver_kernel(step, written, driver, attribute, step->device.name) :
                             result_set(step->done, WORKER_NO_EFFECT, 0, step->device.name,
                                        "drivers/%s/bind", driver);
}

/* What memory comes must be all that there is, and offline. */
static int bind_memory(Step *step, const char *driver) {
        Hold hold;
        int r;

        r = hold_begin(&hold, step);
        if (r == 0)
                r = bind_device(step, driver);
        if (r == 0)
                r = step_look(step);
        if (r == 0)
                r = blocks_check_offline(step, WORKER_PARTIAL);
        return hold_end(&hold, r);
}

/* Whether it has that driver already, and not only because another worker has just caught it. */
static int is_bound(Step *step, bool *ret_bound) {
        _cleanup_close_ int lock_fd = -1;
        int r;

        r = step_know_mode(step);
        if (r == 0 && step->after->mode == DAX_MODE_SYSTEM_RAM &&
            step->what->mode == DAX_MODE_SYSTEM_RAM) {
                (void)memory_lock_auto_online(true, &lock_fd);
                step_forget(step, STEP_KNOWS_MODE);
                r = step_know_mode(step);
        }
        if (r == 0)
                *ret_bound = step->after->mode == (DaxMode)step->what->mode;
        return r;
}

int driver_bind(Step *step) {
        const char *driver = dax_mode_driver(step->what->mode);
        bool bound = false;
        int r;

        r = is_bound(step, &bound);
        if (r != 0 || bound)
                return r;
        r = step_refuse_bound(step);
        /* once a probe has failed for that reason, every later one of the device does, for good */
        if (r == 0)
                r = refuse_tainted(step);
        if (r != 0)
                return r;

        return step->what->mode == DAX_MODE_SYSTEM_RAM ? bind_memory(step, driver) :
                                                         bind_device(step, driver);
}

/* --- unbind ----------------------------------------------------------------------------------- */

static int refuse_held(const Step *step) {
        _cleanup_free_ WorkerHolder *holders = NULL;
        size_t n_holders = 0;
        char text[128];
        int r;

        if (step->request->flags & WORKER_FORCE)
                return 0;

        r = holders_find(&step->device, &holders, &n_holders);
        if (r < 0)
                return step_kernel(step, r, "holders", NULL);
        if (n_holders == 0)
                return 0;

        snprintf(text, sizeof(text), "%u %s", holders[0].pid, holders[0].command);
        return result_set(step->done, WORKER_HELD, EBUSY, text, "devices/%s/holders",
                          step->device.name);
}

/*
 * The kernel unbinds by name, and in the moment before somebody may have destroyed the device and
 * made another of its name: that one gets its driver back.
 */
static int refuse_anothers(Step *step, const char *driver) {
        uint64_t identity;

        if (kernel_device_child(&step->device, "subsystem", &identity) >= 0)
                return 0;

        (void)binds_lock(step->worker, driver, false);
        (void)bind_plainly(step, driver);
        binds_unlock(step->worker, driver);
        return result_set(step->done, WORKER_GONE, ENODEV, NULL, "devices/%s", step->device.name);
}

static int unbind_device(Step *step, const char *driver) {
        char now[64];
        int r, written;

        step_forget(step, STEP_KNOWS_MODE | STEP_KNOWS_REST);
        /* caught while an id is there, it would be taken for one that has been bound before */
        r = binds_lock(step->worker, driver, false);
        if (r < 0)
                return driver_kernel(step, r, driver, "unbind", step->device.name);
        written = driver_write(driver, "unbind", step->device.name);
        binds_unlock(step->worker, driver);
        r = written >= 0 ? refuse_anothers(step, driver) : 0;
        if (r != 0)
                return r;
        r = kernel_device_driver(&step->device, now, sizeof(now));
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);
        if (now[0] == '\0') {
                if (written >= 0)
                        roster_event(&step->worker->roster);
                step_set_mode(step, DAX_MODE_NONE);
                return 0;
        }

        return written < 0 ? driver_kernel(step, written, driver, "unbind", step->device.name) :
                             result_set(step->done, WORKER_NO_EFFECT, 0, now, "devices/%s/driver",
                                        step->device.name);
}

/*
 * Every block must be there and offline: the kernel would leak what is online, and walk over what
 * is missing. Who binds the device anew after the look, by hand, shall not get it online by that.
 */
static int unbind_memory(Step *step, const char *driver) {
        Hold hold;
        int r;

        step_forget(step, ~0U);
        r = hold_begin(&hold, step);
        if (r == 0)
                r = step_look(step);
        if (r == 0)
                r = blocks_check_offline(step, WORKER_TAINTED);
        if (r == 0)
                r = unbind_device(step, driver);
        r = hold_end(&hold, r);
        return r != 0 ? r : refuse_tainted(step);
}

/* The first try may have taken it out of system RAM, before it was caught by another driver. */
static int refuse_tainted_again(Step *step) {
        return step->is_again ? refuse_tainted(step) : 0;
}

int driver_unbind(Step *step) {
        char driver[64];
        int r;

        r = kernel_device_driver(&step->device, driver, sizeof(driver));
        if (r < 0)
                return step_kernel(step, r, "driver", NULL);

        switch (dax_mode_from_driver(driver)) {
        case DAX_MODE_NONE:
                return refuse_tainted_again(step);
        case DAX_MODE_SYSTEM_RAM:
                return unbind_memory(step, driver);
        case DAX_MODE_DEVDAX:
                r = refuse_held(step);
                if (r == 0)
                        r = unbind_device(step, driver);
                return r != 0 ? r : refuse_tainted_again(step);
        case DAX_MODE_OTHER:
        case _DAX_MODE_MAX:
        case _DAX_MODE_INVALID:
                break;
        }

        return result_set(step->done, WORKER_BAD_REQUEST, EBUSY, driver, "devices/%s/driver",
                          step->device.name);
}
