/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who owns what: the event loop, the engine, the keeper, the bus and the watch. */

/* Runs until a signal ends it. Returns 0 or a negative errno. */
int daemon_run(void);
