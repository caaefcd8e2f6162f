/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Everything as JSON, in the keys that daxctl list prints, and daxd's own. Physical addresses only
 * where they were asked for.
 */

#include "daemon/bus/internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int add_object_path(json_object *object, char *path) {
        int r = path ? json_add_string(object, "object", path) : -ENOMEM;

        free(path);
        return r;
}

static json_object *new_child(json_object *array, json_object *child) {
        return child && json_append(array, child) >= 0 ? child : NULL;
}

static int add_mappings(json_object *object, const DaxRegion *region, const DaxDevice *device) {
        uint64_t page = sysconf(_SC_PAGESIZE), at = 0;
        json_object *array = json_object_new_array();

        if (!array || json_add(object, "mappings", array) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < device->ranges.count; i++) {
                DaxRange range = device->ranges.list[i];
                uint64_t start = region->start + range.offset;
                json_object *one = new_child(array, json_object_new_object());

                if (!one || json_add_u64(one, "page_offset", at / page) < 0 ||
                    json_add_u64(one, "start", start) < 0 ||
                    json_add_u64(one, "end", start + range.size - 1) < 0 ||
                    json_add_u64(one, "size", range.size) < 0)
                        return -ENOMEM;
                at += range.size;
        }

        return 0;
}

static int add_ranges(json_object *object, const char *key, const DaxRanges *ranges) {
        json_object *array = json_object_new_array();

        if (!array || json_add(object, key, array) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ranges->count; i++) {
                json_object *one = new_child(array, json_object_new_object());

                if (!one || json_add_u64(one, "offset", ranges->list[i].offset) < 0 ||
                    json_add_u64(one, "size", ranges->list[i].size) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int add_number(json_object *object, const char *key, int number) {
        return json_add(object, key, json_object_new_int(number));
}

static int describe_device(json_object *devices, const DaxRegion *region, const DaxDevice *device,
                           bool addresses) {
        json_object *object = new_child(devices, json_object_new_object());

        if (!object || json_add_string(object, "chardev", device->name) < 0 ||
            json_add_u64(object, "size", device->size) < 0 ||
            add_number(object, "target_node", device->target_node) < 0 ||
            json_add_u64(object, "align", device->align) < 0 ||
            (device->mode != DAX_MODE_NONE &&
             json_add_string(object, "mode", dax_mode_name(device->mode)) < 0))
                return -ENOMEM;
        if (device->mode == DAX_MODE_SYSTEM_RAM &&
            (json_add_u64(object, "online_memblocks", dax_device_online_blocks(device)) < 0 ||
             json_add_u64(object, "total_memblocks", device->n_blocks) < 0 ||
             json_add_bool(object, "movable", dax_device_is_movable(device)) < 0))
                return -ENOMEM;
        if (device->mode == DAX_MODE_NONE && json_add_string(object, "state", "disabled") < 0)
                return -ENOMEM;
        if (addresses && add_mappings(object, region, device) < 0)
                return -ENOMEM;
        if (json_add_string(object, "label", device->label) < 0 ||
            json_add_u64(object, "incarnation", device->incarnation) < 0 ||
            add_ranges(object, "ranges", &device->ranges) < 0 ||
            json_add_bool(object, "memmap_on_memory", device->memmap_on_memory == 1) < 0 ||
            json_add_bool(object, "tainted", device->tainted) < 0)
                return -ENOMEM;
        return add_object_path(object, path_of_device(device->name));
}

static int describe_devices(json_object *object, const DaxRegion *region, bool addresses) {
        json_object *devices = json_object_new_array(), *empty = NULL;

        if (!devices || json_add(object, "devices", devices) < 0)
                return -ENOMEM;
        empty = json_object_new_array();
        if (!empty || json_add(object, "empty_devices", empty) < 0)
                return -ENOMEM;

        for (size_t i = 0; i < region->n_devices; i++) {
                const DaxDevice *device = region->devices[i];

                if (device->size == 0) {
                        if (!new_child(empty, json_object_new_string(device->name)))
                                return -ENOMEM;
                } else if (describe_device(devices, region, device, addresses) < 0) {
                        return -ENOMEM;
                }
        }

        return 0;
}

static int describe_region(const Bus *bus, json_object *regions, const DaxRegion *region,
                           bool addresses) {
        json_object *object = new_child(regions, json_object_new_object());
        _cleanup_ranges_ DaxRanges holes = {};
        const char *layout, *reason;
        uint64_t largest;
        KeepState state;

        state = keeper_region_state(bus->keeper, region->id, &layout, &reason);
        if (!object || dax_region_free_extents(region, true, &holes) < 0 ||
            dax_region_largest_free_extent(region, &largest) < 0)
                return -ENOMEM;
        if (json_add_string(object, "path", region->path ?: "") < 0 ||
            json_add_u64(object, "id", region->id) < 0 ||
            json_add_u64(object, "size", region->size) < 0 ||
            (region->available_size > 0 &&
             json_add_u64(object, "available_size", region->available_size) < 0) ||
            json_add_u64(object, "align", region->align) < 0 ||
            (addresses && json_add_u64(object, "start", region->start) < 0) ||
            json_add_string(object, "kind", dax_kind_name(region->kind)) < 0 ||
            json_add_bool(object, "static", region->is_static) < 0 ||
            json_add_u64(object, "largest_free_extent", largest) < 0 ||
            add_ranges(object, "free_extents", &holes) < 0 ||
            add_number(object, "target_node", region->target_node) < 0 ||
            add_number(object, "numa_node", region->numa_node) < 0 ||
            json_add_string(object, "layout", layout) < 0 ||
            json_add_string(object, "state", keep_state_name(state)) < 0 ||
            json_add_string(object, "state_reason", reason) < 0 ||
            add_object_path(object, path_of_region(region->id)) < 0)
                return -ENOMEM;
        return describe_devices(object, region, addresses);
}

int bus_describe(const Bus *bus, bool addresses, char **ret_text) {
        const DaxMachine *machine = engine_machine(bus->engine);
        _cleanup_json_ json_object *object = json_object_new_object();
        json_object *regions;

        if (!object || json_add_u64(object, "version", 1) < 0 ||
            json_add_u64(object, "memory_block_size", machine->block_size) < 0 ||
            json_add_string(object, "auto_online", machine->auto_online) < 0)
                return -ENOMEM;
        regions = json_object_new_array();
        if (!regions || json_add(object, "regions", regions) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < machine->n_regions; i++)
                if (describe_region(bus, regions, machine->regions[i], addresses) < 0)
                        return -ENOMEM;

        return json_to_text(object, ret_text, NULL);
}
