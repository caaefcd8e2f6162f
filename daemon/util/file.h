/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small whole files. Paths are relative to a directory's descriptor, or absolute. */

#include "daemon/util/cleanup.h"

#include <dirent.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads a file of at most @max bytes. A link is followed only where @flags has no O_NOFOLLOW.
 * *@ret_text ends with a zero byte that is not counted; the caller frees it.
 * Returns 0, -EFBIG when there is more, or the errno of open or read.
 */
int file_read(int dir, const char *path, int flags, size_t max, char **ret_text, size_t *ret_size);

/*
 * Puts @text in the place of @path: a temporary file beside it, renamed. With @lasting the file and
 * its directory are on disk when it returns. Returns 0 or an errno; then the old file is still
 * there.
 */
int file_replace(int dir, const char *path, const char *text, size_t size, mode_t mode,
                 int lasting);

/*
 * Opens a file that nothing is written to, for locks to be taken on it; makes it, for its owner
 * alone, where it is missing. Returns the descriptor, closed by the caller, or an errno; -EBADFD:
 * it is no file.
 */
int file_open_lock(int dir, const char *path);

/* Opens a directory to be listed, closed by the caller. Returns 0 or an errno. */
int file_open_listing(int dir, const char *path, DIR **ret_listing);
void file_close_listing(DIR **listing);
#define _cleanup_listing_ _cleanup_(file_close_listing)

/* Writes all of @text to @fd, however many calls it takes. Returns 0 or an errno. */
int file_write_all(int fd, const char *text, size_t size);
