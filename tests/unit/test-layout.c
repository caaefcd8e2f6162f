/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Layouts: what is read and what is not, for which region, and what is wanted of it. */

#include "daemon/layout/directory.h"
#include "daemon/layout/match.h"
#include "daemon/layout/want.h"
#include "daemon/plan/plan.h"
#include "daemon/util/file.h"
#include "tests/unit/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define BLOCK (128 * MiB)
#define START (4 * GiB)

static uint64_t next_random(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* A random number below @n. */
static uint64_t below(uint64_t *seed, uint64_t n) {
        return next_random(seed) % n;
}

/* --- sizes ---------------------------------------------------------------------------------- */

static void assert_size(const char *text, LayoutSizeUnit unit, uint64_t value) {
        LayoutSize size, again;

        if (layout_size_parse(text, &size) != 0)
                fail_msg("%s is refused", text);
        assert_int_equal(size.unit, unit);
        assert_true(size.value == value);
        assert_int_equal(layout_size_parse(layout_size_text(size).text, &again), 0);
        assert_int_equal(again.unit, unit);
        assert_true(again.value == value);
}

static void test_sizes(void **state) {
        static const char *const bad[] = {
                "",        " 1",     "1 ",
                "-1",      "+1",     "1.5",
                "1.5G",    "1g",     "1GiB",
                "1KB",     "G",      "0x",
                "0xg",     "0x1G",   "1e3",
                "%",       "0%",     "0.00%",
                "100.01%", "101%",   "1000%",
                "-5%",     "5 %",    "5.%",
                ".5%",     "1.234%", "5%%",
                "0x5%",    "Rest",   "rest ",
                "all",     "1P",     "99999999999999999999%",
        };
        LayoutSize size;

        assert_size("268435456", LAYOUT_SIZE_BYTES, 256 * MiB);
        assert_size("0x10000000", LAYOUT_SIZE_BYTES, 256 * MiB);
        assert_size("4K", LAYOUT_SIZE_BYTES, 4 * KiB);
        assert_size("256M", LAYOUT_SIZE_BYTES, 256 * MiB);
        assert_size("3G", LAYOUT_SIZE_BYTES, 3 * GiB);
        assert_size("16777215T", LAYOUT_SIZE_BYTES, UINT64_C(16777215) << 40);
        assert_size("18446744073709551615", LAYOUT_SIZE_BYTES, UINT64_MAX);
        assert_size("50%", LAYOUT_SIZE_PERCENT, 5000);
        assert_size("12.5%", LAYOUT_SIZE_PERCENT, 1250);
        assert_size("33.33%", LAYOUT_SIZE_PERCENT, 3333);
        assert_size("0.01%", LAYOUT_SIZE_PERCENT, 1);
        assert_size("100.00%", LAYOUT_SIZE_PERCENT, 10000);
        assert_size("rest", LAYOUT_SIZE_REST, 0);

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (layout_size_parse(bad[i], &size) != -EINVAL)
                        fail_msg("%s is taken", bad[i]);
        assert_int_equal(layout_size_parse("18446744073709551616", &size), -ERANGE);
        assert_int_equal(layout_size_parse("16777216T", &size), -ERANGE);
}

static void test_percent_is_exact(void **state) {
        uint64_t seed = 4711;

        for (unsigned i = 0; i < 10000; i++) {
                LayoutSize size = { LAYOUT_SIZE_PERCENT, 1 + below(&seed, 10000) };
                uint64_t region = next_random(&seed) >> below(&seed, 64);
                unsigned __int128 exact = (unsigned __int128)region * size.value / 10000;

                assert_true(layout_size_bytes(size, region) == (uint64_t)exact);
        }
}

/* --- reading -------------------------------------------------------------------------------- */

static Layout *parse(const char *text) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Layout *layout = NULL;

        if (layout_parse("test", NULL, text, strlen(text), &layout, &failure) != 0)
                fail_msg("%s\n%s", text, failure_message(&failure));
        return layout;
}

/* A layout of the region at START with @devices. */
static Layout *parse_devices(const char *more, const char *devices) {
        _cleanup_free_ char *text = NULL;

        assert_true(asprintf(&text,
                             "{\"version\":1,\"region\":{\"start\":\"4G\"},%s"
                             "\"devices\":[%s]}",
                             more, devices) > 0);
        return parse(text);
}

static void assert_refused_n(const char *text, size_t size, const char *part) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Layout *layout = NULL;

        assert_int_equal(layout_parse("bad", "/etc/daxd/layouts.d/bad.json", text, size, &layout,
                                      &failure),
                         CONDITION_INVALID_LAYOUT);
        assert_null(layout);
        assert_int_equal(failure.condition, CONDITION_INVALID_LAYOUT);
        if (!strstr(failure_message(&failure), "layout file /etc/daxd/layouts.d/bad.json: ") ||
            !strstr(failure_message(&failure), part))
                fail_msg("%.200s\n%s\nlacks %s", text, failure_message(&failure), part);
}

static void assert_refused(const char *text, const char *part) {
        assert_refused_n(text, strlen(text), part);
}

static void assert_unknown_owner(const char *text, const char *part) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_layout_ Layout *layout = parse(text);

        assert_int_equal(layout_find_owners(layout, &failure), CONDITION_INVALID_LAYOUT);
        if (!strstr(failure_message(&failure), part))
                fail_msg("%s lacks %s", failure_message(&failure), part);
}

static const char example[] =
        "{ \"version\": 1,\n"
        "  \"region\":  { \"start\": \"0x100000000\", \"size\": \"1G\" },\n"
        "  \"enforce\": \"boot\",\n"
        "  \"prune\":   \"idle\",\n"
        "  \"devices\": [\n"
        "    { \"name\": \"cache\", \"size\": \"256M\", \"mode\": \"devdax\",\n"
        "      \"access\": { \"group\": \"nogroup\", \"mode\": \"0640\" } },\n"
        "    { \"name\": \"tier2\", \"size\": \"50%\", \"mode\": \"system-ram\",\n"
        "      \"online\": \"movable\", \"memmap-on-memory\": true },\n"
        "    { \"name\": \"spare\", \"size\": \"rest\", \"align\": \"2M\", \"wipe\": false } ] }\n";

static void test_example(void **state) {
        _cleanup_layout_ Layout *layout = parse(example);
        const LayoutDevice *d = layout->devices;

        assert_string_equal(layout->name, "test");
        assert_null(layout->source);
        assert_string_equal(layout->text, example);
        assert_int_equal(layout->region.keys, LAYOUT_REGION_START | LAYOUT_REGION_SIZE);
        assert_true(layout->region.start == START && layout->region.size == GiB);
        assert_int_equal(layout->enforce, LAYOUT_ENFORCE_BOOT);
        assert_int_equal(layout->prune, LAYOUT_PRUNE_IDLE);
        assert_int_equal(layout->n_devices, 3);
        assert_int_equal(strlen(layout_digest(layout)), 16);

        assert_string_equal(d[0].name, "cache");
        assert_true(d[0].size.value == 256 * MiB);
        assert_int_equal(d[0].mode, DAX_MODE_DEVDAX);
        assert_int_equal(d[0].online, DAX_ONLINE_KEEP);
        assert_int_equal(d[0].memmap_on_memory, -1);
        assert_int_equal(d[0].wipe, -1);
        assert_string_equal(d[0].access.group, "nogroup");
        assert_int_equal(d[0].access.mode, 0640);

        assert_int_equal(d[1].size.unit, LAYOUT_SIZE_PERCENT);
        assert_int_equal(d[1].mode, DAX_MODE_SYSTEM_RAM);
        assert_int_equal(d[1].online, DAX_ONLINE_MOVABLE);
        assert_int_equal(d[1].memmap_on_memory, 1);

        assert_int_equal(d[2].size.unit, LAYOUT_SIZE_REST);
        assert_true(d[2].align == 2 * MiB);
        assert_int_equal(d[2].wipe, 0);
}

static void test_defaults(void **state) {
        _cleanup_layout_ Layout *layout = parse(
                "{\"version\":1,\"region\":{\"kind\":\"cxl\",\"cxl-serials\":[\"0x20\",7],"
                "\"target-node\":2,\"path\":\"/platform/hmem.0\",\"id\":3},\"devices\":["
                "{\"name\":\"a\",\"size\":1,\"mode\":\"system-ram\"},"
                "{\"name\":\"b\",\"ranges\":[[\"4M\",\"2M\"],[0,2097152]],\"size\":\"4M\","
                "\"access\":{\"group\":\"nogroup\"}}]}");

        assert_int_equal(layout->enforce, LAYOUT_ENFORCE_BOOT);
        assert_int_equal(layout->prune, LAYOUT_PRUNE_NEVER);
        assert_int_equal(layout->region.keys, LAYOUT_REGION_KIND | LAYOUT_REGION_TARGET_NODE |
                                                      LAYOUT_REGION_PATH |
                                                      LAYOUT_REGION_CXL_SERIALS | LAYOUT_REGION_ID);
        assert_int_equal(layout->region.n_cxl_serials, 2);
        assert_true(layout->region.cxl_serials[0] == 7 && layout->region.cxl_serials[1] == 0x20);
        assert_int_equal(layout->devices[0].online, DAX_ONLINE_MOVABLE);
        assert_int_equal(layout->devices[1].size.unit, LAYOUT_SIZE_NONE);
        assert_int_equal(layout->devices[1].ranges.count, 2);
        assert_true(layout->devices[1].ranges.list[0].offset == 4 * MiB);
        assert_int_equal(layout->devices[1].access.mode, 0660);
}

#define HEAD "{\"version\":1,\"region\":{\"id\":0},"
#define DEVICE(keys) HEAD "\"devices\":[{\"name\":\"a\"," keys "}]}"
#define NAME(name) HEAD "\"devices\":[{\"size\":1,\"name\":" name "}]}"

