/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The file of --input: one device as "list -M" prints it, daxdctl's or daxctl's.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/units.h"

/**
 * input_read() - read and check the file
 * @path: "-" is stdin
 *
 * Every key of the device is one that list prints and has a value of its type;
 * none has to be there. Tells of its failure.
 */
int input_read(const char *path, json_object **ret_device);

/**
 * input_size() - a number, or a text with one as -u prints addresses
 *
 * Returns whether there is one; *@ret_size is untouched otherwise.
 */
bool input_size(json_object *object, const char *key, uint64_t *ret_size);

/**
 * input_extent() - one of "ranges", or with @physical of "mappings"
 *
 * Returns whether it is one; *@ret_extent is untouched otherwise.
 */
bool input_extent(json_object *value, bool physical, Extent *ret_extent);
