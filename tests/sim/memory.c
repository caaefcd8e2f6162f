/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/memory.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"
#include "tests/sim/number.h"
#include "tests/sim/world.h"

#include <string.h>
#include <time.h>

#define LOOK_USEC 20000 /* how often the kernel looks whether pages can be moved by now */

typedef enum OnlineType {
        ONLINE_NONE,
        ONLINE_DEFAULT,
        ONLINE_KERNEL,
        ONLINE_MOVABLE,
        _ONLINE_TYPE_MAX,
} OnlineType;

static const char *const online_words[_ONLINE_TYPE_MAX] = {
        [ONLINE_NONE] = "offline",
        [ONLINE_DEFAULT] = "online",
        [ONLINE_KERNEL] = "online_kernel",
        [ONLINE_MOVABLE] = "online_movable",
};

struct Memory {
        const MemoryListener *listener;
        Block **blocks; /* by number */
        size_t n_blocks;
        uint64_t boot_size;
        Leak *leaks;
        size_t n_leaks;
        BlockTrouble *troubles;
        size_t n_troubles;
        OnlineType auto_online;
        bool hotplug_locked;
};

static OnlineType online_type(const char *word) {
        for (OnlineType type = 0; type < _ONLINE_TYPE_MAX; type++)
                if (number_same_word(word, online_words[type]))
                        return type;

        return _ONLINE_TYPE_MAX;
}

int memory_new(World *world, const MemoryListener *listener, Memory **ret_memory) {
        Memory *memory = calloc(1, sizeof(*memory));

        if (!memory)
                return -ENOMEM;
        memory->listener = listener;
        memory->auto_online = online_type(world->auto_online);
        if (memory->auto_online == _ONLINE_TYPE_MAX) {
                free(memory);
                return -EINVAL;
        }

        *ret_memory = memory;
        return 0;
}

Memory *memory_free(Memory *memory) {
        if (!memory)
                return NULL;
        for (size_t i = 0; i < memory->n_blocks; i++)
                free(memory->blocks[i]);
        free(memory->blocks);
        free(memory->leaks);
        free(memory->troubles);
        free(memory);
        return NULL;
}

uint64_t memory_boot_size(const Memory *memory) {
        return memory->boot_size;
}

/* --- blocks ----------------------------------------------------------------------------------- */

size_t memory_count(const Memory *memory) {
        return memory->n_blocks;
}

Block *memory_get(const Memory *memory, size_t index) {
        return memory->blocks[index];
}

