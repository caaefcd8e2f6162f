/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A plan for people to read. It takes the values of "before", "after" and the
 * steps as they come, so that it shows keys that it does not know, too.
 */

#include "client/diff.h"

#include <stdio.h>
#include <string.h>

#include "client/cleanup.h"
#include "client/fields.h"
#include "client/report.h"
#include "client/units.h"

typedef struct Action {
        const char *name;
        char sign;
        const char *done;
} Action;

static const Action actions[] = {
        { "keep", '=', "kept" },
        { "create", '+', "created" },
        { "change", '~', "changed" },
        { "destroy", '-', "destroyed" },
};

#define N_ACTIONS (sizeof(actions) / sizeof(actions[0]))

/* Of a device ("size") or a step ("set-size"). */
static bool key_is_size(const char *key) {
        static const char *const ends[] = { "size", "align" };
        size_t length = strlen(key);

        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                if (length >= strlen(ends[i]) &&
                    strcmp(key + length - strlen(ends[i]), ends[i]) == 0)
                        return true;

        return false;
}

static char *value_text(const char *key, json_object *value);

/* "a, b, c" */
static char *array_text(const char *key, json_object *array) {
        _cleanup_free_ char *text = strdup("");

        for (size_t i = 0; text && i < array_length(array); i++) {
                _cleanup_free_ char *element = NULL;
                char *longer;

                element = value_text(key, json_object_array_get_idx(array, i));
                if (!element || asprintf(&longer, "%s%s%s", text, i > 0 ? ", " : "", element) < 0)
                        return NULL;
                free(text);
                text = longer;
        }

        return steal_string(&text);
}

/* "256 MiB at 1 GiB"; NULL when @value is no range */
static char *range_text(json_object *value) {
        char size_text[SIZE_TEXT_MAX], offset_text[SIZE_TEXT_MAX], *text;
        uint64_t offset, size;

        if (!field_uint(value, "offset", &offset) || !field_uint(value, "size", &size))
                return NULL;

        size_format_exact(size, size_text);
        size_format_exact(offset, offset_text);
        return asprintf(&text, "%s at %s", size_text, offset_text) < 0 ? NULL : text;
}

