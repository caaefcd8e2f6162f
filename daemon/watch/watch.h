/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What udev tells of dax devices and memory blocks. It hands on and decides nothing. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

typedef struct Watch Watch;

/* A dax device (@device) or, when that is NULL, a memory block. @action is the kernel's word. */
typedef void (*WatchHandler)(uint64_t seqnum, const char *device, uint64_t block,
                             const char *action, void *userdata);
/* There were more events than the kernel keeps for a reader: nobody knows which. */
typedef void (*WatchLost)(void *userdata);

int watch_new(sd_event *event, WatchHandler handler, WatchLost lost, void *userdata,
              Watch **ret_watch);
Watch *watch_free(Watch *watch);
