/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The planner by example: every refusal with its condition, and a sentence that says it all. */

#include "tests/unit/plan-example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* --- refusals --------------------------------------------------------------------------------- */

static void test_refuses_sizes(void **state) {
        Example *example = *state;

        have(example, 0, 16, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->size = 3 << 20;
        expect_refusal(example, CONDITION_INVALID_SIZE, "dax0.0", "use 2097152 or 4194304");
        want(example, 0)->size = 1;
        expect_refusal(example, CONDITION_INVALID_SIZE, "dax0.0", "use 2097152");
        want(example, 0)->size = 33 * MODEL_UNIT;
        expect_refusal(example, CONDITION_NO_SPACE, "dax0.0", "69206016");
        want(example, 0)->size = 14 * MODEL_UNIT;
        want(example, 0)->align = 4 * MODEL_UNIT;
        expect_refusal(example, CONDITION_INVALID_SIZE, "dax0.0", "29360128");
        look(example);
        want_new(example, 0, DAX_MODE_DEVDAX);
        expect_refusal(example, CONDITION_INVALID_SIZE, "a new device", "0 bytes");
        look(example);
        want_new(example, 17, DAX_MODE_DEVDAX);
        expect_refusal(example, CONDITION_NO_SPACE, "a new device", "35651584");
        look(example);
        want_label(want_new(example, 16, DAX_MODE_DEVDAX), "a");
        want_label(want_new(example, DAX_SIZE_REST, DAX_MODE_DEVDAX), "b");
        expect_refusal(example, CONDITION_NO_SPACE, "a device b", "what is left");
}

static void test_refuses_half_blocks(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 0, 8, DAX_MODE_SYSTEM_RAM);
        have(example, 9, 6, DAX_MODE_DEVDAX);
        look(example);
        want_new(example, 6, DAX_MODE_SYSTEM_RAM);
        expect_refusal(example, CONDITION_MEMORY_BLOCK_ALIGN, "a new device", "12582912");
        look(example);
        want_new(example, 2, DAX_MODE_SYSTEM_RAM);
        expect_refusal(example, CONDITION_MEMORY_BLOCK_ALIGN, "a new device", "use 8388608");
        look(example);
        want_new(example, 2, DAX_MODE_SYSTEM_RAM)->size = 3 << 20; /* not even of the alignment */
        expect_refusal(example, CONDITION_INVALID_SIZE, "a new device", "3145728");
        look(example);
        want(example, 0)->size = 6 * MODEL_UNIT;
        expect_refusal(example, CONDITION_MEMORY_BLOCK_ALIGN, "dax0.0", "12582912");
        want(example, 0)->size = 9 * MODEL_UNIT;
        expect_refusal(example, CONDITION_MEMORY_BLOCK_ALIGN, "dax0.0", "18874368");
        look(example);
        want(example, 1)->mode = DAX_MODE_SYSTEM_RAM; /* 9+6 has no whole block in it */
        expect_refusal(example, CONDITION_MEMORY_BLOCK_ALIGN, "dax0.1", "8388608");
        look(example);
        device = want_new(example, 0, DAX_MODE_SYSTEM_RAM); /* nor have two halves of one */
        want_range(device, 16, 2);
        want_range(device, 18, 2);
        expect_refusal(example, CONDITION_MEMORY_BLOCK_ALIGN, "a new device", "8388608");
}

static void test_refuses_fragments(void **state) {
        Example *example = *state;

        have(example, 2, 12, DAX_MODE_DEVDAX);
        have(example, 17, 15, DAX_MODE_DEVDAX);
        look(example); /* holes 0+2, 14+3 */
        want_label(want_new(example, 4, DAX_MODE_SYSTEM_RAM), "a");
        expect_refusal(example, CONDITION_FRAGMENTED, "a device a", "8 MiB");
}

static void test_refuses_too_many_pieces_for_a_name(void **state) {
        Example *example = *state;
        DaxDevice *device;

        for (unsigned i = 0; i < 10; i++)
                have(example, 2 * i + 1, 1, DAX_MODE_DEVDAX);
        have(example, 20, 12, DAX_MODE_DEVDAX);
        look(example);
        device = want_new(example, 9, DAX_MODE_DEVDAX);
        want_label(device, "a");
        expect_refusal(example, CONDITION_FRAGMENTED, "a device a", "9 pieces");
        want_label(device, "");
        expect_plan(example, "create dax0.11; set-size dax0.11 9; bind dax0.11 devdax; ");
}