/* Text to free: sizes and ranges for people, else as it is; NULL when out of memory. */
static char *value_text(const char *key, json_object *value) {
        char size[SIZE_TEXT_MAX], *text;
        uint64_t number;

        if (!value)
                return strdup("none");
        if (json_object_is_type(value, json_type_array))
                return array_text(key, value);
        text = range_text(value);
        if (text)
                return text;
        if (key_is_size(key) && value_uint(value, &number)) {
                size_format_exact(number, size);
                return strdup(size);
        }
        if (json_object_is_type(value, json_type_string))
                return strdup(json_object_get_string(value));

        return strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* What already stands in the headline of the device. */
static bool key_is_headline(const char *key) {
        return strcmp(key, "name") == 0 || strcmp(key, "label") == 0 || strcmp(key, "chardev") == 0;
}

static void print_value(const char *key, json_object *value) {
        _cleanup_free_ char *text = value_text(key, value);

        if (!text)
                report_oom();
        else
                say("      %s: %s", key, text);
}

static void print_change(const char *key, json_object *before, json_object *after) {
        _cleanup_free_ char *old = value_text(key, before), *new = value_text(key, after);

        if (!old || !new)
                report_oom();
        else
                say("      %s: %s -> %s", key, old, new);
}

/* A device that comes or goes: all of it. */
static void print_values(json_object *object) {
        json_object_object_foreach(object, key, value)
                if (value && !key_is_headline(key))
                        print_value(key, value);
}

/* What @after has otherwise than @before. */
static void print_differences(json_object *before, json_object *after) {
        json_object *old;

        json_object_object_foreach(after, key, value) {
                if (!json_object_object_get_ex(before, key, &old))
                        old = NULL;
                if (!key_is_headline(key) && !json_object_equal(old, value))
                        print_change(key, old, value);
        }
}

/* What @before has and @after has not. */
static void print_losses(json_object *before, json_object *after) {
        json_object_object_foreach(before, key, value)
                if (value && !key_is_headline(key) && !json_object_object_get_ex(after, key, NULL))
                        print_change(key, value, NULL);
}

static void print_changes(json_object *device) {
        json_object *before = field_object(device, "before");
        json_object *after = field_object(device, "after");

        if (before && after) {
                print_differences(before, after);
                print_losses(before, after);
        } else if (before || after)
                print_values(before ? before : after);
}

static void print_remarks(json_object *device, const char *key, const char *remark) {
        json_object *array = field_array(device, key);

        for (size_t i = 0; i < array_length(array); i++) {
                _cleanup_free_ char *text = value_text(key, json_object_array_get_idx(array, i));

                say("      %s: %s", remark, text ? text : "");
        }
}

static void print_lost(json_object *device) {
        char text[SIZE_TEXT_MAX];
        uint64_t lost;

        if (!field_uint(device, "lost_to_rounding", &lost) || lost == 0)
                return;

        size_format_exact(lost, text);
        say("      lost to rounding: %s", text);
}

static const Action *action_find(json_object *device) {
        for (size_t i = 0; i < N_ACTIONS; i++)
                if (strcmp(actions[i].name, field_string(device, "action")) == 0)
                        return &actions[i];

        return NULL;
}

static void print_device(json_object *device, bool done) {
        const Action *action = action_find(device);
        const char *name = field_string(device, "name"), *label = field_string(device, "label");

        say("%c %s %s%s%s%s%s", action ? action->sign : '?',
            !action ? field_string(device, "action") :
            done    ? action->done :
                      action->name,
            name, *name && *label ? " " : "", *label ? "\"" : "", label, *label ? "\"" : "");

        print_changes(device);
        print_lost(device);
        if (done)
                return;
        print_remarks(device, "disruptive", "disruptive");
        print_remarks(device, "irreversible", "cannot be undone");
}

static void print_steps(json_object *plan) {
        json_object *steps = field_array(plan, "steps");

        if (array_length(steps) > 0)
                say("steps:");
        for (size_t i = 0; i < array_length(steps); i++) {
                json_object *step = json_object_array_get_idx(steps, i), *value = NULL;
                _cleanup_free_ char *text = NULL;
                const char *op = field_string(step, "op");

                json_object_object_get_ex(step, "value", &value);
                text = value_text(op, value);
                say("%3zu. %s %s%s%s", i + 1, op, field_string(step, "device"), value ? " " : "",
                    value && text ? text : "");
        }
}

static void print_region(json_object *plan, const char *what) {
        _cleanup_free_ char *text = NULL;
        json_object *region;

        if (!json_object_object_get_ex(plan, "region", &region))
                return;
        text = value_text("region", region);
        say("%s %s:", what, text ? text : "");
}

const char *plan_refusal(json_object *plan) {
        json_object *refusal = field_object(plan, "refusal");

        return refusal ? field_string(refusal, "message") : NULL;
}

void diff_print_plan(json_object *plan) {
        json_object *devices = field_array(plan, "devices");
        const char *refusal = plan_refusal(plan);

        print_region(plan, "plan for region");
        for (size_t i = 0; i < array_length(devices); i++)
                print_device(json_object_array_get_idx(devices, i), false);
        print_steps(plan);

        if (refusal)
                say("refused: %s", refusal);
        else if (array_length(field_array(plan, "steps")) == 0)
                say("nothing to do: all is as the layout says");
        if (field_string(plan, "digest")[0] != '\0')
                say("digest: %s", field_string(plan, "digest"));
}

void diff_print_done(json_object *plan) {
        json_object *devices = field_array(plan, "devices");
        size_t n_done = 0;

        print_region(plan, "applied to region");
        for (size_t i = 0; i < array_length(devices); i++) {
                json_object *device = json_object_array_get_idx(devices, i);

                if (strcmp(field_string(device, "action"), "keep") == 0)
                        continue;
                print_device(device, true);
                n_done++;
        }

        if (n_done == 0)
                say("nothing to do: all was as the layout says");
}
