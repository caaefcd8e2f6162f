/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What went wrong, for the user. Functions that can fail for a reason the user should know return a
 * negative errno where the program itself is in trouble (out of memory, a bug: only handed upward)
 * and a positive Condition where the world is not as asked; then the Failure holds one sentence
 * that says what was attempted, on which object, with which value, why not, and what to do.
 */

#include "daemon/util/cleanup.h"

#include <stdarg.h>

typedef enum Condition {
        CONDITION_NONE = 0,
        CONDITION_NO_SUCH_REGION,
        CONDITION_NO_SUCH_DEVICE,
        CONDITION_NO_SUCH_LAYOUT,
        CONDITION_STATIC_REGION,
        CONDITION_NO_SPACE,
        CONDITION_FRAGMENTED,
        CONDITION_INVALID_SIZE,
        CONDITION_INVALID_ALIGN,
        CONDITION_INVALID_MODE,
        CONDITION_INVALID_RANGE,
        CONDITION_INVALID_LABEL,
        CONDITION_LABEL_IN_USE,
        CONDITION_INVALID_LAYOUT,
        CONDITION_AMBIGUOUS_LAYOUT,
        CONDITION_LAYOUT_CONFLICT,
        CONDITION_LAYOUT_READ_ONLY,
        CONDITION_PLAN_CHANGED,
        CONDITION_BUSY,
        CONDITION_IN_USE,
        CONDITION_MEMORY_ONLINE,
        CONDITION_MEMORY_BLOCK_ALIGN,
        CONDITION_TAINTED,
        CONDITION_NOT_SUPPORTED,
        CONDITION_CONTESTED,
        CONDITION_CANCELLED,
        CONDITION_QUEUE_FULL,
        CONDITION_ROLLED_BACK,
        CONDITION_ROLLBACK_FAILED,
        CONDITION_KERNEL,
        CONDITION_INVALID_ARGS,
        CONDITION_ACCESS_DENIED,
        _CONDITION_MAX,
} Condition;

typedef struct Failure {
        Condition condition;
        char *message;
} Failure;

#define FAILURE_INIT ((Failure){})

/* What to do about one that is not there, or not any more: the end of such a sentence. */
#define ADVICE_DEVICES "; 'daxdctl list' or GetManagedObjects shows the devices"
#define ADVICE_REGIONS "; 'daxdctl list -R' or GetManagedObjects shows the regions"

#define _cleanup_failure_ _cleanup_(failure_deinit)

/* The CamelCase name of @condition as it stands after "org.daxd1.Error.", "" for CONDITION_NONE. */
const char *condition_name(Condition condition);

/* Sets @failure, replacing what it held; @failure may be NULL. Returns @condition, or -ENOMEM. */
int failure_set(Failure *failure, Condition condition, const char *format, ...) _printf_(3, 4);

/* Moves @from into @to, replacing what it held. Returns the condition. */
int failure_move(Failure *to, Failure *from);

/* The sentence of @failure, never NULL. */
const char *failure_message(const Failure *failure);

void failure_deinit(Failure *failure);
