/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Strict JSON. json-c holds the trees; reading and writing is done here, because json-c 0.16,
 * even with JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8, takes: a key twice (the last wins),
 * integers outside 64 bits (saturated), NaN and Infinity, 'single quotes', raw control
 * characters, "1.", overlong UTF-8 and surrogates, a lone \ud800 (made U+FFFD), \u0000; and when
 * one allocation fails, its reader drops the member or crashes, and its writer leaves a piece
 * out.
 */

#include "daemon/util/json.h"
#include "daemon/util/text.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <json-c/linkhash.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_MAX 64 /* bytes of a document's strings in a sentence */

typedef struct Scanner {
        const char *text;
        size_t size;
        size_t at;
        unsigned depth;
} Scanner;

static int scan_value(Scanner *scanner, const JsonValue *value, json_object **ret_object);

/* --- complaining ----------------------------------------------------------------------------- */

/* "devices[2].size"; "" for the document itself. NULL when out of memory. */
static char *value_path(const JsonValue *value) {
        _cleanup_free_ char *above = NULL, *key = NULL;
        char *path;
        int r;

        if (!value->parent)
                return strdup("");

        above = value_path(value->parent);
        if (!above)
                return NULL;

        if (value->key) {
                key = text_escape(value->key, SHOWN_MAX);
                if (!key)
                        return NULL;
                r = asprintf(&path, "%s%s%s", above, above[0] != '\0' ? "." : "", key);
        } else {
                r = asprintf(&path, "%s[%zu]", above, value->index);
        }

        return r < 0 ? NULL : path;
}

/* @where is a position in the text with a colon and a space, or "". */
static int complain(const JsonValue *value, const char *where, const char *reason) {
        const JsonSource *source = value->source;
        _cleanup_free_ char *what = NULL, *path = NULL;

        what = text_escape(source->what, PATH_MAX);
        path = value_path(value);
        if (!what || !path)
                return -ENOMEM;

        return failure_set(source->failure, source->condition, "cannot read %s: %s%s%s%s", what,
                           where, path, path[0] != '\0' ? ": " : "", reason);
}

int json_refuse(const JsonValue *value, const char *format, ...) {
        _cleanup_free_ char *reason = NULL;
        va_list args;

        va_start(args, format);
        reason = text_vformat(format, args);
        va_end(args);
        if (!reason)
                return -ENOMEM;

        return complain(value, "", reason);
}

/* What a reader of a sentence is told that he wrote. NULL when out of memory. */
static char *value_found(const JsonValue *value) {
        _cleanup_free_ char *escaped = NULL;
        const char *text;
        char *found;

        switch (json_object_get_type(value->object)) {
        case json_type_object:
                return strdup("an object");
        case json_type_array:
                return strdup("an array");
        case json_type_string:
                escaped = text_escape(json_object_get_string(value->object), SHOWN_MAX);
                if (!escaped || asprintf(&found, "\"%s\"", escaped) < 0)
                        return NULL;
                return found;
        case json_type_null:
        case json_type_boolean:
        case json_type_int:
        case json_type_double:
                text = value->object ? json_object_get_string(value->object) : "null";
                return text ? strdup(text) : NULL;
        }

        return strdup("something else");
}

int json_expected(const JsonValue *value, const char *expected) {
        _cleanup_free_ char *found = NULL;

        found = value_found(value);
        if (!found)
                return -ENOMEM;

        return json_refuse(value, "expected %s, found %s", expected, found);
}

/* --- from text ------------------------------------------------------------------------------- */

/* Complains about the text at @at, which is part of @value. */
static int scan_refuse(const Scanner *scanner, const JsonValue *value, size_t at,
                       const char *reason) {
        size_t line = 1, column = 1;
        char where[64];

        for (size_t i = 0; i < at; i++)
                if (scanner->text[i] == '\n') {
                        line++;
                        column = 1;
                } else if (((unsigned char)scanner->text[i] & 0xc0) != 0x80) {
                        column++;
                }

        snprintf(where, sizeof(where), "line %zu, column %zu: ", line, column);
        return complain(value, where, reason);
}

