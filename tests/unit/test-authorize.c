/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of authorization: default deny, and what makes a call weigh more. */

#include "daemon/bus/authorize.h"
#include "daemon/bus/weigh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define BIT(action) (1u << (action))
#define MiB (UINT64_C(1) << 20)
#define BLOCK (128 * MiB)

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
                { "org.daxd1.Device", "Destroy", WEIGHT_NO_GROWTH, BIT(ACTION_CHANGE_DEVICE) },
                { "org.daxd1.Device", "Destroy", WEIGHT_MEMORY,
                  BIT(ACTION_CHANGE_DEVICE) | BIT(ACTION_MANAGE_MEMORY) },
                { "org.daxd1.Manager", "PlanLayout", 0, BIT(ACTION_OPEN) },
                { "org.daxd1.Manager", "PlanLayout", WEIGHT_ADDRESSES,
                  BIT(ACTION_OPEN) | BIT(ACTION_READ_ADDRESSES) },
                { "org.daxd1.Manager", "ApplyLayout", WEIGHT_NO_WIPE | WEIGHT_MEMORY,
                  BIT(ACTION_MANAGE_LAYOUTS) | BIT(ACTION_CHANGE_DEVICE) |
                          BIT(ACTION_MANAGE_MEMORY) },
                { "org.daxd1.Manager", "Reconcile", WEIGHT_NO_WIPE,
                  BIT(ACTION_MANAGE_LAYOUTS) | BIT(ACTION_CHANGE_DEVICE) },
                { "org.daxd1.Manager", "Reload", 0,
                  BIT(ACTION_MANAGE_LAYOUTS) | BIT(ACTION_CHANGE_DEVICE) |
                          BIT(ACTION_MANAGE_MEMORY) },
                { "org.daxd1.Manager", "Reload", WEIGHT_FORCE,
                  BIT(ACTION_MANAGE_LAYOUTS) | BIT(ACTION_CHANGE_DEVICE) |
                          BIT(ACTION_MANAGE_MEMORY) },
                { "org.daxd1.Job", "Cancel", WEIGHT_ANOTHERS_JOB,
                  BIT(ACTION_OPEN) | BIT(ACTION_CANCEL_JOB) },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(authorize_actions(cases[i].interface, cases[i].member,
                                                   cases[i].weights),
                                 cases[i].actions);
}

/* The lesser action is for what only gives more memory, and leaves what is there as it is. */
static void test_resize_and_reconfigure(void **state) {
        static const struct {
                unsigned weights, actions;
        } cases[] = {
                { WEIGHT_GROWS, BIT(ACTION_CREATE_DEVICE) },
                { WEIGHT_GROWS | WEIGHT_WIPE,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_CHANGE_DEVICE) },
                { WEIGHT_GROWS | WEIGHT_NO_WIPE,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_CHANGE_DEVICE) },
                { WEIGHT_GROWS | WEIGHT_FORCE,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_CHANGE_DEVICE) },
                { WEIGHT_GROWS | WEIGHT_MEMORY,
                  BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_MANAGE_MEMORY) },
                { WEIGHT_NO_GROWTH, BIT(ACTION_CHANGE_DEVICE) },
                { WEIGHT_NO_GROWTH | WEIGHT_WIPE, BIT(ACTION_CHANGE_DEVICE) },
                { WEIGHT_NO_GROWTH | WEIGHT_MEMORY,
                  BIT(ACTION_CHANGE_DEVICE) | BIT(ACTION_MANAGE_MEMORY) },
                { WEIGHT_NONE, BIT(ACTION_DENY) }, /* of no device */
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_int_equal(authorize_actions("org.daxd1.Device", "Resize", cases[i].weights),
                                 cases[i].actions);
                assert_int_equal(authorize_actions("org.daxd1.Device", "Reconfigure",
                                                   cases[i].weights),
                                 cases[i].actions);
        }
        assert_int_equal(authorize_actions("org.daxd1.Device", "Reconfigure",
                                           WEIGHT_GROWS | WEIGHT_RESHAPES),
                         BIT(ACTION_CREATE_DEVICE) | BIT(ACTION_CHANGE_DEVICE));
}

static unsigned with_growth(unsigned weights) {
        return weights & WEIGHT_GROWS ? weights : weights | WEIGHT_NO_GROWTH;
}

