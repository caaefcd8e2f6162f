/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Sentences about what a worker could not do. They go to everybody by the Finished signal, so no
 * physical address may be in them: neither a memory block's number nor a mapping as it was written.
 */

#include "daemon/engine/report.h"
#include "daemon/plan/check.h"

#include <stdio.h>
#include <string.h>

static bool lacks_module(const PlanStep *step, int error) {
        return step->op == PLAN_BIND && error == ENODEV;
}

/* What to do, after a semicolon; mostly nothing. The name of a module that is lacking follows. */
static const char *advice(const PlanStep *step, int error) {
        bool takes_space = step->op == PLAN_CREATE || step->op == PLAN_SIZE ||
                           step->op == PLAN_MAPPING;

        if (step->op == PLAN_OFFLINE && error == EBUSY)
                return "; its memory is in use: end what uses it, or try again later";
        if (lacks_module(step, error))
                return "; for this mode load the kernel module ";
        if (step->op == PLAN_BIND && error == EBUSY)
                return "; its memory may have leaked until the next reboot";
        if (takes_space && (error == ENOSPC || error == ENOMEM))
                return "; another program may have taken the space: look again";
        return "";
}

/* What was written, where to: without addresses. */
static char *shown_attribute(const WorkerDone *done) {
        bool block = strncmp(done->attribute, "memory/memory", strlen("memory/memory")) == 0;

        return block ? strdup("the state of a memory block") :
                       text_escape(done->attribute, sizeof(done->attribute));
}

static char *shown_value(const PlanStep *step, const WorkerDone *done) {
        char *text;

        if (step->op != PLAN_MAPPING)
                return text_escape(done->value, sizeof(done->value));
        return asprintf(&text, "offset %llu, %llu bytes", (unsigned long long)step->range.offset,
                        (unsigned long long)step->range.size) < 0 ?
                       NULL :
                       text;
}

int report_step(const Plan *plan, const PlanStep *step, const WorkerDone *done, Failure *failure) {
        _cleanup_free_ char *what = NULL, *attribute = NULL, *value = NULL;

        what = plan_step_describe(plan, step);
        attribute = shown_attribute(done);
        value = shown_value(step, done);
        if (!what || !attribute || !value)
                return -ENOMEM;

        switch (done->problem) {
        case WORKER_KERNEL:
                return failure_set(failure,
                                   done->error == EOPNOTSUPP ? CONDITION_NOT_SUPPORTED :
                                                               CONDITION_KERNEL,
                                   "cannot %s: the kernel refused to write '%s' to %s (%s)%s%s",
                                   what, value, attribute, text_errno(done->error),
                                   advice(step, done->error),
                                   lacks_module(step, done->error) ? dax_mode_driver(step->mode) :
                                                                     "");
        case WORKER_NO_EFFECT:
                return failure_set(failure, CONDITION_KERNEL,
                                   "cannot %s: the kernel accepted it, but %s reads '%s' "
                                   "afterwards",
                                   what, attribute, value);
        case WORKER_CANCELLED:
                return failure_set(failure, CONDITION_CANCELLED, "cancelled: %s", what);
        case WORKER_GONE:
                return failure_set(failure, CONDITION_NO_SUCH_DEVICE,
                                   "cannot %s: it is not there any more, or another has its "
                                   "name" ADVICE_DEVICES,
                                   what);
        case WORKER_BOUND:
                return failure_set(failure, CONDITION_BUSY,
                                   "cannot %s: another program has bound a driver to it meanwhile",
                                   what);
        case WORKER_HELD:
                return failure_set(failure, CONDITION_IN_USE,
                                   "cannot %s: a process has opened it meanwhile; end it, or use "
                                   "force",
                                   what);
        case WORKER_RESHAPED:
                return failure_set(failure, CONDITION_BUSY,
                                   "cannot %s: another program has changed its size or place "
                                   "meanwhile",
                                   what);
        case WORKER_ONLINE:
                return failure_set(failure, CONDITION_MEMORY_ONLINE,
                                   "cannot %s: %s is online, and letting go now would leak its "
                                   "memory until the next reboot",
                                   what, attribute);
        case WORKER_TAINTED:
                return failure_set(failure, CONDITION_TAINTED,
                                   "cannot %s: memory there leaked and stays System RAM until the "
                                   "next reboot",
                                   what);
        case WORKER_UNDECIDED:
                return failure_set(failure, CONDITION_BUSY,
                                   "cannot %s: another program created a device at the same "
                                   "moment, and which is which cannot be told (%s); destroy the "
                                   "empty one and try again",
                                   what, value);
        case WORKER_PARTIAL:
                return failure_set(failure, CONDITION_MEMORY_BLOCK_ALIGN,
                                   "cannot %s: the kernel took only part of its memory blocks (%s)",
                                   what, value);
        case WORKER_READ_ONLY:
                return failure_set(failure, CONDITION_NOT_SUPPORTED,
                                   "cannot %s: %s is read-only for daxd-worker; look at the "
                                   "ReadWritePaths of its unit",
                                   what, attribute);
        case WORKER_STALE: /* the job reads and plans again */
                break;
        case WORKER_BAD_REQUEST:
                return failure_set(failure, CONDITION_KERNEL,
                                   "cannot %s: daxd-worker refused the request (%s)", what, value);
        case WORKER_OK:
        case _WORKER_PROBLEM_MAX:
                break;
        }

        return failure_set(failure, CONDITION_KERNEL, "cannot %s", what);
}

