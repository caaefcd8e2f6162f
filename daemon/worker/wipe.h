/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Zeroes memory of a devdax device through its node. */

#include "daemon/worker/step.h"

int wipe_range(Step *step);
