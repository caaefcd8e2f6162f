/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The device that a region comes from, and what stands around it: soft-reserved memory has a
 * platform device, CXL a region with decoders and memory devices, persistent memory a namespace.
 */

#include "tests/sim/sysfs-internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CXL_ROOT "sys/devices/platform/ACPI0017:00/root0"
#define PMEM_BUS "sys/devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0012:00/ndbus0"

static const FolderClass
        hmem_class = { .attributes = {
                               { "modalias", 0444, .text = "platform:hmem\n" },
                               { "numa_node", 0444, .text = "0\n" },
                               { "uevent", 0644, .text = "DRIVER=hmem\nMODALIAS=platform:hmem\n" },
                               { "subsystem", S_IFLNK, .text = "../../../bus/platform" },
                               { "driver", S_IFLNK, .text = "../../../bus/platform/drivers/hmem" },
                       } };

static Entry *add_to_bus(World *world, RegionView *view, const char *bus, const Entry *device) {
        char path[64];
        Entry *link;

        snprintf(path, sizeof(path), "sys/bus/%s/devices", bus);
        link = device ? sysfs_link(world, tree_make_path(world->tree, path), device->name, device) :
                        NULL;
        if (link)
                view->links[view->n_links++] = link;
        return link;
}

static int add_hmem(World *world, Region *region, RegionView *view) {
        Entry *platform = tree_make_path(world->tree, "sys/devices/platform");
        char name[32];

        snprintf(name, sizeof(name), "hmem.%u", region->id);
        if (!platform || !tree_make_path(world->tree, "sys/bus/platform/drivers/hmem"))
                return -ENOMEM;
        view->parent = tree_add_folder(world->tree, platform, name, &hmem_class, region);
        view->top = view->parent;
        return add_to_bus(world, view, "platform", view->parent) ? 0 : -ENOMEM;
}

/* --- CXL -------------------------------------------------------------------------------------- */

static int cxl_resource_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%#llx\n", (unsigned long long)region->spec.start);
        return 0;
}

static int cxl_size_show(World *world, void *data, FILE *out) {
        const Region *region = data;

        fprintf(out, "%#llx\n", (unsigned long long)region->spec.size);
        return 0;
}

/* The decoder of the region's target @index, called by the place of its memory device. */
static void decoder_name(const Region *region, size_t index, char name[32]) {
        snprintf(name, 32, "decoder%u.%zu", region->id + 2, index);
}

static int target_show(World *world, void *data, FILE *out, size_t index) {
        const Region *region = data;
        char name[32];

        if (index >= region->spec.n_serials)
                return -ENXIO;
        decoder_name(region, index, name);
        fprintf(out, "%s\n", name);
        return 0;
}

#define TARGET(n)                                                                                  \
        static int target##n##_show(World *world, void *data, FILE *out) {                         \
                return target_show(world, data, out, n);                                           \
        }                                                                                          \
        static bool has_target##n(World *world, void *data) {                                      \
                return n < ((const Region *)data)->spec.n_serials;                                 \
        }
TARGET(0)
TARGET(1)
TARGET(2)
TARGET(3)
TARGET(4)
TARGET(5)
TARGET(6)
TARGET(7)

static const FolderClass
        cxl_region_class = { .attributes = {
                                     { "resource", 0644, cxl_resource_show },
                                     { "size", 0644, cxl_size_show },
                                     { "mode", 0444, .text = "ram\n" },
                                     { "uuid", 0644, .text = "\n" },
                                     { "target0", 0644, target0_show, .visible = has_target0 },
                                     { "target1", 0644, target1_show, .visible = has_target1 },
                                     { "target2", 0644, target2_show, .visible = has_target2 },
                                     { "target3", 0644, target3_show, .visible = has_target3 },
                                     { "target4", 0644, target4_show, .visible = has_target4 },
                                     { "target5", 0644, target5_show, .visible = has_target5 },
                                     { "target6", 0644, target6_show, .visible = has_target6 },
                                     { "target7", 0644, target7_show, .visible = has_target7 },
                                     { "subsystem", S_IFLNK, .text = "../../../../../../bus/cxl" },
                                     { "driver", S_IFLNK,
                                       .text = "../../../../../../bus/cxl/drivers/cxl_region" },
                             } };

static const FolderClass
        cxl_dax_class = { .attributes = {
                                  { "modalias", 0444, .text = "cxl:t7\n" },
                                  { "subsystem", S_IFLNK, .text = "../../../../../../../bus/cxl" },
                                  { "driver", S_IFLNK,
                                    .text = "../../../../../../../bus/cxl/drivers/cxl_dax_region" },
                          } };

static int serial_show(World *world, void *data, FILE *out) {
        const uint64_t *serial = data;

        fprintf(out, "%#llx\n", (unsigned long long)*serial);
        return 0;
}

