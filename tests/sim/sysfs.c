/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Regions, devices, their mappings, and the drivers. */

#include "tests/sim/sysfs-internal.h"
#include "daemon/util/cleanup.h"
#include "tests/sim/face.h"
#include "tests/sim/number.h"
#include "tests/sim/uevent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PATH_SIZE 1024

/* --- common ----------------------------------------------------------------------------------- */

const Entry *sysfs_top(const Sysfs *sysfs) {
        return sysfs->sys;
}

void sysfs_set_flush(Sysfs *sysfs, SysfsFlush flush, void *userdata) {
        sysfs->flush = flush;
        sysfs->flush_userdata = userdata;
}

void sysfs_path(const World *world, const Entry *entry, char *buffer, size_t size) {
        (void)tree_path(entry, world->sysfs->sys, buffer, size);
}

Entry *sysfs_link(World *world, Entry *folder, const char *name, const Entry *to) {
        Entry place = { .parent = folder };
        char target[PATH_SIZE];

        if (!folder || !to)
                return NULL;
        (void)tree_relative(&place, to, target, sizeof(target));
        return tree_add_link(world->tree, folder, name, target);
}

/* Who hears of an unbinding shall not load the module again. */
static void drop_modalias(char *properties) {
        char *line = strstr(properties, "MODALIAS="), *next;

        if (!line)
                return;
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        memmove(line, next, strlen(next) + 1);
}

void sysfs_send(World *world, const Entry *folder, const char *action, const char *subsystem,
                const char *properties) {
        char path[PATH_SIZE], fewer[PATH_SIZE];

        if (properties && strcmp(action, "unbind") == 0) {
                snprintf(fewer, sizeof(fewer), "%s", properties);
                drop_modalias(fewer);
                properties = fewer;
        }
        sysfs_path(world, folder, path, sizeof(path));
        uevents_send(world->uevents, &(Uevent){ action, path, subsystem, properties });
}

int sysfs_store_uevent(Write *write, const Entry *folder, const char *subsystem,
                       const char *properties) {
        char action[16], all[PATH_SIZE];
        size_t length;
        int r;

        r = uevent_parse(write->text, action, all, sizeof(all));
        if (r < 0)
                return r;
        length = strlen(all);
        snprintf(all + length, sizeof(all) - length, "%s", properties);
        sysfs_send(write->world, folder, action, subsystem, all);
        return 0;
}

static bool region_is_held(World *world, void *data) {
        const Region *region = data;

        return region->is_locked;
}

static bool device_is_held(World *world, void *data) {
        const Device *device = data;

        return device->is_busy && world->manner->locks_devices;
}

/*
 * Waits until nobody holds the device's lock, with that of its region. NULL: it went meanwhile, or
 * the writer is to end.
 */
static Device *device_of(Write *write, int *ret_error) {
        Region *locked = NULL; /* cannot go meanwhile */
        Device *device;
        int r = 0;

        for (;;) {
                Entry *entry = tree_find(write->world->tree, write->folder);
                Region *region;

                device = entry ? entry->data : NULL;
                region = device ? device->region : NULL;
                if (r < 0 || !device ||
                    (!device_is_held(write->world, device) &&
                     (!region->is_locked || region == locked)))
                        break;
                if (!region->is_locked)
                        locked = region;
                region->is_locked = true;
                r = world_wait(write->world, write, false, 0);
        }

        if (locked) {
                locked->is_locked = false;
                world_changed(write->world);
        }
        *ret_error = r < 0 ? r : device ? 0 : -ENODEV;
        return r < 0 ? NULL : device;
}

/* --- mappings --------------------------------------------------------------------------------- */

static int mapping_start_show(World *world, void *data, FILE *out) {
        const Range *range = data;

        fprintf(out, "%#llx\n", (unsigned long long)range->start);
        return 0;
}

static int mapping_end_show(World *world, void *data, FILE *out) {
        const Range *range = data;

        fprintf(out, "%#llx\n", (unsigned long long)range->end - 1);
        return 0;
}

