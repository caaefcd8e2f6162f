/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The planner by example: whose memory is wiped for whom, and names that follow the memory. */

#include "tests/unit/plan-example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- wiping ----------------------------------------------------------------------------------- */

/* A device called @label where "old" was. */
static DaxDevice *want_instead(Example *example, const char *label) {
        DaxDevice *device;

        have_label(example, have(example, 0, 8, DAX_MODE_DEVDAX), "old");
        look(example);
        want_none(example, 0);
        device = want_new(example, 8, DAX_MODE_DEVDAX);
        want_label(device, label);
        return device;
}

#define INSTEAD                                                                                    \
        "retract-name dax0.0; unbind dax0.0; set-size dax0.0 0; set-size dax0.0 8; "               \
        "bind dax0.0 devdax; "

static void test_wipes_the_memory_of_another(void **state) {
        want_instead(*state, "new");
        expect_plan(*state, INSTEAD "wipe dax0.0 0+8; publish-name dax0.0; ");
}

static void test_wipes_the_memory_of_another_for_the_nameless(void **state) {
        want_instead(*state, "");
        expect_plan(*state, INSTEAD "wipe dax0.0 0+8; ");
}

static void test_same_label_is_not_wiped(void **state) {
        want_instead(*state, "old");
        expect_plan(*state, INSTEAD "publish-name dax0.0; ");
}

static void test_wipe_false(void **state) {
        want_instead(*state, "new")->wipe = 0;
        expect_plan(*state, INSTEAD "publish-name dax0.0; ");
}

static void test_wipe_true(void **state) {
        want_instead(*state, "old")->wipe = 1;
        expect_plan(*state, INSTEAD "wipe dax0.0 0+8; publish-name dax0.0; ");
}

/* Its holders lose what is in it although no driver lets go. */
static void test_wipe_true_disrupts(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;

        have_label(example, have(example, 0, 8, DAX_MODE_DEVDAX), "a");
        look(example);
        want(example, 0)->wipe = 1;
        plan = plan_for(example);
        assert_int_equal(plan->n_steps, 1);
        assert_int_equal(plan->steps[0].op, PLAN_WIPE);
        assert_true(plan->steps[0].disruptive && plan->steps[0].irreversible);
        assert_true(plan_device_is_disrupted(plan, 0));
}

/* Root alone reads what was root's alone; not so when the node is open. */
static void test_nameless_after_nameless(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        want_none(example, 0);
        want_new(example, 8, DAX_MODE_DEVDAX);
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; set-size dax0.0 8; "
                             "bind dax0.0 devdax; ");
        want_none(example, 0);
        want_new(example, 8, DAX_MODE_DEVDAX)->access.mode = 0666;
        expect_plan(example, "unbind dax0.0; set-size dax0.0 0; set-size dax0.0 8; "
                             "bind dax0.0 devdax; wipe dax0.0 0+8; publish-name dax0.0; ");
}

static void test_wipes_the_memory_of_system_ram(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 0, 8, DAX_MODE_SYSTEM_RAM);
        have_block(example, 0, DAX_BLOCK_MOVABLE);
        look(example);
        device = want(example, 0);
        device->mode = DAX_MODE_DEVDAX;
        want_label(device, "a");
        expect_plan(example, "offline-memory dax0.0 0+1; unbind dax0.0; bind dax0.0 devdax; "
                             "wipe dax0.0 0+8; publish-name dax0.0; ");
}

/* In the device's own bytes, and pieces that touch are one. */
static void test_wipes_what_it_grew(void **state) {
        Example *example = *state;

        have_label(example, have(example, 8, 4, DAX_MODE_DEVDAX), "a");
        look(example);
        assert_int_equal(dax_region_set_owner(example->now, (DaxRange){ 0, 4 * MODEL_UNIT },
                                              "gone"),
                         0);
        assert_int_equal(dax_region_set_owner(example->now,
                                              (DaxRange){ 12 * MODEL_UNIT, 2 * MODEL_UNIT },
                                              "gone"),
                         0);
        assert_int_equal(dax_region_set_owner(example->now,
                                              (DaxRange){ 14 * MODEL_UNIT, MODEL_UNIT }, "a"),
                         0);
        assert_int_equal(dax_region_set_owner(example->now,
                                              (DaxRange){ 15 * MODEL_UNIT, 4 * MODEL_UNIT },
                                              DAX_OWNER_SYSTEM_RAM),
                         0);
        assert_int_equal(dax_region_set_owner(example->now,
                                              (DaxRange){ 19 * MODEL_UNIT, 4 * MODEL_UNIT },
                                              DAX_OWNER_UNKNOWN),
                         0);
        want(example, 0)->size = 16 * MODEL_UNIT;
        expect_plan(example, "retract-name dax0.0; unbind dax0.0; set-size dax0.0 0; "
                             "add-mapping dax0.0 8+16; bind dax0.0 devdax; wipe dax0.0 4+2; "
                             "wipe dax0.0 7+8; publish-name dax0.0; ");
}

/* Bytes of the device, not of the region: the second range comes behind the first. */
static void test_wipes_in_the_second_range(void **state) {
        Example *example = *state;
        DaxDevice *device;

        look(example);
        assert_int_equal(dax_region_set_owner(example->now,
                                              (DaxRange){ 2 * MODEL_UNIT, 4 * MODEL_UNIT }, "gone"),
                         0);
        device = want_new(example, 0, DAX_MODE_DEVDAX);
        want_range(device, 16, 6);
        want_range(device, 0, 4);
        want_label(device, "a");
        expect_plan(example, "add-mapping dax0.0 16+6; set-size dax0.0 10; "
                             "bind dax0.0 devdax; wipe dax0.0 8+2; publish-name dax0.0; ");
}

