/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a transaction writes down before it touches anything: /run/daxd/transactions/<id>.json, one
 * JSON object a line. The first line has the transaction's devices before and wanted, the direction
 * and what else recovery needs. Before steps are sent to a worker a line says which; the worker
 * adds one before and one after each CREATE (WORKER_MAKING_LINE), which is also how daxd learns
 * what the devices are called, and one before each new_id. It lies in /run since a reboot resets
 * the kernel's regions; so no fsync, only order.
 */

#include "daemon/worker/protocol.h"
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
        bool published;        /* somebody was let in already: see record_lets_in() */
        bool unclear;          /* it may have left an empty device, nobody can tell which */
        uint64_t attempts;     /* how often it was taken up after a crash */
        uint64_t region_start; /* physical */
        uint64_t region_size;
        DaxRanges instances; /* of the region's devices when it began: runs of (first, count) */
        RecordDevice *devices;
        size_t n_devices;
        size_t awaited;              /* the device that a CREATE was about to make, or SIZE_MAX */
        char told[DAX_NAME_MAX + 1]; /* the name that a driver may still know by new_id, or "" */
        DaxMode told_mode;           /* that driver's */
        char auto_online[16];        /* what auto_online_blocks may have to be put back to, or "" */
        int fd;      /* of the file, to add lines and to read those of the worker; -1 */
        size_t size; /* of it, as far as it is known */
} Record;

int record_new(Record **ret_record);
Record *record_free(Record *record); /* does not touch the file */
DEFINE_CLEANUP(Record *, record_free)
#define _cleanup_record_ _cleanup_(record_freep)

/* Takes the devices that @plan changes into a new record. */
int record_take_plan(Record *record, const Plan *plan);
/* Whether @name is one of those that the transaction changes, or has made. */
bool record_is_about(const Record *record, const char *name);
/* Whether there was a device @name in the region when the transaction began. */
bool record_began_with(const Record *record, const char *name);
/* Says that entry @index is the device @name: no other is, any more. */
void record_set_name(Record *record, size_t index, const char *name, uint64_t identity);
/*
 * The record's entry for plan device @index (by name, else by what it is to become). SIZE_MAX:
 * none.
 */
size_t record_entry(const Record *record, const Plan *plan, size_t index);

/*
 * Writes it anew: the first line, and what a bind may have left, but no steps. Returns 0 or an
 * errno.
 */
int record_write(Record *record, int dir);
/*
 * Whether a step lets somebody in whose contents the former owner must not see, see
 * plan_op_lets_in(): on the way back it is that one himself.
 */
bool record_lets_in(const Record *record, uint32_t op);
/*
 * Adds the line of the @n steps that are about to be sent; @first is the number of the first in the
 * plan. Returns 0 or an errno.
 */
int record_steps(Record *record, const WorkerStep *steps, size_t n, size_t first);
/*
 * Takes in what a worker has added since, and cuts off what is no whole line. Returns 0, -EBADMSG,
 * or another errno.
 */
int record_catch_up(Record *record);
int record_remove(uint64_t id, int dir); /* 0 also when there is none */

/*
 * Reads one file of @dir. Returns 0, a Condition with its sentence when it is damaged or of another
 * version, or an errno.
 */
int record_read(int dir, const char *name, Record **ret_record, Failure *failure);
