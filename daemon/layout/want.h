/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The picture that a layout wants of its region, for plan_new(). Pure. */

#include "daemon/layout/layout.h"
#include "daemon/layout/placement.h"

typedef struct LayoutContext {
        const DaxRegion *now;
        uint64_t block_size;          /* of memory blocks; 0: no memory hotplug */
        const Placements *placements; /* may be NULL: nothing is remembered */
        const char *const *held;      /* names of the devices that someone has open or mapped */
        size_t n_held;
        bool repair; /* drift is mended: nothing is pruned */
} LayoutContext;

/*
 * Makes the wanted picture: devices that entries claim with what the entries say, new devices
 * without a name, devices that no entry claims as they are; what is to go is not in it. Sizes are
 * rounded and final but for one that may be DAX_SIZE_REST; ranges are those that are kept, exact
 * or remembered, the planner places the rest. For a region that is already as @layout wants it,
 * the picture does not differ from it.
 *
 * *@ret_wanted is freed by the caller. Returns 0, a Condition with its sentence (NoSpace,
 * InvalidSize, InvalidRange, InvalidAlign, StaticRegion, InUse, Tainted, NotSupported) or
 * -ENOMEM.
 */
int layout_want(const Layout *layout, const LayoutContext *context, DaxRegion **ret_wanted,
                Failure *failure);
