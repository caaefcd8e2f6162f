/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who may do what. One table says which polkit action a method needs, and an option or value that
 * makes it weigh more; what the table does not have is refused. Until polkit is asked, every action
 * but "open" is root's alone.
 */

#include "daemon/util/failure.h"

#include <stdbool.h>
#include <sys/types.h>

typedef enum Action {
        ACTION_DENY, /* what is not in the table */
        ACTION_OPEN,
        ACTION_CREATE_DEVICE,
        ACTION_CHANGE_DEVICE,
        ACTION_MANAGE_MEMORY,
        ACTION_MANAGE_LAYOUTS,
        ACTION_READ_ADDRESSES,
        ACTION_CANCEL_JOB,
        ACTION_ROOT, /* none of polkit's: uid 0 alone */
        _ACTION_MAX,
} Action;

/* What about a call makes it weigh more. */
typedef enum Weight {
        WEIGHT_NONE = 0,
        WEIGHT_FORCE = 1 << 0,
        WEIGHT_NO_WIPE = 1 << 1,
        WEIGHT_GROWS = 1 << 2,
        WEIGHT_NO_GROWTH = 1 << 3, /* of a device that is there: it becomes smaller, or stays */
        WEIGHT_RESHAPES = 1 << 4,  /* mode, align, placement, memmap-on-memory */
        WEIGHT_MEMORY = 1 << 5,    /* makes or takes system-ram */
        WEIGHT_ANOTHERS_JOB = 1 << 6,
        WEIGHT_ADDRESSES = 1 << 7, /* a layout that knows its region by physical addresses */
        WEIGHT_WIPE = 1 << 8,      /* zeroes what a device that is there holds */
} Weight;

const char *action_name(Action action); /* "org.daxd1.create-device" */

/* The actions (1 << Action) that a call needs; 1 << ACTION_DENY when it is not in the table. */
unsigned authorize_actions(const char *interface, const char *member, unsigned weights);

/* Whether @uid may do all of @actions. 0, or ACCESS_DENIED with its sentence, or -ENOMEM. */
int authorize(uid_t uid, unsigned actions, const char *member, Failure *failure);
bool authorize_one(uid_t uid, Action action);

/* Uids of senders: unique names are never used twice, so what was once asked for holds. */
#define SENDERS_MAX 64
typedef struct Senders {
        struct {
                char *name;
                uid_t uid;
        } list[SENDERS_MAX];
        size_t next;
} Senders;

bool senders_find(const Senders *senders, const char *name, uid_t *ret_uid);
void senders_add(Senders *senders, const char *name, uid_t uid);
void senders_deinit(Senders *senders);
