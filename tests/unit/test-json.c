/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Strict JSON: what is taken, what is not, and that nothing breaks it. */

#include "daemon/util/json.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <json-c/json_tokener.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, size_t size, json_object **ret_object, Failure *failure) {
        JsonSource source = { "the test", CONDITION_INVALID_ARGS, failure };

        return json_parse_strict(&source, text, size, ret_object);
}

static void assert_taken(const char *text, const char *expected) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *back = NULL;
        size_t size;

        if (parse(text, strlen(text), &object, &failure) != 0)
                fail_msg("%s: %s", text, failure_message(&failure));
        assert_int_equal(json_to_text(object, &back, &size), 0);
        assert_int_equal(size, strlen(back));
        assert_string_equal(back, expected);
}

static void assert_refused_n(const char *text, size_t size, const char *part) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        json_object *object = NULL;

        assert_int_equal(parse(text, size, &object, &failure), CONDITION_INVALID_ARGS);
        assert_null(object);
        assert_int_equal(failure.condition, CONDITION_INVALID_ARGS);
        if (!strstr(failure_message(&failure), part))
                fail_msg("%s\n%s\nlacks %s", text, failure_message(&failure), part);
}

static void assert_refused(const char *text, const char *part) {
        assert_refused_n(text, strlen(text), part);
}

static void test_taken(void **state) {
        assert_taken("{}", "{}\n");
        assert_taken(" \t\r\n{ \"a\" : [ 1 , -2, true,false,null ] }\n",
                     "{\"a\":[1,-2,true,false,null]}\n");
        assert_taken("{\"a\":18446744073709551615}", "{\"a\":18446744073709551615}\n");
        assert_taken("{\"a\":-9223372036854775808}", "{\"a\":-9223372036854775808}\n");
        assert_taken("{\"a\":\"\\u00e9\\n\\/\\ud83d\\ude00\"}", "{\"a\":\"é\\u000a/😀\"}\n");
        assert_taken("{\"a\":\"é€😀\"}", "{\"a\":\"é€😀\"}\n");
        assert_taken("{\"a\":{\"a\":{}},\"b\":[[],[{}]]}", "{\"a\":{\"a\":{}},\"b\":[[],[{}]]}\n");
        assert_taken("{\"\":0}", "{\"\":0}\n");
}

/* What json-c 0.16 takes even in strict mode. */
static void test_traps(void **state) {
        assert_refused("{\"a\":1,\"b\":{\"c\":1,\"c\":2}}",
                       "cannot read the test: line 1, column 19: b.c: this key stands here twice");
        assert_refused("{\"a\":[0,{\"k\":1,\n \"k\":1}]}", "line 2, column 2: a[1].k: this key");
        assert_refused("{\"ab\":1,\"a\\u0062\":1}", "column 9: ab: this key stands here twice");
        assert_refused("{\"a\":18446744073709551616}", "above 2^64 - 1");
        assert_refused("{\"a\":99999999999999999999999999999999}", "above 2^64 - 1");
        assert_refused("{\"a\":-9223372036854775809}", "below -2^63");
        assert_refused("{\"a\":NaN}", "a: expected a value, found 'N'");
        assert_refused("{\"a\":Infinity}", "expected a value");
        assert_refused("{\"a\":-Infinity}", "expected a digit");
        assert_refused("{'a':1}", "expected a key in double quotes, found '''");
        assert_refused("{\"a\":'x'}", "expected a value");
        assert_refused("{\"a\":\"\n\"}", "control character");
        assert_refused("{\"a\":\"\x1f\"}", "control character");
        assert_refused("{\"a\":\"\\u0000\"}", "cannot hold \\u0000");
        assert_refused("{\"a\":\"\\ud800\"}", "surrogate");
        assert_refused("{\"a\":\"\\ud800\\u0041\"}", "surrogate");
        assert_refused("{\"a\":\"\\udc00\"}", "surrogate");
        assert_refused("{\"a\":\"\\u12g4\"}", "four hexadecimal digits");
        assert_refused("{\"a\":\"\\u12", "four hexadecimal digits");
        assert_refused("{\"a\":\"\\x41\"}", "no such escape");
        assert_refused("{\"a\":\"\xc0\x80\"}", "UTF-8");
        assert_refused("{\"a\":\"\xed\xa0\x80\"}", "UTF-8");
        assert_refused("{\"a\":\"\xf4\x90\x80\x80\"}", "UTF-8");
        assert_refused("{\"a\":\"\xe0\x80\xaf\"}", "UTF-8");
        assert_refused("{\"a\":\"\xff\"}", "UTF-8");
        assert_refused("{\"a\":\"\xe2\x82", "UTF-8");
        assert_refused("{\"\xc3\":1}", "UTF-8");
        assert_refused_n("{\"a\":\"x\0y\"}", 11, "control character");
        assert_refused_n("{\"a\":1}\0", 8, "expected nothing more, found '\\x00'");
        assert_refused("{\"a\":1} x", "line 1, column 9: expected nothing more, found 'x'");
        assert_refused("{\"a\":1}{}", "expected nothing more");
        assert_refused("{\"a\":/* */1}", "expected a value, found '/'");
        assert_refused("{\"a\":1} // x", "expected nothing more");
        assert_refused("\xef\xbb\xbf{}", "expected '{', found '\\xef'");
}

