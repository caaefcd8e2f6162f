/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names and access come by udev's rule from a file that is made for the device's present life;
 * taking them away does not wait for udev.
 */

#include "daemon/worker/publish.h"
#include "daemon/worker/child.h"
#include "daemon/worker/names.h"
#include "daemon/worker/node.h"
#include "daemon/worker/reader.h"
#include "daemon/worker/result.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

static int publish_kernel(const Step *step, int error, const char *what, const char *value) {
        return error == -ENOMEM ? error :
                                  result_kernel(step->done, error, value, "devices/%s/%s",
                                                step->device.name, what);
}

/* In the child: libc may load whole modules to look up a name. */
static int find_owners(int fd, const void *context) {
        const DaxAccess *access = context;

        if (access->user[0] != '\0' && !getpwnam(access->user))
                return 1;
        if (access->group[0] != '\0' && !getgrnam(access->group))
                return 2;
        return 0;
}

static int check_owners(Step *step) {
        const DaxAccess *access = &step->what->access;
        int r;

        if (strcmp(access->user, step->owners.user) == 0 &&
            strcmp(access->group, step->owners.group) == 0)
                return 0;

        r = child_run(find_owners, access, NULL, NULL);
        if (r < 0)
                return publish_kernel(step, r, "access", NULL);
        if (r > 0)
                return result_set(step->done, WORKER_BAD_REQUEST, ENOENT,
                                  r == 1 ? access->user : access->group, "devices/%s/%s",
                                  step->device.name, r == 1 ? "user" : "group");

        step->owners = *access;
        return 0;
}

/* From the link that says so to the one that says it is done: whoever dies in between is undone. */
static int give_name(Step *step, const NamesEntry *entry) {
        const KernelDevice *device = &step->device;
        Names *names = &step->worker->names;
        const DaxDevice *picture = step->after;
        NamesKey key;
        int r;

        names_key(picture, step->start, &key);
        r = names_remove_file(names, device->name);
        if (r >= 0)
                r = names_begin(names, device->name, &key);
        if (r >= 0)
                r = names_write(names, picture, step->start, entry,
                                picture->mode == DAX_MODE_DEVDAX);
        if (r < 0)
                return publish_kernel(step, r, "name", entry->label);

        r = node_announce(device, picture->incarnation);
        if (r < 0)
                return step_kernel(step, r, "uevent", "change");
        roster_event(&step->worker->roster);

        r = names_link(names, device->name, &key);
        return r < 0 ? publish_kernel(step, r, "name", entry->label) : 0;
}

int publish_name(Step *step) {
        NamesEntry entry = { .access = step->what->access };
        int r;

        memcpy(entry.label, step->what->label, sizeof(entry.label));
        if (entry.label[0] == '\0' && !dax_access_is_open(&entry.access))
                return result_set(step->done, WORKER_BAD_REQUEST, EINVAL, NULL, "devices/%s/name",
                                  step->device.name);
        r = check_owners(step);
        /* one without a driver was not wiped: bound by somebody else meanwhile it can be read */
        if (r == 0 && step->what->mode == DAX_MODE_NONE) {
                step_forget(step, STEP_KNOWS_MODE);
                r = step_refuse_bound(step);
        }
        /* one range cannot be changed under a driver, of several the first is all that udev sees */
        if (r == 0 && step->after && step->after->ranges.count > 1)
                step_forget(step, STEP_KNOWS_SHAPE);
        if (r == 0)
                r = step_know_state(step);
        if (r != 0)
                return r;
        if (step->after->size == 0)
                return result_set(step->done, WORKER_BAD_REQUEST, ENODATA, "0", "devices/%s/size",
                                  step->device.name);
        /* what somebody else has added may hold an old owner's memory */
        if (dax_ranges_hash(&step->after->ranges) != step->what->value)
                return result_set(step->done, WORKER_RESHAPED, 0, NULL, "devices/%s/size",
                                  step->device.name);

        r = names_lock(step->region, true);
        if (r < 0)
                return publish_kernel(step, r, "name", entry.label);
        r = give_name(step, &entry);
        names_unlock(step->region);
        if (r != 0)
                return r;

        memcpy(step->after->label, entry.label, sizeof(entry.label));
        step->after->access = entry.access;
        step->known |= STEP_KNOWS_NAMES;
        /*
         * what others have done to it meanwhile is to be in the answer; a bound one keeps its shape
         */
        step_forget(step, step->after->mode == DAX_MODE_NONE ? STEP_KNOWS_SHAPE | STEP_KNOWS_MODE :
                                                               STEP_KNOWS_MODE);
        return 0;
}

int publish_take_back(Worker *worker, const KernelDevice *device, bool is_for_now) {
        int r;

        r = names_remove_file(&worker->names, device->name);
        if (r >= 0)
                r = node_close_to_others(device);
        if (r < 0)
                return r;

        r = node_announce(device, 0);
        if (r >= 0)
                roster_event(&worker->roster);
        else if (is_for_now)
                return r;
        return names_unlink(&worker->names, device->name);
}

int publish_retract(Step *step) {
        int r;

        r = names_lock(step->region, true);
        if (r >= 0) {
                r = publish_take_back(step->worker, &step->device, true);
                names_unlock(step->region);
        }
        step_forget(step, STEP_KNOWS_NAMES);
        return r < 0 ? publish_kernel(step, r, "name", NULL) : 0;
}
