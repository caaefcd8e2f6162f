/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options of methods. */

#include "daemon/bus/options.h"

#include <string.h>

#define TEXT_MAX 256 /* of a tag, a label, a digest: nothing longer can be meant */

static const struct {
        const char *name;
        const char *type;
} specs[_OPTION_MAX] = {
        [OPTION_TAG] = { "tag", "s" },
        [OPTION_INCARNATION] = { "incarnation", "t" },
        [OPTION_FORCE] = { "force", "b" },
        [OPTION_ALL] = { "all", "b" },
        [OPTION_SIZE] = { "size", "t" },
        [OPTION_ALIGN] = { "align", "t" },
        [OPTION_MODE] = { "mode", "s" },
        [OPTION_ONLINE] = { "online", "s" },
        [OPTION_MEMMAP_ON_MEMORY] = { "memmap-on-memory", "b" },
        [OPTION_RANGES] = { "ranges", "a(tt)" },
        [OPTION_LABEL] = { "label", "s" },
        [OPTION_WIPE] = { "wipe", "b" },
        [OPTION_EXPECT] = { "expect", "s" },
        [OPTION_DRY_RUN] = { "dry-run", "b" },
};

const char *option_name(OptionKey key) {
        return specs[key].name;
}

void options_deinit(Options *options) {
        free(options->tag);
        free(options->label);
        free(options->expect);
        dax_ranges_deinit(&options->ranges);
        *options = (Options){};
}

static OptionKey option_find(const char *name, OptionSpec allowed) {
        for (OptionKey key = 0; key < _OPTION_MAX; key++)
                if ((allowed & (1u << key)) && strcmp(specs[key].name, name) == 0)
                        return key;

        return _OPTION_MAX;
}

static int refuse_text(OptionKey key, const char *text, Condition condition, const char *use,
                       Failure *failure) {
        _cleanup_free_ char *shown = text_escape(text, 64);

        if (!shown)
                return -ENOMEM;
        return failure_set(failure, condition, "cannot take the %s '%s': %s", specs[key].name,
                           shown, use);
}

static int take_text(OptionKey key, const char *text, char **target, Failure *failure) {
        if (strlen(text) > TEXT_MAX)
                return refuse_text(key, text, CONDITION_INVALID_ARGS, "it is longer than 256 bytes",
                                   failure);
        *target = strdup(text);
        return *target ? 0 : -ENOMEM;
}

static int take_string(OptionKey key, const char *text, Options *options, Failure *failure) {
        switch (key) {
        case OPTION_TAG:
                return take_text(key, text, &options->tag, failure);
        case OPTION_EXPECT:
                return take_text(key, text, &options->expect, failure);
        case OPTION_LABEL:
                if (text[0] != '\0' && !text_is_label(text))
                        return refuse_text(key, text, CONDITION_INVALID_LABEL,
                                           "use up to 63 of a-z, 0-9, '.', '_' and '-', beginning "
                                           "with a letter or digit, and nothing that reads as a "
                                           "device's name or 'all'",
                                           failure);
                return take_text(key, text, &options->label, failure);
        case OPTION_MODE:
                options->mode = dax_mode_from_name(text);
                return options->mode != _DAX_MODE_INVALID ?
                               0 :
                               refuse_text(key, text, CONDITION_INVALID_MODE,
                                           "use devdax, system-ram or none", failure);
        case OPTION_ONLINE:
                options->online = dax_online_from_name(text);
                return options->online != _DAX_ONLINE_INVALID ?
                               0 :
                               refuse_text(key, text, CONDITION_INVALID_MODE,
                                           "use movable, kernel or offline", failure);
        case OPTION_INCARNATION:
        case OPTION_FORCE:
        case OPTION_ALL:
        case OPTION_SIZE:
        case OPTION_ALIGN:
        case OPTION_MEMMAP_ON_MEMORY:
        case OPTION_RANGES:
        case OPTION_WIPE:
        case OPTION_DRY_RUN:
        case _OPTION_MAX:
                break;
        }

        return -EINVAL;
}

static bool *bool_target(Options *options, OptionKey key) {
        return key == OPTION_FORCE   ? &options->force :
               key == OPTION_ALL     ? &options->all :
               key == OPTION_WIPE    ? &options->wipe :
               key == OPTION_DRY_RUN ? &options->dry_run :
                                       &options->memmap_on_memory;
}

