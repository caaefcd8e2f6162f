/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A plan for people to read.
 */

#include <json-c/json.h>
#include <stdbool.h>

/** diff_print_plan() - what would be done: devices, steps, refusal, digest; on stdout */
void diff_print_plan(json_object *plan);

/** diff_print_done() - what was done: the devices that are not as before; on stdout */
void diff_print_done(json_object *plan);

/** plan_refusal() - why the plan cannot be carried out, NULL when it can; borrowed */
const char *plan_refusal(json_object *plan);
