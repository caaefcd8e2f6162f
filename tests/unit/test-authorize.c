/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of authorization: default deny, and what makes a call weigh more. */

#include "daemon/bus/authorize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define BIT(action) (1u << (action))

static void test_default_deny(void **state) {
        unsigned actions = authorize_actions("org.daxd1.Device", "Explode", ~0u);
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        assert_int_equal(actions, BIT(ACTION_DENY));
        assert_int_equal(authorize(0, actions, "Explode", &failure), CONDITION_ACCESS_DENIED);
        assert_int_equal(authorize_actions("org.daxd1.Manager", "Destroy", 0), BIT(ACTION_DENY));
        assert_false(authorize_one(0, ACTION_DENY));
}

static void test_weights(void **state) {
        static const struct {
                const char *interface, *member;
                unsigned weights, actions;
        } cases[] = {
                { "org.daxd1.Region", "CreateDevice", 0, BIT(ACTION_CREATE_DEVICE) },
                { "org.daxd1.Region", "CreateDevice", WEIGHT_NO_WIPE,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_CHANGE_DEVICE) },
                { "org.daxd1.Region", "CreateDevice", WEIGHT_MEMORY,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_MANAGE_MEMORY) },
                { "org.daxd1.Device", "Resize", WEIGHT_GROWS, BIT(ACTION_CREATE_DEVICE) },
                { "org.daxd1.Device", "Resize", WEIGHT_SHRINKS,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_CHANGE_DEVICE) },
                { "org.daxd1.Device", "Destroy", WEIGHT_MEMORY,
                  BIT(ACTION_CHANGE_DEVICE) | BIT(ACTION_MANAGE_MEMORY) },
                { "org.daxd1.Manager", "PlanLayout", 0, BIT(ACTION_OPEN) },
                { "org.daxd1.Manager", "PlanLayout", WEIGHT_ADDRESSES,
                  BIT(ACTION_OPEN) | BIT(ACTION_READ_ADDRESSES) },
                { "org.daxd1.Manager", "Reload", WEIGHT_FORCE,
                  BIT(ACTION_MANAGE_LAYOUTS) | BIT(ACTION_CHANGE_DEVICE) },
                { "org.daxd1.Job", "Cancel", WEIGHT_ANOTHERS_JOB,
                  BIT(ACTION_OPEN) | BIT(ACTION_CANCEL_JOB) },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(authorize_actions(cases[i].interface, cases[i].member,
                                                   cases[i].weights),
                                 cases[i].actions);
}

static void test_who(void **state) {
        for (Action action = 0; action < _ACTION_MAX; action++) {
                assert_int_equal(authorize_one(0, action), action != ACTION_DENY);
                assert_int_equal(authorize_one(1000, action), action == ACTION_OPEN);
        }
}

static void test_senders(void **state) {
        Senders senders = {};
        uid_t uid;
        char name[16];

        assert_false(senders_find(&senders, ":1.0", &uid));
        for (unsigned i = 0; i < 2 * SENDERS_MAX; i++) {
                snprintf(name, sizeof(name), ":1.%u", i);
                senders_add(&senders, name, i);
                assert_true(senders_find(&senders, name, &uid));
                assert_int_equal(uid, i);
        }
        assert_false(senders_find(&senders, ":1.0", &uid)); /* forgotten, never mistaken */
        senders_deinit(&senders);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default_deny),
                cmocka_unit_test(test_weights),
                cmocka_unit_test(test_who),
                cmocka_unit_test(test_senders),
        };

        return cmocka_run_group_tests_name("authorize", tests, NULL, NULL);
}