static void test_bad_documents(void **state) {
        assert_refused("", "line 1, column 1: expected '{', found the end of the text");
        assert_refused("hello", "expected '{', found 'h'");
        assert_refused("[]", "expected '{'");
        assert_refused("{}", "the key \"version\" is missing");
        assert_refused("{\"version\":2}", "version: expected 1, the version of layouts that this "
                                          "daxd reads, found 2");
        assert_refused("{\"version\":\"1\"}", "version: expected 1");
        assert_refused("{\"version\":1,\"region\":{\"id\":0}}", "the key \"devices\" is missing");
        assert_refused("{\"version\":1,\"devices\":[]}", "the key \"region\" is missing");
        assert_refused(HEAD "\"devices\":{}}", "devices: expected an array, found an object");
        assert_refused(HEAD "\"devices\":[],\"color\":1}",
                       "color: unknown key; expected one of: version, region, enforce, prune, "
                       "devices");
        assert_refused(HEAD "\"devices\":[],\"devices\":[]}",
                       "devices: this key stands here twice");
        assert_refused(HEAD "\"devices\":[]} x", "expected nothing more");
        assert_refused(HEAD "\"enforce\":\"never\",\"devices\":[]}",
                       "enforce: expected \"boot\" or \"always\", found \"never\"");
        assert_refused(HEAD "\"enforce\":1,\"devices\":[]}", "enforce: expected");
        assert_refused(HEAD "\"prune\":true,\"devices\":[]}",
                       "prune: expected \"never\" or \"idle\", found true");
}

static void test_bad_regions(void **state) {
        static const struct {
                const char *region, *message;
        } cases[] = {
                { "7", "region: expected an object, found 7" },
                { "{}", "region: expected at least one key" },
                { "{\"uuid\":\"x\"}", "region.uuid: unknown key" },
                { "{\"start\":-1}", "region.start: expected a number of bytes" },
                { "{\"start\":\"18446744073709551616\"}", "below 2^64" },
                { "{\"start\":18446744073709551616}",
                  "region.start: the number 18446744073709551616 is above 2^64" },
                { "{\"size\":0}", "region.size: expected a size above 0" },
                { "{\"size\":\"50%\"}", "region.size: expected a number of bytes" },
                { "{\"kind\":\"nvme\"}", "region.kind: expected \"hmem\"" },
                { "{\"kind\":null}", "region.kind: expected \"hmem\"" },
                { "{\"target-node\":\"1\"}", "region.target-node: expected the number" },
                { "{\"target-node\":4294967296}", "region.target-node: expected the number" },
                { "{\"path\":\"hmem.0\"}", "region.path: expected a path" },
                { "{\"path\":1}", "region.path: expected a path" },
                { "{\"cxl-serials\":[]}", "region.cxl-serials: expected at least one" },
                { "{\"cxl-serials\":7}", "region.cxl-serials: expected an array" },
                { "{\"cxl-serials\":[1,\"0x1\"]}", "region.cxl-serials[1]: this serial number" },
                { "{\"cxl-serials\":[1.5]}", "whole number" },
                { "{\"cxl-serials\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}",
                  "region.cxl-serials[16]: more than 16" },
                { "{\"id\":-1}", "region.id: expected the number of a region, found -1" },
                { "{\"id\":4294967296}", "region.id: expected" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, "{\"version\":1,\"region\":%s,\"devices\":[]}",
                                     cases[i].region) > 0);
                assert_refused(text, cases[i].message);
        }
}

static void test_bad_devices(void **state) {
        assert_refused(HEAD "\"devices\":[7]}", "devices[0]: expected an object, found 7");
        assert_refused(HEAD "\"devices\":[{\"size\":1}]}",
                       "devices[0]: the key \"name\" is missing");
        assert_refused(HEAD "\"devices\":[{\"name\":\"a\"}]}",
                       "devices[0]: the key \"size\" is missing");
        assert_refused(DEVICE("\"size\":1,\"label\":\"x\""), "devices[0].label: unknown key");
        assert_refused(DEVICE("\"size\":1,\"size\":2"),
                       "devices[0].size: this key stands here twice");

        assert_refused(DEVICE("\"size\":0"), "devices[0].size: expected a size above 0");
        assert_refused(DEVICE("\"size\":\"0\""), "expected a size above 0");
        assert_refused(DEVICE("\"size\":\"0x0\""), "expected a size above 0");
        assert_refused(DEVICE("\"size\":\"0%\""), "devices[0].size: expected");
        assert_refused(DEVICE("\"size\":\"101%\""), "found \"101%\"");
        assert_refused(DEVICE("\"size\":-4096"), "found -4096");
        assert_refused(DEVICE("\"size\":1.5"), "devices[0].size: expected a whole number");
        assert_refused(DEVICE("\"size\":true"), "found true");
        assert_refused(DEVICE("\"size\":\"12x\""), "found \"12x\"");
        assert_refused(DEVICE("\"size\":\"99999999T\""), "below 2^64");
        assert_refused(DEVICE("\"size\":18446744073709551616"), "above 2^64 - 1");
        assert_refused(DEVICE("\"size\":NaN"), "expected a value");

        assert_refused(DEVICE("\"size\":1,\"align\":0"),
                       "devices[0].align: expected a power of two");
        assert_refused(DEVICE("\"size\":1,\"align\":\"3M\""), "align: expected a power of two");
        assert_refused(DEVICE("\"size\":1,\"align\":2048"), "align: expected a power of two");
        assert_refused(DEVICE("\"size\":1,\"align\":\"1%\""), "align: expected a number of bytes");
        assert_refused(DEVICE("\"size\":1,\"mode\":\"ram\""),
                       "devices[0].mode: expected \"devdax\", \"system-ram\" or \"none\", found "
                       "\"ram\"");
        assert_refused(DEVICE("\"size\":1,\"mode\":\"other\""), "mode: expected \"devdax\"");
        assert_refused(DEVICE("\"size\":1,\"mode\":1"), "mode: expected \"devdax\"");
        assert_refused(DEVICE("\"size\":1,\"mode\":\"system-ram\",\"online\":\"keep\""),
                       "devices[0].online: expected \"movable\", \"kernel\" or \"offline\"");
        assert_refused(DEVICE("\"size\":1,\"online\":\"movable\""),
                       "online is for devices of mode");
        assert_refused(DEVICE("\"size\":1,\"memmap-on-memory\":true"), "memmap-on-memory is for");
        assert_refused(DEVICE("\"size\":1,\"memmap-on-memory\":1"), "expected true or false");
        assert_refused(DEVICE("\"size\":1,\"wipe\":\"no\""), "devices[0].wipe: expected true or");

        assert_refused(DEVICE("\"size\":1,\"access\":\"0660\""), "access: expected an object");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"user\":\"no=user\"}"),
                       "devices[0].access.user: expected the name of a user, of a-z, 0-9, '_' and "
                       "'-', found \"no=user\"");
        assert_unknown_owner(DEVICE("\"size\":1,\"access\":{\"user\":\"no-such-user\"}"),
                             "devices[0].access.user: expected a user that there is here, found "
                             "\"no-such-user\"");
        assert_unknown_owner(DEVICE("\"size\":1,\"access\":{\"group\":\"no-such-group\"}"),
                             "expected a group that there is here");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"user\":0}"), "expected the name of a user");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"mode\":660}"), "octal digits");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"mode\":\"0777\"}"), "octal digits");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"mode\":\"4660\"}"), "octal digits");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"mode\":\"0668\"}"), "octal digits");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"mode\":\"000\"}"), "octal digits");
        assert_refused(DEVICE("\"size\":1,\"access\":{\"owner\":\"root\"}"),
                       "access.owner: unknown");
}

static void test_bad_ranges(void **state) {
        assert_refused(DEVICE("\"ranges\":[]"), "devices[0].ranges: expected at least one range");
        assert_refused(DEVICE("\"ranges\":[1,2]"), "ranges[0]: expected a pair [offset in the");
        assert_refused(DEVICE("\"ranges\":[[1]]"), "expected a pair");
        assert_refused(DEVICE("\"ranges\":[[1,2,3]]"), "expected a pair");
        assert_refused(DEVICE("\"ranges\":[[0,0]]"), "ranges[0]: expected a size above 0");
        assert_refused(DEVICE("\"ranges\":[[0,\"rest\"]]"), "ranges[0][1]: expected a number of");
        assert_refused(DEVICE("\"ranges\":[[\"2M\",18446744073709551615]]"), "ends above 2^64");
        assert_refused(DEVICE("\"ranges\":[[0,\"2M\"],[\"1M\",\"2M\"]]"),
                       "devices[0].ranges: [1048576, 2097152] overlaps [0, 2097152] of devices[0]");
        assert_refused(HEAD "\"devices\":[{\"name\":\"b\",\"ranges\":[[\"8M\",\"2M\"]]},"
                            "{\"name\":\"a\",\"ranges\":[[\"2M\",\"16M\"]]}]}",
                       "overlaps [2097152, 16777216] of devices[1]");
        assert_refused(DEVICE("\"size\":\"4M\",\"ranges\":[[0,\"2M\"]]"),
                       "size says 4194304 but the ranges have 2097152 bytes");
        assert_refused(DEVICE("\"size\":\"rest\",\"ranges\":[[0,\"2M\"]]"), "size says rest but");
        assert_refused(DEVICE("\"ranges\":[[0,1],[2,1],[4,1],[6,1],[8,1],[10,1],[12,1],[14,1],"
                              "[16,1]]"),
                       "9 ranges are too many; use at most 8");
}

static void test_bad_names(void **state) {
        static const char *const bad[] = {
                "7",
                "null",
                "\"\"",
                "\"all\"",
                "\"dax0.1\"",
                "\"0.1\"",
                "\"A\"",
                "\"a/b\"",
                "\"a b\"",
                "\"a\\nb\"",
                "\"-a\"",
                "\".a\"",
                "\"..\"",
                "\"é\"",
                "\"a\\u202eb\"",
                "\"a\\\"b\"",
                "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
        };

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                _cleanup_free_ char *text = NULL;

                assert_true(asprintf(&text, NAME("%s"), bad[i]) > 0);
                assert_refused(text, "devices[0].name: expected a name of at most 63 characters");
        }

        assert_refused(HEAD "\"devices\":[{\"name\":\"b\",\"size\":1},{\"name\":\"a\",\"size\":1},"
                            "{\"name\":\"b\",\"size\":1}]}",
                       "devices[2].name: the name \"b\" is that of devices[0] already");
        assert_refused(HEAD "\"devices\":[{\"name\":\"a\",\"size\":\"rest\"},{\"name\":\"b\","
                            "\"size\":\"rest\"}]}",
                       "devices[1].size: only one device can have the");
}