/* The index of the first block that is not before @number. */
static size_t block_index(const Memory *memory, uint64_t number) {
        size_t low = 0, high = memory->n_blocks;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (memory->blocks[middle]->number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

Block *memory_find(const Memory *memory, uint64_t number) {
        size_t i = block_index(memory, number);

        return i < memory->n_blocks && memory->blocks[i]->number == number ? memory->blocks[i] :
                                                                             NULL;
}

static int block_add(World *world, uint64_t number, int node, BlockState state, Zone zone) {
        Memory *memory = world->memory;
        Block *block = calloc(1, sizeof(*block));
        size_t i = block_index(memory, number);

        if (!block || array_grow(&memory->blocks, memory->n_blocks, sizeof(Block *)) < 0) {
                free(block);
                return -ENOMEM;
        }
        *block = (Block){ .number = number, .node = node, .state = state, .zone = zone };
        memmove(&memory->blocks[i + 1], &memory->blocks[i],
                (memory->n_blocks - i) * sizeof(Block *));
        memory->blocks[i] = block;
        memory->n_blocks++;
        memory->listener->block_added(world, block);
        return 0;
}

static void block_remove(World *world, size_t index) {
        Memory *memory = world->memory;
        Block *block = memory->blocks[index];

        memory->listener->block_removed(world, block);
        ARRAY_REMOVE(memory->blocks, memory->n_blocks, index);
        free(block);
}

static bool node_has_blocks(const Memory *memory, int node) {
        for (size_t i = 0; i < memory->n_blocks; i++)
                if (memory->blocks[i]->node == node)
                        return true;

        return false;
}

int memory_boot(World *world, uint64_t size) {
        Memory *memory = world->memory;
        int r = 0;

        memory->boot_size = size;
        memory->listener->node_added(world, 0);
        for (uint64_t number = 0; r >= 0 && number * world->block_size < size; number++)
                r = block_add(world, number, 0, BLOCK_ONLINE, ZONE_BOOT);
        return r;
}

/* --- leaks ------------------------------------------------------------------------------------ */

size_t memory_n_leaks(const Memory *memory) {
        return memory->n_leaks;
}

const Leak *memory_leak(const Memory *memory, size_t index) {
        return &memory->leaks[index];
}

bool memory_is_leaked(const Memory *memory, uint64_t start, uint64_t size) {
        for (size_t i = 0; i < memory->n_leaks; i++)
                if (start < memory->leaks[i].start + memory->leaks[i].size &&
                    memory->leaks[i].start < start + size)
                        return true;

        return false;
}

/* --- trouble ---------------------------------------------------------------------------------- */

static BlockTrouble *find_trouble(const Memory *memory, uint64_t number) {
        for (size_t i = 0; i < memory->n_troubles; i++)
                if (memory->troubles[i].number == number)
                        return &memory->troubles[i];

        return NULL;
}

int memory_set_trouble(World *world, const BlockTrouble *trouble) {
        BlockTrouble *there = find_trouble(world->memory, trouble->number);

        world_changed(world);
        if (there) {
                *there = *trouble;
                return 0;
        }
        return ARRAY_APPEND(world->memory->troubles, world->memory->n_troubles, *trouble);
}

void memory_clear_trouble(World *world) {
        world->memory->n_troubles = 0;
        free(TAKE_PTR(world->memory->troubles));
        world_changed(world);
}

/* --- the lock --------------------------------------------------------------------------------- */

static int hotplug_lock(World *world, const Write *write) {
        while (world->memory->hotplug_locked) {
                int r = world_wait(world, write, false, 0);

                if (r < 0)
                        return r;
        }

        world->memory->hotplug_locked = true;
        return 0;
}

static void hotplug_unlock(World *world) {
        world->memory->hotplug_locked = false;
        world_changed(world);
}

void memory_await_turn(World *world) {
        (void)hotplug_lock(world, NULL);
        hotplug_unlock(world);
}

void memory_reset(World *world) {
        Memory *memory = world->memory;

        (void)hotplug_lock(world, NULL); /* whoever has it still works on a block */
        for (size_t i = memory->n_blocks; i-- > 0;) {
                int node = memory->blocks[i]->node;

                if (memory->blocks[i]->zone == ZONE_BOOT)
                        continue;
                block_remove(world, i);
                if (!node_has_blocks(memory, node))
                        memory->listener->node_removed(world, node);
        }
        hotplug_unlock(world);
        memory->n_leaks = 0;
        memory->auto_online = online_type(world->auto_online);
}

/* --- zones ------------------------------------------------------------------------------------ */

/* Whether the block lies between the first and the last block of its node in that zone. */
static bool zone_spans(const Memory *memory, const Block *block, Zone zone) {
        bool before = false, behind = false;

        for (size_t i = 0; i < memory->n_blocks; i++) {
                const Block *other = memory->blocks[i];

                if (other->node != block->node || other->state == BLOCK_OFFLINE ||
                    other->zone != zone)
                        continue;
                before |= other->number <= block->number;
                behind |= other->number >= block->number;
        }

        return before && behind;
}

Zone memory_default_zone(const Memory *memory, const Block *block) {
        return zone_spans(memory, block, ZONE_MOVABLE) && !zone_spans(memory, block, ZONE_NORMAL) ?
                       ZONE_MOVABLE :
                       ZONE_NORMAL;
}

/* --- online, offline -------------------------------------------------------------------------- */

static int block_online(World *world, Block *block, OnlineType type) {
        const BlockTrouble *trouble = find_trouble(world->memory, block->number);
        Zone zone;

        if (block->state != BLOCK_OFFLINE)
                return -EINVAL;
        if (trouble && trouble->online_error)
                return -trouble->online_error;

        zone = type == ONLINE_MOVABLE ? ZONE_MOVABLE :
               type == ONLINE_KERNEL  ? ZONE_NORMAL :
                                        memory_default_zone(world->memory, block);
        block->state = BLOCK_ONLINE;
        block->zone = zone;
        world->memory->listener->block_changed(world, block, "online");
        return 0;
}

/* The pages move away, or do not: until they have, the time is up, or a signal comes. */
static int move_pages(World *world, const Write *write, uint64_t number) {
        uint64_t waited = 0;

        for (;;) {
                const BlockTrouble *trouble = find_trouble(world->memory, number);
                uint64_t left;
                int r;

                if (trouble && trouble->offline_error)
                        return -trouble->offline_error;
                if (!trouble || (!trouble->pinned && waited >= trouble->offline_usec))
                        return 0;

                left = trouble->pinned ? LOOK_USEC : trouble->offline_usec - waited;
                left = MIN(left, (uint64_t)LOOK_USEC);
                r = world_wait(world, write, true, left);
                if (r < 0)
                        return r;
                waited += left;
        }
}

static int block_offline(World *world, const Write *write, Block *block) {
        int r;

        if (block->state != BLOCK_ONLINE)
                return -EINVAL;
        if (block->zone == ZONE_BOOT)
                return -EBUSY;

        /* it cannot go meanwhile: whoever wants that needs the lock */
        block->state = BLOCK_GOING_OFFLINE;
        r = move_pages(world, write, block->number);
        block->state = r < 0 ? BLOCK_ONLINE : BLOCK_OFFLINE;
        if (r == 0)
                world->memory->listener->block_changed(world, block, "offline");
        return r;
}

int memory_set_state(World *world, const Write *write, uint64_t number, const char *word) {
        OnlineType type = online_type(word);
        Block *block;
        int r;

        if (type == _ONLINE_TYPE_MAX)
                return -EINVAL;
        r = hotplug_lock(world, write);
        if (r < 0)
                return r;

        block = memory_find(world->memory, number);
        if (!block)
                r = -ENODEV;
        else if (type == ONLINE_NONE)
                r = block_offline(world, write, block);
        else
                r = block_online(world, block, type);
        hotplug_unlock(world);
        return r;
}

const char *memory_auto_online(const Memory *memory) {
        return online_words[memory->auto_online];
}

int memory_set_auto_online(Memory *memory, const char *word) {
        OnlineType type = online_type(word);

        if (type == _ONLINE_TYPE_MAX)
                return -EINVAL;
        memory->auto_online = type;
        return 0;
}

/* --- adding and removing ---------------------------------------------------------------------- */

bool memory_trim(const World *world, uint64_t *start, uint64_t *end) {
        uint64_t block = world->block_size;
        uint64_t first = (*start + block - 1) / block * block;
        uint64_t last = *end / block * block;

        if (first >= last)
                return false;
        *start = first;
        *end = last;
        return true;
}

static int add_blocks(World *world, int node, uint64_t start, uint64_t size) {
        Memory *memory = world->memory;
        uint64_t first = start / world->block_size, n = size / world->block_size;
        int r = 0;

        if (!node_has_blocks(memory, node))
                memory->listener->node_added(world, node);
        for (uint64_t i = 0; r >= 0 && i < n; i++)
                r = block_add(world, first + i, node, BLOCK_OFFLINE, ZONE_NORMAL);
        if (r < 0 || memory->auto_online == ONLINE_NONE)
                return r;

        for (uint64_t i = 0; i < n; i++)
                (void)block_online(world, memory_find(memory, first + i), memory->auto_online);
        return 0;
}

int memory_add(World *world, const Write *write, int node, uint64_t start, uint64_t size) {
        int r;

        r = hotplug_lock(world, write);
        if (r < 0)
                return r;
        r = add_blocks(world, node, start, size);
        hotplug_unlock(world);
        return r;
}

static int remove_blocks(World *world, uint64_t start, uint64_t size) {
        Memory *memory = world->memory;
        size_t first = block_index(memory, start / world->block_size);
        size_t end = block_index(memory, (start + size) / world->block_size);
        int node = first < end ? memory->blocks[first]->node : 0;

        for (size_t i = first; i < end; i++)
                if (memory->blocks[i]->state != BLOCK_OFFLINE)
                        return -EBUSY;

        for (size_t n = end - first; n > 0; n--)
                block_remove(world, first);
        if (!node_has_blocks(memory, node))
                memory->listener->node_removed(world, node);
        return 0;
}

int memory_remove(World *world, const Write *write, const char *device, uint64_t start,
                  uint64_t size) {
        Leak leak = { .start = start, .size = size };
        int r;

        r = hotplug_lock(world, write);
        if (r < 0)
                return r;
        r = remove_blocks(world, start, size);
        hotplug_unlock(world);
        if (r != -EBUSY)
                return r;

        strncpy(leak.device, device, sizeof(leak.device) - 1);
        return ARRAY_APPEND(world->memory->leaks, world->memory->n_leaks, leak) < 0 ? -ENOMEM : r;
}
