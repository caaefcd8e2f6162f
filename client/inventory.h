/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Finding regions and devices in what bus_describe() returned. Silent; results
 * are borrowed from the description.
 */

#include <json-c/json.h>
#include <stdbool.h>

#include "client/options.h"

/** inventory_region() - the region with this number, NULL when there is none */
json_object *inventory_region(json_object *description, uint32_t id);

/** inventory_region_of() - the region of the device at this object path, NULL when gone */
json_object *inventory_region_of(json_object *description, const char *object);

/** inventory_device() - the device at this object path, NULL when gone */
json_object *inventory_device(json_object *description, const char *object);

/** inventory_has_empty() - whether there is a device of size 0 with this name */
bool inventory_has_empty(json_object *description, const char *name);

/** region_selected() - whether -r leaves this region in */
bool region_selected(json_object *region, const Options *options);