static int mapping_offset_show(World *world, void *data, FILE *out) {
        const Range *range = data;

        fprintf(out, "0x%llx\n", (unsigned long long)range->page_offset); /* also 0x0 */
        return 0;
}

static const FolderClass mapping_class = { .attributes = {
                                                   { "start", 0400, mapping_start_show },
                                                   { "end", 0400, mapping_end_show },
                                                   { "page_offset", 0400, mapping_offset_show },
                                                   { "uevent", 0644 },
                                           } };

static int range_added(World *world, Range *range) {
        const DeviceView *view = range->device->view;
        char name[32];

        snprintf(name, sizeof(name), "mapping%u", range->id);
        range->view = tree_add_folder(world->tree, view->folder, name, &mapping_class, range);
        return range->view ? 0 : -ENOMEM;
}

static void range_removed(World *world, Range *range) {
        tree_remove(world->tree, TAKE_PTR(range->view));
}

/* --- devices ---------------------------------------------------------------------------------- */

static void device_properties(const Device *device, char *buffer, size_t size) {
        bool bound = device->driver != DRIVER_NONE;

        snprintf(buffer, size, "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\n%s%s%sMODALIAS=dax:t0\n",
                 FACE_MAJOR, device->minor, device->name, bound ? "DRIVER=" : "",
                 driver_name(device->driver), bound ? "\n" : "");
}

static void device_send(World *world, const Device *device, const char *action) {
        const DeviceView *view = device->view;
        char properties[256];

        device_properties(device, properties, sizeof(properties));
        sysfs_send(world, view->folder, action, "dax", properties);
}

static int size_show(World *world, void *data, FILE *out) {
        fprintf(out, "%llu\n", (unsigned long long)device_size(data));
        return 0;
}

static int size_store(Write *write, void *data) {
        Device *device;
        uint64_t size;
        int r;

        r = number_parse(write->text, 0, &size);
        if (r < 0)
                return r;
        device = device_of(write, &r);
        if (device && write->in_part)
                size = device_size_midway(device, size);
        return device ? device_set_size(write->world, device, size) : r;
}

static int align_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        fprintf(out, "%llu\n", (unsigned long long)device->align);
        return 0;
}

static int align_store(Write *write, void *data) {
        Device *device;
        uint64_t align;
        int r;

        if (number_parse(write->text, 0, &align) < 0)
                return -ENXIO;
        device = device_of(write, &r);
        return device ? device_set_align(write->world, device, align) : r;
}

/* "START-END" in hexadecimal digits, END being the last byte. */
static int parse_range(const char *text, uint64_t *ret_start, uint64_t *ret_last) {
        const char *dash = strchr(text, '-');
        char start[64];
        int r;

        if (!dash)
                return -EINVAL;
        if (dash - text >= (ptrdiff_t)sizeof(start))
                return -EINVAL;
        memcpy(start, text, dash - text);
        start[dash - text] = '\0';

        r = number_parse(start, 16, ret_start);
        return r < 0 ? r : number_parse(dash + 1, 16, ret_last);
}

static int mapping_store(Write *write, void *data) {
        uint64_t start, last;
        Device *device;
        int r;

        r = parse_range(write->text, &start, &last);
        if (r < 0)
                return r;
        device = device_of(write, &r);
        return device ? device_add_mapping(write->world, device, start, last) : r;
}

static int memmap_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        fprintf(out, "%d\n", device->memmap);
        return 0;
}

static int memmap_store(Write *write, void *data) {
        Device *device;
        bool memmap;
        int r;

        r = number_parse_bool(write->text, &memmap);
        if (r < 0)
                return r;
        if (memmap && !write->world->memmap_possible)
                return -EOPNOTSUPP;
        device = device_of(write, &r);
        return device ? device_set_memmap(write->world, device, memmap) : r;
}

static int resource_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        /* of an empty device it is the region's start */
        fprintf(out, "%#llx\n",
                (unsigned long long)(device->n_ranges > 0 ? device->ranges[0]->start :
                                                            device->region->spec.start));
        return 0;
}

