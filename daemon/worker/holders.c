/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Looks through /proc: descriptors by the device's number, mappings by the node's path, since that
 * is all that `maps` has of it. While the driver's module is not in use nobody holds any device.
 */

#include "daemon/worker/holders.h"
#include "daemon/util/file.h"
#include "daemon/worker/attribute.h"
#include "daemon/worker/node.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef struct Search {
        dev_t number;
        char path[NODE_PATH_MAX];
        struct stat node; /* of the path; st_ino 0: nothing there */
        WorkerHolder *holders;
        size_t n_holders;
} Search;

static void close_file(FILE **file) {
        if (*file)
                fclose(*file);
}

/* What a process that is just ending gives. */
static bool process_is_gone(int error) {
        return error == -ENOENT || error == -ESRCH;
}

/* The device, wherever its node was made, or the very file at the node's path. */
static bool is_node(const Search *search, const struct statx *st) {
        if (S_ISCHR(st->stx_mode) &&
            makedev(st->stx_rdev_major, st->stx_rdev_minor) == search->number)
                return true;
        return search->node.st_ino != 0 && st->stx_ino == search->node.st_ino &&
               makedev(st->stx_dev_major, st->stx_dev_minor) == search->node.st_dev;
}

/* Returns 1 when a descriptor of the process is the device's. */
static int process_has_open(const Search *search, int process) {
        _cleanup_listing_ DIR *listing = NULL;
        struct dirent *entry;
        int r;

        r = file_open_listing(process, "fd", &listing);
        if (r < 0)
                return r;

        while ((entry = readdir(listing))) {
                struct statx st;

                /* never waits for a file server that does not answer */
                if (entry->d_name[0] == '.' ||
                    statx(dirfd(listing), entry->d_name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
                          STATX_TYPE | STATX_INO, &st) < 0)
                        continue;
                if (is_node(search, &st))
                        return 1;
        }

        return 0;
}

/* Returns 1 when the process has the node mapped. */
static int process_has_mapped(const Search *search, int process) {
        _cleanup_(close_file) FILE *file = NULL;
        _cleanup_free_ char *line = NULL;
        size_t room = 0, length = strlen(search->path);
        int fd;

        fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        file = fdopen(fd, "re");
        if (!file) {
                close(fd);
                return -ENOMEM;
        }

        while (getline(&line, &room, file) > 0) {
                const char *path = strchr(line, '/'); /* nothing before the path has a slash */

                if (path && strncmp(path, search->path, length) == 0 &&
                    (path[length] == '\n' || path[length] == ' ')) /* " (deleted)" */
                        return 1;
        }

        return ferror(file) ? -errno : 0;
}

static int add_process(Search *search, int process, uint32_t pid) {
        WorkerHolder holder = { .pid = pid };
        int r;

        r = attribute_read(process, "comm", holder.command, sizeof(holder.command));
        if (process_is_gone(r))
                return 0;
        if (r < 0)
                strcpy(holder.command, "?");

        return ARRAY_APPEND(search->holders, search->n_holders, holder);
}

static int search_process(Search *search, int proc, const char *name, uint32_t pid) {
        _cleanup_close_ int process = -1;
        int r;

        process = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
                return process_is_gone(-errno) ? 0 : -errno;

        r = process_has_open(search, process);
        if (r == 0)
                r = process_has_mapped(search, process);
        if (r <= 0)
                return process_is_gone(r) ? 0 : r;

        return add_process(search, process, pid);
}

static int search_all(Search *search) {
        _cleanup_listing_ DIR *listing = NULL;
        struct dirent *entry;
        int r;

        r = file_open_listing(AT_FDCWD, "/proc", &listing);
        if (r < 0)
                return r;

        while (errno = 0, (entry = readdir(listing))) {
                uint32_t pid;

                if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
                    text_parse_u32(entry->d_name, &pid) < 0 || pid == (uint32_t)getpid())
                        continue;
                r = search_process(search, dirfd(listing), entry->d_name, pid);
                if (r < 0)
                        return r;
        }

        return -errno;
}

int holders_find(const KernelDevice *device, WorkerHolder **ret_holders, size_t *ret_n_holders) {
        char path[64];
        Search search = {};
        uint64_t users;
        int r;

        *ret_holders = NULL;
        *ret_n_holders = 0;

        snprintf(path, sizeof(path), "/sys/module/%s/refcnt", dax_mode_module(DAX_MODE_DEVDAX));
        if (attribute_read_u64(AT_FDCWD, path, &users) >= 0 && users == 0)
                return 0;

        r = node_number(device, &search.number);
        if (r < 0)
                return r;
        node_path(device, search.path);
        if (lstat(search.path, &search.node) < 0)
                search.node.st_ino = 0;
        r = search_all(&search);
        if (r < 0) {
                free(search.holders);
                return r;
        }

        *ret_holders = search.holders;
        *ret_n_holders = search.n_holders;
        return 0;
}
