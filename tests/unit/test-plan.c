/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The planner by example: each rule with the steps that it leads to. Each plan is also carried out
 * on the model of the kernel.
 */

#include "tests/unit/edit.h"
#include "tests/unit/plan-example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* --- order ------------------------------------------------------------------------------------ */

static void test_nothing_to_do(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        have(example, 8, 8, DAX_MODE_SYSTEM_RAM);
        have_block(example, 2, DAX_BLOCK_KERNEL);
        have_created(example);
        look(example);
        expect_plan(example, "");
        want(example, 1)->online = DAX_ONLINE_KEEP;
        expect_plan(example, "");
}

/* A full region refuses `create`. */
static void test_shrinks_before_it_creates(void **state) {
        Example *example = *state;

        have(example, 0, 32, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->size = 20 * MODEL_UNIT;
        want_new(example, 12, DAX_MODE_DEVDAX);
        expect_plan(example,
                    "unbind dax0.0; set-size dax0.0 20; create dax0.1; set-size dax0.1 12; "
                    "bind dax0.1 devdax; bind dax0.0 devdax; ");
}

static void test_destroys_before_it_creates_and_grows(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        have(example, 8, 16, DAX_MODE_DEVDAX);
        have(example, 24, 8, DAX_MODE_DEVDAX);
        look(example);
        want_none(example, 1);
        want(example, 0)->size = 16 * MODEL_UNIT;
        want_new(example, 8, DAX_MODE_DEVDAX);
        expect_plan(example, "unbind dax0.0; unbind dax0.1; set-size dax0.1 0; destroy dax0.1; "
                             "create dax0.1; add-mapping dax0.1 16+8; bind dax0.1 devdax; "
                             "set-size dax0.0 16; bind dax0.0 devdax; ");
}

static void test_first_device_is_the_first_slot(void **state) {
        Example *example = *state;

        look(example); /* as with region_idle */
        want_new(example, 8, DAX_MODE_DEVDAX);
        want_new(example, 8, DAX_MODE_DEVDAX);
        expect_plan(example, "set-size dax0.0 8; bind dax0.0 devdax; create dax0.1; "
                             "set-size dax0.1 8; bind dax0.1 devdax; ");
}

/* The kernel's own first device over the whole region, which a layout splits. */
static void test_first_device_is_reshaped(void **state) {
        Example *example = *state;

        have(example, 0, 32, DAX_MODE_DEVDAX);
        look(example);
        want_none(example, 0);
        want_new(example, 8, DAX_MODE_DEVDAX);
        want_new(example, DAX_SIZE_REST, DAX_MODE_DEVDAX);
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; set-size dax0.0 8; "
                             "bind dax0.0 devdax; create dax0.1; set-size dax0.1 24; "
                             "bind dax0.1 devdax; ");
}

static void test_first_device_is_emptied_not_destroyed(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        have(example, 8, 8, DAX_MODE_DEVDAX);
        look(example);
        want_none(example, 0);
        want_none(example, 1);
        expect_plan(example, "unbind dax0.0; unbind dax0.1; set-size dax0.0 0; set-size dax0.1 0; "
                             "destroy dax0.1; ");
        assert_int_equal(example->now->n_devices, 1);
}

/* Going back to an empty first device sets back what it was made with, too. */
static void test_first_device_is_as_it_was(void **state) {
        _cleanup_region_ DaxRegion *before = NULL;
        Example *example = *state;
        DaxDevice *device;

        look(example);
        assert_int_equal(dax_region_copy(example->now, &before), 0);
        device = want_new(example, 8, DAX_MODE_SYSTEM_RAM);
        device->align = 4 * MODEL_UNIT;
        device->memmap_on_memory = 1;
        device->online = DAX_ONLINE_OFFLINE;
        expect_plan(example,
                    "set-align dax0.0 4; set-size dax0.0 8; set-memmap-on-memory dax0.0 1; "
                    "bind dax0.0 system-ram; ");
        dax_region_free(example->wanted);
        example->wanted = TAKE_PTR(before);
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; set-align dax0.0 1; "
                             "set-memmap-on-memory dax0.0 0; ");
}