static int target_node_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        fprintf(out, "%d\n", device->region->spec.node);
        return 0;
}

/* The nearest node with memory of its own, which is the one of the ordinary memory. */
static int numa_node_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        fprintf(out, "%d\n", device->region->spec.node < 0 ? -1 : 0);
        return 0;
}

static int number_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        fprintf(out, "%u:%u\n", FACE_MAJOR, device->minor);
        return 0;
}

static int device_uevent_show(World *world, void *data, FILE *out) {
        char properties[256];

        device_properties(data, properties, sizeof(properties));
        fputs(properties, out);
        return 0;
}

static int device_uevent_store(Write *write, void *data) {
        const Device *device = data;
        const DeviceView *view = device->view;
        char properties[256];

        device_properties(device, properties, sizeof(properties));
        return sysfs_store_uevent(write, view->folder, "dax", properties);
}

static int link_show(World *world, const Device *device, const Entry *to, FILE *out) {
        const DeviceView *view = device->view;
        Entry place = { .parent = view->folder };
        char target[PATH_SIZE];

        (void)tree_relative(&place, to, target, sizeof(target));
        fputs(target, out);
        return 0;
}

static int device_driver_show(World *world, void *data, FILE *out) {
        const Device *device = data;

        return link_show(world, device, world->sysfs->drivers[device->driver], out);
}

static int device_subsystem_show(World *world, void *data, FILE *out) {
        return link_show(world, data, world->sysfs->bus_devices->parent, out);
}

static bool device_is_bound(World *world, void *data) {
        const Device *device = data;

        return device->driver != DRIVER_NONE;
}

static bool device_has_node(World *world, void *data) {
        const Device *device = data;

        return device->region->spec.node >= 0;
}

static bool device_has_memmap(World *world, void *data) {
        return world->manner->has_memmap;
}

#define DEVICE_ATTRIBUTES                                                                          \
        { "modalias", 0444, .text = "dax:t0\n" }, { "resource", 0400, resource_show },             \
                { "target_node", 0444, target_node_show, .visible = device_has_node },             \
                { "numa_node", 0444, numa_node_show }, { "dev", 0444, number_show },               \
                { "memmap_on_memory", 0644, memmap_show, memmap_store, device_has_memmap },        \
                { "uevent", 0644, device_uevent_show, device_uevent_store },                       \
                { "subsystem", S_IFLNK, device_subsystem_show }, {                                 \
                "driver", S_IFLNK, device_driver_show, .visible = device_is_bound                  \
        }

static const FolderClass device_class = { .attributes = {
                                                  { "size", 0644, size_show, size_store,
                                                    .is_held = device_is_held },
                                                  { "align", 0644, align_show, align_store },
                                                  { "mapping", 0200, NULL, mapping_store },
                                                  DEVICE_ATTRIBUTES,
                                          } };

static const FolderClass static_device_class = { .attributes = {
                                                         { "size", 0444, size_show },
                                                         { "align", 0444, align_show },
                                                         DEVICE_ATTRIBUTES,
                                                 } };

static int device_show(World *world, Device *device, DeviceView *view) {
        const RegionView *region = device->region->view;
        Sysfs *sysfs = world->sysfs;
        char number[32];

        view->folder = tree_add_folder(world->tree, region->parent, device->name,
                                       device->region->spec.kind == REGION_PMEM ?
                                               &static_device_class :
                                               &device_class,
                                       device);
        if (!view->folder || !tree_add_folder(world->tree, view->folder, "power", NULL, NULL))
                return -ENOMEM;
        for (size_t i = 0; i < device->n_ranges; i++)
                if (range_added(world, device->ranges[i]) < 0)
                        return -ENOMEM;

        snprintf(number, sizeof(number), "%u:%u", FACE_MAJOR, device->minor);
        view->on_bus = sysfs_link(world, sysfs->bus_devices, device->name, view->folder);
        view->by_number = sysfs_link(world, sysfs->by_number, number, view->folder);
        view->node = tree_add_node(world->tree, sysfs->dev, device->name, device);
        return view->on_bus && view->by_number && view->node ? 0 : -ENOMEM;
}

