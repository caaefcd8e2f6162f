/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The planner against the model of the kernel, by thousands of generated cases:
 *  - no step is one that the kernel refuses, and none leaks;
 *  - applying the plan gives what was wanted, and planning again gives no steps;
 *  - from every prefix, and from the middle of a step, there is a plan back, and it leads back;
 *  - devices that the wish leaves alone are never different, not even in between;
 *  - no one ever finds another's memory in a device that more than root can open;
 *  - a refusal has a sentence, and its reason is true.
 * Every case comes from a number: DAXD_TEST_SEED gives the first, DAXD_TEST_CASES how many.
 */

#include "tests/unit/edit.h"
#include "tests/unit/plan-wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CASES 20000
/* Fails with the number of the case, which is all that is needed to see it again. */
#define EXPECT(expression, ...)                                                                    \
        do {                                                                                       \
                if (!(expression)) {                                                               \
                        print_error("case %llu: %s\n", (unsigned long long)the_case, #expression); \
                        fail_msg(__VA_ARGS__);                                                     \
                }                                                                                  \
        } while (0)

static uint64_t the_case;
static unsigned refusals[_CONDITION_MAX], ops[_PLAN_OP_MAX], n_plans, n_backs, n_forths;

static void assert_same(const DaxDevice *is, const DaxDevice *wanted) {
        unsigned difference = dax_device_difference(is, wanted);

        EXPECT(difference == 0 && is->size == wanted->size, "%s (%s) is not as wanted: %#x",
               is->name, wanted->label, difference);
}

/* The devices that the wish does not name are as they were, and nobody reads another's memory. */
static void assert_in_between(const Model *model, const Model *start, const bool *touched) {
        for (unsigned id = 0; id < MODEL_DEVICES_MAX; id++)
                if (start->devices[id].exists && !touched[id])
                        EXPECT(memcmp(&model->devices[id], &start->devices[id],
                                      sizeof(ModelDevice)) == 0,
                               "bystander dax0.%u changed", id);
        EXPECT(model->leaks == 0, "memory leaked");
        EXPECT(model_exposed(model) < 0, "dax0.%d shows another's memory", model_exposed(model));
}

static void run_step(Model *model, Plan *plan, size_t i, uint64_t limit) {
        _cleanup_free_ char *text = NULL;
        int r = model_step(model, plan, &plan->steps[i], limit);

        if (r == 0)
                return;
        for (size_t k = 0; k <= i; k++) {
                free(TAKE_PTR(text));
                text = plan_step_describe(plan, &plan->steps[k]);
                print_error("  %zu. %s\n", k, text);
        }
        EXPECT(r == 0, "the kernel refuses the last step: %s", text_errno(r));
}

/* The device of @region at the place of @device; NULL: none. */
static const DaxDevice *find_place(const DaxRegion *region, const DaxDevice *device) {
        for (size_t i = 0; i < region->n_devices; i++)
                if (dax_ranges_equal(&region->devices[i]->ranges, &device->ranges))
                        return region->devices[i];

        return NULL;
}

/* By place: what was made anew may have another name. */
static void assert_there(const DaxRegion *is, const DaxRegion *before) {
        size_t n_is = 0, n_before = 0;

        for (size_t i = 0; i < is->n_devices; i++)
                n_is += is->devices[i]->size > 0;
        for (size_t i = 0; i < before->n_devices; i++) {
                const DaxDevice *device = before->devices[i], *again;

                if (device->size == 0) {
                        again = dax_region_find(is, device->name);
                        if (again && again->size == 0)
                                assert_same(again, device);
                        continue;
                }
                n_before++;
                again = find_place(is, device);
                EXPECT(again, "%s %s is not there", device->name, device->label);
                assert_same(again, device);
        }
        EXPECT(n_is == n_before, "%zu devices instead of %zu", n_is, n_before);
}

/*
 * Irreversible steps stand last, wipes before the names; unbinding by force is the exception. Once
 * a device that stays without a driver is being built, no other is bound.
 */
static void assert_order(const Plan *plan) {
        bool last = false, unbound = false;

        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];
                const DaxDevice *after = plan->devices[step->device].after;

                unbound |= (step->op == PLAN_CREATE || step->op == PLAN_MAPPING) &&
                           after->mode == DAX_MODE_NONE;
                EXPECT(!unbound || step->op != PLAN_BIND, "step %zu might bind what stays unbound",
                       i);
                if (step->op == PLAN_UNBIND)
                        continue;
                last |= step->irreversible;
                EXPECT(!last || step->irreversible || step->op == PLAN_PUBLISH,
                       "step %zu (%s) comes after an irreversible one", i, plan_op_name(step->op));
                EXPECT(step->irreversible ==
                               (step->op == PLAN_WIPE ||
                                (step->op == PLAN_ONLINE && step->state == DAX_BLOCK_KERNEL)),
                       "step %zu (%s): irreversible %d", i, plan_op_name(step->op),
                       step->irreversible);
        }
}