static void test_too_large(void **state) {
        static const char start[] = HEAD "\"devices\":[]";
        _cleanup_layout_ Layout *layout = NULL;
        _cleanup_free_ char *text = malloc(LAYOUT_TEXT_MAX + 1);

        memset(text, ' ', LAYOUT_TEXT_MAX + 1);
        memcpy(text, start, sizeof(start) - 1);
        text[LAYOUT_TEXT_MAX - 1] = '}';

        assert_int_equal(layout_parse("a", NULL, text, LAYOUT_TEXT_MAX, &layout, NULL), 0);
        assert_refused_n(text, LAYOUT_TEXT_MAX + 1, "it has 1048577 bytes, a layout has at most");
}

/* As many keys, names and ranges as a file can hold do not take for ever. */
static void test_many(void **state) {
        _cleanup_layout_ Layout *layout = NULL;
        _cleanup_free_ char *text = malloc(LAYOUT_TEXT_MAX);
        size_t n = sprintf(text, HEAD "\"devices\":[");

        for (unsigned i = 0; n < LAYOUT_TEXT_MAX - 100; i++)
                n += sprintf(text + n, "%s{\"name\":\"n%u\",\"ranges\":[[%u,1]]}", i > 0 ? "," : "",
                             i, i);
        strcpy(text + n, "]}");
        layout = parse(text);
        assert_true(layout->n_devices > 20000);
}

static void test_messages_are_escaped(void **state) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Layout *layout = NULL;
        static const char text[] = DEVICE("\"size\":\"\\u001b[2J\\n\\u202e\"");

        assert_int_equal(layout_parse("x", "/tmp/a\nb.json", text, strlen(text), &layout, &failure),
                         CONDITION_INVALID_LAYOUT);
        assert_null(strchr(failure_message(&failure), '\n'));
        assert_null(strchr(failure_message(&failure), '\x1b'));
        assert_null(strstr(failure_message(&failure), "\xe2\x80\xae"));
}

static void assert_round_trip(const Layout *layout) {
        _cleanup_free_ char *once = NULL, *twice = NULL;
        _cleanup_layout_ Layout *again = NULL;

        assert_int_equal(layout_to_text(layout, &once), 0);
        again = parse(once);
        assert_int_equal(layout_to_text(again, &twice), 0);
        assert_string_equal(once, twice);
        assert_string_equal(layout_digest(layout), layout_digest(again));
}

static void test_digest(void **state) {
        _cleanup_layout_ Layout *a = parse(DEVICE("\"size\":\"256M\",\"mode\":\"devdax\""));
        _cleanup_layout_ Layout *b = parse(
                "{\"devices\" : [{\"size\":268435456, \"name\":\"a\"}], \"prune\":\"never\",\n"
                "\"region\":{\"id\":0}, \"version\":1}");
        _cleanup_layout_ Layout *c = parse(DEVICE("\"size\":\"257M\",\"mode\":\"devdax\""));

        assert_string_equal(layout_digest(a), layout_digest(b));
        assert_string_not_equal(layout_digest(a), layout_digest(c));
        assert_round_trip(a);
}

static void test_mutations(void **state) {
        static const char bytes[] = "{}[]\",:\\u0123456789abcdefnrtl-+.eE%GMx '/\n\x01\xc3\xff";
        static const char other[] =
                "{\"version\":1,\"region\":{\"kind\":\"hmem\",\"cxl-serials\":[1,\"0xff\"],"
                "\"target-node\":3,\"path\":\"/platform/hmem.0\"},\"enforce\":\"always\","
                "\"devices\":[{\"name\":\"x.1\",\"ranges\":[[0,\"2M\"],[\"0x800000\",2097152]],"
                "\"access\":{\"user\":\"root\",\"group\":\"root\",\"mode\":\"0600\"},"
                "\"wipe\":true,\"mode\":\"none\"},{\"name\":\"y\",\"size\":\"33.33%\","
                "\"mode\":\"system-ram\",\"online\":\"kernel\",\"memmap-on-memory\":false}]}";
        uint64_t seed = 20200925;
        unsigned taken = 0;

        for (unsigned round = 0; round < 40000; round++) {
                const char *from = round & 1 ? example : other;
                size_t size = strlen(from);
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                _cleanup_layout_ Layout *layout = NULL;
                _cleanup_free_ char *text = malloc(size);
                unsigned n = 1 + below(&seed, 3);
                int r;

                memcpy(text, from, size);
                for (unsigned i = 0; i < n; i++) {
                        size_t at = below(&seed, size);

                        switch (below(&seed, 4)) {
                        case 0:
                                memmove(text + at, text + at + 1, --size - at);
                                break;
                        case 1:
                                memmove(text + at, text + below(&seed, size - 8),
                                        MIN((size_t)8, size - at));
                                break;
                        default:
                                text[at] = bytes[below(&seed, sizeof(bytes))];
                        }
                }
                if (below(&seed, 16) == 0)
                        size = below(&seed, size);
                text = realloc(text, size ?: 1); /* reading behind the end is an error */

                r = layout_parse("fuzz", NULL, text, size, &layout, &failure);
                if (r == 0) {
                        assert_round_trip(layout);
                        taken++;
                } else {
                        assert_int_equal(r, CONDITION_INVALID_LAYOUT);
                        assert_true(strlen(failure_message(&failure)) > 20);
                        assert_null(strchr(failure_message(&failure), '\n'));
                }
        }

        assert_true(taken > 500);
}

/* --- regions -------------------------------------------------------------------------------- */

static DaxRegion *make_region(uint32_t id, uint64_t start, uint64_t size) {
        DaxRegion *region;

        assert_int_equal(dax_region_new(&region), 0);
        region->id = id;
        region->kind = DAX_KIND_HMEM;
        region->start = start;
        region->size = size;
        region->align = 2 * MiB;
        region->aligns = 4 * KiB | 2 * MiB | GiB;
        region->target_node = id;
        assert_true(asprintf(&region->path, "/platform/hmem.%u", id) > 0);
        return region;
}

/* The device daxN.@instance of @region, in one piece; @size 0 for a seed. */
static DaxDevice *add_device(DaxRegion *region, uint32_t instance, uint64_t offset, uint64_t size,
                             DaxMode mode, const char *label) {
        DaxDevice *device;

        assert_int_equal(dax_device_new(&device), 0);
        snprintf(device->name, sizeof(device->name), "dax%u.%u", region->id, instance);
        device->instance = instance;
        device->identity = 100 + instance;
        strcpy(device->label, label);
        device->size = size;
        device->align = region->align;
        device->mode = mode;
        device->memmap_on_memory = 0;
        if (size > 0)
                assert_int_equal(dax_ranges_append(&device->ranges, (DaxRange){ offset, size }), 0);
        if (mode == DAX_MODE_SYSTEM_RAM)
                assert_int_equal(dax_blocks_of_ranges(&device->ranges, region->start, BLOCK,
                                                      DAX_BLOCK_MOVABLE, &device->blocks,
                                                      &device->n_blocks),
                                 0);
        assert_int_equal(dax_region_add(region, device), 0);
        return device;
}

static void assert_match(const LayoutMatch *match, Condition condition, const char *part) {
        if (match->failure.condition != condition ||
            !strstr(failure_message(&match->failure), part))
                fail_msg("%s: %s\nlacks %s", condition_name(match->failure.condition),
                         failure_message(&match->failure), part);
        assert_null(strstr(failure_message(&match->failure), "4294967296"));
        assert_null(strstr(failure_message(&match->failure), "0x1"));
}

static void match_all(const char *const *regions, size_t n, const DaxMachine *machine,
                      LayoutMatch **ret_matches) {
        Layout *layouts[8] = {};

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *text = NULL, *name = NULL;

                assert_true(asprintf(&name, "l%zu", i) > 0);
                assert_true(asprintf(&text,
                                     "{\"version\":1,\"region\":{%s},\"devices\":[{\"name\":"
                                     "\"%s\",\"size\":1}]}",
                                     regions[i], strchr(regions[i], ' ') ? "same" : name) > 0);
                assert_int_equal(layout_parse(name, NULL, text, strlen(text), &layouts[i], NULL),
                                 0);
        }
        assert_int_equal(layouts_match((const Layout *const *)layouts, n, machine, ret_matches), 0);
        for (size_t i = 0; i < n; i++)
                layout_free(layouts[i]);
}

static void make_machine(DaxMachine *machine) {
        DaxRegion *region = make_region(2, 16 * GiB, 2 * GiB);

        region->kind = DAX_KIND_CXL;
        region->cxl_serials[0] = 0xb;
        region->cxl_serials[1] = 0xa;
        region->n_cxl_serials = 2;
        assert_int_equal(dax_machine_put_region(machine, make_region(0, START, GiB)), 0);
        assert_int_equal(dax_machine_put_region(machine, make_region(1, 8 * GiB, GiB)), 0);
        assert_int_equal(dax_machine_put_region(machine, region), 0);
}

static void test_match_keys(void **state) {
        static const struct {
                const char *region;
                Condition condition;
                uint32_t id;
        } cases[] = {
                { "\"start\":\"4G\"", CONDITION_NONE, 0 },
                { "\"start\":\"4G\",\"size\":\"1G\",\"kind\":\"hmem\",\"id\":0", CONDITION_NONE,
                  0 },
                { "\"start\":\"4G\",\"size\":\"2G\"", CONDITION_NO_SUCH_REGION, 0 },
                { "\"size\":\"2G\"", CONDITION_NONE, 2 },
                { "\"size\":\"1G\"", CONDITION_AMBIGUOUS_LAYOUT, 0 },
                { "\"kind\":\"cxl\"", CONDITION_NONE, 2 },
                { "\"kind\":\"pmem\"", CONDITION_NO_SUCH_REGION, 0 },
                { "\"target-node\":1", CONDITION_NONE, 1 },
                { "\"path\":\"/platform/hmem.1\"", CONDITION_NONE, 1 },
                { "\"path\":\"/platform/hmem.9\"", CONDITION_NO_SUCH_REGION, 0 },
                { "\"cxl-serials\":[10,11]", CONDITION_NONE, 2 },
                { "\"cxl-serials\":[\"0xb\",\"0xa\"]", CONDITION_NONE, 2 },
                { "\"cxl-serials\":[10]", CONDITION_NO_SUCH_REGION, 0 },
                { "\"id\":1", CONDITION_NONE, 1 },
        };
        DaxMachine machine = {};

        make_machine(&machine);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                LayoutMatch *matches;

                match_all(&cases[i].region, 1, &machine, &matches);
                assert_match(&matches[0], cases[i].condition, "");
                assert_int_equal(matches[0].has_region, cases[i].condition == CONDITION_NONE);
                if (matches[0].has_region)
                        assert_int_equal(matches[0].region_id, cases[i].id);
                layout_matches_free(matches, 1);
        }
        dax_machine_deinit(&machine);
}