static void test_empty_device_is_used(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        have_created(example);
        look(example);
        device = want(example, 1);
        device->size = 8 * MODEL_UNIT;
        device->mode = DAX_MODE_DEVDAX;
        expect_plan(example, "set-size dax0.1 8; bind dax0.1 devdax; ");
}

static void test_unbinds_before_align(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->align = 4 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-align dax0.0 4; bind dax0.0 devdax; ");
        want(example, 0)->align = 4096;
        want(example, 0)->size = 7 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-align dax0.0 0; set-size dax0.0 7; "
                             "bind dax0.0 devdax; ");
}

/* Every block of every range, in unbroken runs; what is offline already is left out. */
static void test_offlines_every_block_before_unbind(void **state) {
        Example *example = *state;
        unsigned id = have_created(example);

        have_range(example, id, 16, 12);
        have_range(example, id, 0, 10);
        have_bound(example, id, DAX_MODE_SYSTEM_RAM);
        have_block(example, 4, DAX_BLOCK_MOVABLE);
        have_block(example, 6, DAX_BLOCK_KERNEL);
        have_block(example, 0, DAX_BLOCK_MOVABLE);
        have_block(example, 1, DAX_BLOCK_MOVABLE);
        look(example);
        want(example, id)->mode = DAX_MODE_NONE;
        expect_plan(example, "offline-memory dax0.1 4+1; offline-memory dax0.1 6+1; "
                             "offline-memory dax0.1 0+2; unbind dax0.1; ");
}

/* A new_id for another would catch a device that has memory and no driver. */
static void test_unbound_devices_come_last(void **state) {
        Example *example = *state;

        have(example, 0, 4, DAX_MODE_DEVDAX);
        look(example);
        want_new(example, 4, DAX_MODE_NONE);
        want_new(example, 4, DAX_MODE_DEVDAX);
        want(example, 0)->align = 4 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; create dax0.1; add-mapping dax0.1 8+4; "
                             "bind dax0.1 devdax; set-align dax0.0 4; bind dax0.0 devdax; "
                             "create dax0.2; set-size dax0.2 4; ");
}

static void test_irreversible_steps_come_last(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;
        DaxDevice *device;
        size_t n = 0;

        have_label(example, have(example, 0, 8, DAX_MODE_DEVDAX), "old");
        look(example);
        want_none(example, 0);
        want_label(want_new(example, 8, DAX_MODE_DEVDAX), "new");
        device = want_new(example, 8, DAX_MODE_SYSTEM_RAM);
        device->online = DAX_ONLINE_KERNEL;
        device = want_new(example, 4, DAX_MODE_SYSTEM_RAM);
        device->online = DAX_ONLINE_MOVABLE;
        want_range(device, 16, 4);
        plan = plan_for(example);
        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];
                bool kernel = step->op == PLAN_ONLINE && step->state == DAX_BLOCK_KERNEL;

                /* by force, since holders lose their mappings for good */
                assert_int_equal(step->irreversible,
                                 step->op == PLAN_WIPE || kernel || step->op == PLAN_UNBIND);
                n += kernel;
        }
        assert_int_equal(n, 1);
        expect_plan(example, "retract-name dax0.0; unbind dax0.0; set-size dax0.0 0; "
                             "add-mapping dax0.0 8+8; bind dax0.0 devdax; create dax0.1; "
                             "set-size dax0.1 8; bind dax0.1 system-ram; create dax0.2; "
                             "set-size dax0.2 4; bind dax0.2 system-ram; "
                             "online-memory dax0.2 4+1 movable; publish-name dax0.0; "
                             "online-memory dax0.1 0+2 kernel; ");
}

