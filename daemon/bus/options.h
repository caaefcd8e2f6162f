/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The a{sv} at the end of every method: known keys only, each once, each of its type. */

#include "daemon/dax/device.h"
#include "daemon/util/failure.h"

#include <systemd/sd-bus.h>

typedef enum OptionKey {
        OPTION_TAG,
        OPTION_INCARNATION,
        OPTION_FORCE,
        OPTION_ALL,
        OPTION_SIZE,
        OPTION_ALIGN,
        OPTION_MODE,
        OPTION_ONLINE,
        OPTION_MEMMAP_ON_MEMORY,
        OPTION_RANGES,
        OPTION_LABEL,
        OPTION_WIPE,
        OPTION_EXPECT,
        OPTION_DRY_RUN,
        _OPTION_MAX,
} OptionKey;

typedef struct Options {
        unsigned present; /* 1 << OptionKey */
        char *tag, *label, *expect;
        uint64_t incarnation, size, align;
        bool force, all, memmap_on_memory, wipe, dry_run;
        DaxMode mode;
        DaxOnline online;
        DaxRanges ranges;
} Options;

/* Which options a method takes: bits of 1 << OptionKey. */
typedef unsigned OptionSpec;

#define OPTION(key) (1u << OPTION_##key)
/* What every method that changes devices takes. */
#define CHANGE_OPTIONS (OPTION(TAG) | OPTION(INCARNATION) | OPTION(FORCE))

static inline bool options_have(const Options *options, OptionKey key) {
        return options->present & (1u << key);
}

const char *option_name(OptionKey key);
/*
 * Reads the dictionary. 0, INVALID_ARGS or the option's own Condition with its sentence, or an
 * errno.
 */
int options_read(sd_bus_message *message, OptionSpec allowed, Options *ret_options,
                 Failure *failure);
void options_deinit(Options *options);
