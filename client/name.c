/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Names that people type: devices, regions, words.
 */

#include "client/name.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 32

/* The kernel writes no leading zeros, so "dax0.01" is not a device's name. */
static bool number_parse(const char **text, uint32_t *ret_number) {
        const char *p = *text;
        uint64_t number = 0;

        if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
                return false;

        for (; *p >= '0' && *p <= '9'; p++) {
                number = number * 10 + (uint64_t)(*p - '0');
                if (number > UINT32_MAX)
                        return false;
        }

        *text = p;
        *ret_number = (uint32_t)number;
        return true;
}

bool region_id_parse(const char *text, uint32_t *ret_id) {
        uint32_t id;

        if (!number_parse(&text, &id) || *text)
                return false;

        *ret_id = id;
        return true;
}

bool device_name_parse(const char *text, DeviceName *ret_name) {
        DeviceName name;

        if (strncmp(text, "dax", 3) == 0)
                text += 3;
        if (!number_parse(&text, &name.region) || *text != '.')
                return false;
        text++;
        if (!number_parse(&text, &name.instance) || *text)
                return false;

        *ret_name = name;
        return true;
}

void device_name_format(const DeviceName *name, char text[static DEVICE_NAME_TEXT_MAX]) {
        snprintf(text, DEVICE_NAME_TEXT_MAX, "dax%" PRIu32 ".%" PRIu32, name->region,
                 name->instance);
}

static size_t least(size_t a, size_t b, size_t c) {
        size_t ab = a < b ? a : b;

        return ab < c ? ab : c;
}

/* Levenshtein's distance, one row at a time. */
static size_t distance(const char *a, const char *b) {
        size_t row[WORD_MAX + 1], n_a = strlen(a), n_b = strlen(b);

        if (n_a > WORD_MAX || n_b > WORD_MAX)
                return SIZE_MAX;

        for (size_t j = 0; j <= n_b; j++)
                row[j] = j;

        for (size_t i = 1; i <= n_a; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= n_b; j++) {
                        size_t above = row[j], change = a[i - 1] != b[j - 1];

                        row[j] = least(above + 1, row[j - 1] + 1, diagonal + change);
                        diagonal = above;
                }
        }

        return row[n_b];
}

const char *nearest_word(const char *word, const char *const *words, size_t n_words) {
        size_t length = strlen(word), limit = length / 3 > 2 ? length / 3 : 2;
        const char *nearest = NULL;

        if (length == 0)
                return NULL;

        for (size_t i = 0; i < n_words; i++)
                if (strncmp(word, words[i], length) == 0)
                        return words[i];

        for (size_t i = 0; i < n_words; i++) {
                size_t d = distance(word, words[i]);

                /* as many changes as letters is no likeness */
                if (d <= limit && d < length && (!nearest || d < distance(word, nearest)))
                        nearest = words[i];
        }

        return nearest;
}