/* One transaction: from where, to where, and what it may touch. */
typedef struct Journey {
        Model start;
        const DaxRegion *before;
        DaxRegion *wanted; /* complete, what is new without names: what a record would hold */
        const bool *touched;
        PlanOptions options; /* forced */
} Journey;

/*
 * Plans from what @model is in now to @goal and goes there; sometimes it is interrupted and plans
 * again, once.
 */
static void go_to(const Journey *journey, const Model *model, const DaxRegion *goal, bool again) {
        Model *here = malloc(sizeof(Model));
        _cleanup_region_ DaxRegion *now = model_picture(model), *is = NULL;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_plan_ Plan *plan = NULL;
        size_t stop;
        int r;

        r = plan_new(now, goal, &journey->options, &plan, &failure);
        EXPECT(r == 0, "no way %s: %s", goal == journey->before ? "back" : "onward",
               failure_message(&failure));
        assert_order(plan);

        *here = *model;
        stop = again && plan->n_steps > 1 && chance(20) ? 1 + roll(plan->n_steps - 1) : SIZE_MAX;
        for (size_t i = 0; i < plan->n_steps; i++) {
                if (i == stop) {
                        go_to(journey, here, goal, false);
                        free(here);
                        return;
                }
                run_step(here, plan, i, UINT64_MAX);
                assert_in_between(here, &journey->start, journey->touched);
        }

        is = model_picture(here);
        assert_there(is, goal);
        free(here);
}

static void go_back_or_on(const Journey *journey, const Model *model) {
        go_to(journey, model, journey->before, true);
        n_backs++;
        if (chance(40)) {
                go_to(journey, model, journey->wanted, true);
                n_forths++;
        }
}

static void go_forth(Model *model, Plan *plan, const DaxRegion *before, const bool *touched) {
        static Journey journey;
        static Model middle;

        journey = (Journey){
                .start = *model,
                .before = before,
                .touched = touched,
                .options = { .block_size = model->block_size, .force = true },
        };
        assert_int_equal(dax_region_copy(plan->wanted, &journey.wanted), 0);
        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].action == PLAN_NEW && plan->devices[i].name[0] != '\0')
                        dax_region_rename(journey.wanted,
                                          edit(journey.wanted, plan->devices[i].name), "");

        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];
                uint64_t most = step->op == PLAN_WIPE ? step->range.size / MODEL_UNIT :
                                                        step->n_blocks;

                go_back_or_on(&journey, model);
                if (most > 1) {
                        middle = *model;
                        run_step(&middle, plan, i, 1 + roll(most - 1));
                        go_back_or_on(&journey, &middle);
                }
                run_step(model, plan, i, UINT64_MAX);
                assert_in_between(model, &journey.start, touched);
                ops[step->op]++;
        }
        go_back_or_on(&journey, model);
        dax_region_free(journey.wanted);
}
/* Whether the wish itself says where @after begins. */
static bool place_is_wished(const Wish *wish, const DaxDevice *after) {
        for (size_t i = 0; i < wish->wanted->n_devices; i++) {
                const DaxRanges *ranges = &wish->wanted->devices[i]->ranges;

                if (ranges->count > 0 && ranges->list[0].offset == after->ranges.list[0].offset)
                        return true;
        }

        return false;
}

