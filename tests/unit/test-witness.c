/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tells whether a CREATE was carried out, and how it comes to the next daxd. */

#include "daemon/engine/witnesses.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cmocka.h>

#define REGION 4711

static void test_it_tells_what_was_written(void **state) {
        int witness = witness_new(), copy, ends[2];
        char byte;

        assert_true(witness >= 0);
        assert_true(witness_is_sound(witness));
        assert_int_equal(pipe(ends), 0);
        copy = dup(witness); /* as another process has it */

        for (int i = 0; i < 2; i++) {
                assert_int_equal(witness_prepare(witness), 0);
                assert_int_equal(witness_ask(copy), WITNESS_NOT_MADE);
                assert_int_equal(witness_send(witness, ends[1]), 0);
                assert_int_equal(witness_ask(copy), WITNESS_MADE);
                assert_int_equal(read(ends[0], &byte, 1), 1);
                assert_int_equal(byte, '1');
        }

        /* refused */
        assert_int_equal(witness_prepare(witness), 0);
        close(ends[0]);
        assert_int_equal(witness_send(witness, ends[1]), -EPIPE);
        assert_int_equal(witness_ask(copy), WITNESS_NOT_MADE);

        close(ends[1]);
        close(witness);
        close(copy);
        assert_int_equal(witness_ask(copy), WITNESS_UNKNOWN);
}

static void assert_unsound(const char *text, int seals) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
        assert_false(witness_is_sound(fd));
        close(fd);
}

/* What the worker is given may be anything. */
static void test_nothing_else_is_sent(void **state) {
        const int all = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_unsound("2", all);
        assert_unsound("", all);
        assert_unsound("1\n", all);
        assert_unsound("1", F_SEAL_SHRINK | F_SEAL_GROW);
        assert_unsound("1", F_SEAL_WRITE | F_SEAL_GROW);
        assert_unsound("1", F_SEAL_WRITE | F_SEAL_SHRINK);
        assert_false(witness_is_sound(null));
        close(null);
}

/* --- over daxd's death ------------------------------------------------------------------------ */

/* As systemd hears it. */
static int listen_as_systemd(void) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "@daxd-test-%d", (int)getpid());
        assert_int_equal(setenv("NOTIFY_SOCKET", address.sun_path, 1), 0);
        address.sun_path[0] = '\0';
        assert_int_equal(bind(fd, (struct sockaddr *)&address,
                              offsetof(struct sockaddr_un, sun_path) +
                                      strlen(getenv("NOTIFY_SOCKET"))),
                         0);
        return fd;
}

/* The descriptor that was given to be kept, or -1. Its name is in @words. */
static int hear(int fd, char *words, size_t size) {
        union {
                char room[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec part = { words, size - 1 };
        struct msghdr message = { .msg_iov = &part,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        const struct cmsghdr *c;
        int kept = -1;

        if (n < 0)
                return -1;
        words[n] = '\0';
        for (c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, (struct cmsghdr *)c))
                if (c->cmsg_type == SCM_RIGHTS)
                        memcpy(&kept, CMSG_DATA(c), sizeof(kept));
        return kept;
}

/* What a daxd says that is given @fd under @name: a WitnessWord of the region. */
static int ask_next(int fd, const char *name) {
        int status;
        pid_t pid;

        pid = fork();
        if (pid == 0) {
                _cleanup_(witnesses_freep) Witnesses *witnesses = NULL;
                char number[16];

                snprintf(number, sizeof(number), "%d", (int)getpid());
                if (dup2(fd, SD_LISTEN_FDS_START) < 0 || setenv("LISTEN_PID", number, 1) < 0 ||
                    setenv("LISTEN_FDS", "1", 1) < 0 || setenv("LISTEN_FDNAMES", name, 1) < 0 ||
                    witnesses_new(&witnesses) < 0)
                        _exit(99);
                _exit((int)witnesses_ask(witnesses, REGION));
        }

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void test_the_next_daxd_has_it(void **state) {
        int systemd = listen_as_systemd(), kept, fd, again, ends[2];
        Witnesses *witnesses;
        char words[256];

        assert_int_equal(pipe(ends), 0);
        assert_int_equal(witnesses_new(&witnesses), 0);
        assert_int_equal(witnesses_ask(witnesses, REGION), WITNESS_UNKNOWN);
        fd = witnesses_open(witnesses, REGION);
        assert_true(fd >= 0);
        kept = hear(systemd, words, sizeof(words));
        assert_true(kept >= 0);
        assert_string_equal(words, "FDSTORE=1\nFDNAME=create-4711");

        /* given once: systemd keeps what it has */
        again = witnesses_open(witnesses, REGION);
        assert_true(again >= 0 && again != fd);
        assert_int_equal(hear(systemd, words, sizeof(words)), -1);

        assert_int_equal(witness_prepare(fd), 0);
        assert_int_equal(ask_next(kept, "create-4711"), WITNESS_NOT_MADE);
        assert_int_equal(witness_send(again, ends[1]), 0);
        assert_int_equal(witnesses_ask(witnesses, REGION), WITNESS_MADE);
        witnesses_free(witnesses);
        assert_int_equal(ask_next(kept, "create-4711"), WITNESS_MADE);
        assert_int_equal(ask_next(kept, "create-4712"), WITNESS_UNKNOWN);
        assert_int_equal(ask_next(kept, "stored"), WITNESS_UNKNOWN);
        assert_int_equal(ask_next(ends[0], "create-4711"), WITNESS_UNKNOWN);

        close(fd);
        close(again);
        close(kept);
        close(ends[0]);
        close(ends[1]);
        close(systemd);
}

/* A region that goes takes its own along, also out of systemd; who has it open keeps it. */
static void test_a_region_goes(void **state) {
        int systemd = listen_as_systemd(), fd;
        Witnesses *witnesses;
        char words[256];

        assert_int_equal(witnesses_new(&witnesses), 0);
        fd = witnesses_open(witnesses, REGION);
        close(hear(systemd, words, sizeof(words)));
        witnesses_drop(witnesses, REGION + 1);
        assert_int_equal(witnesses_ask(witnesses, REGION), WITNESS_NOT_MADE);
        witnesses_drop(witnesses, REGION);
        assert_int_equal(witnesses_ask(witnesses, REGION), WITNESS_UNKNOWN);
        assert_int_equal(hear(systemd, words, sizeof(words)), -1);
        assert_string_equal(words, "FDSTOREREMOVE=1\nFDNAME=create-4711");
        assert_int_equal(witness_ask(fd), WITNESS_NOT_MADE);
        witnesses_free(witnesses);
        close(fd);
        close(systemd);
}

/* Where systemd does not hear it, it is told again. */
static void test_it_is_given_again(void **state) {
        int systemd = listen_as_systemd();
        Witnesses *witnesses;
        char words[256];

        assert_int_equal(witnesses_new(&witnesses), 0);
        close(systemd);
        close(witnesses_open(witnesses, REGION));
        systemd = listen_as_systemd();
        close(witnesses_open(witnesses, REGION));
        close(hear(systemd, words, sizeof(words)));
        assert_string_equal(words, "FDSTORE=1\nFDNAME=create-4711");
        witnesses_free(witnesses);
        close(systemd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_tells_what_was_written),
                cmocka_unit_test(test_nothing_else_is_sent),
                cmocka_unit_test(test_the_next_daxd_has_it),
                cmocka_unit_test(test_a_region_goes),
                cmocka_unit_test(test_it_is_given_again),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
