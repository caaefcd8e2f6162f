/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/fault.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "tests/sim/tree.h"
#include "tests/sim/world.h"

#include <fnmatch.h>
#include <string.h>
#include <time.h>

#define NOTES_MAX 65536

typedef struct Fault {
        uint64_t id, seen;
        FaultSpec spec;
        char *path, *value;
} Fault;

struct Faults {
        Fault *list;
        size_t n;
        uint64_t last_id;
        Stop **stops; /* of writers that wait */
        size_t n_stops;
        Note *notes;
        uint64_t n_writes;
};

int faults_new(Faults **ret_faults) {
        Faults *faults = calloc(1, sizeof(*faults));

        if (!faults)
                return -ENOMEM;
        faults->notes = calloc(NOTES_MAX, sizeof(Note));
        if (!faults->notes) {
                free(faults);
                return -ENOMEM;
        }

        *ret_faults = faults;
        return 0;
}

static void fault_deinit(Fault *fault) {
        free(fault->path);
        free(fault->value);
}

Faults *faults_free(Faults *faults) {
        if (!faults)
                return NULL;
        for (size_t i = 0; i < faults->n; i++)
                fault_deinit(&faults->list[i]);
        for (size_t i = 0; i < NOTES_MAX; i++) {
                free(faults->notes[i].path);
                free(faults->notes[i].value);
        }
        free(faults->list);
        free(faults->stops);
        free(faults->notes);
        free(faults);
        return NULL;
}

/* --- notes ------------------------------------------------------------------------------------ */

uint64_t faults_count(const Faults *faults) {
        return faults->n_writes;
}

static Note *find_note(const Faults *faults, uint64_t number) {
        Note *note = &faults->notes[number % NOTES_MAX];

        return number > 0 && note->number == number ? note : NULL;
}

const Note *faults_note(const Faults *faults, uint64_t number) {
        return find_note(faults, number);
}

static void note_begin(Faults *faults, const Write *write, const char *path) {
        Note *note = &faults->notes[faults->n_writes % NOTES_MAX];

        free(note->path);
        free(note->value);
        *note = (Note){
                .number = faults->n_writes,
                .pid = write->pid,
                .path = strdup(path),
                .value = strdup(write->text),
                .begin_usec = clock_usec(CLOCK_MONOTONIC),
        };
}

/* --- stops ------------------------------------------------------------------------------------ */

Stop *faults_next_stop(Faults *faults, uint64_t fault) {
        for (size_t i = 0; i < faults->n_stops; i++) {
                Stop *stop = faults->stops[i];

                if (!stop->is_told && !stop->is_released && (fault == 0 || stop->fault == fault))
                        return stop;
        }

        return NULL;
}

Stop *faults_find_stop(Faults *faults, uint64_t number) {
        for (size_t i = 0; i < faults->n_stops; i++)
                if (faults->stops[i]->number == number && !faults->stops[i]->is_released)
                        return faults->stops[i];

        return NULL;
}

static void forget_stop(Faults *faults, const Stop *stop) {
        size_t i = 0;

        while (faults->stops[i] != stop)
                i++;
        ARRAY_REMOVE(faults->stops, faults->n_stops, i);
}

/* Waits until the test says so. Returns 0 and its wishes, or -EINTR. */
static int stop_here(World *world, const Write *write, Stop *stop, FaultSignal signal) {
        Faults *faults = world->faults;
        int r = 0;

        if (ARRAY_APPEND(faults->stops, faults->n_stops, stop) < 0)
                return -ENOMEM;
        world_changed(world);
        while (!stop->is_released && r == 0)
                r = world_wait(world, signal == FAULT_SIGNAL_NONE ? NULL : write,
                               signal == FAULT_SIGNAL_ANY, 0);
        forget_stop(faults, stop);
        return r;
}

/* --- faults ----------------------------------------------------------------------------------- */

