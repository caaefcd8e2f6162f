/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * SIGIO says that something came on the connection. It may come just before the system call that it
 * should interrupt, so its handler starts a timer that goes on interrupting until the connection
 * has been looked at. The handlers keep no state: what was asked is on the connection.
 */

#include "daemon/worker/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#define AGAIN_USEC 20000

static void set_timer(long usec) {
        struct itimerval timer = { { 0, usec }, { 0, usec } };

        (void)setitimer(ITIMER_REAL, &timer,
                        NULL); /* a bare system call, as safe as timer_settime() */
}

static void on_input(int signal) {
        int error = errno;

        set_timer(AGAIN_USEC);
        errno = error;
}

static void on_timer(int signal) {
        /* that it came is all */
}

static void set_blocked(int how) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGIO);
        sigaddset(&signals, SIGALRM);
        (void)sigprocmask(how, &signals, NULL);
}

int cancel_prepare(int fd) {
        struct sigaction input = { .sa_handler = on_input }, timer = { .sa_handler = on_timer };
        int flags;

        set_blocked(SIG_BLOCK);
        /* without SA_RESTART: the point is EINTR */
        if (sigaction(SIGIO, &input, NULL) < 0 || sigaction(SIGALRM, &timer, NULL) < 0)
                return -errno;

        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETOWN, getpid()) < 0 ||
            fcntl(fd, F_SETFL, flags | O_ASYNC) < 0)
                return -errno;
        return 0;
}

void cancel_begin(Cancel *cancel, int fd, uint64_t serial) {
        *cancel = (Cancel){ .fd = fd, .serial = serial };
        set_blocked(SIG_UNBLOCK);
}

void cancel_end(Cancel *cancel) {
        set_blocked(SIG_BLOCK);
        set_timer(0);
}

/*
 * Takes what is for the step that runs. Returns 1: stop; 0: nothing more is there; -EAGAIN: look
 * on.
 */
static int look(int fd, uint64_t serial) {
        WorkerRequest request;
        ssize_t n;

        n = recv(fd, &request, sizeof(request), MSG_PEEK | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                return 0;
        if (n < 0 && errno == EINTR)
                return -EAGAIN;

        /* the end, or a request out of turn: stop, the main loop will deal with it */
        if (n != sizeof(request) || request.version != WORKER_PROTOCOL_VERSION ||
            request.op != WORKER_CANCEL)
                return 1;

        (void)recv(fd, &request, sizeof(request), MSG_DONTWAIT);
        return request.serial == serial ? 1 : -EAGAIN;
}

bool cancel_has_come(int fd, uint64_t serial) {
        int r;

        do
                r = look(fd, serial);
        while (r == -EAGAIN);
        return r == 1;
}

bool cancel_is_requested(Cancel *cancel) {
        while (!cancel->requested) {
                int r;

                /* first, so that what comes from now on starts it again */
                set_timer(0);
                r = look(cancel->fd, cancel->serial);
                if (r == 0)
                        return false;
                cancel->requested = r == 1;
        }

        return true;
}
