/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The steps that change what a device is made of, while no driver holds it. */

#include "daemon/worker/step.h"

int shape_set_size(Step *step);
int shape_set_align(Step *step);
int shape_add_mapping(Step *step);
int shape_set_memmap(Step *step);
int shape_create(Step *step); /* step->device is the new one afterwards */
int shape_destroy(Step *step);
