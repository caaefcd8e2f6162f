/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plan document: {version, region, digest, devices, steps, refusal}. */

#include "daemon/plan/document.h"

#include <stdio.h>
#include <string.h>

#define DOCUMENT_VERSION 1

static int range_object(DaxRange range, json_object **ret_object) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add_u64(object, "offset", range.offset) < 0 ||
            json_add_u64(object, "size", range.size) < 0)
                return -ENOMEM;

        *ret_object = TAKE_PTR(object);
        return 0;
}

static int add_access(json_object *object, const DaxAccess *access) {
        json_object *child;
        char mode[8];

        if (!dax_access_is_open(access))
                return 0;

        child = json_object_new_object();
        if (!child || json_add(object, "access", child) < 0)
                return -ENOMEM;
        snprintf(mode, sizeof(mode), "%04o", (unsigned)access->mode & 0777);
        return json_add_string(child, "user", access->user[0] ? access->user : "root") < 0 ||
                               json_add_string(child, "group",
                                               access->group[0] ? access->group : "root") < 0 ||
                               json_add_string(child, "mode", access->mode ? mode : "0600") < 0 ?
                     -ENOMEM :
                     0;
}

static int add_picture(json_object *parent, const char *key, const DaxDevice *device) {
        json_object *object, *ranges;

        if (!device || device->size == 0)
                return json_add_null(parent, key);

        object = json_object_new_object();
        if (!object || json_add(parent, key, object) < 0)
                return -ENOMEM;
        if (json_add_u64(object, "size", device->size) < 0 ||
            json_add_u64(object, "align", device->align) < 0 ||
            json_add_string(object, "mode", dax_mode_name(device->mode)) < 0)
                return -ENOMEM;
        if (device->label[0] != '\0' && json_add_string(object, "label", device->label) < 0)
                return -ENOMEM;
        if (device->memmap_on_memory >= 0 &&
            json_add_bool(object, "memmap_on_memory", device->memmap_on_memory) < 0)
                return -ENOMEM;
        if (device->mode == DAX_MODE_SYSTEM_RAM &&
            (json_add_u64(object, "online_memblocks", dax_device_online_blocks(device)) < 0 ||
             json_add_u64(object, "total_memblocks", device->n_blocks) < 0 ||
             json_add_bool(object, "movable", dax_device_is_movable(device)) < 0))
                return -ENOMEM;

        ranges = json_object_new_array();
        if (!ranges || json_add(object, "ranges", ranges) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < device->ranges.count; i++) {
                json_object *range;

                if (range_object(device->ranges.list[i], &range) < 0 ||
                    json_append(ranges, range) < 0)
                        return -ENOMEM;
        }

        return add_access(object, &device->access);
}

