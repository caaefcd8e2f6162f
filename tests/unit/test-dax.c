/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pictures and what follows from them: ranges, holes, first fit, owners, blocks. */

#include "daemon/dax/machine.h"
#include "tests/unit/kernel-model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CASES 20000
#define BITS 64

static uint64_t seed = 1;

static uint64_t roll(uint64_t below) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (seed >> 33) % below;
}

static DaxRange roll_range(void) {
        uint64_t offset = roll(BITS);

        return (DaxRange){ offset, 1 + roll(BITS - offset) };
}

static uint64_t bits_of_range(DaxRange range) {
        uint64_t bits = 0;

        for (uint64_t i = range.offset; i < dax_range_end(range); i++)
                bits |= UINT64_C(1) << i;

        return bits;
}

static uint64_t bits_of(const DaxRanges *ranges) {
        uint64_t bits = 0;

        for (size_t i = 0; i < ranges->count; i++)
                bits |= bits_of_range(ranges->list[i]);

        return bits;
}

/* Up to @max ranges that do not overlap, in any order. */
static void roll_ranges(DaxRanges *ranges, size_t max) {
        for (size_t i = roll(max + 1); i > 0; i--) {
                DaxRange range = roll_range();
                uint64_t most = 1 + roll(12);

                range.size = MIN(range.size, most);
                if (!dax_ranges_overlap(ranges, range))
                        assert_int_equal(dax_ranges_append(ranges, range), 0);
        }
}

static void assert_ranges(const DaxRanges *ranges, size_t count, const DaxRange *list) {
        DaxRanges expected = { (DaxRange *)list, count };

        assert_int_equal(ranges->count, count);
        assert_true(dax_ranges_equal(ranges, &expected));
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void test_range_relations(void **state) {
        for (int i = 0; i < CASES; i++) {
                DaxRange a = roll_range(), b = roll_range();
                uint64_t x = bits_of_range(a), y = bits_of_range(b);

                assert_int_equal(dax_range_overlaps(a, b), (x & y) != 0);
                assert_int_equal(dax_range_contains(a, b), (x & y) == y);
        }
}

static void test_ranges_subtract(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges ranges = {};
                DaxRange range = roll_range();
                uint64_t expected;

                roll_ranges(&ranges, 8);
                expected = bits_of(&ranges) & ~bits_of_range(range);
                assert_int_equal(dax_ranges_subtract(&ranges, range), 0);
                assert_true(bits_of(&ranges) == expected);
                for (size_t k = 0; k < ranges.count; k++)
                        assert_true(ranges.list[k].size > 0);
        }
}

static void test_ranges_subtract_all(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges ranges = {}, less = {};
                uint64_t expected;

                roll_ranges(&ranges, 8);
                roll_ranges(&less, 8);
                expected = bits_of(&ranges) & ~bits_of(&less);
                assert_int_equal(dax_ranges_subtract_all(&ranges, &less), 0);
                assert_true(bits_of(&ranges) == expected);
        }
}

static void test_ranges_intersect(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges a = {}, b = {}, both = {};

                roll_ranges(&a, 8);
                roll_ranges(&b, 8);
                assert_int_equal(dax_ranges_intersect(&a, &b, &both), 0);
                assert_true(bits_of(&both) == (bits_of(&a) & bits_of(&b)));
                for (size_t k = 0; k < both.count; k++)
                        assert_true(both.list[k].size > 0);
        }
}

static void test_ranges_subtract_keeps_order(void **state) {
        _cleanup_ranges_ DaxRanges ranges = {};

        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 40, 10 }), 0);
        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 0, 20 }), 0);
        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 20, 10 }), 0);
        assert_int_equal(dax_ranges_subtract(&ranges, (DaxRange){ 5, 3 }), 0);
        assert_ranges(&ranges, 4, (DaxRange[]){ { 40, 10 }, { 0, 5 }, { 8, 12 }, { 20, 10 } });
        assert_int_equal(dax_ranges_subtract(&ranges, (DaxRange){ 8, 42 }), 0);
        assert_ranges(&ranges, 1, (DaxRange[]){ { 0, 5 } });
}

