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

static int check_owners(const Step *step) {
        const DaxAccess *access = &step->request->access;
        int r;

        if (strcmp(access->user, "root") == 0 && strcmp(access->group, "root") == 0)
                return 0;
        if (access->user[0] == '\0' && access->group[0] == '\0')
                return 0;

        r = child_run(find_owners, access, NULL, NULL);
        if (r < 0)
                return publish_kernel(step, r, "access", NULL);
        if (r == 0)
                return 0;

        return result_set(step->done, WORKER_BAD_REQUEST, ENOENT,
                          r == 1 ? access->user : access->group, "devices/%s/%s", step->device.name,
                          r == 1 ? "user" : "group");
}

static int give_name(const Step *step, const NamesEntry *entry, DaxMode mode) {
        _cleanup_mappings_ Mappings mappings = {};
        uint64_t incarnation;
        NamesKey key;
        int r;

        r = mappings_read(&step->device, &mappings);
        if (r < 0)
                return step_kernel(step, r, "mapping", NULL);
        r = reader_incarnation(&step->device, &incarnation);
        if (r < 0)
                return step_kernel(step, r, "mapping0", NULL);
        if (mappings.count == 0)
                return result_set(step->done, WORKER_BAD_REQUEST, ENODATA, "0", "devices/%s/size",
                                  step->device.name);

        names_key(incarnation, &mappings, &key);
        r = names_remove_file(&step->device);
        if (r >= 0)
                r = names_write(&key, &mappings, entry, mode == DAX_MODE_DEVDAX);
        if (r < 0)
                return publish_kernel(step, r, "name", entry->label);

        r = node_announce(&step->device, incarnation);
        if (r < 0)
                return step_kernel(step, r, "uevent", "change");
        /* last, so that a name that is found has been announced */
        r = names_link(&step->device, &key);
        return r < 0 ? publish_kernel(step, r, "name", entry->label) : 0;
}

int publish_name(Step *step) {
        NamesEntry entry = { .access = step->request->access };
        DaxMode mode;
        int r;

        memcpy(entry.label, step->request->label, sizeof(entry.label));
        if (entry.label[0] == '\0' && !dax_access_is_open(&entry.access))
                return result_set(step->done, WORKER_BAD_REQUEST, EINVAL, NULL, "devices/%s/name",
                                  step->device.name);
        r = check_owners(step);
        if (r == 0)
                r = step_mode(step, &mode);
        return r != 0 ? r : give_name(step, &entry, mode);
}

int publish_take_back(const KernelDevice *device) {
        int r;

        r = names_remove_file(device);
        if (r >= 0)
                r = node_close_to_others(device);
        if (r >= 0)
                r = node_announce(device, 0);
        if (r >= 0)
                r = names_unlink(device);
        return r;
}

int publish_retract(Step *step) {
        int r = publish_take_back(&step->device);

        return r < 0 ? publish_kernel(step, r, "name", NULL) : 0;
}
