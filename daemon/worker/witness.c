/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/worker/witness.h"
#include "daemon/util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int witness_new(void) {
        _cleanup_close_ int fd = memfd_create("daxd-witness", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0)
                return -errno;
        if (pwrite(fd, "1", 1, 0) != 1 || fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) < 0)
                return errno > 0 ? -errno : -EIO;

        return TAKE_FD(fd);
}

bool witness_is_sound(int fd) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;
        char byte;

        return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) >= 0 && st.st_size == 1 &&
               pread(fd, &byte, 1, 0) == 1 && byte == '1';
}

int witness_prepare(int fd) {
        return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

int witness_send(int fd, int attribute) {
        ssize_t n = sendfile(attribute, fd, NULL, 1);

        if (n < 0)
                return -errno;
        return n == 1 ? 0 : -EIO;
}

WitnessWord witness_ask(int fd) {
        off_t at = lseek(fd, 0, SEEK_CUR);

        return at < 0 ? WITNESS_UNKNOWN : at > 0 ? WITNESS_MADE : WITNESS_NOT_MADE;
}