/* New memory lies on its boundaries, never on leaked memory, and in one piece where it can. */
static void assert_placed(const Wish *wish, const DaxRegion *now, const Plan *plan) {
        const DaxDevice *only = NULL;
        uint64_t unit, largest = 0;
        size_t n_placed = 0;

        for (size_t i = 0; i < wish->wanted->n_devices; i++) {
                const DaxDevice *wanted = wish->wanted->devices[i];

                if (wanted->size <= dax_ranges_size(&wanted->ranges))
                        continue;
                if (wanted->ranges.count > 0)
                        return; /* partly said, partly placed: there are others */
                n_placed++;
        }
        for (size_t i = 0; i < plan->n_devices; i++) {
                const DaxDevice *after = plan->devices[i].after;

                if (plan->devices[i].action != PLAN_NEW || place_is_wished(wish, after))
                        continue;
                unit = wish_unit(wish, after);
                for (size_t k = 0; k < after->ranges.count; k++) {
                        DaxRange range = after->ranges.list[k];

                        EXPECT((now->start + range.offset) % unit == 0 && range.size % unit == 0,
                               "%s does not lie on its boundaries", after->name);
                        EXPECT(!dax_ranges_overlap(&now->leaked, range), "placed on leaked memory");
                }
                only = after;
        }
        if (n_placed != 1 || !only)
                return;

        unit = wish_unit(wish, only);
        for (size_t u = 0, run = 0; u < now->size / MODEL_UNIT; u++) {
                DaxRange here = { u * MODEL_UNIT, MODEL_UNIT };
                bool free_here = !dax_ranges_overlap(&now->leaked, here);

                for (size_t i = 0; i < plan->wanted->n_devices; i++)
                        if (plan->wanted->devices[i] != only)
                                free_here &= !dax_ranges_overlap(&plan->wanted->devices[i]->ranges,
                                                                 here);
                if (run == 0 && (now->start + here.offset) % unit)
                        continue;
                run = free_here ? run + MODEL_UNIT : 0;
                largest = MAX(largest, run);
        }
        EXPECT(only->ranges.count == 1 || largest < only->size, "%s is split without need",
               only->name);
}

static void assert_arrived(const Model *model, const Plan *plan, const PlanOptions *options) {
        _cleanup_region_ DaxRegion *is = model_picture(model);
        _cleanup_plan_ Plan *again = NULL;
        int r;

        for (size_t i = 0; i < plan->n_devices; i++) {
                const DaxDevice *after = plan->devices[i].after;
                const DaxDevice *device = dax_region_find(is, plan->devices[i].name);

                if (after) {
                        EXPECT(device, "%s is not there", plan->devices[i].name);
                        assert_same(device, after);
                        EXPECT(dax_region_find(plan->wanted, after->name) == after,
                               "%s is not found by its name", after->name);
                } else if (plan->devices[i].before->instance != 0) {
                        const DaxDevice *before = plan->devices[i].before;

                        EXPECT(!device || device->identity != before->identity, "%s is still there",
                               before->name);
                }
        }

        r = plan_new(is, is, options, &again, NULL);
        EXPECT(r == 0 && again->n_steps == 0, "a picture is not its own plan");
        plan_free(TAKE_PTR(again));
        r = plan_new(is, plan->wanted, options, &again, NULL);
        EXPECT(r == 0, "what was reached is refused");
        for (size_t i = 0; i < again->n_steps; i++)
                EXPECT(again->steps[i].op == PLAN_WIPE, "the same again takes %s",
                       plan_op_name(again->steps[i].op));
}

static bool has_device(const Plan *plan, const DaxDevice *wanted) {
        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].after == wanted)
                        return true;

        return false;
}

/* But for the device, which has another number in another plan. */
static bool is_same_step(const PlanStep *a, const PlanStep *b) {
        return a->op == b->op && a->value == b->value && a->range.offset == b->range.offset &&
               a->range.size == b->range.size && a->mode == b->mode &&
               a->first_block == b->first_block && a->n_blocks == b->n_blocks &&
               a->state == b->state && a->disruptive == b->disruptive &&
               a->irreversible == b->irreversible;
}

/* A plan to be shown has all devices, one to be carried out those that change: the same steps. */
static void assert_shown(const Wish *wish, const DaxRegion *now, const Plan *plan) {
        PlanOptions options = wish->options;
        _cleanup_plan_ Plan *shown = NULL;

        for (size_t i = 0; i < plan->n_devices; i++)
                EXPECT(plan->devices[i].before != plan->devices[i].after, "%s stays as it is",
                       plan->devices[i].name);

        options.shown = true;
        EXPECT(plan_new(now, wish->wanted, &options, &shown, NULL) == 0, "not to be shown");
        for (size_t i = 0; i < shown->wanted->n_devices; i++)
                EXPECT(has_device(shown, shown->wanted->devices[i]), "%s is left out",
                       shown->wanted->devices[i]->name);
        EXPECT(shown->n_steps == plan->n_steps, "other steps");
        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *one = &plan->steps[i], *other = &shown->steps[i];

                EXPECT(strcmp(plan->devices[one->device].name,
                              shown->devices[other->device].name) == 0,
                       "another device");
                EXPECT(is_same_step(one, other), "another step");
        }
}

