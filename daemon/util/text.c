/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers and names in text: strict, whole strings only, no locale. */

#include "daemon/util/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int digit_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return 16;
}

static int parse_digits(const char *text, size_t length, unsigned base, uint64_t *ret_value) {
        uint64_t value = 0;

        if (length == 0)
                return -EINVAL;

        for (size_t i = 0; i < length; i++) {
                unsigned digit = digit_value(text[i]);

                if (digit >= base)
                        return -EINVAL;
                if (__builtin_mul_overflow(value, base, &value) ||
                    __builtin_add_overflow(value, digit, &value))
                        return -ERANGE;
        }

        *ret_value = value;
        return 0;
}

int text_parse_u64(const char *text, uint64_t *ret_value) {
        if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
                return parse_digits(text + 2, strlen(text + 2), 16, ret_value);

        return parse_digits(text, strlen(text), 10, ret_value);
}

int text_parse_hex(const char *text, uint64_t *ret_value) {
        return parse_digits(text, strlen(text), 16, ret_value);
}

int text_parse_u32(const char *text, uint32_t *ret_value) {
        uint64_t value;
        int r;

        r = text_parse_u64(text, &value);
        if (r < 0)
                return r;
        if (value > UINT32_MAX)
                return -ERANGE;

        *ret_value = value;
        return 0;
}

int text_parse_size(const char *text, uint64_t *ret_bytes) {
        static const char units[] = "KMGT";
        size_t length = strlen(text);
        const char *unit;
        uint64_t value;
        unsigned shift;
        int r;

        unit = length > 0 ? memchr(units, text[length - 1], sizeof(units) - 1) : NULL;
        if (!unit)
                return text_parse_u64(text, ret_bytes);

        r = parse_digits(text, length - 1, 10, &value);
        if (r < 0)
                return r;

        shift = 10 * (unit - units + 1);
        if (value > UINT64_MAX >> shift)
                return -ERANGE;

        *ret_bytes = value << shift;
        return 0;
}

int text_parse_device_name(const char *text, uint32_t *ret_region, uint32_t *ret_instance) {
        const char *dot;
        uint64_t region, instance;

        if (strncmp(text, "dax", 3) != 0)
                return -EINVAL;
        dot = strchr(text, '.');
        if (!dot || parse_digits(text + 3, dot - text - 3, 10, &region) < 0 ||
            parse_digits(dot + 1, strlen(dot + 1), 10, &instance) < 0)
                return -EINVAL;
        if (region > INT32_MAX || instance > INT32_MAX)
                return -EINVAL;
        /* one spelling only: the kernel prints no leading zeros */
        if ((text[3] == '0' && dot != text + 4) || (dot[1] == '0' && dot[2] != '\0'))
                return -EINVAL;

        *ret_region = region;
        *ret_instance = instance;
        return 0;
}

bool text_is_label(const char *text) {
        static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
        static const char more[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
        size_t length = strlen(text);

        if (length == 0 || length > LABEL_MAX)
                return false;
        if (!strchr(first, text[0]) || strspn(text, more) != length)
                return false;
        if (strcmp(text, "all") == 0)
                return false;

        /* dax0.1 and 0.1 mean a device to daxctl's users, whether or not it is there */
        if (strncmp(text, "dax", 3) == 0)
                text += 3;
        length = strspn(text, first + 26);
        if (length > 0 && text[length] == '.') {
                const char *instance = text + length + 1;

                if (*instance != '\0' && strspn(instance, first + 26) == strlen(instance))
                        return false;
        }

        return true;
}

bool text_is_account(const char *text) {
        return text[0] != '\0' &&
               strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(text);
}

uint64_t text_hash(uint64_t hash, const void *data, size_t size) {
        const unsigned char *bytes = data;

        for (size_t i = 0; i < size; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);

        return hash;
}

bool text_equal(const char *a, const char *b) {
        if (!a || !b)
                return a == b;
        return strcmp(a, b) == 0;
}

/* Length of the valid UTF-8 character at @text, and the character; 0 when there is none. */
static size_t utf8_decode(const unsigned char *text, size_t length, uint32_t *ret_char) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t c = text[0];
        size_t n;

        if (c < 0x80)
                n = 1;
        else if (c >= 0xc2 && c < 0xe0)
                n = 2, c &= 0x1f;
        else if (c >= 0xe0 && c < 0xf0)
                n = 3, c &= 0x0f;
        else if (c >= 0xf0 && c < 0xf5)
                n = 4, c &= 0x07;
        else
                return 0;

        if (n > length)
                return 0;
        for (size_t i = 1; i < n; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (text[i] & 0x3f);
        }
        if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                return 0;

        *ret_char = c;
        return n;
}

static bool char_is_harmless(uint32_t c) {
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == '\\')
                return false;
        /* marks of direction and what hides or joins lines */
        if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
            (c >= 0x2060 && c <= 0x206f) || c == 0x061c || c == 0xfeff)
                return false;
        return true;
}

char *text_escape(const char *text, size_t max) {
        size_t length = strlen(text), shown = MIN(length, max), at = 0, i = 0;
        char *out;

        out = malloc(4 * shown + sizeof("..."));
        if (!out)
                return NULL;

        while (i < shown) {
                uint32_t c = 0;
                size_t n = utf8_decode((const unsigned char *)text + i, length - i, &c);

                if (n > 0 && i + n <= shown && char_is_harmless(c)) {
                        memcpy(out + at, text + i, n);
                        at += n;
                        i += n;
                } else {
                        static const char hex[] = "0123456789abcdef";
                        unsigned char byte = text[i++];

                        out[at++] = '\\';
                        out[at++] = 'x';
                        out[at++] = hex[byte >> 4];
                        out[at++] = hex[byte & 15];
                }
        }

        strcpy(out + at, shown < length ? "..." : "");
        return out;
}

char *text_vformat(const char *format, va_list args) {
        char *text;

        return vasprintf(&text, format, args) < 0 ? NULL : text;
}

SizeText text_size(uint64_t bytes) {
        static const char *const units[] = { "KiB", "MiB", "GiB" };
        SizeText size;

        for (int i = ELEMENTS(units) - 1; i >= 0; i--) {
                uint64_t unit = UINT64_C(1) << 10 * (i + 1);

                if (bytes >= unit && bytes % unit == 0) {
                        snprintf(size.text, sizeof(size.text), "%llu %s",
                                 (unsigned long long)(bytes / unit), units[i]);
                        return size;
                }
        }

        snprintf(size.text, sizeof(size.text), "%llu bytes", (unsigned long long)bytes);
        return size;
}

const char *text_errno(int error) {
        const char *name = strerrorname_np(error < 0 ? -error : error);

        return name ?: "E?";
}