/* Every option, by what it does to a device of one block. */
static void test_options(void **state) {
        static DaxRange place = { 0, BLOCK }, larger = { 0, 2 * BLOCK };
        static char text[] = "text";
        static const Options none = {}, wipe = { .present = OPTION(WIPE), .wipe = true };
        const struct {
                Options options;
                unsigned weights; /* besides that of what does not grow */
        } cases[] = {
                { { .present = OPTION(TAG), .tag = text }, WEIGHT_NONE },
                { { .present = OPTION(INCARNATION), .incarnation = 1 }, WEIGHT_NONE },
                { { .present = OPTION(FORCE), .force = false }, WEIGHT_NONE },
                { { .present = OPTION(FORCE), .force = true }, WEIGHT_FORCE },
                { { .present = OPTION(ALL), .all = true }, WEIGHT_NONE },
                { { .present = OPTION(SIZE), .size = BLOCK }, WEIGHT_NONE },
                { { .present = OPTION(SIZE), .size = 2 * BLOCK }, WEIGHT_GROWS },
                { { .present = OPTION(SIZE), .size = BLOCK / 2 }, WEIGHT_NONE },
                { { .present = OPTION(ALIGN), .align = 2 * MiB }, WEIGHT_RESHAPES },
                { { .present = OPTION(MODE), .mode = DAX_MODE_DEVDAX }, WEIGHT_RESHAPES },
                { { .present = OPTION(MODE), .mode = DAX_MODE_SYSTEM_RAM },
                  WEIGHT_RESHAPES | WEIGHT_MEMORY },
                { { .present = OPTION(ONLINE), .online = DAX_ONLINE_KERNEL }, WEIGHT_RESHAPES },
                { { .present = OPTION(MEMMAP_ON_MEMORY), .memmap_on_memory = true },
                  WEIGHT_RESHAPES },
                { { .present = OPTION(RANGES), .ranges = { &place, 1 } }, WEIGHT_RESHAPES },
                { { .present = OPTION(RANGES), .ranges = { &larger, 1 } },
                  WEIGHT_RESHAPES | WEIGHT_GROWS },
                { { .present = OPTION(LABEL), .label = text }, WEIGHT_NONE },
                { { .present = OPTION(WIPE), .wipe = true }, WEIGHT_WIPE },
                { { .present = OPTION(SIZE) | OPTION(WIPE), .size = 2 * BLOCK, .wipe = true },
                  WEIGHT_WIPE | WEIGHT_GROWS },
                { { .present = OPTION(WIPE), .wipe = false }, WEIGHT_NO_WIPE },
                { { .present = OPTION(EXPECT), .expect = text }, WEIGHT_NONE },
                { { .present = OPTION(DRY_RUN), .dry_run = true }, WEIGHT_NONE },
        };
        DaxDevice device = { .size = BLOCK, .mode = DAX_MODE_DEVDAX };
        unsigned seen = 0;

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const Words words = { .options = &cases[i].options };

                seen |= cases[i].options.present;
                assert_int_equal(weigh_words(&words, &device), with_growth(cases[i].weights));
        }
        assert_int_equal(seen, (1u << _OPTION_MAX) - 1);

        assert_int_equal(weigh_words(&(Words){ 't', NULL, 2 * BLOCK, &none }, &device),
                         WEIGHT_GROWS);
        assert_int_equal(weigh_words(&(Words){ 't', NULL, BLOCK, &none }, &device),
                         WEIGHT_NO_GROWTH);
        assert_int_equal(weigh_words(&(Words){ 't', NULL, MiB, &none }, &device), WEIGHT_NO_GROWTH);
        assert_int_equal(weigh_words(&(Words){ 't', NULL, 2 * BLOCK, &wipe }, &device),
                         WEIGHT_GROWS | WEIGHT_WIPE);
        assert_int_equal(weigh_words(&(Words){ 't', NULL, BLOCK, &wipe }, &device),
                         WEIGHT_NO_GROWTH | WEIGHT_WIPE);
        assert_int_equal(weigh_words(&(Words){ 's', "devdax", 0, &none }, &device),
                         WEIGHT_NO_GROWTH);
        assert_int_equal(weigh_words(&(Words){ 's', "system-ram", 0, &none }, &device),
                         WEIGHT_NO_GROWTH | WEIGHT_MEMORY);
        device.mode = DAX_MODE_SYSTEM_RAM;
        assert_int_equal(weigh_words(&(Words){ .options = &none }, &device),
                         WEIGHT_NO_GROWTH | WEIGHT_MEMORY);

        /* a new device holds nothing of anybody's */
        assert_int_equal(weigh_words(&(Words){ 't', NULL, BLOCK, &wipe }, NULL), WEIGHT_NONE);
}