static void test_match_conflicts(void **state) {
        static const char *const regions[] = {
                "\"id\":0", "\"start\":\"4G\"", "\"path\":\"/platform/hmem.0\"",
                "\"id\":1", "\"size\":\"1G\"",  "\"id\":7",
        };
        /* the space makes match_all() give them one device name */
        static const char *const names[] = { "\"id\": 0", "\"id\": 1", "\"id\":2", "\"id\": 9" };
        DaxMachine machine = {};
        LayoutMatch *matches;

        make_machine(&machine);
        match_all(regions, ELEMENTS(regions), &machine, &matches);
        assert_match(&matches[0], CONDITION_LAYOUT_CONFLICT, "layout l1 is for region 0 too");
        assert_match(&matches[1], CONDITION_LAYOUT_CONFLICT, "layout l0 is for region 0 too");
        assert_match(&matches[2], CONDITION_LAYOUT_CONFLICT, "layout l0 is for region 0 too");
        assert_match(&matches[3], CONDITION_NONE, "");
        assert_match(&matches[4], CONDITION_AMBIGUOUS_LAYOUT, "(size) match region 0 and region 1");
        assert_match(&matches[5], CONDITION_NO_SUCH_REGION, "layout l5 is pending");
        layout_matches_free(matches, ELEMENTS(regions));

        match_all(names, ELEMENTS(names), &machine, &matches);
        assert_match(&matches[0], CONDITION_LABEL_IN_USE, "layout l1 has a device \"same\" too");
        assert_match(&matches[1], CONDITION_LABEL_IN_USE, "layout l0 has a device \"same\" too");
        assert_match(&matches[2], CONDITION_NONE, "");
        assert_match(&matches[3], CONDITION_NO_SUCH_REGION, "");
        layout_matches_free(matches, ELEMENTS(names));
        dax_machine_deinit(&machine);
}

/* --- placements ----------------------------------------------------------------------------- */

static void test_placements(void **state) {
        _cleanup_placements_ Placements placements = {}, again = {};
        _cleanup_region_ DaxRegion *region = make_region(0, UINT64_MAX - GiB + 1, GiB);
        _cleanup_region_ DaxRegion *other = make_region(0, START, GiB);
        _cleanup_ranges_ DaxRanges ranges = {};
        _cleanup_free_ char *text = NULL, *twice = NULL;
        const DaxRanges *found;

        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 4 * MiB, 2 * MiB }), 0);
        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ 0, 2 * MiB }), 0);
        assert_int_equal(placements_set(&placements, region, "a", &ranges), 0);
        assert_int_equal(placements_set(&placements, other, "a", &ranges), 0);
        ranges.count = 1;
        assert_int_equal(placements_set(&placements, other, "b", &ranges), 0);
        assert_int_equal(placements_set(&placements, other, "a", &ranges), 0);
        assert_int_equal(placements.count, 3);

        assert_int_equal(placements_to_text(&placements, &text, NULL), 0);
        assert_int_equal(placements_parse(text, strlen(text), &again, NULL), 0);
        assert_int_equal(placements_to_text(&again, &twice, NULL), 0);
        assert_string_equal(text, twice);
        assert_non_null(strstr(text, "{\"version\":1,\"placements\":[{\"region\":{\"start\":"
                                     "18446744072635809792,\"size\":1073741824},\"device\":\"a\","
                                     "\"ranges\":[[4194304,2097152],[0,2097152]]}"));

        found = placements_find(&again, region, "a");
        assert_non_null(found);
        assert_int_equal(found->count, 2);
        found = placements_find(&again, other, "a");
        assert_non_null(found);
        assert_true(dax_ranges_equal(found, &ranges));
        assert_null(placements_find(&again, region, "b"));

        placements_remove(&again, other, "a");
        placements_remove(&again, other, "none");
        assert_null(placements_find(&again, other, "a"));
        assert_non_null(placements_find(&again, other, "b"));
        assert_int_equal(again.count, 2);
}

static void test_bad_placements(void **state) {
#define PLACED(region, device, ranges)                                                             \
        "{\"version\":1,\"placements\":[{\"region\":" region ",\"device\":" device                 \
        ",\"ranges\":" ranges "}]}"
        static const char *const bad[] = {
                "",
                "{}",
                "{\"version\":1}",
                "{\"version\":2,\"placements\":[]}",
                "{\"version\":1,\"placements\":{}}",
                "{\"version\":1,\"placements\":[]",
                PLACED("{\"start\":0}", "\"a\"", "[[0,1]]"),
                PLACED("{\"start\":0,\"size\":8}", "\"A\"", "[[0,1]]"),
                PLACED("{\"start\":0,\"size\":8}", "\"a\"", "[]"),
                PLACED("{\"start\":0,\"size\":8}", "\"a\"", "[[0,9]]"),
                PLACED("{\"start\":0,\"size\":8}", "\"a\"", "[[0,2],[1,2]]"),
                PLACED("{\"start\":0,\"size\":8}", "\"a\"", "[[0,1]],\"x\":1"),
                PLACED("{\"start\":\"0\",\"size\":8}", "\"a\"", "[[0,1]]"),
                PLACED("{\"start\":0,\"size\":8}", "\"a\"",
                       "[[0,1]]},{\"region\":{\"start\":0,\"size\":8},\"device\":\"a\","
                       "\"ranges\":[[2,1]]"),
        };
        Placements placements = {};

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                _cleanup_failure_ Failure failure = FAILURE_INIT;

                assert_int_equal(placements_parse(bad[i], strlen(bad[i]), &placements, &failure),
                                 CONDITION_INVALID_LAYOUT);
                assert_int_equal(placements.count, 0);
                assert_non_null(strstr(failure_message(&failure), "the remembered placements: "));
        }
}

/* --- directories ---------------------------------------------------------------------------- */

typedef struct Tree {
        char root[64];
        char paths[3][80];
        LayoutDirectory directories[3];
} Tree;

static void tree_make(Tree *tree) {
        char root[] = "/tmp/daxd-test-layout-XXXXXX";

        assert_non_null(mkdtemp(root));
        strcpy(tree->root, root);
        for (int i = 0; i < 3; i++) {
                snprintf(tree->paths[i], sizeof(tree->paths[i]), "%s/%d", root, i);
                assert_int_equal(mkdir(tree->paths[i], 0755), 0);
                tree->directories[i] = (LayoutDirectory){ tree->paths[i], getuid() };
        }
}

static void tree_remove(Tree *tree) {
        char command[128];

        snprintf(command, sizeof(command), "rm -rf '%s'", tree->root);
        assert_int_equal(system(command), 0);
}

static const char *tree_path(const Tree *tree, int i, const char *name) {
        static char path[4][512];
        static unsigned next;

        next = (next + 1) % ELEMENTS(path);
        snprintf(path[next], sizeof(path[next]), "%s/%s", tree->paths[i], name);
        return path[next];
}

static void tree_write(const Tree *tree, int i, const char *name, const char *text) {
        assert_int_equal(file_replace(AT_FDCWD, tree_path(tree, i, name), text, strlen(text), 0644,
                                      0),
                         0);
}

static void tree_load(const Tree *tree, LayoutFiles *files) {
        assert_int_equal(layout_files_load(tree->directories, 3, files), 0);
        for (size_t i = 0; i < files->count; i++) {
                const LayoutFile *file = &files->list[i];
                bool failed = file->failure.condition != CONDITION_NONE;

                assert_int_equal((file->layout != NULL) + file->masked + failed, 1);
                assert_true(!failed || file->failure.condition == CONDITION_INVALID_LAYOUT);
                assert_true(i == 0 || strcmp(files->list[i - 1].name, file->name) <= 0);
        }
}

static void assert_file_refused(const LayoutFiles *files, const char *name, const char *part) {
        const LayoutFile *file = layout_files_find(files, name);

        if (!file)
                fail_msg("%s is not there", name);
        assert_null(file->layout);
        if (!strstr(failure_message(&file->failure), "cannot read layout file ") ||
            !strstr(failure_message(&file->failure), part))
                fail_msg("%s\nlacks %s", failure_message(&file->failure), part);
}

static const char good[] = DEVICE("\"size\":\"2M\"");

static void test_directories(void **state) {
        _cleanup_layout_files_ LayoutFiles files = {};
        Tree tree;

        tree_make(&tree);
        tree_write(&tree, 2, "b.json", good);
        tree_write(&tree, 2, "a.json", DEVICE("\"size\":\"4M\""));
        tree_write(&tree, 0, "a.json", good);
        tree_write(&tree, 1, "z.json", "");
        tree_write(&tree, 2, "z.json", good);
        tree_write(&tree, 0, "README", "hello");
        tree_write(&tree, 0, ".hidden.json", "hello");
        tree_write(&tree, 0, ".json", "hello");
        tree_write(&tree, 0, "x.json.new", "hello");
        tree_write(&tree, 2, "masked.json", good);
        assert_int_equal(symlink("/dev/null", tree_path(&tree, 1, "masked.json")), 0);
        assert_int_equal(symlink("b.json", tree_path(&tree, 2, "link.json")), 0);

        tree_load(&tree, &files);
        assert_int_equal(files.count, 5);
        assert_string_equal(files.list[0].name, "a");
        assert_int_equal(files.list[0].directory, 0);
        assert_string_equal(files.list[0].source, tree_path(&tree, 0, "a.json"));
        assert_true(files.list[0].layout->devices[0].size.value == 2 * MiB);
        assert_string_equal(files.list[0].layout->name, "a");
        assert_string_equal(files.list[0].layout->source, files.list[0].source);
        assert_string_equal(files.list[1].name, "b");
        assert_string_equal(files.list[2].name, "link");
        assert_non_null(files.list[2].layout);
        assert_string_equal(files.list[3].name, "masked");
        assert_true(files.list[3].masked);
        /* an empty file is a bad one, and still hides */
        assert_file_refused(&files, "z", "/1/z.json: line 1, column 1: expected '{'");
        tree_remove(&tree);
}

