/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of modes, of online policies and of block states. The one place that knows driver names. */

#include "daemon/dax/mode.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"

#include <errno.h>

static const struct {
        const char *name;
        const char *driver;
        const char *module;
} modes[_DAX_MODE_MAX] = {
        [DAX_MODE_NONE] = { "none", NULL, NULL },
        [DAX_MODE_DEVDAX] = { "devdax", "device_dax", "device_dax" },
        [DAX_MODE_SYSTEM_RAM] = { "system-ram", "kmem", "kmem" },
        [DAX_MODE_OTHER] = { "other", NULL, NULL },
};

static const char *const online_names[_DAX_ONLINE_MAX] = {
        [DAX_ONLINE_KEEP] = "keep",
        [DAX_ONLINE_OFFLINE] = "offline",
        [DAX_ONLINE_MOVABLE] = "movable",
        [DAX_ONLINE_KERNEL] = "kernel",
};

static const char *const block_state_names[_DAX_BLOCK_STATE_MAX] = {
        [DAX_BLOCK_ABSENT] = "absent",
        [DAX_BLOCK_OFFLINE] = "offline",
        [DAX_BLOCK_MOVABLE] = "movable",
        [DAX_BLOCK_KERNEL] = "kernel",
};

const char *dax_mode_name(DaxMode mode) {
        return modes[mode].name;
}

DaxMode dax_mode_from_name(const char *name) {
        for (DaxMode mode = 0; mode < DAX_MODE_OTHER; mode++)
                if (text_equal(name, modes[mode].name))
                        return mode;

        return _DAX_MODE_INVALID;
}

const char *dax_mode_driver(DaxMode mode) {
        return modes[mode].driver;
}

DaxMode dax_mode_from_driver(const char *driver) {
        if (!driver || driver[0] == '\0')
                return DAX_MODE_NONE;

        for (DaxMode mode = 0; mode < _DAX_MODE_MAX; mode++)
                if (text_equal(driver, modes[mode].driver))
                        return mode;

        return DAX_MODE_OTHER;
}

const char *dax_mode_module(DaxMode mode) {
        return modes[mode].module;
}

const char *dax_online_name(DaxOnline online) {
        return online_names[online];
}

DaxOnline dax_online_from_name(const char *name) {
        for (DaxOnline online = DAX_ONLINE_OFFLINE; online < _DAX_ONLINE_MAX; online++)
                if (text_equal(name, online_names[online]))
                        return online;

        return _DAX_ONLINE_INVALID;
}

DaxBlockState dax_online_block_state(DaxOnline online) {
        switch (online) {
        case DAX_ONLINE_MOVABLE:
                return DAX_BLOCK_MOVABLE;
        case DAX_ONLINE_KERNEL:
                return DAX_BLOCK_KERNEL;
        case DAX_ONLINE_KEEP:
        case DAX_ONLINE_OFFLINE:
        case _DAX_ONLINE_MAX:
        case _DAX_ONLINE_INVALID:
                break;
        }

        return DAX_BLOCK_OFFLINE;
}

const char *dax_block_state_name(DaxBlockState state) {
        return block_state_names[state];
}

int dax_block_state_from_name(const char *name) {
        for (size_t i = 0; i < ELEMENTS(block_state_names); i++)
                if (text_equal(name, block_state_names[i]))
                        return i;

        return -EINVAL;
}