static void test_ranges_add(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges sorted = {};
                uint64_t bits = 0;

                for (int n = 0; n < 12; n++) {
                        DaxRange range = roll_range();

                        if (bits & bits_of_range(range))
                                continue;
                        bits |= bits_of_range(range);
                        assert_int_equal(dax_ranges_add(&sorted, range), 0);
                }
                assert_true(bits_of(&sorted) == bits);
                for (size_t k = 1; k < sorted.count; k++) /* sorted, and no two touch */
                        assert_true(dax_range_end(sorted.list[k - 1]) < sorted.list[k].offset);
        }
}

static void test_ranges_cover(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges ranges = {};
                DaxRange range = roll_range();
                uint64_t bits = bits_of_range(range);

                for (size_t n = roll(8); n > 0; n--)
                        assert_int_equal(dax_ranges_append(&ranges, roll_range()), 0);
                assert_int_equal(dax_ranges_cover(&ranges, range),
                                 (bits_of(&ranges) & bits) == bits);
                assert_int_equal(dax_ranges_overlap(&ranges, range),
                                 (bits_of(&ranges) & bits) != 0);
        }
}

static void test_ranges_cut(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges ranges = {}, whole = {};
                uint64_t size, left;

                roll_ranges(&ranges, 6);
                assert_int_equal(dax_ranges_copy(&ranges, &whole), 0);
                assert_true(dax_ranges_is_head(&whole, &ranges));
                size = roll(dax_ranges_size(&ranges) + 5);
                dax_ranges_cut(&ranges, size);

                /* the first @size bytes, in the same order and with the same boundaries */
                left = MIN(size, dax_ranges_size(&whole));
                assert_int_equal(dax_ranges_size(&ranges), left);
                assert_true(dax_ranges_is_head(&ranges, &whole));
                for (size_t k = 0; k < ranges.count; k++) {
                        assert_int_equal(ranges.list[k].offset, whole.list[k].offset);
                        assert_int_equal(ranges.list[k].size, MIN(whole.list[k].size, left));
                        left -= ranges.list[k].size;
                }
                assert_int_equal(left, 0);
        }
}

/* A head is what a cut can leave: tried for every size. */
static void test_ranges_is_head(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges ranges = {}, whole = {};
                bool head = false;

                roll_ranges(&whole, 4);
                if (roll(2)) {
                        assert_int_equal(dax_ranges_copy(&whole, &ranges), 0);
                        dax_ranges_cut(&ranges, roll(dax_ranges_size(&whole) + 1));
                        if (ranges.count > 0 && roll(2))
                                ranges.list[roll(ranges.count)].size++;
                } else {
                        roll_ranges(&ranges, 2);
                }

                for (uint64_t size = 0; size <= dax_ranges_size(&whole); size++) {
                        _cleanup_ranges_ DaxRanges cut = {};

                        assert_int_equal(dax_ranges_copy(&whole, &cut), 0);
                        dax_ranges_cut(&cut, size);
                        head |= dax_ranges_equal(&cut, &ranges);
                }
                assert_int_equal(dax_ranges_is_head(&ranges, &whole), head);
        }
}

static void test_ranges_hash(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges a = {}, b = {}, copy = {};

                roll_ranges(&a, 3);
                roll_ranges(&b, 3);
                assert_int_equal(dax_ranges_copy(&a, &copy), 0);
                assert_true(dax_ranges_hash(&a) == dax_ranges_hash(&copy));
                assert_int_equal(dax_ranges_hash(&a) == dax_ranges_hash(&b),
                                 dax_ranges_equal(&a, &b));
        }
}

static void test_ranges_sort(void **state) {
        _cleanup_ranges_ DaxRanges ranges = {};

        dax_ranges_sort(&ranges);
        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 8, 2 }), 0);
        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 0, 2 }), 0);
        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 2, 6 }), 0);
        dax_ranges_sort(&ranges);
        assert_ranges(&ranges, 3, (DaxRange[]){ { 0, 2 }, { 2, 6 }, { 8, 2 } });
}