static const FolderClass memdev_class = { .attributes = {
                                                  { "serial", 0444, serial_show },
                                          } };

/* A memory device, the endpoint that it is reached by, and the endpoint's decoder. */
static int add_target(World *world, Region *region, RegionView *view, size_t index) {
        Tree *tree = world->tree;
        Entry *memdev, *endpoint, *decoder;
        char name[32];

        snprintf(name, sizeof(name), "mem%zu", region->id * DAX_SERIALS_MAX + index);
        memdev = tree_add_folder(tree, view->top, name, &memdev_class,
                                 &region->spec.serials[index]);
        snprintf(name, sizeof(name), "endpoint%zu", region->id * DAX_SERIALS_MAX + index + 2);
        endpoint = memdev ? tree_add_folder(tree, view->top, name, NULL, NULL) : NULL;
        decoder_name(region, index, name);
        decoder = endpoint ? tree_add_folder(tree, endpoint, name, NULL, NULL) : NULL;
        if (!decoder || !sysfs_link(world, endpoint, "uport", memdev))
                return -ENOMEM;

        return add_to_bus(world, view, "cxl", memdev) && add_to_bus(world, view, "cxl", decoder) ?
                       0 :
                       -ENOMEM;
}

static int add_cxl(World *world, Region *region, RegionView *view) {
        Tree *tree = world->tree;
        Entry *root = tree_make_path(tree, CXL_ROOT), *folder;
        char name[32];
        int r = 0;

        if (!root || !tree_make_path(tree, "sys/bus/cxl/drivers/cxl_dax_region") ||
            !tree_make_path(tree, "sys/bus/cxl/drivers/cxl_region"))
                return -ENOMEM;
        snprintf(name, sizeof(name), "decoder0.%u", region->id);
        view->top = tree_add_folder(tree, root, name, NULL, NULL);
        if (!view->top)
                return -ENOMEM;
        snprintf(name, sizeof(name), "region%u", region->id);
        folder = tree_add_folder(tree, view->top, name, &cxl_region_class, region);
        if (!add_to_bus(world, view, "cxl", folder))
                return -ENOMEM;
        snprintf(name, sizeof(name), "dax_region%u", region->id);
        view->parent = tree_add_folder(tree, folder, name, &cxl_dax_class, region);
        if (!add_to_bus(world, view, "cxl", view->parent))
                return -ENOMEM;

        for (size_t i = 0; r == 0 && i < region->spec.n_serials; i++)
                r = add_target(world, region, view, i);
        return r;
}

/* --- persistent memory ------------------------------------------------------------------------ */

static const FolderClass
        pmem_class = { .attributes = {
                               { "modalias", 0444, .text = "nd:t7\n" },
                               { "mode", 0444, .text = "dax\n" },
                               { "subsystem", S_IFLNK, .text = "../../../../../../../bus/nd" },
                               { "driver", S_IFLNK,
                                 .text = "../../../../../../../bus/nd/drivers/dax_pmem" },
                       } };

static int add_pmem(World *world, Region *region, RegionView *view) {
        Entry *bus = tree_make_path(world->tree, PMEM_BUS);
        char name[32];

        if (!bus || !tree_make_path(world->tree, "sys/bus/nd/drivers/dax_pmem"))
                return -ENOMEM;
        snprintf(name, sizeof(name), "region%u", region->id);
        view->top = tree_add_folder(world->tree, bus, name, NULL, NULL);
        if (!view->top)
                return -ENOMEM;
        snprintf(name, sizeof(name), "dax%u.0", region->id);
        view->parent = tree_add_folder(world->tree, view->top, name, &pmem_class, region);
        return add_to_bus(world, view, "nd", view->parent) ? 0 : -ENOMEM;
}

/* --- all -------------------------------------------------------------------------------------- */

static const char *subsystem_of(const Region *region) {
        switch (region->spec.kind) {
        case REGION_HMEM:
                return "platform";
        case REGION_CXL:
                return "cxl";
        case REGION_PMEM:
                break;
        }

        return "nd";
}

int provider_add(World *world, Region *region, RegionView *view) {
        int r = -EINVAL;

        switch (region->spec.kind) {
        case REGION_HMEM:
                r = add_hmem(world, region, view);
                break;
        case REGION_CXL:
                r = add_cxl(world, region, view);
                break;
        case REGION_PMEM:
                r = add_pmem(world, region, view);
                break;
        }

        if (r == 0)
                sysfs_send(world, view->parent, "add", subsystem_of(region), NULL);
        return r;
}

void provider_remove(World *world, Region *region, RegionView *view) {
        if (view->parent)
                sysfs_send(world, view->parent, "remove", subsystem_of(region), NULL);
        while (view->n_links > 0)
                tree_remove(world->tree, view->links[--view->n_links]);
        tree_remove(world->tree, view->top);
}
