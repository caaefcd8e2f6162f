/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Every write is numbered and noted, and may meet with what a test has prepared for it: an error
 * before, after or while it takes effect, no effect, or a stop, until the test lets it go on.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Faults Faults;
typedef struct World World;
typedef struct Write Write;

typedef enum FaultAction {
        FAULT_FAIL,        /* an error, without effect */
        FAULT_SKIP,        /* success, without effect */
        FAULT_FAIL_AFTER,  /* an error, although it took effect */
        FAULT_FAIL_PARTLY, /* an error, and half of the effect: a size's; of others the whole */
        FAULT_STOP,
        FAULT_STOP_AFTER, /* once it took effect */
        _FAULT_ACTION_MAX,
} FaultAction;

/* What ends a stop, besides the test. The write then fails with EINTR. */
typedef enum FaultSignal {
        FAULT_SIGNAL_NONE,
        FAULT_SIGNAL_FATAL,
        FAULT_SIGNAL_ANY,
        _FAULT_SIGNAL_MAX,
} FaultSignal;

typedef struct FaultSpec {
        const char *path, *value; /* patterns of fnmatch(3); NULL: any */
        uint64_t nth;             /* of those that match, from now on; from 1 */
        uint64_t times;           /* that and those behind it; 0: all of them */
        FaultAction action;
        FaultSignal signal;
        int error;
} FaultSpec;

/* A write that has stopped. */
typedef struct Stop {
        uint64_t fault, number; /* of the fault, of the write */
        pid_t pid;
        const char *path, *value;
        bool is_after;
        bool is_told; /* to a test */
        bool is_released;
        int error; /* what the test wants of it then */
        bool skip;
} Stop;

/* A write that was noted. */
typedef struct Note {
        uint64_t number;
        pid_t pid;
        char *path, *value;
        bool is_done, has_effect;
        int error;
        uint64_t begin_usec, end_usec;
} Note;

/* What is to be done with a write. */
typedef struct Verdict {
        uint64_t number;
        int before; /* 0, or the negative errno that it gets at once */
        bool skip, part;
        int after;
        uint64_t stop_after; /* the fault that stops it then; 0: none */
        FaultSignal signal;
} Verdict;

int faults_new(Faults **ret_faults);
Faults *faults_free(Faults *faults);

/*
 * Notes a write and finds out what is to become of it; may wait. All are called with the lock held.
 */
void faults_begin(World *world, const Write *write, const char *path, Verdict *ret_verdict);
/* It has given @result. Returns what its writer is to be told. */
int faults_end(World *world, const Write *write, const char *path, const Verdict *verdict,
               int result);

/* Returns 0 or -ENOMEM. */
int faults_add(World *world, const FaultSpec *spec, uint64_t *ret_id);
void faults_clear(World *world, uint64_t id); /* 0: all; stops that they have made end */

/* The oldest stop that no test knows of, of a fault or (0) of any. NULL: there is none. */
Stop *faults_next_stop(Faults *faults, uint64_t fault);
Stop *faults_find_stop(Faults *faults, uint64_t number); /* by its write; not released yet */

uint64_t faults_count(const Faults *faults); /* writes */
/* What was noted of a write; NULL when it is too long ago. */
const Note *faults_note(const Faults *faults, uint64_t number);
