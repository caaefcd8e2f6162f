/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxdctl: the command line of daxd. This file has the table of verbs, their
 * help, and the way from argv to a verb; it knows nothing of what they do.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cleanup.h"
#include "client/name.h"
#include "client/report.h"
#include "client/verbs.h"

#define OPTIONS_DEVICE (OPTION_REGION | OPTION_FORCE | OPTION_HUMAN)
#define OPTIONS_SHAPE                                                                              \
        (OPTION_SIZE | OPTION_ALIGN | OPTION_MODE | OPTION_NO_ONLINE | OPTION_NO_MOVABLE |         \
         OPTION_MEMMAP | OPTION_RANGES | OPTION_INPUT | OPTION_WIPE | OPTION_NO_WIPE)

typedef struct Verb {
        const char *name;
        const char *argument; /* what stands besides options, NULL when nothing does */
        bool many;            /* more than one argument may be given */
        const char *help;
        uint32_t accepts; /* OptionFlag bits */
        int (*run)(const Options *options);
} Verb;

static const Verb verbs[] = {
        {
                .name = "list",
                .help = "show devices and regions as JSON",
                .accepts = OPTION_REGION | OPTION_DEV | OPTION_DEVICES | OPTION_REGIONS |
                           OPTION_MAPPINGS | OPTION_IDLE | OPTION_HUMAN,
                .run = verb_list,
        },
        {
                .name = "plan",
                .argument = "FILE",
                .help = "show what a layout file would change",
                .accepts = OPTION_FORCE | OPTION_JSON,
                .run = verb_plan,
        },
        {
                .name = "apply",
                .argument = "FILE",
                .help = "make a region as a layout file says",
                .accepts = OPTION_EXPECT | OPTION_DRY_RUN | OPTION_FORCE | OPTION_JSON,
                .run = verb_apply,
        },
        {
                .name = "monitor",
                .help = "print changes as they happen",
                .accepts = OPTION_JSON,
                .run = verb_monitor,
        },
        {
                .name = "create-device",
                .help = "make a device out of available memory, all of it without --size",
                .accepts = OPTIONS_DEVICE | OPTIONS_SHAPE | OPTION_LABEL,
                .run = verb_create_device,
        },
        {
                .name = "destroy-device",
                .argument = "DEV",
                .many = true,
                .help = "give a device's memory back to its region",
                .accepts = OPTIONS_DEVICE,
                .run = verb_destroy_device,
        },
        {
                .name = "reconfigure-device",
                .argument = "DEV",
                .many = true,
                .help = "change size, alignment, mode or place of a device",
                .accepts = OPTIONS_DEVICE | OPTIONS_SHAPE,
                .run = verb_reconfigure_device,
        },
        {
                .name = "online-memory",
                .argument = "DEV",
                .many = true,
                .help = "let the system use a system-ram device's memory",
                .accepts = OPTIONS_DEVICE | OPTION_NO_MOVABLE,
                .run = verb_online_memory,
        },
        {
                .name = "offline-memory",
                .argument = "DEV",
                .many = true,
                .help = "take a system-ram device's memory out of use",
                .accepts = OPTIONS_DEVICE,
                .run = verb_offline_memory,
        },
        {
                .name = "enable-device",
                .argument = "DEV",
                .many = true,
                .help = "put a disabled device into devdax mode",
                .accepts = OPTIONS_DEVICE,
                .run = verb_enable_device,
        },
        {
                .name = "disable-device",
                .argument = "DEV",
                .many = true,
                .help = "make a device unusable, keeping its memory",
                .accepts = OPTIONS_DEVICE,
                .run = verb_disable_device,
        },
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(FILE *file) {
        fputs("daxdctl VERB [OPTION...]\n\n"
              "Split the device-dax regions of this machine through daxd.\n\n",
              file);
        for (size_t i = 0; i < N_VERBS; i++)
                fprintf(file, "  %-20s %s\n", verbs[i].name, verbs[i].help);
        fputs("\n'daxdctl VERB --help' shows the options of a verb, 'man daxdctl' has examples.\n",
              file);
}

static void print_verb_help(const Verb *verb) {
        printf("daxdctl %s%s%s%s [OPTION...]\n\n%c%s.\n\n", verb->name, verb->argument ? " " : "",
               verb->argument ? verb->argument : "", verb->many ? "..." : "",
               verb->help[0] - 'a' + 'A', verb->help + 1);
        if (verb->many)
                puts("DEV is a device as in dax0.1 or 0.1, a label, or all.\n");
        options_print_help(verb->accepts);
}

static void print_version(void) {
        puts("daxdctl " DAXD_VERSION);
}

static const Verb *verb_find(const char *name) {
        for (size_t i = 0; i < N_VERBS; i++)
                if (strcmp(verbs[i].name, name) == 0)
                        return &verbs[i];

        return NULL;
}

static int verb_refuse(const char *word) {
        const char *names[N_VERBS], *nearest;

        for (size_t i = 0; i < N_VERBS; i++)
                names[i] = verbs[i].name;

        nearest = nearest_word(word, names, N_VERBS);
        if (nearest)
                report("there is no verb '%s'; did you mean %s?", word, nearest);
        else
                report("there is no verb '%s'; see 'daxdctl --help'", word);

        return EXIT_USAGE;
}

static bool verb_check_arguments(const Verb *verb, const Options *options) {
        size_t least = verb->argument ? 1 : 0, most = verb->many ? SIZE_MAX : least;

        if (options->n_args < least)
                report("%s needs %s; see 'daxdctl %s --help'", verb->name,
                       verb->many ? "a device, or all" : "a file", verb->name);
        else if (options->n_args > most && (verb->accepts & OPTION_DEV))
                report("'%s' is one too many for %s; for one device give -d %s",
                       options->args[most], verb->name, options->args[most]);
        else if (options->n_args > most)
                report("'%s' is one too many for %s; see 'daxdctl %s --help'", options->args[most],
                       verb->name, verb->name);
        else
                return true;

        return false;
}

static int verb_run(const Verb *verb, int argc, char *argv[]) {
        _cleanup_(options_deinit) Options options = OPTIONS_INIT;

        if (options_parse(&options, verb->accepts, argc, argv) < 0)
                return EXIT_USAGE;

        if (options_has(&options, OPTION_HELP)) {
                print_verb_help(verb);
                return EXIT_SUCCESS;
        }
        if (options_has(&options, OPTION_VERSION)) {
                print_version();
                return EXIT_SUCCESS;
        }

        return verb_check_arguments(verb, &options) ? verb->run(&options) : EXIT_USAGE;
}

/* What was printed must have arrived: a full disk is a failure. */
static int finish(int status) {
        if (fflush(stdout) == 0 && !ferror(stdout))
                return status;

        report("cannot write the output");
        return status == EXIT_SUCCESS ? EXIT_REFUSED : status;
}

int main(int argc, char *argv[]) {
        const char *word = argc > 1 ? argv[1] : NULL;
        const Verb *verb;

        if (!word) {
                print_help(stderr);
                return EXIT_USAGE;
        }
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
                print_help(stdout);
                return finish(EXIT_SUCCESS);
        }
        if (strcmp(word, "--version") == 0) {
                print_version();
                return finish(EXIT_SUCCESS);
        }

        verb = verb_find(word);
        return verb ? finish(verb_run(verb, argc - 1, argv + 1)) : verb_refuse(word);
}
