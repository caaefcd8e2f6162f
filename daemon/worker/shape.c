/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writes size, align, mapping, memmap_on_memory, create and delete, and reads back what came of it.
 * The kernel takes some of them for devices that are bound or whose memory has leaked: not here.
 */

#include "daemon/worker/shape.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/result.h"
#include "daemon/worker/witness.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WRITE_TRIES 4

/* Nothing of a device may change while a driver holds it, or while its memory is System RAM. */
static int refuse(Step *step) {
        int r;

        r = step_refuse_bound(step);
        if (r == 0)
                r = step_know_shape(step);
        return r != 0 ? r : step_refuse_leak(step, &step->after->ranges);
}

static int no_effect(const Step *step, const char *attribute, uint64_t found) {
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)found);
        return result_set(step->done, WORKER_NO_EFFECT, 0, text, "devices/%s/%s", step->device.name,
                          attribute);
}

/* Writes a number, as often as a signal ends that without effect. Returns 0 or the errno. */
static int write_number(int fd, uint64_t value) {
        int written = -EINTR;
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        for (int i = 0; written == -EINTR && i < WRITE_TRIES; i++) {
                uint64_t now;

                written = attribute_put(fd, text);
                if (written == -EINTR && attribute_get_u64(fd, &now) >= 0 && now == value)
                        return 0;
        }

        return written;
}

/* --- size ------------------------------------------------------------------------------------- */

/* No other worker may read mappings of the region while one goes: see mapping.h. */
static int write_size(const Step *step, int fd, uint64_t size) {
        int r;

        kernel_device_lock(&step->device, true);
        r = write_number(fd, size);
        kernel_device_unlock(&step->device);
        return r;
}

/* Takes back what a failed growth has left: the kernel frees from the end, where it had added. */
static int size_undo(const Step *step, int fd, uint64_t before, int problem) {
        WorkerDone told = *step->done;
        uint64_t found;
        int r;

        r = write_size(step, fd, before);
        if (r >= 0)
                r = attribute_get_u64(fd, &found);
        if (r < 0)
                return step_kernel(step, r, "size", "undo");
        if (found != before)
                return no_effect(step, "size", found);

        *step->done = told;
        return problem;
}

/* The kernel gives out leaked memory as if it were free: then it is given back at once. */
static int refuse_leaked_growth(Step *step, int fd, uint64_t before) {
        int r;

        r = step_refuse_leak(step, &step->after->ranges);
        return r > 0 ? size_undo(step, fd, before, r) : r;
}

/* What the device has now that its size reads @size. */
static int know_shape_of(Step *step, uint64_t size) {
        _cleanup_mappings_ Mappings mappings = {};

        if (mappings_read_sized(&step->device, size, &mappings) < 0)
                return step_know_shape(step);
        return step_set_shape(step, &mappings);
}

static int change_size(Step *step, int fd) {
        uint64_t value = step->what->value, before = step->after->size, found;
        char text[32];
        int r, written;

        if (before == value)
                return 0;

        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        step_forget(step, ~(unsigned)STEP_KNOWS_MODE);
        written = write_size(step, fd, value);
        r = attribute_get_u64(fd, &found);
        if (r < 0)
                return step_kernel(step, r, "size", NULL);
        if (written < 0) {
                r = step_kernel(step, written, "size", text);
                return found > before ? size_undo(step, fd, before, r) : r;
        }
        if (found != value)
                return no_effect(step, "size", found);

        r = know_shape_of(step, value);
        return r == 0 && value > before ? refuse_leaked_growth(step, fd, before) : r;
}

int shape_set_size(Step *step) {
        _cleanup_close_ int fd = -1;
        uint64_t now;
        char text[32];
        int r;

        snprintf(text, sizeof(text), "%llu", (unsigned long long)step->what->value);
        if (step->what->value > step->region->size)
                return result_set(step->done, WORKER_BAD_REQUEST, ENOSPC, text, "devices/%s/size",
                                  step->device.name);
        r = refuse(step);
        if (r != 0)
                return r;
        r = attribute_open(step->device.dir, "size", &fd);
        if (r >= 0)
                r = attribute_get_u64(fd, &now);
        if (r < 0)
                return step_kernel(step, r, "size", text);
        if (now != step->after->size) { /* someone else has changed it since it was read */
                step_forget(step, ~0U);
                r = refuse(step);
        }

        return r != 0 ? r : change_size(step, fd);
}

/* --- align, memmap_on_memory ------------------------------------------------------------------ */