static void test_directories_missing(void **state) {
        _cleanup_layout_files_ LayoutFiles files = {}, none = {};
        Tree tree;

        tree_make(&tree);
        assert_int_equal(rmdir(tree.paths[0]), 0);
        assert_int_equal(rmdir(tree.paths[1]), 0);
        assert_int_equal(mkfifo(tree.paths[1], 0600), 0);
        tree_write(&tree, 2, "a.json", good);

        tree_load(&tree, &files);
        assert_int_equal(files.count, 2);
        assert_file_refused(&files, "", "/1: Not a directory");
        assert_non_null(files.list[1].layout);
        tree_remove(&tree);

        tree_load(&tree, &none);
        assert_int_equal(none.count, 0);
}

/* Nothing of this blocks, and nothing of it stops the good one. */
static void test_bad_files(void **state) {
        _cleanup_layout_files_ LayoutFiles files = {};
        _cleanup_free_ char *large = calloc(1, LAYOUT_TEXT_MAX + 2);
        Tree tree;

        tree_make(&tree);
        tree_write(&tree, 1, "good.json", good);
        assert_int_equal(mkfifo(tree_path(&tree, 0, "fifo.json"), 0600), 0);
        assert_int_equal(mkdir(tree_path(&tree, 0, "dir.json"), 0755), 0);
        assert_int_equal(symlink("/dev/zero", tree_path(&tree, 0, "zero.json")), 0);
        assert_int_equal(symlink("/etc/passwd", tree_path(&tree, 0, "out.json")), 0);
        assert_int_equal(symlink("../1/good.json", tree_path(&tree, 0, "up.json")), 0);
        assert_int_equal(symlink("fifo.json", tree_path(&tree, 0, "to-fifo.json")), 0);
        assert_int_equal(symlink("..", tree_path(&tree, 0, "to-dir.json")), 0);
        assert_int_equal(symlink("out.json", tree_path(&tree, 0, "twice.json")), 0);
        assert_int_equal(symlink("loop.json", tree_path(&tree, 0, "loop.json")), 0);
        assert_int_equal(symlink("nothing", tree_path(&tree, 0, "dangling.json")), 0);
        tree_write(&tree, 0, "others.json", good);
        assert_int_equal(chmod(tree_path(&tree, 0, "others.json"), 0646), 0);
        tree_write(&tree, 0, "group.json", good);
        assert_int_equal(chmod(tree_path(&tree, 0, "group.json"), 0664), 0);
        tree_write(&tree, 0, "new\nline.json", good);
        tree_write(&tree, 0, "\x1b[2J.json", good);
        tree_write(&tree, 0, "\xff.json", good);
        memset(large, ' ', LAYOUT_TEXT_MAX + 1);
        tree_write(&tree, 0, "large.json", large);
        if (getuid() == 0) {
                assert_int_equal(mknod(tree_path(&tree, 0, "node.json"), S_IFCHR | 0600, 0x105), 0);
                tree_write(&tree, 0, "owner.json", good);
                assert_int_equal(chown(tree_path(&tree, 0, "owner.json"), 65534, 0), 0);
        }

        tree_load(&tree, &files);
        assert_file_refused(&files, "fifo", "it is a FIFO, not a file");
        assert_file_refused(&files, "dir", "it is a directory, not a file");
        assert_file_refused(&files, "zero", "it is a link out of its directory");
        assert_file_refused(&files, "out", "it is a link out of its directory");
        assert_file_refused(&files, "up", "it is a link out of its directory");
        assert_file_refused(&files, "to-fifo", "it is a FIFO");
        assert_file_refused(&files, "to-dir", "it is a directory");
        assert_file_refused(&files, "twice", "it is a link to a link");
        assert_file_refused(&files, "loop", "it is a link to a link");
        assert_file_refused(&files, "dangling", "No such file");
        assert_file_refused(&files, "others", "others than root can write it");
        assert_file_refused(&files, "group", "others than root can write it");
        assert_file_refused(&files, "new\\x0aline", "its name has characters that do not show");
        assert_file_refused(&files, "\\x1b[2J", "its name has characters");
        assert_file_refused(&files, "\\xff", "its name has characters");
        assert_file_refused(&files, "large", "larger than 1 MiB");
        if (getuid() == 0) {
                assert_file_refused(&files, "node", "it is no regular file");
                assert_file_refused(&files, "owner", "belongs to another user than root");
        }
        assert_non_null(layout_files_find(&files, "good")->layout);
        tree_remove(&tree);
}

static void test_bad_directory(void **state) {
        _cleanup_layout_files_ LayoutFiles files = {}, later = {};
        Tree tree;

        tree_make(&tree);
        tree_write(&tree, 0, "a.json", good);
        tree_write(&tree, 2, "a.json", good);
        tree_write(&tree, 2, "b.json", good);
        tree_write(&tree, 2, "m.json", good);
        assert_int_equal(symlink("/dev/null", tree_path(&tree, 0, "m.json")), 0);
        assert_int_equal(chmod(tree.paths[0], 0777), 0);

        tree_load(&tree, &files);
        assert_int_equal(files.count, 3);
        assert_file_refused(&files, "a", "others than root can write its directory");
        assert_non_null(layout_files_find(&files, "b")->layout);
        assert_true(layout_files_find(&files, "m")->masked);

        if (getuid() == 0) {
                assert_int_equal(chmod(tree.paths[0], 0755), 0);
                assert_int_equal(chown(tree.paths[0], 65534, 0), 0);
                assert_int_equal(chown(tree_path(&tree, 0, "a.json"), 65534, 0), 0);
                tree_load(&tree, &later);
                assert_file_refused(&later, "a", "its directory belongs to another user");

                /* the state directory is daxd's own */
                layout_files_deinit(&later);
                tree.directories[0].owner = 65534;
                tree_load(&tree, &later);
                assert_non_null(layout_files_find(&later, "a")->layout);
        }
        tree_remove(&tree);
}

static void test_names(void **state) {
        static const char *const bad[] = { "",    ".",   "..",   ".a",           "a/b",
                                           "a\n", "a\\", "\xff", "a\xe2\x80\xae" };
        static const char *const fine[] = { "a", "My layout", "50-cxl", "é", "a.b_c@d:e" };
        char name[LAYOUT_NAME_MAX + 2];
        bool valid;

        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                assert_int_equal(layout_name_check(bad[i], &valid), 0);
                assert_false(valid);
        }
        for (size_t i = 0; i < ELEMENTS(fine); i++) {
                assert_int_equal(layout_name_check(fine[i], &valid), 0);
                assert_true(valid);
        }

        memset(name, 'a', sizeof(name));
        name[LAYOUT_NAME_MAX] = '\0';
        assert_int_equal(layout_name_check(name, &valid), 0);
        assert_true(valid);
        name[LAYOUT_NAME_MAX] = 'a';
        name[LAYOUT_NAME_MAX + 1] = '\0';
        assert_int_equal(layout_name_check(name, &valid), 0);
        assert_false(valid);
}

/* --- wanted pictures ------------------------------------------------------------------------ */

static DaxRegion *want_with(const Layout *layout, LayoutContext context) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        DaxRegion *wanted = NULL;

        context.block_size = BLOCK;
        if (layout_want(layout, &context, &wanted, &failure) != 0)
                fail_msg("%s", failure_message(&failure));
        return wanted;
}

static DaxRegion *want(const Layout *layout, const DaxRegion *now) {
        return want_with(layout, (LayoutContext){ .now = now });
}

static void assert_unwanted_with(const Layout *layout, LayoutContext context, Condition condition,
                                 const char *part) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        DaxRegion *wanted = NULL;
        int r = layout_want(layout, &context, &wanted, &failure);

        assert_null(wanted);
        if (r != (int)condition || failure.condition != condition ||
            !strstr(failure_message(&failure), part))
                fail_msg("%s: %s\nlacks %s", condition_name(r), failure_message(&failure), part);
        assert_non_null(strstr(failure_message(&failure), "cannot apply layout test to region "));
}

static void assert_unwanted(const Layout *layout, const DaxRegion *now, Condition condition,
                            const char *part) {
        assert_unwanted_with(layout, (LayoutContext){ .now = now, .block_size = BLOCK }, condition,
                             part);
}

static const DaxDevice *labelled(const DaxRegion *region, const char *label) {
        const DaxDevice *device = dax_region_find_label(region, label);

        if (!device)
                fail_msg("no device %s", label);
        return device;
}

static void assert_in_one(const DaxDevice *device, uint64_t offset, uint64_t size) {
        assert_int_equal(device->ranges.count, 1);
        assert_true(device->ranges.list[0].offset == offset);
        assert_true(device->ranges.list[0].size == size);
}

/* Whether @wanted is @now, for all that daxd promises. */
static void assert_same(const DaxRegion *now, const DaxRegion *wanted) {
        assert_int_equal(now->n_devices, wanted->n_devices);
        for (size_t i = 0; i < now->n_devices; i++) {
                const DaxDevice *a = now->devices[i], *b = wanted->devices[i];

                assert_string_equal(a->name, b->name);
                assert_true(a->identity == b->identity);
                assert_true(a->size == b->size);
                assert_int_equal(dax_device_difference(a, b), 0);
        }
}

/* A fresh region: its first device has all of it. */
static DaxRegion *fresh_region(void) {
        DaxRegion *region = make_region(0, START, GiB);

        add_device(region, 0, 0, GiB, DAX_MODE_DEVDAX, "");
        return region;
}

