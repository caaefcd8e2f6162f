/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What there is on this machine: its regions, and what belongs to none of them. */

#include "daemon/dax/region.h"

typedef struct DaxMachine {
        uint64_t block_size; /* of memory blocks; 0 where the kernel has no memory hotplug */
        uint64_t
                seqnum; /* of the kernel's last uevent before this was read: older ones are in it */
        char auto_online[16]; /* offline, online, online_kernel, online_movable, "" unknown */
        DaxRegion **regions;  /* sorted by id */
        size_t n_regions;
} DaxMachine;

void dax_machine_deinit(DaxMachine *machine);
DaxRegion *dax_machine_find_region(const DaxMachine *machine, uint32_t id);
/* Puts @region in the place of the one with its id, which is freed; owns it, also on -ENOMEM. */
int dax_machine_put_region(DaxMachine *machine, DaxRegion *region);
DaxRegion *dax_machine_take_region(DaxMachine *machine, uint32_t id);
/* By the kernel's name, or by label. NULL when there is none; *@ret_region may be NULL. */
const DaxDevice *dax_machine_find_device(const DaxMachine *machine, const char *name_or_label,
                                         DaxRegion **ret_region);
