/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The options of all verbs: one table for reading, helping and suggesting.
 */

#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/name.h"
#include "client/report.h"

typedef struct OptionInfo {
        uint32_t flag;
        char letter; /* or '\0' */
        const char *name;
        const char *value; /* what its value is called, NULL when it takes none */
        const char *help;
} OptionInfo;

static const OptionInfo option_table[] = {
        { OPTION_REGION, 'r', "region", "ID", "only this region (a number, or all)" },
        { OPTION_DEV, 'd', "dev", "DEV", "only this device (dax0.1, 0.1, a label, or all)" },
        { OPTION_DEVICES, 'D', "devices", NULL, "show devices (the default)" },
        { OPTION_REGIONS, 'R', "regions", NULL, "show regions" },
        { OPTION_MAPPINGS, 'M', "mappings", NULL, "show where devices lie" },
        { OPTION_IDLE, 'i', "idle", NULL, "show devices of size 0, too" },
        { OPTION_SIZE, 's', "size", "SIZE", "size in bytes, or with K M G T" },
        { OPTION_ALIGN, 'a', "align", "SIZE", "alignment in bytes, or with K M G T" },
        { OPTION_MODE, 'm', "mode", "MODE", "devdax or system-ram" },
        { OPTION_NO_ONLINE, 'N', "no-online", NULL, "leave the memory of system-ram offline" },
        { OPTION_NO_MOVABLE, '\0', "no-movable", NULL, "online the memory for the kernel, too" },
        { OPTION_MEMMAP, '\0', "memmap-on-memory", NULL, "keep the memory map on the device" },
        { OPTION_RANGES, '\0', "ranges", "OFFSET:SIZE,...", "exact place in the region" },
        { OPTION_INPUT, '\0', "input", "FILE", "a device as list -M prints it (- for stdin)" },
        { OPTION_LABEL, '\0', "label", "NAME", "lasting name, /dev/dax/by-name/NAME" },
        { OPTION_WIPE, '\0', "wipe", NULL, "zero the memory in any case" },
        { OPTION_NO_WIPE, '\0', "no-wipe", NULL, "do not zero the memory, whoever had it before" },
        { OPTION_FORCE, 'f', "force", NULL, "go on although it is in use or online" },
        { OPTION_EXPECT, '\0', "expect", "DIGEST", "only if this is still the plan" },
        { OPTION_DRY_RUN, '\0', "dry-run", NULL, "show the plan, change nothing" },
        { OPTION_HUMAN, 'u', "human", NULL, "print sizes for people" },
        { OPTION_JSON, '\0', "json", NULL, "print JSON" },
        { OPTION_HELP, 'h', "help", NULL, "show this help" },
        { OPTION_VERSION, '\0', "version", NULL, "show the version" },
};

#define N_OPTIONS (sizeof(option_table) / sizeof(option_table[0]))

/* getopt_long()'s value for the option of a table row */
#define VALUE_BASE 0x100

static const OptionInfo *option_find(int value, char letter) {
        for (size_t i = 0; i < N_OPTIONS; i++)
                if (value == VALUE_BASE + (int)i || (letter && option_table[i].letter == letter))
                        return &option_table[i];

        return NULL;
}

static int parse_region(Options *options, const char *text) {
        options->all_regions = strcmp(text, "all") == 0;
        if (options->all_regions || region_id_parse(text, &options->region))
                return 0;

        report("'%s' is no region: give its number as 'daxdctl list -R' shows it, or all", text);
        return -EINVAL;
}

static int parse_size(uint64_t *size, const OptionInfo *info, const char *text) {
        int r = size_parse(text, size);

        if (r == -ERANGE)
                report("--%s %s does not fit into 64 bits", info->name, text);
        else if (r < 0)
                report("--%s '%s' is no size: give bytes, or a number with K, M, G or T, "
                       "for example 512M",
                       info->name, text);

        return r < 0 ? -EINVAL : 0;
}

static int parse_align(Options *options, const OptionInfo *info, const char *text) {
        int r = parse_size(&options->align, info, text);

        if (r < 0 || options->align > 0)
                return r;

        report("--align must be above 0, for example 2M");
        return -EINVAL;
}

static int parse_mode(Options *options, const char *text) {
        options->mode = text;
        if (strcmp(text, "devdax") == 0 || strcmp(text, "system-ram") == 0)
                return 0;

        report("'%s' is no mode: give devdax or system-ram", text);
        return -EINVAL;
}

static int parse_ranges(Options *options, const char *text) {
        int r;

        free(options->ranges);
        options->ranges = NULL;
        options->n_ranges = 0;

        r = extents_parse(text, &options->ranges, &options->n_ranges);
        if (r == -ENOMEM)
                return report_oom();
        if (r == -ERANGE)
                report("--ranges %s goes beyond 64 bits", text);
        else if (r < 0)
                report("--ranges '%s' is no list of ranges: give OFFSET:SIZE[,OFFSET:SIZE...], "
                       "for example 0:256M,1G:256M",
                       text);

        return r < 0 ? -EINVAL : 0;
}

