/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One place that talks to the journal. */

#define SD_JOURNAL_SUPPRESS_LOCATION

#include "daemon/util/log.h"
#include "daemon/util/array.h"
#include "daemon/util/text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
/* The journal takes 1024 fields. */
#define DEVICES_MAX 1000

typedef struct Entry {
        struct iovec *fields; /* each owned */
        size_t count;
} Entry;

static void entry_deinit(Entry *entry) {
        for (size_t i = 0; i < entry->count; i++)
                free(entry->fields[i].iov_base);
        free(entry->fields);
}

static void entry_add(Entry *entry, const char *format, ...) _printf_(2, 3);

static void entry_add(Entry *entry, const char *format, ...) {
        va_list args;
        char *text;
        int r;

        va_start(args, format);
        r = vasprintf(&text, format, args);
        va_end(args);
        if (r < 0) /* a field less is better than no line */
                return;

        if (ARRAY_APPEND(entry->fields, entry->count, ((struct iovec){ text, r })) < 0)
                free(text);
}

static const char *const levels[] = {
        [LOG_EMERG] = "emerg", [LOG_ALERT] = "alert",     [LOG_CRIT] = "crit",
        [LOG_ERR] = "err",     [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info",   [LOG_DEBUG] = "debug",
};

static bool level_is_said(int level) {
        return setlogmask(0) & LOG_MASK(level);
}

const char *log_level(void) {
        int level = LOG_DEBUG;

        while (level > LOG_EMERG && !level_is_said(level))
                level--;
        return levels[level];
}

bool log_set_level(const char *level) {
        for (int i = LOG_EMERG; i <= LOG_DEBUG; i++)
                if (strcmp(levels[i], level) == 0) {
                        (void)setlogmask(LOG_UPTO(i));
                        return true;
                }

        return false;
}

static bool under_journal(void) {
        return getenv("JOURNAL_STREAM") != NULL;
}

const char *log_target(void) {
        return under_journal() ? "journal" : "console";
}

bool log_set_target(const char *target) {
        if (strcmp(target, "console") == 0)
                return unsetenv("JOURNAL_STREAM") == 0;
        return strcmp(target, "journal") == 0 && access(JOURNAL_SOCKET, F_OK) == 0 &&
               setenv("JOURNAL_STREAM", "", 0) == 0;
}

void log_line(int priority, const LogContext *context, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(entry_deinit) Entry entry = {};
        va_list args;

        if (!level_is_said(priority))
                return;

        va_start(args, format);
        text = text_vformat(format, args);
        va_end(args);
        if (!text)
                return;

        if (!under_journal()) {
                fprintf(stderr, "<%d>%s\n", priority, text);
                return;
        }

        entry_add(&entry, "MESSAGE=%s", text);
        entry_add(&entry, "PRIORITY=%d", priority);
        entry_add(&entry, "SYSLOG_IDENTIFIER=daxd");
        if (context && context->message_id)
                entry_add(&entry, "MESSAGE_ID=%s", context->message_id);
        if (context && context->job)
                entry_add(&entry, "DAXD_JOB=%llu", (unsigned long long)context->job);
        if (context && context->region)
                entry_add(&entry, "DAXD_REGION=%" PRIu32, *context->region);
        for (size_t i = 0; context && i < context->n_devices && i < DEVICES_MAX; i++)
                entry_add(&entry, "DAXD_DEVICE=%s", context->devices[i]);
        if (context && context->uid)
                entry_add(&entry, "DAXD_UID=%" PRIu32, *context->uid);

        (void)sd_journal_sendv(entry.fields, (int)entry.count);
}
