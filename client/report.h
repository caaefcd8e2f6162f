/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What daxdctl tells people on stderr, and the JSON it prints on stdout.
 * Everything is escaped here (client/text.h), so callers need not.
 *
 * Who may tell: each function that says so in its header tells of its own
 * failure, once, and returns a negative errno; its callers only hand that up.
 */

#include <json-c/json.h>

enum {
        EXIT_REFUSED = 1,       /* something was not done */
        EXIT_USAGE = 2,         /* the command line made no sense */
        EXIT_INTERRUPTED = 130, /* Ctrl-C, as shells say it */
};

/** report() - "daxdctl: <message>" on stderr */
void report(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/** report_oom() - tell that there is no memory, return -ENOMEM */
int report_oom(void);

/** say() - one line on stdout */
void say(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));

/** say_json() - pretty on stdout; tells of its failure */
int say_json(json_object *value);

/** say_json_line() - on one line of stdout; tells of its failure */
int say_json_line(json_object *value);