static void test_want_fresh(void **state) {
        _cleanup_layout_ Layout *layout =
                parse_devices("", "{\"name\":\"a\",\"size\":\"257M\"},"
                                  "{\"name\":\"b\",\"size\":\"50%\",\"mode\":\"system-ram\"},"
                                  "{\"name\":\"c\",\"size\":\"rest\",\"wipe\":true,"
                                  "\"access\":{\"user\":\"root\"}}");
        _cleanup_region_ DaxRegion *now = fresh_region(), *wanted = want(layout, now);
        const DaxDevice *a = labelled(wanted, "a"), *b = labelled(wanted, "b");

        assert_int_equal(wanted->n_devices, 3);
        for (size_t i = 0; i < 3; i++) {
                assert_string_equal(wanted->devices[i]->name, "");
                assert_int_equal(wanted->devices[i]->ranges.count, 0);
                assert_true(wanted->devices[i]->align == 2 * MiB);
        }
        assert_true(wanted->devices[0] == a && wanted->devices[1] == b);
        assert_true(a->size == 256 * MiB && a->lost_to_rounding == MiB);
        assert_int_equal(a->mode, DAX_MODE_DEVDAX);
        assert_int_equal(a->online, DAX_ONLINE_KEEP);
        assert_int_equal(a->wipe, -1);
        assert_true(b->size == 512 * MiB && b->lost_to_rounding == 0);
        assert_int_equal(b->online, DAX_ONLINE_MOVABLE);
        assert_true(labelled(wanted, "c")->size == DAX_SIZE_REST);
        assert_int_equal(labelled(wanted, "c")->wipe, 1);
        assert_string_equal(labelled(wanted, "c")->access.user, "root");
}

static void test_want_whole(void **state) {
        static const char *const sizes[] = { "100%", "1G", "rest" };

        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                _cleanup_free_ char *text = NULL;
                _cleanup_layout_ Layout *layout = NULL;
                _cleanup_region_ DaxRegion *now = fresh_region(), *wanted = NULL;

                assert_true(asprintf(&text, "{\"name\":\"a\",\"size\":\"%s\"}", sizes[i]) > 0);
                layout = parse_devices("", text);
                wanted = want(layout, now);
                assert_int_equal(wanted->n_devices, 1);
                assert_string_equal(wanted->devices[0]->name, "dax0.0");
                assert_true(wanted->devices[0]->size == GiB);
                assert_in_one(wanted->devices[0], 0, GiB);
                assert_int_equal(dax_device_difference(now->devices[0], wanted->devices[0]),
                                 DAX_DIFFERS_LABEL);
        }
}

static void test_want_empty_first(void **state) {
        _cleanup_layout_ Layout *layout = parse_devices("", "{\"name\":\"a\",\"size\":\"2M\"}");
        _cleanup_layout_ Layout *none = parse_devices("\"prune\":\"idle\",", "");
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB), *wanted = NULL, *kept = NULL;

        add_device(now, 0, 0, 0, DAX_MODE_NONE, "");
        add_device(now, 3, 0, 0, DAX_MODE_NONE, ""); /* someone's seed */
        wanted = want(layout, now);
        assert_int_equal(wanted->n_devices, 2);
        assert_string_equal(wanted->devices[0]->name, "dax0.3");
        assert_string_equal(wanted->devices[1]->name, "");

        kept = want(none, now);
        assert_same(now, kept);
}

static void test_want_keep_and_resize(void **state) {
        _cleanup_layout_ Layout *layout = parse_devices(
                "", "{\"name\":\"same\",\"size\":\"64M\"},"
                    "{\"name\":\"grown\",\"size\":\"96M\",\"wipe\":true},"
                    "{\"name\":\"cut\",\"size\":\"32M\"},{\"name\":\"new\",\"size\":\"2M\"}");
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB), *wanted = NULL;

        add_device(now, 0, 0, 0, DAX_MODE_NONE, "");
        add_device(now, 1, 512 * MiB, 64 * MiB, DAX_MODE_DEVDAX, "same")->align = 4 * KiB;
        add_device(now, 2, 0, 64 * MiB, DAX_MODE_DEVDAX, "grown");
        add_device(now, 3, 256 * MiB, 64 * MiB, DAX_MODE_NONE, "cut");
        add_device(now, 4, 128 * MiB, 64 * MiB, DAX_MODE_DEVDAX, "foreign");
        wanted = want(layout, now);

        assert_int_equal(wanted->n_devices, 5);
        assert_int_equal(dax_device_difference(labelled(now, "same"), labelled(wanted, "same")), 0);
        assert_int_equal(dax_device_difference(labelled(now, "foreign"),
                                               labelled(wanted, "foreign")),
                         0);
        assert_true(labelled(wanted, "grown")->size == 96 * MiB);
        assert_in_one(labelled(wanted, "grown"), 0, 64 * MiB);
        assert_int_equal(labelled(wanted, "grown")->wipe, -1); /* what it has is not zeroed */
        assert_true(labelled(wanted, "cut")->size == 32 * MiB);
        assert_in_one(labelled(wanted, "cut"), 256 * MiB, 64 * MiB);
        assert_int_equal(labelled(wanted, "cut")->mode, DAX_MODE_DEVDAX);
        assert_string_equal(labelled(wanted, "new")->name, "");
}

static void test_want_ranges(void **state) {
        _cleanup_layout_ Layout *layout =
                parse_devices("", "{\"name\":\"a\",\"ranges\":[[\"64M\",\"64M\"]]},"
                                  "{\"name\":\"b\",\"ranges\":[[\"256M\",\"2M\"],[0,\"2M\"]]},"
                                  "{\"name\":\"c\",\"size\":\"32M\"}");
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB), *wanted = NULL;

        /* known by its place, whatever it was called */
        add_device(now, 0, 64 * MiB, 64 * MiB, DAX_MODE_DEVDAX, "old-name");
        /* in the way of b: has to move */
        add_device(now, 1, 256 * MiB, 32 * MiB, DAX_MODE_DEVDAX, "c");
        /* b itself, elsewhere */
        add_device(now, 2, 512 * MiB, 4 * MiB, DAX_MODE_DEVDAX, "b");
        wanted = want(layout, now);

        assert_int_equal(wanted->n_devices, 3);
        assert_string_equal(labelled(wanted, "a")->name, "dax0.0");
        assert_in_one(labelled(wanted, "a"), 64 * MiB, 64 * MiB);
        assert_string_equal(labelled(wanted, "b")->name, "dax0.2");
        assert_int_equal(labelled(wanted, "b")->ranges.count, 2);
        assert_true(labelled(wanted, "b")->ranges.list[1].offset == 0);
        assert_true(labelled(wanted, "b")->size == 4 * MiB);
        assert_string_equal(labelled(wanted, "c")->name, "dax0.1");
        assert_int_equal(labelled(wanted, "c")->ranges.count, 0);
        assert_true(labelled(wanted, "c")->size == 32 * MiB);
}

static void test_want_prune(void **state) {
        static const char *const held[] = { "dax0.2" };
        _cleanup_layout_ Layout *never = parse_devices("", "{\"name\":\"a\",\"size\":\"2M\"}");
        _cleanup_layout_ Layout *idle = parse_devices("\"prune\":\"idle\",",
                                                      "{\"name\":\"a\",\"size\":\"2M\"}");
        _cleanup_region_ DaxRegion *now = make_region(0, START, 2 * GiB);
        _cleanup_region_ DaxRegion *all = NULL, *some = NULL, *repaired = NULL;
        DaxDevice *offline;

        add_device(now, 0, 0, 2 * MiB, DAX_MODE_DEVDAX, "a");
        add_device(now, 1, 2 * MiB, 2 * MiB, DAX_MODE_DEVDAX, "free");
        add_device(now, 2, 4 * MiB, 2 * MiB, DAX_MODE_DEVDAX, "held");
        add_device(now, 3, GiB, BLOCK, DAX_MODE_SYSTEM_RAM, "online");
        offline = add_device(now, 4, GiB + BLOCK, BLOCK, DAX_MODE_SYSTEM_RAM, "offline");
        offline->blocks[0].state = DAX_BLOCK_OFFLINE;
        add_device(now, 5, 6 * MiB, 2 * MiB, DAX_MODE_NONE, "tainted")->tainted = true;
        add_device(now, 6, 8 * MiB, 2 * MiB, DAX_MODE_OTHER, "other");
        add_device(now, 7, 0, 0, DAX_MODE_NONE, "");

        all = want(never, now);
        assert_same(now, all);

        some = want_with(idle, (LayoutContext){ .now = now, .held = held, .n_held = 1 });
        assert_int_equal(some->n_devices, 6);
        assert_null(dax_region_find_label(some, "free"));
        assert_null(dax_region_find_label(some, "offline"));

        repaired = want_with(idle, (LayoutContext){
                                           .now = now, .held = held, .n_held = 1, .repair = true });
        assert_same(now, repaired);
}

static void test_want_memory(void **state) {
        _cleanup_layout_ Layout *layout =
                parse_devices("", "{\"name\":\"a\",\"size\":\"256M\",\"mode\":\"system-ram\","
                                  "\"online\":\"kernel\"},"
                                  "{\"name\":\"b\",\"size\":\"256M\",\"mode\":\"system-ram\","
                                  "\"memmap-on-memory\":true},"
                                  "{\"name\":\"c\",\"size\":\"129M\",\"mode\":\"system-ram\","
                                  "\"online\":\"offline\"}");
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB), *wanted = NULL;
        const DaxDevice *a, *b, *c;

        add_device(now, 0, 0, 256 * MiB, DAX_MODE_SYSTEM_RAM, "a");
        add_device(now, 1, 514 * MiB, 256 * MiB, DAX_MODE_DEVDAX, "b"); /* not on blocks */
        wanted = want(layout, now);

        a = labelled(wanted, "a");
        assert_int_equal(dax_device_difference(labelled(now, "a"), a), DAX_DIFFERS_BLOCKS);
        assert_int_equal(a->n_blocks, 2);
        assert_int_equal(a->blocks[0].state, DAX_BLOCK_KERNEL);
        assert_int_equal(a->online, DAX_ONLINE_KERNEL);

        b = labelled(wanted, "b");
        assert_string_equal(b->name, "dax0.1");
        assert_int_equal(b->ranges.count, 0);
        assert_true(b->size == 256 * MiB);
        assert_int_equal(b->memmap_on_memory, 1);
        assert_int_equal(b->n_blocks, 0);

        c = labelled(wanted, "c");
        assert_true(c->size == BLOCK && c->lost_to_rounding == MiB);
        assert_int_equal(c->online, DAX_ONLINE_OFFLINE);
}