static void test_grammar(void **state) {
        static const char *const bad[] = {
                "",
                " ",
                "[]",
                "1",
                "null",
                "\"a\"",
                "{",
                "}",
                "{\"a\"}",
                "{\"a\":}",
                "{\"a\":1",
                "{\"a\":1,}",
                "{,}",
                "{\"a\":[1,]}",
                "{\"a\":[,1]}",
                "{\"a\":[1 2]}",
                "{\"a\":1 \"b\":2}",
                "{\"a\":[1}",
                "{\"a\":{]}",
                "{\"a\":01}",
                "{\"a\":00}",
                "{\"a\":-}",
                "{\"a\":+1}",
                "{\"a\":.5}",
                "{\"a\":1.}",
                "{\"a\":1.5}",
                "{\"a\":1e3}",
                "{\"a\":1E400}",
                "{\"a\":0x10}",
                "{\"a\":-01}",
                "{\"a\":TRUE}",
                "{\"a\":tru",
                "{\"a\":nullx}",
                "{\"a\":\"",
                "{\"a\":\"\\",
                "{\"a\":\"x}",
                "{a:1}",
                "{1:1}",
                "{\"a\":\v1}",
                "{\"a\":\f1}",
                "{\"a\":True}",
                "{\"a\":1}}",
        };

        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_refused(bad[i], "cannot read the test: line ");
}

static void test_depth(void **state) {
        char text[256];

        for (unsigned depth = 1; depth < 40; depth++) {
                size_t n = 0;

                n += sprintf(text + n, "{\"a\":");
                for (unsigned i = 1; i < depth; i++)
                        text[n++] = '[';
                text[n++] = '1';
                for (unsigned i = 1; i < depth; i++)
                        text[n++] = ']';
                strcpy(text + n, "}");

                if (depth <= JSON_DEPTH_MAX) {
                        _cleanup_json_ json_object *object = NULL;

                        assert_int_equal(parse(text, n + 1, &object, NULL), 0);
                } else {
                        assert_refused(text, "nested too deeply");
                }
        }
}

typedef struct Thing {
        char *name;
        uint64_t number;
        bool yes;
        uint64_t sum;
} Thing;

static int read_summand(const JsonValue *value, void *target) {
        uint64_t *sum = target, number;
        int r;

        r = json_read_u64(value, &number);
        if (r == 0)
                *sum += number;
        return r;
}

static int read_sum(const JsonValue *value, void *target) {
        return json_read_array(value, read_summand, target);
}

