/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Memory blocks: /sys/devices/system/memory. What a block is, and bringing it to another state. */

#include "daemon/dax/device.h"

typedef struct Memory {
        int dir;
        uint64_t
                block_size; /* 0 where the kernel has no memory hotplug; then there are no blocks */
} Memory;

#define MEMORY_INIT ((Memory){ .dir = -1 })
#define MEMORY_AUTO_ONLINE_MAX 16

int memory_open(Memory *ret_memory);
void memory_close(Memory *memory);

int memory_block_state(const Memory *memory, uint64_t number, DaxBlockState *ret_state);
bool memory_block_is_there(const Memory *memory, uint64_t number);
/*
 * One write of the state. Returns 0 or the kernel's errno; says nothing of what the state is then.
 */
int memory_block_write(const Memory *memory, uint64_t number, DaxBlockState state);
const char *memory_block_word(DaxBlockState state); /* what is written for it */

/*
 * The first of the blocks that touch @range at @region_start, lie wholly in the region, and are
 * there: memory blocks come only from a system-ram device, so one where there is none has leaked.
 * Returns 1 and the block, or 0.
 */
int memory_find_block(const Memory *memory, uint64_t region_start, uint64_t region_size,
                      DaxRange range, uint64_t *ret_number);

/* What becomes of memory that is added: "" where the kernel does not say. */
int memory_auto_online(const Memory *memory, char *buffer, size_t size);
/* Returns 0, 1 when the kernel accepted it without effect, or an errno. */
int memory_set_auto_online(const Memory *memory, const char *word);
bool memory_is_auto_online_word(const char *word);
/*
 * Takes the lock under which auto_online_blocks may be changed. *@ret_fd: closing it lets go.
 * -EWOULDBLOCK when another worker has it and this one does not @wait.
 */
int memory_lock_auto_online(bool wait, int *ret_fd);
