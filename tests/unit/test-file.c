/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Folders. */

#include "daemon/util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

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

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_listing_says_what_failed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
