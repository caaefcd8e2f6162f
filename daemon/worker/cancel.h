/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Being interrupted: while a step that may be cancelled runs, anything that daxd sends, and its
 * going away, ends a system call that blocks in the kernel with EINTR, again and again until
 * somebody looks. Outside of such steps nothing is interrupted.
 */

#include "daemon/worker/protocol.h"

typedef struct Cancel {
        int fd;
        uint64_t serial;
        bool requested;
} Cancel;

#define _cleanup_cancel_ _cleanup_(cancel_end)

/* Once at the start: signals for @fd, blocked until a step begins. Returns 0 or an errno. */
int cancel_prepare(int fd);
/* @cancel's step begins, ends. */
void cancel_begin(Cancel *cancel, int fd, uint64_t serial);
void cancel_end(Cancel *cancel);
/* Whether the step shall stop: looks at the connection. */
bool cancel_is_requested(Cancel *cancel);
/* The same outside of such steps, for the request @serial. */
bool cancel_has_come(int fd, uint64_t serial);
