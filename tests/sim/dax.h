/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The dax bus: regions, devices, their ranges, and what the kernel says to each change. Values come
 * read already; answers are negative errnos. Nothing here knows how it is shown.
 */

#include "tests/sim/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Dax Dax;
typedef struct Device Device;
typedef struct Region Region;
typedef struct World World;
typedef struct Write Write;

#define DAX_ALIGN (UINT64_C(2) << 20)
#define DAX_PAGE UINT64_C(4096)
#define DAX_SERIALS_MAX 8
#define DEVICE_NAME_MAX 32

typedef enum RegionKind {
        REGION_HMEM,
        REGION_CXL,
        REGION_PMEM,
} RegionKind;

/* Memory that is a region whenever the machine boots. */
typedef struct RegionSpec {
        RegionKind kind;
        uint64_t start, size;
        int node; /* target node */
        uint64_t serials[DAX_SERIALS_MAX];
        size_t n_serials;
} RegionSpec;

/* A part of the region's memory that a device has. */
typedef struct Claim {
        uint64_t start, end; /* end: first byte behind */
        Device *device;
} Claim;

struct Region {
        RegionSpec spec;
        uint32_t id;
        bool prefers_kmem;
        Claim *claims; /* by address */
        size_t n_claims;
        uint64_t available;
        uint64_t full_until; /* there is no hole before this address */
        Device **devices;    /* by instance */
        size_t n_devices;    /* slots */
        size_t lowest_free;
        Device *seed, *youngest;
        bool is_locked; /* by who writes to one of its devices, and waits for that one's lock */
        void *view;     /* its face in sysfs */
        Region *next;
};

typedef struct Range {
        Device *device;
        uint64_t start, end; /* end: first byte behind */
        uint64_t page_offset;
        unsigned id;    /* mappingN */
        bool is_memory; /* kmem has made memory blocks of it */
        bool is_mapped; /* device_dax has it; not when it came later */
        void *view;
} Range;

typedef enum Driver {
        DRIVER_NONE,
        DRIVER_DEVDAX,
        DRIVER_KMEM,
        _DRIVER_MAX,
} Driver;

struct Device {
        Region *region;
        uint32_t instance, minor;
        char name[DEVICE_NAME_MAX];
        uint64_t align;
        bool memmap;
        Range **ranges; /* by page offset */
        size_t n_ranges;
        Driver driver;  /* also while that is only trying, and until it is done with leaving */
        bool is_busy;   /* somebody who holds its lock waits for something else */
        bool is_broken; /* a probe of device_dax has failed half-way: all later ones will */
        unsigned n_open;
        bool was_opened; /* since it was bound */
        void *view;
        Device *next, *previous; /* on the bus, by age */
};

/* Who shows it. Called when it is so. */
typedef struct DaxListener {
        int (*region_added)(World *world, Region *region);
        void (*region_removed)(World *world, Region *region);
        int (*device_added)(World *world, Device *device);
        void (*device_removed)(World *world, Device *device);
        int (*range_added)(World *world, Range *range);
        void (*range_removed)(World *world, Range *range);
        void (*driver_changed)(World *world, Device *device, Driver before);
        void (*driver_leaves)(World *world,
                              Device *device); /* with the world unlocked in between */
        void (*complain)(World *world, const char *message);
} DaxListener;

int dax_new(const DaxListener *listener, Dax **ret_dax);
void dax_free(World *world);

Region *dax_regions(const Dax *dax);                /* the first, by age */
Device *dax_devices(const Dax *dax);                /* the first, by age */
Device *dax_find(const Dax *dax, const char *name); /* as it is written to an attribute */
Region *dax_region_by_id(const Dax *dax, uint32_t id);
Region *dax_region_at(const Dax *dax, uint64_t start);

/*
 * The same for a writer: waits until nobody holds the device's lock. NULL: there is none, or the
 * writer is to end; then *@ret_error says so, else it is 0.
 */
Device *dax_find_quiet(World *world, const Write *write, const char *name, int *ret_error);

/* A provider is probed: its region gets the lowest free id, and its first device. */
int dax_add_region(World *world, const RegionSpec *spec, Region **ret_region);
/* The provider goes, and all devices, with whatever drivers they have. @write may be NULL. */
void dax_remove_region(World *world, const Write *write, Region *region);
void dax_reset(World *world); /* without a word to anybody but the view: a reboot */

/* --- region attributes ------------------------------------------------------------------------ */

int dax_create(World *world, Region *region);
int dax_delete(World *world, Region *region, const char *name);

/* --- device attributes ------------------------------------------------------------------------ */

uint64_t device_size(const Device *device);
/* Half of the way from what it has to @size. */
uint64_t device_size_midway(const Device *device, uint64_t size);
int device_set_size(World *world, Device *device, uint64_t size);
int device_set_align(World *world, Device *device, uint64_t align);
int device_set_memmap(World *world, Device *device, bool memmap);
int device_add_mapping(World *world, Device *device, uint64_t start, uint64_t last);

/* The physical address of byte @offset, and how many bytes follow there; 0: no such byte. */
uint64_t device_address(const Device *device, uint64_t offset, uint64_t *ret_length);

/* --- drivers ---------------------------------------------------------------------------------- */

const char *driver_name(Driver driver);
unsigned driver_users(const Dax *dax); /* how often a node is open: device_dax's reference count */
void driver_count_user(Dax *dax, int change);
size_t driver_n_ids(const Dax *dax, Driver driver);
const char *driver_id(const Dax *dax, Driver driver, size_t i); /* a name that new_id has told it */

int driver_bind(World *world, const Write *write, Driver driver, const char *name);
int driver_unbind(World *world, const Write *write, Driver driver, const char *name);
int driver_new_id(World *world, const Write *write, Driver driver, const char *name);
int driver_remove_id(World *world, Driver driver, const char *name);

/* Offers a device to the drivers, as when it is new. */
void driver_attach(World *world, const Write *write, Device *device);
