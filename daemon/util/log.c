/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One place that talks to the journal. */

#define SD_JOURNAL_SUPPRESS_LOCATION

#include "daemon/util/log.h"
#include "daemon/util/array.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

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

static int under_journal(void) {
        return getenv("JOURNAL_STREAM") != NULL;
}

void log_line(int priority, const LogContext *context, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        _cleanup_(entry_deinit) Entry entry = {};
        va_list args;
        int r;

        va_start(args, format);
        r = vasprintf(&text, format, args);
        va_end(args);
        if (r < 0) {
                text = NULL;
                return;
        }

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
                entry_add(&entry, "DAXD_REGION=%s", context->region);
        for (size_t i = 0; context && i < context->n_devices && i < DEVICES_MAX; i++)
                entry_add(&entry, "DAXD_DEVICE=%s", context->devices[i]);
        if (context && context->uid)
                entry_add(&entry, "DAXD_UID=%s", context->uid);

        (void)sd_journal_sendv(entry.fields, (int)entry.count);
}
