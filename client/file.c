/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Files that a person names on the command line.
 */

#include "client/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "client/cleanup.h"
#include "client/report.h"

#define FILE_MAX ((size_t)1 << 20)

/* Reads until the end or @size bytes; returns the number read. */
static ssize_t read_all(int fd, char *buffer, size_t size) {
        size_t used = 0;

        while (used < size) {
                ssize_t n = read(fd, buffer + used, size - used);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += (size_t)n;
        }

        return (ssize_t)used;
}

static int file_refuse(const char *path, int error) {
        report("cannot read %s: %s", path, strerror(-error));
        return error;
}

int file_read(const char *path, char **ret_text) {
        _cleanup_close_ int opened = -1;
        _cleanup_free_ char *text = NULL;
        int fd = STDIN_FILENO;
        ssize_t n;

        if (strcmp(path, "-") != 0) {
                fd = opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
                if (fd < 0)
                        return file_refuse(path, -errno);
        }

        text = malloc(FILE_MAX + 1);
        if (!text)
                return report_oom();
        n = read_all(fd, text, FILE_MAX + 1);
        if (n < 0)
                return file_refuse(path, (int)n);
        if ((size_t)n > FILE_MAX)
                return file_refuse(path, -EFBIG);
        if (memchr(text, '\0', (size_t)n)) {
                report("%s is no text: it has a NUL byte", path);
                return -EINVAL;
        }

        text[n] = '\0';
        *ret_text = steal_string(&text);
        return 0;
}