static int set_number(Step *step, const char *attribute) {
        uint64_t value = step->what->value, found;
        _cleanup_close_ int fd = -1;
        char text[32];
        int r;

        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        r = refuse(step);
        if (r != 0)
                return r;
        step_forget(step, STEP_KNOWS_REST);
        r = attribute_open(step->device.dir, attribute, &fd);
        if (r >= 0)
                r = write_number(fd, value);
        if (r >= 0)
                r = attribute_get_u64(fd, &found);
        if (r < 0)
                return step_kernel(step, r, attribute, text);

        return found == value ? 0 : no_effect(step, attribute, found);
}

int shape_set_align(Step *step) {
        return set_number(step, "align");
}

int shape_set_memmap(Step *step) {
        int r = set_number(step, "memmap_on_memory");

        /* a kernel that has no such attribute, and one that has it but will not */
        if (r == WORKER_KERNEL && step->done->error == ENOENT)
                step->done->error = EOPNOTSUPP;
        return r;
}

/* --- mapping ---------------------------------------------------------------------------------- */

int shape_add_mapping(Step *step) {
        _cleanup_ranges_ DaxRanges wanted = {};
        DaxRange range = step->what->range;
        DaxRanges added = { .list = &range, .count = 1 };
        char text[64];
        int r, written;

        snprintf(text, sizeof(text), "%llx-%llx", (unsigned long long)(step->start + range.offset),
                 (unsigned long long)(step->start + range.offset + range.size - 1));
        /* of all writes the one that the kernel does not refuse for a device that is bound */
        step_forget(step, STEP_KNOWS_MODE);
        r = refuse(step);
        if (r == 0)
                r = step_refuse_leak(step, &added);
        if (r == 0)
                r = dax_ranges_copy(&step->after->ranges, &wanted);
        if (r == 0)
                r = dax_ranges_append(&wanted, range);
        if (r != 0)
                return r;

        /* that no other device has any of it, the kernel makes sure */
        step_forget(step, ~(unsigned)STEP_KNOWS_MODE);
        written = attribute_write(step->device.dir, "mapping", text);
        if (written < 0 && written != -EINTR)
                return step_kernel(step, written, "mapping", text);
        r = step_know_shape(step);
        if (r != 0 || dax_ranges_equal(&wanted, &step->after->ranges))
                return r;

        return written < 0 ? step_kernel(step, written, "mapping", text) :
                             no_effect(step, "mapping", step->after->size);
}

/* --- create, destroy -------------------------------------------------------------------------- */

static int create_kernel(const Step *step, int error, const char *value) {
        return result_kernel(step->done, error, value, "regions/%u/create", step->region->id);
}

static int undecided(const Step *step, const char *why) {
        return result_set(step->done, WORKER_UNDECIDED, 0, why, "regions/%u/create",
                          step->region->id);
}

static bool is_untouched(const Step *step, const char *name) {
        _cleanup_kernel_device_ KernelDevice device = KERNEL_DEVICE_INIT;
        char driver[64];
        uint64_t size;

        return kernel_device_open(step->region, name, &device) >= 0 &&
               attribute_read_u64(device.dir, "size", &size) >= 0 && size == 0 &&
               kernel_device_driver(&device, driver, sizeof(driver)) >= 0 && driver[0] == '\0';
}

/*
 * How many new ones there are that are still as the kernel has made them, and one of them: nobody
 * but us goes on with ours. 0 or an errno.
 */
static int find_new(const Step *step, char name[DAX_NAME_MAX + 1], size_t *ret_n) {
        const KernelNames *before = &step->worker->roster.names;
        _cleanup_kernel_names_ KernelNames now = {};
        size_t n = 0;
        int r;

        r = kernel_region_names(step->region, &now);
        if (r < 0)
                return r;

        for (size_t i = 0; i < now.count; i++)
                if (!kernel_names_have_same(before, &now.list[i]) &&
                    is_untouched(step, now.list[i].name)) {
                        memcpy(name, now.list[i].name, DAX_NAME_MAX + 1);
                        n++;
                }

        *ret_n = n;
        return 0;
}

/*
 * Creates a device and finds out what it is called: `create` reads the name of the youngest, which
 * is ours when just one has come and no other event was there. Otherwise another agent may have
 * been at it at the same moment.
 */
