/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a transaction writes down before it touches anything: /run/daxd/transactions/<id>.json, one
 * JSON object a line. The first line has the transaction's devices before and wanted, the direction
 * and what else recovery needs; one more line is added before each step, with what is known by then.
 * It lies in /run since a reboot resets the kernel's regions; so no fsync, only order.
 */

#include "daemon/plan/plan.h"
#include "daemon/util/failure.h"

typedef struct RecordDevice {
        char name[DAX_NAME_MAX + 1]; /* "" until it is created */
        uint64_t identity;           /* 0 while unknown */
        DaxDevice *before;           /* NULL: was not there, or was empty */
        DaxDevice *wanted;           /* NULL: shall go, or be empty */
} RecordDevice;

typedef struct Record {
        uint64_t id;
        char *operation;
        char *origin;
        bool forward;          /* where it is going: to wanted, or back */
        bool resumes;          /* a layout's: after a crash it goes on forward */
        bool force;            /* holders were to be disregarded */
        bool published;        /* a name was given away already */
        uint64_t attempts;     /* how often it was taken up after a crash */
        char auto_online[16];  /* what auto_online_blocks was before; "" when it was not touched */
        uint64_t region_start; /* physical */
        uint64_t region_size;
        char (*names)[DAX_NAME_MAX + 1]; /* every device of the region when it began */
        size_t n_names;
        RecordDevice *devices;
        size_t n_devices;
        size_t awaited; /* index of the device that a CREATE is about to make, or SIZE_MAX */
        int fd;         /* of the file, to add steps; -1 */
} Record;

int record_new(Record **ret_record);
Record *record_free(Record *record); /* does not touch the file */
DEFINE_CLEANUP(Record *, record_free)
#define _cleanup_record_ _cleanup_(record_freep)

/* Takes the devices that @plan changes into a new record. */
int record_take_plan(Record *record, const Plan *plan);
/* The record's entry for plan device @index (by name, else by what it is to become). SIZE_MAX: none. */
size_t record_entry(const Record *record, const Plan *plan, size_t index);

/* Writes the first line anew, without steps. Returns 0 or an errno. */
int record_write(Record *record, int dir);
/* Adds the line of the step that is about to run. Returns 0 or an errno. */
int record_step(Record *record, const Plan *plan, size_t step);
int record_remove(Record *record, int dir);

/*
 * Reads one file of @dir. Returns 0, a Condition with its sentence when it is damaged or of another
 * version, or an errno.
 */
int record_read(int dir, const char *name, Record **ret_record, Failure *failure);
