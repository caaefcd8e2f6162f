/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What came of a request. Functions that carry something out return 0, a positive WorkerProblem
 * with everything that the user should know of it in the WorkerDone, or a negative errno where the
 * worker itself is in trouble.
 */

#include "daemon/util/cleanup.h"
#include "daemon/worker/protocol.h"

/*
 * Says that a request failed: @error is an errno of either sign or 0, @value what was written or
 * read back (NULL: nothing), @format which attribute. Returns @problem.
 */
int result_set(WorkerDone *done, WorkerProblem problem, int error, const char *value,
               const char *format, ...) _printf_(5, 6);
/*
 * The same for an errno that the kernel gave for a write or read: WORKER_KERNEL, WORKER_READ_ONLY
 * where that is the cause.
 */
int result_kernel(WorkerDone *done, int error, const char *value, const char *format, ...)
        _printf_(4, 5);
