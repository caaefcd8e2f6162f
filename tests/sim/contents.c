/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A sparse file without a name for each piece of memory; what is written with zeroes has no pages.
 */

#include "tests/sim/contents.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK (UINT64_C(1) << 20)
#define PAGE UINT64_C(4096)

typedef struct Piece {
        uint64_t start, size;
        int fd;
} Piece;

struct Contents {
        Piece *pieces;
        size_t n_pieces;
};

int contents_new(Contents **ret_contents) {
        *ret_contents = calloc(1, sizeof(Contents));
        return *ret_contents ? 0 : -ENOMEM;
}

Contents *contents_free(Contents *contents) {
        if (!contents)
                return NULL;
        for (size_t i = 0; i < contents->n_pieces; i++)
                close(contents->pieces[i].fd);
        free(contents->pieces);
        free(contents);
        return NULL;
}

static const Piece *find_piece(const Contents *contents, uint64_t start, uint64_t size) {
        for (size_t i = 0; i < contents->n_pieces; i++) {
                const Piece *piece = &contents->pieces[i];

                if (start >= piece->start && start - piece->start < piece->size &&
                    size <= piece->size - (start - piece->start))
                        return piece;
        }

        return NULL;
}

int contents_add(Contents *contents, uint64_t start, uint64_t size) {
        Piece piece = { start, size, -1 };
        int r;

        if (find_piece(contents, start, size))
                return 0;
        piece.fd = memfd_create("daxsim-memory", MFD_CLOEXEC);
        if (piece.fd < 0)
                return -errno;
        r = ftruncate(piece.fd, size) < 0 ? -errno : 0;
        if (r == 0)
                r = ARRAY_APPEND(contents->pieces, contents->n_pieces, piece);
        if (r < 0)
                close(piece.fd);
        return r;
}

int contents_read(const Contents *contents, uint64_t start, void *data, size_t size) {
        const Piece *piece = find_piece(contents, start, size);

        if (!piece)
                return -ENXIO;
        return pread(piece->fd, data, size, start - piece->start) == (ssize_t)size ? 0 : -EIO;
}

static bool is_zero(const char *data, size_t size) {
        return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

int contents_write(Contents *contents, uint64_t start, const void *data, size_t size) {
        const Piece *piece = find_piece(contents, start, size);
        uint64_t offset;

        if (!piece)
                return -ENXIO;
        offset = start - piece->start;
        if (offset % PAGE == 0 && size % PAGE == 0 && is_zero(data, size))
                return fallocate(piece->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset,
                                 size) < 0 ?
                             -errno :
                             0;
        return pwrite(piece->fd, data, size, offset) == (ssize_t)size ? 0 : -EIO;
}

int contents_fill(Contents *contents, uint64_t start, uint64_t size, const void *pattern,
                  size_t pattern_size) {
        _cleanup_free_ char *chunk = NULL;
        size_t chunk_size;

        if (pattern_size == 0 || pattern_size > CHUNK)
                return -EINVAL;
        chunk_size = CHUNK / pattern_size * pattern_size;
        chunk = malloc(chunk_size);
        if (!chunk)
                return -ENOMEM;
        for (size_t at = 0; at < chunk_size; at += pattern_size)
                memcpy(chunk + at, pattern, pattern_size);

        for (uint64_t at = 0; at < size; at += chunk_size) {
                int r = contents_write(contents, start + at, chunk, MIN(chunk_size, size - at));

                if (r < 0)
                        return r;
        }
        return 0;
}

int contents_find(const Contents *contents, uint64_t start, uint64_t size, const void *pattern,
                  size_t pattern_size, uint64_t *ret_where) {
        _cleanup_free_ char *chunk = malloc(CHUNK + pattern_size);

        if (!chunk)
                return -ENOMEM;
        for (uint64_t at = 0; at < size; at += CHUNK) {
                size_t length = MIN(CHUNK + pattern_size - 1, size - at);
                const char *found;
                int r;

                r = contents_read(contents, start + at, chunk, length);
                if (r < 0)
                        return r;
                found = memmem(chunk, length, pattern, pattern_size);
                if (found) {
                        *ret_where = start + at + (found - chunk);
                        return 1;
                }
        }
        return 0;
}