static void add_device(DaxRegion *region, uint32_t instance, DaxMode mode, const char *label) {
        DaxDevice *device;

        assert_int_equal(dax_device_new(&device), 0);
        snprintf(device->name, sizeof(device->name), "dax%u.%u", region->id, instance);
        device->instance = instance;
        device->size = BLOCK;
        device->mode = mode;
        device->align = 2 * MiB;
        strcpy(device->label, label);
        assert_int_equal(dax_ranges_append(&device->ranges, (DaxRange){ instance * BLOCK, BLOCK }),
                         0);
        assert_int_equal(dax_region_add(region, device), 0);
}

static DaxRegion *make_region(uint32_t id, uint64_t start) {
        DaxRegion *region;

        assert_int_equal(dax_region_new(&region), 0);
        region->id = id;
        region->start = start;
        region->size = 8 * BLOCK;
        region->align = region->aligns = 2 * MiB;
        return region;
}

/* The weights of a layout with one device; with ' in the place of ". */
static unsigned weigh_text(const DaxMachine *machine, const char *region, const char *prune,
                           const char *device) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_layout_ Layout *layout = NULL;
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{'version': 1, 'region': {%s}, 'prune': '%s', 'devices': [{%s}]}",
                             region, prune, device) > 0);
        for (char *c = text; *c; c++)
                if (*c == '\'')
                        *c = '"';
        if (layout_parse("", NULL, text, strlen(text), &layout, &failure) != 0)
                fail_msg("%s\n%s", text, failure_message(&failure));
        return weigh_layout(layout, machine);
}

/*
 * What a layout says, and what it takes: region 0 has system-ram "ram", and "cache"; 1 has "cold".
 */
static void test_layouts(void **state) {
        static const struct {
                const char *region, *device;
                unsigned weights;
        } cases[] = {
                { "'id': 0", "'name': 'cache', 'size': '128M'", WEIGHT_NONE },
                { "'start': '4G'", "'name': 'cache', 'size': '128M'", WEIGHT_ADDRESSES },
                { "'id': 0", "'name': 'new', 'size': '128M', 'wipe': true", WEIGHT_NONE },
                { "'id': 0", "'name': 'new', 'size': '128M', 'wipe': false", WEIGHT_NO_WIPE },
                { "'id': 1", "'name': 'new', 'size': '128M', 'mode': 'system-ram'", WEIGHT_MEMORY },
                /* what takes some that is there */
                { "'id': 0", "'name': 'ram', 'size': '128M', 'mode': 'devdax'", WEIGHT_MEMORY },
                { "'id': 0", "'name': 'other', 'ranges': [[0, '128M']]", WEIGHT_MEMORY },
                { "'id': 0", "'name': 'huge', 'size': '1T'", WEIGHT_MEMORY },
                { "'id': 1", "'name': 'huge', 'size': '1T'", WEIGHT_NONE },
        };
        DaxMachine machine = { .block_size = BLOCK };
        DaxRegion *first = make_region(0, 4096 * MiB), *second = make_region(1, 8192 * MiB);

        add_device(first, 0, DAX_MODE_SYSTEM_RAM, "ram");
        add_device(first, 1, DAX_MODE_DEVDAX, "cache");
        add_device(second, 0, DAX_MODE_DEVDAX, "cold");
        assert_int_equal(dax_machine_put_region(&machine, first), 0);
        assert_int_equal(dax_machine_put_region(&machine, second), 0);

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(weigh_text(&machine, cases[i].region, "never", cases[i].device),
                                 cases[i].weights);
        assert_int_equal(weigh_text(&machine, "'id': 0", "idle", "'name': 'cache', 'size': '128M'"),
                         WEIGHT_MEMORY);
        dax_machine_deinit(&machine);
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
                cmocka_unit_test(test_resize_and_reconfigure),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_layouts),
                cmocka_unit_test(test_who),
                cmocka_unit_test(test_senders),
        };

        return cmocka_run_group_tests_name("authorize", tests, NULL, NULL);
}