static void test_unbind_without_force_is_reversible(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->mode = DAX_MODE_NONE;
        example->options.force = false;
        plan = plan_for(example);
        assert_int_equal(plan->n_steps, 1);
        assert_int_equal(plan->steps[0].op, PLAN_UNBIND);
        assert_true(plan->steps[0].disruptive);
        assert_false(plan->steps[0].irreversible);
        assert_true(plan_device_is_disrupted(plan, 0));
        assert_false(plan_step_is_memory(plan, &plan->steps[0]));
}

/* --- placement -------------------------------------------------------------------------------- */

static void test_places_contiguously(void **state) {
        Example *example = *state;

        have(example, 4, 2, DAX_MODE_DEVDAX);
        have(example, 10, 10, DAX_MODE_DEVDAX);
        look(example); /* holes 0+4, 6+4, 20+12 */
        want_new(example, 8, DAX_MODE_DEVDAX);
        want_new(example, 3, DAX_MODE_DEVDAX);
        want_new(example, 4, DAX_MODE_DEVDAX);
        expect_plan(example, "create dax0.2; add-mapping dax0.2 20+8; bind dax0.2 devdax; "
                             "create dax0.3; set-size dax0.3 3; bind dax0.3 devdax; "
                             "create dax0.4; add-mapping dax0.4 6+4; bind dax0.4 devdax; ");
}

static void test_splits_when_it_must_largest_first(void **state) {
        Example *example = *state;

        have(example, 2, 2, DAX_MODE_DEVDAX);
        have(example, 10, 10, DAX_MODE_DEVDAX);
        look(example); /* holes 0+2, 4+6, 20+12 */
        want_new(example, 19, DAX_MODE_DEVDAX);
        expect_plan(example, "create dax0.2; add-mapping dax0.2 20+12; add-mapping dax0.2 4+6; "
                             "set-size dax0.2 19; bind dax0.2 devdax; ");
}

static void test_system_ram_lies_on_block_boundaries(void **state) {
        Example *example = *state;

        model_init(&example->model, START + MODEL_UNIT, 32, 4 * MODEL_UNIT);
        look(example);
        want_new(example, 8, DAX_MODE_SYSTEM_RAM)->online = DAX_ONLINE_MOVABLE;
        want_new(example, 1, DAX_MODE_DEVDAX);
        expect_plan(example, "add-mapping dax0.0 3+8; bind dax0.0 system-ram; create dax0.1; "
                             "set-size dax0.1 1; bind dax0.1 devdax; "
                             "online-memory dax0.0 1+2 movable; ");
}

static void test_align_is_physical(void **state) {
        Example *example = *state;

        model_init(&example->model, START + MODEL_UNIT, 32, 4 * MODEL_UNIT);
        look(example);
        want_new(example, 8, DAX_MODE_DEVDAX)->align = 4 * MODEL_UNIT;
        expect_plan(example, "set-align dax0.0 4; add-mapping dax0.0 3+8; bind dax0.0 devdax; ");
}

/* The kernel asks for a length that fits the alignment, wherever the device begins. */
static void test_grows_by_its_alignment(void **state) {
        Example *example = *state;

        have(example, 7, 12, DAX_MODE_DEVDAX);
        look(example); /* holes 0+7, 19+13 */
        want(example, 0)->align = 4 * MODEL_UNIT;
        want(example, 0)->size = 28 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; add-mapping dax0.0 7+24; "
                             "set-size dax0.0 28; set-align dax0.0 4; bind dax0.0 devdax; ");
}

/* In the order of the wish the first would take the only boundary from the second. */
static void test_large_boundaries_are_placed_first(void **state) {
        Example *example = *state;

        have(example, 0, 4, DAX_MODE_DEVDAX);
        have(example, 9, 23, DAX_MODE_DEVDAX);
        look(example); /* one hole, 4+5 */
        want_new(example, 1, DAX_MODE_DEVDAX);
        want_new(example, 4, DAX_MODE_SYSTEM_RAM)->online = DAX_ONLINE_OFFLINE;
        expect_plan(example, "create dax0.2; add-mapping dax0.2 8+1; bind dax0.2 devdax; "
                             "create dax0.3; set-size dax0.3 4; bind dax0.3 system-ram; ");
}

