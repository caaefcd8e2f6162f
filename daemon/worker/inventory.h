/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is: the whole machine, or one region, sent as pictures. */

#include "daemon/worker/worker.h"

/* Each returns 0, a WorkerProblem told in @done, or a negative errno. */
int inventory_machine(Worker *worker, const WorkerRequest *request, WorkerDone *done);
int inventory_region(Worker *worker, const WorkerRequest *request, WorkerDone *done);