/* By whichever way: in order but for a few, the other way round, and all mixed up. */
static void test_ranges_sort_many(void **state) {
        for (unsigned swaps = 0; swaps < 200; swaps++) {
                _cleanup_ranges_ DaxRanges ranges = {};

                for (uint64_t i = 0; i < 100; i++) {
                        uint64_t offset = swaps % 2 ? i : 99 - i;

                        assert_int_equal(dax_ranges_append(&ranges,
                                                           (DaxRange){ offset, offset + 1 }),
                                         0);
                }
                for (unsigned i = 0; i < swaps / 2; i++) {
                        DaxRange *a = &ranges.list[roll(100)], *b = &ranges.list[roll(100)];
                        DaxRange was = *a;

                        *a = *b;
                        *b = was;
                }
                dax_ranges_sort(&ranges);
                for (uint64_t i = 0; i < 100; i++) {
                        assert_int_equal(ranges.list[i].offset, i);
                        assert_int_equal(ranges.list[i].size, i + 1);
                }
        }
}

/* --- regions ---------------------------------------------------------------------------------- */

/* What anyone with root may have done to the region, well or not. */
static void roll_region(Model *model) {
        uint64_t start = (UINT64_C(4) << 30) + roll(8) * MODEL_UNIT;

        model_init(model, start, 16 + roll(48), 4 * MODEL_UNIT);
        for (size_t n = roll(24); n > 0; n--) {
                unsigned id = roll(6);
                uint64_t offset = roll(model->n_units) * MODEL_UNIT;
                DaxRange range = { offset, (1 + roll(9)) * MODEL_UNIT };

                switch (roll(5)) {
                case 0:
                        if (model_available(model) > 0)
                                (void)model_create(model, &id);
                        break;
                case 1:
                        (void)model_mapping(model, id, range);
                        break;
                case 2:
                        (void)model_delete(model, id);
                        break;
                default:
                        (void)model_size(model, id, roll(20) * MODEL_UNIT);
                        break;
                }
        }
}

static void test_first_fit_is_the_kernels(void **state) {
        Model *model = malloc(sizeof(Model)), *after = malloc(sizeof(Model));
        unsigned several = 0, widened = 0;

        for (int i = 0; i < CASES; i++) {
                _cleanup_region_ DaxRegion *now = NULL, *then = NULL;
                _cleanup_ranges_ DaxRanges fit = {};
                const DaxDevice *device, *expected;
                uint64_t size;
                int r, error;

                roll_region(model);
                now = model_picture(model);
                device = now->devices[roll(now->n_devices)];
                size = roll(model->n_units + 4) * MODEL_UNIT;

                *after = *model;
                error = model_size(after, device->instance, size);
                r = dax_region_first_fit(now, device, size, &fit);
                assert_int_equal(r, -error);
                if (r < 0)
                        continue;

                then = model_picture(after);
                expected = dax_region_find(then, device->name);
                assert_true(dax_ranges_equal(&fit, &expected->ranges));
                several += fit.count > device->ranges.count + 1;
                widened += fit.count > 0 && fit.count == device->ranges.count &&
                           size > device->size;
        }

        assert_true(several > CASES / 100 && widened > CASES / 100);
        free(model);
        free(after);
}

static void test_free_extents(void **state) {
        Model *model = malloc(sizeof(Model));

        for (int i = 0; i < CASES; i++) {
                _cleanup_region_ DaxRegion *region = NULL;
                _cleanup_ranges_ DaxRanges all = {}, usable = {};
                uint64_t bits = 0, leaked, largest = 0, found;

                roll_region(model);
                region = model_picture(model);
                for (uint64_t u = 0; u < model->n_units; u++) {
                        DaxRange unit = { u * MODEL_UNIT, MODEL_UNIT };
                        bool taken = false;

                        for (size_t d = 0; d < region->n_devices; d++)
                                taken |= dax_ranges_overlap(&region->devices[d]->ranges, unit);
                        bits |= (uint64_t)!taken << u;
                }
                leaked = bits & (roll(2) ? 0 : UINT64_C(7) << roll(BITS - 3));
                for (unsigned u = 0; u < BITS; u++)
                        if (leaked >> u & 1)
                                assert_int_equal(dax_ranges_add(&region->leaked,
                                                                (DaxRange){ u * MODEL_UNIT,
                                                                            MODEL_UNIT }),
                                                 0);

                if (roll(2))
                        assert_int_equal(dax_region_seal(region), 0);
                assert_int_equal(dax_region_free_extents(region, false, &all), 0);
                assert_int_equal(dax_region_free_extents(region, true, &usable), 0);
                assert_int_equal(dax_ranges_size(&all), region->available_size);
                for (size_t k = 0; k < usable.count; k++) {
                        largest = MAX(largest, usable.list[k].size);
                        assert_true(k == 0 ||
                                    dax_range_end(usable.list[k - 1]) < usable.list[k].offset);
                        usable.list[k].offset /= MODEL_UNIT;
                        usable.list[k].size /= MODEL_UNIT;
                }
                for (size_t k = 0; k < all.count; k++) {
                        all.list[k].offset /= MODEL_UNIT;
                        all.list[k].size /= MODEL_UNIT;
                }
                assert_true(bits_of(&all) == bits);
                assert_true(bits_of(&usable) == (bits & ~leaked));
                assert_int_equal(dax_region_largest_free_extent(region, &found), 0);
                assert_int_equal(found, largest);
        }

        free(model);
}

