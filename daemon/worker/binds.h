/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeps workers apart that bind at the same time. A driver that is given an id by new_id at once
 * takes whatever it matches and is without a driver, of other regions as well (do_id_store() in
 * drivers/dax/bus.c); what was caught so is let go again. Until then a device of another worker's
 * can have a driver that nobody has given it, and what another worker binds or unbinds meanwhile
 * can not be told from it.
 *
 * For devdax there is a lock, of all regions. Who binds or unbinds memory is alone with
 * auto_online_blocks, and holds that for as long as adding memory takes: so nobody waits for him
 * unless something has gone wrong that he may be the reason of. Nobody waits for ever: one who is
 * stuck in the kernel shall not stop the others.
 */

#include "daemon/worker/worker.h"

/*
 * Around a bind or unbind: @driver's name. Nothing to lock where it is not device_dax. 0, or -EBUSY
 * when another worker has it for too long.
 */
int binds_lock(Worker *worker, const char *driver, bool by_id);
void binds_unlock(Worker *worker, const char *driver);
/* Waits for those who have an id at a driver now. Returns whether there was one that is done. */
bool binds_await(Worker *worker);
/* The same of those who bind memory, for a second at most: that can take long. */
bool binds_await_memory(Worker *worker);
/*
 * Its mode, and not the one of being caught, unless that takes too long: as kernel_device_mode().
 * Nothing may be locked.
 */
int binds_read_mode(Worker *worker, const KernelDevice *device, DaxMode *ret_mode);
