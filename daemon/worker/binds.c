/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/worker/binds.h"
#include "daemon/worker/region-lock.h"

#include <errno.h>

static bool take(const Worker *worker, bool shared, bool wait) {
        return worker->locks_fd >= 0 && region_lock_take(worker->locks_fd, REGION_LOCK_EVERYWHERE,
                                                         REGION_LOCK_BINDS, shared, wait) >= 0;
}

static void release(const Worker *worker) {
        if (worker->locks_fd >= 0)
                region_lock_release(worker->locks_fd, REGION_LOCK_EVERYWHERE, REGION_LOCK_BINDS);
}

void binds_lock(const Worker *worker, const char *driver, bool by_id) {
        if (dax_mode_from_driver(driver) == DAX_MODE_DEVDAX)
                (void)take(worker, !by_id, true);
}

void binds_unlock(const Worker *worker, const char *driver) {
        if (dax_mode_from_driver(driver) == DAX_MODE_DEVDAX)
                release(worker);
}

bool binds_await(const Worker *worker) {
        int memory = -1;
        bool waits;

        waits = memory_lock_auto_online(false, &memory) == -EWOULDBLOCK;
        if (waits)
                (void)memory_lock_auto_online(true, &memory);
        closep(&memory);
        if (worker->locks_fd >= 0 && !take(worker, true, false)) {
                waits = true;
                (void)take(worker, true, true);
        }
        release(worker);
        return waits;
}

int binds_read_mode(const Worker *worker, const KernelDevice *device, DaxMode *ret_mode) {
        bool taken;
        int r;

        taken = take(worker, true, false);
        r = kernel_device_mode(device, ret_mode);
        /* who only looks does not wait: an event tells him when it is let go */
        if (r >= 0 && !taken && *ret_mode == DAX_MODE_DEVDAX && worker->waits) {
                taken = take(worker, true, true);
                r = kernel_device_mode(device, ret_mode);
        }
        if (taken)
                release(worker);
        return r;
}
