/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a function in a child of its own and collects what it writes. */

#include "daemon/worker/child.h"
#include "daemon/util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (4 * 1024 * 1024)
#define CHILD_SECONDS 60

static int read_all(int fd, char **ret_text, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        size_t size = 0, room = 0;

        for (;;) {
                ssize_t n;

                if (room - size < 4096) {
                        char *bigger = realloc(text, 2 * room + 8192);

                        if (!bigger)
                                return -ENOMEM;
                        text = bigger;
                        room = 2 * room + 8192;
                }
                n = read(fd, text + size, room - size - 1);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                size += n;
                if (size > OUTPUT_MAX)
                        return -EFBIG;
        }

        text[size] = '\0';
        *ret_text = TAKE_PTR(text);
        *ret_size = size;
        return 0;
}

static int wait_for(pid_t pid) {
        int status;

        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;

        return WIFEXITED(status) && WEXITSTATUS(status) < 100 ? WEXITSTATUS(status) : -ECHILD;
}

/* In the child: no longer the worker's signals, and an end to it all. */
static void end_in_time(void) {
        sigset_t none;

        (void)signal(SIGALRM, SIG_DFL);
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)alarm(CHILD_SECONDS);
}

int child_run(ChildFunction function, const void *context, char **ret_text, size_t *ret_size) {
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int from = -1;
        size_t size = 0;
        int ends[2], r, status;
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return -errno;
        from = ends[0];
        pid = fork();
        if (pid < 0) {
                r = -errno;
                close(ends[1]);
                return r;
        }
        if (pid == 0) {
                end_in_time();
                _exit(function(ends[1], context));
        }

        close(ends[1]);
        r = read_all(from, &text, &size);
        closep(&from); /* a child that still writes, then fails */
        from = -1;
        status = wait_for(pid);
        if (r < 0 || status < 0)
                return r < 0 ? r : status;

        if (ret_text)
                *ret_text = TAKE_PTR(text);
        if (ret_size)
                *ret_size = size;
        return status;
}
