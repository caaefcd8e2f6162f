/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How an example of a plan is told: what is now (made in the model of the kernel), what is wanted,
 * and the steps or the refusal that must come of it. Sizes and offsets are units of 2 MiB, blocks
 * count from the region's first; a memory block has four units.
 */

#include "tests/unit/kernel-model.h"

#define START (UINT64_C(4) << 30)
#define FIRST_BLOCK (START / (4 * MODEL_UNIT))

typedef struct Example {
        Model model;
        DaxRegion *now;
        DaxRegion *wanted; /* a copy of now until the example changes it */
        PlanOptions options;
} Example;

#define EXAMPLE(test) cmocka_unit_test_setup_teardown(test, example_set_up, example_tear_down)

/* A region of 32 units with an empty first device; by force unless the example says otherwise. */
int example_set_up(void **state);
int example_tear_down(void **state);

unsigned have_created(Example *example);
void have_range(Example *example, unsigned id, uint64_t offset, uint64_t size);
void have_bound(Example *example, unsigned id, DaxMode mode);
/* A new device (or the empty first one) of one range. */
unsigned have(Example *example, uint64_t offset, uint64_t size, DaxMode mode);
void have_block(Example *example, uint64_t block, DaxBlockState state);
void have_label(Example *example, unsigned id, const char *label);
/* Takes the picture of now, and forgets what was wanted. */
void look(Example *example);

DaxDevice *want(Example *example, unsigned id);
DaxDevice *want_new(Example *example, uint64_t size, DaxMode mode); /* or DAX_SIZE_REST */
void want_range(DaxDevice *device, uint64_t offset, uint64_t size);
void want_label(DaxDevice *device, const char *label);
void want_none(Example *example, unsigned id);

Plan *plan_for(Example *example);
/* Carries the plan out on the model, and looks; the steps must be @steps. */
void expect_plan(Example *example, const char *steps);
/* The sentence must name @device and @value. */
void expect_refusal(Example *example, Condition condition, const char *device, const char *value);
