/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Numbers, sizes and names in text. */

#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_labels(void **state) {
        static const struct {
                const char *text;
                bool ok;
        } cases[] = {
                { "cache", true },        { "a", true },         { "0", true },
                { "a.b", true },          { "a-b_c.d", true },   { "dax", true },
                { "dax0", true },         { "daxa.1", true },    { "0.a", true },
                { "0.", true },           { "1.2.3", true },     { "all.", true },
                { "all", false },         { "dax0.1", false },   { "0.1", false },
                { "dax10.200", false },   { "00.1", false },     { "", false },
                { ".a", false },          { "-a", false },       { "_a", false },
                { "A", false },           { "aB", false },       { "a/b", false },
                { "../a", false },        { "a\nb", false },     { "a\n", false },
                { " a", false },          { "a b", false },      { "\xc3\xa4", false },
                { "@system-ram", false }, { "@unknown", false },
        };
        char text[LABEL_MAX + 2];

        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (text_is_label(cases[i].text) != cases[i].ok)
                        fail_msg("label \"%s\": %d", cases[i].text, !cases[i].ok);

        memset(text, 'x', sizeof(text));
        text[LABEL_MAX] = '\0';
        assert_true(text_is_label(text));
        text[LABEL_MAX] = 'x';
        text[LABEL_MAX + 1] = '\0';
        assert_false(text_is_label(text));
}

static void test_sizes(void **state) {
        static const struct {
                const char *text;
                int r;
                uint64_t bytes;
        } cases[] = {
                { "0", 0, 0 },
                { "4096", 0, 4096 },
                { "0x100000000", 0, UINT64_C(1) << 32 },
                { "0XfF", 0, 255 },
                { "2M", 0, UINT64_C(2) << 20 },
                { "1K", 0, 1024 },
                { "3G", 0, UINT64_C(3) << 30 },
                { "16777215T", 0, UINT64_C(16777215) << 40 },
                { "16777216T", -ERANGE, 0 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "18446744073709551616", -ERANGE, 0 },
                { "0xffffffffffffffff", 0, UINT64_MAX },
                { "0x10000000000000000", -ERANGE, 0 },
                { "99999999999999999999999G", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "M", -EINVAL, 0 },
                { "0x", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1", -EINVAL, 0 },
                { " 1", -EINVAL, 0 },
                { "1 ", -EINVAL, 0 },
                { "1 M", -EINVAL, 0 },
                { "1m", -EINVAL, 0 },
                { "1.5G", -EINVAL, 0 },
                { "0x2M", -EINVAL, 0 },
                { "1MM", -EINVAL, 0 },
                { "1MB", -EINVAL, 0 },
                { "1e3", -EINVAL, 0 },
                { "rest", -EINVAL, 0 },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t bytes = 77;
                int r = text_parse_size(cases[i].text, &bytes);

                if (r != cases[i].r || bytes != (r < 0 ? 77 : cases[i].bytes))
                        fail_msg("size \"%s\": %d", cases[i].text, r);
        }
}

static void test_numbers(void **state) {
        uint64_t value;
        uint32_t small;

        assert_int_equal(text_parse_hex("1f", &value), 0);
        assert_int_equal(value, 0x1f);
        assert_int_equal(text_parse_hex("0x1f", &value), -EINVAL);
        assert_int_equal(text_parse_hex("", &value), -EINVAL);
        assert_int_equal(text_parse_u32("4294967295", &small), 0);
        assert_int_equal(small, UINT32_MAX);
        assert_int_equal(text_parse_u32("4294967296", &small), -ERANGE);
}

static void test_device_names(void **state) {
        static const char *const bad[] = {
                "",
                "dax",
                "dax0",
                "dax.",
                "dax.1",
                "dax0.",
                "0.1",
                "dax0.1 ",
                "dax0.1\n",
                "dax00.1",
                "dax0.01",
                "dax-1.0",
                "dax0.1.2",
                "dax4294967296.0",
                "dax0.2147483648",
                "Dax0.1",
                "dax0x1.0",
                "../dax0.1",
                "dax0/1",
        };
        uint32_t region, instance;

        assert_int_equal(text_parse_device_name("dax0.0", &region, &instance), 0);
        assert_int_equal(text_parse_device_name("dax12.340", &region, &instance), 0);
        assert_int_equal(region, 12);
        assert_int_equal(instance, 340);
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (text_parse_device_name(bad[i], &region, &instance) != -EINVAL)
                        fail_msg("device name \"%s\"", bad[i]);
}

static void test_escape(void **state) {
        static const struct {
                const char *text;
                size_t max;
                const char *escaped;
        } cases[] = {
                { "plain text", 64, "plain text" },
                { "a\nb\x1b[0m", 64, "a\\x0ab\\x1b[0m" },
                { "\\", 64, "\\x5c" },
                { "\xc3\xa4", 64, "\xc3\xa4" },
                { "\xc3", 64, "\\xc3" },
                { "\xc0\xaf", 64, "\\xc0\\xaf" },
                { "\xe2\x80\xae", 64, "\\xe2\\x80\\xae" }, /* right-to-left override */
                { "\xc2\x85", 64, "\\xc2\\x85" },          /* C1 next line */
                { "\x7f", 64, "\\x7f" },
                { "abcdef", 3, "abc..." },
                { "ab\xc3\xa4", 3, "ab\\xc3..." },
                { "", 64, "" },
                { "abc", 0, "..." },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *escaped = text_escape(cases[i].text, cases[i].max);

                assert_string_equal(escaped, cases[i].escaped);
        }
}

static void test_size_texts(void **state) {
        assert_string_equal(text_size(0).text, "0 bytes");
        assert_string_equal(text_size(1000).text, "1000 bytes");
        assert_string_equal(text_size(4096).text, "4 KiB");
        assert_string_equal(text_size(UINT64_C(2) << 20).text, "2 MiB");
        assert_string_equal(text_size(UINT64_C(5) << 30).text, "5 GiB");
        assert_string_equal(text_size(UINT64_MAX).text, "18446744073709551615 bytes");
        assert_string_equal(text_errno(-EBUSY), "EBUSY");
        assert_string_equal(text_errno(ENXIO), "ENXIO");
        assert_string_equal(text_errno(99999), "E?");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_labels),  cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_numbers), cmocka_unit_test(test_device_names),
                cmocka_unit_test(test_escape),  cmocka_unit_test(test_size_texts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