static int option_store(Options *options, const OptionInfo *info, const char *value) {
        options->given |= info->flag;

        switch (info->flag) {
        case OPTION_REGION:
                return parse_region(options, value);
        case OPTION_SIZE:
                return parse_size(&options->size, info, value);
        case OPTION_ALIGN:
                return parse_align(options, info, value);
        case OPTION_MODE:
                return parse_mode(options, value);
        case OPTION_RANGES:
                return parse_ranges(options, value);
        case OPTION_DEV:
                options->dev = value;
                return 0;
        case OPTION_INPUT:
                options->input = value;
                return 0;
        case OPTION_LABEL:
                options->label = value;
                return 0;
        case OPTION_EXPECT:
                options->expect = value;
                return 0;
        default:
                return 0;
        }
}

/* @given is "--word" or "--word=value". */
static void option_suggest(const char *verb, const char *given, uint32_t accepts) {
        const char *names[N_OPTIONS], *nearest;
        char word[32];
        size_t n = 0;

        for (size_t i = 0; i < N_OPTIONS; i++)
                if (accepts & option_table[i].flag)
                        names[n++] = option_table[i].name;

        snprintf(word, sizeof(word), "%.*s", (int)strcspn(given + 2, "="), given + 2);
        nearest = nearest_word(word, names, n);
        report("%s has no option --%s%s%s%s; see 'daxdctl %s --help'", verb, word,
               nearest ? " (did you mean --" : "", nearest ? nearest : "", nearest ? "?)" : "",
               verb);
}

/* @value is what getopt_long() returned for the option that it did not like. */
static int option_refuse(int value, uint32_t accepts, char *argv[]) {
        const OptionInfo *info = option_find(optopt, (char)(optopt < VALUE_BASE ? optopt : 0));

        if (value == ':' && info)
                report("--%s needs a value; see 'daxdctl %s --help'", info->name, argv[0]);
        else if (info && (accepts & info->flag))
                report("--%s takes no value; see 'daxdctl %s --help'", info->name, argv[0]);
        else if (optopt > 0 && optopt < VALUE_BASE)
                report("%s has no option -%c; see 'daxdctl %s --help'", argv[0], optopt, argv[0]);
        else
                option_suggest(argv[0], argv[optind - 1], accepts);

        return -EINVAL;
}

static int check_contradictions(const Options *options) {
        static const uint32_t contradictions[] = {
                OPTION_WIPE | OPTION_NO_WIPE,
                OPTION_NO_ONLINE | OPTION_NO_MOVABLE,
        };
        const char *names[N_OPTIONS];

        for (size_t i = 0; i < sizeof(contradictions) / sizeof(contradictions[0]); i++) {
                size_t n = 0;

                if ((options->given & contradictions[i]) != contradictions[i])
                        continue;
                for (size_t k = 0; k < N_OPTIONS; k++)
                        if (option_table[k].flag & contradictions[i])
                                names[n++] = option_table[k].name;
                report("--%s and --%s contradict each other: leave one of them out", names[0],
                       names[1]);
                return -EINVAL;
        }

        return 0;
}

int options_parse(Options *options, uint32_t accepts, int argc, char *argv[]) {
        struct option longs[N_OPTIONS + 1] = { 0 };
        char shorts[2 * N_OPTIONS + 2] = ":";
        size_t n_longs = 0, n_shorts = 1;
        int value, r;

        accepts |= OPTION_HELP | OPTION_VERSION;
        for (size_t i = 0; i < N_OPTIONS; i++) {
                const OptionInfo *info = &option_table[i];

                if (!(accepts & info->flag))
                        continue;
                longs[n_longs++] = (struct option){
                        .name = info->name,
                        .has_arg = info->value ? required_argument : no_argument,
                        .val = VALUE_BASE + (int)i,
                };
                if (info->letter)
                        shorts[n_shorts++] = info->letter;
                if (info->letter && info->value)
                        shorts[n_shorts++] = ':';
        }

        while ((value = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
                if (value == '?' || value == ':')
                        return option_refuse(value, accepts, argv);
                r = option_store(options,
                                 option_find(value, (char)(value < VALUE_BASE ? value : 0)),
                                 optarg);
                if (r < 0)
                        return r;
        }

        options->args = argv + optind;
        options->n_args = (size_t)(argc - optind);
        return check_contradictions(options);
}

void options_deinit(Options *options) {
        free(options->ranges);
        options->ranges = NULL;
}

int options_check_mode(const Options *options, const char *mode) {
        if (!mode || strcmp(mode, "system-ram") == 0)
                return 0;

        for (size_t i = 0; i < N_OPTIONS; i++) {
                const OptionInfo *info = &option_table[i];
                uint32_t memory = OPTION_NO_ONLINE | OPTION_NO_MOVABLE | OPTION_MEMMAP;

                if (!(info->flag & memory & options->given))
                        continue;
                report("--%s is for system-ram, not for %s", info->name, mode);
                return -EINVAL;
        }

        return 0;
}

const char *options_online_policy(const Options *options) {
        if (options_has(options, OPTION_NO_ONLINE))
                return "offline";

        return options_has(options, OPTION_NO_MOVABLE) ? "kernel" : "movable";
}

void options_print_help(uint32_t accepts) {
        accepts |= OPTION_HELP | OPTION_VERSION;

        for (size_t i = 0; i < N_OPTIONS; i++) {
                const OptionInfo *info = &option_table[i];
                char words[40], letter[] = { '-', info->letter, ',', '\0' };

                if (!(accepts & info->flag))
                        continue;
                snprintf(words, sizeof(words), "%-3s --%s%s%s", info->letter ? letter : "",
                         info->name, info->value ? " " : "", info->value ? info->value : "");
                printf("  %-30s %s\n", words, info->help);
        }
}
