/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Whose the memory was that is free now, or that a device got without having been able to read it:
 * /run/daxd/owners, one line a fact, the last one counts. It is kept because the kernel clears no
 * memory between two owners. A region that is met for the first time in this boot, with anything
 * but its one empty first device or where another one was, counts as used all over. So does what is
 * free, and was nobody's then, in a region that a daxd before this one has met: nobody has looked
 * in between.
 */

#include "daemon/dax/region.h"

typedef struct Owners Owners;

/*
 * Reads the file below @dir, or begins one. A damaged file is set aside and every region counts as
 * used: *@ret_damaged says so. Returns 0 or an errno.
 */
int owners_new(int dir, Owners **ret_owners, bool *ret_damaged);
Owners *owners_free(Owners *owners);
DEFINE_CLEANUP(Owners *, owners_free)

/*
 * Fills region->owned from what is known; the first time, works it out from the picture. 0 or
 * errno.
 */
int owners_fill(Owners *owners, DaxRegion *region);
/* Notes that @owner has had @range; nothing is handed on before this is written. 0 or an errno. */
int owners_set(Owners *owners, DaxRegion *region, DaxRange range, const char *owner);
/* Notes that @range holds nobody's old memory, or only that of the device which has it now. */
int owners_clear(Owners *owners, DaxRegion *region, DaxRange range);
