/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The memory blocks of a system-ram device: taking a run of them offline or online, and counting.
 */

#include "daemon/worker/step.h"

int blocks_offline(Step *step);
int blocks_online(Step *step);

/*
 * Whether every block of the device, as it is in step->after, is there and offline: 0;
 * WORKER_ONLINE; or @absent when one is not there.
 */
int blocks_check_offline(const Step *step, WorkerProblem absent);