static void test_refuses_aligns(void **state) {
        Example *example = *state;

        have(example, 0, 6, DAX_MODE_DEVDAX);
        look(example);
        want(example, 0)->align = 3;
        expect_refusal(example, CONDITION_INVALID_ALIGN, "dax0.0", "3");
        want(example, 0)->align = 16 * MODEL_UNIT;
        expect_refusal(example, CONDITION_INVALID_ALIGN, "dax0.0", "33554432");
        want(example, 0)->align = 0;
        expect_refusal(example, CONDITION_INVALID_ALIGN, "dax0.0", "0");
        want(example, 0)->align = 4 * MODEL_UNIT;
        want(example, 0)->size = 4 * MODEL_UNIT;
        expect_plan(example, "unbind dax0.0; set-size dax0.0 4; set-align dax0.0 4; "
                             "bind dax0.0 devdax; ");
        look(example);
        have(example, 6, 6, DAX_MODE_DEVDAX);
        look(example);
        want(example, 1)->align = 4 * MODEL_UNIT;
        expect_refusal(example, CONDITION_INVALID_ALIGN, "dax0.1", "12582912");
}

static void test_refuses_ranges(void **state) {
        Example *example = *state;
        DaxDevice *device;

        have(example, 8, 8, DAX_MODE_DEVDAX);
        look(example);
        want_range(want_new(example, 0, DAX_MODE_DEVDAX), 4, 8);
        expect_refusal(example, CONDITION_INVALID_RANGE, "dax0.0 has part of it, 16777216+16777216",
                       "8388608+16777216");
        expect_refusal(example, CONDITION_INVALID_RANGE, "a new device", "FreeExtents");
        look(example);
        want_range(want_new(example, 0, DAX_MODE_DEVDAX), 28, 8);
        expect_refusal(example, CONDITION_INVALID_RANGE, "a new device", "58720256+16777216");
        look(example);
        device = want_new(example, 0, DAX_MODE_DEVDAX);
        want_range(device, 20, 4);
        want_range(device, 22, 4);
        expect_refusal(example, CONDITION_INVALID_RANGE, "a new device",
                       "another of its ranges has part of it, 46137344+8388608");
        look(example);
        device = want_new(example, 0, DAX_MODE_DEVDAX);
        want_range(device, 20, 4);
        device->ranges.list[0].offset += 4096;
        expect_refusal(example, CONDITION_INVALID_RANGE, "a new device", "2 MiB");
        look(example);
        device = want_new(example, 4, DAX_MODE_DEVDAX);
        want_range(device, 20, 4);
        device->ranges.list[0].offset = UINT64_MAX - MODEL_UNIT + 1;
        expect_refusal(example, CONDITION_INVALID_RANGE, "a new device", "18446744073707454464");
}

static void test_refuses_modes(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_DEVDAX);
        have(example, 8, 8, DAX_MODE_OTHER);
        look(example);
        want(example, 0)->mode = DAX_MODE_OTHER;
        expect_refusal(example, CONDITION_INVALID_MODE, "dax0.0", "devdax, system-ram or none");
        look(example);
        want(example, 1)->mode = DAX_MODE_DEVDAX;
        expect_refusal(example, CONDITION_NOT_SUPPORTED, "dax0.1",
                       "a driver that daxd does not know");
        look(example);
        want_none(example, 1);
        expect_refusal(example, CONDITION_NOT_SUPPORTED, "dax0.1", "destroy");
        look(example);
        want(example, 0)->mode = DAX_MODE_SYSTEM_RAM;
        example->options.block_size = 0;
        expect_refusal(example, CONDITION_NOT_SUPPORTED, "dax0.0", "no memory hotplug");
}

