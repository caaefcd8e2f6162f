/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Writes size, align, mapping, memmap_on_memory, create and delete, and reads back what came of it.
 * The kernel takes some of them for devices that are bound or whose memory has leaked: not here.
 */

#include "daemon/worker/shape.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/result.h"

#include <stdio.h>
#include <string.h>

#define WRITE_TRIES 4

/*
 * Nothing of a device may change while a driver holds it, or while its memory is System RAM. Where
 * it may, *@ret_ranges is what it has.
 */
static int refuse(const Step *step, DaxRanges *ret_ranges) {
        int r;

        r = step_refuse_bound(step);
        if (r == 0)
                r = step_ranges(step, ret_ranges);
        return r != 0 ? r : step_refuse_leak(step, ret_ranges);
}

static int no_effect(const Step *step, const char *attribute, uint64_t found) {
        char text[32];

        snprintf(text, sizeof(text), "%llu", (unsigned long long)found);
        return result_set(step->done, WORKER_NO_EFFECT, 0, text, "devices/%s/%s", step->device.name,
                          attribute);
}

/* Writes a number, as often as a signal ends that without effect. Returns 0 or the errno. */
static int write_number(const Step *step, const char *attribute, uint64_t value) {
        int written = -EINTR;

        for (int i = 0; written == -EINTR && i < WRITE_TRIES; i++) {
                uint64_t now;

                written = attribute_write_u64(step->device.dir, attribute, value);
                if (written == -EINTR &&
                    attribute_read_u64(step->device.dir, attribute, &now) >= 0 && now == value)
                        return 0;
        }

        return written;
}

/* --- size ------------------------------------------------------------------------------------- */

/* No other worker may read mappings of the region while one goes: see mapping.h. */
static int write_size(const Step *step, uint64_t size) {
        int r;

        kernel_device_lock(&step->device, true);
        r = write_number(step, "size", size);
        kernel_device_unlock(&step->device);
        return r;
}

/* Takes back what a failed growth has left: the kernel frees from the end, where it had added. */
static int size_undo(const Step *step, uint64_t before, int problem) {
        WorkerDone told = *step->done;
        uint64_t found;
        int r;

        r = write_size(step, before);
        if (r >= 0)
                r = attribute_read_u64(step->device.dir, "size", &found);
        if (r < 0)
                return step_kernel(step, r, "size", "undo");
        if (found != before)
                return no_effect(step, "size", found);

        *step->done = told;
        return problem;
}

/* The kernel gives out leaked memory as if it were free: then it is given back at once. */
static int refuse_leaked_growth(const Step *step, uint64_t before) {
        _cleanup_ranges_ DaxRanges ranges = {};
        int r;

        r = step_ranges(step, &ranges);
        if (r == 0)
                r = step_refuse_leak(step, &ranges);
        return r > 0 ? size_undo(step, before, r) : r;
}

int shape_set_size(Step *step) {
        uint64_t value = step->request->value, before, found;
        _cleanup_ranges_ DaxRanges ranges = {};
        char text[32];
        int r, written;

        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        if (value > step->region->size)
                return result_set(step->done, WORKER_BAD_REQUEST, ENOSPC, text, "devices/%s/size",
                                  step->device.name);
        r = refuse(step, &ranges);
        if (r != 0)
                return r;
        before = dax_ranges_size(&ranges);
        if (before == value)
                return 0;

        written = write_size(step, value);
        r = attribute_read_u64(step->device.dir, "size", &found);
        if (r < 0)
                return step_kernel(step, r, "size", NULL);
        if (written < 0) {
                r = step_kernel(step, written, "size", text);
                return found > before ? size_undo(step, before, r) : r;
        }
        if (found != value)
                return no_effect(step, "size", found);

        return value > before ? refuse_leaked_growth(step, before) : 0;
}

/* --- align, memmap_on_memory ------------------------------------------------------------------ */