static int add_remarks(json_object *object, const char *key, const Plan *plan, size_t device,
                       bool irreversible) {
        json_object *array = json_object_new_array();

        if (!array || json_add(object, key, array) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < plan->n_steps; i++) {
                const PlanStep *step = &plan->steps[i];
                _cleanup_free_ char *text = NULL;

                if (step->device != device ||
                    !(irreversible ? step->irreversible : step->disruptive))
                        continue;
                text = plan_step_describe(plan, step);
                if (!text || json_append(array, json_object_new_string(text)) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int add_device(json_object *devices, const Plan *plan, size_t index) {
        const PlanDevice *device = &plan->devices[index];
        const DaxDevice *named = device->after ?: device->before;
        json_object *object = json_object_new_object();

        if (!object || json_append(devices, object) < 0)
                return -ENOMEM;
        if (json_add_string(object, "label", named ? named->label : "") < 0 ||
            json_add_string(object, "name", device->name) < 0 ||
            json_add_string(object, "action", plan_action_name(device->action)) < 0 ||
            add_picture(object, "before", device->before) < 0 ||
            add_picture(object, "after", device->after) < 0 ||
            json_add_u64(object, "lost_to_rounding",
                         device->after ? device->after->lost_to_rounding : 0) < 0 ||
            add_remarks(object, "disruptive", plan, index, false) < 0 ||
            add_remarks(object, "irreversible", plan, index, true) < 0)
                return -ENOMEM;
        return 0;
}

static int add_value(json_object *object, const PlanStep *step) {
        json_object *value = NULL;
        int r = 0;

        switch (step->op) {
        case PLAN_SIZE:
        case PLAN_ALIGN:
                return json_add_u64(object, "value", step->value);
        case PLAN_MEMMAP:
                return json_add_bool(object, "value", step->value);
        case PLAN_BIND:
                return json_add_string(object, "value", dax_mode_name(step->mode));
        case PLAN_MAPPING:
        case PLAN_WIPE:
                r = range_object(step->range, &value);
                return r < 0 ? r : json_add(object, "value", value);
        case PLAN_OFFLINE:
        case PLAN_ONLINE:
                value = json_object_new_object();
                if (!value || json_add(object, "value", value) < 0)
                        return -ENOMEM;
                if (json_add_u64(value, "memblocks", step->n_blocks) < 0)
                        return -ENOMEM;
                return step->op == PLAN_ONLINE ?
                               json_add_string(value, "policy", dax_block_state_name(step->state)) :
                               0;
        case PLAN_RETRACT:
        case PLAN_UNBIND:
        case PLAN_DESTROY:
        case PLAN_CREATE:
        case PLAN_PUBLISH:
        case _PLAN_OP_MAX:
                break;
        }

        return json_add_null(object, "value");
}

static int add_step(json_object *steps, const Plan *plan, const PlanStep *step) {
        const PlanDevice *device = &plan->devices[step->device];
        const char *name = device->name[0] != '\0' || !device->after ? device->name :
                                                                       device->after->label;
        json_object *object = json_object_new_object();

        if (!object || json_append(steps, object) < 0)
                return -ENOMEM;
        return json_add_string(object, "op", plan_op_name(step->op)) < 0 ||
                               json_add_string(object, "device", name) < 0 ?
                     -ENOMEM :
                     add_value(object, step);
}

static int add_plan(json_object *object, const Plan *plan) {
        json_object *devices = json_object_new_array(), *steps = NULL;

        if (!devices || json_add(object, "devices", devices) < 0)
                return -ENOMEM;
        steps = json_object_new_array();
        if (!steps || json_add(object, "steps", steps) < 0)
                return -ENOMEM;

        for (size_t i = 0; plan && i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];

                if (device->action == PLAN_KEEP && device->after && device->after->size == 0)
                        continue;
                if (add_device(devices, plan, i) < 0)
                        return -ENOMEM;
        }
        for (size_t i = 0; plan && i < plan->n_steps; i++)
                if (add_step(steps, plan, &plan->steps[i]) < 0)
                        return -ENOMEM;

        return 0;
}

static int add_refusal(json_object *object, const Failure *refusal) {
        json_object *child;

        if (!refusal)
                return 0;

        child = json_object_new_object();
        if (!child || json_add(object, "refusal", child) < 0)
                return -ENOMEM;
        return json_add_string(child, "error", condition_name(refusal->condition)) < 0 ||
                               json_add_string(child, "message", failure_message(refusal)) < 0 ?
                     -ENOMEM :
                     0;
}

int plan_document(const Plan *plan, uint32_t region, const Failure *refusal,
                  json_object **ret_object) {
        _cleanup_json_ json_object *object = json_object_new_object();

        if (!object || json_add_u64(object, "version", DOCUMENT_VERSION) < 0 ||
            json_add_u64(object, "region", region) < 0 ||
            json_add_string(object, "digest", plan ? plan->digest : "") < 0 ||
            add_plan(object, plan) < 0 || add_refusal(object, refusal) < 0)
                return -ENOMEM;

        *ret_object = TAKE_PTR(object);
        return 0;
}
