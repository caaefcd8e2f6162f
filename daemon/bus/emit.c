/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals: what differs between what was shown and what is. */

#include "daemon/bus/internal.h"

#include <string.h>

bool bus_is_ready(const Bus *bus) {
        return bus->bus && sd_bus_is_ready(bus->bus) > 0;
}

/* Names of changed properties, as sd-bus takes them. */
typedef struct Changes {
        char *names[24];
        size_t count;
} Changes;

static void changes_add(Changes *changes, const char *name, bool changed) {
        if (changed && changes->count + 1 < ELEMENTS(changes->names))
                changes->names[changes->count++] = (char *)name;
}

static void changes_emit(Bus *bus, char *path, const char *interface, Changes *changes) {
        if (path && changes->count > 0)
                (void)sd_bus_emit_properties_changed_strv(bus->bus, path, interface,
                                                          changes->names);
        free(path);
}

/* The interfaces that sd-bus adds to every object are no news. */
static void emit_added(Bus *bus, char *path, const char *interface) {
        if (path)
                (void)sd_bus_emit_interfaces_added(bus->bus, path, interface, NULL);
        free(path);
}

static void emit_removed(Bus *bus, char *path, const char *interface) {
        if (path)
                (void)sd_bus_emit_interfaces_removed(bus->bus, path, interface, NULL);
        free(path);
}

static void emit_device(Bus *bus, const DaxDevice *before, const DaxDevice *after) {
        unsigned difference = dax_device_difference(before, after);
        Changes changes = {};

        if (difference == 0)
                return;
        changes_add(&changes, "Label", difference & DAX_DIFFERS_LABEL);
        changes_add(&changes, "Size", before->size != after->size);
        changes_add(&changes, "Align", difference & DAX_DIFFERS_ALIGN);
        changes_add(&changes, "Mode", difference & DAX_DIFFERS_MODE);
        changes_add(&changes, "Ranges", difference & DAX_DIFFERS_RANGES);
        changes_add(&changes, "MemmapOnMemory", difference & DAX_DIFFERS_MEMMAP);
        changes_add(&changes, "OnlineBlocks",
                    dax_device_online_blocks(before) != dax_device_online_blocks(after));
        changes_add(&changes, "TotalBlocks", before->n_blocks != after->n_blocks);
        changes_add(&changes, "Movable",
                    dax_device_is_movable(before) != dax_device_is_movable(after));
        changes_add(&changes, "Tainted", difference & DAX_DIFFERS_TAINT);
        changes_emit(bus, path_of_device(after->name), BUS_DEVICE, &changes);
}

static bool is_shown(const DaxDevice *device) {
        return device && device->size > 0;
}

/* An object that goes is announced before one that takes its path comes. */
static void emit_gone_devices(Bus *bus, const DaxRegion *before, const DaxRegion *after) {
        DaxChanges changes = { .before = before, .after = after };
        const DaxDevice *old, *device;

        while (dax_changes_next(&changes, &old, &device))
                if (is_shown(old) && (!is_shown(device) || device->incarnation != old->incarnation))
                        emit_removed(bus, path_of_device(old->name), BUS_DEVICE);
}

static void emit_devices(Bus *bus, const DaxRegion *before, const DaxRegion *after) {
        DaxChanges changes = { .before = before, .after = after };
        const DaxDevice *old, *device;

        while (dax_changes_next(&changes, &old, &device)) {
                if (!is_shown(device))
                        continue;
                if (is_shown(old) && old->incarnation == device->incarnation)
                        emit_device(bus, old, device);
                else
                        emit_added(bus, path_of_device(device->name), BUS_DEVICE);
        }
}

static bool is_empty(const DaxDevice *device) {
        return device && device->size == 0;
}

static bool empty_devices_differ(const DaxRegion *before, const DaxRegion *after) {
        DaxChanges changes = { .before = before, .after = after };
        const DaxDevice *old, *device;

        while (dax_changes_next(&changes, &old, &device))
                if (is_empty(old) != is_empty(device))
                        return true;

        return false;
}

static void emit_region_changes(Bus *bus, const DaxRegion *before, const DaxRegion *after) {
        _cleanup_ranges_ DaxRanges old_holes = {}, holes = {};
        Changes changes = {};
        bool extents;

        if (dax_region_free_extents(before, true, &old_holes) < 0 ||
            dax_region_free_extents(after, true, &holes) < 0)
                return;
        extents = !dax_ranges_equal(&old_holes, &holes);
        changes_add(&changes, "AvailableSize", before->available_size != after->available_size);
        changes_add(&changes, "LargestFreeExtent", extents);
        changes_add(&changes, "FreeExtents", extents);
        changes_add(&changes, "Seed", strcmp(before->seed, after->seed) != 0);
        changes_add(&changes, "Youngest", strcmp(before->youngest, after->youngest) != 0);
        changes_add(&changes, "EmptyDevices", empty_devices_differ(before, after));
        changes_emit(bus, path_of_region(after->id), BUS_REGION, &changes);
}

void bus_emit_region(Bus *bus, const DaxRegion *before, const DaxRegion *after) {
        bool same = before && after && before->start == after->start && before->size == after->size;

        emit_gone_devices(bus, before, same ? after : NULL);
        if (before && !same)
                emit_removed(bus, path_of_region(before->id), BUS_REGION);
        if (after && !same)
                emit_added(bus, path_of_region(after->id), BUS_REGION);
        else if (after)
                emit_region_changes(bus, before, after);
        emit_devices(bus, same ? before : NULL, after);
}

void bus_emit_region_state(Bus *bus, const DaxRegion *region) {
        Changes changes = {};

        changes_add(&changes, "Layout", true);
        changes_add(&changes, "State", true);
        changes_add(&changes, "StateReason", true);
        changes_emit(bus, path_of_region(region->id), BUS_REGION, &changes);
}

static bool path_is_known(char *const *paths, size_t n, const char *path) {
        for (size_t i = 0; i < n; i++)
                if (strcmp(paths[i], path) == 0)
                        return true;

        return false;
}

static void layouts_free(char **paths, size_t n) {
        for (size_t i = 0; i < n; i++)
                free(paths[i]);
        free(paths);
}

/* The layouts as they are now: those that came, those that went, and the states of all others. */
void bus_emit_layouts(Bus *bus) {
        static const char *const names[] = { "Source", "Region", "State", "StateReason" };
        char **paths = NULL;
        size_t n = 0;

        for (size_t i = 0; i < keeper_count(bus->keeper); i++) {
                char *path = path_of_layout(keeper_get(bus->keeper, i)->name);

                if (!path || ARRAY_APPEND(paths, n, path) < 0) {
                        free(path);
                        break;
                }
        }

        for (size_t i = 0; bus_is_ready(bus) && i < bus->n_layouts; i++)
                if (!path_is_known(paths, n, bus->layouts[i]))
                        emit_removed(bus, strdup(bus->layouts[i]), BUS_LAYOUT);
        for (size_t i = 0; bus_is_ready(bus) && i < n; i++) {
                Changes changes = {};

                if (!path_is_known(bus->layouts, bus->n_layouts, paths[i])) {
                        emit_added(bus, strdup(paths[i]), BUS_LAYOUT);
                        continue;
                }
                for (size_t k = 0; k < ELEMENTS(names); k++)
                        changes_add(&changes, names[k], true);
                changes_emit(bus, strdup(paths[i]), BUS_LAYOUT, &changes);
        }

        layouts_free(bus->layouts, bus->n_layouts);
        bus->layouts = paths;
        bus->n_layouts = n;
}