static int read_ranges(sd_bus_message *message, Options *options, Failure *failure) {
        uint64_t offset, size;
        int r;

        r = sd_bus_message_enter_container(message, 'a', "(tt)");
        while (r >= 0 && (r = sd_bus_message_read(message, "(tt)", &offset, &size)) > 0) {
                if (size == 0 || offset > UINT64_MAX - size)
                        return failure_set(failure, CONDITION_INVALID_RANGE,
                                           "cannot take the range %llu+%llu: give an offset in the "
                                           "region and a size above 0",
                                           (unsigned long long)offset, (unsigned long long)size);
                for (size_t i = 0; i < options->ranges.count; i++) {
                        DaxRange other = options->ranges.list[i];

                        if (!dax_range_overlaps(other, (DaxRange){ offset, size }))
                                continue;
                        return failure_set(failure, CONDITION_INVALID_RANGE,
                                           "cannot take the range %llu+%llu: it overlaps the range "
                                           "%llu+%llu; give ranges that do not",
                                           (unsigned long long)offset, (unsigned long long)size,
                                           (unsigned long long)other.offset,
                                           (unsigned long long)other.size);
                }
                if (options->ranges.count >= 1024)
                        return failure_set(failure, CONDITION_INVALID_RANGE,
                                           "cannot take more than 1024 ranges: give fewer, larger "
                                           "ones");
                r = dax_ranges_append(&options->ranges, (DaxRange){ offset, size });
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 0;
}

static int read_value(sd_bus_message *message, OptionKey key, Options *options, Failure *failure) {
        const char *type = specs[key].type, *text;
        uint64_t *number = key == OPTION_SIZE  ? &options->size :
                           key == OPTION_ALIGN ? &options->align :
                                                 &options->incarnation;
        int r, yes; /* sd-bus booleans are int */

        switch (type[0]) {
        case 's':
                r = sd_bus_message_read(message, "s", &text);
                return r < 0 ? r : take_string(key, text, options, failure);
        case 't':
                r = sd_bus_message_read(message, "t", number);
                return r < 0 ? r : 0;
        case 'b':
                r = sd_bus_message_read(message, "b", &yes);
                if (r < 0)
                        return r;
                *bool_target(options, key) = yes;
                return 0;
        default:
                return read_ranges(message, options, failure);
        }
}

static int read_entry(sd_bus_message *message, OptionSpec allowed, Options *options,
                      Failure *failure) {
        _cleanup_free_ char *shown = NULL;
        const char *name, *contents;
        OptionKey key;
        char type;
        int r;

        r = sd_bus_message_read(message, "s", &name);
        if (r < 0)
                return r;
        shown = text_escape(name, 64);
        if (!shown)
                return -ENOMEM;

        key = option_find(name, allowed);
        if (key == _OPTION_MAX)
                return failure_set(failure, CONDITION_INVALID_ARGS,
                                   "there is no option '%s' here; the Manager's Features lists "
                                   "what there is",
                                   shown);
        if (options_have(options, key))
                return failure_set(failure, CONDITION_INVALID_ARGS,
                                   "the option '%s' is given twice", shown);

        r = sd_bus_message_peek_type(message, &type, &contents);
        if (r < 0)
                return r;
        if (strcmp(contents, specs[key].type) != 0)
                return failure_set(failure, CONDITION_INVALID_ARGS,
                                   "the option '%s' has the type %s, not %s", shown,
                                   specs[key].type, contents);

        r = sd_bus_message_enter_container(message, 'v', contents);
        if (r >= 0)
                r = read_value(message, key, options, failure);
        if (r != 0)
                return r;
        options->present |= 1u << key;
        r = sd_bus_message_exit_container(message);
        return r < 0 ? r : 0;
}

int options_read(sd_bus_message *message, OptionSpec allowed, Options *ret_options,
                 Failure *failure) {
        _cleanup_(options_deinit) Options options = {};
        int r;

        r = sd_bus_message_enter_container(message, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(message, 'e', "sv")) > 0) {
                r = read_entry(message, allowed, &options, failure);
                if (r != 0)
                        return r;
                r = sd_bus_message_exit_container(message);
                if (r < 0)
                        return r;
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(message);
        if (r < 0)
                return r;

        *ret_options = options;
        options = (Options){};
        return 0;
}
