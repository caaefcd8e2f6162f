/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The tree as a file system. */

typedef struct Server Server;
typedef struct World World;

/* Mounts the tree at @folder. Returns 0 or a negative errno. */
int server_new(World *world, const char *folder, Server **ret_server);

/*
 * Serves until the process is told to end, by many threads: a write that waits holds up no other.
 */
int server_run(Server *server);

Server *server_free(Server *server);
