/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Giving a device to a driver and taking it away: the steps that change its mode. */

#include "daemon/worker/step.h"

int driver_bind(Step *step);
int driver_unbind(Step *step);
/*
 * Undoes what a bind that died in the middle may have left: puts auto_online_blocks back to what it
 * had found, and takes back the id that it had given a driver. Either may be there no more.
 */
int driver_restore(Worker *worker, const WorkerRequest *request, WorkerDone *done);
