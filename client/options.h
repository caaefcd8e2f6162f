/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The options of all verbs, read once from the command line and then only read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/units.h"

/* One bit each: a verb names the ones it takes, Options.given the ones that were given. */
typedef enum OptionFlag {
        OPTION_REGION = 1 << 0,
        OPTION_DEV = 1 << 1,
        OPTION_DEVICES = 1 << 2,
        OPTION_REGIONS = 1 << 3,
        OPTION_MAPPINGS = 1 << 4,
        OPTION_IDLE = 1 << 5,
        OPTION_HUMAN = 1 << 6,
        OPTION_SIZE = 1 << 7,
        OPTION_ALIGN = 1 << 8,
        OPTION_MODE = 1 << 9,
        OPTION_INPUT = 1 << 10,
        OPTION_FORCE = 1 << 11,
        OPTION_NO_ONLINE = 1 << 12,
        OPTION_NO_MOVABLE = 1 << 13,
        OPTION_LABEL = 1 << 14,
        OPTION_RANGES = 1 << 15,
        OPTION_MEMMAP = 1 << 16,
        OPTION_WIPE = 1 << 17,
        OPTION_NO_WIPE = 1 << 18,
        OPTION_EXPECT = 1 << 20,
        OPTION_DRY_RUN = 1 << 21,
        OPTION_JSON = 1 << 22,
        OPTION_HELP = 1 << 23,
        OPTION_VERSION = 1 << 24,
} OptionFlag;

typedef struct Options {
        uint32_t given;   /* OptionFlag bits */
        bool all_regions; /* -r was not given, or is "all" */
        uint32_t region;  /* otherwise */
        uint64_t size;    /* bytes */
        uint64_t align;   /* bytes */
        Extent *ranges;   /* owned */
        size_t n_ranges;
        const char *dev, *mode, *input, *label, *expect; /* borrowed from argv */
        char **args; /* what is not an option, borrowed from argv */
        size_t n_args;
} Options;

#define OPTIONS_INIT                                                                               \
        { .all_regions = true }

/**
 * options_parse() - read a verb's command line
 * @accepts: the OptionFlag bits that the verb takes, --help and --version come with them
 *
 * Tells of its failure. Returns 0, -EINVAL or -ENOMEM.
 */
int options_parse(Options *options, uint32_t accepts, int argc, char *argv[]);

void options_deinit(Options *options);

static inline bool options_has(const Options *options, uint32_t flags) {
        return options->given & flags;
}

/**
 * options_check_mode() - the options on memory belong to system-ram
 * @mode: the wanted mode, NULL when it stays
 *
 * Tells of its failure. Returns 0 or -EINVAL.
 */
int options_check_mode(const Options *options, const char *mode);

/** options_online_policy() - movable | kernel | offline */
const char *options_online_policy(const Options *options);

/** options_print_help() - the lines on the options of a verb, on stdout */
void options_print_help(uint32_t accepts);
