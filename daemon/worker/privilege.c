/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Capabilities, by the bare system calls: libcap would cost more memory than all of this worker. */

#include "daemon/worker/privilege.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int privilege_drop(void) {
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
        unsigned word = CAP_TO_INDEX(CAP_SYS_ADMIN), bit = CAP_TO_MASK(CAP_SYS_ADMIN);

        /* so that root does not get it back by executing something */
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        if (syscall(SYS_capget, &header, sets) < 0)
                return -errno;

        sets[word].effective &= ~bit;
        sets[word].permitted &= ~bit;
        sets[word].inheritable &= ~bit;
        return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}
