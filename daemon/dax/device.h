/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The picture of one device, as it is or as it is wanted.
 *
 * As it is: name, identity and instance are set, size is the sum of the ranges, and blocks lists
 * the memory blocks that lie wholly inside one range (the kernel's kmem driver takes no others) in
 * the order of the ranges. In a device that is wanted, size may be more than the sum of the ranges
 * (the planner places the rest) or less (it takes from the end), name may be empty (a new device),
 * and blocks may be empty, then online says what shall become of them.
 */

#include "daemon/dax/mode.h"
#include "daemon/dax/range.h"
#include "daemon/util/text.h"

#include <stdint.h>
#include <sys/types.h>

#define DAX_NAME_MAX 31
/* A size that means: whatever is left when all others have been placed. */
#define DAX_SIZE_REST UINT64_MAX
/* The rule that names nodes can tell devices apart by as many ranges (systemd/ has the rule). */
#define DAX_NAMED_RANGES_MAX 8

typedef struct DaxBlock {
        uint64_t number; /* N of memoryN: physical address / block size */
        DaxBlockState state;
} DaxBlock;

/* What a device is called, and which it is: the kernel gives names out again. */
typedef struct DaxName {
        char name[DAX_NAME_MAX + 1];
        uint32_t region, instance; /* that the name says */
        uint64_t identity;         /* as in DaxDevice; 0: not known */
} DaxName;

/* Who may open the node. Nobody but root where not set. */
typedef struct DaxAccess {
        char user[33];  /* "" is root */
        char group[33]; /* "" is root */
        mode_t mode;    /* 0 is 0600 */
} DaxAccess;

typedef struct DaxDevice {
        unsigned n_refs; /* pictures that share it: it is never changed while there are several */
        char name[DAX_NAME_MAX + 1];
        uint32_t instance;
        /*
         * The kernel's own number for this device's life (the inode of its sysfs folder): never
         * reused.
         */
        uint64_t identity;
        /*
         * The same for its life with memory, as it was read; daxd's own rebuilding begins a new
         * one.
         */
        uint64_t life;
        uint64_t seen; /* number of the kernel's last uevent before it was read */
        /* What Device.Incarnation says: one for as long as it is the same device to its users. */
        uint64_t incarnation;
        char label[LABEL_MAX + 1];
        DaxAccess access;
        uint64_t size;
        uint64_t align;
        DaxMode mode;
        int memmap_on_memory; /* 1, 0, or -1 where the kernel does not offer it */
        int target_node;
        int numa_node;
        bool tainted; /* its memory is System RAM although no driver holds it: until reboot */
        DaxRanges ranges;
        DaxBlock *blocks;
        size_t n_blocks;

        /* only in a wanted device */
        DaxOnline online;
        int wipe; /* 1: always, 0: never, -1: when someone else's memory is in it */
        uint64_t lost_to_rounding; /* bytes, for the plan's reader */
} DaxDevice;

/* A device with nothing in it: memmap_on_memory, nodes and wipe at -1. NULL when out of memory. */
int dax_device_new(DaxDevice **ret_device);
const DaxDevice *dax_device_ref(const DaxDevice *device);
DaxDevice *dax_device_unref(const DaxDevice *device);
int dax_device_copy(const DaxDevice *device, DaxDevice **ret_copy); /* one that may be changed */
DEFINE_CLEANUP(DaxDevice *, dax_device_unref)
#define _cleanup_device_ _cleanup_(dax_device_unrefp)

bool dax_access_equal(const DaxAccess *a, const DaxAccess *b);
/* Whether more than root may open a node with @access. */
bool dax_access_is_open(const DaxAccess *access);

/* How the blocks of @device stand. */
size_t dax_device_online_blocks(const DaxDevice *device);
bool dax_device_is_movable(
        const DaxDevice *device); /* at least one online, and all online movable */

/*
 * Makes the block list of a device of @ranges in a region at physical @region_start: each block of
 * @block_size bytes that lies wholly in one range, in the order of the ranges, all in @state.
 */
int dax_blocks_of_ranges(const DaxRanges *ranges, uint64_t region_start, uint64_t block_size,
                         DaxBlockState state, DaxBlock **ret_blocks, size_t *ret_n_blocks);

/* What of two pictures of a device differs; 0 when nothing that daxd promises does. */
typedef enum DaxDifference {
        DAX_DIFFERS_RANGES = 1 << 0,
        DAX_DIFFERS_ALIGN = 1 << 1,
        DAX_DIFFERS_MODE = 1 << 2,
        DAX_DIFFERS_MEMMAP = 1 << 3,
        DAX_DIFFERS_BLOCKS = 1 << 4,
        DAX_DIFFERS_LABEL = 1 << 5,
        DAX_DIFFERS_ACCESS = 1 << 6,
        DAX_DIFFERS_TAINT = 1 << 7,
} DaxDifference;

unsigned dax_device_difference(const DaxDevice *a, const DaxDevice *b);
