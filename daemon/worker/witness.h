/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tells whether a CREATE was carried out that nobody has survived: of an empty device the kernel
 * does not say who has made it. It is an open file of one byte, which the worker sends into
 * `create`: the kernel moves its position within the same system call, when the write has succeeded
 * and not otherwise (do_sendfile() in fs/read_write.c). Who has the file open as well reads it
 * there.
 */

#include <stdbool.h>

typedef enum WitnessWord {
        WITNESS_UNKNOWN, /* there is none */
        WITNESS_NOT_MADE,
        WITNESS_MADE,
} WitnessWord;

/* Makes one. Returns the descriptor, which is the caller's, or an errno. */
int witness_new(void);
/* Whether it is one whose byte nobody can change. */
bool witness_is_sound(int fd);
/* 0 or an errno. Right before it is noted that it may be sent. */
int witness_prepare(int fd);
/* Writes its byte, "1", with one system call. As attribute_put(). */
int witness_send(int fd, int attribute);
/* What it says of the last CREATE that it was prepared for. */
WitnessWord witness_ask(int fd);
