/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Builds pictures from sysfs and from the files that name the nodes. */

#include "daemon/worker/reader.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/binds.h"
#include "daemon/worker/publish.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* --- regions ---------------------------------------------------------------------------------- */

static DaxKind kind_of_path(const char *path) {
        const char *folder = strrchr(path, '/') + 1;

        if (strncmp(folder, "hmem.", 5) == 0)
                return DAX_KIND_HMEM;
        if (strncmp(folder, "dax_region", 10) == 0)
                return DAX_KIND_CXL;
        if (strstr(path, "/ndbus"))
                return DAX_KIND_PMEM;
        return DAX_KIND_OTHER;
}

/*
 * What dax_align_valid() takes (drivers/dax/dax-private.h): pages, huge pages where there are any,
 * and the next size up where the architecture maps that.
 */
static uint64_t aligns_of_machine(void) {
        uint64_t aligns = sysconf(_SC_PAGESIZE), huge;

        if (attribute_read_u64(AT_FDCWD, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size",
                               &huge) >= 0) {
                aligns |= huge;
#if defined(__x86_64__)
                aligns |= UINT64_C(1) << 30;
#endif
        }

        return aligns;
}

/* A seed's name, or "" when it is none: the attribute may be missing or empty. */
static int read_name(const KernelRegion *region, const char *path, char name[DAX_NAME_MAX + 1]) {
        uint32_t id, instance;
        char text[64];
        int r;

        memset(name, 0, DAX_NAME_MAX + 1);
        r = attribute_read(region->dir, path, text, sizeof(text));
        if (r == -ENOENT || (r >= 0 && text[0] == '\0'))
                return 0;
        if (r < 0)
                return r;
        if (text_parse_device_name(text, &id, &instance) < 0 || strlen(text) > DAX_NAME_MAX)
                return -EBADMSG;

        strcpy(name, text);
        return 0;
}

/* The serial numbers of the CXL memory devices behind the region, in the order of its targets. */
static void read_cxl_serials(const KernelRegion *kernel, DaxRegion *region) {
        for (size_t i = 0; i < DAX_CXL_SERIALS_MAX; i++) {
                char path[128], decoder[64];
                uint64_t serial;

                snprintf(path, sizeof(path), "../target%zu", i);
                if (attribute_read(kernel->dir, path, decoder, sizeof(decoder)) < 0 ||
                    strchr(decoder, '/') || strncmp(decoder, "decoder", 7) != 0)
                        return;
                snprintf(path, sizeof(path), "/sys/bus/cxl/devices/%s/../uport/serial", decoder);
                if (attribute_read_u64(AT_FDCWD, path, &serial) < 0)
                        return;
                region->cxl_serials[region->n_cxl_serials++] = serial;
        }
}

static int read_optional_int(int dir, const char *path, int *ret_value) {
        int r = attribute_read_int(dir, path, ret_value);

        return r == -ENOENT ? 0 : r;
}

/* The kernel tells the nodes of a region only at its devices, or not at every kind of parent. */
static int read_nodes(const KernelRegion *kernel, DaxRegion *region) {
        char path[DAX_NAME_MAX + 32];
        int r;

        snprintf(path, sizeof(path), "dax%u.0/target_node", kernel->id);
        r = read_optional_int(kernel->dir, path, &region->target_node);
        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "dax%u.0/numa_node", kernel->id);
        r = read_optional_int(kernel->dir, path, &region->numa_node);
        if (r < 0 || region->numa_node >= 0)
                return r;

        return read_optional_int(kernel->dir, "numa_node", &region->numa_node);
}

int reader_refresh_region(const KernelRegion *kernel, DaxRegion *region) {
        int r;

        if (kernel->is_static)
                return 0;
        if (!kernel_region_is_live(kernel))
                return -ENODEV;
        r = attribute_read_u64(kernel->dir, "dax_region/available_size", &region->available_size);
        if (r >= 0)
                r = read_name(kernel, "dax_region/seed", region->seed);
        if (r >= 0)
                r = read_name(kernel, "dax_region/create", region->youngest);
        return r;
}

