/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Small whole files: read with a limit, replaced whole. */

#include "daemon/util/file.h"
#include "daemon/util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int file_read(int dir, const char *path, int flags, size_t max, char **ret_text, size_t *ret_size) {
        _cleanup_close_ int fd = -1;
        _cleanup_free_ char *text = NULL;
        size_t size = 0, room = MIN(max, (size_t)4096) + 1;
        struct stat st;

        /* O_NONBLOCK: a FIFO in the place of a file must not stop us */
        fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return S_ISDIR(st.st_mode) ? -EISDIR : -EBADFD;

        for (;;) {
                ssize_t n;
                char *bigger;

                bigger = realloc(text, room);
                if (!bigger)
                        return -ENOMEM;
                text = bigger;

                n = read(fd, text + size, room - size - 1);
                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (n == 0)
                        break;

                size += n;
                if (size > max)
                        return -EFBIG;
                if (size == room - 1)
                        room = MIN(2 * room, max + 2);
        }

        text[size] = '\0';
        *ret_text = TAKE_PTR(text);
        if (ret_size)
                *ret_size = size;
        return 0;
}

int file_open_listing(int dir, const char *path, DIR **ret_listing) {
        int r, fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_listing = fdopendir(fd);
        if (!*ret_listing) {
                r = -errno; /* it looks at the folder, which may be that of a process just gone */
                close(fd);
                return r;
        }

        return 0;
}

void file_close_listing(DIR **listing) {
        if (*listing)
                closedir(*listing);
}

int file_write_all(int fd, const char *text, size_t size) {
        while (size > 0) {
                ssize_t n = write(fd, text, size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                text += n;
                size -= n;
        }

        return 0;
}

int file_open_lock(int dir, const char *path) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        fd = openat(dir, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EBADFD;
}

static int sync_directory_of(int dir, const char *path) {
        _cleanup_close_ int fd = -1;
        char parent[PATH_MAX];
        const char *slash = strrchr(path, '/');

        if (snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path + 1) : 1,
                     slash ? path : ".") >= (int)sizeof(parent))
                return -ENAMETOOLONG;

        fd = openat(dir, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || fsync(fd) < 0)
                return -errno;
        return 0;
}

int file_replace(int dir, const char *path, const char *text, size_t size, mode_t mode,
                 int lasting) {
        const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
        _cleanup_close_ int fd = -1;
        char temporary[PATH_MAX];
        int r;

        if (snprintf(temporary, sizeof(temporary), "%s.new", path) >= (int)sizeof(temporary))
                return -ENAMETOOLONG;
        fd = openat(dir, temporary, flags, mode);
        if (fd < 0 && errno == EEXIST) { /* left by someone who was killed in the middle */
                if (unlinkat(dir, temporary, 0) < 0)
                        return -errno;
                fd = openat(dir, temporary, flags, mode);
        }
        if (fd < 0)
                return -errno;

        r = file_write_all(fd, text, size);
        if (r >= 0 && lasting && fsync(fd) < 0)
                r = -errno;
        if (r >= 0 && renameat(dir, temporary, dir, path) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dir, temporary, 0);
                return r;
        }

        return lasting ? sync_directory_of(dir, path) : 0;
}
