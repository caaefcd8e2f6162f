/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Authorization: the table, and who may. */

#include "daemon/bus/authorize.h"

#include <string.h>

static const char *const action_names[_ACTION_MAX] = {
        [ACTION_DENY] = "nothing",
        [ACTION_OPEN] = "open",
        [ACTION_CREATE_DEVICE] = "org.daxd1.create-device",
        [ACTION_CHANGE_DEVICE] = "org.daxd1.change-device",
        [ACTION_MANAGE_MEMORY] = "org.daxd1.manage-memory",
        [ACTION_MANAGE_LAYOUTS] = "org.daxd1.manage-layouts",
        [ACTION_READ_ADDRESSES] = "org.daxd1.read-addresses",
        [ACTION_CANCEL_JOB] = "org.daxd1.cancel-job",
        [ACTION_ROOT] = "the uid 0",
};

/* A call needs the action of every line that fits it: weight 0 always does. */
static const struct {
        const char *interface, *member;
        unsigned weight;
        Action action;
} table[] = {
        { "org.daxd1.Manager", "GetDevice", WEIGHT_NONE, ACTION_OPEN },
        { "org.daxd1.Manager", "GetRegion", WEIGHT_NONE, ACTION_OPEN },
        { "org.daxd1.Manager", "Describe", WEIGHT_NONE, ACTION_OPEN }, /* addresses apart */
        { "org.daxd1.Manager", "Refresh", WEIGHT_NONE, ACTION_OPEN },
        { "org.daxd1.Manager", "PlanLayout", WEIGHT_NONE, ACTION_OPEN },
        /* a layout that names addresses could be used to guess them */
        { "org.daxd1.Manager", "PlanLayout", WEIGHT_ADDRESSES, ACTION_READ_ADDRESSES },
        { "org.daxd1.Manager", "ApplyLayout", WEIGHT_NONE, ACTION_MANAGE_LAYOUTS },
        { "org.daxd1.Manager", "ApplyLayout", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Manager", "ApplyLayout", WEIGHT_NO_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Manager", "ApplyLayout", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Manager", "Reload", WEIGHT_NONE, ACTION_MANAGE_LAYOUTS },
        /*
         * it applies what it reads: whether that has system-ram or wipe=false nobody knows before
         */
        { "org.daxd1.Manager", "Reload", WEIGHT_NONE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Manager", "Reload", WEIGHT_NONE, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Manager", "Reconcile", WEIGHT_NONE, ACTION_MANAGE_LAYOUTS },
        { "org.daxd1.Manager", "Reconcile", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Manager", "Reconcile", WEIGHT_NO_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Manager", "Reconcile", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Region", "CreateDevice", WEIGHT_NONE, ACTION_CREATE_DEVICE },
        { "org.daxd1.Region", "CreateDevice", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Region", "CreateDevice", WEIGHT_NO_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Region", "CreateDevice", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Region", "GetResource", WEIGHT_NONE, ACTION_READ_ADDRESSES },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_GROWS, ACTION_CREATE_DEVICE },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_NO_GROWTH, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_RESHAPES, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_NO_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Reconfigure", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Device", "Resize", WEIGHT_GROWS, ACTION_CREATE_DEVICE },
        { "org.daxd1.Device", "Resize", WEIGHT_NO_GROWTH, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Resize", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Resize", WEIGHT_NO_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Resize", WEIGHT_WIPE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Resize", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Device", "SetMode", WEIGHT_NONE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "SetMode", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Device", "OnlineMemory", WEIGHT_NONE, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Device", "OnlineMemory", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "OfflineMemory", WEIGHT_NONE, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Device", "OfflineMemory", WEIGHT_FORCE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "SetLabel", WEIGHT_NONE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Destroy", WEIGHT_NONE, ACTION_CHANGE_DEVICE },
        { "org.daxd1.Device", "Destroy", WEIGHT_MEMORY, ACTION_MANAGE_MEMORY },
        { "org.daxd1.Device", "GetHolders", WEIGHT_NONE, ACTION_READ_ADDRESSES },
        { "org.daxd1.Layout", "GetContent", WEIGHT_NONE, ACTION_READ_ADDRESSES },
        { "org.daxd1.Job", "Cancel", WEIGHT_NONE, ACTION_OPEN }, /* one's own */
        { "org.daxd1.Job", "Cancel", WEIGHT_ANOTHERS_JOB, ACTION_CANCEL_JOB },
        /* those of LogControl1: our own interfaces have no property that could be set */
        { "org.freedesktop.DBus.Properties", "Set", WEIGHT_NONE, ACTION_ROOT },
};

const char *action_name(Action action) {
        return action_names[action];
}

unsigned authorize_actions(const char *interface, const char *member, unsigned weights) {
        unsigned actions = 0;

        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (strcmp(table[i].interface, interface) == 0 &&
                    strcmp(table[i].member, member) == 0 &&
                    (table[i].weight & weights) == table[i].weight)
                        actions |= 1u << table[i].action;

        return actions ? actions : 1u << ACTION_DENY;
}

bool authorize_one(uid_t uid, Action action) {
        return action == ACTION_OPEN || (action != ACTION_DENY && uid == 0);
}

int authorize(uid_t uid, unsigned actions, const char *member, Failure *failure) {
        for (Action action = 0; action < _ACTION_MAX; action++)
                if ((actions & (1u << action)) && !authorize_one(uid, action))
                        return failure_set(failure, CONDITION_ACCESS_DENIED,
                                           "%s needs %s, which only root has", member,
                                           action_names[action]);

        return 0;
}

bool senders_find(const Senders *senders, const char *name, uid_t *ret_uid) {
        for (size_t i = 0; i < SENDERS_MAX; i++)
                if (senders->list[i].name && strcmp(senders->list[i].name, name) == 0) {
                        *ret_uid = senders->list[i].uid;
                        return true;
                }

        return false;
}

void senders_add(Senders *senders, const char *name, uid_t uid) {
        char *copy = strdup(name);

        if (!copy) /* it is asked for again */
                return;

        free(senders->list[senders->next].name);
        senders->list[senders->next].name = copy;
        senders->list[senders->next].uid = uid;
        senders->next = (senders->next + 1) % SENDERS_MAX;
}

void senders_deinit(Senders *senders) {
        for (size_t i = 0; i < SENDERS_MAX; i++)
                free(senders->list[i].name);
        *senders = (Senders){};
}