static int scan_unexpected(const Scanner *scanner, const JsonValue *value, const char *expected) {
        _cleanup_free_ char *found = NULL, *reason = NULL;
        char text[2] = "";
        int r;

        if (scanner->at >= scanner->size) {
                r = asprintf(&reason, "expected %s, found the end of the text", expected);
        } else {
                text[0] = scanner->text[scanner->at];
                found = text[0] != '\0' ? text_escape(text, 1) : strdup("\\x00");
                if (!found)
                        return -ENOMEM;
                r = asprintf(&reason, "expected %s, found '%s'", expected, found);
        }

        return r < 0 ? -ENOMEM : scan_refuse(scanner, value, scanner->at, reason);
}

/* The character at hand, a zero byte at the end (which is no character that JSON knows either). */
static char scan_peek(const Scanner *scanner) {
        return scanner->at < scanner->size ? scanner->text[scanner->at] : '\0';
}

static void scan_space(Scanner *scanner) {
        while (scanner->at < scanner->size && strchr(" \t\r\n", scan_peek(scanner)) &&
               scan_peek(scanner) != '\0')
                scanner->at++;
}

static bool scan_take(Scanner *scanner, char c) {
        scan_space(scanner);
        if (scan_peek(scanner) != c)
                return false;

        scanner->at++;
        return true;
}

/* Length of the valid UTF-8 character at @text, 0 when there is none. */
static size_t utf8_length(const char *text, size_t size) {
        const unsigned char *c = (const unsigned char *)text;
        size_t n = 0;

        if (c[0] < 0x80)
                n = 1;
        else if (c[0] >= 0xc2 && c[0] < 0xe0)
                n = 2;
        else if (c[0] >= 0xe0 && c[0] < 0xf0)
                n = 3;
        else if (c[0] >= 0xf0 && c[0] < 0xf5)
                n = 4;
        if (n > size)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((c[i] & 0xc0) != 0x80)
                        return 0;

        /* overlong, surrogates, above U+10FFFF */
        if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] >= 0xa0) ||
            (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] >= 0x90))
                return 0;

        return n;
}

/* The four digits of a \u escape at @at; -1 when they are not there. */
static int scan_hex4(const Scanner *scanner, size_t at) {
        char digits[5] = "";
        uint64_t unit;

        if (at > scanner->size || scanner->size - at < 4)
                return -1;

        memcpy(digits, scanner->text + at, 4);
        return strlen(digits) == 4 && text_parse_hex(digits, &unit) >= 0 ? (int)unit : -1;
}

/* Steps over the escape at hand, or returns why not. */
static const char *scan_escape(Scanner *scanner) {
        const char *text = scanner->text + scanner->at;
        size_t left = scanner->size - scanner->at;
        int unit;

        if (left < 2 || text[1] == '\0' || !strchr("\"\\/bfnrtu", text[1]))
                return "no such escape in a string; use \\n, \\t, \\\\, \\\" or \\uXXXX";
        if (text[1] != 'u') {
                scanner->at += 2;
                return NULL;
        }

        unit = scan_hex4(scanner, scanner->at + 2);
        if (unit < 0)
                return "expected four hexadecimal digits after \\u";
        if (unit == 0)
                return "a string cannot hold \\u0000";
        if ((unit & 0xfc00) == 0xdc00)
                return "half of a surrogate pair";

        scanner->at += 6;
        if ((unit & 0xfc00) != 0xd800)
                return NULL;
        if (left < 8 || text[6] != '\\' || text[7] != 'u' ||
            (scan_hex4(scanner, scanner->at + 2) & ~0x3ff) != 0xdc00)
                return "half of a surrogate pair";

        scanner->at += 6;
        return NULL;
}

/* Steps over the string at hand, whose quotes are not in *@ret_start and *@ret_end. */
static int scan_quoted(Scanner *scanner, const JsonValue *value, const char **ret_start,
                       const char **ret_end) {
        size_t start = ++scanner->at;

        for (;;) {
                char c = scan_peek(scanner);

                if (scanner->at >= scanner->size)
                        return scan_unexpected(scanner, value, "the end of a string");
                if (c == '"') {
                        *ret_start = scanner->text + start;
                        *ret_end = scanner->text + scanner->at++;
                        return 0;
                }

                if (c == '\\') {
                        size_t at = scanner->at;
                        const char *reason = scan_escape(scanner);

                        if (reason)
                                return scan_refuse(scanner, value, at, reason);
                } else if ((unsigned char)c < 0x20) {
                        return scan_refuse(scanner, value, scanner->at,
                                           "a control character in a string; write it as \\uXXXX");
                } else {
                        size_t n = utf8_length(scanner->text + scanner->at,
                                               scanner->size - scanner->at);

                        if (n == 0)
                                return scan_refuse(scanner, value, scanner->at,
                                                   "this is no valid UTF-8");
                        scanner->at += n;
                }
        }
}

