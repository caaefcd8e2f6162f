/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names that people type: devices, regions, words. Pure: no bus, no output.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct DeviceName {
        uint32_t region;
        uint32_t instance;
} DeviceName;

#define DEVICE_NAME_TEXT_MAX 32

/** device_name_parse() - "dax0.1" or "0.1"; false when @text is not of that form */
bool device_name_parse(const char *text, DeviceName *ret_name);

/** device_name_format() - "dax0.1" */
void device_name_format(const DeviceName *name, char text[static DEVICE_NAME_TEXT_MAX]);

/** region_id_parse() - a region's number; false when @text is none */
bool region_id_parse(const char *text, uint32_t *ret_id);

/**
 * nearest_word() - the one of @words that was probably meant, NULL when none is near
 *
 * The first one that begins with @word, else the one with the fewest letters
 * to change, at most a third of the letters of @word but always two.
 */
const char *nearest_word(const char *word, const char *const *words, size_t n_words);
