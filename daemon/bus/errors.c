/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From conditions to names of D-Bus errors: the one switch. */

#include "daemon/bus/internal.h"

#include <stdio.h>

int bus_error_set(sd_bus_error *error, const Failure *failure) {
        char name[96];

        switch (failure->condition) {
        case CONDITION_INVALID_ARGS:
                return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, failure_message(failure));
        case CONDITION_ACCESS_DENIED:
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED,
                                        failure_message(failure));
        case CONDITION_NONE:
                return sd_bus_error_set(error, SD_BUS_ERROR_FAILED, failure_message(failure));
        case CONDITION_NO_SUCH_REGION:
        case CONDITION_NO_SUCH_DEVICE:
        case CONDITION_NO_SUCH_LAYOUT:
        case CONDITION_STATIC_REGION:
        case CONDITION_NO_SPACE:
        case CONDITION_FRAGMENTED:
        case CONDITION_INVALID_SIZE:
        case CONDITION_INVALID_ALIGN:
        case CONDITION_INVALID_MODE:
        case CONDITION_INVALID_RANGE:
        case CONDITION_INVALID_LABEL:
        case CONDITION_LABEL_IN_USE:
        case CONDITION_INVALID_LAYOUT:
        case CONDITION_AMBIGUOUS_LAYOUT:
        case CONDITION_LAYOUT_CONFLICT:
        case CONDITION_LAYOUT_READ_ONLY:
        case CONDITION_PLAN_CHANGED:
        case CONDITION_BUSY:
        case CONDITION_IN_USE:
        case CONDITION_MEMORY_ONLINE:
        case CONDITION_MEMORY_BLOCK_ALIGN:
        case CONDITION_TAINTED:
        case CONDITION_NOT_SUPPORTED:
        case CONDITION_CONTESTED:
        case CONDITION_CANCELLED:
        case CONDITION_QUEUE_FULL:
        case CONDITION_ROLLED_BACK:
        case CONDITION_ROLLBACK_FAILED:
        case CONDITION_KERNEL:
        case _CONDITION_MAX:
                break;
        }

        snprintf(name, sizeof(name), "org.daxd1.Error.%s", condition_name(failure->condition));
        return sd_bus_error_set(error, name, failure_message(failure));
}