static int device_added(World *world, Device *device) {
        DeviceView *view = calloc(1, sizeof(*view));
        int r;

        if (!view)
                return -ENOMEM;
        device->view = view;
        r = device_show(world, device, view);
        if (r == 0)
                device_send(world, device, "add");
        return r;
}

static void device_removed(World *world, Device *device) {
        DeviceView *view = device->view;

        if (view->folder && view->node)
                device_send(world, device, "remove");
        for (size_t i = 0; i < device->n_ranges; i++)
                device->ranges[i]->view = NULL; /* goes with the folder */
        tree_remove(world->tree, view->at_driver);
        tree_remove(world->tree, view->node);
        tree_remove(world->tree, view->by_number);
        tree_remove(world->tree, view->on_bus);
        tree_remove(world->tree, view->folder);
        free(TAKE_PTR(device->view));
}

/* --- regions ---------------------------------------------------------------------------------- */

static int region_id_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%u\n", region->id);
        return 0;
}

static int region_size_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%llu\n", (unsigned long long)region->spec.size);
        return 0;
}

static int region_align_show(World *world, void *data, FILE *out) {
        fprintf(out, "%llu\n", (unsigned long long)DAX_ALIGN);
        return 0;
}

static int available_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%llu\n", (unsigned long long)region->available);
        return 0;
}

static int seed_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%s\n", region->seed ? region->seed->name : "");
        return 0;
}

static int create_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%s\n", region->youngest ? region->youngest->name : "");
        return 0;
}

static int create_store(Write *write, void *data) {
        int value, r;

        r = number_parse_int(write->text, &value);
        if (r < 0)
                return r;
        return value == 1 ? dax_create(write->world, data) : -EINVAL;
}

static int delete_store(Write *write, void *data) {
        int r = 0;

        if (write->world->manner->locks_devices)
                (void)dax_find_quiet(write->world, write, write->text, &r);
        if (r < 0)
                return r;
        if (!tree_find(write->world->tree, write->folder))
                return -ENODEV;
        return dax_delete(write->world, data, write->text);
}

static const FolderClass region_class = { .attributes = {
                                                  { "id", 0444, region_id_show },
                                                  { "size", 0444, region_size_show },
                                                  { "align", 0400, region_align_show },
                                                  { "available_size", 0444, available_show,
                                                    .is_held = region_is_held },
                                                  { "seed", 0444, seed_show,
                                                    .is_held = region_is_held },
                                                  { "create", 0644, create_show, create_store,
                                                    .is_held = region_is_held },
                                                  { "delete", 0200, NULL, delete_store },
                                          } };

static const FolderClass static_region_class = { .attributes = {
                                                         { "id", 0444, region_id_show },
                                                         { "size", 0444, region_size_show },
                                                         { "align", 0400, region_align_show },
                                                 } };

static int region_added(World *world, Region *region) {
        RegionView *view = calloc(1, sizeof(*view));
        int r;

        if (!view)
                return -ENOMEM;
        region->view = view;
        r = provider_add(world, region, view);
        if (r < 0)
                return r;

        view->attributes = tree_add_folder(world->tree, view->parent, "dax_region",
                                           region->spec.kind == REGION_PMEM ? &static_region_class :
                                                                              &region_class,
                                           region);
        return view->attributes ? 0 : -ENOMEM;
}

static void region_removed(World *world, Region *region) {
        provider_remove(world, region, region->view);
        free(TAKE_PTR(region->view));
}

/* --- drivers ---------------------------------------------------------------------------------- */

static Driver driver_of(void *data) {
        return (Driver)(uintptr_t)data;
}

static int bind_store(Write *write, void *data) {
        return driver_bind(write->world, write, driver_of(data), write->text);
}

static int unbind_store(Write *write, void *data) {
        return driver_unbind(write->world, write, driver_of(data), write->text);
}

static int new_id_store(Write *write, void *data) {
        return driver_new_id(write->world, write, driver_of(data), write->text);
}

static int remove_id_store(Write *write, void *data) {
        return driver_remove_id(write->world, driver_of(data), write->text);
}

