/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The log of old owners. In memory it is one region picture (only start, size and owned count) for
 * each region that was ever met, and apart from them those that only a daxd before this one has
 * met; on disk a log that is written anew when it is read.
 */

#include "daemon/engine/owners.h"
#include "daemon/util/file.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define OWNERS_FILE "owners"
#define OWNERS_HEADER "daxd-owners 1\n"
#define OWNERS_SIZE_MAX (64 << 20)
#define OWNERS_LOG_MAX (1 << 20) /* and four times what it was when it was written anew */

struct Owners {
        int dir;
        int fd;                    /* of the log, for adding */
        size_t size, size_written; /* of the log; when it was written anew */
        bool is_behind;            /* a line is missing in it */
        bool is_lost;              /* what was known: any memory may have been anybody's */
        DaxRegion **regions;
        size_t n_regions;
        DaxRegion **former;
        size_t n_former;
};

/* The one there of @n, or @n. */
static size_t region_index(DaxRegion *const *regions, size_t n, uint64_t start, uint64_t size) {
        size_t i;

        for (i = 0; i < n; i++)
                if (regions[i]->start == start && regions[i]->size == size)
                        break;

        return i;
}

static DaxRegion *owners_find(const Owners *owners, uint64_t start, uint64_t size) {
        size_t i = region_index(owners->regions, owners->n_regions, start, size);

        return i < owners->n_regions ? owners->regions[i] : NULL;
}

static int owners_meet(Owners *owners, uint64_t start, uint64_t size, DaxRegion **ret_region) {
        DaxRegion *region;

        if (dax_region_new(&region) < 0)
                return -ENOMEM;
        region->start = start;
        region->size = size;
        if (ARRAY_APPEND(owners->regions, owners->n_regions, region) < 0) {
                dax_region_free(region);
                return -ENOMEM;
        }

        *ret_region = region;
        return 0;
}

/* One line: "START SIZE met", "START SIZE set OFFSET SIZE OWNER" or "... clear OFFSET SIZE". */
static int owners_read_line(Owners *owners, const char *line) {
        char verb[8], owner[LABEL_MAX + 1] = "";
        uint64_t start, size;
        DaxRange range = {};
        DaxRegion *region;
        int n;

        n = sscanf(line, "%" SCNx64 " %" SCNx64 " %7s %" SCNx64 " %" SCNx64 " %63s", &start, &size,
                   verb, &range.offset, &range.size, owner);
        if (n < 3 || size == 0)
                return -EBADMSG;

        region = owners_find(owners, start, size);
        if (strcmp(verb, "met") == 0)
                return region ? 0 : owners_meet(owners, start, size, &region);
        if (!region || n < 5 || range.offset > size || range.size > size - range.offset)
                return -EBADMSG;
        if (strcmp(verb, "set") == 0)
                return dax_region_set_owner(region, range, strcmp(owner, "@none") ? owner : "");
        if (strcmp(verb, "clear") == 0)
                return dax_region_clear_owner(region, range);
        return -EBADMSG;
}