static void test_want_rest(void **state) {
        _cleanup_layout_ Layout *one = parse_devices(
                "", "{\"name\":\"a\",\"size\":\"256M\"},{\"name\":\"spare\",\"size\":\"rest\"}");
        _cleanup_layout_ Layout *two = parse_devices(
                "", "{\"name\":\"a\",\"size\":\"256M\"},{\"name\":\"spare\",\"size\":\"rest\"},"
                    "{\"name\":\"b\",\"size\":\"128M\"}");
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB);
        DaxDevice *second;
        _cleanup_region_ DaxRegion *kept = NULL, *cut = NULL, *grown = NULL;

        add_device(now, 0, 0, 256 * MiB, DAX_MODE_DEVDAX, "a");
        add_device(now, 1, 256 * MiB, 768 * MiB, DAX_MODE_DEVDAX, "spare");
        kept = want(one, now);
        assert_same(now, kept);

        cut = want(two, now);
        assert_true(labelled(cut, "spare")->size == 640 * MiB);
        assert_in_one(labelled(cut, "spare"), 256 * MiB, 768 * MiB);

        second = edit_device(now, now->devices[1]);
        dax_ranges_cut(&second->ranges, 512 * MiB);
        second->size = 512 * MiB;
        grown = want(one, now);
        assert_true(labelled(grown, "spare")->size == DAX_SIZE_REST);
        assert_in_one(labelled(grown, "spare"), 256 * MiB, 512 * MiB);
}

static void remember(Placements *placements, const DaxRegion *region, const char *device,
                     uint64_t offset, uint64_t size) {
        _cleanup_ranges_ DaxRanges ranges = {};

        assert_int_equal(dax_ranges_append(&ranges, (DaxRange){ offset, size }), 0);
        assert_int_equal(placements_set(placements, region, device, &ranges), 0);
}

static void test_want_remembered(void **state) {
        _cleanup_layout_ Layout *layout = parse_devices(
                "", "{\"name\":\"a\",\"size\":\"64M\"},{\"name\":\"b\",\"size\":\"64M\"},"
                    "{\"name\":\"c\",\"size\":\"64M\"},{\"name\":\"d\",\"size\":\"64M\"},"
                    "{\"name\":\"e\",\"size\":\"64M\"},{\"name\":\"f\",\"size\":\"128M\"},"
                    "{\"name\":\"m\",\"size\":\"128M\",\"mode\":\"system-ram\"}");
        _cleanup_placements_ Placements placements = {};
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB), *wanted = NULL;

        add_device(now, 0, 0, 0, DAX_MODE_NONE, "");
        add_device(now, 1, 0, 2 * MiB, DAX_MODE_DEVDAX, "foreign");
        add_device(now, 2, 512 * MiB, 64 * MiB, DAX_MODE_DEVDAX, "f"); /* was cut */
        add_device(now, 3, 768 * MiB, 64 * MiB, DAX_MODE_DEVDAX, "e");
        remember(&placements, now, "a", 256 * MiB, 64 * MiB);
        remember(&placements, now, "b", 0, 64 * MiB);              /* the foreign one is there */
        remember(&placements, now, "c", 128 * MiB, 32 * MiB);      /* had another size */
        remember(&placements, now, "d", GiB - 32 * MiB, 64 * MiB); /* never fitted */
        remember(&placements, now, "e", 896 * MiB, 64 * MiB);      /* it lies elsewhere: it stays */
        remember(&placements, now, "f", 512 * MiB, 128 * MiB);
        remember(&placements, now, "m", 130 * MiB, 128 * MiB); /* not on blocks */
        wanted = want_with(layout, (LayoutContext){ .now = now, .placements = &placements });

        assert_in_one(labelled(wanted, "a"), 256 * MiB, 64 * MiB);
        assert_int_equal(labelled(wanted, "b")->ranges.count, 0);
        assert_int_equal(labelled(wanted, "c")->ranges.count, 0);
        assert_int_equal(labelled(wanted, "d")->ranges.count, 0);
        assert_in_one(labelled(wanted, "e"), 768 * MiB, 64 * MiB);
        assert_in_one(labelled(wanted, "f"), 512 * MiB, 128 * MiB);
        assert_int_equal(labelled(wanted, "m")->ranges.count, 0);
}

static void test_want_static(void **state) {
        _cleanup_layout_ Layout *whole = parse_devices("", "{\"name\":\"a\",\"size\":\"100%\"}");
        _cleanup_layout_ Layout *rest =
                parse_devices("", "{\"name\":\"a\",\"size\":\"rest\",\"mode\":\"system-ram\"}");
        _cleanup_layout_ Layout *half = parse_devices("", "{\"name\":\"a\",\"size\":\"50%\"}");
        _cleanup_layout_ Layout
                *align = parse_devices("", "{\"name\":\"a\",\"size\":\"100%\",\"align\":\"1G\"}");
        _cleanup_region_ DaxRegion *now = make_region(0, START, GiB - 2 * MiB);
        _cleanup_region_ DaxRegion *named = NULL, *memory = NULL;

        now->is_static = true;
        add_device(now, 0, 0, now->size, DAX_MODE_DEVDAX, "");
        named = want(whole, now);
        assert_int_equal(dax_device_difference(now->devices[0], named->devices[0]),
                         DAX_DIFFERS_LABEL);
        memory = want(rest, now);
        assert_int_equal(dax_device_difference(now->devices[0], memory->devices[0]),
                         DAX_DIFFERS_LABEL | DAX_DIFFERS_MODE);
        assert_unwanted(half, now, CONDITION_STATIC_REGION, "it is static");
        assert_unwanted(align, now, CONDITION_STATIC_REGION, "it is static");
}

static void assert_devices_unwanted(const char *devices, const DaxRegion *now, Condition condition,
                                    const char *part) {
        _cleanup_layout_ Layout *layout = parse_devices("", devices);

        assert_unwanted(layout, now, condition, part);
}

static void test_want_refuses(void **state) {
        static const char *const held[] = { "dax0.0" };
        _cleanup_region_ DaxRegion *now = fresh_region();
        _cleanup_region_ DaxRegion *part = make_region(1, START, GiB);
        _cleanup_layout_ Layout *layout = parse_devices("", "{\"name\":\"a\",\"size\":\"2M\"}");
        _cleanup_layout_ Layout *memory =
                parse_devices("", "{\"name\":\"a\",\"size\":\"128M\",\"mode\":\"system-ram\"}");

        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"600M\"},"
                                "{\"name\":\"b\",\"size\":\"50%\"}",
                                now, CONDITION_NO_SPACE,
                                "need 1166016512 bytes together, the "
                                "region has 1073741824");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"2T\"}", now, CONDITION_NO_SPACE,
                                "need 2199023255552 bytes");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"16777215T\"},{\"name\":\"b\",\"size\":"
                                "\"16777215T\"}",
                                now, CONDITION_NO_SPACE, "bytes together");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"1G\"},"
                                "{\"name\":\"b\",\"size\":\"rest\"}",
                                part, CONDITION_NO_SPACE, "need 1075838976 bytes");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"1M\"}", now, CONDITION_INVALID_SIZE,
                                "nothing is left of the 1048576 bytes of device \"a\"");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"127M\",\"mode\":\"system-ram\"}", now,
                                CONDITION_INVALID_SIZE, "multiples of 128 MiB");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"64M\",\"align\":\"4M\"}", now,
                                CONDITION_INVALID_ALIGN, "cannot be aligned to 4 MiB");
        assert_devices_unwanted("{\"name\":\"a\",\"ranges\":[[\"1G\",\"2M\"]]}", now,
                                CONDITION_INVALID_RANGE, "ends behind the region");
        assert_devices_unwanted("{\"name\":\"a\",\"ranges\":[[4096,\"2M\"]]}", now,
                                CONDITION_INVALID_RANGE, "multiples of 2 MiB");
        assert_devices_unwanted("{\"name\":\"a\",\"ranges\":[[0,4096]]}", now,
                                CONDITION_INVALID_RANGE, "multiples of 2 MiB");
        assert_devices_unwanted("{\"name\":\"a\",\"ranges\":[[\"2M\",\"128M\"]],"
                                "\"mode\":\"system-ram\"}",
                                now, CONDITION_INVALID_RANGE,
                                "multiples of 128 MiB of memory, whole memory blocks");

        assert_unwanted_with(layout,
                             (LayoutContext){
                                     .now = now, .block_size = BLOCK, .held = held, .n_held = 1 },
                             CONDITION_IN_USE, "dax0.0 has all of it, and someone has it open");
        assert_unwanted_with(memory, (LayoutContext){ .now = now }, CONDITION_NOT_SUPPORTED,
                             "no memory hotplug");
        edit_device(now, now->devices[0])->tainted = true;
        assert_unwanted(layout, now, CONDITION_TAINTED, "until the next reboot");

        edit_device(now, now->devices[0])->tainted = false;
        edit_device(now, now->devices[0])->memmap_on_memory = -1;
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"128M\",\"mode\":\"system-ram\","
                                "\"memmap-on-memory\":true}",
                                now, CONDITION_NOT_SUPPORTED,
                                "memmap-on-memory: this kernel does not offer it");

        add_device(part, 0, 0, 512 * MiB, DAX_MODE_DEVDAX, "foreign");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"1G\"}", part, CONDITION_NO_SPACE,
                                "of which 536870912 are kept by devices that no entry claims "
                                "(dax1.0) or have leaked; make the devices smaller, \"a\" first, "
                                "or have these removed by \"prune\": \"idle\"");
        add_device(part, 1, 512 * MiB, 2 * MiB, DAX_MODE_DEVDAX, "");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"1G\"}", part, CONDITION_NO_SPACE,
                                "(dax1.0 and 1 more)");
        add_device(part, 2, 514 * MiB, 510 * MiB, DAX_MODE_DEVDAX, "");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"rest\"}", part, CONDITION_NO_SPACE,
                                "\"a\" is 2 MiB at least, no device has less");
}