static int set_number(Step *step, const char *attribute) {
        _cleanup_ranges_ DaxRanges ranges = {};
        uint64_t value = step->request->value, found;
        char text[32];
        int r;

        snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
        r = refuse(step, &ranges);
        if (r != 0)
                return r;
        r = write_number(step, attribute, value);
        if (r >= 0)
                r = attribute_read_u64(step->device.dir, attribute, &found);
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
        _cleanup_ranges_ DaxRanges wanted = {}, found = {};
        DaxRange range = step->request->range;
        DaxRanges added = { .list = &range, .count = 1 };
        char text[64];
        int r, written;

        snprintf(text, sizeof(text), "%llx-%llx", (unsigned long long)(step->start + range.offset),
                 (unsigned long long)(step->start + range.offset + range.size - 1));
        r = refuse(step, &wanted);
        if (r == 0)
                r = step_refuse_leak(step, &added);
        if (r == 0)
                r = dax_ranges_append(&wanted, range);
        if (r != 0)
                return r;

        /* that no other device has any of it, the kernel makes sure */
        written = attribute_write(step->device.dir, "mapping", text);
        if (written < 0 && written != -EINTR)
                return step_kernel(step, written, "mapping", text);
        r = step_ranges(step, &found);
        if (r != 0)
                return r;
        if (dax_ranges_equal(&wanted, &found))
                return 0;

        return written < 0 ? step_kernel(step, written, "mapping", text) :
                             no_effect(step, "mapping", dax_ranges_size(&found));
}

/* --- create, destroy -------------------------------------------------------------------------- */

static int undecided(const Step *step, const char *why) {
        return result_set(step->done, WORKER_UNDECIDED, 0, why, "regions/%u/create",
                          step->region->id);
}

/* Whether the device is as the kernel makes them, and the youngest: then it is ours. */
static int check_fresh(Step *step) {
        const char *name = step->device.name;
        char youngest[64];

        if (step_look(step) != 0 || step->after->size != 0 || step->after->mode != DAX_MODE_NONE)
                return undecided(step, name);
        if (attribute_read(step->region->dir, "dax_region/create", youngest, sizeof(youngest)) <
                    0 ||
            strcmp(youngest, name) != 0)
                return undecided(step, name);

        return 0;
}

int shape_create(Step *step) {
        _cleanup_kernel_names_ KernelNames before = {}, after = {};
        const char *name = NULL;
        int r, written;

        r = kernel_region_names(step->region, &before);
        if (r < 0)
                return result_kernel(step->done, r, NULL, "regions/%u", step->region->id);
        written = attribute_write(step->region->dir, "dax_region/create", "1");
        if (written < 0 && written != -EINTR)
                return result_kernel(step->done, written, "1", "regions/%u/create",
                                     step->region->id);
        r = kernel_region_names(step->region, &after);
        if (r < 0)
                return result_kernel(step->done, r, NULL, "regions/%u", step->region->id);

        for (size_t i = 0; i < after.count; i++) {
                if (kernel_names_have(&before, after.list[i]))
                        continue;
                if (name)
                        return undecided(step, "several");
                name = after.list[i];
        }
        if (!name)
                return written < 0 ? result_kernel(step->done, written, "1", "regions/%u/create",
                                                   step->region->id) :
                                     undecided(step, "none");

        r = step_set_device(step, name);
        if (r < 0)
                return undecided(step, name);
        r = check_fresh(step);
        if (r != 0) { /* not ours to show */
                step->device = KERNEL_DEVICE_INIT;
                step->after = dax_device_free(step->after);
        }
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

        written = attribute_write(step->region->dir, "dax_region/delete", step->device.name);
        r = kernel_device_open(step->region, step->device.name, &after);
        if (r < 0 || after.identity != step->device.identity)
                return 0;

        return written < 0 ? result_kernel(step->done, written, step->device.name,
                                           "regions/%u/delete", step->region->id) :
                             result_set(step->done, WORKER_NO_EFFECT, 0, step->device.name,
                                        "regions/%u/delete", step->region->id);
}
