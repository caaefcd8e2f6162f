/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes and lists of ranges in daxd's JSON files: [[offset, size], ...]. */

#include "daemon/dax/range.h"
#include "daemon/util/json.h"

/* JsonReads. uint64_t *: a number, or a string that text_parse_size() reads. */
int layout_read_bytes(const JsonValue *value, void *target);
/* DaxRanges *, appended to: at least one range, each above 0 and ending below 2^64. */
int layout_read_ranges(const JsonValue *value, void *target);

/* Adds @ranges as "ranges" to @object. Returns 0 or -ENOMEM. */
int layout_add_ranges(json_object *object, const DaxRanges *ranges);
