/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Finding regions and devices in what bus_describe() returned.
 */

#include "client/inventory.h"

#include <string.h>

#include "client/fields.h"

json_object *inventory_region(json_object *description, uint32_t id) {
        json_object *regions = field_array(description, "regions");
        uint64_t region_id;

        for (size_t i = 0; i < array_length(regions); i++) {
                json_object *region = json_object_array_get_idx(regions, i);

                if (field_uint(region, "id", &region_id) && region_id == id)
                        return region;
        }

        return NULL;
}

static json_object *region_device(json_object *region, const char *object) {
        json_object *devices = field_array(region, "devices");

        for (size_t i = 0; i < array_length(devices); i++) {
                json_object *device = json_object_array_get_idx(devices, i);

                if (strcmp(field_string(device, "object"), object) == 0)
                        return device;
        }

        return NULL;
}

json_object *inventory_region_of(json_object *description, const char *object) {
        json_object *regions = field_array(description, "regions");

        for (size_t i = 0; i < array_length(regions); i++) {
                json_object *region = json_object_array_get_idx(regions, i);

                if (region_device(region, object))
                        return region;
        }

        return NULL;
}

json_object *inventory_device(json_object *description, const char *object) {
        return region_device(inventory_region_of(description, object), object);
}

bool inventory_has_empty(json_object *description, const char *name) {
        json_object *regions = field_array(description, "regions");

        for (size_t i = 0; i < array_length(regions); i++) {
                json_object *names = field_array(json_object_array_get_idx(regions, i),
                                                 "empty_devices");

                for (size_t j = 0; j < array_length(names); j++) {
                        json_object *empty = json_object_array_get_idx(names, j);

                        if (json_object_is_type(empty, json_type_string) &&
                            strcmp(json_object_get_string(empty), name) == 0)
                                return true;
                }
        }

        return false;
}

bool region_selected(json_object *region, const Options *options) {
        uint64_t id;

        return options->all_regions || (field_uint(region, "id", &id) && id == options->region);
}
