/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The device's node /dev/daxR.I, as far as it is really the device's. */

#include "daemon/worker/kernel.h"

#define NODE_PATH_MAX (sizeof("/dev/") + DAX_NAME_MAX)

void node_path(const KernelDevice *device, char path[NODE_PATH_MAX]);
/* The device's number. */
int node_number(const KernelDevice *device, dev_t *ret_number);
/* Opens the node; -ENODEV when what is there is not the device's. @flags as for open(). */
int node_open(const KernelDevice *device, int flags);
/* Makes the node root's alone. 0 also when there is no node. */
int node_close_to_others(const KernelDevice *device);
/*
 * Has udev apply its rules to the device again, with the incarnation whose name it shall have, 0
 * for none: see names.h. udev remembers that.
 */
int node_announce(const KernelDevice *device, uint64_t incarnation);
