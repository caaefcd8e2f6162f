/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * One kernel attribute: a small file in which the kernel answers or obeys. Paths are relative to
 * the descriptor of a folder that was opened before, so that a device which is replaced by another
 * of the same name is never mistaken for it.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Reads an attribute without its line end into @buffer of @size bytes. A read that a signal ends is
 * tried again a few times. Returns 0, -ENOENT (no such attribute), -ENODEV (the object is going
 * away), -EFBIG (it does not fit), or another errno.
 */
int attribute_read(int dir, const char *path, char *buffer, size_t size);
int attribute_read_u64(int dir, const char *path, uint64_t *ret_value); /* decimal, or 0x */
int attribute_read_int(int dir, const char *path, int *ret_value);      /* with sign */
/* The last part of what a link points to; "" when there is no such link. */
int attribute_read_link(int dir, const char *path, char *buffer, size_t size);

/*
 * Writes @value with one open and one write: the kernel sees it at most once. Returns 0 or the
 * kernel's errno; after -EINTR the caller looks what has become of it.
 */
int attribute_write(int dir, const char *path, const char *value);

/*
 * One attribute that is read, written and read again: kept open for that. Each returns what the
 * functions above do; *@ret_fd is closed by the caller.
 */
int attribute_open(int dir, const char *path, int *ret_fd);
int attribute_get_u64(int fd, uint64_t *ret_value);
int attribute_get(int fd, char *buffer, size_t size);
int attribute_put(int fd, const char *value);

/* Whether an errno of a read says that the object is not there any more. */
static inline bool attribute_is_gone(int error) {
        return error == -ENOENT || error == -ENODEV || error == -ENXIO;
}
