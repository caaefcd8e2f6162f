/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Tests of what daxdctl does without a bus: sizes, ranges, names, escaping.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h wants the four above before it */
#include <cmocka.h>
#include <errno.h>

#include "client/cleanup.h"
#include "client/name.h"
#include "client/text.h"
#include "client/units.h"

static void assert_size(const char *text, uint64_t expected) {
        uint64_t size = 1;

        assert_int_equal(size_parse(text, &size), 0);
        assert_int_equal(size, expected);
}

static void assert_no_size(const char *text, int expected) {
        uint64_t size = 42;

        assert_int_equal(size_parse(text, &size), expected);
        assert_int_equal(size, 42);
}

static void test_size_parse(void **state) {
        (void)state;

        assert_size("0", 0);
        assert_size("4096", 4096);
        assert_size("007", 7);
        assert_size("0x1000", 4096);
        assert_size("0X1fG", UINT64_C(31) << 30);
        assert_size("4k", 4096);
        assert_size("4K", 4096);
        assert_size("2m", UINT64_C(2) << 20);
        assert_size("512M", UINT64_C(512) << 20);
        assert_size("1G", UINT64_C(1) << 30);
        assert_size("3t", UINT64_C(3) << 40);
        assert_size("18446744073709551615", UINT64_MAX);
        assert_size("0xffffffffffffffff", UINT64_MAX);
        assert_size("16777215T", UINT64_C(16777215) << 40);
}

static void test_size_parse_refuses(void **state) {
        static const char *const texts[] = {
                "",     "K",   "x",    "0x",  "0xG", "-1",  "+1",   " 1",  "1 ",
                "1.5G", "1GB", "1GiB", "1KK", "1P",  "10%", "rest", "1\n", "0b1",
        };

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_no_size(texts[i], -EINVAL);

        assert_no_size("18446744073709551616", -ERANGE);
        assert_no_size("0x10000000000000000", -ERANGE);
        assert_no_size("99999999999999999999999999", -ERANGE);
        assert_no_size("16777216T", -ERANGE);
        assert_no_size("18446744073709551615K", -ERANGE);
}

static void assert_human(uint64_t size, const char *expected) {
        char text[SIZE_TEXT_MAX];

        size_format_human(size, text);
        assert_string_equal(text, expected);
}

/* The figures are those that daxctl's manual shows, and its limits. */
static void test_size_format_human(void **state) {
        (void)state;

        assert_human(0, "0");
        assert_human(2097152, "2097152");
        assert_human(5119999, "5119999");
        assert_human(5120000, "4.88 MiB (5.12 MB)");
        assert_human(UINT64_C(256) << 20, "256.00 MiB (268.44 MB)");
        assert_human((UINT64_C(2) << 30) - 1, "2048.00 MiB (2147.48 MB)");
        assert_human(UINT64_C(2) << 30, "2.00 GiB (2.15 GB)");
        assert_human(UINT64_C(16777216000), "15.63 GiB (16.78 GB)");
        assert_human(UINT64_C(32828817408), "30.57 GiB (32.83 GB)");
        assert_human(UINT64_MAX, "17179869184.00 GiB (18446744073.71 GB)");
}

static void assert_exact(uint64_t size, const char *expected) {
        char text[SIZE_TEXT_MAX];

        size_format_exact(size, text);
        assert_string_equal(text, expected);
}

static void test_size_format_exact(void **state) {
        (void)state;

        assert_exact(0, "0 bytes");
        assert_exact(1023, "1023 bytes");
        assert_exact(1024, "1 KiB");
        assert_exact(4097, "4097 bytes");
        assert_exact(UINT64_C(3) << 20, "3 MiB");
        assert_exact((UINT64_C(1) << 30) + (2 << 20), "1026 MiB");
        assert_exact(UINT64_C(1) << 50, "1024 TiB");
        assert_exact(UINT64_MAX, "18446744073709551615 bytes");
}

