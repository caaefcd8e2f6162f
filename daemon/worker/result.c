/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fills in what a failed request tells daxd. */

#include "daemon/worker/result.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static _printf_(5, 0) void result_fill(WorkerDone *done, WorkerProblem problem, int error,
                                       const char *value, const char *format, va_list args) {
        *done = (WorkerDone){
                .problem = problem,
                .error = error < 0 ? -error : error,
                .steps = done->steps,
        };
        snprintf(done->value, sizeof(done->value), "%s", value ?: "");
        (void)vsnprintf(done->attribute, sizeof(done->attribute), format, args);
}

int result_set(WorkerDone *done, WorkerProblem problem, int error, const char *value,
               const char *format, ...) {
        va_list args;

        va_start(args, format);
        result_fill(done, problem, error, value, format, args);
        va_end(args);
        return problem;
}

/*
 * Whether /sys cannot be written at all: a mount that is read-only says EROFS, or, for a file
 * without write permission, EACCES first.
 */
static bool sys_is_read_only(int error) {
        struct statvfs st;

        if (error == -EROFS)
                return true;
        return (error == -EACCES || error == -EPERM) && statvfs("/sys", &st) >= 0 &&
               (st.f_flag & ST_RDONLY);
}

int result_kernel(WorkerDone *done, int error, const char *value, const char *format, ...) {
        WorkerProblem problem = sys_is_read_only(error) ? WORKER_READ_ONLY : WORKER_KERNEL;
        va_list args;

        va_start(args, format);
        result_fill(done, problem, error, value, format, args);
        va_end(args);
        return problem;
}
