/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * JSON as daxd reads it: what RFC 8259 allows and nothing else (json-c 0.16 takes more, json.c
 * lists it). Stricter than the RFC: the document is an object, no key stands twice in an object,
 * numbers are whole and fit 64 bits, strings hold no zero byte, at most JSON_DEPTH_MAX objects
 * and arrays are nested.
 *
 * A document is read into a struct by a table of its keys. Every complaint names the document,
 * the path of the value ("devices[2].size"), what was expected and what was found.
 */

#include "daemon/util/cleanup.h"
#include "daemon/util/failure.h"

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_DEPTH_MAX 16

DEFINE_CLEANUP(json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

/* Where a document is from, and where complaints about it go. */
typedef struct JsonSource {
        const char *what;    /* what could not be read: "layout file /etc/daxd/layouts.d/a.json" */
        Condition condition; /* that every complaint is */
        Failure *failure;    /* may be NULL */
} JsonSource;

/* A value and where it stands. The first one of a document has neither parent, key nor index. */
typedef struct JsonValue {
        const JsonSource *source;
        const struct JsonValue *parent;
        const char *key;     /* in an object, else NULL */
        size_t index;        /* in an array */
        json_object *object; /* borrowed; NULL is JSON's null */
} JsonValue;

/*
 * Reads one value into @target, whose type the function defines. Returns 0, the source's condition
 * with its sentence, or -ENOMEM.
 */
typedef int (*JsonRead)(const JsonValue *value, void *target);

typedef struct JsonField {
        const char *key;
        JsonRead read;
        size_t offset; /* of what @read fills, in the struct that json_read_object() is given */
        bool required;
} JsonField;

/*
 * Makes a tree of @size bytes of @text. *@ret_object is an object, freed by the caller with
 * json_object_put(). Returns 0, the source's condition, or -ENOMEM.
 */
int json_parse_strict(const JsonSource *source, const char *text, size_t size,
                      json_object **ret_object);

/*
 * Writes @object as one line with a newline at its end, freed by the caller. @ret_size may be NULL.
 * Returns 0 or -ENOMEM.
 */
int json_to_text(json_object *object, char **ret_text, size_t *ret_size);

/*
 * Reads an object by its table of at most 64 keys, in the order of the document. Refuses a key that
 * the table does not have and the lack of a required one. What is not there leaves @target as it
 * was. Bit i of *@ret_present (may be NULL) says whether fields[i] was there.
 */
int json_read_object(const JsonValue *value, const JsonField *fields, size_t n_fields, void *target,
                     uint64_t *ret_present);
/* Reads every element of an array with @read, all into the same @target. */
int json_read_array(const JsonValue *value, JsonRead read, void *target);

/* JsonReads: */
int json_read_string(const JsonValue *value, void *target); /* char **: a copy, the old one freed */
int json_read_u64(const JsonValue *value, void *target);    /* uint64_t *: a number, exactly */
int json_read_bool(const JsonValue *value, void *target);   /* bool * */

/* The string that @value is, borrowed; NULL when it is none. */
const char *json_value_string(const JsonValue *value);
/* Whether @value is a number from 0 to 2^64 - 1. */
bool json_value_u64(const JsonValue *value, uint64_t *ret_number);

/* "cannot read WHAT: PATH: expected EXPECTED, found what @value is". The condition, or -ENOMEM. */
int json_expected(const JsonValue *value, const char *expected);
/* "cannot read WHAT: PATH: REASON". The condition, or -ENOMEM. */
int json_refuse(const JsonValue *value, const char *format, ...) _printf_(2, 3);

/* Each adds to @object, returns 0 or -ENOMEM. json_add() takes @child, also when it fails. */
int json_add(json_object *object, const char *key, json_object *child);
int json_add_string(json_object *object, const char *key, const char *text);
int json_add_u64(json_object *object, const char *key, uint64_t number);
int json_add_bool(json_object *object, const char *key, bool yes);
int json_add_null(json_object *object, const char *key);
/* The same for an array. */
int json_append(json_object *array, json_object *child);