static char *utf8_append(char *out, uint32_t c) {
        if (c < 0x80) {
                *out++ = c;
        } else if (c < 0x800) {
                *out++ = 0xc0 | c >> 6;
                *out++ = 0x80 | (c & 0x3f);
        } else if (c < 0x10000) {
                *out++ = 0xe0 | c >> 12;
                *out++ = 0x80 | (c >> 6 & 0x3f);
                *out++ = 0x80 | (c & 0x3f);
        } else {
                *out++ = 0xf0 | c >> 18;
                *out++ = 0x80 | (c >> 12 & 0x3f);
                *out++ = 0x80 | (c >> 6 & 0x3f);
                *out++ = 0x80 | (c & 0x3f);
        }

        return out;
}

/* Reads the string at hand. No escape is shorter than what it stands for. */
static int scan_string(Scanner *scanner, const JsonValue *value, char **ret_string) {
        const char *in = NULL, *end = NULL;
        char *string, *out;
        int r;

        r = scan_quoted(scanner, value, &in, &end);
        if (r != 0)
                return r;
        string = out = malloc(end - in + 1);
        if (!string)
                return -ENOMEM;

        while (in < end) {
                static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
                const char *letter;
                uint32_t c;

                if (*in != '\\') {
                        *out++ = *in++;
                        continue;
                }

                letter = strchr(letters, in[1]);
                if (in[1] != 'u') {
                        *out++ = letter ? meant[letter - letters] : in[1];
                        in += 2;
                        continue;
                }

                c = scan_hex4(scanner, in + 2 - scanner->text);
                in += 6;
                if ((c & 0xfc00) == 0xd800) {
                        c = 0x10000 + ((c & 0x3ff) << 10 |
                                       (scan_hex4(scanner, in + 2 - scanner->text) & 0x3ff));
                        in += 6;
                }
                out = utf8_append(out, c);
        }

        *out = '\0';
        *ret_string = string;
        return 0;
}

static int scan_number(Scanner *scanner, const JsonValue *value, json_object **ret_object) {
        bool negative = scan_peek(scanner) == '-';
        size_t start = scanner->at + negative;
        uint64_t number = 0;
        bool fits = true;

        for (scanner->at = start; scan_peek(scanner) >= '0' && scan_peek(scanner) <= '9';
             scanner->at++)
                fits = fits && !__builtin_mul_overflow(number, 10, &number) &&
                       !__builtin_add_overflow(number, scan_peek(scanner) - '0', &number);

        if (scanner->at == start)
                return scan_unexpected(scanner, value, "a digit");
        if (scanner->text[start] == '0' && scanner->at > start + 1)
                return scan_refuse(scanner, value, start, "a number cannot begin with 0");
        if (scan_peek(scanner) != '\0' && strchr(".eE", scan_peek(scanner)))
                return scan_refuse(scanner, value, scanner->at,
                                   "expected a whole number, without fraction or exponent");
        if (!fits || (negative && number > (uint64_t)INT64_MAX + 1)) {
                char reason[96];

                snprintf(reason, sizeof(reason), "the number %.*s%s is %s",
                         (int)MIN(scanner->at - start + negative, (size_t)40),
                         scanner->text + start - negative, scanner->at - start > 40 ? "..." : "",
                         negative ? "below -2^63" : "above 2^64 - 1");
                return scan_refuse(scanner, value, start, reason);
        }

        *ret_object = negative ? json_object_new_int64(-number) : json_object_new_uint64(number);
        return *ret_object ? 0 : -ENOMEM;
}

