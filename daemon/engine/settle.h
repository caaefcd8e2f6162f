/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The picture to plan to when a transaction is settled: what is now, with the record's own devices
 * as they were before (or, going forward, as they were wanted). Rolling back a running job and
 * settling what a dead daxd left are both this.
 */

#include "daemon/engine/record.h"
#include "daemon/worker/witness.h"

/*
 * Names in @record what its awaited CREATE has made, if it did as @made says. A device that matches
 * neither before nor wanted is someone else's by now: it is left alone, and *@ret_strangers says in
 * one sentence which (NULL when there is none; the caller frees it). Where that is what the awaited
 * CREATE may have left, since nobody can tell, @record says so from then on: it is to be written
 * before anything more is done. Returns 0 or -ENOMEM.
 */
int settle_wanted(Record *record, const DaxRegion *now, WitnessWord made, DaxRegion **ret_wanted,
                  char **ret_strangers);