int reader_region(const KernelRegion *kernel, uint64_t start, DaxRegion **ret_region) {
        _cleanup_region_ DaxRegion *region = NULL;
        int r;

        r = dax_region_new(&region);
        if (r < 0)
                return r;
        r = kernel_region_path(kernel, &region->path);
        if (r < 0)
                return r;

        region->id = kernel->id;
        region->identity = kernel->identity;
        region->kind = kind_of_path(region->path);
        region->start = start;
        region->size = kernel->size;
        region->aligns = aligns_of_machine();
        region->is_static = kernel->is_static;
        r = attribute_read_u64(kernel->dir, "dax_region/align", &region->align);
        if (r >= 0)
                r = reader_refresh_region(kernel, region);
        if (r >= 0)
                r = read_nodes(kernel, region);
        if (r < 0)
                return r;
        if (region->kind == DAX_KIND_CXL)
                read_cxl_serials(kernel, region);

        *ret_region = TAKE_PTR(region);
        return 0;
}

/* --- devices ---------------------------------------------------------------------------------- */

int reader_find_leak(const Memory *memory, uint64_t start, uint64_t size, const DaxRanges *ranges,
                     uint64_t *ret_number) {
        for (size_t i = 0; i < ranges->count; i++)
                if (memory_find_block(memory, start, size, ranges->list[i], ret_number))
                        return 1;

        return 0;
}

/*
 * System RAM has its blocks listed; one that is missing was never there, since the driver took less
 * or the range was added behind its back, and unbinding would walk over it: as bad as a leak.
 */
static int read_blocks(const Memory *memory, uint64_t start, DaxDevice *device) {
        int r;

        r = dax_blocks_of_ranges(&device->ranges, start, memory->block_size, DAX_BLOCK_ABSENT,
                                 &device->blocks, &device->n_blocks);
        if (r < 0)
                return r;

        for (size_t i = 0; i < device->n_blocks; i++) {
                r = memory_block_state(memory, device->blocks[i].number, &device->blocks[i].state);
                if (r < 0)
                        return r;
                if (device->blocks[i].state == DAX_BLOCK_ABSENT)
                        device->tainted = true;
        }

        return 0;
}

static int read_memory(const Worker *worker, DaxDevice *device) {
        uint64_t start = worker->picture->start, number;

        if (device->mode == DAX_MODE_SYSTEM_RAM)
                return read_blocks(&worker->memory, start, device);

        device->tainted = reader_find_leak(&worker->memory, start, worker->region.size,
                                           &device->ranges, &number);
        return 0;
}

int reader_device_new(const Worker *worker, const KernelDevice *kernel, DaxDevice **ret_device) {
        DaxDevice *device;
        int r;

        r = dax_device_new(&device);
        if (r < 0)
                return r;

        memcpy(device->name, kernel->name, sizeof(device->name));
        device->instance = kernel->instance;
        device->identity = kernel->identity;
        device->target_node = worker->picture->target_node; /* the kernel has one for the region */
        device->numa_node = worker->picture->numa_node;
        *ret_device = device;
        return 0;
}

int reader_shape(const Worker *worker, const Mappings *mappings, DaxDevice *device) {
        _cleanup_ranges_ DaxRanges ranges = {};
        int r;

        r = mappings_to_ranges(mappings, worker->picture->start, worker->region.size, &ranges);
        if (r < 0)
                return r;

        dax_ranges_deinit(&device->ranges);
        device->ranges = ranges;
        ranges = (DaxRanges){};
        device->size = dax_ranges_size(&device->ranges);
        device->incarnation = mappings->life;
        return 0;
}