static bool scan_takes_word(Scanner *scanner, const char *word) {
        size_t n = strlen(word);

        if (scanner->size - scanner->at < n || memcmp(scanner->text + scanner->at, word, n) != 0)
                return false;

        scanner->at += n;
        return true;
}

static int scan_word(Scanner *scanner, const JsonValue *value, json_object **ret_object) {
        bool yes;

        *ret_object = NULL;
        if (scan_takes_word(scanner, "null"))
                return 0;

        yes = scan_takes_word(scanner, "true");
        if (!yes && !scan_takes_word(scanner, "false"))
                return scan_unexpected(scanner, value, "a value");

        *ret_object = json_object_new_boolean(yes);
        return *ret_object ? 0 : -ENOMEM;
}

/* A key, its colon and its value. */
static int scan_member(Scanner *scanner, const JsonValue *value, json_object *object) {
        JsonValue member = { .source = value->source, .parent = value };
        _cleanup_free_ char *key = NULL;
        json_object *child;
        size_t start;
        int r;

        scan_space(scanner);
        start = scanner->at;
        if (scan_peek(scanner) != '"')
                return scan_unexpected(scanner, value, "a key in double quotes");
        r = scan_string(scanner, value, &key);
        if (r != 0)
                return r;

        member.key = key;
        if (json_object_object_get_ex(object, key, NULL))
                return scan_refuse(scanner, &member, start, "this key stands here twice");
        if (!scan_take(scanner, ':'))
                return scan_unexpected(scanner, &member, "':'");
        r = scan_value(scanner, &member, &child);
        if (r != 0)
                return r;
        if (json_object_object_add(object, key, child) >= 0)
                return 0;

        json_object_put(child);
        return -ENOMEM;
}

static int scan_object(Scanner *scanner, const JsonValue *value, json_object **ret_object) {
        _cleanup_json_ json_object *object = NULL;
        int r;

        object = json_object_new_object();
        if (!object)
                return -ENOMEM;

        scanner->at++;
        if (!scan_take(scanner, '}')) {
                do {
                        r = scan_member(scanner, value, object);
                        if (r != 0)
                                return r;
                } while (scan_take(scanner, ','));
                if (!scan_take(scanner, '}'))
                        return scan_unexpected(scanner, value, "',' or '}'");
        }

        *ret_object = TAKE_PTR(object);
        return 0;
}

static int scan_element(Scanner *scanner, const JsonValue *element, json_object *array) {
        json_object *child;
        int r;

        r = scan_value(scanner, element, &child);
        if (r != 0)
                return r;
        if (json_object_array_add(array, child) >= 0)
                return 0;

        json_object_put(child);
        return -ENOMEM;
}

static int scan_array(Scanner *scanner, const JsonValue *value, json_object **ret_object) {
        JsonValue element = { .source = value->source, .parent = value };
        _cleanup_json_ json_object *array = NULL;
        int r;

        array = json_object_new_array();
        if (!array)
                return -ENOMEM;

        scanner->at++;
        if (!scan_take(scanner, ']')) {
                do {
                        r = scan_element(scanner, &element, array);
                        if (r != 0)
                                return r;
                        element.index++;
                } while (scan_take(scanner, ','));
                if (!scan_take(scanner, ']'))
                        return scan_unexpected(scanner, value, "',' or ']'");
        }

        *ret_object = TAKE_PTR(array);
        return 0;
}

static int scan_string_value(Scanner *scanner, const JsonValue *value, json_object **ret_object) {
        _cleanup_free_ char *string = NULL;
        int r;

        r = scan_string(scanner, value, &string);
        if (r != 0)
                return r;

        *ret_object = json_object_new_string(string);
        return *ret_object ? 0 : -ENOMEM;
}

static int scan_value(Scanner *scanner, const JsonValue *value, json_object **ret_object) {
        bool is_object;
        char c;
        int r;

        scan_space(scanner);
        c = scan_peek(scanner);
        if (c == '"')
                return scan_string_value(scanner, value, ret_object);
        if (c == '-' || (c >= '0' && c <= '9'))
                return scan_number(scanner, value, ret_object);
        is_object = c == '{';
        if (!is_object && c != '[')
                return scan_word(scanner, value, ret_object);

        if (scanner->depth == JSON_DEPTH_MAX)
                return scan_refuse(scanner, value, scanner->at, "nested too deeply");
        scanner->depth++;
        r = is_object ? scan_object(scanner, value, ret_object) :
                        scan_array(scanner, value, ret_object);
        scanner->depth--;
        return r;
}

