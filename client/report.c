/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What daxdctl tells people on stderr, and what it prints on stdout.
 */

#include "client/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/cleanup.h"
#include "client/text.h"

__attribute__((__format__(__printf__, 3, 0))) static void print_escaped(FILE *file,
                                                                        const char *prefix,
                                                                        const char *format,
                                                                        va_list arguments) {
        _cleanup_free_ char *message = NULL, *escaped = NULL;

        if (vasprintf(&message, format, arguments) < 0) {
                message = NULL;
                fprintf(file, "%sout of memory\n", prefix);
                return;
        }

        escaped = text_escape(message);
        fprintf(file, "%s%s\n", prefix, escaped ? escaped : "out of memory");
}

void report(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print_escaped(stderr, "daxdctl: ", format, arguments);
        va_end(arguments);
}

int report_oom(void) {
        report("out of memory");
        return -ENOMEM;
}

void say(const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        print_escaped(stdout, "", format, arguments);
        va_end(arguments);
}

static int print_json(json_object *value, int style) {
        _cleanup_free_ char *escaped = NULL;
        const char *text;

        text = json_object_to_json_string_ext(value, style | JSON_C_TO_STRING_NOSLASHESCAPE);
        if (!text)
                return report_oom();
        escaped = text_escape_json(text);
        if (!escaped)
                return report_oom();

        puts(escaped);
        return 0;
}

int say_json(json_object *value) {
        return print_json(value, JSON_C_TO_STRING_PRETTY);
}

int say_json_line(json_object *value) {
        return print_json(value, JSON_C_TO_STRING_PLAIN);
}