static int owners_read(Owners *owners) {
        _cleanup_free_ char *text = NULL;
        char *line, *end;
        int r;

        r = file_read(owners->dir, OWNERS_FILE, O_NOFOLLOW, OWNERS_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (strncmp(text, OWNERS_HEADER, strlen(OWNERS_HEADER)) != 0)
                return -EBADMSG;

        for (line = text + strlen(OWNERS_HEADER); *line != '\0'; line = end + 1) {
                end = strchr(line, '\n');
                if (!end) /* cut off while it was written: what it says had not happened yet */
                        break;
                *end = '\0';
                r = owners_read_line(owners, line);
                if (r < 0)
                        return r;
        }

        return 0;
}

static void write_region(const DaxRegion *region, FILE *file) {
        fprintf(file, "%" PRIx64 " %" PRIx64 " met\n", region->start, region->size);
        for (size_t i = 0; i < region->n_owned; i++) {
                const DaxOwned *owned = &region->owned[i];

                fprintf(file, "%" PRIx64 " %" PRIx64 " set %" PRIx64 " %" PRIx64 " %s\n",
                        region->start, region->size, owned->range.offset, owned->range.size,
                        owned->owner[0] ? owned->owner : "@none");
        }
}

static int owners_write(Owners *owners) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        FILE *file;
        int r;

        file = open_memstream(&text, &size);
        if (!file)
                return -ENOMEM;

        fputs(OWNERS_HEADER, file);
        for (size_t i = 0; i < owners->n_former; i++)
                write_region(owners->former[i], file);
        for (size_t i = 0; i < owners->n_regions; i++)
                write_region(owners->regions[i], file);
        if (fclose(file) != 0)
                return -ENOMEM;

        r = file_replace(owners->dir, OWNERS_FILE, text, size, 0600, 0);
        if (r < 0)
                return r;

        closep(&owners->fd);
        owners->fd = openat(owners->dir, OWNERS_FILE, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        if (owners->fd < 0)
                return -errno;

        owners->size = owners->size_written = size;
        owners->is_behind = false;
        return 0;
}

static void owners_forget(Owners *owners) {
        for (size_t i = 0; i < owners->n_regions; i++)
                dax_region_free(owners->regions[i]);
        for (size_t i = 0; i < owners->n_former; i++)
                dax_region_free(owners->former[i]);
        free(TAKE_PTR(owners->regions));
        free(TAKE_PTR(owners->former));
        owners->n_regions = owners->n_former = 0;
}

int owners_new(int dir, Owners **ret_owners, bool *ret_damaged) {
        _cleanup_(owners_freep) Owners *owners = NULL;
        int r;

        owners = calloc(1, sizeof(*owners));
        if (!owners)
                return -ENOMEM;
        owners->dir = dir;
        owners->fd = -1;

        *ret_damaged = false;
        r = owners_read(owners);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                *ret_damaged = owners->is_lost = true;
                owners_forget(owners);
                if (renameat(dir, OWNERS_FILE, dir, OWNERS_FILE ".damaged") < 0)
                        return -errno;
        }
        owners->former = TAKE_PTR(owners->regions);
        owners->n_former = owners->n_regions;
        owners->n_regions = 0;

        r = owners_write(owners);
        if (r < 0)
                return r;

        *ret_owners = TAKE_PTR(owners);
        return 0;
}

Owners *owners_free(Owners *owners) {
        if (!owners)
                return NULL;

        owners_forget(owners);
        closep(&owners->fd);
        free(owners);
        return NULL;
}

static int owners_add(Owners *owners, const DaxRegion *region, const char *verb, DaxRange range,
                      const char *owner) {
        char line[256];
        int n, r;

        n = snprintf(line, sizeof(line), "%" PRIx64 " %" PRIx64 " %s %" PRIx64 " %" PRIx64 " %s\n",
                     region->start, region->size, verb, range.offset, range.size, owner);
        if (owners->is_behind ||
            (owners->size > OWNERS_LOG_MAX && owners->size > 4 * owners->size_written)) {
                owners->is_behind = true; /* until it is written */
                return owners_write(owners);
        }

        r = file_write_all(owners->fd, line, n);
        if (r < 0) {
                (void)ftruncate(owners->fd, owners->size); /* no half of a line before the next */
                owners->is_behind = true;
                return r;
        }

        owners->size += n;
        return 0;
}

static bool is_owned_by(const DaxRegion *region, DaxRange range, const char *owner) {
        for (size_t i = 0; i < region->n_owned; i++) {
                const DaxOwned *owned = &region->owned[i];

                if (owned->range.offset <= range.offset &&
                    dax_range_end(range) <= dax_range_end(owned->range))
                        return strcmp(owned->owner, owner) == 0;
        }

        return false;
}

