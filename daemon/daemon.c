/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The daemon: made from the inside out, ended from the outside in. READY is said when what the last
 * daxd left is settled; on SIGTERM running transactions are rolled back or finish, and every device
 * stays as it is.
 */

#include "daemon/daemon.h"
#include "daemon/bus/bus.h"
#include "daemon/engine/engine.h"
#include "daemon/keep/keeper.h"
#include "daemon/util/log.h"
#include "daemon/watch/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define RUNTIME_DIR "/run/daxd"
#define STATE_DIR "/var/lib/daxd"

typedef struct Daemon {
        sd_event *event;
        LayoutDirectory directories[4];
        KeeperPaths paths;
        Engine *engine;
        Keeper *keeper;
        Bus *bus;
        Watch *watch;
} Daemon;

static void daemon_deinit(Daemon *daemon) {
        watch_free(daemon->watch);
        bus_free(daemon->bus);
        keeper_free(daemon->keeper);
        engine_free(daemon->engine);
        sd_event_unref(daemon->event);
}

static void daemon_settled(void *userdata) {
        (void)sd_notify(0, "READY=1\nSTATUS=Ready");
}

static void daemon_stopped(void *userdata) {
        Daemon *daemon = userdata;

        (void)sd_event_exit(daemon->event, 0);
}

/* For daxd-layouts.service, which may be there before there is a bus. */
static void daemon_tried(void *userdata) {
        int fd;

        fd = open(RUNTIME_DIR "/tried", O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0)
                log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE },
                         "cannot create " RUNTIME_DIR "/tried: %s", text_errno(errno));
        else
                close(fd);
}

static int daemon_signal(sd_event_source *source, const struct signalfd_siginfo *info,
                         void *userdata) {
        Daemon *daemon = userdata;

        (void)sd_notify(0, "STOPPING=1");
        engine_stop(daemon->engine);
        return 0;
}

static void daemon_event(uint64_t seqnum, const char *device, uint64_t block, const char *action,
                         void *userdata) {
        Daemon *daemon = userdata;

        engine_event(daemon->engine, &(EngineEvent){ seqnum, device, block, action });
}

static void daemon_lost_events(void *userdata) {
        Daemon *daemon = userdata;

        engine_lost_events(daemon->engine);
}

static int daemon_start_loop(Daemon *daemon) {
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;

        r = sd_event_default(&daemon->event);
        if (r >= 0)
                r = sd_event_add_signal(daemon->event, NULL, SIGTERM, daemon_signal, daemon);
        if (r >= 0)
                r = sd_event_add_signal(daemon->event, NULL, SIGINT, daemon_signal, daemon);
        if (r >= 0)
                r = sd_event_set_watchdog(daemon->event, true);
        return r;
}

static void daemon_set_paths(Daemon *daemon) {
        const LayoutDirectory directories[] = {
                { "/etc/daxd/layouts.d", 0 },
                { "/run/daxd/layouts.d", 0 },
                { STATE_DIR "/layouts", getuid() },
                { "/usr/lib/daxd/layouts.d", 0 },
        };

        memcpy(daemon->directories, directories, sizeof(directories));
        daemon->paths = (KeeperPaths){
                .directories = daemon->directories,
                .n_directories = ELEMENTS(directories),
                .runtime = RUNTIME_DIR,
                .state = STATE_DIR,
        };
}

int daemon_run(void) {
        static const EngineListener listener = { .settled = daemon_settled,
                                                 .stopped = daemon_stopped };
        _cleanup_(daemon_deinit) Daemon daemon = {};
        int r;

        (void)unlink(RUNTIME_DIR "/tried");
        daemon_set_paths(&daemon);
        r = daemon_start_loop(&daemon);
        if (r >= 0)
                r = engine_new(daemon.event, RUNTIME_DIR, &daemon.engine);
        if (r >= 0)
                r = keeper_new(daemon.engine, &daemon.paths, &daemon.keeper);
        if (r < 0)
                return r;

        engine_add_listener(daemon.engine, &listener, &daemon);
        keeper_set_tried(daemon.keeper, daemon_tried, &daemon);
        r = bus_new(daemon.event, daemon.engine, daemon.keeper, &daemon.bus);
        /* listening before looking: nothing can happen in between */
        if (r >= 0)
                r = watch_new(daemon.event, daemon_event, daemon_lost_events, &daemon,
                              &daemon.watch);
        if (r >= 0)
                r = engine_start(daemon.engine);
        if (r >= 0)
                r = sd_event_loop(daemon.event);
        return r;
}
