/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Text that others wrote (labels, messages of errors, names of steps), made
 * harmless for a terminal: no control character, no escape sequence, nothing
 * that reorders or hides what stands beside it.
 */

#include "client/text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ESCAPE_MAX sizeof("\\uXXXX")

/* Returns the bytes taken, 0 when @text does not begin with valid UTF-8. */
static size_t utf8_decode(const unsigned char *text, uint32_t *ret_char) {
        static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t c = text[0];
        size_t n;

        if (c < 0x80)
                n = 1;
        else if (c >> 5 == 0x06)
                n = 2;
        else if (c >> 4 == 0x0e)
                n = 3;
        else if (c >> 3 == 0x1e)
                n = 4;
        else
                return 0;

        if (n > 1)
                c &= 0x7fU >> n;
        for (size_t i = 1; i < n; i++) {
                if (text[i] >> 6 != 0x02)
                        return 0;
                c = c << 6 | (text[i] & 0x3fU);
        }

        if (c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;

        *ret_char = c;
        return n;
}

static bool char_is_harmful(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x061c || c == 0xfeff ||
               (c >= 0x200b && c <= 0x200f) || /* zero width, direction marks */
               (c >= 0x2028 && c <= 0x202e) || /* line separators, embeddings, overrides */
               (c >= 0x2060 && c <= 0x206f) || /* isolates, invisible operators */
               (c >= 0xfff9 && c <= 0xfffb);
}

static char *escape(const char *text, const char *harmless) {
        const unsigned char *p = (const unsigned char *)text;
        size_t length = strlen(text), used = 0;
        char *escaped;

        if (length > SIZE_MAX / ESCAPE_MAX - 1)
                return NULL;
        escaped = malloc(length * ESCAPE_MAX + 1);
        if (!escaped)
                return NULL;

        while (*p) {
                uint32_t c = 0;
                size_t n = utf8_decode(p, &c);

                if (n == 0) {
                        used += (size_t)snprintf(escaped + used, ESCAPE_MAX, "\\x%02x", *p);
                        n = 1;
                } else if (char_is_harmful(c) && !(c < 0x80 && strchr(harmless, (int)c))) {
                        used += (size_t)snprintf(escaped + used, ESCAPE_MAX, "\\u%04x", c);
                } else {
                        memcpy(escaped + used, p, n);
                        used += n;
                }
                p += n;
        }

        escaped[used] = '\0';
        return escaped;
}

char *text_escape(const char *text) {
        return escape(text, "");
}

char *text_escape_json(const char *text) {
        return escape(text, "\n");
}

void text_fit(char *text, size_t n_columns) {
        for (; *text; text++) {
                bool begins = ((unsigned char)*text & 0xc0) != 0x80;

                if (begins && n_columns-- == 0) {
                        *text = '\0';
                        return;
                }
        }
}