static void test_rest_is_what_is_left(void **state) {
        Example *example = *state;

        have(example, 5, 7, DAX_MODE_DEVDAX);
        look(example); /* holes 0+5, 12+20 */
        want_new(example, DAX_SIZE_REST, DAX_MODE_SYSTEM_RAM)->online = DAX_ONLINE_OFFLINE;
        want_new(example, 4, DAX_MODE_DEVDAX);
        expect_plan(example, "create dax0.1; add-mapping dax0.1 12+20; bind dax0.1 system-ram; "
                             "create dax0.2; set-size dax0.2 4; bind dax0.2 devdax; ");
}

static void test_rest_says_what_is_lost(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;

        have(example, 5, 7, DAX_MODE_DEVDAX);
        look(example);
        want_new(example, DAX_SIZE_REST, DAX_MODE_SYSTEM_RAM);
        plan = plan_for(example);
        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].action == PLAN_NEW) {
                        assert_int_equal(plan->devices[i].after->lost_to_rounding, MODEL_UNIT);
                        assert_int_equal(plan->devices[i].after->size, 24 * MODEL_UNIT);
                        return;
                }
        fail();
}

static void test_leaked_memory_is_never_used(void **state) {
        Example *example = *state;
        unsigned id = have(example, 0, 8, DAX_MODE_SYSTEM_RAM);

        have_block(example, 1, DAX_BLOCK_MOVABLE);
        assert_int_equal(model_unbind(&example->model, id),
                         0); /* somebody does what one must not */
        assert_int_equal(model_size(&example->model, id, 0), 0);
        example->model.leaks = 0;
        look(example);
        assert_int_equal(example->now->leaked.count, 1);
        want_new(example, 8, DAX_MODE_DEVDAX);
        want_new(example, 4, DAX_MODE_DEVDAX);
        expect_plan(example, "add-mapping dax0.0 8+8; bind dax0.0 devdax; create dax0.1; "
                             "set-size dax0.1 4; bind dax0.1 devdax; ");
        want_new(example, DAX_SIZE_REST, DAX_MODE_DEVDAX);
        expect_plan(example, "create dax0.2; add-mapping dax0.2 16+16; bind dax0.2 devdax; ");
        want_new(example, 4, DAX_MODE_DEVDAX);
        expect_refusal(example, CONDITION_NO_SPACE, "a new device", "8388608");
}

/* --- size or mapping -------------------------------------------------------------------------- */

static void test_size_where_first_fit_will_do(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 4, 8, DAX_MODE_DEVDAX);
        look(example); /* holes 0+4, 12+20 */
        device = want_new(example, 0, DAX_MODE_DEVDAX);
        want_range(device, 0, 4);
        want_range(device, 12, 6);
        expect_plan(example, "create dax0.1; set-size dax0.1 10; bind dax0.1 devdax; ");
}

static void test_mapping_where_it_will_not(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 4, 8, DAX_MODE_DEVDAX);
        look(example);
        device = want_new(example, 0, DAX_MODE_DEVDAX);
        want_range(device, 12, 6);
        want_range(device, 0, 4);
        expect_plan(example, "create dax0.1; add-mapping dax0.1 12+6; set-size dax0.1 10; "
                             "bind dax0.1 devdax; ");
        device = want_new(example, 0, DAX_MODE_DEVDAX); /* side by side, not one range */
        want_range(device, 18, 2);
        want_range(device, 20, 2);
        expect_plan(example, "create dax0.2; set-size dax0.2 2; add-mapping dax0.2 20+2; "
                             "bind dax0.2 devdax; ");
}

static void test_grows_in_place(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->size = 12 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-size dax0.0 12; bind dax0.0 devdax; ");
}

