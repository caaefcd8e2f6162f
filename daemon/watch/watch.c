/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The udev monitor. libudev's filter lets pass what root's udevd sent (or, in a network namespace
 * of tests, who plays it). The kernel keeps as much for a reader as net.core.rmem_max allows; what
 * comes then is lost, which it says with ENOBUFS (netlink(7)).
 */

#include "daemon/watch/watch.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <libudev.h>
#include <string.h>

struct Watch {
        struct udev *udev;
        struct udev_monitor *monitor;
        sd_event_source *source;
        WatchHandler handler;
        WatchLost lost;
        void *userdata;
};

DEFINE_CLEANUP(struct udev_device *, udev_device_unref)
#define _cleanup_udev_device_ _cleanup_(udev_device_unrefp)

static void watch_tell(const Watch *watch, struct udev_device *device) {
        const char *name = udev_device_get_sysname(device);
        const char *subsystem = udev_device_get_subsystem(device);
        const char *action = udev_device_get_action(device);
        unsigned long long seqnum = udev_device_get_seqnum(device);
        uint64_t block;

        if (!name || !subsystem || !action)
                return;
        if (strcmp(subsystem, "dax") == 0)
                watch->handler(seqnum, name, 0, action, watch->userdata);
        else if (strncmp(name, "memory", 6) == 0 && text_parse_u64(name + 6, &block) == 0)
                watch->handler(seqnum, NULL, block, action, watch->userdata);
}

static int watch_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        _cleanup_udev_device_ struct udev_device *device = NULL;
        Watch *watch = userdata;

        /* one message a turn: the loop stays fair when there are thousands */
        errno = 0;
        device = udev_monitor_receive_device(watch->monitor);
        if (device)
                watch_tell(watch, device);
        else if (errno == ENOBUFS)
                watch->lost(watch->userdata);
        return 0;
}

int watch_new(sd_event *event, WatchHandler handler, WatchLost lost, void *userdata,
              Watch **ret_watch) {
        Watch *watch;
        int r = -ENOMEM;

        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return -ENOMEM;
        watch->handler = handler;
        watch->lost = lost;
        watch->userdata = userdata;

        watch->udev = udev_new();
        if (watch->udev)
                watch->monitor = udev_monitor_new_from_netlink(watch->udev, "udev");
        if (watch->monitor) {
                r = udev_monitor_filter_add_match_subsystem_devtype(watch->monitor, "dax", NULL);
                if (r >= 0)
                        r = udev_monitor_filter_add_match_subsystem_devtype(watch->monitor,
                                                                            "memory", NULL);
                if (r >= 0)
                        (void)udev_monitor_set_receive_buffer_size(watch->monitor, 1 << 22);
                if (r >= 0)
                        r = udev_monitor_enable_receiving(watch->monitor);
        }
        if (r >= 0)
                r = sd_event_add_io(event, &watch->source, udev_monitor_get_fd(watch->monitor),
                                    EPOLLIN, watch_ready, watch);
        if (r < 0) {
                watch_free(watch);
                return r;
        }

        *ret_watch = watch;
        return 0;
}

Watch *watch_free(Watch *watch) {
        if (!watch)
                return NULL;

        sd_event_source_disable_unref(watch->source);
        udev_monitor_unref(watch->monitor);
        udev_unref(watch->udev);
        free(watch);
        return NULL;
}
