/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The steps that give a device's node its name and access, and take them away. */

#include "daemon/worker/step.h"

int publish_name(Step *step);
int publish_retract(Step *step);
/*
 * Takes name and access from whatever bears the device's name now. Returns 0 or an errno; then that
 * is tried again whenever the device is read. Where they were not for the device as it is
 * (@is_for_now) it does not matter that udev cannot be told: whenever it looks again, it finds
 * nothing for the new shape.
 */
int publish_take_back(Worker *worker, const KernelDevice *device, bool is_for_now);
