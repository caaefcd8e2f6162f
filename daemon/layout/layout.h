/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A layout: how one region is to be split, as a file or a caller says it. Never changed once
 * read.
 */

#include "daemon/dax/region.h"
#include "daemon/layout/size.h"
#include "daemon/util/failure.h"

#define LAYOUT_VERSION 1
#define LAYOUT_TEXT_MAX (1024 * 1024)
#define LAYOUT_NAME_MAX 250 /* and ".json" still is a file name */

typedef enum LayoutEnforce {
        LAYOUT_ENFORCE_BOOT,
        LAYOUT_ENFORCE_ALWAYS,
        _LAYOUT_ENFORCE_MAX,
} LayoutEnforce;

typedef enum LayoutPrune {
        LAYOUT_PRUNE_NEVER,
        LAYOUT_PRUNE_IDLE,
        _LAYOUT_PRUNE_MAX,
} LayoutPrune;

/* Which keys a layout has to name its region by: the bits of LayoutRegion.keys. */
typedef enum LayoutRegionKey {
        LAYOUT_REGION_START = 1 << 0,
        LAYOUT_REGION_SIZE = 1 << 1,
        LAYOUT_REGION_KIND = 1 << 2,
        LAYOUT_REGION_TARGET_NODE = 1 << 3,
        LAYOUT_REGION_PATH = 1 << 4,
        LAYOUT_REGION_CXL_SERIALS = 1 << 5,
        LAYOUT_REGION_ID = 1 << 6,
} LayoutRegionKey;

typedef struct LayoutRegion {
        unsigned keys;  /* at least one; the fields of the others mean nothing */
        uint64_t start; /* physical */
        uint64_t size;
        DaxKind kind;
        int target_node;
        char *path; /* as DaxRegion.path */
        uint64_t cxl_serials[DAX_CXL_SERIALS_MAX];
        size_t n_cxl_serials;
        uint32_t id;
} LayoutRegion;

typedef struct LayoutDevice {
        char name[LABEL_MAX + 1];
        LayoutSize size; /* NONE: the ranges say it */
        uint64_t align;  /* 0: not said */
        DaxMode mode;
        DaxOnline online;     /* KEEP unless the mode is system-ram */
        int memmap_on_memory; /* 1, 0, or -1: not said */
        DaxRanges ranges;     /* exact placement; none: wherever there is room */
        DaxAccess access;
        int wipe; /* 1, 0, or -1: not said */
} LayoutDevice;

typedef struct Layout {
        char *name;   /* "" for one that is only applied */
        char *source; /* path of the file, or NULL */
        char *text;   /* as it was written */
        LayoutRegion region;
        LayoutEnforce enforce;
        LayoutPrune prune;
        LayoutDevice *devices; /* in the order of the file */
        size_t n_devices;
        char digest[17]; /* equal for texts that say the same, whatever the name and the file */
} Layout;

Layout *layout_free(Layout *layout);
DEFINE_CLEANUP(Layout *, layout_free)
#define _cleanup_layout_ _cleanup_(layout_freep)

/*
 * Reads a layout from @size bytes of @text. @name is "" for one that is only to be applied; @source
 * is the path of its file, or NULL. Returns 0, CONDITION_INVALID_LAYOUT with a sentence that tells
 * file, JSON path, what was expected and what was found, or -ENOMEM.
 */
int layout_parse(const char *name, const char *source, const char *text, size_t size,
                 Layout **ret_layout, Failure *failure);
/*
 * Whether there are the users and groups that @layout names. As layout_parse(). It asks the
 * system's name services, which may take their time: only for who may change something.
 */
int layout_find_owners(const Layout *layout, Failure *failure);

/*
 * The one text that says what @layout says, with every default written out; layout_parse() reads it
 * to an equal layout. Freed by the caller. Returns 0 or -ENOMEM.
 */
int layout_to_text(const Layout *layout, char **ret_text);

/* Sixteen hexadecimal digits of what @layout says. */
static inline const char *layout_digest(const Layout *layout) {
        return layout->digest;
}

/* Whether @name may be a layout's: it is text that hides nothing, and a visible file's name. */
int layout_name_check(const char *name, bool *ret_valid); /* 0 or -ENOMEM */

const char *layout_enforce_name(LayoutEnforce enforce); /* "boot", "always" */
const char *layout_prune_name(LayoutPrune prune);       /* "never", "idle" */
