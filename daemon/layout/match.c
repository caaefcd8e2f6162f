/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Matching: never by the first that fits. What is not clear is not done, to no one's advantage. */

#include "daemon/layout/match.h"

#include <stdio.h>
#include <string.h>

/* The serials of @keys are a set; those of a region are in any order. */
static bool serials_match(const LayoutRegion *keys, const DaxRegion *region) {
        if (keys->n_cxl_serials != region->n_cxl_serials)
                return false;

        for (size_t i = 0; i < keys->n_cxl_serials; i++) {
                size_t k = 0;

                while (k < region->n_cxl_serials && region->cxl_serials[k] != keys->cxl_serials[i])
                        k++;
                if (k == region->n_cxl_serials)
                        return false;
        }

        return true;
}

bool layout_region_matches(const LayoutRegion *keys, const DaxRegion *region) {
        unsigned k = keys->keys;

        return !((k & LAYOUT_REGION_START) && keys->start != region->start) &&
               !((k & LAYOUT_REGION_SIZE) && keys->size != region->size) &&
               !((k & LAYOUT_REGION_KIND) && keys->kind != region->kind) &&
               !((k & LAYOUT_REGION_TARGET_NODE) && keys->target_node != region->target_node) &&
               !((k & LAYOUT_REGION_PATH) && !text_equal(keys->path, region->path)) &&
               !((k & LAYOUT_REGION_CXL_SERIALS) && !serials_match(keys, region)) &&
               !((k & LAYOUT_REGION_ID) && keys->id != region->id);
}

typedef struct KeyWords {
        char text[80];
} KeyWords;

/* "start, size": the keys without their values, since an address is not for everyone. */
static KeyWords key_words(const LayoutRegion *keys) {
        /* in the order of LayoutRegionKey */
        static const char *const names[] = {
                "start", "size", "kind", "target-node", "path", "cxl-serials", "id",
        };
        KeyWords words = {};
        size_t length = 0;

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (keys->keys & 1U << i)
                        length += snprintf(words.text + length, sizeof(words.text) - length, "%s%s",
                                           length > 0 ? ", " : "", names[i]);

        return words;
}

static int match_one(const Layout *layout, const DaxMachine *machine, LayoutMatch *match) {
        const DaxRegion *first = NULL, *second = NULL;
        int r;

        for (size_t i = 0; i < machine->n_regions && !second; i++)
                if (layout_region_matches(&layout->region, machine->regions[i])) {
                        if (first)
                                second = machine->regions[i];
                        else
                                first = machine->regions[i];
                }

        if (!first) {
                r = failure_set(&match->failure, CONDITION_NO_SUCH_REGION,
                                "layout %s is pending: no region of this machine has what its "
                                "region keys say (%s)",
                                layout->name, key_words(&layout->region).text);
                return MIN(r, 0);
        }
        if (second) {
                r = failure_set(&match->failure, CONDITION_AMBIGUOUS_LAYOUT,
                                "its region keys (%s) match region %u and region %u; add keys, "
                                "such as start and size, so that they match one",
                                key_words(&layout->region).text, first->id, second->id);
                return MIN(r, 0);
        }

        match->has_region = true;
        match->region_id = first->id;
        return 0;
}

static int refuse_conflicts(const Layout *const *layouts, size_t n_layouts, LayoutMatch *matches) {
        for (size_t i = 0; i < n_layouts; i++)
                for (size_t k = 0; k < n_layouts; k++) {
                        if (k == i || !matches[i].has_region || !matches[k].has_region ||
                            matches[i].region_id != matches[k].region_id)
                                continue;
                        if (failure_set(&matches[i].failure, CONDITION_LAYOUT_CONFLICT,
                                        "layout %s is for region %u too; the region is left alone "
                                        "until one of them is removed",
                                        layouts[k]->name, matches[i].region_id) < 0)
                                return -ENOMEM;
                        break;
                }

        return 0;
}

/* The first device name that both have, or NULL. */
static const char *shared_name(const Layout *a, const Layout *b) {
        for (size_t i = 0; i < a->n_devices; i++)
                for (size_t k = 0; k < b->n_devices; k++)
                        if (strcmp(a->devices[i].name, b->devices[k].name) == 0)
                                return a->devices[i].name;

        return NULL;
}

/* Whether a match would be applied if it were not for its names. */
static bool is_applied(const LayoutMatch *match) {
        return match->has_region && match->failure.condition != CONDITION_LAYOUT_CONFLICT;
}

static int refuse_shared_names(const Layout *const *layouts, size_t n_layouts,
                               LayoutMatch *matches) {
        for (size_t i = 0; i < n_layouts; i++)
                for (size_t k = 0; k < n_layouts; k++) {
                        const char *name;

                        if (k == i || !is_applied(&matches[i]) || !is_applied(&matches[k]))
                                continue;
                        name = shared_name(layouts[i], layouts[k]);
                        if (!name)
                                continue;
                        if (failure_set(&matches[i].failure, CONDITION_LABEL_IN_USE,
                                        "layout %s has a device \"%s\" too; give one of them "
                                        "another name, names are unique on the machine",
                                        layouts[k]->name, name) < 0)
                                return -ENOMEM;
                        break;
                }

        return 0;
}

int layouts_match(const Layout *const *layouts, size_t n_layouts, const DaxMachine *machine,
                  LayoutMatch **ret_matches) {
        LayoutMatch *matches;
        int r = 0;

        matches = calloc(n_layouts + 1, sizeof(*matches));
        if (!matches)
                return -ENOMEM;

        for (size_t i = 0; i < n_layouts && r == 0; i++)
                r = match_one(layouts[i], machine, &matches[i]);
        if (r == 0)
                r = refuse_conflicts(layouts, n_layouts, matches);
        if (r == 0)
                r = refuse_shared_names(layouts, n_layouts, matches);
        if (r < 0) {
                layout_matches_free(matches, n_layouts);
                return r;
        }

        *ret_matches = matches;
        return 0;
}

LayoutMatch *layout_matches_free(LayoutMatch *matches, size_t n_matches) {
        for (size_t i = 0; matches && i < n_matches; i++)
                failure_deinit(&matches[i].failure);
        free(matches);
        return NULL;
}