static int driver_uevent_store(Write *write, void *data) {
        const Entry *folder = write->world->sysfs->drivers[driver_of(data)];

        return sysfs_store_uevent(write, folder, "drivers", "");
}

static const FolderClass driver_class = { .attributes = {
                                                  { "bind", 0200, NULL, bind_store },
                                                  { "unbind", 0200, NULL, unbind_store },
                                                  { "new_id", 0200, NULL, new_id_store },
                                                  { "remove_id", 0200, NULL, remove_id_store },
                                                  { "uevent", 0200, NULL, driver_uevent_store },
                                          } };

static void driver_changed(World *world, Device *device, Driver before) {
        DeviceView *view = device->view;

        if (device->driver != DRIVER_NONE) {
                view->at_driver = sysfs_link(world, world->sysfs->drivers[device->driver],
                                             device->name, view->folder);
                device_send(world, device, "bind");
        } else {
                tree_remove(world->tree, TAKE_PTR(view->at_driver));
                device_send(world, device, "unbind");
        }
}

/* What processes have written through their mappings is in the memory before it goes to others. */
static void driver_leaves(World *world, Device *device) {
        const DeviceView *view = device->view;
        Sysfs *sysfs = world->sysfs;

        if (!device->was_opened || !sysfs->flush)
                return;
        world_unlock(world);
        sysfs->flush(view->node->number, sysfs->flush_userdata);
        world_lock(world);
}

static void complain(World *world, const char *message) {
        fprintf(stderr, "daxsim: %s\n", message);
}

const DaxListener sysfs_dax_listener = {
        .region_added = region_added,
        .region_removed = region_removed,
        .device_added = device_added,
        .device_removed = device_removed,
        .range_added = range_added,
        .range_removed = range_removed,
        .driver_changed = driver_changed,
        .driver_leaves = driver_leaves,
        .complain = complain,
};

/* --- what is there without a region ----------------------------------------------------------- */

static int seqnum_show(World *world, void *data, FILE *out) {
        fprintf(out, "%llu\n", (unsigned long long)uevents_seqnum(world->uevents));
        return 0;
}

static const FolderClass kernel_class = { .attributes = {
                                                  { "uevent_seqnum", 0444, seqnum_show },
                                          } };

static const FolderClass hugepage_class = { .attributes = {
                                                    { "hpage_pmd_size", 0444, .text = "2097152\n" },
                                            } };

/* Opening a node takes the module twice: for the node, and for its operations. */
static int users_show(World *world, void *data, FILE *out) {
        fprintf(out, "%u\n", 2 * driver_users(world->dax));
        return 0;
}

static const FolderClass device_dax_class = { .attributes = {
                                                      { "refcnt", 0444, users_show },
                                                      { "initstate", 0444, .text = "live\n" },
                                              } };

static const FolderClass module_class = { .attributes = {
                                                  { "refcnt", 0444, .text = "0\n" },
                                                  { "initstate", 0444, .text = "live\n" },
                                          } };

static int idle_show(World *world, void *data, FILE *out) {
        fputs(world->region_idle ? "Y\n" : "N\n", out);
        return 0;
}

static const FolderClass hmem_parameters_class = { .attributes = {
                                                           { "region_idle", 0400, idle_show },
                                                   } };

static int memmap_possible_show(World *world, void *data, FILE *out) {
        fputs(world->memmap_possible ? "Y\n" : "N\n", out);
        return 0;
}

static const FolderClass hotplug_parameters_class = { .attributes = {
                                                              { "memmap_on_memory", 0444,
                                                                memmap_possible_show },
                                                      } };

static const struct {
        const char *folder, *name;
        const FolderClass *class;
} static_folders[] = {
        { "sys", "kernel", &kernel_class },
        { "sys/kernel/mm/transparent_hugepage", NULL, &hugepage_class },
        { "sys/module", "device_dax", &device_dax_class },
        { "sys/module", "kmem", &module_class },
        { "sys/module", "dax_hmem", &module_class },
        { "sys/module/dax_hmem", "parameters", &hmem_parameters_class },
        { "sys/module/memory_hotplug", "parameters", &hotplug_parameters_class },
};

