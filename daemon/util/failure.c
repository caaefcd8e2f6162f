/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One sentence for the user, and its name on the bus. Holds no text but what it was given. */

#include "daemon/util/failure.h"
#include "daemon/util/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

const char *condition_name(Condition condition) {
        static const char *const names[_CONDITION_MAX] = {
                [CONDITION_NONE] = "",
                [CONDITION_NO_SUCH_REGION] = "NoSuchRegion",
                [CONDITION_NO_SUCH_DEVICE] = "NoSuchDevice",
                [CONDITION_NO_SUCH_LAYOUT] = "NoSuchLayout",
                [CONDITION_STATIC_REGION] = "StaticRegion",
                [CONDITION_NO_SPACE] = "NoSpace",
                [CONDITION_FRAGMENTED] = "Fragmented",
                [CONDITION_INVALID_SIZE] = "InvalidSize",
                [CONDITION_INVALID_ALIGN] = "InvalidAlign",
                [CONDITION_INVALID_MODE] = "InvalidMode",
                [CONDITION_INVALID_RANGE] = "InvalidRange",
                [CONDITION_INVALID_LABEL] = "InvalidLabel",
                [CONDITION_LABEL_IN_USE] = "LabelInUse",
                [CONDITION_INVALID_LAYOUT] = "InvalidLayout",
                [CONDITION_AMBIGUOUS_LAYOUT] = "AmbiguousLayout",
                [CONDITION_LAYOUT_CONFLICT] = "LayoutConflict",
                [CONDITION_LAYOUT_READ_ONLY] = "LayoutReadOnly",
                [CONDITION_PLAN_CHANGED] = "PlanChanged",
                [CONDITION_BUSY] = "Busy",
                [CONDITION_IN_USE] = "InUse",
                [CONDITION_MEMORY_ONLINE] = "MemoryOnline",
                [CONDITION_MEMORY_BLOCK_ALIGN] = "MemoryBlockAlign",
                [CONDITION_TAINTED] = "Tainted",
                [CONDITION_NOT_SUPPORTED] = "NotSupported",
                [CONDITION_CONTESTED] = "Contested",
                [CONDITION_CANCELLED] = "Cancelled",
                [CONDITION_QUEUE_FULL] = "QueueFull",
                [CONDITION_ROLLED_BACK] = "RolledBack",
                [CONDITION_ROLLBACK_FAILED] = "RollbackFailed",
                [CONDITION_KERNEL] = "Kernel",
                [CONDITION_INVALID_ARGS] = "InvalidArgs",
                [CONDITION_ACCESS_DENIED] = "AccessDenied",
        };

        assert(condition >= 0 && condition < _CONDITION_MAX);
        return names[condition];
}

int failure_set(Failure *failure, Condition condition, const char *format, ...) {
        char *message;
        va_list args;

        if (!failure)
                return condition;

        va_start(args, format);
        message = text_vformat(format, args);
        va_end(args);
        if (!message)
                return -ENOMEM;

        free(failure->message);
        failure->message = message;
        failure->condition = condition;
        return condition;
}

int failure_move(Failure *to, Failure *from) {
        Condition condition = from->condition;

        if (to) {
                failure_deinit(to);
                *to = *from;
                *from = FAILURE_INIT;
        }

        return condition;
}

const char *failure_message(const Failure *failure) {
        return failure && failure->message ? failure->message : "";
}

void failure_deinit(Failure *failure) {
        free(failure->message);
        *failure = FAILURE_INIT;
}
