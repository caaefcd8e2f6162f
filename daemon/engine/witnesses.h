/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The witnesses of CREATEs, one for each region, by its identity: for one that comes again there is
 * another. systemd keeps them open over daxd's death, and gives them to the next one
 * (sd_pid_notify_with_fds(3), FileDescriptorStoreMax=). One that is lost says nothing of what was
 * before.
 */

#include "daemon/util/cleanup.h"
#include "daemon/worker/witness.h"

#include <stdint.h>

typedef struct Witnesses Witnesses;

/* With those that systemd has kept. 0 or an errno. */
int witnesses_new(Witnesses **ret_witnesses);
Witnesses *witnesses_free(Witnesses *witnesses);
DEFINE_CLEANUP(Witnesses *, witnesses_free)

/* What the region's says of the last CREATE in it that was begun. */
WitnessWord witnesses_ask(const Witnesses *witnesses, uint64_t region);
/* Opens the region's: a descriptor, which is the caller's, or an errno. Makes the first one. */
int witnesses_open(Witnesses *witnesses, uint64_t region);
/* The region is gone. */
void witnesses_drop(Witnesses *witnesses, uint64_t region);