static int add_static_folders(World *world) {
        for (size_t i = 0; i < ELEMENTS(static_folders); i++) {
                Entry *folder = tree_make_path(world->tree, static_folders[i].folder);

                if (!folder)
                        return -ENOMEM;
                if (static_folders[i].name)
                        folder = tree_add_folder(world->tree, folder, static_folders[i].name, NULL,
                                                 NULL);
                if (!folder)
                        return -ENOMEM;
                folder->class = static_folders[i].class;
                folder->is_fixed = true;
        }

        return 0;
}

static int add_drivers(World *world, Sysfs *sysfs) {
        Entry *drivers = tree_make_path(world->tree, "sys/bus/dax/drivers");

        for (Driver driver = DRIVER_DEVDAX; drivers && driver < _DRIVER_MAX; driver++) {
                Entry *folder = tree_add_folder(world->tree, drivers, driver_name(driver),
                                                &driver_class, (void *)(uintptr_t)driver);
                Entry *modules = tree_make_path(world->tree, "sys/module");
                const Entry *module = tree_child(world->tree, modules, driver_name(driver));

                if (!sysfs_link(world, folder, "module", module))
                        return -ENOMEM;
                folder->is_fixed = true;
                sysfs->drivers[driver] = folder;
        }

        return drivers ? 0 : -ENOMEM;
}

static int add_skeleton(World *world, Sysfs *sysfs) {
        Tree *tree = world->tree;
        int r;

        sysfs->sys = tree_make_path(tree, "sys");
        sysfs->dev = tree_make_path(tree, "dev");
        sysfs->bus_devices = tree_make_path(tree, "sys/bus/dax/devices");
        sysfs->by_number = tree_make_path(tree, "sys/dev/char");
        if (!sysfs->sys || !sysfs->dev || !sysfs->bus_devices || !sysfs->by_number ||
            !tree_make_path(tree, "sys/fs/cgroup") || !tree_make_path(tree, "sys/class"))
                return -ENOMEM;

        r = add_static_folders(world);
        if (r == 0)
                r = add_drivers(world, sysfs);
        if (r == 0)
                r = blocks_new(world, sysfs);
        return r;
}

static int add_special_files(World *world, Entry *dev) {
        static const struct {
                const char *name;
                unsigned major, minor;
        } files[] = {
                { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
                { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
        };
        static const struct {
                const char *name, *target;
        } links[] = {
                { "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
                { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
                { "ptmx", "pts/ptmx" },
        };

        for (size_t i = 0; i < ELEMENTS(files); i++)
                if (!tree_add_special(world->tree, dev, files[i].name, 0666,
                                      makedev(files[i].major, files[i].minor)))
                        return -ENOMEM;
        for (size_t i = 0; i < ELEMENTS(links); i++)
                if (!tree_add_link(world->tree, dev, links[i].name, links[i].target))
                        return -ENOMEM;
        return tree_make_path(world->tree, "dev/pts") && tree_make_path(world->tree, "dev/shm") ?
                       0 :
                       -ENOMEM;
}

static const FolderClass proc_class = { .attributes = {
                                                { "iomem", 0400, iomem_show },
                                        } };

int sysfs_new(World *world, Sysfs **ret_sysfs) {
        Sysfs *sysfs = calloc(1, sizeof(*sysfs));
        int r;

        if (!sysfs)
                return -ENOMEM;
        world->sysfs = sysfs;
        r = add_skeleton(world, sysfs);
        if (r == 0)
                r = add_special_files(world, sysfs->dev);
        if (r == 0 &&
            !tree_add_folder(world->tree, tree_root(world->tree), "proc", &proc_class, NULL))
                r = -ENOMEM;
        if (r < 0) {
                free(sysfs);
                return r;
        }

        *ret_sysfs = sysfs;
        return 0;
}

Sysfs *sysfs_free(Sysfs *sysfs) {
        free(sysfs);
        return NULL;
}
