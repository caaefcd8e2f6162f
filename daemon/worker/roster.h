/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Which devices a region has, listed once and then followed: the kernel numbers its events, and
 * each device that comes or goes is one. As long as there were no others than those that this
 * worker has caused itself, the list is still true; else it is made anew. So what a step costs does
 * not grow with the region.
 */

#include "daemon/worker/kernel.h"

typedef struct Roster {
        KernelNames names;
        uint64_t seqnum; /* of the last event that they know of */
        bool listed;
} Roster;

/*
 * Makes roster->names those of @region now; @event_fd is /sys/kernel/uevent_seqnum. 0 or an errno.
 */
int roster_update(Roster *roster, const KernelRegion *region, int event_fd);
/* This worker has caused an event about a device that stays. */
void roster_event(Roster *roster);
/* It has made or destroyed one, which is an event, too. */
void roster_add(Roster *roster, const KernelDevice *device);
void roster_remove(Roster *roster, const char *name);
void roster_drop(Roster *roster);
