/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/worker/binds.h"
#include "daemon/util/clock.h"
#include "daemon/worker/region-lock.h"

#include <errno.h>
#include <time.h>

#define LIMIT_USEC 20000000
#define LIMIT_MEMORY_USEC 1000000 /* of who only reads: to add memory can take long */
#define PAUSE_NSEC 1000000L

/* The kernel has no lock that is waited for with a limit. 0 or -EWOULDBLOCK. */
static int within_limit(int (*lock)(Worker *worker, void *userdata), Worker *worker, void *userdata,
                        uint64_t limit_usec) {
        uint64_t end = clock_usec(CLOCK_MONOTONIC) + limit_usec;
        struct timespec pause = { 0, PAUSE_NSEC };
        int r;

        while ((r = lock(worker, userdata)) == -EWOULDBLOCK && worker->waits) {
                if (clock_usec(CLOCK_MONOTONIC) > end)
                        worker->waits = false; /* nor for anything else of this request */
                (void)nanosleep(&pause, NULL);
        }

        return r;
}

static int try_lock(const Worker *worker, bool shared) {
        return worker->locks_fd < 0 ? 0 :
                                      region_lock_take(worker->locks_fd, REGION_LOCK_EVERYWHERE,
                                                       REGION_LOCK_BINDS, shared, false);
}

static int lock_shared(Worker *worker, void *userdata) {
        return try_lock(worker, true);
}

static int lock_alone(Worker *worker, void *userdata) {
        return try_lock(worker, false);
}

static int lock_memory(Worker *worker, void *userdata) {
        return memory_lock_auto_online(false, userdata);
}

static void unlock(const Worker *worker) {
        if (worker->locks_fd >= 0)
                region_lock_release(worker->locks_fd, REGION_LOCK_EVERYWHERE, REGION_LOCK_BINDS);
}

int binds_lock(Worker *worker, const char *driver, bool by_id) {
        if (dax_mode_from_driver(driver) != DAX_MODE_DEVDAX)
                return 0;

        return within_limit(by_id ? lock_alone : lock_shared, worker, NULL, LIMIT_USEC) ==
                             -EWOULDBLOCK ?
                     -EBUSY :
                     0;
}

void binds_unlock(Worker *worker, const char *driver) {
        if (dax_mode_from_driver(driver) == DAX_MODE_DEVDAX)
                unlock(worker);
}

static bool await_memory(Worker *worker, uint64_t limit_usec) {
        bool waits = false;
        int memory = -1;

        if (lock_memory(worker, &memory) == -EWOULDBLOCK)
                waits = within_limit(lock_memory, worker, &memory, limit_usec) >= 0;
        closep(&memory);
        return waits;
}

bool binds_await_memory(Worker *worker) {
        return await_memory(worker, LIMIT_MEMORY_USEC);
}

bool binds_await(Worker *worker) {
        bool waits = await_memory(worker, LIMIT_USEC);

        if (try_lock(worker, true) == -EWOULDBLOCK)
                waits = within_limit(lock_shared, worker, NULL, LIMIT_USEC) >= 0 || waits;
        unlock(worker);
        return waits;
}

int binds_read_mode(Worker *worker, const KernelDevice *device, DaxMode *ret_mode) {
        int locked, r;

        locked = try_lock(worker, true);
        r = kernel_device_mode(device, ret_mode);
        /* who only looks does not wait: an event tells him when it is let go */
        if (r >= 0 && locked == -EWOULDBLOCK && *ret_mode == DAX_MODE_DEVDAX && worker->waits) {
                (void)within_limit(lock_shared, worker, NULL, LIMIT_USEC);
                r = kernel_device_mode(device, ret_mode);
        }
        unlock(worker);
        return r;
}
