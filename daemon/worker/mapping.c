/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the ranges of a device, with as little of mappingN as can be: see mapping.h. */

#include "daemon/worker/mapping.h"
#include "daemon/util/file.h"
#include "daemon/worker/attribute.h"

#include <stdio.h>
#include <string.h>

#define TRIES 64
#define SINGLE_CHECKS 3

void mappings_deinit(Mappings *mappings) {
        free(mappings->list);
        *mappings = (Mappings){};
}

uint64_t mappings_size(const Mappings *mappings) {
        uint64_t size = 0;

        for (size_t i = 0; i < mappings->count; i++)
                size += mappings->list[i].size;

        return size;
}

/* --- one range: without mappingN -------------------------------------------------------------- */

/* Returns 1 when the device has one range, which is then all of its size from `resource` on. */
static int read_single(const KernelDevice *device, uint64_t size, Mappings *ret_mappings) {
        Mapping mapping = { .size = size };
        uint64_t life, again, another;
        int r;

        if (kernel_device_child(device, "mapping0", &life) < 0 ||
            kernel_device_child(device, "mapping1", &another) != -ENOENT)
                return 0;
        r = attribute_read_u64(device->dir, "resource", &mapping.start);
        if (r < 0)
                return r;
        /* still in the same life, which began where this one is */
        if (kernel_device_child(device, "mapping0", &again) < 0 || again != life)
                return -EAGAIN;

        ret_mappings->life = life;
        return ARRAY_APPEND(ret_mappings->list, ret_mappings->count, mapping) < 0 ? -ENOMEM : 1;
}

/* --- several ranges --------------------------------------------------------------------------- */

static int read_field(const KernelDevice *device, uint32_t number, const char *field,
                      uint64_t *ret_value) {
        char path[64];

        snprintf(path, sizeof(path), "mapping%u/%s", number, field);
        return attribute_read_u64(device->dir, path, ret_value);
}

static int read_mapping(const KernelDevice *device, uint32_t number, Mappings *mappings) {
        Mapping mapping;
        uint64_t end;
        int r;

        r = read_field(device, number, "start", &mapping.start);
        if (r >= 0)
                r = read_field(device, number, "end", &end);
        if (r >= 0)
                r = read_field(device, number, "page_offset", &mapping.page_offset);
        if (r < 0)
                return r;
        if (end < mapping.start || end - mapping.start == UINT64_MAX)
                return -EAGAIN; /* of two lives */

        mapping.size = end - mapping.start + 1;
        return ARRAY_APPEND(mappings->list, mappings->count, mapping);
}

static int compare_mappings(const void *a, const void *b) {
        const Mapping *x = a, *y = b;

        return (x->page_offset > y->page_offset) - (x->page_offset < y->page_offset);
}

static int read_several(const KernelDevice *device, Mappings *mappings) {
        _cleanup_listing_ DIR *listing = NULL;
        struct dirent *entry;
        int r;

        r = file_open_listing(device->dir, ".", &listing);
        if (r < 0)
                return r;

        while (errno = 0, (entry = readdir(listing))) {
                uint32_t number;

                if (strncmp(entry->d_name, "mapping", 7) != 0 || entry->d_name[7] < '0' ||
                    entry->d_name[7] > '9' || text_parse_u32(entry->d_name + 7, &number) < 0)
                        continue;
                r = read_mapping(device, number, mappings);
                if (r < 0)
                        return r;
        }
        if (errno != 0)
                return -errno;
        if (kernel_device_child(device, "mapping0", &mappings->life) < 0)
                mappings->life = device->identity;

        if (mappings->count > 1)
                qsort(mappings->list, mappings->count, sizeof(Mapping), compare_mappings);
        return 0;
}

/* --- either ----------------------------------------------------------------------------------- */

/* -EAGAIN when the mappings do not make up the device's size one after the other. */
static int check_mappings(const Mappings *mappings, uint64_t size) {
        uint64_t page = sysconf(_SC_PAGESIZE), before = 0;

        for (size_t i = 0; i < mappings->count; i++) {
                if (mappings->list[i].page_offset > UINT64_MAX / page ||
                    mappings->list[i].page_offset * page != before)
                        return -EAGAIN;
                before += mappings->list[i].size;
        }

        return before == size ? 0 : -EAGAIN;
}

int mappings_read_sized(const KernelDevice *device, uint64_t size, Mappings *ret_mappings) {
        _cleanup_mappings_ Mappings mappings = { .life = device->identity };
        int r;

        if (size > 0) {
                r = read_single(device, size, &mappings);
                if (r == 0) {
                        kernel_device_lock(device, false);
                        r = read_several(device, &mappings);
                        kernel_device_unlock(device);
                }
                if (r >= 0)
                        r = check_mappings(&mappings, size);
                if (r < 0)
                        return r;
        }

        *ret_mappings = mappings;
        mappings = (Mappings){};
        return 0;
}

/*
 * Whether it was one range of that size all the time: a size that was that of two is not that of
 * the one which is left. Nothing gives both at once, so each is asked by turns, so often that
 * nobody is likely to have changed them back and forth in step. -EAGAIN when it has changed.
 */
static int check_single(const KernelDevice *device, uint64_t size) {
        uint64_t again, another;
        int r;

        for (int i = 0; i < SINGLE_CHECKS; i++) {
                r = attribute_read_u64(device->dir, "size", &again);
                if (r < 0)
                        return r;
                if (again != size || kernel_device_child(device, "mapping1", &another) != -ENOENT)
                        return -EAGAIN;
        }

        return 0;
}

static int look(const KernelDevice *device, Mappings *ret_mappings) {
        _cleanup_mappings_ Mappings mappings = {};
        uint64_t life, size;
        int r;

        /* the size is to be that of the life that the ranges are of */
        if (kernel_device_child(device, "mapping0", &life) < 0)
                life = device->identity;
        r = attribute_read_u64(device->dir, "size", &size);
        if (r < 0)
                return r;
        r = mappings_read_sized(device, size, &mappings);
        if (attribute_is_gone(r) || (mappings.count > 0 && mappings.life != life))
                return -EAGAIN; /* if that was the device, its size will say so */
        if (r < 0)
                return r;
        if (mappings.count == 1)
                r = check_single(device, size);
        if (r < 0)
                return r;

        *ret_mappings = mappings;
        mappings = (Mappings){};
        return 0;
}

int mappings_read(const KernelDevice *device, Mappings *ret_mappings) {
        int r = -EAGAIN;

        /* someone else may take a mapping away between the listing and the reading */
        for (int i = 0; r == -EAGAIN && i < TRIES; i++)
                r = look(device, ret_mappings);

        return r;
}

int mappings_to_ranges(const Mappings *mappings, uint64_t region_start, uint64_t region_size,
                       DaxRanges *ret_ranges) {
        _cleanup_ranges_ DaxRanges ranges = {};

        for (size_t i = 0; i < mappings->count; i++) {
                const Mapping *mapping = &mappings->list[i];
                DaxRange range = { mapping->start - region_start, mapping->size };

                if (mapping->start < region_start || range.offset > region_size ||
                    range.size > region_size - range.offset)
                        return -ERANGE;
                if (dax_ranges_append(&ranges, range) < 0)
                        return -ENOMEM;
        }

        *ret_ranges = ranges;
        ranges = (DaxRanges){};
        return 0;
}