int json_parse_strict(const JsonSource *source, const char *text, size_t size,
                      json_object **ret_object) {
        _cleanup_json_ json_object *object = NULL;
        JsonValue document = { .source = source };
        Scanner scanner = { .text = text, .size = size };
        int r;

        scan_space(&scanner);
        if (scan_peek(&scanner) != '{')
                return scan_unexpected(&scanner, &document, "'{'");
        r = scan_value(&scanner, &document, &object);
        if (r != 0)
                return r;

        scan_space(&scanner);
        if (scanner.at < scanner.size)
                return scan_unexpected(&scanner, &document, "nothing more");

        *ret_object = TAKE_PTR(object);
        return 0;
}

/* --- to text --------------------------------------------------------------------------------- */

/* Text that grows, until an allocation fails. */
typedef struct Text {
        char *text;
        size_t size;
        size_t room;
        bool failed;
} Text;

static void write_bytes(Text *out, const char *bytes, size_t n) {
        while (!out->failed && out->room - out->size <= n) {
                size_t room = out->room > 0 ? 2 * out->room : 256;
                char *bigger = realloc(out->text, room);

                if (!bigger) {
                        out->failed = true;
                } else {
                        out->text = bigger;
                        out->room = room;
                }
        }
        if (out->failed)
                return;

        memcpy(out->text + out->size, bytes, n);
        out->size += n;
        out->text[out->size] = '\0';
}

static void write_text(Text *out, const char *text) {
        write_bytes(out, text, strlen(text));
}

static void write_string(Text *out, const char *string) {
        write_text(out, "\"");
        while (*string != '\0') {
                size_t plain = 0;
                char escape[8];

                while ((unsigned char)string[plain] >= 0x20 && string[plain] != '"' &&
                       string[plain] != '\\')
                        plain++;
                write_bytes(out, string, plain);
                string += plain;
                if (*string == '\0')
                        break;
                snprintf(escape, sizeof(escape), (unsigned char)*string < 0x20 ? "\\u%04x" : "\\%c",
                         (unsigned char)*string);
                write_text(out, escape);
                string++;
        }
        write_text(out, "\"");
}

static void write_value(Text *out, json_object *value);

static void write_object(Text *out, json_object *object) {
        const char *comma = "";

        write_text(out, "{");
        json_object_object_foreach(object, key, child) {
                write_text(out, comma);
                write_string(out, key);
                write_text(out, ":");
                write_value(out, child);
                comma = ",";
        }
        write_text(out, "}");
}

static void write_array(Text *out, json_object *array) {
        size_t n = json_object_array_length(array);

        write_text(out, "[");
        for (size_t i = 0; i < n; i++) {
                write_text(out, i > 0 ? "," : "");
                write_value(out, json_object_array_get_idx(array, i));
        }
        write_text(out, "]");
}

static void write_value(Text *out, json_object *value) {
        char number[32];

        switch (json_object_get_type(value)) {
        case json_type_null:
                write_text(out, "null");
                break;
        case json_type_boolean:
                write_text(out, json_object_get_boolean(value) ? "true" : "false");
                break;
        case json_type_double:
                snprintf(number, sizeof(number), "%.17g", json_object_get_double(value));
                write_text(out, number);
                break;
        case json_type_int:
                if (json_object_get_int64(value) < 0)
                        snprintf(number, sizeof(number), "%" PRId64, json_object_get_int64(value));
                else
                        snprintf(number, sizeof(number), "%" PRIu64, json_object_get_uint64(value));
                write_text(out, number);
                break;
        case json_type_string:
                write_string(out, json_object_get_string(value));
                break;
        case json_type_array:
                write_array(out, value);
                break;
        case json_type_object:
                write_object(out, value);
                break;
        }
}

int json_to_text(json_object *object, char **ret_text, size_t *ret_size) {
        Text out = {};

        write_value(&out, object);
        write_text(&out, "\n");
        if (out.failed) {
                free(out.text);
                return -ENOMEM;
        }

        *ret_text = out.text;
        if (ret_size)
                *ret_size = out.size;
        return 0;
}

