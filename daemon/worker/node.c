/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The device's node. Whatever lies at its path is looked at before it is trusted. */

#include "daemon/worker/node.h"
#include "daemon/worker/attribute.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define ANNOUNCE_UUID "50db03d4-8d5b-4d8d-9f4e-2a9b4be1e7c6"

void node_path(const KernelDevice *device, char path[NODE_PATH_MAX]) {
        snprintf(path, NODE_PATH_MAX, "/dev/%s", device->name);
}

int node_number(const KernelDevice *device, dev_t *ret_number) {
        uint32_t major_number, minor_number;
        char text[32], *colon;
        int r;

        r = attribute_read(device->dir, "dev", text, sizeof(text));
        if (r < 0)
                return r;
        colon = strchr(text, ':');
        if (!colon)
                return -EBADMSG;
        *colon = '\0';
        if (text_parse_u32(text, &major_number) < 0 || text_parse_u32(colon + 1, &minor_number) < 0)
                return -EBADMSG;

        *ret_number = makedev(major_number, minor_number);
        return 0;
}

int node_open(const KernelDevice *device, int flags) {
        _cleanup_close_ int fd = -1;
        char path[NODE_PATH_MAX];
        uint64_t identity;
        struct stat st;
        dev_t number;
        int r;

        r = node_number(device, &number);
        if (r < 0)
                return r;

        node_path(device, path);
        fd = open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        /* names and numbers are given again, but not while the device that has them is there */
        r = kernel_device_child(device, "subsystem", &identity);
        if (r < 0)
                return r;

        return S_ISCHR(st.st_mode) && st.st_rdev == number ? TAKE_FD(fd) : -ENODEV;
}

int node_close_to_others(const KernelDevice *device) {
        _cleanup_close_ int fd = -1;
        char path[64];
        struct stat st;

        fd = node_open(device, O_PATH);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;

        /* the mode first would leave it to its old owner to change it back; and then we need not be
         * allowed to change other people's files */
        if (fchownat(fd, "", 0, 0, AT_EMPTY_PATH) < 0)
                return -errno;
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (chmod(path, 0600) < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;

        return st.st_uid == 0 && st.st_gid == 0 && (st.st_mode & 07777) == 0600 ? 0 : -EIO;
}

int node_announce(const KernelDevice *device, uint64_t incarnation) {
        char text[128];

        /* the kernel wants an UUID before any argument; ours says whose event it is */
        snprintf(text, sizeof(text), "change " ANNOUNCE_UUID " DAXD=%llu",
                 (unsigned long long)incarnation);
        return attribute_write(device->dir, "uevent", text);
}
