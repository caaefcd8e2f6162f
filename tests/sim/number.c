/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/number.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

static unsigned guess_base(const char **text) {
        const char *s = *text;

        if (s[0] != '0')
                return 10;
        if ((s[1] | 0x20) == 'x' && isxdigit((unsigned char)s[2]))
                return 16;
        return 8;
}

static int digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : INT_MAX;
}

int number_parse(const char *text, unsigned base, uint64_t *ret_value) {
        uint64_t value = 0;
        bool too_much = false;
        const char *first;

        if (text[0] == '+')
                text++;
        if (base == 0)
                base = guess_base(&text);
        if (base == 16 && text[0] == '0' && (text[1] | 0x20) == 'x')
                text += 2;

        for (first = text; digit(*text) < (int)base; text++)
                too_much |= __builtin_mul_overflow(value, base, &value) ||
                            __builtin_add_overflow(value, digit(*text), &value);
        if (too_much)
                return -ERANGE;
        if (text == first)
                return -EINVAL;
        if (*text == '\n')
                text++;
        if (*text != '\0')
                return -EINVAL;

        *ret_value = value;
        return 0;
}

int number_parse_int(const char *text, int *ret_value) {
        bool negative = text[0] == '-';
        uint64_t value;
        int r;

        r = number_parse(text + negative, 0, &value);
        if (r < 0)
                return r;
        if (value > (uint64_t)INT_MAX + negative)
                return -ERANGE;

        *ret_value = negative ? (int)-(int64_t)value : (int)value;
        return 0;
}

int number_parse_bool(const char *text, bool *ret_value) {
        char a = text[0] | 0x20, b = text[0] != '\0' ? text[1] | 0x20 : '\0';

        if (a == 'y' || a == 't' || text[0] == '1' || (a == 'o' && b == 'n'))
                *ret_value = true;
        else if (a == 'n' || a == 'f' || text[0] == '0' || (a == 'o' && b == 'f'))
                *ret_value = false;
        else
                return -EINVAL;

        return 0;
}

bool number_same_word(const char *a, const char *b) {
        size_t length_a = strcspn(a, "\n"), length_b = strcspn(b, "\n");

        return length_a == length_b && memcmp(a, b, length_a) == 0 &&
               (a[length_a] == '\0' || a[length_a + 1] == '\0') &&
               (b[length_b] == '\0' || b[length_b + 1] == '\0');
}
