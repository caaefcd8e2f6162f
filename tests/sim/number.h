/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers and words as the kernel reads them from what is written to an attribute. */

#include <stdbool.h>
#include <stdint.h>

/*
 * Like kstrtoull(): the whole text but for one newline; base 0 takes 0x and octal. Returns 0,
 * -EINVAL or -ERANGE.
 */
int number_parse(const char *text, unsigned base, uint64_t *ret_value);

/* Like kstrtoint(). */
int number_parse_int(const char *text, int *ret_value);

/* Like kstrtobool(). */
int number_parse_bool(const char *text, bool *ret_value);

/* Like sysfs_streq(): whether they are the same but for a newline at the end. */
bool number_same_word(const char *a, const char *b);
