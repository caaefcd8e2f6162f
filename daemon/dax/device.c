/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The picture of one device. Plain data: nothing here reads or writes anything. */

#include "daemon/dax/device.h"

#include <string.h>

int dax_device_new(DaxDevice **ret_device) {
        DaxDevice *device;

        device = calloc(1, sizeof(*device));
        if (!device)
                return -ENOMEM;

        device->n_refs = 1;
        device->memmap_on_memory = -1;
        device->target_node = -1;
        device->numa_node = -1;
        device->wipe = -1;
        *ret_device = device;
        return 0;
}

/* How many share it is no part of the picture that it is. */
static unsigned *refs_of(const DaxDevice *device) {
        return &((DaxDevice *)device)->n_refs;
}

const DaxDevice *dax_device_ref(const DaxDevice *device) {
        (*refs_of(device))++;
        return device;
}

DaxDevice *dax_device_unref(const DaxDevice *device) {
        DaxDevice *last = (DaxDevice *)device;

        if (!last || --*refs_of(device) > 0)
                return NULL;

        dax_ranges_deinit(&last->ranges);
        free(last->blocks);
        free(last);
        return NULL;
}

int dax_device_copy(const DaxDevice *device, DaxDevice **ret_copy) {
        _cleanup_device_ DaxDevice *copy = NULL;

        copy = malloc(sizeof(*copy));
        if (!copy)
                return -ENOMEM;

        *copy = *device;
        copy->n_refs = 1;
        copy->ranges = (DaxRanges){};
        copy->blocks = NULL;

        if (dax_ranges_copy(&device->ranges, &copy->ranges) < 0)
                return -ENOMEM;
        copy->n_blocks = 0;
        for (size_t i = 0; i < device->n_blocks; i++)
                if (ARRAY_APPEND(copy->blocks, copy->n_blocks, device->blocks[i]) < 0)
                        return -ENOMEM;

        *ret_copy = TAKE_PTR(copy);
        return 0;
}

static const char *name_or_root(const char *name) {
        return name[0] != '\0' ? name : "root";
}

static mode_t mode_or_default(mode_t mode) {
        return mode != 0 ? mode : 0600;
}

bool dax_access_equal(const DaxAccess *a, const DaxAccess *b) {
        return strcmp(name_or_root(a->user), name_or_root(b->user)) == 0 &&
               strcmp(name_or_root(a->group), name_or_root(b->group)) == 0 &&
               mode_or_default(a->mode) == mode_or_default(b->mode);
}

bool dax_access_is_open(const DaxAccess *access) {
        mode_t mode = mode_or_default(access->mode);

        return strcmp(name_or_root(access->user), "root") != 0 ||
               (strcmp(name_or_root(access->group), "root") != 0 && (mode & 0070)) || (mode & 0007);
}

size_t dax_device_online_blocks(const DaxDevice *device) {
        size_t n = 0;

        for (size_t i = 0; i < device->n_blocks; i++)
                if (dax_block_state_is_online(device->blocks[i].state))
                        n++;

        return n;
}

bool dax_device_is_movable(const DaxDevice *device) {
        bool movable = false;

        for (size_t i = 0; i < device->n_blocks; i++) {
                if (device->blocks[i].state == DAX_BLOCK_KERNEL)
                        return false;
                if (device->blocks[i].state == DAX_BLOCK_MOVABLE)
                        movable = true;
        }

        return movable;
}

int dax_blocks_of_ranges(const DaxRanges *ranges, uint64_t region_start, uint64_t block_size,
                         DaxBlockState state, DaxBlock **ret_blocks, size_t *ret_n_blocks) {
        _cleanup_free_ DaxBlock *blocks = NULL;
        size_t n_blocks = 0;

        for (size_t i = 0; block_size > 0 && i < ranges->count; i++) {
                uint64_t start = region_start + ranges->list[i].offset;
                uint64_t end = start + ranges->list[i].size;
                uint64_t first = start / block_size + (start % block_size > 0);

                for (uint64_t number = first; number < end / block_size; number++) {
                        DaxBlock block = { .number = number, .state = state };

                        if (ARRAY_APPEND(blocks, n_blocks, block) < 0)
                                return -ENOMEM;
                }
        }

        *ret_blocks = TAKE_PTR(blocks);
        *ret_n_blocks = n_blocks;
        return 0;
}

static bool blocks_equal(const DaxDevice *a, const DaxDevice *b) {
        if (a->n_blocks != b->n_blocks)
                return false;

        for (size_t i = 0; i < a->n_blocks; i++)
                if (a->blocks[i].number != b->blocks[i].number ||
                    a->blocks[i].state != b->blocks[i].state)
                        return false;

        return true;
}

unsigned dax_device_difference(const DaxDevice *a, const DaxDevice *b) {
        unsigned difference = 0;

        if (!dax_ranges_equal(&a->ranges, &b->ranges))
                difference |= DAX_DIFFERS_RANGES;
        if (a->align != b->align)
                difference |= DAX_DIFFERS_ALIGN;
        if (a->mode != b->mode)
                difference |= DAX_DIFFERS_MODE;
        if (a->memmap_on_memory != b->memmap_on_memory)
                difference |= DAX_DIFFERS_MEMMAP;
        if (!blocks_equal(a, b))
                difference |= DAX_DIFFERS_BLOCKS;
        if (strcmp(a->label, b->label) != 0)
                difference |= DAX_DIFFERS_LABEL;
        if (!dax_access_equal(&a->access, &b->access))
                difference |= DAX_DIFFERS_ACCESS;
        if (a->tainted != b->tainted)
                difference |= DAX_DIFFERS_TAINT;

        return difference;
}