/* A `size` would take the hole in front. */
static void test_grows_in_place_past_an_earlier_hole(void **state) {
        Example *example = *state;

        have(example, 8, 8, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->size = 12 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; add-mapping dax0.0 8+12; "
                             "bind dax0.0 devdax; ");
}

static void test_only_the_last_range_is_made_anew(void **state) {
        Example *example = *state;
        unsigned id = have_created(example);

        have_range(example, id, 20, 4);
        have_range(example, id, 8, 4);
        have_bound(example, id, DAX_MODE_DEVDAX);
        look(example);
        want(example, id)->size = 10 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.1; set-size dax0.1 4; add-mapping dax0.1 8+6; "
                             "bind dax0.1 devdax; ");
}

static void test_shrinks_from_the_end(void **state) {
        Example *example = *state;
        unsigned id = have_created(example);

        have_range(example, id, 20, 4);
        have_range(example, id, 8, 4);
        have_bound(example, id, DAX_MODE_DEVDAX);
        look(example);
        want(example, id)->size = 3 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.1; set-size dax0.1 3; bind dax0.1 devdax; ");
}

static void test_moves(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        device = want(example, 0);
        dax_ranges_deinit(&device->ranges);
        want_range(device, 4, 8);
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; add-mapping dax0.0 4+8; "
                             "bind dax0.0 devdax; ");
}

/* --- memory blocks ---------------------------------------------------------------------------- */

static void test_zone_is_changed_by_way_of_offline(void **state) {
        Example *example = *state;

        have(example, 0, 16, DAX_MODE_SYSTEM_RAM);
        have_block(example, 1, DAX_BLOCK_KERNEL);
        have_block(example, 2, DAX_BLOCK_MOVABLE);
        look(example);
        want(example, 0)->online = DAX_ONLINE_MOVABLE;
        example->options.force = false; /* no driver lets go */
        expect_plan(example, "offline-memory dax0.0 1+1; online-memory dax0.0 0+2 movable; "
                             "online-memory dax0.0 3+1 movable; ");
        want(example, 0)->online = DAX_ONLINE_OFFLINE;
        expect_plan(example, "offline-memory dax0.0 0+4; ");
        want(example, 0)->online = DAX_ONLINE_KERNEL;
        expect_plan(example, "online-memory dax0.0 0+4 kernel; ");
}

/* What comes with growth is like what is there; what was is as it was. */
static void test_blocks_stay_as_they_are(void **state) {
        Example *example = *state;

        have(example, 0, 12, DAX_MODE_SYSTEM_RAM);
        have_block(example, 0, DAX_BLOCK_MOVABLE);
        have_block(example, 2, DAX_BLOCK_KERNEL);
        look(example);
        want(example, 0)->size = 16 * MODEL_UNIT;
        expect_plan(example, "offline-memory dax0.0 0+1; offline-memory dax0.0 2+1; unbind dax0.0; "
                             "set-size dax0.0 16; bind dax0.0 system-ram; "
                             "online-memory dax0.0 0+1 movable; online-memory dax0.0 3+1 movable; "
                             "online-memory dax0.0 2+1 kernel; ");
}

/* A picture to go back to says itself how each block stands, whatever has become of the device. */
static void test_blocks_come_back(void **state) {
        _cleanup_region_ DaxRegion *before = NULL;
        Example *example = *state;

        have(example, 0, 12, DAX_MODE_SYSTEM_RAM);
        have_block(example, 0, DAX_BLOCK_KERNEL);
        have_block(example, 1, DAX_BLOCK_MOVABLE);
        look(example);
        assert_int_equal(dax_region_copy(example->now, &before), 0);
        want(example, 0)->size = 4 * MODEL_UNIT;
        want(example, 0)->online = DAX_ONLINE_MOVABLE;
        expect_plan(example, "offline-memory dax0.0 0+2; unbind dax0.0; set-size dax0.0 4; "
                             "bind dax0.0 system-ram; online-memory dax0.0 0+1 movable; ");
        dax_region_free(example->wanted);
        example->wanted = TAKE_PTR(before);
        expect_plan(example, "offline-memory dax0.0 0+1; unbind dax0.0; set-size dax0.0 12; "
                             "bind dax0.0 system-ram; online-memory dax0.0 1+1 movable; "
                             "online-memory dax0.0 0+1 kernel; ");
}