static int read_shape(const Worker *worker, const KernelDevice *kernel, DaxDevice *device) {
        _cleanup_mappings_ Mappings mappings = {};
        int r;

        r = mappings_read(kernel, &mappings);
        return r < 0 ? r : reader_shape(worker, &mappings, device);
}

int reader_rest(Worker *worker, const KernelDevice *kernel, DaxDevice *device) {
        int r;

        free(TAKE_PTR(device->blocks));
        device->n_blocks = 0;
        device->tainted = false;

        r = attribute_read_u64(kernel->dir, "align", &device->align);
        if (r >= 0 && worker->region.offers_memmap)
                r = read_optional_int(kernel->dir, "memmap_on_memory", &device->memmap_on_memory);
        return r < 0 ? r : read_memory(worker, device);
}

int reader_names(Worker *worker, const KernelDevice *kernel, DaxDevice *device) {
        uint64_t start = worker->picture->start;
        NamesEntry entry = {};
        int r;

        r = names_read(&worker->names, device, start, &entry);
        /*
         * meant for a device that someone else has replaced or reshaped, or half given by one who
         * died; or another worker has just given it, perhaps to what the device has become by now.
         * Who reads all regions finds some in the middle of a job, perhaps one that hangs: of these
         * he is not believed, and has nothing to take back.
         */
        if (r == -ESTALE && names_lock(&worker->region, worker->waits) >= 0) {
                r = read_shape(worker, kernel, device);
                if (r >= 0)
                        r = names_read(&worker->names, device, start, &entry);
                if (r == -ESTALE)
                        (void)publish_take_back(worker, kernel,
                                                names_are_for(&worker->names, device, start));
                names_unlock(&worker->region);
        }
        if (r == -ENOMEM)
                return r;
        if (r <= 0)
                entry = (NamesEntry){};

        memcpy(device->label, entry.label, sizeof(device->label));
        device->access = entry.access;
        return 0;
}

static int read_state(Worker *worker, const KernelDevice *kernel, DaxDevice *device) {
        int r = binds_read_mode(worker, kernel, &device->mode);

        return r < 0 ? r : reader_rest(worker, kernel, device);
}

int reader_device(Worker *worker, const KernelDevice *kernel, DaxDevice **ret_device) {
        _cleanup_device_ DaxDevice *device = NULL;
        int r;

        r = reader_device_new(worker, kernel, &device);
        if (r >= 0)
                r = read_shape(worker, kernel, device);
        if (r >= 0) /* it may read the shape again, so what belongs to that comes after it */
                r = reader_names(worker, kernel, device);
        if (r >= 0)
                r = read_state(worker, kernel, device);
        /* caught, it is let go again, and of a probe that fails no event tells */
        if (r >= 0 && device->mode == DAX_MODE_SYSTEM_RAM &&
            dax_device_online_blocks(device) == 0 && binds_await_memory(worker))
                r = read_state(worker, kernel, device);
        if (r < 0)
                return r;

        *ret_device = TAKE_PTR(device);
        return 0;
}

/* --- leaks ------------------------------------------------------------------------------------ */

int reader_leaked(const Memory *memory, DaxRegion *region) {
        _cleanup_ranges_ DaxRanges leaked = {};
        uint64_t size = memory->block_size;
        uint64_t number;

        if (size == 0)
                return 0;
        number = region->start / size + (region->start % size > 0);
        for (; number < (region->start + region->size) / size; number++) {
                DaxRange range = { number * size - region->start, size };

                if (memory_block_is_there(memory, number) && dax_ranges_add(&leaked, range) < 0)
                        return -ENOMEM;
        }

        for (size_t i = 0; i < region->n_devices; i++)
                if (dax_ranges_subtract_all(&leaked, &region->devices[i]->ranges) < 0)
                        return -ENOMEM;

        dax_ranges_deinit(&region->leaked);
        region->leaked = leaked;
        leaked = (DaxRanges){};
        return 0;
}
