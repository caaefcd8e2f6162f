/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The journal, or standard error where there is none. Text is one line; callers escape what others
 * said.
 */

#include "daemon/util/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <syslog.h>

/* What a line is about: fields of the journal entry. 0 and NULL leave a field out. */
typedef struct LogContext {
        const char *message_id; /* 128 bits in hex, with an entry in daxd.catalog */
        uint64_t job;
        const uint32_t *region;
        const char *const *devices; /* a field each */
        size_t n_devices;
        const uid_t *uid;
} LogContext;

#define LOG_MESSAGE_ROLLBACK_FAILED "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e01"
#define LOG_MESSAGE_ROLLED_BACK "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e02"
#define LOG_MESSAGE_COMMITTED "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e03"
#define LOG_MESSAGE_LEAKED "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e04"
#define LOG_MESSAGE_LAYOUT_FAILED "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e05"
#define LOG_MESSAGE_SET_ASIDE "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e06"
#define LOG_MESSAGE_LAYOUT_APPLIED "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e08"
#define LOG_MESSAGE_STATE_FILE "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e09"
#define LOG_MESSAGE_NO_BUS "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e0a"
#define LOG_MESSAGE_UNREAD "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e0b"
#define LOG_MESSAGE_NOT_RESTORED "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e0c"
#define LOG_MESSAGE_WAITS "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e0d"
#define LOG_MESSAGE_REGION_GONE "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e0e"

void log_line(int priority, const LogContext *context, const char *format, ...) _printf_(3, 4);

#define log_debug(...) log_line(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERR, NULL, __VA_ARGS__)

/*
 * How much is said, and where, of the whole process: by the words of
 * org.freedesktop.LogControl1(5). Setting returns false for what cannot be had. The level is that
 * of libc, debug until it is set.
 */
const char *log_level(void);
bool log_set_level(const char *level);
/* "journal" or "console", by the environment variable JOURNAL_STREAM. */
const char *log_target(void);
bool log_set_target(const char *target);
