/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The kernel's attributes with nothing around them: what daxd is measured against. FOLDER is one
 * that holds dax_region/ and the devices, a device's own, or a driver's. What fails ends the
 * program with one line.
 */

#include <limits.h>
#include <stddef.h>

#define RAW_DRIVER "/sys/bus/dax/drivers/device_dax"
#define RAW_NAME_SIZE NAME_MAX

/* Ends the program, saying what went wrong with what. */
void raw_die(const char *what, const char *why);
/* Writes @value to the attribute in one write. The first leaves errno to the caller: 0 or -1. */
int raw_try_put(const char *folder, const char *attribute, const char *value);
void raw_put(const char *folder, const char *attribute, const char *value);
/* The first line of it. */
void raw_get(const char *folder, const char *attribute, char *ret, size_t size);

void raw_bind(const char *device);
/*
 * Makes one of @size bytes (as text) in devdax mode, out of the empty device @name, or where that
 * is "" out of a new one, whose name it puts there.
 */
void raw_make(const char *folder, const char *size, char name[static RAW_NAME_SIZE]);
/* Empties one that may be bound to device_dax, and deletes it unless it is instance 0. */
void raw_destroy(const char *folder, const char *device);

/* Reads it back: it has @size bytes and is bound to device_dax. */
void raw_check(const char *folder, const char *device, const char *size);
/* Has udev run its rules for it: @event is what stands behind the kernel's "change". */
void raw_announce(const char *folder, const char *device, const char *event);
/*
 * Gives it the label f000, f001 and so on as daxd would, at the least: a file and a link
 * (daemon/worker/names.h) that udev makes a link in /dev/dax/by-name and a unit of.
 */
void raw_name(const char *folder, const char *device, const char *size, unsigned number);
