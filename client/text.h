/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Text that others wrote, made harmless for a terminal. Pure: no bus, no output.
 */

#include <stdbool.h>
#include <stddef.h>

/**
 * text_escape() - control, bidirectional and invisible characters as \uXXXX
 * @text: anything; bytes that are no UTF-8 become \xXX
 *
 * Newlines and tabs too. Returns a string to free, NULL when out of memory.
 */
char *text_escape(const char *text);

/**
 * text_escape_json() - the same for serialized JSON: newlines are layout and stay
 *
 * Such characters occur only inside of JSON strings, so the result is the same JSON.
 */
char *text_escape_json(const char *text);

/** text_fit() - cut valid UTF-8 @text to @n_columns characters, in place */
void text_fit(char *text, size_t n_columns);
