/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading and writing one kernel attribute. Nothing here decides anything. */

#include "daemon/worker/attribute.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define READ_TRIES 8

int attribute_get(int fd, char *buffer, size_t size) {
        ssize_t n = -1;

        for (int i = 0; n < 0 && i < READ_TRIES; i++) {
                n = pread(fd, buffer, size, 0); /* from the start: the kernel answers anew */
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
        if (n < 0)
                return -EINTR;
        if ((size_t)n == size)
                return -EFBIG;

        while (n > 0 && buffer[n - 1] == '\n')
                n--;
        buffer[n] = '\0';
        return strlen(buffer) == (size_t)n ? 0 : -EBADMSG;
}

int attribute_get_u64(int fd, uint64_t *ret_value) {
        char text[32];
        int r;

        r = attribute_get(fd, text, sizeof(text));
        return r < 0 ? r : text_parse_u64(text, ret_value);
}

int attribute_put(int fd, const char *value) {
        size_t length = strlen(value);
        ssize_t n;

        n = pwrite(fd, value, length, 0);
        if (n < 0)
                return -errno;
        return (size_t)n == length ? 0 : -EIO;
}

static int open_attribute(int dir, const char *path, int flags) {
        int fd = openat(dir, path, flags | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : fd;
}

int attribute_open(int dir, const char *path, int *ret_fd) {
        int fd = open_attribute(dir, path, O_RDWR | O_NOFOLLOW);

        if (fd < 0)
                return fd;
        *ret_fd = fd;
        return 0;
}

int attribute_read(int dir, const char *path, char *buffer, size_t size) {
        _cleanup_close_ int fd = open_attribute(dir, path, O_RDONLY | O_NONBLOCK);

        return fd < 0 ? fd : attribute_get(fd, buffer, size);
}

int attribute_read_u64(int dir, const char *path, uint64_t *ret_value) {
        char text[32];
        int r;

        r = attribute_read(dir, path, text, sizeof(text));
        return r < 0 ? r : text_parse_u64(text, ret_value);
}

int attribute_read_int(int dir, const char *path, int *ret_value) {
        char text[32];
        uint64_t value;
        int r;

        r = attribute_read(dir, path, text, sizeof(text));
        if (r < 0)
                return r;
        r = text_parse_u64(text + (text[0] == '-'), &value);
        if (r < 0)
                return r;
        if (value > INT_MAX)
                return -ERANGE;

        *ret_value = text[0] == '-' ? -(int)value : (int)value;
        return 0;
}

int attribute_read_link(int dir, const char *path, char *buffer, size_t size) {
        char target[PATH_MAX];
        const char *last;
        ssize_t n;

        n = readlinkat(dir, path, target, sizeof(target) - 1);
        if (n < 0) {
                buffer[0] = '\0';
                return errno == ENOENT ? 0 : -errno;
        }

        target[n] = '\0';
        last = strrchr(target, '/');
        last = last ? last + 1 : target;
        if (strlen(last) >= size)
                return -EFBIG;

        strcpy(buffer, last);
        return 0;
}

int attribute_write(int dir, const char *path, const char *value) {
        _cleanup_close_ int fd = open_attribute(dir, path, O_WRONLY | O_NOFOLLOW);

        return fd < 0 ? fd : attribute_put(fd, value);
}