int faults_add(World *world, const FaultSpec *spec, uint64_t *ret_id) {
        Faults *faults = world->faults;
        Fault fault = { .id = faults->last_id + 1, .spec = *spec };
        int r = 0;

        if (spec->path)
                fault.path = strdup(spec->path);
        if (spec->value)
                fault.value = strdup(spec->value);
        if ((spec->path && !fault.path) || (spec->value && !fault.value))
                r = -ENOMEM;
        if (r == 0)
                r = ARRAY_APPEND(faults->list, faults->n, fault);
        if (r < 0) {
                fault_deinit(&fault);
                return r;
        }

        *ret_id = ++faults->last_id;
        return 0;
}

void faults_clear(World *world, uint64_t id) {
        Faults *faults = world->faults;

        for (size_t i = 0; i < faults->n;)
                if (id == 0 || faults->list[i].id == id) {
                        fault_deinit(&faults->list[i]);
                        ARRAY_REMOVE(faults->list, faults->n, i);
                } else {
                        i++;
                }
        for (size_t i = 0; i < faults->n_stops; i++)
                if (id == 0 || faults->stops[i]->fault == id)
                        faults->stops[i]->is_released = true;
        world_changed(world);
}

/* Counts a write that the fault is about; returns whether it meets this one. */
static bool fault_meets(Fault *fault, const char *path, const char *value) {
        uint64_t nth = fault->spec.nth, times = fault->spec.times;

        if ((fault->path && fnmatch(fault->path, path, 0) != 0) ||
            (fault->value && fnmatch(fault->value, value, 0) != 0))
                return false;

        fault->seen++;
        return fault->seen >= nth && (times == 0 || fault->seen - nth < times);
}

/* Puts into the verdict what need not be waited for. Returns whether it has to stop first. */
static bool fault_judge(const Fault *fault, Verdict *verdict) {
        int error = fault->spec.error ? -fault->spec.error : -EIO;

        switch (fault->spec.action) {
        case FAULT_FAIL:
                verdict->before = error;
                break;
        case FAULT_SKIP:
                verdict->skip = true;
                break;
        case FAULT_FAIL_PARTLY:
                verdict->part = true;
                verdict->after = error;
                break;
        case FAULT_FAIL_AFTER:
                verdict->after = error;
                break;
        case FAULT_STOP_AFTER:
                verdict->stop_after = fault->id;
                verdict->signal = fault->spec.signal;
                break;
        case FAULT_STOP:
                return true;
        case _FAULT_ACTION_MAX:
                break;
        }

        return false;
}

void faults_begin(World *world, const Write *write, const char *path, Verdict *ret_verdict) {
        Faults *faults = world->faults;
        Verdict verdict = { .number = ++faults->n_writes };
        Stop stop = {
                .number = verdict.number, .pid = write->pid, .path = path, .value = write->text
        };
        FaultSignal signal = FAULT_SIGNAL_NONE;

        note_begin(faults, write, path);
        for (size_t i = 0; i < faults->n; i++) {
                Fault *fault = &faults->list[i];

                if (fault_meets(fault, path, write->text) && fault_judge(fault, &verdict)) {
                        stop.fault = fault->id;
                        signal = fault->spec.signal;
                }
        }

        if (stop.fault != 0) {
                int r = stop_here(world, write, &stop, signal);

                verdict.before = r < 0 ? r : stop.error ? -stop.error : verdict.before;
                verdict.skip |= stop.skip;
        }
        *ret_verdict = verdict;
}

int faults_end(World *world, const Write *write, const char *path, const Verdict *verdict,
               int result) {
        Stop stop = { .fault = verdict->stop_after,
                      .number = verdict->number,
                      .pid = write->pid,
                      .path = path,
                      .value = write->text,
                      .is_after = true };
        bool effect = result == 0 && !verdict->skip;
        Note *note;

        if (result == 0 && verdict->after < 0)
                result = verdict->after;
        if (verdict->before == 0 && stop.fault != 0) {
                /* a signal ends the wait: what has been done the kernel tells as it is */
                (void)stop_here(world, write, &stop, verdict->signal);
                result = stop.error ? -stop.error : result;
        }

        note = find_note(world->faults, verdict->number);
        if (note) {
                note->is_done = true;
                note->has_effect = effect;
                note->error = -result;
                note->end_usec = clock_usec(CLOCK_MONOTONIC);
        }
        return result;
}
