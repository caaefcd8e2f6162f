/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Follows which devices a region has. When in doubt it forgets. */

#include "daemon/worker/roster.h"
#include "daemon/worker/attribute.h"

#include <string.h>

void roster_drop(Roster *roster) {
        kernel_names_deinit(&roster->names);
        *roster = (Roster){};
}

int roster_update(Roster *roster, const KernelRegion *region, int event_fd) {
        _cleanup_kernel_names_ KernelNames names = {};
        uint64_t seqnum;
        int r;

        r = attribute_get_u64(event_fd, &seqnum);
        if (r < 0)
                return r;
        if (roster->listed && roster->seqnum == seqnum)
                return 0;

        roster_drop(roster);
        r = kernel_region_names(region, &names);
        if (r < 0)
                return r;

        *roster = (Roster){ .names = names, .seqnum = seqnum, .listed = true };
        names = (KernelNames){};
        return 0;
}

void roster_event(Roster *roster) {
        roster->seqnum++;
}

void roster_add(Roster *roster, const KernelDevice *device) {
        KernelNames *names = &roster->names;

        roster_event(roster);
        if (kernel_names_insert(names, device->name, device->identity) < 0)
                roster_drop(roster);
}

void roster_remove(Roster *roster, const char *name) {
        roster_event(roster);
        kernel_names_remove(&roster->names, name);
}