static void test_refuses_online_memory(void **state) {
        Example *example = *state;

        example->options.force = false;
        have(example, 0, 8, DAX_MODE_SYSTEM_RAM);
        have_block(example, 1, DAX_BLOCK_MOVABLE);
        look(example);
        want(example, 0)->mode = DAX_MODE_DEVDAX;
        expect_refusal(example, CONDITION_MEMORY_ONLINE, "dax0.0", "1 of its 2 memory blocks");
        look(example);
        want_none(example, 0);
        expect_refusal(example, CONDITION_MEMORY_ONLINE, "dax0.0", "use force");
        example->options.reshape_first = true; /* a layout's word, for the first device */
        expect_plan(example, "offline-memory dax0.0 1+1; unbind dax0.0; set-size dax0.0 0; ");
}

static void test_reshape_first_is_for_the_first(void **state) {
        Example *example = *state;

        example->options = (PlanOptions){ .block_size = 4 * MODEL_UNIT, .reshape_first = true };
        have(example, 0, 8, DAX_MODE_DEVDAX);
        have(example, 8, 8, DAX_MODE_SYSTEM_RAM);
        have_block(example, 2, DAX_BLOCK_MOVABLE);
        look(example);
        want_none(example, 1);
        expect_refusal(example, CONDITION_MEMORY_ONLINE, "dax0.1", "1 of its 2");
}

static void test_refuses_tainted_devices(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_SYSTEM_RAM);
        have_block(example, 1, DAX_BLOCK_MOVABLE);
        assert_int_equal(model_unbind(&example->model, 0), 0);
        example->model.leaks = 0;
        look(example);
        assert_true(want(example, 0)->tainted);
        want(example, 0)->mode = DAX_MODE_DEVDAX;
        expect_refusal(example, CONDITION_TAINTED, "dax0.0", "next reboot");
        look(example);
        want_none(example, 0);
        expect_refusal(example, CONDITION_TAINTED, "dax0.0", "destroy");
        look(example);
        want_new(example, 8, DAX_MODE_DEVDAX); /* beside it, with a name of its own */
        expect_plan(example, "create dax0.1; set-size dax0.1 8; bind dax0.1 devdax; ");
}

static void test_refuses_leaked_ranges(void **state) {
        Example *example = *state;

        have(example, 0, 8, DAX_MODE_SYSTEM_RAM);
        have_block(example, 1, DAX_BLOCK_MOVABLE);
        assert_int_equal(model_unbind(&example->model, 0), 0);
        assert_int_equal(model_size(&example->model, 0, 0), 0);
        example->model.leaks = 0;
        look(example);
        want_range(want_new(example, 0, DAX_MODE_DEVDAX), 2, 4);
        expect_refusal(example, CONDITION_TAINTED, "dax0.0", "4194304+8388608");
}

static void test_static_regions_are_not_split(void **state) {
        Example *example = *state;

        have(example, 0, 32, DAX_MODE_DEVDAX);
        look(example);
        example->now->is_static = true;
        example->now->kind = DAX_KIND_PMEM;
        want(example, 0)->size = 8 * MODEL_UNIT;
        expect_refusal(example, CONDITION_STATIC_REGION, "region 0", "pmem");
        look(example);
        example->now->is_static = true;
        want_none(example, 0);
        expect_refusal(example, CONDITION_STATIC_REGION, "region 0", "one piece");
        look(example);
        example->now->is_static = true;
        (void)want_new(example, 8, DAX_MODE_DEVDAX); /* nor is it for lack of room */
        expect_refusal(example, CONDITION_STATIC_REGION, "region 0", "one piece");
        look(example);
        example->now->is_static = true;
        want(example, 0)->mode = DAX_MODE_SYSTEM_RAM;
        want(example, 0)->online = DAX_ONLINE_MOVABLE;
        expect_plan(example, "unbind dax0.0; bind dax0.0 system-ram; "
                             "online-memory dax0.0 0+8 movable; ");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                EXAMPLE(test_refuses_sizes),
                EXAMPLE(test_refuses_half_blocks),
                EXAMPLE(test_refuses_fragments),
                EXAMPLE(test_refuses_too_many_pieces_for_a_name),
                EXAMPLE(test_refuses_aligns),
                EXAMPLE(test_refuses_ranges),
                EXAMPLE(test_refuses_modes),
                EXAMPLE(test_refuses_online_memory),
                EXAMPLE(test_reshape_first_is_for_the_first),
                EXAMPLE(test_refuses_tainted_devices),
                EXAMPLE(test_refuses_leaked_ranges),
                EXAMPLE(test_static_regions_are_not_split),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
