/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers and names in text. Nothing here looks at the locale. */

#include "daemon/util/cleanup.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABEL_MAX 63

/*
 * Reads a whole string as a number: decimal, or hexadecimal with 0x. No sign, no space.
 * Returns 0, -EINVAL (no number) or -ERANGE (above 2^64 - 1).
 */
int text_parse_u64(const char *text, uint64_t *ret_value);
int text_parse_hex(const char *text, uint64_t *ret_value); /* the same, hexadecimal without 0x */
int text_parse_u32(const char *text, uint32_t *ret_value);

/*
 * Reads a size: a number as above, or decimal with K, M, G or T (powers of 1024). The same errors.
 */
int text_parse_size(const char *text, uint64_t *ret_bytes);

/* Reads "dax<region>.<instance>". Returns 0 or -EINVAL. */
int text_parse_device_name(const char *text, uint32_t *ret_region, uint32_t *ret_instance);

/*
 * Whether @text may be a label: [a-z0-9][a-z0-9._-]{0,62}, nothing that reads as a device or "all".
 */
bool text_is_label(const char *text);

/* Whether @text may name a user or group where udev reads it: of a-z, 0-9, '_' and '-'. */
bool text_is_account(const char *text);

/* FNV-1a, from TEXT_HASH_INIT on: where nobody gains by a collision. */
#define TEXT_HASH_INIT UINT64_C(0xcbf29ce484222325)
uint64_t text_hash(uint64_t hash, const void *data, size_t size);

bool text_equal(const char *a, const char *b); /* NULL equals only NULL */

/*
 * Copies @text with everything that a terminal or journal could take for more than text written as
 * \xHH: control characters, bytes that are no valid UTF-8, marks of direction. At most @max bytes
 * of @text are shown, then "...". NULL when out of memory.
 */
char *text_escape(const char *text, size_t max);

/* As vprintf(3) would print it. NULL when out of memory. */
_printf_(1, 0) char *text_vformat(const char *format, va_list args);

/*
 * Writes @bytes with the largest of the units GiB, MiB, KiB that divides it, else as bytes.
 * Returns @buffer.
 */
typedef struct SizeText {
        char text[32];
} SizeText;
SizeText text_size(uint64_t bytes);

/* The errno's name, "EBUSY", or "E?" for an unknown one. */
const char *text_errno(int error);
