/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which layout is for which region. */

#include "daemon/dax/machine.h"
#include "daemon/layout/layout.h"

/*
 * What came out for one layout, by failure.condition: NONE: it is the layout of region_id;
 * NO_SUCH_REGION: it is pending; AMBIGUOUS_LAYOUT: several regions match; LAYOUT_CONFLICT: another
 * layout matches region_id too; LABEL_IN_USE: another region's layout names a device the same. All
 * but the first have a sentence, none of which tells an address. That of a layout that is not
 * applied only says why: whoever tells it knows the layout.
 */
typedef struct LayoutMatch {
        bool has_region; /* exactly one region matches */
        uint32_t region_id;
        Failure failure;
} LayoutMatch;

/* Whether every key of @keys is true of @region. */
bool layout_region_matches(const LayoutRegion *keys, const DaxRegion *region);

/*
 * Matches all layouts that there are. *@ret_matches has one element per layout, in the same order,
 * and is freed with layout_matches_free(). Returns 0 or -ENOMEM.
 */
int layouts_match(const Layout *const *layouts, size_t n_layouts, const DaxMachine *machine,
                  LayoutMatch **ret_matches);
LayoutMatch *layout_matches_free(LayoutMatch *matches, size_t n_matches);