/* kmem may have taken less than the device has; what it did not take cannot be brought online. */
static void test_absent_blocks_are_left_alone(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;
        DaxDevice *device;

        have(example, 0, 12, DAX_MODE_SYSTEM_RAM);
        look(example);
        dax_region_find(example->now, "dax0.0")->blocks[1].state = DAX_BLOCK_ABSENT;
        device = want(example, 0);
        device->blocks[1].state = DAX_BLOCK_ABSENT;
        device->online = DAX_ONLINE_MOVABLE;
        plan = plan_for(example);
        assert_int_equal(plan->n_steps, 2);
        assert_int_equal(plan->steps[0].first_block, FIRST_BLOCK);
        assert_int_equal(plan->steps[0].n_blocks, 1);
        assert_int_equal(plan->steps[1].first_block, FIRST_BLOCK + 2);
        assert_int_equal(plan->steps[1].n_blocks, 1);
        assert_int_equal(plan->devices[0].after->blocks[1].state, DAX_BLOCK_ABSENT);
}

static void test_memmap(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        device = want_new(example, 8, DAX_MODE_SYSTEM_RAM);
        device->memmap_on_memory = 1;
        device->online = DAX_ONLINE_OFFLINE;
        expect_plan(example, "create dax0.1; set-size dax0.1 8; set-memmap-on-memory dax0.1 1; "
                             "bind dax0.1 system-ram; ");
        want(example, 1)->memmap_on_memory = 0;
        expect_plan(example, "unbind dax0.1; set-memmap-on-memory dax0.1 0; "
                             "bind dax0.1 system-ram; ");
        device = want_new(example, 8, DAX_MODE_SYSTEM_RAM); /* unsaid, and as the kernel has it */
        device->online = DAX_ONLINE_OFFLINE;
        device = want_new(example, 4, DAX_MODE_SYSTEM_RAM);
        device->memmap_on_memory = 0;
        device->online = DAX_ONLINE_OFFLINE;
        expect_plan(example, "create dax0.2; set-size dax0.2 8; bind dax0.2 system-ram; "
                             "create dax0.3; set-size dax0.3 4; bind dax0.3 system-ram; ");
}

static void test_memmap_where_the_kernel_has_none(void **state) {
        Example *example = *state;
        DaxDevice *device;

        example->model.memmap_offered = false;
        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->memmap_on_memory = 0; /* as it is */
        expect_plan(example, "");
        device = want_new(example, 8, DAX_MODE_SYSTEM_RAM);
        device->memmap_on_memory = 1;
        expect_refusal(example, CONDITION_NOT_SUPPORTED, "a new device", "memmap-on-memory");
}

/* --- the rest --------------------------------------------------------------------------------- */

static void test_digest(void **state) {
        _cleanup_plan_ Plan *a = NULL, *b = NULL;
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        want_label(want_new(example, 8, DAX_MODE_DEVDAX), "a");
        example->options.shown = true;
        a = plan_for(example);
        b = plan_for(example);
        assert_int_equal(strlen(a->digest), 16);
        assert_string_equal(a->digest, b->digest);

        plan_free(TAKE_PTR(b));
        want_label(edit_device(example->wanted, example->wanted->devices[1]), "b");
        b = plan_for(example);
        assert_string_not_equal(a->digest, b->digest);

        plan_free(TAKE_PTR(b));
        want_label(edit_device(example->wanted, example->wanted->devices[1]), "a");
        assert_int_equal(dax_region_set_owner(example->now,
                                              (DaxRange){ 8 * MODEL_UNIT, MODEL_UNIT }, "b"),
                         0);
        b = plan_for(example); /* one wipe more */
        assert_string_not_equal(a->digest, b->digest);

        plan_free(TAKE_PTR(b));
        have(example, 24, 8, DAX_MODE_DEVDAX);
        look(example);
        want_label(want_new(example, 8, DAX_MODE_DEVDAX), "a");
        b = plan_for(example); /* the same steps from another now */
        assert_string_not_equal(a->digest, b->digest);
}

