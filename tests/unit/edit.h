/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changing a device of a picture, in one line. */

#include "daemon/dax/region.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline DaxDevice *edit_device(DaxRegion *region, const DaxDevice *device) {
        DaxDevice *edited;

        assert_non_null(device);
        assert_int_equal(dax_region_edit(region, device, &edited), 0);
        return edited;
}

static inline DaxDevice *edit(DaxRegion *region, const char *name) {
        return edit_device(region, dax_region_find(region, name));
}
