/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The picture of one region: the one data structure that matters. Its devices are sorted by
 * instance (new ones, without a name, last). Those of size 0 are in it; the bus does not show them.
 * Pictures that have the same device share it, so that a copy costs little: it is changed by
 * dax_region_edit() only.
 */

#include "daemon/dax/device.h"

typedef enum DaxKind {
        DAX_KIND_HMEM,
        DAX_KIND_CXL,
        DAX_KIND_PMEM,
        DAX_KIND_OTHER,
        _DAX_KIND_MAX,
        _DAX_KIND_INVALID = -1,
} DaxKind;

#define DAX_CXL_SERIALS_MAX 16

/*
 * Memory that is free or about to change hands, and whose it was. What lies in a devdax device that
 * has no name yet counts as not wiped yet, so it is cleared when a device has been handed over.
 */
typedef struct DaxOwned {
        DaxRange range;
        char owner[LABEL_MAX +
                   1]; /* a label, "" for an unlabelled device, or one of the two below */
} DaxOwned;

#define DAX_OWNER_SYSTEM_RAM "@system-ram" /* no label can be this */
#define DAX_OWNER_UNKNOWN "@unknown"

typedef struct DaxRegion {
        uint32_t id;
        uint64_t identity; /* which of those that have come under this id; never another's */
        DaxKind kind;
        char *path;     /* below /sys/devices, as daxctl prints it: "/platform/hmem.0" */
        uint64_t start; /* physical */
        uint64_t size;
        uint64_t align;
        uint64_t aligns; /* those that the kernel takes on this processor, or-ed: powers of two */
        uint64_t available_size; /* what the kernel says */
        int target_node;
        int numa_node;
        bool is_static;
        char seed[DAX_NAME_MAX + 1];
        char youngest[DAX_NAME_MAX + 1];
        uint64_t cxl_serials[DAX_CXL_SERIALS_MAX];
        size_t n_cxl_serials;

        const DaxDevice **devices;
        size_t n_devices;
        DaxRanges holes;  /* between them, see dax_region_seal() */
        uint64_t outline; /* dax_region_outline(), known since then */
        bool sealed;

        DaxRanges leaked; /* sorted; free to the kernel, but still System RAM: not for placing */
        DaxOwned *owned;  /* whose the memory was that a device may get next */
        size_t n_owned;
} DaxRegion;

int dax_region_new(DaxRegion **ret_region);
DaxRegion *dax_region_free(DaxRegion *region);
int dax_region_copy(const DaxRegion *region, DaxRegion **ret_copy);
DEFINE_CLEANUP(DaxRegion *, dax_region_free)
#define _cleanup_region_ _cleanup_(dax_region_freep)

const char *dax_kind_name(DaxKind kind); /* "hmem", "cxl", "pmem", "other" */
DaxKind dax_kind_from_name(const char *name);

/*
 * Puts @device into its place in the order. The reference is the region's from then on, also on
 * -ENOMEM.
 */
int dax_region_add(DaxRegion *region, const DaxDevice *device);
/* Takes out and hands over the reference; NULL when there is none. */
const DaxDevice *dax_region_take(DaxRegion *region, const char *name);
/*
 * Makes *@ret_device what @device, one of @region's, is in this picture alone: it may be changed,
 * but for its name, until the region is copied. 0 or -ENOMEM.
 */
int dax_region_edit(DaxRegion *region, const DaxDevice *device, DaxDevice **ret_device);
/* Each gets the devices of the other. */
void dax_region_swap_devices(DaxRegion *a, DaxRegion *b);
/* Gives @device, one that may be changed, another name, "" for none; it moves to its place. */
void dax_region_rename(DaxRegion *region, DaxDevice *device, const char *name);
const DaxDevice *dax_region_find(const DaxRegion *region, const char *name);
/*
 * What differs between two pictures of a region, either of which may be NULL, in the order of
 * instances: a device as it was and as it is, NULL where it is not. What they share is passed over
 * without being looked at. Returns false at the end.
 */
typedef struct DaxChanges {
        const DaxRegion *before, *after;
        bool all; /* pass over nothing */
        size_t at_before, at_after;
} DaxChanges;

bool dax_changes_next(DaxChanges *changes, const DaxDevice **ret_before,
                      const DaxDevice **ret_after);

/* Finds devices by instance, quickest when asked in ascending order. No region: it finds none. */
typedef struct DaxCursor {
        const DaxRegion *region;
        size_t at;
} DaxCursor;

const DaxDevice *dax_cursor_find(DaxCursor *cursor, uint32_t instance);
const DaxDevice *dax_region_find_label(const DaxRegion *region, const char *label);

/*
 * The picture is complete, and will not be changed any more: what is asked for often is worked out
 * once. A copy is not sealed. 0 or -ENOMEM.
 */
int dax_region_seal(DaxRegion *region);
/*
 * One number for all of a region that can be read without reading a device: its place, its space,
 * and which devices there are. The second is for a region whose devices are not all known, but
 * @names.
 */
uint64_t dax_region_outline(const DaxRegion *region);
uint64_t dax_region_outline_of(const DaxRegion *region, const DaxName *names, size_t n);

/*
 * The extents that no device has, sorted and merged. With @usable those that leaked memory or a
 * device's taint spoils are left out. 0 or -ENOMEM.
 */
int dax_region_free_extents(const DaxRegion *region, bool usable, DaxRanges *ret_extents);
int dax_region_largest_free_extent(const DaxRegion *region, uint64_t *ret_size);

/*
 * The ranges that the kernel gives @device when its `size` is set to @size: it takes from the end
 * of the last range, and it adds the first hole of the region, then the next (first fit; it widens
 * the last range only where the hole that comes first lies right behind it). drivers/dax/bus.c,
 * dev_dax_resize(). Returns 0, -ENOSPC or -ENOMEM.
 */
int dax_region_first_fit(const DaxRegion *region, const DaxDevice *device, uint64_t size,
                         DaxRanges *ret_ranges);

/* Memory changing hands: @owner has had @range (what was known of it before is replaced). */
int dax_region_set_owner(DaxRegion *region, DaxRange range, const char *owner);
/* The memory of @range is nobody's old memory any more. */
int dax_region_clear_owner(DaxRegion *region, DaxRange range);
/* Whose memory @device would hand on: its label, or the system's. */
const char *dax_device_owner(const DaxDevice *device);