static void test_words(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;

        for (PlanOp op = 0; op < _PLAN_OP_MAX; op++)
                for (PlanOp other = 0; other < op; other++)
                        assert_string_not_equal(plan_op_name(op), plan_op_name(other));
        assert_string_equal(plan_action_name(PLAN_REMOVE), "destroy");

        have_label(example, have(example, 0, 8, DAX_MODE_SYSTEM_RAM), "a");
        have_block(example, 0, DAX_BLOCK_MOVABLE);
        look(example);
        want(example, 0)->mode = DAX_MODE_DEVDAX;
        want(example, 0)->size = 4 * MODEL_UNIT;
        plan = plan_for(example);
        for (size_t i = 0; i < plan->n_steps; i++) {
                _cleanup_free_ char *text = plan_step_describe(plan, &plan->steps[i]);

                assert_non_null(text);
                assert_non_null(strstr(text, "dax0.0 (a)"));
                if (plan->steps[i].op == PLAN_SIZE)
                        assert_string_equal(text, "set the size of dax0.0 (a) to 8 MiB");
                assert_int_equal(plan_step_is_memory(plan, &plan->steps[i]),
                                 plan->steps[i].op == PLAN_OFFLINE ||
                                         plan->steps[i].op == PLAN_UNBIND);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                EXAMPLE(test_nothing_to_do),
                EXAMPLE(test_shrinks_before_it_creates),
                EXAMPLE(test_destroys_before_it_creates_and_grows),
                EXAMPLE(test_first_device_is_the_first_slot),
                EXAMPLE(test_first_device_is_reshaped),
                EXAMPLE(test_first_device_is_emptied_not_destroyed),
                EXAMPLE(test_first_device_is_as_it_was),
                EXAMPLE(test_empty_device_is_used),
                EXAMPLE(test_unbinds_before_align),
                EXAMPLE(test_offlines_every_block_before_unbind),
                EXAMPLE(test_unbound_devices_come_last),
                EXAMPLE(test_irreversible_steps_come_last),
                EXAMPLE(test_unbind_without_force_is_reversible),
                EXAMPLE(test_places_contiguously),
                EXAMPLE(test_splits_when_it_must_largest_first),
                EXAMPLE(test_system_ram_lies_on_block_boundaries),
                EXAMPLE(test_align_is_physical),
                EXAMPLE(test_grows_by_its_alignment),
                EXAMPLE(test_large_boundaries_are_placed_first),
                EXAMPLE(test_rest_is_what_is_left),
                EXAMPLE(test_rest_says_what_is_lost),
                EXAMPLE(test_leaked_memory_is_never_used),
                EXAMPLE(test_size_where_first_fit_will_do),
                EXAMPLE(test_mapping_where_it_will_not),
                EXAMPLE(test_grows_in_place),
                EXAMPLE(test_grows_in_place_past_an_earlier_hole),
                EXAMPLE(test_only_the_last_range_is_made_anew),
                EXAMPLE(test_shrinks_from_the_end),
                EXAMPLE(test_moves),
                EXAMPLE(test_zone_is_changed_by_way_of_offline),
                EXAMPLE(test_blocks_stay_as_they_are),
                EXAMPLE(test_blocks_come_back),
                EXAMPLE(test_absent_blocks_are_left_alone),
                EXAMPLE(test_memmap),
                EXAMPLE(test_memmap_where_the_kernel_has_none),
                EXAMPLE(test_digest),
                EXAMPLE(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
