/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* placements.json: read wholly or not at all; one placement per region and label. */

#include "daemon/layout/placement.h"
#include "daemon/layout/ranges.h"

#include <string.h>

void placements_deinit(Placements *placements) {
        for (size_t i = 0; i < placements->count; i++)
                dax_ranges_deinit(&placements->list[i].ranges);
        free(placements->list);
        *placements = (Placements){};
}

static Placement *find(const Placements *placements, uint64_t start, uint64_t size,
                       const char *device) {
        for (size_t i = 0; i < placements->count; i++) {
                Placement *placement = &placements->list[i];

                if (placement->region_start == start && placement->region_size == size &&
                    strcmp(placement->device, device) == 0)
                        return placement;
        }

        return NULL;
}

const DaxRanges *placements_find(const Placements *placements, const DaxRegion *region,
                                 const char *device) {
        const Placement *placement = find(placements, region->start, region->size, device);

        return placement ? &placement->ranges : NULL;
}

int placements_set(Placements *placements, const DaxRegion *region, const char *device,
                   const DaxRanges *ranges) {
        Placement *known = find(placements, region->start, region->size, device);
        Placement placement = { .region_start = region->start, .region_size = region->size };

        strncpy(placement.device, device, sizeof(placement.device) - 1);
        if (dax_ranges_copy(ranges, &placement.ranges) < 0)
                return -ENOMEM;

        if (known) {
                dax_ranges_deinit(&known->ranges);
                *known = placement;
        } else if (ARRAY_APPEND(placements->list, placements->count, placement) < 0) {
                dax_ranges_deinit(&placement.ranges);
                return -ENOMEM;
        }

        return 0;
}

void placements_remove(Placements *placements, const DaxRegion *region, const char *device) {
        Placement *known = find(placements, region->start, region->size, device);

        if (!known)
                return;

        dax_ranges_deinit(&known->ranges);
        ARRAY_REMOVE(placements->list, placements->count, (size_t)(known - placements->list));
}

static int read_version(const JsonValue *value, void *target) {
        uint64_t version;

        if (!json_value_u64(value, &version) || version != PLACEMENTS_VERSION)
                return json_expected(value, "1, the version that this daxd reads");
        return 0;
}

static int read_region(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "start", json_read_u64, offsetof(Placement, region_start), .required = true },
                { "size", json_read_u64, offsetof(Placement, region_size), .required = true },
        };

        return json_read_object(value, fields, ELEMENTS(fields), target, NULL);
}

static int read_device(const JsonValue *value, void *target) {
        const char *label = json_value_string(value);

        if (!label || !text_is_label(label))
                return json_expected(value, "a label");

        strcpy(target, label);
        return 0;
}

/* Whether the ranges lie in the region and apart from each other. */
static bool placement_is_sound(const Placement *placement) {
        const DaxRanges *ranges = &placement->ranges;

        for (size_t i = 0; i < ranges->count; i++) {
                if (dax_range_end(ranges->list[i]) > placement->region_size)
                        return false;
                for (size_t k = 0; k < i; k++)
                        if (dax_range_overlaps(ranges->list[i], ranges->list[k]))
                                return false;
        }

        return true;
}

static int read_placement(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "region", read_region, .required = true },
                { "device", read_device, offsetof(Placement, device), .required = true },
                { "ranges", layout_read_ranges, offsetof(Placement, ranges), .required = true },
        };
        Placements *placements = target;
        Placement placement = {};
        int r;

        r = json_read_object(value, fields, ELEMENTS(fields), &placement, NULL);
        if (r == 0 && !placement_is_sound(&placement))
                r = json_refuse(value, "the ranges overlap or leave the region");
        if (r == 0 &&
            find(placements, placement.region_start, placement.region_size, placement.device))
                r = json_refuse(value, "this device of this region stands here twice");
        if (r == 0)
                r = ARRAY_APPEND(placements->list, placements->count, placement);
        if (r != 0)
                dax_ranges_deinit(&placement.ranges);
        return r;
}

static int read_placements(const JsonValue *value, void *target) {
        return json_read_array(value, read_placement, target);
}

int placements_parse(const char *text, size_t size, Placements *ret_placements, Failure *failure) {
        static const JsonField fields[] = {
                { "version", read_version, .required = true },
                { "placements", read_placements, .required = true },
        };
        _cleanup_placements_ Placements placements = {};
        _cleanup_json_ json_object *object = NULL;
        JsonSource source = { "the remembered placements", CONDITION_INVALID_LAYOUT, failure };
        JsonValue document = { .source = &source };
        int r;

        if (size > PLACEMENTS_TEXT_MAX)
                return json_refuse(&document, "%zu bytes are too many", size);
        r = json_parse_strict(&source, text, size, &object);
        if (r != 0)
                return r;

        document.object = object;
        r = json_read_object(&document, fields, ELEMENTS(fields), &placements, NULL);
        if (r != 0)
                return r;

        *ret_placements = placements;
        placements = (Placements){};
        return 0;
}

static int append_placement(json_object *array, const Placement *placement) {
        _cleanup_json_ json_object *object = NULL, *region = NULL;

        object = json_object_new_object();
        region = json_object_new_object();
        if (!object || !region)
                return -ENOMEM;

        if (json_add_u64(region, "start", placement->region_start) < 0 ||
            json_add_u64(region, "size", placement->region_size) < 0 ||
            json_add(object, "region", TAKE_PTR(region)) < 0 ||
            json_add_string(object, "device", placement->device) < 0 ||
            layout_add_ranges(object, &placement->ranges) < 0)
                return -ENOMEM;

        return json_append(array, TAKE_PTR(object));
}

int placements_to_text(const Placements *placements, char **ret_text, size_t *ret_size) {
        _cleanup_json_ json_object *object = NULL, *array = NULL;

        object = json_object_new_object();
        array = json_object_new_array();
        if (!object || !array)
                return -ENOMEM;

        for (size_t i = 0; i < placements->count; i++)
                if (append_placement(array, &placements->list[i]) < 0)
                        return -ENOMEM;

        if (json_add_u64(object, "version", PLACEMENTS_VERSION) < 0 ||
            json_add(object, "placements", TAKE_PTR(array)) < 0)
                return -ENOMEM;

        return json_to_text(object, ret_text, ret_size);
}
