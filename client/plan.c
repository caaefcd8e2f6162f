/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxdctl plan and apply: a layout file shown as what it would change, and
 * carried out. The digest that plan prints makes "apply --expect" do exactly
 * what was shown, or nothing.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/device.h"
#include "client/diff.h"
#include "client/fields.h"
#include "client/file.h"
#include "client/job.h"
#include "client/report.h"
#include "client/verbs.h"

static int new_layout_call(sd_bus *bus, const char *method, const Options *options,
                           sd_bus_message **ret_message) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        _cleanup_free_ char *layout = NULL;
        int r;

        r = file_read(options->args[0], &layout);
        if (r < 0)
                return r;
        r = bus_new_call(bus, DAXD_PATH, DAXD_MANAGER, method, &message);
        if (r < 0)
                return r;
        r = sd_bus_message_append(message, "s", layout);
        if (r == -EINVAL)
                report("%s is no UTF-8 text", options->args[0]);
        if (r < 0)
                return r == -EINVAL ? r : bus_check(r);
        r = job_options_open(message);
        if (r < 0)
                return r;

        *ret_message = sd_bus_message_ref(message);
        return 0;
}

static int plan_layout(sd_bus *bus, const Options *options, json_object **ret_plan) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        int r;

        r = new_layout_call(bus, "PlanLayout", options, &message);
        if (r < 0)
                return r;
        if (options_has(options, OPTION_FORCE)) {
                r = job_option_bool(message, "force", true);
                if (r < 0)
                        return r;
        }
        r = bus_check(sd_bus_message_close_container(message));
        if (r < 0)
                return r;

        r = bus_call(bus, message, &reply);
        return r < 0 ? r : bus_parse_json(reply, ret_plan);
}

/* Returns what job_run() does. */
static int apply_layout(sd_bus *bus, const Options *options, json_object **ret_plan) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL, *reply = NULL;
        int r, done;

        r = new_layout_call(bus, "ApplyLayout", options, &message);
        if (r >= 0 && options->expect)
                r = job_option_string(message, "expect", options->expect);
        if (r >= 0)
                r = device_add_common_options(message, options);
        if (r < 0)
                return r;

        done = job_run(bus, message, NULL, &reply);
        if (done < 0)
                return done;

        r = bus_parse_json(reply, ret_plan);
        return r < 0 ? r : done;
}

static bool plan_is_expected(json_object *plan, const Options *options) {
        const char *digest = field_string(plan, "digest");

        if (!options->expect || strcmp(options->expect, digest) == 0)
                return true;

        report("the plan is not the expected one any more: its digest is %s", digest);
        return false;
}

int verb_plan(const Options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ json_object *plan = NULL;

        if (bus_open(&bus) < 0 || plan_layout(bus, options, &plan) < 0)
                return EXIT_REFUSED;

        if (!options_has(options, OPTION_JSON))
                diff_print_plan(plan);
        else if (say_json(plan) < 0)
                return EXIT_REFUSED;

        return plan_refusal(plan) || !plan_is_expected(plan, options) ? EXIT_REFUSED : EXIT_SUCCESS;
}

int verb_apply(const Options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ json_object *plan = NULL;
        int r;

        if (options_has(options, OPTION_DRY_RUN))
                return verb_plan(options);

        if (bus_open(&bus) < 0)
                return EXIT_REFUSED;
        r = apply_layout(bus, options, &plan);
        if (r < 0)
                return r == -EINTR ? EXIT_INTERRUPTED : EXIT_REFUSED;

        if (plan_refusal(plan)) {
                report("%s", plan_refusal(plan));
                return EXIT_REFUSED;
        }
        if (!options_has(options, OPTION_JSON))
                diff_print_done(plan);
        else if (say_json(plan) < 0)
                return EXIT_REFUSED;

        return r > 0 ? EXIT_INTERRUPTED : EXIT_SUCCESS;
}
