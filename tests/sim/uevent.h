/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Events, sent at once in two forms: as the kernel does, for who listens to the kernel, and as
 * udevd does, for libudev. There is no udevd, and none of its rules is run.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct Uevents Uevents;

typedef struct Uevent {
        const char *action;
        const char *path; /* below /sys */
        const char *subsystem;
        const char *properties; /* more of them, "KEY=VALUE\n..."; may be NULL */
} Uevent;

int uevents_new(Uevents **ret_uevents);
Uevents *uevents_free(Uevents *uevents);

uint64_t uevents_seqnum(const Uevents *uevents);
void uevents_restart(Uevents *uevents); /* the numbers of a new boot */

void uevents_send(Uevents *uevents, const Uevent *event);

/*
 * What somebody has written to a device's `uevent`: "ACTION [UUID [KEY=VALUE ...]]". Returns 0 and
 * the action, and in @properties what the event tells of it; or -EINVAL.
 */
int uevent_parse(const char *text, char action[16], char *properties, size_t size);
