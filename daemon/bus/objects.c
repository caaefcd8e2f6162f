/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Object paths, and what is found at them. */

#include "daemon/bus/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *path_of_region(uint32_t id) {
        char *path;

        return asprintf(&path, BUS_PATH "/region/%" PRIu32, id) < 0 ? NULL : path;
}

char *path_of_device(const char *name) {
        char *path;

        return sd_bus_path_encode(BUS_PATH "/device", name, &path) < 0 ? NULL : path;
}

char *path_of_layout(const char *name) {
        char *path;

        return sd_bus_path_encode(BUS_PATH "/layout", name, &path) < 0 ? NULL : path;
}

char *path_of_job(uint64_t id) {
        char *path;

        return asprintf(&path, BUS_PATH "/job/%" PRIu64, id) < 0 ? NULL : path;
}

static const char *after_prefix(const char *path, const char *prefix) {
        size_t length = strlen(prefix);

        return strncmp(path, prefix, length) == 0 ? path + length : NULL;
}

char *name_at(const char *path) {
        _cleanup_free_ char *name = NULL;

        if (sd_bus_path_decode(path, BUS_PATH "/device", &name) <= 0 &&
            sd_bus_path_decode(path, BUS_PATH "/layout", &name) <= 0)
                return text_escape(path, 64);
        return text_escape(name, 64);
}

const DaxRegion *bus_region_at(const Bus *bus, const char *path) {
        const char *rest = after_prefix(path, BUS_PATH "/region/");
        uint32_t id;

        if (!rest || text_parse_u32(rest, &id) < 0)
                return NULL;
        return dax_machine_find_region(engine_machine(bus->engine), id);
}

const DaxDevice *bus_device_at(const Bus *bus, const char *path, DaxRegion **ret_region) {
        _cleanup_free_ char *name = NULL;
        uint32_t id, instance;
        DaxRegion *region;
        const DaxDevice *device;

        if (sd_bus_path_decode(path, BUS_PATH "/device", &name) <= 0 ||
            text_parse_device_name(name, &id, &instance) < 0)
                return NULL;
        region = dax_machine_find_region(engine_machine(bus->engine), id);
        device = region ? dax_region_find(region, name) : NULL;
        if (!device || device->size == 0)
                return NULL;

        if (ret_region)
                *ret_region = region;
        return device;
}

const KeptLayout *bus_layout_at(const Bus *bus, const char *path) {
        _cleanup_free_ char *name = NULL;

        if (sd_bus_path_decode(path, BUS_PATH "/layout", &name) <= 0)
                return NULL;
        return keeper_find(bus->keeper, name);
}

Job *bus_job_at(const Bus *bus, const char *path) {
        const char *rest = after_prefix(path, BUS_PATH "/job/");
        uint64_t id;

        if (!rest || text_parse_u64(rest, &id) < 0)
                return NULL;
        return engine_find_job(bus->engine, id);
}