static void test_continuing_device_is_not_wiped(void **state) {
        Example *example = *state;

        have_label(example, have(example, 0, 8, DAX_MODE_DEVDAX), "a");
        look(example);
        want_label(want(example, 0), "b");
        want(example, 0)->access.mode = 0666;
        expect_plan(example, "retract-name dax0.0; publish-name dax0.0; ");
        want(example, 0)->align = 4 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-align dax0.0 4; bind dax0.0 devdax; ");
        want(example, 0)->size = 4 * MODEL_UNIT;
        expect_plan(example, "retract-name dax0.0; unbind dax0.0; set-size dax0.0 4; "
                             "bind dax0.0 devdax; publish-name dax0.0; ");
}

/* Killed between bind and wipe: the device is there, without a name, and still another's memory. */
static void test_half_made_device_is_wiped(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        assert_int_equal(dax_region_set_owner(example->now, (DaxRange){ 0, 2 * MODEL_UNIT }, "b"),
                         0);
        want_label(want(example, 0), "a");
        expect_plan(example, "wipe dax0.0 0+2; publish-name dax0.0; ");
}

static void test_system_ram_is_not_wiped(void **state) {
        Example *example = *state;

        have_label(example, have(example, 0, 8, DAX_MODE_DEVDAX), "a");
        look(example);
        want(example, 0)->mode = DAX_MODE_SYSTEM_RAM;
        want(example, 0)->online = DAX_ONLINE_OFFLINE;
        want(example, 0)->wipe = 1;
        expect_plan(example, "retract-name dax0.0; unbind dax0.0; bind dax0.0 system-ram; "
                             "publish-name dax0.0; ");
}

/* --- names ------------------------------------------------------------------------------------ */

/* Access that opens nothing is an access, too: it must be there when it is read back. */
static void test_closed_access_is_published(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        look(example);
        snprintf(want(example, 0)->access.group, 33, "redis");
        want(example, 0)->access.mode = 0600;
        expect_plan(example, "publish-name dax0.0; ");
        want(example, 0)->access = (DaxAccess){};
        expect_plan(example, "retract-name dax0.0; ");
}

static void test_labels_change_hands(void **state) {
        Example *example = *state;

        have_label(example, have(example, 0, 8, DAX_MODE_DEVDAX), "a");
        have_label(example, have(example, 8, 8, DAX_MODE_DEVDAX), "b");
        look(example);
        want_label(want(example, 0), "b");
        want_label(want(example, 1), "a");
        expect_plan(example, "retract-name dax0.0; retract-name dax0.1; publish-name dax0.0; "
                             "publish-name dax0.1; ");
}

/* Names that are gone stand for new devices, and the others are still found by theirs. */
static void test_lost_names_do_not_hide_others(void **state) {
        Example *example = *state;

        have(example, 0, 4, DAX_MODE_DEVDAX);
        have(example, 4, 4, DAX_MODE_DEVDAX);
        have(example, 8, 4, DAX_MODE_DEVDAX);
        have(example, 12, 4, DAX_MODE_DEVDAX);
        look(example);
        assert_int_equal(model_unbind(&example->model, 1), 0);
        assert_int_equal(model_size(&example->model, 1, 0), 0);
        assert_int_equal(model_delete(&example->model, 1), 0);
        dax_region_free(example->now);
        example->now = model_picture(&example->model);
        want(example, 3)->size = 8 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.3; create dax0.1; set-size dax0.1 4; bind dax0.1 devdax; "
                             "set-size dax0.3 8; bind dax0.3 devdax; ");
}

static void test_set_name_keeps_the_order(void **state) {
        _cleanup_plan_ Plan *plan = NULL;
        Example *example = *state;
        size_t n = 0, new[3];

        have(example, 0, 4, DAX_MODE_DEVDAX);
        look(example);
        for (size_t i = 0; i < 3; i++)
                want_new(example, 4, DAX_MODE_DEVDAX);
        plan = plan_for(example);
        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].action == PLAN_NEW)
                        new[n++] = i;
        assert_int_equal(n, 3);
        assert_int_equal(plan_set_name(plan, new[1], "dax0.7"), 0);
        assert_int_equal(plan_set_name(plan, new[2], "dax0.3"), 0);
        assert_ptr_equal(dax_region_find(plan->wanted, "dax0.7"), plan->devices[new[1]].after);
        assert_ptr_equal(dax_region_find(plan->wanted, "dax0.3"), plan->devices[new[2]].after);
        assert_string_equal(plan->devices[new[2]].name, "dax0.3");
        assert_int_equal(plan->devices[new[2]].after->instance, 3);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                EXAMPLE(test_wipes_the_memory_of_another),
                EXAMPLE(test_wipes_the_memory_of_another_for_the_nameless),
                EXAMPLE(test_same_label_is_not_wiped),
                EXAMPLE(test_wipe_false),
                EXAMPLE(test_wipe_true),
                EXAMPLE(test_wipe_true_disrupts),
                EXAMPLE(test_nameless_after_nameless),
                EXAMPLE(test_wipes_the_memory_of_system_ram),
                EXAMPLE(test_wipes_what_it_grew),
                EXAMPLE(test_wipes_in_the_second_range),
                EXAMPLE(test_continuing_device_is_not_wiped),
                EXAMPLE(test_half_made_device_is_wiped),
                EXAMPLE(test_system_ram_is_not_wiped),
                EXAMPLE(test_closed_access_is_published),
                EXAMPLE(test_labels_change_hands),
                EXAMPLE(test_lost_names_do_not_hide_others),
                EXAMPLE(test_set_name_keeps_the_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
