/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads and writes single memory blocks and the switch that says what becomes of new ones. */

#include "daemon/worker/memory.h"
#include "daemon/util/file.h"
#include "daemon/worker/attribute.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define MEMORY_FOLDER "/sys/devices/system/memory"
#define AUTO_ONLINE "auto_online_blocks"
#define AUTO_ONLINE_LOCK "/run/daxd/auto-online.lock"

int memory_open(Memory *ret_memory) {
        Memory memory = MEMORY_INIT;
        char text[32];

        memory.dir = open(MEMORY_FOLDER, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (memory.dir < 0 && errno != ENOENT)
                return -errno;
        if (memory.dir >= 0 &&
            (attribute_read(memory.dir, "block_size_bytes", text, sizeof(text)) < 0 ||
             text_parse_hex(text, &memory.block_size) < 0))
                memory.block_size = 0;

        *ret_memory = memory;
        return 0;
}

void memory_close(Memory *memory) {
        closep(&memory->dir);
        *memory = MEMORY_INIT;
}

static const char *block_path(char *buffer, size_t size, uint64_t number, const char *attribute) {
        snprintf(buffer, size, "memory%llu/%s", (unsigned long long)number, attribute);
        return buffer;
}

bool memory_block_is_there(const Memory *memory, uint64_t number) {
        char path[64];

        return memory->dir >= 0 &&
               faccessat(memory->dir, block_path(path, sizeof(path), number, "state"), F_OK, 0) >=
                       0;
}

int memory_block_state(const Memory *memory, uint64_t number, DaxBlockState *ret_state) {
        char path[64], text[64];
        int r;

        r = attribute_read(memory->dir, block_path(path, sizeof(path), number, "state"), text,
                           sizeof(text));
        if (attribute_is_gone(r)) {
                *ret_state = DAX_BLOCK_ABSENT;
                return 0;
        }
        if (r < 0)
                return r;
        if (strcmp(text, "offline") == 0) {
                *ret_state = DAX_BLOCK_OFFLINE;
                return 0;
        }

        /* of an online block (or one that is just going offline) this is the zone it is in */
        r = attribute_read(memory->dir, block_path(path, sizeof(path), number, "valid_zones"), text,
                           sizeof(text));
        if (r < 0 && !attribute_is_gone(r))
                return r;
        *ret_state = r >= 0 && strcmp(text, "Movable") == 0 ? DAX_BLOCK_MOVABLE : DAX_BLOCK_KERNEL;
        return 0;
}

const char *memory_block_word(DaxBlockState state) {
        switch (state) {
        case DAX_BLOCK_MOVABLE:
                return "online_movable";
        case DAX_BLOCK_KERNEL:
                return "online_kernel";
        case DAX_BLOCK_OFFLINE:
        case DAX_BLOCK_ABSENT:
        case _DAX_BLOCK_STATE_MAX:
                break;
        }

        return "offline";
}

int memory_block_write(const Memory *memory, uint64_t number, DaxBlockState state) {
        char path[64];

        return attribute_write(memory->dir, block_path(path, sizeof(path), number, "state"),
                               memory_block_word(state));
}

int memory_find_block(const Memory *memory, uint64_t region_start, uint64_t region_size,
                      DaxRange range, uint64_t *ret_number) {
        uint64_t size = memory->block_size, start = region_start + range.offset, first, last;

        if (size == 0 || range.size == 0)
                return 0;

        first = MAX(start / size, region_start / size + (region_start % size > 0));
        last = MIN((start + range.size - 1) / size, (region_start + region_size) / size - 1);
        for (uint64_t number = first; number <= last && region_start + region_size >= size;
             number++)
                if (memory_block_is_there(memory, number)) {
                        *ret_number = number;
                        return 1;
                }

        return 0;
}

/* --- auto_online_blocks ----------------------------------------------------------------------- */

bool memory_is_auto_online_word(const char *word) {
        return strcmp(word, "offline") == 0 || strcmp(word, "online") == 0 ||
               strcmp(word, "online_kernel") == 0 || strcmp(word, "online_movable") == 0;
}

int memory_auto_online(const Memory *memory, char *buffer, size_t size) {
        int r = -ENOENT;

        if (memory->dir >= 0)
                r = attribute_read(memory->dir, AUTO_ONLINE, buffer, size);
        if (r < 0 || !memory_is_auto_online_word(buffer))
                buffer[0] = '\0';
        return r == -ENOENT ? 0 : r;
}

int memory_set_auto_online(const Memory *memory, const char *word) {
        char text[MEMORY_AUTO_ONLINE_MAX];
        int r, written;

        written = attribute_write(memory->dir, AUTO_ONLINE, word);
        if (written < 0 && written != -EINTR)
                return written;
        r = memory_auto_online(memory, text, sizeof(text));
        if (r < 0 || strcmp(text, word) == 0)
                return r;

        return written < 0 ? written : 1;
}

int memory_lock_auto_online(bool wait, int *ret_fd) {
        _cleanup_close_ int fd = file_open_lock(AT_FDCWD, AUTO_ONLINE_LOCK);

        if (fd < 0)
                return fd;

        while (flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)) < 0)
                if (errno != EINTR)
                        return -errno;

        *ret_fd = TAKE_FD(fd);
        return 0;
}
