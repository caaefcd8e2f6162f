/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/state.h"
#include "tests/sim/dax.h"
#include "tests/sim/fault.h"
#include "tests/sim/region-spec.h"
#include "tests/sim/sysfs-internal.h"
#include "tests/sim/uevent.h"

#include <json-c/json.h>

static void put_number(json_object *object, const char *key, uint64_t value) {
        json_object_object_add(object, key, json_object_new_uint64(value));
}

static void put_text(json_object *object, const char *key, const char *value) {
        json_object_object_add(object, key, value ? json_object_new_string(value) : NULL);
}

static void put_flag(json_object *object, const char *key, bool value) {
        json_object_object_add(object, key, json_object_new_boolean(value));
}

static json_object *pair(uint64_t first, uint64_t second) {
        json_object *array = json_object_new_array_ext(2);

        json_object_array_add(array, json_object_new_uint64(first));
        json_object_array_add(array, json_object_new_uint64(second));
        return array;
}

static json_object *device_to_json(const Device *device) {
        json_object *object = json_object_new_object(), *ranges = json_object_new_array();
        const DeviceView *view = device->view;

        put_text(object, "name", device->name);
        put_number(object, "inode", view->folder->number * ENTRY_INODES);
        put_number(object, "size", device_size(device));
        put_number(object, "align", device->align);
        put_text(object, "driver",
                 device->driver == DRIVER_NONE ? NULL : driver_name(device->driver));
        put_flag(object, "memmap_on_memory", device->memmap);
        put_number(object, "open", device->n_open);
        for (size_t i = 0; i < device->n_ranges; i++) {
                const Range *range = device->ranges[i];

                json_object_array_add(ranges, pair(range->start, range->end - range->start));
        }
        json_object_object_add(object, "ranges", ranges);
        return object;
}

static json_object *region_to_json(const Region *region) {
        json_object *object = json_object_new_object(), *devices = json_object_new_array();

        put_number(object, "id", region->id);
        put_text(object, "kind", region_kind_name(region->spec.kind));
        put_number(object, "start", region->spec.start);
        put_number(object, "size", region->spec.size);
        put_number(object, "available", region->available);
        put_text(object, "seed", region->seed ? region->seed->name : NULL);
        put_text(object, "youngest", region->youngest ? region->youngest->name : NULL);
        for (size_t i = 0; i < region->n_devices; i++)
                if (region->devices[i])
                        json_object_array_add(devices, device_to_json(region->devices[i]));
        json_object_object_add(object, "devices", devices);
        return object;
}

/* What each driver takes because new_id has said so. */
static json_object *ids_to_json(const Dax *dax) {
        json_object *object = json_object_new_object();

        for (Driver driver = DRIVER_NONE + 1; driver < _DRIVER_MAX; driver++) {
                json_object *names = json_object_new_array();

                for (size_t i = 0; i < driver_n_ids(dax, driver); i++)
                        json_object_array_add(names,
                                              json_object_new_string(driver_id(dax, driver, i)));
                json_object_object_add(object, driver_name(driver), names);
        }
        return object;
}

/* But for ordinary memory. */
static json_object *blocks_to_json(const Memory *memory) {
        static const char *const states[] = {
                [BLOCK_OFFLINE] = "offline",
                [BLOCK_GOING_OFFLINE] = "going-offline",
                [BLOCK_ONLINE] = "online",
        };
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < memory_count(memory); i++) {
                const Block *block = memory_get(memory, i);
                json_object *object;

                if (block->zone == ZONE_BOOT)
                        continue;
                object = json_object_new_object();
                put_number(object, "number", block->number);
                put_text(object, "state", states[block->state]);
                put_text(object, "zone",
                         block->state == BLOCK_OFFLINE ? NULL :
                         block->zone == ZONE_MOVABLE   ? "Movable" :
                                                         "Normal");
                json_object_array_add(array, object);
        }
        return array;
}

static json_object *leaks_to_json(const Memory *memory) {
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < memory_n_leaks(memory); i++) {
                const Leak *leak = memory_leak(memory, i);

                json_object_array_add(array, pair(leak->start, leak->size));
        }
        return array;
}

json_object *state_to_json(World *world) {
        json_object *object = json_object_new_object(), *regions = json_object_new_array();

        for (const Region *region = dax_regions(world->dax); region; region = region->next)
                json_object_array_add(regions, region_to_json(region));
        json_object_object_add(object, "regions", regions);
        json_object_object_add(object, "ids", ids_to_json(world->dax));
        json_object_object_add(object, "blocks", blocks_to_json(world->memory));
        json_object_object_add(object, "leaks", leaks_to_json(world->memory));
        put_text(object, "auto_online", memory_auto_online(world->memory));
        put_number(object, "writes", faults_count(world->faults));
        put_number(object, "events", uevents_seqnum(world->uevents));
        return object;
}
