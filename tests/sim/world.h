/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * All of the imitated machine, under one lock. Who has to wait for something (another writer, a
 * signal, a test) waits for `changed` and then looks again at whatever it knew.
 */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Contents Contents;
typedef struct Dax Dax;
typedef struct Faults Faults;
typedef struct Machine Machine;
typedef struct Memory Memory;
typedef struct Sysfs Sysfs;
typedef struct Tree Tree;
typedef struct Uevents Uevents;
typedef struct Write Write;

/* How releases of the kernel differ. */
typedef struct Manner {
        const char *kernel;
        const char *auto_online; /* what becomes of new memory blocks */
        bool prefers_kmem; /* dynamic regions that are not idle go to kmem, not to device_dax */
        bool ignores_misaligned; /* a misaligned mapping is success without effect */
        bool has_memmap;         /* memmap_on_memory of a device */
        bool names_hmem;         /* hmem.N in /proc/iomem */
        bool locks_devices; /* whose attributes are written waits for drivers that work on it */
} Manner;

typedef struct World {
        pthread_mutex_t lock;
        pthread_cond_t changed;

        const Manner *manner;
        const char *auto_online; /* memhp_default_state, or what the release has */
        bool region_idle;        /* dax_hmem.region_idle */
        bool memmap_possible;    /* memory_hotplug.memmap_on_memory */
        uint64_t block_size;     /* of memory */

        Machine *machine;
        Tree *tree;
        Contents *contents;
        Memory *memory;
        Dax *dax;
        Sysfs *sysfs;
        Uevents *uevents;
        Faults *faults;
} World;

const Manner *manner_find(const char *kernel); /* NULL: not known */

int world_new(World **ret_world);
World *world_free(World *world);

void world_lock(World *world);
void world_unlock(World *world);
void world_changed(World *world); /* wakes who waits */

/*
 * Waits for a change, @usec at most unless 0. Returns 0, or -EINTR when a signal that ends the
 * writer has come, or any signal where @interruptible. @write may be NULL: then nothing interrupts.
 */
int world_wait(World *world, const Write *write, bool interruptible, uint64_t usec);
