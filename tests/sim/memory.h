/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Memory blocks: what kmem adds to the machine and what of it cannot be taken away again. All of it
 * goes by one lock, the kernel's for hotplug: who has it may take long, the others wait.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Memory Memory;
typedef struct World World;
typedef struct Write Write;
typedef struct Entry Entry;

typedef enum BlockState {
        BLOCK_OFFLINE,
        BLOCK_GOING_OFFLINE,
        BLOCK_ONLINE,
} BlockState;

typedef enum Zone {
        ZONE_BOOT, /* ordinary memory, which is there from the start and cannot go */
        ZONE_NORMAL,
        ZONE_MOVABLE,
} Zone;

typedef struct Block {
        uint64_t number;
        int node;
        BlockState state;
        Zone zone; /* of a block that is online */
        Entry *folder;
} Block;

/* What a test has said of a block, there or not. */
typedef struct BlockTrouble {
        uint64_t number;
        int offline_error; /* what taking it offline gives, 0: nothing */
        int online_error;
        uint64_t offline_usec; /* how long that takes; a signal ends it */
        bool pinned;           /* for ever, unless a signal comes or this is taken back */
} BlockTrouble;

/* A stretch that stays System RAM until the next boot though its device has let go of it. */
typedef struct Leak {
        uint64_t start, size;
        char device[32]; /* its name at that time */
} Leak;

/* Who shows it. Called when it is so. */
typedef struct MemoryListener {
        void (*node_added)(World *world, int node);
        void (*node_removed)(World *world, int node);
        void (*block_added)(World *world, Block *block);
        void (*block_removed)(World *world, Block *block);
        void (*block_changed)(World *world, Block *block, const char *action);
} MemoryListener;

int memory_new(World *world, const MemoryListener *listener, Memory **ret_memory);
Memory *memory_free(Memory *memory);

/* Ordinary memory from 0 on. */
int memory_boot(World *world, uint64_t size);

/* A boot without any of what was added. */
void memory_reset(World *world);

uint64_t memory_boot_size(const Memory *memory);
size_t memory_count(const Memory *memory);
Block *memory_get(const Memory *memory, size_t index); /* by number */
Block *memory_find(const Memory *memory, uint64_t number);

size_t memory_n_leaks(const Memory *memory);
const Leak *memory_leak(const Memory *memory, size_t index);
bool memory_is_leaked(const Memory *memory, uint64_t start, uint64_t size); /* any of it */

/* Returns 0 or -ENOMEM. */
int memory_set_trouble(World *world, const BlockTrouble *trouble);
void memory_clear_trouble(World *world);

/* --- what the kernel does. @write may be NULL at boot. ---------------------------------------- */

/* Shrinks to whole blocks; false when none is left. */
bool memory_trim(const World *world, uint64_t *start, uint64_t *end);

/*
 * Who maps memory for devdax, or no longer, needs the lock for a moment. No signal ends his
 * waiting.
 */
void memory_await_turn(World *world);

int memory_add(World *world, const Write *write, int node, uint64_t start, uint64_t size);

/* Where one of its blocks is online all of it stays, and the answer is -EBUSY. */
int memory_remove(World *world, const Write *write, const char *device, uint64_t start,
                  uint64_t size);

/* A word is written to `state` of the block @number. */
int memory_set_state(World *world, const Write *write, uint64_t number, const char *word);

const char *memory_auto_online(const Memory *memory);
int memory_set_auto_online(Memory *memory, const char *word);

/* The zone that a block would get when it is brought online. */
Zone memory_default_zone(const Memory *memory, const Block *block);
