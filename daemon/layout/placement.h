/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Where the devices of layouts lay last time: what makes the same device lie on the same memory
 * after each reboot. Regions are known by their physical range, devices by their label.
 */

#include "daemon/dax/region.h"
#include "daemon/util/failure.h"

#define PLACEMENTS_VERSION 1
#define PLACEMENTS_TEXT_MAX (16 * 1024 * 1024)

typedef struct Placement {
        uint64_t region_start; /* physical */
        uint64_t region_size;
        char device[LABEL_MAX + 1];
        DaxRanges ranges;
} Placement;

typedef struct Placements {
        Placement *list;
        size_t count;
} Placements;

#define _cleanup_placements_ _cleanup_(placements_deinit)
void placements_deinit(Placements *placements);

/*
 * Reads the text of placements.json. Returns 0, CONDITION_INVALID_LAYOUT with a sentence when it is
 * not wholly what daxd writes (then *@ret_placements is untouched), or -ENOMEM.
 */
int placements_parse(const char *text, size_t size, Placements *ret_placements, Failure *failure);
/* The text of the file, freed by the caller; @ret_size may be NULL. Returns 0 or -ENOMEM. */
int placements_to_text(const Placements *placements, char **ret_text, size_t *ret_size);

/* Where @device lay in @region; borrowed, NULL when nothing is known. */
const DaxRanges *placements_find(const Placements *placements, const DaxRegion *region,
                                 const char *device);
/* Remembers a copy of @ranges, in the place of what was known. Returns 0 or -ENOMEM. */
int placements_set(Placements *placements, const DaxRegion *region, const char *device,
                   const DaxRanges *ranges);
void placements_remove(Placements *placements, const DaxRegion *region, const char *device);