static void test_owners(void **state) {
        static const char *const owners[] = { "", "a", "b", DAX_OWNER_SYSTEM_RAM };

        for (int i = 0; i < CASES / 10; i++) {
                _cleanup_region_ DaxRegion *region = NULL;
                const char *by_unit[BITS] = {};

                assert_int_equal(dax_region_new(&region), 0);
                region->size = BITS;
                for (int n = 0; n < 20; n++) {
                        DaxRange range = roll_range();
                        const char *owner = roll(3) ? owners[roll(ELEMENTS(owners))] : NULL;
                        bool seen[BITS] = {};

                        if (owner)
                                assert_int_equal(dax_region_set_owner(region, range, owner), 0);
                        else
                                assert_int_equal(dax_region_clear_owner(region, range), 0);
                        for (uint64_t u = range.offset; u < dax_range_end(range); u++)
                                by_unit[u] = owner;

                        /* each unit stands in the list once with its owner, or not at all */
                        for (size_t k = 0; k < region->n_owned; k++) {
                                DaxRange owned = region->owned[k].range;

                                assert_true(owned.size > 0);
                                for (uint64_t u = owned.offset; u < dax_range_end(owned); u++) {
                                        assert_false(seen[u]);
                                        seen[u] = true;
                                        assert_non_null(by_unit[u]);
                                        assert_string_equal(by_unit[u], region->owned[k].owner);
                                }
                        }
                        for (unsigned u = 0; u < BITS; u++)
                                assert_int_equal(seen[u], by_unit[u] != NULL);
                }
        }
}

static void test_owners_stay_short(void **state) {
        _cleanup_region_ DaxRegion *region = NULL;

        assert_int_equal(dax_region_new(&region), 0);
        region->size = BITS;
        for (uint64_t u = 0; u < BITS; u += 2)
                assert_int_equal(dax_region_set_owner(region, (DaxRange){ u, 1 }, "a"), 0);
        assert_int_equal(region->n_owned, BITS / 2);
        for (uint64_t u = 1; u < BITS; u += 2)
                assert_int_equal(dax_region_set_owner(region, (DaxRange){ u, 1 }, "a"), 0);
        assert_int_equal(region->n_owned, 1);
        assert_int_equal(region->owned[0].range.size, BITS);
}

static void test_blocks_of_ranges(void **state) {
        for (int i = 0; i < CASES; i++) {
                _cleanup_ranges_ DaxRanges ranges = {};
                _cleanup_free_ DaxBlock *blocks = NULL;
                uint64_t start = roll(16), block_size = 1 + roll(8);
                size_t n_blocks = 0, at = 0;

                roll_ranges(&ranges, 5);
                assert_int_equal(dax_blocks_of_ranges(&ranges, start, block_size, DAX_BLOCK_MOVABLE,
                                                      &blocks, &n_blocks),
                                 0);
                for (size_t k = 0; k < ranges.count; k++)
                        for (uint64_t n = 0; n < 16 + BITS; n++) {
                                if (n * block_size < start + ranges.list[k].offset ||
                                    (n + 1) * block_size > start + dax_range_end(ranges.list[k]))
                                        continue;
                                assert_true(at < n_blocks);
                                assert_int_equal(blocks[at].number, n);
                                assert_int_equal(blocks[at].state, DAX_BLOCK_MOVABLE);
                                at++;
                        }
                assert_int_equal(at, n_blocks);
        }
}