int owners_set(Owners *owners, DaxRegion *region, DaxRange range, const char *owner) {
        DaxRegion *known = owners_find(owners, region->start, region->size);
        int r;

        r = dax_region_set_owner(region, range, owner);
        if (r < 0 || (known && !owners->is_behind && is_owned_by(known, range, owner)))
                return r;
        r = known ? dax_region_set_owner(known, range, owner) : 0;
        if (r < 0)
                return r;
        return owners_add(owners, region, "set", range, owner[0] ? owner : "@none");
}

int owners_clear(Owners *owners, DaxRegion *region, DaxRange range) {
        DaxRegion *known = owners_find(owners, region->start, region->size);
        bool noted = false;
        int r;

        for (size_t i = 0; known && i < known->n_owned; i++)
                noted |= dax_range_overlaps(known->owned[i].range, range);
        if (!noted)
                return 0;

        r = dax_region_clear_owner(known, range);
        if (r >= 0)
                r = dax_region_clear_owner(region, range);
        if (r < 0)
                return r;
        return owners_add(owners, region, "clear", range, "");
}

static bool region_is_fresh(const DaxRegion *region) {
        return region->n_devices == 1 && region->devices[0]->instance == 0 &&
               region->devices[0]->size == 0;
}

/* Whether any of it was seen before, as a region or as a part of one. */
static bool owners_have_met(const Owners *owners, const DaxRegion *region) {
        const DaxRange range = { region->start, region->size };
        bool met = owners->is_lost;

        for (size_t i = 0; i < owners->n_former; i++)
                met |= dax_range_overlaps((DaxRange){ owners->former[i]->start,
                                                      owners->former[i]->size },
                                          range);
        for (size_t i = 0; i < owners->n_regions; i++)
                met |= dax_range_overlaps((DaxRange){ owners->regions[i]->start,
                                                      owners->regions[i]->size },
                                          range);

        return met;
}

/* A daxd before this one may have known it: then this one does. In memory only. */
static int owners_meet_again(Owners *owners, const DaxRegion *region, bool *ret_new) {
        size_t i = region_index(owners->former, owners->n_former, region->start, region->size);
        DaxRegion *known;

        *ret_new = i == owners->n_former;
        if (*ret_new)
                return owners_meet(owners, region->start, region->size, &known);
        if (ARRAY_APPEND(owners->regions, owners->n_regions, owners->former[i]) < 0)
                return -ENOMEM;

        ARRAY_REMOVE(owners->former, owners->n_former, i);
        return 0;
}

/*
 * A region that this daxd sees for the first time. Nobody has looked until now: what is free and
 * of no known owner can have been used and let go. It is so even when it cannot be written.
 */
static int owners_begin(Owners *owners, DaxRegion *region) {
        bool is_used = owners_have_met(owners, region) || !region_is_fresh(region), is_new;
        _cleanup_ranges_ DaxRanges holes = {};
        const DaxRegion *known;
        int r = 0;

        if (is_used)
                r = dax_region_free_extents(region, false, &holes);
        if (r >= 0)
                r = owners_meet_again(owners, region, &is_new);
        if (r < 0)
                return r;

        known = owners_find(owners, region->start, region->size);
        for (size_t i = 0; i < known->n_owned; i++)
                r = dax_ranges_subtract(&holes, known->owned[i].range) ?: r;
        if (is_new)
                r = owners_add(owners, region, "met", (DaxRange){}, "") ?: r;
        for (size_t i = 0; i < holes.count; i++)
                r = owners_set(owners, region, holes.list[i], DAX_OWNER_UNKNOWN) ?: r;
        return r;
}

int owners_fill(Owners *owners, DaxRegion *region) {
        const DaxRegion *known = owners_find(owners, region->start, region->size);
        int r = 0;

        if (!known) {
                r = owners_begin(owners, region);
                known = owners_find(owners, region->start, region->size);
        }
        if (r < 0)
                return r;

        free(TAKE_PTR(region->owned));
        region->n_owned = 0;
        for (size_t i = 0; i < known->n_owned; i++)
                if (ARRAY_APPEND(region->owned, region->n_owned, known->owned[i]) < 0)
                        return -ENOMEM;

        return 0;
}
