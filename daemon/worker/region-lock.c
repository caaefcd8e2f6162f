/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A byte for each lock of each region: nothing is ever written there. */

#include "daemon/worker/region-lock.h"
#include "daemon/util/file.h"

#include <errno.h>
#include <fcntl.h>

#define REGION_LOCK_FILE "/run/daxd/regions.lock"

int region_lock_open(void) {
        return file_open_lock(AT_FDCWD, REGION_LOCK_FILE);
}

static struct flock byte_of(uint32_t region, RegionLock lock, short type) {
        return (struct flock){ .l_type = type,
                               .l_whence = SEEK_SET,
                               .l_start = (off_t)region * _REGION_LOCK_MAX + lock,
                               .l_len = 1 };
}

int region_lock_take(int fd, uint32_t region, RegionLock lock, bool shared, bool wait) {
        struct flock byte = byte_of(region, lock, shared ? F_RDLCK : F_WRLCK);

        while (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &byte) < 0) {
                if (errno == EACCES)
                        return -EWOULDBLOCK;
                if (errno != EINTR)
                        return -errno;
        }

        return 0;
}

void region_lock_release(int fd, uint32_t region, RegionLock lock) {
        struct flock byte = byte_of(region, lock, F_UNLCK);

        (void)fcntl(fd, F_OFD_SETLK, &byte);
}
