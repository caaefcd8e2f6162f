/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Generated cases for the planner: a region that anyone with root may have left so, and what
 * somebody wishes of it, with what may rightly be said against that. All of it comes out of one
 * number: roll_start().
 */

#include "tests/unit/kernel-model.h"

/* A wish, and what a planner that is right may say against it. */
typedef struct Wish {
        DaxRegion *wanted;
        PlanOptions options;
        bool touched[MODEL_DEVICES_MAX]; /* by instance: not a bystander */
        bool may[_CONDITION_MAX];
        Condition must; /* be refused, for this reason or another */
} Wish;

void roll_start(uint64_t number);
uint64_t roll(uint64_t below);
bool chance(unsigned percent);

void wish_roll_now(Model *model);
/* The caller frees wish->wanted. */
void wish_roll(Wish *wish, const DaxRegion *now, uint64_t block_size);
/* The boundary on which new memory of @device lies. */
uint64_t wish_unit(const Wish *wish, const DaxDevice *device);