int report_held(const Plan *plan, size_t device, const WorkerAnswer *answer, Failure *failure) {
        size_t others = answer->n_holders - 1;

        /* who it is stands in GetHolders, which not everybody may ask */
        return failure_set(failure, CONDITION_IN_USE,
                           "cannot take %s: %zu process%s it open or mapped; end %s or use force "
                           "(GetHolders names %s)",
                           plan->devices[device].name, answer->n_holders,
                           others > 0 ? "es have" : " has", others > 0 ? "them" : "it",
                           others > 0 ? "them" : "it");
}

int report_read(uint32_t region, const WorkerDone *done, Failure *failure) {
        if (done->problem == WORKER_GONE)
                return failure_set(failure, CONDITION_NO_SUCH_REGION,
                                   "cannot read region %u: it is not there any more" ADVICE_REGIONS,
                                   region);

        return failure_set(failure, CONDITION_KERNEL, "cannot read region %u: %s (%s)", region,
                           done->attribute, text_errno(done->error));
}

int report_restore(const WorkerDone *done, Failure *failure) {
        if (done->problem == WORKER_NO_EFFECT)
                return failure_set(failure, CONDITION_ROLLBACK_FAILED,
                                   "the kernel accepted the former value, but %s reads '%s' "
                                   "afterwards",
                                   done->attribute, done->value);

        return failure_set(failure, CONDITION_ROLLBACK_FAILED,
                           "the kernel refused to write '%s' to %s (%s)", done->value,
                           done->attribute, text_errno(done->error));
}

int report_unreachable(int error, Failure *failure) {
        if (error == -ECONNRESET || error == -EPIPE)
                return failure_set(failure, CONDITION_ROLLED_BACK,
                                   "daxd-worker died in the middle; look into the journal of "
                                   "daxd-worker@.service");

        return failure_set(failure, CONDITION_KERNEL,
                           "cannot reach daxd-worker (%s); is daxd-worker.socket running?",
                           text_errno(error));
}

/* A name goes before the device does, and its access with it. */
static void report_lost_names(const DaxRegion *region, const Record *record, FILE *file) {
        bool lost = false;

        for (size_t i = 0; i < record->n_devices; i++) {
                const DaxDevice *before = record->devices[i].before;

                if (!before || before->label[0] == '\0' ||
                    dax_region_find_label(region, before->label))
                        continue;
                fprintf(file, "%s'%s'", lost ? ", " : "; no device is called ", before->label);
                lost = true;
        }
        if (lost)
                fputs(" any more", file);
}

char *report_region(const DaxRegion *region, const Record *record) {
        char *text = NULL;
        size_t size = 0;
        FILE *file;

        file = open_memstream(&text, &size);
        if (!file)
                return NULL;

        for (size_t i = 0; i < region->n_devices; i++) {
                const DaxDevice *device = region->devices[i];

                if (i > 0)
                        fputs(", ", file);
                if (device->size == 0)
                        fprintf(file, "%s empty", device->name);
                else
                        fprintf(file, "%s %s %s%s", device->name, text_size(device->size).text,
                                dax_mode_name(device->mode), device->tainted ? " tainted" : "");
        }
        report_lost_names(region, record, file);

        if (fclose(file) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

/* Whether the part of @device that is counted from its start lies in memory of @ranges. */
static bool part_overlaps(const DaxDevice *device, DaxRange part, const DaxRanges *ranges) {
        uint64_t before = 0;

        for (size_t i = 0; i < device->ranges.count; i++) {
                DaxRange range = device->ranges.list[i];
                uint64_t first = MAX(part.offset, before);
                uint64_t end = MIN(dax_range_end(part), before + range.size);

                if (first < end &&
                    dax_ranges_overlap(ranges,
                                       (DaxRange){ range.offset + first - before, end - first }))
                        return true;
                before += range.size;
        }

        return false;
}

/* Whether in its memory something was wiped by the first @n steps, or went to the system. */
static bool device_is_lost(const Plan *plan, size_t n, const DaxDevice *device) {
        for (size_t i = 0; i < n && i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];
                const DaxDevice *after = plan->devices[step->device].after;
                DaxRange part = step->op == PLAN_WIPE ? step->range :
                                                        (DaxRange){ 0, after ? after->size : 0 };

                if ((step->op == PLAN_WIPE || step->op == PLAN_ONLINE) && after &&
                    part_overlaps(after, part, &device->ranges))
                        return true;
        }

        return false;
}

int report_lost(const Plan *plan, size_t n, char **ret_whose) {
        _cleanup_free_ char *whose = NULL;

        for (size_t i = 0; i < plan->n_devices; i++) {
                const DaxDevice *before = plan->devices[i].before;
                char *more;

                if (!before || before->mode != DAX_MODE_DEVDAX || !device_is_lost(plan, n, before))
                        continue;
                if (asprintf(&more, "%s%s%s", whose ?: "", whose ? ", " : "",
                             check_device_words(before).text) < 0)
                        return -ENOMEM;
                free(whose);
                whose = more;
        }

        *ret_whose = TAKE_PTR(whose);
        return 0;
}
