/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Handles on the kernel's regions and devices: open folders of sysfs. A handle means one region or
 * one device for as long as it lives; when that goes away, reads through the handle fail with
 * ENOENT or ENODEV, whatever gets its name afterwards.
 */

#include "daemon/dax/device.h"

#include <dirent.h>

#define KERNEL_DEVICES "/sys/bus/dax/devices"
#define KERNEL_DRIVERS "/sys/bus/dax/drivers"

typedef struct KernelRegion {
        uint32_t id;
        int dir;           /* the folder that has dax_region/ and the devices */
        DIR *listing;      /* the same, to be listed */
        int locks;         /* the worker's, see region-lock.h; -1: no other worker is there */
        uint64_t identity; /* of dax_region/ */
        uint64_t size;
        bool is_static;
        bool offers_memmap; /* whether this kernel can have memmap_on_memory switched on */
} KernelRegion;

typedef struct KernelDevice {
        char name[DAX_NAME_MAX + 1];
        uint32_t region;
        uint32_t instance;
        int dir;
        int locks; /* its region's */
        uint64_t identity;
} KernelDevice;

typedef struct KernelNames {
        DaxName *list; /* sorted by region, then instance */
        size_t count;
} KernelNames;

#define KERNEL_REGION_INIT ((KernelRegion){ .dir = -1, .locks = -1 })
#define KERNEL_DEVICE_INIT ((KernelDevice){ .dir = -1, .locks = -1 })
#define _cleanup_kernel_region_ _cleanup_(kernel_region_deinit)
#define _cleanup_kernel_device_ _cleanup_(kernel_device_deinit)
#define _cleanup_kernel_names_ _cleanup_(kernel_names_deinit)

/* By id: 0, or -ENOENT and the like when there is none. @locks is borrowed. */
int kernel_region_open(uint32_t id, int locks, KernelRegion *ret_region);
void kernel_region_deinit(KernelRegion *region);
/*
 * Whether the handle's region is still there, and is not just being taken away: then its parent has
 * no driver any more. Must be asked right before an attribute of dax_region/ is read or written.
 * Many of these take the parent's lock, which whoever takes the region away holds while waiting for
 * all readers (available_size_show(), dax_region_unregister() in drivers/dax/bus.c, seen on 6.1):
 * neither would ever come back.
 */
bool kernel_region_is_live(const KernelRegion *region);
/* The folder as an absolute path without "/sys/devices". */
int kernel_region_path(const KernelRegion *region, char **ret_path);
/* How many folders there are in the region's: a device more is one more. */
int kernel_region_count(const KernelRegion *region, uint64_t *ret_count);
/* What the devices of the region are called, and which they are. */
int kernel_region_names(const KernelRegion *region, KernelNames *ret_names);

/*
 * Opens a device of @region, as long as which it may be used; -EINVAL when @name is no name of it.
 */
int kernel_device_open(const KernelRegion *region, const char *name, KernelDevice *ret_device);
/* Opens a device of whichever region. */
int kernel_device_find(const char *name, KernelDevice *ret_device);
void kernel_device_deinit(KernelDevice *device);
/* Whether the handle's device is still there. */
bool kernel_device_is_live(const KernelRegion *region, const KernelDevice *device);
/*
 * Keeps workers apart who read mappings of the region and who write sizes in it (@writes): see
 * mapping.h for what the kernel does otherwise.
 */
void kernel_device_lock(const KernelDevice *device, bool writes);
void kernel_device_unlock(const KernelDevice *device);
/* The driver's name, "" when unbound. */
int kernel_device_driver(const KernelDevice *device, char *buffer, size_t size);
int kernel_device_mode(const KernelDevice *device, DaxMode *ret_mode);
/* The identity of a folder below the device; -ENOENT. */
int kernel_device_child(const KernelDevice *device, const char *path, uint64_t *ret_identity);

/* Every device of the bus; every device that @driver holds. */
int kernel_names(KernelNames *ret_names);
int kernel_driver_names(const char *driver, KernelNames *ret_names);
/* -EINVAL when @name is no device's. */
int kernel_names_add(KernelNames *names, const char *name, uint64_t identity);
/* The same, and take one out, where the names are sorted already. */
int kernel_names_insert(KernelNames *names, const char *name, uint64_t identity);
void kernel_names_remove(KernelNames *names, const char *name);
void kernel_names_sort(KernelNames *names); /* and takes out doubles */
bool kernel_names_have(const KernelNames *names, const char *name);
/* And not another one of its name. */
bool kernel_names_have_same(const KernelNames *names, const DaxName *device);
void kernel_names_deinit(KernelNames *names);