static void test_extents_parse(void **state) {
        _cleanup_free_ Extent *extents = NULL;
        uint64_t sum;
        size_t n;

        (void)state;
        assert_int_equal(extents_parse("1G:256M,0:2M", &extents, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(extents[0].offset, UINT64_C(1) << 30);
        assert_int_equal(extents[0].size, UINT64_C(256) << 20);
        assert_int_equal(extents[1].offset, 0);
        assert_int_equal(extents[1].size, UINT64_C(2) << 20);
        assert_int_equal(extents_sum(extents, n, &sum), 0);
        assert_int_equal(sum, UINT64_C(258) << 20);
}

static void test_extents_parse_refuses(void **state) {
        static const char *const texts[] = {
                "", ",", "0", "0:", ":1", "0:0", "0:1,", ",0:1", "0:1,,2:1", "0-1", "0:1:2", "0: 1",
        };
        Extent *extents = NULL;
        size_t n = 42;

        (void)state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
                assert_int_equal(extents_parse(texts[i], &extents, &n), -EINVAL);

        assert_int_equal(extents_parse("18446744073709551615:1", &extents, &n), -ERANGE);
        assert_int_equal(extents_parse("0:8388608T,0:8388608T", &extents, &n), -ERANGE);
        assert_null(extents);
        assert_int_equal(n, 42);
}

static void assert_device(const char *text, uint32_t region, uint32_t instance) {
        DeviceName name;

        assert_true(device_name_parse(text, &name));
        assert_int_equal(name.region, region);
        assert_int_equal(name.instance, instance);
}

static void test_device_name(void **state) {
        static const char *const others[] = {
                "",        "dax",    "dax0",    "dax0.",           "dax.1",   "0",
                "0.",      ".1",     "0.1.2",   "dax0.1 ",         " dax0.1", "dax00.1",
                "dax0.01", "DAX0.1", "dax-1.0", "dax0.4294967296", "cache",   "all",
        };
        char text[DEVICE_NAME_TEXT_MAX];
        DeviceName name = { 42, 42 };

        (void)state;
        assert_device("dax0.1", 0, 1);
        assert_device("0.1", 0, 1);
        assert_device("dax12.345", 12, 345);
        assert_device("4294967295.4294967295", UINT32_MAX, UINT32_MAX);

        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
                assert_false(device_name_parse(others[i], &name));
        assert_int_equal(name.region, 42);

        device_name_format(&(DeviceName){ UINT32_MAX, UINT32_MAX }, text);
        assert_string_equal(text, "dax4294967295.4294967295");
}

static void test_region_id(void **state) {
        uint32_t id = 42;

        (void)state;
        assert_true(region_id_parse("0", &id));
        assert_int_equal(id, 0);
        assert_true(region_id_parse("4294967295", &id));
        assert_int_equal(id, UINT32_MAX);
        assert_false(region_id_parse("4294967296", &id));
        assert_false(region_id_parse("", &id));
        assert_false(region_id_parse("-1", &id));
        assert_false(region_id_parse("1x", &id));
        assert_false(region_id_parse("all", &id));
}

static void test_nearest_word(void **state) {
        static const char *const words[] = { "list", "plan", "apply", "create-device" };

        (void)state;
        assert_string_equal(nearest_word("lsit", words, 4), "list");
        assert_string_equal(nearest_word("plam", words, 4), "plan");
        assert_string_equal(nearest_word("create", words, 4), "create-device");
        assert_string_equal(nearest_word("creat-devcie", words, 4), "create-device");
        assert_null(nearest_word("frobnicate", words, 4));
        assert_null(nearest_word("zz", words, 4));
        assert_null(nearest_word("", words, 4));
        assert_null(nearest_word("a-word-that-is-far-longer-than-any-verb", words, 4));
}

static void assert_escaped(const char *text, const char *expected) {
        _cleanup_free_ char *escaped = text_escape(text);

        assert_non_null(escaped);
        assert_string_equal(escaped, expected);
}

static void test_text_escape(void **state) {
        (void)state;

        assert_escaped("", "");
        assert_escaped("dax0.1 \"quoted\" \\", "dax0.1 \"quoted\" \\");
        assert_escaped("Größe \xf0\x9f\x98\x80", "Größe \xf0\x9f\x98\x80");
        assert_escaped("a\nb\tc\rd", "a\\u000ab\\u0009c\\u000dd");
        assert_escaped("\x1b[31mred", "\\u001b[31mred");
        assert_escaped("\x7f\xc2\x9b", "\\u007f\\u009b");
        assert_escaped("a\xe2\x80\xae"
                       "b\xe2\x81\xa6",
                       "a\\u202eb\\u2066");
        assert_escaped("\xff\xc3", "\\xff\\xc3");
        assert_escaped("\xc0\x9b", "\\xc0\\x9b");                   /* overlong */
        assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* a surrogate */
        assert_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
}

static void test_text_escape_json(void **state) {
        _cleanup_free_ char *escaped = text_escape_json("{\n  \"a\":\"\xe2\x80\xae\x7f\"\n}");

        (void)state;
        assert_non_null(escaped);
        assert_string_equal(escaped, "{\n  \"a\":\"\\u202e\\u007f\"\n}");
}

static void test_text_fit(void **state) {
        char plain[] = "abcdef", wide[] = "Größe";

        (void)state;
        text_fit(plain, 10);
        assert_string_equal(plain, "abcdef");
        text_fit(plain, 6);
        assert_string_equal(plain, "abcdef");
        text_fit(plain, 3);
        assert_string_equal(plain, "abc");
        text_fit(plain, 0);
        assert_string_equal(plain, "");
        text_fit(wide, 3);
        assert_string_equal(wide, "Grö");
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size_parse),
                cmocka_unit_test(test_size_parse_refuses),
                cmocka_unit_test(test_size_format_human),
                cmocka_unit_test(test_size_format_exact),
                cmocka_unit_test(test_extents_parse),
                cmocka_unit_test(test_extents_parse_refuses),
                cmocka_unit_test(test_device_name),
                cmocka_unit_test(test_region_id),
                cmocka_unit_test(test_nearest_word),
                cmocka_unit_test(test_text_escape),
                cmocka_unit_test(test_text_escape_json),
                cmocka_unit_test(test_text_fit),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
