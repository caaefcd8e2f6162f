/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * watched SOCKET PROGRAM [ARGUMENT...]: runs a program each of whose system calls that change
 * anything waits until the test that listens on SOCKET lets it go on. The test gets the descriptor
 * by which it does so (seccomp's user notification) over a connection of its own.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
/* The one message that must pass by itself; these flags mean nothing to a socket of this kind. */
#define HANDOVER_FLAGS (MSG_NOSIGNAL | MSG_DONTROUTE)

typedef struct Rule {
        unsigned call;
        unsigned argument; /* that decides, or NO_ARGUMENT */
        unsigned bits;     /* of it: one of them has to be set */
} Rule;

#define NO_ARGUMENT 6
/* Wiping reads zeroes into the memory of a node, so much at once; see daemon/worker/wipe.c. */
#define WIPED_AT_ONCE (2 << 20)

static const Rule rules[] = {
        { SYS_write, NO_ARGUMENT, 0 },      { SYS_pwrite64, NO_ARGUMENT, 0 },
        { SYS_writev, NO_ARGUMENT, 0 },     { SYS_pwritev, NO_ARGUMENT, 0 },
        { SYS_pwritev2, NO_ARGUMENT, 0 },   { SYS_sendto, NO_ARGUMENT, 0 },
        { SYS_sendmsg, NO_ARGUMENT, 0 },    { SYS_sendmmsg, NO_ARGUMENT, 0 },
        { SYS_ftruncate, NO_ARGUMENT, 0 },  { SYS_renameat2, NO_ARGUMENT, 0 },
        { SYS_renameat, NO_ARGUMENT, 0 },   { SYS_unlinkat, NO_ARGUMENT, 0 },
        { SYS_mkdirat, NO_ARGUMENT, 0 },    { SYS_linkat, NO_ARGUMENT, 0 },
        { SYS_symlinkat, NO_ARGUMENT, 0 },  { SYS_mknodat, NO_ARGUMENT, 0 },
        { SYS_fchmod, NO_ARGUMENT, 0 },     { SYS_fchmodat, NO_ARGUMENT, 0 },
        { SYS_fchown, NO_ARGUMENT, 0 },     { SYS_fchownat, NO_ARGUMENT, 0 },
        { SYS_fsetxattr, NO_ARGUMENT, 0 },  { SYS_openat, 2, O_CREAT | O_TRUNC },
        { SYS_munmap, NO_ARGUMENT, 0 },     { SYS_sendfile, NO_ARGUMENT, 0 },
        { SYS_read, 2, WIPED_AT_ONCE },
#ifdef SYS_open
        { SYS_open, 1, O_CREAT | O_TRUNC },
#endif
#ifdef SYS_rename
        { SYS_rename, NO_ARGUMENT, 0 },     { SYS_unlink, NO_ARGUMENT, 0 },
        { SYS_mkdir, NO_ARGUMENT, 0 },      { SYS_link, NO_ARGUMENT, 0 },
        { SYS_symlink, NO_ARGUMENT, 0 },    { SYS_rmdir, NO_ARGUMENT, 0 },
        { SYS_chmod, NO_ARGUMENT, 0 },      { SYS_chown, NO_ARGUMENT, 0 },
#endif
};

#define LOAD(field)                                                                                \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define JUMP(test, value, yes, no) BPF_JUMP(BPF_JMP | (test) | BPF_K, value, yes, no)

static int fail(const char *what) {
        fprintf(stderr, "watched: %s: %s\n", what, strerror(errno));
        return EXIT_FAILURE;
}

/* What is said to stderr is nobody's state, and the handover is ours. */
static size_t build_filter(struct sock_filter *filter) {
        size_t n = 0;

        filter[n++] = (struct sock_filter)LOAD(nr);
        filter[n++] = (struct sock_filter)JUMP(BPF_JEQ, SYS_sendmsg, 0, 3);
        filter[n++] = (struct sock_filter)LOAD(args[2]);
        filter[n++] = (struct sock_filter)JUMP(BPF_JEQ, HANDOVER_FLAGS, 0, 1);
        filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
        filter[n++] = (struct sock_filter)LOAD(nr);
        for (size_t i = 0; i < ELEMENTS(rules); i++) {
                const Rule *rule = &rules[i];

                if (rule->argument == NO_ARGUMENT) {
                        filter[n++] = (struct sock_filter)JUMP(BPF_JEQ, rule->call, 0, 1);
                        filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_USER_NOTIF);
                        continue;
                }
                filter[n++] = (struct sock_filter)JUMP(BPF_JEQ, rule->call, 0, 4);
                filter[n++] = (struct sock_filter)LOAD(args[rule->argument]);
                filter[n++] = (struct sock_filter)JUMP(BPF_JSET, rule->bits, 0, 1);
                filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_USER_NOTIF);
                filter[n++] = (struct sock_filter)LOAD(nr);
        }
        filter[n++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
        return n;
}

static int install_filter(void) {
        struct sock_filter filter[8 + 5 * ELEMENTS(rules)];
        struct sock_fprog program = { .filter = filter };

        program.len = (unsigned short)build_filter(filter);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -1;
        return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                            &program);
}

static int hand_over(int connection, int fd) {
        union {
                char space[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        char byte = 'x';
        struct iovec word = { .iov_base = &byte, .iov_len = 1 };
        struct msghdr message = { .msg_iov = &word,
                                  .msg_iovlen = 1,
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);

        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        return sendmsg(connection, &message, HANDOVER_FLAGS) == 1 ? 0 : -1;
}

int main(int argc, char **argv) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int connection, listener;

        if (argc < 3 || strlen(argv[1]) >= sizeof(address.sun_path)) {
                errno = EINVAL;
                return fail("arguments");
        }
        strcpy(address.sun_path, argv[1]);
        connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connection < 0 || connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
                return fail(argv[1]);

        listener = install_filter();
        if (listener < 0)
                return fail("filter");
        if (hand_over(connection, listener) < 0)
                return fail("handover");
        close(connection);
        close(listener);
        execv(argv[2], argv + 2);
        return fail(argv[2]);
}
