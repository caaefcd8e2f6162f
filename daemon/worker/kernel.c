/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding regions and devices in sysfs, and holding on to them. Reads only. */

#include "daemon/worker/kernel.h"
#include "daemon/util/file.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/region-lock.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYS_DEVICES "/sys/devices"

static int open_folder(int dir, const char *path) {
        int fd = openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

static int folder_identity(int dir, const char *path, uint64_t *ret_identity) {
        struct stat st;

        if (fstatat(dir, path, &st, path[0] == '\0' ? AT_EMPTY_PATH : 0) < 0)
                return -errno;

        *ret_identity = st.st_ino;
        return 0;
}

/* --- names ------------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b) {
        const DaxName *x = a, *y = b;

        if (x->region != y->region)
                return x->region < y->region ? -1 : 1;
        return (x->instance > y->instance) - (x->instance < y->instance);
}

static int name_set(const char *name, DaxName *ret_name) {
        DaxName entry = {};

        if (strlen(name) > DAX_NAME_MAX)
                return -ENAMETOOLONG;
        if (text_parse_device_name(name, &entry.region, &entry.instance) < 0)
                return -EINVAL;

        strcpy(entry.name, name);
        *ret_name = entry;
        return 0;
}

int kernel_names_add(KernelNames *names, const char *name, uint64_t identity) {
        DaxName entry;
        int r;

        r = name_set(name, &entry);
        if (r < 0)
                return r;

        entry.identity = identity;
        return ARRAY_APPEND(names->list, names->count, entry);
}

void kernel_names_sort(KernelNames *names) {
        size_t n = 0;

        if (names->count > 0)
                qsort(names->list, names->count, sizeof(names->list[0]), compare_names);
        for (size_t i = 0; i < names->count; i++)
                if (n == 0 || compare_names(&names->list[n - 1], &names->list[i]) != 0)
                        names->list[n++] = names->list[i];
        names->count = n;
}

int kernel_names_insert(KernelNames *names, const char *name, uint64_t identity) {
        size_t at = names->count;
        DaxName entry;
        int r;

        r = kernel_names_add(names, name, identity);
        if (r < 0)
                return r;

        entry = names->list[at];
        for (; at > 0 && compare_names(&names->list[at - 1], &entry) > 0; at--)
                names->list[at] = names->list[at - 1];
        names->list[at] = entry;
        return 0;
}

static DaxName *find_name(const KernelNames *names, const char *name) {
        DaxName wanted;

        if (names->count == 0 || name_set(name, &wanted) < 0)
                return NULL;
        return bsearch(&wanted, names->list, names->count, sizeof(wanted), compare_names);
}

bool kernel_names_have(const KernelNames *names, const char *name) {
        return find_name(names, name);
}

bool kernel_names_have_same(const KernelNames *names, const DaxName *device) {
        const DaxName *found = find_name(names, device->name);

        return found && found->identity == device->identity;
}

void kernel_names_remove(KernelNames *names, const char *name) {
        DaxName *found = find_name(names, name);

        if (found)
                ARRAY_REMOVE(names->list, names->count, (size_t)(found - names->list));
}

void kernel_names_deinit(KernelNames *names) {
        free(names->list);
        *names = (KernelNames){};
}

/* The device names in a folder; of one region only where @only_region is not negative. */
static int read_names(DIR *listing, int64_t only_region, KernelNames *ret_names) {
        _cleanup_kernel_names_ KernelNames names = {};
        struct dirent *entry;

        while (errno = 0, (entry = readdir(listing))) {
                DaxName name;

                if (name_set(entry->d_name, &name) < 0 ||
                    (only_region >= 0 && name.region != only_region))
                        continue;
                name.identity = entry->d_ino;
                if (ARRAY_APPEND(names.list, names.count, name) < 0)
                        return -ENOMEM;
        }
        if (errno != 0)
                return -errno;

        kernel_names_sort(&names);
        *ret_names = names;
        names = (KernelNames){};
        return 0;
}

static int list_names(const char *path, int64_t only_region, KernelNames *ret_names) {
        _cleanup_listing_ DIR *listing = NULL;
        int r;

        r = file_open_listing(AT_FDCWD, path, &listing);
        return r < 0 ? r : read_names(listing, only_region, ret_names);
}

int kernel_names(KernelNames *ret_names) {
        int r;

        r = list_names(KERNEL_DEVICES, -1, ret_names);
        if (r == -ENOENT) { /* no dax bus in this kernel: no devices */
                *ret_names = (KernelNames){};
                return 0;
        }
        return r;
}

int kernel_driver_names(const char *driver, KernelNames *ret_names) {
        char path[sizeof(KERNEL_DRIVERS) + 64];

        snprintf(path, sizeof(path), KERNEL_DRIVERS "/%s", driver);
        return list_names(path, -1, ret_names);
}

/* --- regions ---------------------------------------------------------------------------------- */

/* The folder of the region that the device @name belongs to, if its id is @id. */
static int open_parent(const char *name, uint32_t id) {
        _cleanup_close_ int device = -1, parent = -1;
        char path[sizeof(KERNEL_DEVICES) + DAX_NAME_MAX + 1];
        uint64_t found;
        int r;

        snprintf(path, sizeof(path), KERNEL_DEVICES "/%s", name);
        device = open_folder(AT_FDCWD, path);
        if (device < 0)
                return device;
        parent = open_folder(device, "..");
        if (parent < 0)
                return parent;
        r = attribute_read_u64(parent, "dax_region/id", &found);
        if (r < 0)
                return r;

        return found == id ? TAKE_FD(parent) : -ENOENT;
}

static int find_parent(uint32_t id) {
        _cleanup_kernel_names_ KernelNames names = {};
        char first[DAX_NAME_MAX + 1];
        int fd, r;

        /* a dynamic region always has its instance 0 */
        snprintf(first, sizeof(first), "dax%u.0", id);
        fd = open_parent(first, id);
        if (fd >= 0)
                return fd;

        r = list_names(KERNEL_DEVICES, id, &names);
        if (r < 0)
                return r;
        for (size_t i = 0; i < names.count; i++) {
                fd = open_parent(names.list[i].name, id);
                if (fd >= 0)
                        return fd;
        }

        return -ENOENT;
}

/* The attribute is there before the kernel takes it: that is a parameter of memory hotplug. */
static bool kernel_offers_memmap(void) {
        char text[16];

        return attribute_read(AT_FDCWD, "/sys/module/memory_hotplug/parameters/memmap_on_memory",
                              text, sizeof(text)) >= 0 &&
               strcmp(text, "N") != 0;
}

int kernel_region_open(uint32_t id, int locks, KernelRegion *ret_region) {
        _cleanup_kernel_region_ KernelRegion region = KERNEL_REGION_INIT;
        uint64_t again;
        int r;

        region.id = id;
        region.locks = locks;
        region.dir = find_parent(id);
        if (region.dir < 0)
                return region.dir;
        r = file_open_listing(region.dir, ".", &region.listing);
        if (r < 0)
                return r;
        r = folder_identity(region.dir, "dax_region", &region.identity);
        if (r < 0)
                return r;
        r = attribute_read_u64(region.dir, "dax_region/size", &region.size);
        if (r >= 0)
                r = attribute_read_u64(region.dir, "dax_region/id", &again);
        if (r < 0)
                return r;
        if (again != id) /* it has gone since it was found, and has come again with another */
                return -ENOENT;
        region.offers_memmap = kernel_offers_memmap();
        region.is_static = faccessat(region.dir, "dax_region/create", F_OK, 0) < 0;

        *ret_region = region;
        region = KERNEL_REGION_INIT;
        return 0;
}

void kernel_region_deinit(KernelRegion *region) {
        closep(&region->dir);
        file_close_listing(&region->listing);
        *region = KERNEL_REGION_INIT;
}

bool kernel_region_is_live(const KernelRegion *region) {
        uint64_t identity, driver;

        /*
         * the kernel never uses that number again, and what it told of the region is for its life
         */
        return region->dir >= 0 && folder_identity(region->dir, "dax_region", &identity) >= 0 &&
               identity == region->identity && folder_identity(region->dir, "driver", &driver) >= 0;
}

int kernel_region_path(const KernelRegion *region, char **ret_path) {
        char link[64], path[PATH_MAX];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", region->dir);
        n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return -errno;
        path[n] = '\0';
        if (strncmp(path, SYS_DEVICES "/", sizeof(SYS_DEVICES)) != 0)
                return -ENODEV;

        *ret_path = strdup(path + sizeof(SYS_DEVICES) - 1);
        return *ret_path ? 0 : -ENOMEM;
}

int kernel_region_count(const KernelRegion *region, uint64_t *ret_count) {
        struct stat st;

        if (fstat(region->dir, &st) < 0)
                return -errno;

        *ret_count = st.st_nlink;
        return 0;
}

int kernel_region_names(const KernelRegion *region, KernelNames *ret_names) {
        rewinddir(region->listing);
        return read_names(region->listing, region->id, ret_names);
}

/* --- devices ---------------------------------------------------------------------------------- */

static int device_open(int folder, const char *name, int flags, KernelDevice *ret_device) {
        _cleanup_kernel_device_ KernelDevice device = KERNEL_DEVICE_INIT;
        int r;

        if (text_parse_device_name(name, &device.region, &device.instance) < 0 ||
            strlen(name) > DAX_NAME_MAX)
                return -EINVAL;
        strcpy(device.name, name);

        device.dir = openat(folder, name, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);
        if (device.dir < 0)
                return -errno;
        r = folder_identity(device.dir, "", &device.identity);
        if (r < 0)
                return r;

        *ret_device = device;
        device = KERNEL_DEVICE_INIT;
        return 0;
}

int kernel_device_open(const KernelRegion *region, const char *name, KernelDevice *ret_device) {
        uint32_t id, instance;
        int r;

        if (text_parse_device_name(name, &id, &instance) < 0 || id != region->id)
                return -EINVAL;
        r = device_open(region->dir, name, O_NOFOLLOW, ret_device);
        if (r >= 0)
                ret_device->locks = region->locks;
        return r;
}

bool kernel_device_is_live(const KernelRegion *region, const KernelDevice *device) {
        uint64_t identity;

        return device->dir >= 0 && device->region == region->id &&
               folder_identity(region->dir, device->name, &identity) >= 0 &&
               identity == device->identity;
}

int kernel_device_find(const char *name, KernelDevice *ret_device) {
        _cleanup_close_ int folder = open_folder(AT_FDCWD, KERNEL_DEVICES);

        return folder < 0 ? folder : device_open(folder, name, 0, ret_device);
}

void kernel_device_deinit(KernelDevice *device) {
        closep(&device->dir);
        *device = KERNEL_DEVICE_INIT;
}

void kernel_device_lock(const KernelDevice *device, bool writes) {
        if (device->locks >= 0)
                (void)region_lock_take(device->locks, device->region, REGION_LOCK_SHAPES, !writes,
                                       true);
}

void kernel_device_unlock(const KernelDevice *device) {
        if (device->locks >= 0)
                region_lock_release(device->locks, device->region, REGION_LOCK_SHAPES);
}

int kernel_device_driver(const KernelDevice *device, char *buffer, size_t size) {
        uint64_t identity;
        int r;

        r = attribute_read_link(device->dir, "driver", buffer, size);
        if (r < 0 || buffer[0] != '\0')
                return r;

        /* no driver, or no device any more? */
        return folder_identity(device->dir, "subsystem", &identity);
}

int kernel_device_mode(const KernelDevice *device, DaxMode *ret_mode) {
        char driver[64];
        int r;

        r = kernel_device_driver(device, driver, sizeof(driver));
        if (r < 0)
                return r;

        *ret_mode = dax_mode_from_driver(driver);
        return 0;
}

int kernel_device_child(const KernelDevice *device, const char *path, uint64_t *ret_identity) {
        return folder_identity(device->dir, path, ret_identity);
}
