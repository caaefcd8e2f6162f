/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The inventory. Which devices there are, libdaxctl says, in a child, since it caches and leaks;
 * the bus's own list is added, for libdaxctl passes over a device whose node it cannot see. What
 * they are is read as for any other request.
 */

#include "daemon/worker/inventory.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/child.h"
#include "daemon/worker/reader.h"
#include "daemon/worker/result.h"

#include <daxctl/libdaxctl.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define TRIM_DEVICES 256 /* what was needed for more of them is given back to the system */

/* --- finding ---------------------------------------------------------------------------------- */

/*
 * Loaded in the child only: what it needs (libkmod, libcrypto) would cost every worker more memory
 * than all the rest.
 */
#define LIBDAXCTL "libdaxctl.so.1"
#define DAXCTL_FUNCTION(name) __typeof__(name) *name

typedef struct Daxctl {
        DAXCTL_FUNCTION(daxctl_new);
        DAXCTL_FUNCTION(daxctl_region_get_first);
        DAXCTL_FUNCTION(daxctl_region_get_next);
        DAXCTL_FUNCTION(daxctl_dev_get_first);
        DAXCTL_FUNCTION(daxctl_dev_get_next);
        DAXCTL_FUNCTION(daxctl_dev_get_devname);
} Daxctl;

#define DAXCTL_LOAD(library, table, name) ((table)->name = dlsym((library), #name))

static bool daxctl_load(Daxctl *daxctl) {
        void *library = dlopen(LIBDAXCTL, RTLD_NOW | RTLD_LOCAL);

        return library && DAXCTL_LOAD(library, daxctl, daxctl_new) &&
               DAXCTL_LOAD(library, daxctl, daxctl_region_get_first) &&
               DAXCTL_LOAD(library, daxctl, daxctl_region_get_next) &&
               DAXCTL_LOAD(library, daxctl, daxctl_dev_get_first) &&
               DAXCTL_LOAD(library, daxctl, daxctl_dev_get_next) &&
               DAXCTL_LOAD(library, daxctl, daxctl_dev_get_devname);
}

/* In the child: one device name a line. What it allocates ends with it. */
static int list_by_libdaxctl(int fd, const void *context) {
        struct daxctl_region *region;
        struct daxctl_ctx *library;
        struct daxctl_dev *device;
        Daxctl daxctl;

        if (!daxctl_load(&daxctl) || daxctl.daxctl_new(&library) < 0)
                return 1;

        for (region = daxctl.daxctl_region_get_first(library); region;
             region = daxctl.daxctl_region_get_next(region))
                for (device = daxctl.daxctl_dev_get_first(region); device;
                     device = daxctl.daxctl_dev_get_next(device))
                        if (dprintf(fd, "%s\n", daxctl.daxctl_dev_get_devname(device)) < 0)
                                return 1;

        return 0;
}

static int find_devices(KernelNames *ret_names) {
        _cleanup_kernel_names_ KernelNames names = {};
        _cleanup_free_ char *text = NULL;
        char *rest, *line;
        int r;

        r = kernel_names(&names);
        if (r < 0)
                return r;

        /* when libdaxctl fails, the bus's list is all there is, and complete */
        r = names.count > 0 ? child_run(list_by_libdaxctl, NULL, &text, NULL) : 0;
        if (r == -ENOMEM)
                return r;
        for (rest = text; rest && (line = strsep(&rest, "\n"));) {
                r = kernel_names_add(&names, line, 0);
                if (r == -ENOMEM)
                        return r; /* anything else is no device */
        }

        kernel_names_sort(&names);
        *ret_names = names;
        names = (KernelNames){};
        return 0;
}

/* --- sending ---------------------------------------------------------------------------------- */

static int send_machine(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        DaxMachine machine = { .block_size = worker->memory.block_size };
        _cleanup_close_ int lock = -1;
        int r;

        /* before anything else is read: whatever a later event tells may not be in the picture */
        (void)attribute_get_u64(worker->event_fd, &machine.seqnum);

        /*
         * Another worker may be binding: what it has set for that moment is not the machine's
         * value, and binding may take long. Then nothing is said of it.
         */
        r = memory_lock_auto_online(false, &lock);
        if (r < 0 && r != -EWOULDBLOCK)
                return result_kernel(done, r, NULL, "auto-online.lock");
        if (r >= 0)
                r = memory_auto_online(&worker->memory, machine.auto_online,
                                       sizeof(machine.auto_online));
        if (r < 0 && r != -EWOULDBLOCK)
                return result_kernel(done, r, NULL, "memory/auto_online_blocks");

        return worker_send_machine(&worker->sender, &machine);
}

