/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where wanted devices come to lie: what a device has stays where it is, what it loses goes from
 * its end, what it gains lies behind it or in one piece where it can, and is split only when it
 * must.
 */

#include "daemon/plan/plan.h"

/*
 * Completes the ranges of every device of @wanted from its size, DAX_SIZE_REST last. Memory that
 * leaked, and the blocks of a tainted device, is not used. Returns 0, NoSpace, Fragmented, or
 * -ENOMEM.
 */
int place_devices(DaxRegion *wanted, uint64_t block_size, Failure *failure);

/* The physical alignment that the pieces of @device need, in bytes. */
uint64_t place_unit(const DaxDevice *device, uint64_t block_size);