static void assert_refusal(const Wish *wish, int condition, const Failure *failure) {
        EXPECT(condition > 0, "plan_new: %s", text_errno(condition));
        EXPECT((int)failure->condition == condition, "refused as %d, said %d", condition,
               failure->condition);
        EXPECT(strlen(failure_message(failure)) > 20, "no reason given");
        EXPECT(wish->may[condition], "%s: %s", condition_name(condition), failure_message(failure));
        refusals[condition]++;
}

static void run_case(void) {
        static Model model;
        _cleanup_region_ DaxRegion *now = NULL, *before = NULL;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_plan_ Plan *plan = NULL;
        bool keep_contents;
        Wish wish;
        int r;

        roll_start(the_case);
        wish_roll_now(&model);
        now = model_picture(&model);
        wish_roll(&wish, now, model.block_size);

        r = plan_new(now, wish.wanted, &wish.options, &plan, &failure);
        if (r != 0) {
                assert_refusal(&wish, r, &failure);
                dax_region_free(wish.wanted);
                return;
        }
        EXPECT(wish.must == 0, "planned although %s", condition_name(wish.must));
        assert_placed(&wish, now, plan);
        assert_shown(&wish, now, plan);
        refusals[0]++;
        n_plans++;
        assert_order(plan);

        assert_int_equal(dax_region_copy(now, &before), 0);
        keep_contents = chance(70); /* as long as nobody else was let in */
        for (size_t i = 0; i < before->n_devices; i++)
                if (wish.touched[before->devices[i]->instance] && keep_contents)
                        edit_device(before, before->devices[i])->wipe = 0;
        wish.touched[0] |= now->devices[0]->size == 0; /* the slot for the first new one */
        go_forth(&model, plan, before, wish.touched);
        assert_arrived(&model, plan, &wish.options);
        dax_region_free(wish.wanted);
}

static uint64_t environment(const char *name, uint64_t otherwise) {
        const char *text = getenv(name);
        uint64_t value;

        return text && text_parse_u64(text, &value) == 0 ? value : otherwise;
}

static void test_generated(void **state) {
        uint64_t first = environment("DAXD_TEST_SEED", 1);
        uint64_t cases = environment("DAXD_TEST_CASES", CASES);

        print_message("cases %llu to %llu (DAXD_TEST_SEED, DAXD_TEST_CASES)\n",
                      (unsigned long long)first, (unsigned long long)(first + cases - 1));
        for (the_case = first; the_case < first + cases; the_case++)
                run_case();

        print_message("%u plans; from their steps %u ways back and %u onward\n", n_plans, n_backs,
                      n_forths);
        for (PlanOp op = 0; op < _PLAN_OP_MAX; op++)
                print_message("%u %s\n", ops[op], plan_op_name(op));
        for (int i = 1; i < _CONDITION_MAX; i++)
                if (refusals[i] > 0)
                        print_message("%u refused: %s\n", refusals[i], condition_name(i));
        if (cases < 1000)
                return;
        assert_true(n_plans > cases / 2);
        for (PlanOp op = 0; op < _PLAN_OP_MAX; op++)
                assert_true(ops[op] > cases / 100);
        assert_true(refusals[CONDITION_NO_SPACE] > 0 && refusals[CONDITION_FRAGMENTED] > 0);
        assert_true(refusals[CONDITION_INVALID_RANGE] > 0 && refusals[CONDITION_INVALID_SIZE] > 0);
        assert_true(refusals[CONDITION_INVALID_ALIGN] > 0 && refusals[CONDITION_TAINTED] > 0);
        assert_true(refusals[CONDITION_MEMORY_ONLINE] > 0);
        assert_true(refusals[CONDITION_MEMORY_BLOCK_ALIGN] > 0);
        assert_true(refusals[CONDITION_NOT_SUPPORTED] > 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_generated),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
