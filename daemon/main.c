/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* daxd: the daemon, or, with --wait-layouts, the one that waits until it has tried every layout. */

#include "daemon/daemon.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TRIED_DIR "/run/daxd"
#define TRIED_FILE TRIED_DIR "/tried"
#define WAIT_SECONDS 30

static int usage(FILE *to, int status) {
        fputs("daxd owns the device-dax regions of this machine; see daxd(8).\n\n"
              "Usage: daxd                          the daemon, as daxd.service starts it\n"
              "       daxd --wait-layouts[=SECONDS] wait until every layout has been tried\n"
              "       daxd --version\n",
              to);
        return status;
}

/* Waits for the file that daxd creates when every layout has been tried. */
static int wait_layouts(unsigned seconds) {
        _cleanup_close_ int notify = -1, timer = -1;
        struct itimerspec limit = { .it_value.tv_sec = seconds };
        struct pollfd fds[2];
        char buffer[4096];

        notify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        if (notify < 0 || timer < 0 || timerfd_settime(timer, 0, &limit, NULL) < 0 ||
            inotify_add_watch(notify, TRIED_DIR, IN_CREATE | IN_MOVED_TO) < 0) {
                log_error("cannot watch " TRIED_DIR ": %s", text_errno(errno));
                return EXIT_FAILURE;
        }

        fds[0] = (struct pollfd){ .fd = notify, .events = POLLIN };
        fds[1] = (struct pollfd){ .fd = timer, .events = POLLIN };
        while (access(TRIED_FILE, F_OK) < 0) {
                if (poll(fds, 2, -1) < 0 && errno != EINTR)
                        return EXIT_FAILURE;
                if (fds[1].revents) {
                        log_error("not every layout has been tried within %u seconds", seconds);
                        return EXIT_FAILURE;
                }
                while (read(notify, buffer, sizeof(buffer)) > 0)
                        ;
        }

        return EXIT_SUCCESS;
}

int main(int argc, char *argv[]) {
        uint32_t seconds = WAIT_SECONDS;
        int r;

        (void)log_set_level("info");
        if (argc > 2)
                return usage(stderr, 2);
        if (argc == 2) {
                if (strcmp(argv[1], "--help") == 0)
                        return usage(stdout, 0);
                if (strcmp(argv[1], "--version") == 0)
                        return puts("daxd " DAXD_VERSION) < 0;
                if (strcmp(argv[1], "--wait-layouts") == 0)
                        return wait_layouts(seconds);
                if (strncmp(argv[1], "--wait-layouts=", 15) == 0 &&
                    text_parse_u32(argv[1] + 15, &seconds) == 0 && seconds > 0)
                        return wait_layouts(seconds);
                return usage(stderr, 2);
        }

        r = daemon_run();
        if (r < 0)
                log_error("daxd ends: %s", text_errno(r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