/* Reads one device into @region; one that has gone meanwhile is left out. */
static int add_device(Worker *worker, const char *name, DaxRegion *region, WorkerDone *done) {
        _cleanup_kernel_device_ KernelDevice kernel = KERNEL_DEVICE_INIT;
        DaxDevice *device;
        int r;

        r = kernel_device_open(&worker->region, name, &kernel);
        if (r >= 0)
                r = reader_device(worker, &kernel, &device);
        if (attribute_is_gone(r))
                return 0;
        if (r < 0)
                return r == -ENOMEM ? r : result_kernel(done, r, NULL, "devices/%s", name);

        return dax_region_add(region, device);
}

static bool request_wants_all(const WorkerRequest *request) {
        return request->op == WORKER_INVENTORY || (request->flags & WORKER_ALL_DEVICES);
}

static int read_region(Worker *worker, const WorkerRequest *request, const KernelNames *names,
                       WorkerDone *done, DaxRegion **ret_region) {
        _cleanup_region_ DaxRegion *region = NULL;
        bool all = request_wants_all(request);
        int r;

        r = reader_refresh_region(&worker->region, worker->picture);
        if (attribute_is_gone(r))
                return result_set(done, WORKER_GONE, r, NULL, "regions/%u", worker->region.id);
        if (r < 0)
                return result_kernel(done, r, NULL, "regions/%u", worker->region.id);
        r = dax_region_copy(worker->picture, &region);
        if (r < 0)
                return r;

        for (size_t i = 0; all && r == 0 && i < names->count; i++)
                r = add_device(worker, names->list[i].name, region, done);
        if (!all && kernel_names_have(names, request->device))
                r = add_device(worker, request->device, region, done);
        if (r != 0)
                return r;

        /* what belongs to no device can be told only when all are known */
        if (all) {
                r = reader_leaked(&worker->memory, region);
                if (r < 0)
                        return r;
        }

        *ret_region = TAKE_PTR(region);
        return 0;
}

/* Names only where they are not as they are known at the other end, or are to be by the steps. */
static int send_region(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        const KernelNames *names = &worker->roster.names;
        _cleanup_region_ DaxRegion *region = NULL;
        uint64_t outline;
        int r;

        r = roster_update(&worker->roster, &worker->region, worker->event_fd);
        if (attribute_is_gone(r))
                return result_set(done, WORKER_GONE, r, NULL, "regions/%u", worker->region.id);
        if (r < 0)
                return r;
        r = read_region(worker, request, names, done, &region);
        if (r != 0)
                return r;
        /* a device that goes can be listed after its last event: it is not to stay on the list */
        if (request_wants_all(request) && region->n_devices < names->count)
                worker->roster.listed = false;

        outline = worker_outline(worker);
        r = worker_send_region(&worker->sender, region, outline);
        if (r >= 0 && request->op != WORKER_STEPS && request->outline != outline)
                r = worker_send_names(&worker->sender, names->list, names->count);
        for (size_t i = 0; r >= 0 && i < region->n_devices; i++)
                r = worker_send_device(&worker->sender, region->devices[i]);
        if (region->n_devices > TRIM_DEVICES) {
                region = dax_region_free(region);
                (void)malloc_trim(0);
        }
        return r;
}

/* --- requests --------------------------------------------------------------------------------- */

int inventory_region(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        int r;

        r = send_machine(worker, request, done);
        if (r == 0)
                r = worker_find_region(worker, request, done);
        if (r == 0)
                r = send_region(worker, request, done);
        return r;
}

/* Sends region @id, unless it has gone by now. */
static int inventory_one(Worker *worker, uint32_t id, WorkerDone *done) {
        WorkerRequest one = { .op = WORKER_INVENTORY, .region = id };
        int r;

        r = worker_find_region(worker, &one, done);
        if (r == 0)
                r = send_region(worker, &one, done);
        if (r == WORKER_GONE) {
                *done = (WorkerDone){};
                return 0;
        }
        return r;
}

int inventory_machine(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        _cleanup_kernel_names_ KernelNames names = {};
        int r;

        r = send_machine(worker, request, done);
        if (r != 0)
                return r;
        r = find_devices(&names);
        if (r < 0)
                return r == -ENOMEM ? r : result_kernel(done, r, NULL, "devices");

        for (size_t i = 0; i < names.count; i++) {
                if (i > 0 && names.list[i].region == names.list[i - 1].region)
                        continue;
                r = inventory_one(worker, names.list[i].region, done);
                if (r != 0) /* a picture of the machine with a hole in it would be none */
                        return r;
        }

        (void)malloc_trim(0);
        return 0;
}