static void test_want_names_who_needs_too_much(void **state) {
        _cleanup_region_ DaxRegion *now = make_region(0, START, 512 * MiB);
        _cleanup_layout_ Layout *memory =
                parse_devices("", "{\"name\":\"a\",\"size\":\"rest\",\"mode\":\"system-ram\"}");

        (void)state;
        now->aligns |= GiB;
        assert_devices_unwanted("{\"name\":\"a\",\"align\":\"1G\",\"size\":\"rest\"}", now,
                                CONDITION_NO_SPACE,
                                "the rest for \"a\" is 1 GiB at least, its alignment");
        assert_devices_unwanted("{\"name\":\"a\",\"align\":\"1G\",\"size\":\"rest\"},"
                                "{\"name\":\"b\",\"size\":\"512M\"}",
                                now, CONDITION_NO_SPACE, "the rest for \"a\" is 1 GiB at least");
        assert_devices_unwanted("{\"name\":\"a\",\"size\":\"rest\"},"
                                "{\"name\":\"b\",\"size\":\"512M\"}",
                                now, CONDITION_NO_SPACE, "make the devices smaller, \"b\" first");
        assert_unwanted_with(memory, (LayoutContext){ .now = now, .block_size = 2 * GiB },
                             CONDITION_NO_SPACE,
                             "the rest for \"a\" is 2 GiB at least, a memory block");
}

static void random_now(uint64_t *seed, DaxRegion *region) {
        uint64_t unit = 2 * MiB, at = 0;
        uint32_t instance = 0;

        if (below(seed, 3) == 0) {
                add_device(region, 0, 0, below(seed, 2) * region->size,
                           below(seed, 2) ? DAX_MODE_DEVDAX : DAX_MODE_NONE, "");
                return;
        }

        while (at < region->size && instance < 6) {
                bool ram = below(seed, 3) == 0;
                uint64_t size = ram ? BLOCK * (1 + below(seed, 2)) : unit * (1 + below(seed, 64));
                char label[16] = "";

                at += unit * below(seed, 40);
                if (ram)
                        at += (BLOCK - (region->start + at) % BLOCK) % BLOCK;
                if (at + size > region->size)
                        break;
                if (below(seed, 2))
                        snprintf(label, sizeof(label), "d%u", instance);
                add_device(region, instance, at, size, ram ? DAX_MODE_SYSTEM_RAM : DAX_MODE_DEVDAX,
                           label);
                at += size;
                instance++;
        }
        if (instance == 0)
                add_device(region, 0, 0, 0, DAX_MODE_NONE, "");
        else if (below(seed, 3) == 0)
                add_device(region, instance, 0, 0, DAX_MODE_NONE, "");
}

/* NULL when it came out as no layout: exact ranges may overlap. */
static Layout *random_layout(uint64_t *seed, uint64_t region_size) {
        static const char start[] = "{\"version\":1,\"region\":{\"id\":0},";
        unsigned count = below(seed, 5), first = below(seed, 3);
        Layout *layout = NULL;
        bool rest = false;
        char text[4096];
        size_t n;

        n = sprintf(text, "%s\"prune\":\"%s\",\"devices\":[", start,
                    below(seed, 2) ? "idle" : "never");
        for (unsigned i = 0; i < count; i++) {
                unsigned kind = below(seed, 8);

                n += sprintf(text + n, "%s{\"name\":\"d%u\"", i > 0 ? "," : "", first + i);
                if (kind == 0 && !rest)
                        n += sprintf(text + n, ",\"size\":\"rest\""), rest = true;
                else if (kind <= 2)
                        n += sprintf(text + n, ",\"size\":\"%u.%u%%\"", (unsigned)below(seed, 60),
                                     1 + (unsigned)below(seed, 99));
                else if (kind == 3)
                        n += sprintf(text + n, ",\"ranges\":[[%llu,%llu]]",
                                     (unsigned long long)(region_size / 8 * i / BLOCK * BLOCK),
                                     (unsigned long long)BLOCK);
                else
                        n += sprintf(text + n, ",\"size\":\"%uM\"", 2 + (unsigned)below(seed, 400));
                if (below(seed, 3) == 0)
                        n += sprintf(text + n, ",\"mode\":\"system-ram\",\"online\":\"%s\"",
                                     dax_online_name(1 + below(seed, 3)));
                else if (below(seed, 4) == 0)
                        n += sprintf(text + n, ",\"align\":4096,\"wipe\":true");
                n += sprintf(text + n, "}");
        }
        n += sprintf(text + n, "]}");

        (void)layout_parse("random", NULL, text, n, &layout, NULL);
        return layout;
}

/* What the kernel has when @plan has been carried out. */
static DaxRegion *carry_out(const Plan *plan) {
        DaxRegion *after, *copy;
        uint32_t instance = 0;

        assert_int_equal(dax_region_copy(plan->wanted, &copy), 0);
        assert_int_equal(dax_region_copy(plan->wanted, &after), 0);
        while (after->n_devices > 0) {
                after->n_devices--;
                dax_device_unref(after->devices[after->n_devices]);
        }

        for (size_t i = 0; i < copy->n_devices; i++) {
                DaxDevice *device;

                assert_int_equal(dax_device_copy(copy->devices[i], &device), 0);
                while (device->name[0] == '\0') {
                        char name[DAX_NAME_MAX + 1];

                        snprintf(name, sizeof(name), "dax%u.%u", copy->id, instance);
                        if (!dax_region_find(copy, name)) {
                                strcpy(device->name, name);
                                device->instance = instance;
                        }
                        instance++;
                }
                if (device->memmap_on_memory < 0)
                        device->memmap_on_memory = 0;
                device->online = DAX_ONLINE_KEEP;
                device->wipe = -1;
                device->lost_to_rounding = 0;
                assert_int_equal(dax_region_add(after, device), 0);
        }
        if (!dax_region_find(after, "dax0.0"))
                add_device(after, 0, 0, 0, DAX_MODE_NONE, "");

        dax_region_free(copy);
        return after;
}

static const PlanOptions forced = { .block_size = BLOCK, .force = true };

/* Plans what @layout wants of @now. NULL when there is a reason not to. */
static Plan *plan_layout(const Layout *layout, const DaxRegion *now, const Placements *placements) {
        LayoutContext context = { .now = now, .block_size = BLOCK, .placements = placements };
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_region_ DaxRegion *wanted = NULL;
        Plan *plan = NULL;
        int r;

        r = layout_want(layout, &context, &wanted, &failure);
        if (r == 0)
                r = plan_new(now, wanted, &forced, &plan, &failure);
        assert_true(r >= 0);
        if (r > 0)
                assert_true(strlen(failure_message(&failure)) > 40);
        return plan;
}

/*
 * In a fresh region, with what is remembered of @after, every device of @layout comes back to its
 * memory; but what others had before may be the rest's now.
 */
static bool comes_back(const Layout *layout, const DaxRegion *after) {
        _cleanup_region_ DaxRegion *booted = make_region(0, after->start, after->size);
        _cleanup_placements_ Placements placements = {};
        _cleanup_plan_ Plan *plan = NULL;

        add_device(booted, 0, 0, after->size, DAX_MODE_DEVDAX, "");
        for (size_t i = 0; i < layout->n_devices; i++) {
                const char *name = layout->devices[i].name;

                assert_int_equal(placements_set(&placements, after, name,
                                                &labelled(after, name)->ranges),
                                 0);
        }

        plan = plan_layout(layout, booted, &placements);
        for (size_t i = 0; plan && i < layout->n_devices; i++) {
                const char *name = layout->devices[i].name;

                if (layout->devices[i].size.unit != LAYOUT_SIZE_REST)
                        assert_true(dax_ranges_equal(&labelled(after, name)->ranges,
                                                     &labelled(plan->wanted, name)->ranges));
        }

        return plan;
}

/*
 * Whatever the region and the layout: a picture that is wanted and planned, once it is there, is
 * not wanted otherwise, and there is nothing left to do; and it comes back after a reboot.
 */
static void test_want_is_idempotent(void **state) {
        uint64_t seed = 314159;
        unsigned applied = 0, back = 0;

        for (unsigned round = 0; round < 4000; round++) {
                /* not always on memory blocks */
                uint64_t start = START + 2 * MiB * below(&seed, 2) * below(&seed, 64);
                uint64_t size = 64 * MiB * (4 + below(&seed, 28)) + 2 * MiB * below(&seed, 2);
                _cleanup_region_ DaxRegion *now = make_region(0, start, size);
                _cleanup_region_ DaxRegion *after = NULL, *again = NULL;
                _cleanup_plan_ Plan *plan = NULL, *nothing = NULL;
                _cleanup_layout_ Layout *layout = NULL;

                random_now(&seed, now);
                layout = random_layout(&seed, size);
                if (layout)
                        plan = plan_layout(layout, now, NULL);
                if (!plan)
                        continue;
                applied++;

                after = carry_out(plan);
                again = want(layout, after);
                assert_same(after, again);
                nothing = plan_layout(layout, after, NULL);
                assert_non_null(nothing);
                assert_int_equal(nothing->n_steps, 0);
                back += comes_back(layout, after);
        }

        assert_true(applied > 500);
        assert_true(back > 500);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_percent_is_exact),
                cmocka_unit_test(test_example),
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_bad_documents),
                cmocka_unit_test(test_bad_regions),
                cmocka_unit_test(test_bad_devices),
                cmocka_unit_test(test_bad_ranges),
                cmocka_unit_test(test_bad_names),
                cmocka_unit_test(test_too_large),
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_messages_are_escaped),
                cmocka_unit_test(test_digest),
                cmocka_unit_test(test_mutations),
                cmocka_unit_test(test_match_keys),
                cmocka_unit_test(test_match_conflicts),
                cmocka_unit_test(test_placements),
                cmocka_unit_test(test_bad_placements),
                cmocka_unit_test(test_directories),
                cmocka_unit_test(test_directories_missing),
                cmocka_unit_test(test_bad_files),
                cmocka_unit_test(test_bad_directory),
                cmocka_unit_test(test_names),
                cmocka_unit_test(test_want_fresh),
                cmocka_unit_test(test_want_whole),
                cmocka_unit_test(test_want_empty_first),
                cmocka_unit_test(test_want_keep_and_resize),
                cmocka_unit_test(test_want_ranges),
                cmocka_unit_test(test_want_prune),
                cmocka_unit_test(test_want_memory),
                cmocka_unit_test(test_want_rest),
                cmocka_unit_test(test_want_remembered),
                cmocka_unit_test(test_want_static),
                cmocka_unit_test(test_want_refuses),
                cmocka_unit_test(test_want_names_who_needs_too_much),
                cmocka_unit_test(test_want_is_idempotent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