static int create_device(Step *step, char name[DAX_NAME_MAX + 1]) {
        Worker *worker = step->worker;
        uint64_t before = 0, after = 0, last_event = 0;
        char youngest[64] = "";
        int r = 0, fd, written;
        size_t n;

        if (step->create_fd < 0)
                r = attribute_open(step->region->dir, "dax_region/create", &step->create_fd);
        if (r >= 0)
                r = kernel_region_count(step->region, &before);
        if (r >= 0)
                r = roster_update(&worker->roster, &worker->region, worker->event_fd);
        if (r >= 0 && !kernel_region_is_live(step->region))
                r = -ENODEV;
        if (r >= 0)
                r = witness_prepare(step->witness_fd);
        if (r < 0)
                return create_kernel(step, r, "1");
        r = step_note(step, WORKER_MAKING_LINE, step->what->entry);
        if (r != 0)
                return r;

        fd = step->create_fd;
        written = witness_send(step->witness_fd, fd);
        if (written < 0) { /* then the kernel has made none, whatever else is new */
                r = find_new(step, name, &n);
                return r >= 0 && n > 0 ? undecided(step, "refused, but one more") :
                                         create_kernel(step, written, "1");
        }

        if (attribute_get(fd, youngest, sizeof(youngest)) >= 0 &&
            strlen(youngest) <= DAX_NAME_MAX && youngest[0] != '\0' &&
            kernel_region_count(step->region, &after) >= 0 && after == before + 1 &&
            attribute_get_u64(worker->event_fd, &last_event) >= 0 &&
            last_event == worker->roster.seqnum + 1 &&
            !kernel_names_have(&worker->roster.names, youngest)) {
                strcpy(name, youngest);
                return 0;
        }

        r = find_new(step, name, &n);
        if (r < 0)
                return create_kernel(step, r, NULL);
        return n == 1 ? 0 : undecided(step, n > 1 ? "several" : "none");
}

/* What is not written down would be nobody's after a crash: then it goes again. */
static int note_made(Step *step) {
        const KernelDevice *device = &step->device;
        StepMade *made = &step->made[step->n_made];
        int r;

        r = step_note(step, WORKER_MADE_LINE, step->what->entry, device->name,
                      (unsigned long long)device->identity);
        if (r != 0) {
                if (kernel_region_is_live(step->region) &&
                    attribute_write(step->region->dir, "dax_region/delete", device->name) >= 0)
                        (void)witness_prepare(step->witness_fd); /* it has made none, after all */
                return r;
        }

        *made = (StepMade){ .entry = step->what->entry, .identity = device->identity };
        memcpy(made->name, device->name, sizeof(made->name));
        step->n_made++;
        return 0;
}

int shape_create(Step *step) {
        char name[DAX_NAME_MAX + 1];
        int r;

        r = create_device(step, name);
        if (r != 0)
                return r;
        r = step_set_device(step, name);
        if (r < 0)
                return undecided(step, name);
        roster_add(&step->worker->roster, &step->device);
        r = note_made(step);
        if (r != 0)
                return r;

        /* as the kernel makes them */
        r = step_set_shape(step, &(Mappings){ .life = step->device.identity });
        step_set_mode(step, DAX_MODE_NONE);
        return r;
}

int shape_destroy(Step *step) {
        _cleanup_kernel_device_ KernelDevice after = KERNEL_DEVICE_INIT;
        uint64_t size;
        int r, written;

        if (step->device.instance == 0) /* the kernel keeps it for ever */
                return result_set(step->done, WORKER_BAD_REQUEST, EBUSY, step->device.name,
                                  "regions/%u/delete", step->region->id);
        r = step_refuse_bound(step);
        if (r != 0)
                return r;
        r = attribute_read_u64(step->device.dir, "size", &size);
        if (r < 0)
                return step_kernel(step, r, "size", NULL);
        if (size != 0)
                return result_set(step->done, WORKER_BAD_REQUEST, EBUSY, step->device.name,
                                  "devices/%s/size", step->device.name);
        if (!kernel_region_is_live(step->region))
                return result_set(step->done, WORKER_GONE, ENODEV, NULL, "regions/%u",
                                  step->region->id);

        step_forget(step, ~0U);
        written = attribute_write(step->region->dir, "dax_region/delete", step->device.name);
        r = kernel_device_open(step->region, step->device.name, &after);
        if (r < 0 || after.identity != step->device.identity) {
                roster_remove(&step->worker->roster, step->device.name);
                names_forget(&step->worker->names, step->region, step->device.name);
                return 0;
        }

        return written < 0 ? result_kernel(step->done, written, step->device.name,
                                           "regions/%u/delete", step->region->id) :
                             result_set(step->done, WORKER_NO_EFFECT, 0, step->device.name,
                                        "regions/%u/delete", step->region->id);
}