/* --- from trees to structs, and back --------------------------------------------------------- */

static int refuse_unknown(const JsonValue *value, const JsonField *fields, size_t n_fields) {
        _cleanup_free_ char *known = NULL;

        for (size_t i = 0; i < n_fields; i++) {
                char *more;

                if (asprintf(&more, "%s%s%s", known ?: "", known ? ", " : "", fields[i].key) < 0)
                        return -ENOMEM;
                free(known);
                known = more;
        }

        return json_refuse(value, "unknown key; expected one of: %s", known ?: "none");
}

int json_read_object(const JsonValue *value, const JsonField *fields, size_t n_fields, void *target,
                     uint64_t *ret_present) {
        uint64_t present = 0;
        int r;

        assert(n_fields <= 64);

        if (!json_object_is_type(value->object, json_type_object))
                return json_expected(value, "an object");

        json_object_object_foreach(value->object, key, object) {
                JsonValue member = {
                        .source = value->source, .parent = value, .key = key, .object = object
                };
                size_t i = 0;

                while (i < n_fields && strcmp(fields[i].key, key) != 0)
                        i++;
                if (i == n_fields)
                        return refuse_unknown(&member, fields, n_fields);

                r = fields[i].read(&member, (char *)target + fields[i].offset);
                if (r != 0)
                        return r;
                present |= UINT64_C(1) << i;
        }

        for (size_t i = 0; i < n_fields; i++)
                if (fields[i].required && !(present & UINT64_C(1) << i))
                        return json_refuse(value, "the key \"%s\" is missing", fields[i].key);

        if (ret_present)
                *ret_present = present;
        return 0;
}

int json_read_array(const JsonValue *value, JsonRead read, void *target) {
        JsonValue element = { .source = value->source, .parent = value };
        size_t n;
        int r;

        if (!json_object_is_type(value->object, json_type_array))
                return json_expected(value, "an array");

        n = json_object_array_length(value->object);
        for (element.index = 0; element.index < n; element.index++) {
                element.object = json_object_array_get_idx(value->object, element.index);
                r = read(&element, target);
                if (r != 0)
                        return r;
        }

        return 0;
}

const char *json_value_string(const JsonValue *value) {
        if (!json_object_is_type(value->object, json_type_string))
                return NULL;
        return json_object_get_string(value->object);
}

bool json_value_u64(const JsonValue *value, uint64_t *ret_number) {
        /* the signed getter saturates above 2^63, but keeps the sign */
        if (!json_object_is_type(value->object, json_type_int) ||
            json_object_get_int64(value->object) < 0)
                return false;

        *ret_number = json_object_get_uint64(value->object);
        return true;
}

int json_read_string(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);
        char **string = target, *copy;

        if (!text)
                return json_expected(value, "a string");
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;

        free(*string);
        *string = copy;
        return 0;
}

int json_read_u64(const JsonValue *value, void *target) {
        return json_value_u64(value, target) ? 0 : json_expected(value, "a number of 0 or more");
}

int json_read_bool(const JsonValue *value, void *target) {
        bool *yes = target;

        if (!json_object_is_type(value->object, json_type_boolean))
                return json_expected(value, "true or false");

        *yes = json_object_get_boolean(value->object);
        return 0;
}

int json_add(json_object *object, const char *key, json_object *child) {
        if (child && json_object_object_add(object, key, child) >= 0)
                return 0;

        json_object_put(child);
        return -ENOMEM;
}

int json_add_string(json_object *object, const char *key, const char *text) {
        return json_add(object, key, json_object_new_string(text));
}

int json_add_u64(json_object *object, const char *key, uint64_t number) {
        return json_add(object, key, json_object_new_uint64(number));
}

int json_add_bool(json_object *object, const char *key, bool yes) {
        return json_add(object, key, json_object_new_boolean(yes));
}

int json_add_null(json_object *object, const char *key) {
        return json_object_object_add(object, key, NULL) >= 0 ? 0 : -ENOMEM;
}

int json_append(json_object *array, json_object *child) {
        if (child && json_object_array_add(array, child) >= 0)
                return 0;

        json_object_put(child);
        return -ENOMEM;
}
