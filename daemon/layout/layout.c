/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a layout is made of, and its one canonical text. parse.c reads it. */

#include "daemon/layout/layout.h"
#include "daemon/layout/ranges.h"
#include "daemon/util/json.h"

#include <stdio.h>
#include <string.h>

Layout *layout_free(Layout *layout) {
        if (!layout)
                return NULL;

        for (size_t i = 0; i < layout->n_devices; i++)
                dax_ranges_deinit(&layout->devices[i].ranges);
        free(layout->devices);
        free(layout->region.path);
        free(layout->text);
        free(layout->source);
        free(layout->name);
        free(layout);
        return NULL;
}

const char *layout_enforce_name(LayoutEnforce enforce) {
        static const char *const names[_LAYOUT_ENFORCE_MAX] = {
                [LAYOUT_ENFORCE_BOOT] = "boot",
                [LAYOUT_ENFORCE_ALWAYS] = "always",
        };

        return names[enforce];
}

const char *layout_prune_name(LayoutPrune prune) {
        static const char *const names[_LAYOUT_PRUNE_MAX] = {
                [LAYOUT_PRUNE_NEVER] = "never",
                [LAYOUT_PRUNE_IDLE] = "idle",
        };

        return names[prune];
}

int layout_name_check(const char *name, bool *ret_valid) {
        _cleanup_free_ char *escaped = NULL;

        escaped = text_escape(name, LAYOUT_NAME_MAX);
        if (!escaped)
                return -ENOMEM;

        *ret_valid = name[0] != '\0' && name[0] != '.' && !strchr(name, '/') &&
                     strcmp(name, escaped) == 0;
        return 0;
}

static int add_serials(json_object *object, const LayoutRegion *region) {
        json_object *serials = json_object_new_array();

        for (size_t i = 0; serials && i < region->n_cxl_serials; i++)
                if (json_append(serials, json_object_new_uint64(region->cxl_serials[i])) < 0) {
                        json_object_put(serials);
                        return -ENOMEM;
                }

        return json_add(object, "cxl-serials", serials);
}

static int add_region(json_object *layout, const LayoutRegion *region) {
        _cleanup_json_ json_object *object = NULL;

        object = json_object_new_object();
        if (!object)
                return -ENOMEM;

        if (((region->keys & LAYOUT_REGION_START) &&
             json_add_u64(object, "start", region->start) < 0) ||
            ((region->keys & LAYOUT_REGION_SIZE) &&
             json_add_u64(object, "size", region->size) < 0) ||
            ((region->keys & LAYOUT_REGION_KIND) &&
             json_add_string(object, "kind", dax_kind_name(region->kind)) < 0) ||
            ((region->keys & LAYOUT_REGION_TARGET_NODE) &&
             json_add_u64(object, "target-node", region->target_node) < 0) ||
            ((region->keys & LAYOUT_REGION_PATH) &&
             json_add_string(object, "path", region->path) < 0) ||
            ((region->keys & LAYOUT_REGION_CXL_SERIALS) && add_serials(object, region) < 0) ||
            ((region->keys & LAYOUT_REGION_ID) && json_add_u64(object, "id", region->id) < 0))
                return -ENOMEM;

        return json_add(layout, "region", TAKE_PTR(object));
}

static int add_access(json_object *object, const DaxAccess *access) {
        _cleanup_json_ json_object *child = NULL;
        char mode[8];

        child = json_object_new_object();
        if (!child)
                return -ENOMEM;

        snprintf(mode, sizeof(mode), "%04o", (unsigned)access->mode);
        if ((access->user[0] != '\0' && json_add_string(child, "user", access->user) < 0) ||
            (access->group[0] != '\0' && json_add_string(child, "group", access->group) < 0) ||
            (access->mode != 0 && json_add_string(child, "mode", mode) < 0))
                return -ENOMEM;
        if (json_object_object_length(child) == 0)
                return 0;

        return json_add(object, "access", TAKE_PTR(child));
}

static int add_size(json_object *object, LayoutSize size) {
        if (size.unit == LAYOUT_SIZE_NONE)
                return 0;
        if (size.unit == LAYOUT_SIZE_BYTES)
                return json_add_u64(object, "size", size.value);
        return json_add_string(object, "size", layout_size_text(size).text);
}

static int append_device(json_object *devices, const LayoutDevice *device) {
        _cleanup_json_ json_object *object = NULL;

        object = json_object_new_object();
        if (!object)
                return -ENOMEM;

        if (json_add_string(object, "name", device->name) < 0 ||
            add_size(object, device->size) < 0 ||
            (device->align != 0 && json_add_u64(object, "align", device->align) < 0) ||
            json_add_string(object, "mode", dax_mode_name(device->mode)) < 0 ||
            (device->online != DAX_ONLINE_KEEP &&
             json_add_string(object, "online", dax_online_name(device->online)) < 0) ||
            (device->memmap_on_memory >= 0 &&
             json_add_bool(object, "memmap-on-memory", device->memmap_on_memory) < 0) ||
            (device->ranges.count > 0 && layout_add_ranges(object, &device->ranges) < 0) ||
            add_access(object, &device->access) < 0 ||
            (device->wipe >= 0 && json_add_bool(object, "wipe", device->wipe) < 0))
                return -ENOMEM;

        return json_append(devices, TAKE_PTR(object));
}

int layout_to_text(const Layout *layout, char **ret_text) {
        _cleanup_json_ json_object *object = NULL, *devices = NULL;

        object = json_object_new_object();
        devices = json_object_new_array();
        if (!object || !devices)
                return -ENOMEM;

        for (size_t i = 0; i < layout->n_devices; i++)
                if (append_device(devices, &layout->devices[i]) < 0)
                        return -ENOMEM;

        if (json_add_u64(object, "version", LAYOUT_VERSION) < 0 ||
            add_region(object, &layout->region) < 0 ||
            json_add_string(object, "enforce", layout_enforce_name(layout->enforce)) < 0 ||
            json_add_string(object, "prune", layout_prune_name(layout->prune)) < 0 ||
            json_add(object, "devices", TAKE_PTR(devices)) < 0)
                return -ENOMEM;

        return json_to_text(object, ret_text, NULL);
}
