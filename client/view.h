/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Regions and devices as they are printed: daxctl's keys first, then daxd's
 * own, without what only programs on the bus need.
 */

#include <json-c/json.h>

#include "client/options.h"

/**
 * view_new() - what of a region or device is printed
 * @options: -M shows where it lies, -u sizes and addresses for people
 *
 * A region's devices are left out. Returns a new object, NULL when out of memory.
 */
json_object *view_new(json_object *object, const Options *options);

/** view_new_empty() - the same for a device of size 0, of which only the name is known */
json_object *view_new_empty(json_object *region, const char *name);

/** view_print() - an array; with -u a single element alone, as daxctl does; tells of its failure */
int view_print(json_object *array, const Options *options);
