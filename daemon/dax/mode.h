/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Modes of a device, states and zones of memory blocks, and their names: daxctl's words outside,
 * the kernel's drivers' names only here. Modes are an open set: a driver that we do not know is
 * OTHER, which is shown and never touched.
 */

#include <stdbool.h>

typedef enum DaxMode {
        DAX_MODE_NONE,
        DAX_MODE_DEVDAX,
        DAX_MODE_SYSTEM_RAM,
        DAX_MODE_OTHER,
        _DAX_MODE_MAX,
        _DAX_MODE_INVALID = -1,
} DaxMode;

/* What shall become of the memory blocks of a system-ram device; KEEP: as they are. */
typedef enum DaxOnline {
        DAX_ONLINE_KEEP,
        DAX_ONLINE_OFFLINE,
        DAX_ONLINE_MOVABLE,
        DAX_ONLINE_KERNEL,
        _DAX_ONLINE_MAX,
        _DAX_ONLINE_INVALID = -1,
} DaxOnline;

typedef enum DaxBlockState {
        DAX_BLOCK_ABSENT,
        DAX_BLOCK_OFFLINE,
        DAX_BLOCK_MOVABLE,
        DAX_BLOCK_KERNEL, /* online in any other zone */
        _DAX_BLOCK_STATE_MAX,
} DaxBlockState;

const char *dax_mode_name(DaxMode mode);          /* "none", "devdax", "system-ram", "other" */
DaxMode dax_mode_from_name(const char *name);     /* the first three, else _DAX_MODE_INVALID */
const char *dax_mode_driver(DaxMode mode);        /* NULL for NONE and OTHER */
DaxMode dax_mode_from_driver(const char *driver); /* NULL or "" is NONE */
const char *dax_mode_module(DaxMode mode);

const char *dax_online_name(DaxOnline online);          /* "keep", "offline", "movable", "kernel" */
DaxOnline dax_online_from_name(const char *name);       /* never KEEP */
DaxBlockState dax_online_block_state(DaxOnline online); /* not for KEEP */

const char *dax_block_state_name(
        DaxBlockState state);                    /* "absent", "offline", "movable", "kernel" */
int dax_block_state_from_name(const char *name); /* or -EINVAL */
static inline bool dax_block_state_is_online(DaxBlockState state) {
        return state == DAX_BLOCK_MOVABLE || state == DAX_BLOCK_KERNEL;
}
