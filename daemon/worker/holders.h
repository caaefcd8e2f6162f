/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes that have a device's node open or mapped. */

#include "daemon/worker/kernel.h"
#include "daemon/worker/protocol.h"

/*
 * Returns 0 and a list that the caller frees, empty when nobody has it, or an errno; -EACCES when
 * some process could not be looked at.
 */
int holders_find(const KernelDevice *device, WorkerHolder **ret_holders, size_t *ret_n_holders);
