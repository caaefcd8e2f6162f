/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The region's start, from the first of these that says it for certain:
 *  1. a CXL region: the attribute `resource` of the region above it;
 *  2. a device of size 0: its `resource` is the region's start;
 *  3. devices that reach from end to end: the lowest of their addresses (the one device of a static
 *     region, or of a fresh one; any full region);
 *  4. /proc/iomem: a resource named after the folder (hmem.0; kernels up to 6.2), or the
 *     soft-reserved piece of just this size around the devices. Together with what a fresh region
 *     looks like, 2 and 3 serve nearly always. Nothing is guessed.
 */

#include "daemon/worker/origin.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/mapping.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TRIES 64
#define EMPTY_CHECKS 3

typedef struct Extent {
        uint64_t start;
        uint64_t end; /* first byte behind; 0: nothing known yet */
} Extent;

int origin_open(void) {
        int fd = open("/proc/iomem", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int from_cxl(const KernelRegion *region, uint64_t *ret_start) {
        char text[32];
        int r;

        /* other parents have no such attribute; a nvdimm region's is that of more than this */
        r = attribute_read_link(region->dir, "subsystem", text, sizeof(text));
        if (r < 0 || strcmp(text, "cxl") != 0)
                return -ENODATA;

        return attribute_read_u64(region->dir, "../resource", ret_start);
}

/*
 * With memory, `resource` is where that begins, which would make a region of wherever someone has
 * just given the device some. Nothing tells it together with the size, so each is asked by turns,
 * so often that nobody is likely to have given and taken in step. -EAGAIN when it has changed.
 */
static int from_empty(const KernelDevice *device, uint64_t *ret_start) {
        uint64_t start = 0, again, size;
        int r;

        for (int i = 0; i < EMPTY_CHECKS; i++) {
                r = attribute_read_u64(device->dir, "resource", &again);
                if (r >= 0)
                        r = attribute_read_u64(device->dir, "size", &size);
                if (r < 0)
                        return r;
                if (size > 0 || (i > 0 && again != start))
                        return -EAGAIN;
                start = again;
        }

        *ret_start = start;
        return 0;
}

/* Returns 1 when the device has no memory and gave the start away, else 0 and @extent with it. */
static int look(const KernelDevice *device, Extent *extent, uint64_t *ret_start) {
        _cleanup_mappings_ Mappings mappings = {};
        int r;

        r = mappings_read(device, &mappings);
        if (r < 0)
                return r;
        if (mappings.count == 0) {
                r = from_empty(device, ret_start);
                return r < 0 ? r : 1;
        }

        for (size_t i = 0; i < mappings.count; i++) {
                const Mapping *mapping = &mappings.list[i];

                extent->start = MIN(extent->start, mapping->start);
                extent->end = MAX(extent->end, mapping->start + mapping->size);
        }
        return 0;
}

static int from_device(const KernelDevice *device, Extent *extent, uint64_t *ret_start) {
        int r = -EAGAIN;

        for (int i = 0; r == -EAGAIN && i < TRIES; i++)
                r = look(device, extent, ret_start);

        return r;
}

/* Returns 1 when a device of size 0 gave it away, else 0 and what memory the devices have. */
static int from_devices(const KernelRegion *region, Extent *ret_extent, uint64_t *ret_start) {
        _cleanup_kernel_names_ KernelNames names = {};
        Extent extent = { .start = UINT64_MAX };
        int r;

        r = kernel_region_names(region, &names);
        if (r < 0)
                return r;

        for (size_t i = 0; i < names.count; i++) {
                _cleanup_kernel_device_ KernelDevice device = KERNEL_DEVICE_INIT;

                r = kernel_device_open(region, names.list[i].name, &device);
                if (r >= 0)
                        r = from_device(&device, &extent, ret_start);
                if (r > 0 || (r < 0 && !attribute_is_gone(r)))
                        return r;
        }

        *ret_extent = extent;
        return 0;
}

/* One line of /proc/iomem: "  100000000-13fffffff : Soft Reserved". */
static bool parse_iomem(char *line, Extent *ret_extent, const char **ret_name) {
        char *start = line + strspn(line, " "), *end = strchr(start, '-'), *name;

        if (!end)
                return false;
        *end++ = '\0';
        name = strstr(end, " : ");
        if (!name)
                return false;
        *name = '\0';
        if (text_parse_hex(start, &ret_extent->start) < 0 ||
            text_parse_hex(end, &ret_extent->end) < 0 || ret_extent->end == UINT64_MAX)
                return false;

        ret_extent->end++;
        *ret_name = name + 3;
        return true;
}

static bool iomem_is_region(const KernelRegion *region, const char *folder, const Extent *devices,
                            const Extent *extent, const char *name) {
        if (extent->end - extent->start != region->size)
                return false;
        if (devices->end > 0 && (devices->start < extent->start || devices->end > extent->end))
                return false;

        return strcmp(name, folder) == 0 ||
               (devices->end > 0 && strcmp(name, "Soft Reserved") == 0);
}

static int from_iomem(int iomem_fd, const KernelRegion *region, const Extent *devices,
                      uint64_t *ret_start) {
        _cleanup_free_ char *path = NULL, *line = NULL;
        const char *folder;
        size_t room = 0;
        FILE *file;
        int fd, r;

        r = kernel_region_path(region, &path);
        if (r < 0)
                return r;
        folder = strrchr(path, '/') + 1;

        fd = iomem_fd < 0 ? -1 : fcntl(iomem_fd, F_DUPFD_CLOEXEC, 3);
        file = fd < 0 ? NULL : fdopen(fd, "re");
        if (!file) {
                if (fd >= 0)
                        close(fd);
                return -ENODATA;
        }

        rewind(file);
        r = -ENODATA;
        while (r < 0 && getline(&line, &room, file) > 0) {
                const char *name;
                Extent extent;

                line[strcspn(line, "\n")] = '\0';
                if (!parse_iomem(line, &extent, &name) ||
                    !iomem_is_region(region, folder, devices, &extent, name))
                        continue;
                *ret_start = extent.start;
                r = 0;
        }

        fclose(file);
        return r;
}

int origin_find(int iomem_fd, const KernelRegion *region, uint64_t *ret_start) {
        Extent devices;
        int r;

        r = from_cxl(region, ret_start);
        if (r != -ENODATA)
                return r;

        r = from_devices(region, &devices, ret_start);
        if (r != 0)
                return r < 0 ? r : 0;
        if (devices.end > 0 && devices.end - devices.start == region->size) {
                *ret_start = devices.start;
                return 0;
        }

        return from_iomem(iomem_fd, region, &devices, ret_start);
}
