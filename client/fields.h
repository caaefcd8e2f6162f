/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Fields of JSON objects, by type: json-c's own getters turn one type into
 * another, these do not. A field that is missing or of another type reads as
 * nothing. Results are borrowed from the object.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/** field_string() - the text, "" when there is none */
const char *field_string(json_object *object, const char *key);

/** field_uint() - whether there is a number not below 0; *@ret_value is untouched otherwise */
bool field_uint(json_object *object, const char *key, uint64_t *ret_value);

/** field_true() - whether it is there and true */
bool field_true(json_object *object, const char *key);

/** field_array() - the array, NULL when there is none; array_length(NULL) is 0 */
json_object *field_array(json_object *object, const char *key);

/** field_object() - the object, NULL when there is none */
json_object *field_object(json_object *object, const char *key);

size_t array_length(json_object *array);

/** value_uint() - as field_uint(), of a value itself */
bool value_uint(json_object *value, uint64_t *ret_value);

/**
 * field_add(), array_add() - add @value, taking it over whatever happens
 *
 * A @value of NULL is one that could not be made. Returns 0 or -ENOMEM.
 */
int field_add(json_object *object, const char *key, json_object *value);
int array_add(json_object *array, json_object *value);
