/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Folders, and files that stand for locks. */

#include "daemon/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int listing_error;

DIR *__wrap_fdopendir(int fd); /* the linker puts it in the place of fdopendir() */

DIR *__wrap_fdopendir(int fd) {
        errno = listing_error;
        return NULL;
}

/* The folder of a process is there when it is opened, and gone when it is looked at. */
static void test_listing_says_what_failed(void **state) {
        DIR *listing = NULL;

        listing_error = ENOENT;
        assert_int_equal(file_open_listing(AT_FDCWD, "/", &listing), -ENOENT);
        listing_error = ENOMEM;
        assert_int_equal(file_open_listing(AT_FDCWD, "/", &listing), -ENOMEM);
        assert_null(listing);
}

/* A lock is a file of its owner's: what somebody has put in its place is not taken for one. */
static void test_lock_is_a_file(void **state) {
        char folder[] = "/tmp/test-file-XXXXXX";
        struct stat made, again;
        int dir, first, second;

        assert_non_null(mkdtemp(folder));
        dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(dir >= 0);

        first = file_open_lock(dir, "lock");
        second = file_open_lock(dir, "lock");
        assert_true(first >= 0 && second >= 0);
        assert_int_equal(fstat(first, &made), 0);
        assert_int_equal(fstat(second, &again), 0);
        assert_int_equal(made.st_mode, S_IFREG | 0600);
        assert_int_equal(made.st_ino, again.st_ino);

        assert_int_equal(symlinkat("lock", dir, "link"), 0);
        assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
        assert_int_equal(mkdirat(dir, "folder", 0700), 0);
        assert_int_equal(file_open_lock(dir, "link"), -ELOOP);
        assert_int_equal(file_open_lock(dir, "fifo"), -EBADFD);
        assert_int_equal(file_open_lock(dir, "folder"), -EISDIR);
        assert_int_equal(file_open_lock(dir, "nowhere/lock"), -ENOENT);

        close(first);
        close(second);
        assert_int_equal(unlinkat(dir, "lock", 0), 0);
        assert_int_equal(unlinkat(dir, "link", 0), 0);
        assert_int_equal(unlinkat(dir, "fifo", 0), 0);
        assert_int_equal(unlinkat(dir, "folder", AT_REMOVEDIR), 0);
        close(dir);
        assert_int_equal(rmdir(folder), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_listing_says_what_failed),
                cmocka_unit_test(test_lock_is_a_file),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
