/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What tests tell daxsim and ask of it: a socket, and on it requests and answers in turn, each a
 * JSON object in one line. control.py is the other end and describes them. Each connection is
 * served by a thread of its own, so that one may wait while others act.
 */

typedef struct World World;

/* Listens on @path. Returns 0 or a negative errno. */
int control_new(World *world, const char *path);