static int read_inner(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "name", json_read_string, offsetof(Thing, name), .required = true },
                { "number", json_read_u64, offsetof(Thing, number) },
                { "yes", json_read_bool, offsetof(Thing, yes) },
                { "sum", read_sum, offsetof(Thing, sum) },
        };
        uint64_t present;
        int r;

        r = json_read_object(value, fields, ELEMENTS(fields), target, &present);
        if (r == 0)
                assert_int_equal(present & 1, 1);
        return r;
}

static int read_inners(const JsonValue *value, void *target) {
        return json_read_array(value, read_inner, target);
}

static int read_thing(const char *text, Thing *thing, Failure *failure) {
        static const JsonField fields[] = { { "things", read_inners } };
        JsonSource source = { "the\nthing", CONDITION_INVALID_LAYOUT, failure };
        JsonValue document = { .source = &source };
        _cleanup_json_ json_object *object = NULL;
        int r;

        r = json_parse_strict(&source, text, strlen(text), &object);
        if (r != 0)
                return r;
        document.object = object;
        return json_read_object(&document, fields, ELEMENTS(fields), thing, NULL);
}

static void test_reader(void **state) {
        Thing thing = { .number = 7 };

        assert_int_equal(read_thing("{}", &thing, NULL), 0);
        assert_int_equal(thing.number, 7);
        assert_int_equal(read_thing("{\"things\":[{\"name\":\"a\"},"
                                    "{\"sum\":[1,18446744073709551614],"
                                    "\"name\":\"b\",\"number\":18446744073709551615,"
                                    "\"yes\":true}]}",
                                    &thing, NULL),
                         0);
        assert_string_equal(thing.name, "b");
        assert_true(thing.number == UINT64_MAX);
        assert_true(thing.yes);
        assert_true(thing.sum == UINT64_MAX);
        free(thing.name);
}

static void test_reader_refuses(void **state) {
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "{\"thing\":1}", "thing: unknown key; expected one of: things" },
                { "{\"things\":{}}", "things: expected an array, found an object" },
                { "{\"things\":null}", "things: expected an array, found null" },
                { "{\"things\":[1]}", "things[0]: expected an object, found 1" },
                { "{\"things\":[{}]}", "things[0]: the key \"name\" is missing" },
                { "{\"things\":[{\"name\":\"a\"},{\"name\":12}]}",
                  "things[1].name: expected a string, found 12" },
                { "{\"things\":[{\"number\":\"12\"}]}",
                  "things[0].number: expected a number of 0 or more, found \"12\"" },
                { "{\"things\":[{\"number\":-1}]}", "expected a number of 0 or more, found -1" },
                { "{\"things\":[{\"number\":true}]}", "0 or more, found true" },
                { "{\"things\":[{\"yes\":1}]}", "things[0].yes: expected true or false, found 1" },
                { "{\"things\":[{\"yes\":\"true\"}]}", "found \"true\"" },
                { "{\"things\":[{\"sum\":[1,2,[]]}]}", "things[0].sum[2]: expected a number" },
                { "{\"things\":[{\"name\":[\"\\u001b[31m\"]}]}", "found an array" },
                { "{\"things\":[{\"number\":\"\\u001b[31m\\u202e\"}]}",
                  "found \"\\x1b[31m\\xe2\\x80\\xae\"" },
                { "{\"things\":[{\"\xe2\x80\xae\":1}]}",
                  "things[0].\\xe2\\x80\\xae: unknown key; "
                  "expected one of: name, number, yes, sum" },
        };

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                Thing thing = {};

                assert_int_equal(read_thing(cases[i].text, &thing, &failure),
                                 CONDITION_INVALID_LAYOUT);
                free(thing.name);
                assert_memory_equal(failure_message(&failure), "cannot read the\\x0athing: ", 26);
                if (!strstr(failure_message(&failure), cases[i].message))
                        fail_msg("%s\nlacks %s", failure_message(&failure), cases[i].message);
        }
}

