/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Examples of plans: the words they are told in. */

#include "tests/unit/edit.h"
#include "tests/unit/plan-example.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* --- saying what is --------------------------------------------------------------------------- */

int example_set_up(void **state) {
        Example *example = calloc(1, sizeof(Example));

        model_init(&example->model, START, 32, 4 * MODEL_UNIT);
        example->options = (PlanOptions){ .block_size = 4 * MODEL_UNIT, .force = true };
        *state = example;
        return 0;
}

int example_tear_down(void **state) {
        Example *example = *state;

        dax_region_free(example->now);
        dax_region_free(example->wanted);
        free(example);
        return 0;
}

unsigned have_created(Example *example) {
        unsigned id;

        assert_int_equal(model_create(&example->model, &id), 0);
        return id;
}

void have_range(Example *example, unsigned id, uint64_t offset, uint64_t size) {
        assert_int_equal(model_mapping(&example->model, id,
                                       (DaxRange){ offset * MODEL_UNIT, size * MODEL_UNIT }),
                         0);
}

void have_bound(Example *example, unsigned id, DaxMode mode) {
        if (mode != DAX_MODE_NONE)
                assert_int_equal(model_bind(&example->model, id, mode), 0);
}

unsigned have(Example *example, uint64_t offset, uint64_t size, DaxMode mode) {
        unsigned id = example->model.devices[0].n_ranges > 0 ? have_created(example) : 0;

        have_range(example, id, offset, size);
        have_bound(example, id, mode);
        return id;
}

void have_block(Example *example, uint64_t block, DaxBlockState state) {
        assert_int_equal(model_block(&example->model, FIRST_BLOCK + block, state), 0);
}

void have_label(Example *example, unsigned id, const char *label) {
        uint32_t life = example->model.devices[id].life;

        assert_int_equal(model_publish(&example->model, id, label, &(DaxAccess){}, life, false), 0);
        model_write(&example->model, id, label, life);
}

void look(Example *example) {
        dax_region_free(example->now);
        dax_region_free(example->wanted);
        example->now = model_picture(&example->model);
        assert_int_equal(dax_region_copy(example->now, &example->wanted), 0);
}

/* --- saying what is wanted -------------------------------------------------------------------- */

DaxDevice *want(Example *example, unsigned id) {
        char name[DAX_NAME_MAX + 1];

        snprintf(name, sizeof(name), "dax0.%u", id);
        return edit(example->wanted, name);
}

DaxDevice *want_new(Example *example, uint64_t size, DaxMode mode) {
        DaxDevice *device;

        assert_int_equal(dax_device_new(&device), 0);
        device->align = MODEL_UNIT;
        device->size = size == DAX_SIZE_REST ? size : size * MODEL_UNIT;
        device->mode = mode;
        assert_int_equal(dax_region_add(example->wanted, device), 0);
        return device;
}

void want_range(DaxDevice *device, uint64_t offset, uint64_t size) {
        DaxRange range = { offset * MODEL_UNIT, size * MODEL_UNIT };

        assert_int_equal(dax_ranges_append(&device->ranges, range), 0);
        device->size = dax_ranges_size(&device->ranges);
}

void want_label(DaxDevice *device, const char *label) {
        snprintf(device->label, sizeof(device->label), "%s", label);
}

void want_none(Example *example, unsigned id) {
        dax_device_unref(dax_region_take(example->wanted, want(example, id)->name));
}

/* --- what must come of it --------------------------------------------------------------------- */

static void write_step(FILE *out, const Plan *plan, const PlanStep *step) {
        unsigned long long value = step->value / MODEL_UNIT,
                           first = step->first_block - FIRST_BLOCK;

        fprintf(out, "%s %s", plan_op_name(step->op), plan->devices[step->device].name);
        switch (step->op) {
        case PLAN_SIZE:
        case PLAN_ALIGN:
                fprintf(out, " %llu", value);
                break;
        case PLAN_MEMMAP:
                fprintf(out, " %d", (int)step->value);
                break;
        case PLAN_MAPPING:
        case PLAN_WIPE:
                fprintf(out, " %llu+%llu", (unsigned long long)(step->range.offset / MODEL_UNIT),
                        (unsigned long long)(step->range.size / MODEL_UNIT));
                break;
        case PLAN_BIND:
                fprintf(out, " %s", dax_mode_name(step->mode));
                break;
        case PLAN_OFFLINE:
        case PLAN_ONLINE:
                fprintf(out, " %llu+%llu", first, (unsigned long long)step->n_blocks);
                if (step->op == PLAN_ONLINE)
                        fprintf(out, " %s", dax_block_state_name(step->state));
                break;
        case PLAN_RETRACT:
        case PLAN_UNBIND:
        case PLAN_DESTROY:
        case PLAN_CREATE:
        case PLAN_PUBLISH:
        case _PLAN_OP_MAX:
                break;
        }
        fprintf(out, "; ");
}

Plan *plan_for(Example *example) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Plan *plan = NULL;
        int r;

        r = plan_new(example->now, example->wanted, &example->options, &plan, &failure);
        if (r != 0)
                fail_msg("%d %s", r, failure_message(&failure));
        return plan;
}

void expect_plan(Example *example, const char *steps) {
        _cleanup_plan_ Plan *plan = plan_for(example);
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        for (size_t i = 0; i < plan->n_steps; i++) {
                int r = model_step(&example->model, plan, &plan->steps[i], UINT64_MAX);

                write_step(out, plan, &plan->steps[i]);
                if (r != 0) {
                        fclose(out);
                        fail_msg("%s <- %s", text, text_errno(r));
                }
        }
        fclose(out);

        assert_string_equal(text, steps);
        assert_int_equal(example->model.leaks, 0);
        assert_int_equal(model_exposed(&example->model), -1);

        look(example);
        for (size_t i = 0; i < plan->n_devices; i++) {
                const DaxDevice *after = plan->devices[i].after, *is;

                if (!after)
                        continue;
                is = dax_region_find(example->now, plan->devices[i].name);
                assert_non_null(is);
                assert_int_equal(dax_device_difference(is, after), 0);
                assert_int_equal(is->size, after->size);
        }
}

void expect_refusal(Example *example, Condition condition, const char *device, const char *value) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_plan_ Plan *plan = NULL;
        int r;

        r = plan_new(example->now, example->wanted, &example->options, &plan, &failure);
        if (r != (int)condition || failure.condition != condition)
                fail_msg("%d (%s) instead of %s: %s", r, condition_name(failure.condition),
                         condition_name(condition), failure_message(&failure));
        assert_null(plan);
        if (!strstr(failure_message(&failure), device) || !strstr(failure_message(&failure), value))
                fail_msg("neither %s nor %s: %s", device, value, failure_message(&failure));
}
