/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Giving a device to a driver and taking it away: the steps that change its mode. */

#include "daemon/worker/step.h"

int driver_bind(Step *step);
int driver_unbind(Step *step);
/* Puts auto_online_blocks back to what a bind that died in the middle had found. */
int driver_restore_auto_online(Worker *worker, const char *word, WorkerDone *done);