static void test_build(void **state) {
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        json_object *array = json_object_new_array();

        assert_int_equal(json_append(array, json_object_new_string("/a\n\"")), 0);
        assert_int_equal(json_add(object, "a", array), 0);
        assert_int_equal(json_add_u64(object, "u", UINT64_MAX), 0);
        assert_int_equal(json_add_bool(object, "b", false), 0);
        assert_int_equal(json_add_string(object, "s", ""), 0);
        assert_int_equal(json_add(object, "n", NULL), -ENOMEM);
        assert_int_equal(json_to_text(object, &text, NULL), 0);
        assert_string_equal(text, "{\"a\":[\"/a\\u000a\\\"\"],\"u\":18446744073709551615,"
                                  "\"b\":false,\"s\":\"\"}\n");
}

static json_object *parse_by_json_c(const char *text, size_t size) {
        json_tokener *tokener = json_tokener_new();
        json_object *object = json_tokener_parse_ex(tokener, text, size);

        json_tokener_free(tokener);
        assert_non_null(object);
        return object;
}

static uint64_t next_random(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* Whatever is taken is written and read again as the same, and json-c reads it as the same too. */
static void test_mutations(void **state) {
        static const char text[] =
                "{\"a\":[1,-2,18446744073709551615,true,false,null,\"x\\u00e9\\ud83d\\ude00é\"],"
                "\"b\":{\"c\":{\"d\":[[],{}]},\"e\":\"\\\\\\\"\\n\"}, \"f\" : 0}";
        static const char bytes[] = "{}[]\",:\\u0123456789abcdefnrtl-+.eE '/\n\x01\x80\xc3\xff";
        uint64_t seed = 88172645463325252;
        unsigned taken = 0, compared = 0;

        for (unsigned round = 0; round < 50000; round++) {
                _cleanup_json_ json_object *object = NULL, *again = NULL, *theirs = NULL;
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                _cleanup_free_ char *copy = NULL, *once = NULL, *twice = NULL;
                unsigned n = 1 + next_random(&seed) % 3;
                size_t size = sizeof(text) - 1;
                int r;

                copy = malloc(size); /* no zero byte behind it: reading there is an error */
                memcpy(copy, text, size);
                if (round & 1)
                        memcpy(memmem(copy, size, "\\ud83d\\ude00", 12), "\\u20ac\\u0001", 12);
                for (unsigned i = 0; i < n; i++) {
                        size_t at = next_random(&seed) % size;

                        if (next_random(&seed) % 4 == 0)
                                memmove(copy + at, copy + at + 1, --size - at);
                        else
                                copy[at] = bytes[next_random(&seed) % sizeof(bytes)];
                }
                if (next_random(&seed) % 8 == 0)
                        size = next_random(&seed) % size;
                copy = realloc(copy, size ?: 1);

                r = parse(copy, size, &object, &failure);
                if (r != 0) {
                        assert_int_equal(r, CONDITION_INVALID_ARGS);
                        assert_non_null(
                                strstr(failure_message(&failure), "cannot read the test: "));
                        continue;
                }

                taken++;
                /* json-c 0.16 takes U+1D800 to U+1DBFF for surrogates */
                if (!memmem(copy, size, "\\ud", 3)) {
                        theirs = parse_by_json_c(copy, size);
                        assert_true(json_object_equal(object, theirs));
                        compared++;
                }
                assert_int_equal(json_to_text(object, &once, NULL), 0);
                assert_int_equal(parse(once, strlen(once), &again, NULL), 0);
                assert_int_equal(json_to_text(again, &twice, NULL), 0);
                assert_string_equal(once, twice);
                assert_true(json_object_equal(object, again));
        }

        assert_true(taken > 500 && compared > 500);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_taken),   cmocka_unit_test(test_traps),
                cmocka_unit_test(test_grammar), cmocka_unit_test(test_depth),
                cmocka_unit_test(test_reader),  cmocka_unit_test(test_reader_refuses),
                cmocka_unit_test(test_build),   cmocka_unit_test(test_mutations),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
