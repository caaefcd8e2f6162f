/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Loaded into every program inside: gives the device nodes, which are plain files of daxsim, the
 * face of what they stand for. A file system in user space cannot have character devices whose
 * memory it provides. The nodes are known by their inode numbers, in which their minor numbers are.
 */

/* with it the names of one kind would stand for the other */
#undef _FILE_OFFSET_BITS

#include "tests/sim/face.h"

#include <dlfcn.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define EXPORT __attribute__((visibility("default")))

static void stat_change(struct stat *st) {
        if (!S_ISREG(st->st_mode) || st->st_ino >> FACE_SHIFT != FACE_MAGIC)
                return;
        st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFCHR;
        st->st_rdev = makedev(FACE_MAJOR, st->st_ino & FACE_MINOR_MASK);
        st->st_size = 0;
        st->st_blocks = 0;
}

static void statx_change(struct statx *st) {
        if (!S_ISREG(st->stx_mode) || st->stx_ino >> FACE_SHIFT != FACE_MAGIC)
                return;
        st->stx_mode = (st->stx_mode & ~S_IFMT) | S_IFCHR;
        st->stx_rdev_major = FACE_MAJOR;
        st->stx_rdev_minor = st->stx_ino & FACE_MINOR_MASK;
        st->stx_size = 0;
        st->stx_blocks = 0;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* On 64-bit machines both kinds of names mean the same. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "one struct stat only");

#define WRAP(name, type, parameters, ...)                                                          \
        EXPORT int name parameters {                                                               \
                int r = NEXT(name)(__VA_ARGS__);                                                   \
                                                                                                   \
                if (r == 0)                                                                        \
                        stat_change((struct stat *)st);                                            \
                return r;                                                                          \
        }

#define WRAP_ALL(suffix, type)                                                                     \
        WRAP(stat##suffix, type, (const char *path, type *st), path, st)                           \
        WRAP(lstat##suffix, type, (const char *path, type *st), path, st)                          \
        WRAP(fstat##suffix, type, (int fd, type *st), fd, st)                                      \
        WRAP(fstatat##suffix, type, (int fd, const char *path, type *st, int flags), fd, path, st, \
             flags)

WRAP_ALL(, struct stat)
WRAP_ALL(64, struct stat64)

EXPORT int statx(int fd, const char *path, int flags, unsigned mask, struct statx *st) {
        int r = NEXT(statx)(fd, path, flags, mask, st);

        if (r == 0)
                statx_change(st);
        return r;
}
