/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two halves of the bus, dax.c and driver.c, share. */

#include "tests/sim/dax.h"

struct Dax {
        const DaxListener *listener;
        Region *regions;
        Device *first, *last;
        Device **minors;
        size_t n_minors, lowest_minor;
        unsigned n_open;
        char (*ids[_DRIVER_MAX])[DEVICE_NAME_MAX]; /* new_id */
        size_t n_ids[_DRIVER_MAX];
};

/* Takes the driver from a device; what it leaks is leaked. */
void driver_detach(World *world, const Write *write, Device *device);
