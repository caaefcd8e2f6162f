/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which layouts were applied in this boot: /run/daxd/applied.json. The same content is not applied
 * to the same region again, so that a restart of the daemon undoes no one's work.
 */

#include "daemon/dax/region.h"
#include "daemon/util/failure.h"

typedef struct Applied {
        uint64_t region_start;
        uint64_t region_size;
        char digest[17]; /* of the layout */
} Applied;

typedef struct AppliedList {
        Applied *list;
        size_t count;
} AppliedList;

void applied_deinit(AppliedList *applied);
/* Returns 0 (also when there is no file), a Condition when it is damaged, or an errno. */
int applied_load(const char *path, AppliedList *ret_applied, Failure *failure);
bool applied_has(const AppliedList *applied, const DaxRegion *region, const char *digest);
/* Notes it in memory and in the file; one region has one entry. 0 or an errno. */
int applied_set(AppliedList *applied, const char *path, const DaxRegion *region,
                const char *digest);
/* The region has gone: one that comes in its place is met for the first time. 0 or an errno. */
int applied_forget(AppliedList *applied, const char *path, const DaxRegion *region);