/* Two ranges side by side hold no whole block where one range of both does. */
static void test_blocks_keep_to_ranges(void **state) {
        DaxRanges two = { (DaxRange[]){ { 0, 64 }, { 64, 64 } }, 2 };
        DaxRanges one = { (DaxRange[]){ { 0, 128 } }, 1 };
        _cleanup_free_ DaxBlock *blocks = NULL, *none = NULL;
        size_t n = 1;

        assert_int_equal(dax_blocks_of_ranges(&two, 0, 128, DAX_BLOCK_OFFLINE, &none, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(dax_blocks_of_ranges(&one, 0, 128, DAX_BLOCK_OFFLINE, &blocks, &n), 0);
        assert_int_equal(n, 1);
        free(TAKE_PTR(none));
        assert_int_equal(dax_blocks_of_ranges(&one, 0, 0, DAX_BLOCK_OFFLINE, &none, &n), 0);
        assert_int_equal(n, 0);
}

static DaxDevice *device_named(const char *name, const char *label) {
        uint32_t region;
        DaxDevice *device;

        assert_int_equal(dax_device_new(&device), 0);
        snprintf(device->name, sizeof(device->name), "%s", name);
        snprintf(device->label, sizeof(device->label), "%s", label);
        if (name[0] != '\0')
                assert_int_equal(text_parse_device_name(name, &region, &device->instance), 0);
        return device;
}

static void test_lookups(void **state) {
        static const char *const names[] = { "dax3.10", "dax3.2", "", "dax3.0", "", "dax3.7" };
        static const char *const order[] = { "dax3.0", "dax3.2", "dax3.7", "dax3.10", "", "" };
        _cleanup_region_ DaxRegion *region = NULL;
        const DaxDevice *taken;

        assert_int_equal(dax_region_new(&region), 0);
        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_int_equal(dax_region_add(region,
                                                device_named(names[i], i == 2 ? "new" : "")),
                                 0);
        for (size_t i = 0; i < ELEMENTS(order); i++) {
                assert_string_equal(region->devices[i]->name, order[i]);
                if (order[i][0] != '\0')
                        assert_ptr_equal(dax_region_find(region, order[i]), region->devices[i]);
        }

        /* new ones in the order in which they came */
        assert_string_equal(region->devices[4]->label, "new");
        assert_ptr_equal(dax_region_find_label(region, "new"), region->devices[4]);
        assert_null(dax_region_find_label(region, ""));
        assert_null(dax_region_find(region, ""));
        assert_null(dax_region_find(region, "dax3.1"));
        assert_null(dax_region_find(region, "dax2.7"));
        assert_null(dax_region_find(region, "dax3.07"));

        taken = dax_region_take(region, "dax3.7");
        assert_string_equal(taken->name, "dax3.7");
        dax_device_unref(taken);
        assert_null(dax_region_take(region, "dax3.7"));
        assert_int_equal(region->n_devices, 5);
}

static DaxRegion *region_of(unsigned instances) {
        DaxRegion *region;
        char name[16];

        assert_int_equal(dax_region_new(&region), 0);
        region->size = 64;
        for (unsigned i = 0; i < 8; i++) {
                DaxDevice *device;

                if (!(instances & (1U << i)))
                        continue;
                snprintf(name, sizeof(name), "dax3.%u", i);
                device = device_named(name, "");
                device->identity = 100 + i;
                assert_int_equal(dax_region_add(region, device), 0);
        }
        return region;
}

/* What is changed in a copy is changed in it alone, and the rest stays shared. */
static void test_copies_share(void **state) {
        _cleanup_region_ DaxRegion *region = region_of(0x0f), *copy = NULL;
        const DaxDevice *was = region->devices[2];
        DaxDevice *edited, *again;

        assert_int_equal(dax_region_copy(region, &copy), 0);
        for (size_t i = 0; i < 4; i++)
                assert_ptr_equal(copy->devices[i], region->devices[i]);

        assert_int_equal(dax_region_edit(copy, was, &edited), 0);
        assert_ptr_not_equal(edited, was);
        assert_ptr_equal(copy->devices[2], edited);
        assert_ptr_equal(region->devices[2], was);
        edited->align = 4711;
        assert_true(was->align != 4711);
        assert_int_equal(dax_region_edit(copy, edited, &again), 0);
        assert_ptr_equal(again, edited);

        dax_region_free(TAKE_PTR(region));
        assert_string_equal(copy->devices[0]->name, "dax3.0");
}

/* Every pair of sets of devices, some of those that both have changed in one of them. */
static void test_changes(void **state) {
        for (unsigned sets = 0; sets < 2 * 64 * 64; sets++) {
                unsigned a = sets % 64, b = sets / 64 % 64, edits = roll(64) & a & b;
                _cleanup_region_ DaxRegion *all = region_of(63), *before = NULL, *after = NULL;
                DaxChanges changes = {};
                const DaxDevice *old, *new;
                unsigned seen = 0;
                DaxDevice *edited;

                assert_int_equal(dax_region_copy(all, &before), 0);
                assert_int_equal(dax_region_copy(all, &after), 0);
                for (unsigned i = 0; i < 6; i++) {
                        const char *name = all->devices[i]->name;

                        if (!(a & (1U << i)))
                                dax_device_unref(dax_region_take(before, name));
                        if (!(b & (1U << i)))
                                dax_device_unref(dax_region_take(after, name));
                        if (edits & (1U << i))
                                assert_int_equal(dax_region_edit(after,
                                                                 dax_region_find(after, name),
                                                                 &edited),
                                                 0);
                }

                changes = (DaxChanges){ .before = before, .after = after, .all = sets >= 64 * 64 };
                while (dax_changes_next(&changes, &old, &new)) {
                        unsigned instance = old ? old->instance : new->instance;

                        assert_true(instance < 6 && seen < (1U << instance)); /* in order, once */
                        seen |= 1U << instance;
                        assert_ptr_equal(old,
                                         dax_region_find(before, all->devices[instance]->name));
                        assert_ptr_equal(new, dax_region_find(after, all->devices[instance]->name));
                }
                assert_int_equal(seen, changes.all ? a | b : (a ^ b) | edits);
        }
}

/* The outline tells any change of what it is made of, and a list of names from none. */
static void test_outlines(void **state) {
        _cleanup_region_ DaxRegion *region = region_of(0x2b), *other = region_of(0x2b);
        static const DaxName names[] = {
                { "dax3.5", 3, 5, 105 },
                { "dax3.0", 3, 0, 100 },
                { "dax3.3", 3, 3, 103 },
                { "dax3.1", 3, 1, 101 },
        };
        uint64_t outline = dax_region_outline(region);
        DaxDevice *edited;

        assert_true(outline != 0 && outline == dax_region_outline(other));
        assert_true(outline == dax_region_outline_of(other, names, ELEMENTS(names)));
        assert_true(outline != dax_region_outline_of(other, names, ELEMENTS(names) - 1));

        other->available_size = 1;
        assert_true(outline != dax_region_outline(other));
        other->available_size = 0;
        strcpy(other->seed, "dax3.5");
        assert_true(outline != dax_region_outline(other));
        memset(other->seed, 0, sizeof(other->seed));
        strcpy(other->youngest, "dax3.5");
        assert_true(outline != dax_region_outline(other));
        memset(other->youngest, 0, sizeof(other->youngest));
        assert_true(outline == dax_region_outline(other));

        /* the same name for another device */
        assert_int_equal(dax_region_edit(other, other->devices[1], &edited), 0);
        edited->identity = 200;
        assert_true(outline != dax_region_outline(other));

        assert_int_equal(dax_region_seal(region), 0); /* then it is not worked out any more */
        assert_true(outline == dax_region_outline(region));
}

static void test_machine(void **state) {
        DaxMachine machine = {};
        DaxRegion *region, *of = NULL;

        for (uint32_t id = 3; id-- > 0;) {
                char name[16];

                assert_int_equal(dax_region_new(&region), 0);
                region->id = id;
                snprintf(name, sizeof(name), "dax%u.0", id);
                assert_int_equal(dax_region_add(region, device_named(name, id == 1 ? "b" : "")), 0);
                assert_int_equal(dax_machine_put_region(&machine, region), 0);
        }
        for (uint32_t id = 0; id < 3; id++)
                assert_int_equal(machine.regions[id]->id, id);

        assert_string_equal(dax_machine_find_device(&machine, "dax2.0", &of)->name, "dax2.0");
        assert_int_equal(of->id, 2);
        assert_string_equal(dax_machine_find_device(&machine, "b", NULL)->name, "dax1.0");
        assert_null(dax_machine_find_device(&machine, "", &of));
        assert_null(dax_machine_find_device(&machine, "dax4.0", &of));

        assert_int_equal(dax_region_new(&region), 0);
        region->id = 1;
        assert_int_equal(dax_machine_put_region(&machine, region), 0);
        assert_int_equal(machine.n_regions, 3);
        assert_ptr_equal(dax_machine_find_region(&machine, 1), region);
        assert_ptr_equal(dax_machine_take_region(&machine, 1), region);
        assert_null(dax_machine_take_region(&machine, 1));
        dax_region_free(region);
        dax_machine_deinit(&machine);
}

static void test_copies_are_whole(void **state) {
        Model *model = malloc(sizeof(Model));

        for (int i = 0; i < 100; i++) {
                _cleanup_region_ DaxRegion *region = NULL, *copy = NULL;

                roll_region(model);
                region = model_picture(model);
                region->path = strdup("/platform/hmem.0");
                assert_int_equal(dax_ranges_add(&region->leaked, (DaxRange){ 0, 1 }), 0);
                assert_int_equal(dax_region_set_owner(region, (DaxRange){ 0, 1 }, "a"), 0);
                assert_int_equal(dax_region_copy(region, &copy), 0);
                assert_string_equal(copy->path, region->path);
                assert_true(dax_ranges_equal(&copy->leaked, &region->leaked));
                assert_int_equal(copy->n_owned, region->n_owned);
                assert_int_equal(copy->n_devices, region->n_devices);
                for (size_t k = 0; k < copy->n_devices; k++) {
                        assert_string_equal(copy->devices[k]->name, region->devices[k]->name);
                        assert_int_equal(dax_device_difference(copy->devices[k],
                                                               region->devices[k]),
                                         0);
                }
        }

        free(model);
}

static void test_differences(void **state) {
        _cleanup_device_ DaxDevice *a = device_named("dax0.1", "a"), *b = NULL;

        assert_int_equal(dax_ranges_append(&a->ranges, (DaxRange){ 0, 8 }), 0);
        assert_int_equal(dax_blocks_of_ranges(&a->ranges, 0, 4, DAX_BLOCK_MOVABLE, &a->blocks,
                                              &a->n_blocks),
                         0);
        assert_int_equal(dax_device_copy(a, &b), 0);
        assert_int_equal(dax_device_difference(a, b), 0);

        /* unset access is root's, mode 0600 */
        snprintf(b->access.user, sizeof(b->access.user), "root");
        b->access.mode = 0600;
        assert_int_equal(dax_device_difference(a, b), 0);
        b->access.mode = 0640;
        assert_int_equal(dax_device_difference(a, b), DAX_DIFFERS_ACCESS);
        a->access = b->access;

        b->blocks[1].state = DAX_BLOCK_KERNEL;
        assert_int_equal(dax_device_difference(a, b), DAX_DIFFERS_BLOCKS);
        b->blocks[1].state = DAX_BLOCK_MOVABLE;
        b->ranges.list[0].size = 4;
        assert_int_equal(dax_device_difference(a, b), DAX_DIFFERS_RANGES);
        b->ranges.list[0].size = 8;
        b->mode = DAX_MODE_DEVDAX;
        b->align = 4096;
        b->memmap_on_memory = 1;
        b->tainted = true;
        b->label[0] = '\0';
        assert_int_equal(dax_device_difference(a, b),
                         DAX_DIFFERS_MODE | DAX_DIFFERS_ALIGN | DAX_DIFFERS_MEMMAP |
                                 DAX_DIFFERS_TAINT | DAX_DIFFERS_LABEL);
}

static void test_access(void **state) {
        static const struct {
                DaxAccess access;
                bool open;
        } cases[] = {
                { { "", "", 0 }, false },           { { "root", "root", 0600 }, false },
                { { "", "", 0660 }, false },        { { "", "redis", 0 }, false },
                { { "", "redis", 0600 }, false },   { { "", "redis", 0660 }, true },
                { { "", "redis", 0620 }, true },    { { "redis", "", 0 }, true },
                { { "redis", "", 0600 }, true },    { { "", "", 0604 }, true },
                { { "root", "root", 0666 }, true },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(dax_access_is_open(&cases[i].access), cases[i].open);
}

static void test_movable(void **state) {
        _cleanup_device_ DaxDevice *device = device_named("dax0.0", "");

        assert_false(dax_device_is_movable(device));
        device->blocks = calloc(3, sizeof(DaxBlock));
        device->n_blocks = 3;
        for (size_t i = 0; i < 3; i++)
                device->blocks[i].state = DAX_BLOCK_OFFLINE;
        assert_false(dax_device_is_movable(device));
        device->blocks[1].state = DAX_BLOCK_MOVABLE;
        assert_true(dax_device_is_movable(device));
        assert_int_equal(dax_device_online_blocks(device), 1);
        device->blocks[2].state = DAX_BLOCK_KERNEL;
        assert_false(dax_device_is_movable(device));
        assert_int_equal(dax_device_online_blocks(device), 2);
}

static void test_words(void **state) {
        for (DaxMode mode = 0; mode < DAX_MODE_OTHER; mode++) {
                assert_int_equal(dax_mode_from_name(dax_mode_name(mode)), mode);
                assert_int_equal(dax_mode_from_driver(dax_mode_driver(mode)), mode);
        }
        assert_int_equal(dax_mode_from_name("other"), _DAX_MODE_INVALID);
        assert_int_equal(dax_mode_from_name("kmem"), _DAX_MODE_INVALID);
        assert_int_equal(dax_mode_from_name(NULL), _DAX_MODE_INVALID);
        assert_int_equal(dax_mode_from_driver(""), DAX_MODE_NONE);
        assert_int_equal(dax_mode_from_driver("fsdev_dax"), DAX_MODE_OTHER);

        assert_int_equal(dax_online_from_name("keep"), _DAX_ONLINE_INVALID);
        for (DaxOnline online = DAX_ONLINE_OFFLINE; online < _DAX_ONLINE_MAX; online++) {
                assert_int_equal(dax_online_from_name(dax_online_name(online)), online);
                assert_string_equal(dax_block_state_name(dax_online_block_state(online)),
                                    dax_online_name(online));
        }
        for (DaxBlockState block = 0; block < _DAX_BLOCK_STATE_MAX; block++)
                assert_int_equal(dax_block_state_from_name(dax_block_state_name(block)), block);
        assert_int_equal(dax_block_state_from_name("online"), -EINVAL);

        for (DaxKind kind = 0; kind < _DAX_KIND_MAX; kind++)
                assert_int_equal(dax_kind_from_name(dax_kind_name(kind)), kind);
        assert_int_equal(dax_kind_from_name("nvdimm"), _DAX_KIND_INVALID);
}
int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_range_relations),
                cmocka_unit_test(test_ranges_subtract),
                cmocka_unit_test(test_ranges_subtract_all),
                cmocka_unit_test(test_ranges_intersect),
                cmocka_unit_test(test_ranges_subtract_keeps_order),
                cmocka_unit_test(test_ranges_add),
                cmocka_unit_test(test_ranges_cover),
                cmocka_unit_test(test_ranges_cut),
                cmocka_unit_test(test_ranges_is_head),
                cmocka_unit_test(test_ranges_hash),
                cmocka_unit_test(test_ranges_sort),
                cmocka_unit_test(test_ranges_sort_many),
                cmocka_unit_test(test_first_fit_is_the_kernels),
                cmocka_unit_test(test_free_extents),
                cmocka_unit_test(test_owners),
                cmocka_unit_test(test_owners_stay_short),
                cmocka_unit_test(test_blocks_of_ranges),
                cmocka_unit_test(test_blocks_keep_to_ranges),
                cmocka_unit_test(test_lookups),
                cmocka_unit_test(test_copies_share),
                cmocka_unit_test(test_changes),
                cmocka_unit_test(test_outlines),
                cmocka_unit_test(test_machine),
                cmocka_unit_test(test_copies_are_whole),
                cmocka_unit_test(test_differences),
                cmocka_unit_test(test_access),
                cmocka_unit_test(test_movable),
                cmocka_unit_test(test_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
