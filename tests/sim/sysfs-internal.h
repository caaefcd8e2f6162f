/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the imitated /sys share. */

#include "tests/sim/sysfs.h"
#include "tests/sim/tree.h"
#include "tests/sim/world.h"

typedef struct RegionView {
        Entry *parent;     /* the device whose attribute group the region is */
        Entry *attributes; /* dax_region */
        Entry *top;        /* what goes with it, where that is more than the parent */
        Entry *links[2 * DAX_SERIALS_MAX + 4];
        size_t n_links;
} RegionView;

typedef struct DeviceView {
        Entry *folder;
        Entry *on_bus, *by_number, *at_driver; /* links */
        Entry *node;
} DeviceView;

struct Sysfs {
        Entry *sys, *dev;
        Entry *bus_devices, *drivers[_DRIVER_MAX], *by_number;
        Entry *memory, *memory_bus, *nodes;
        SysfsFlush flush;
        void *flush_userdata;
};

/* Writes the path below /sys of the entry. */
void sysfs_path(const World *world, const Entry *entry, char *buffer, size_t size);

/* Adds to @folder a link that is called @name and leads to @to. */
Entry *sysfs_link(World *world, Entry *folder, const char *name, const Entry *to);

/* An event of the device whose folder this is. */
void sysfs_send(World *world, const Entry *folder, const char *action, const char *subsystem,
                const char *properties);

/* What is written to `uevent`. */
int sysfs_store_uevent(Write *write, const Entry *folder, const char *subsystem,
                       const char *properties);

/* In provider.c: where a region comes from, one for each kind. */
int provider_add(World *world, Region *region, RegionView *view);
void provider_remove(World *world, Region *region, RegionView *view);

/* In blocks.c: the folders of memory, also that of the machine as a whole. */
int blocks_new(World *world, Sysfs *sysfs);

/* In iomem.c */
int iomem_show(World *world, void *data, FILE *out);
