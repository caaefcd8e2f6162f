/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Sizes and ranges as people write and read them. Pure: no bus, no output.
 */

#include <stddef.h>
#include <stdint.h>

typedef struct Extent {
        uint64_t offset; /* bytes from the start of the region */
        uint64_t size;   /* bytes */
} Extent;

#define SIZE_TEXT_MAX 64

/**
 * size_parse() - bytes from "4096", "0x1000", "4K", "2m", "1G", "1T"
 *
 * K M G T are powers of 1024. Returns 0, -EINVAL when @text is no size,
 * -ERANGE when it does not fit into 64 bits; *@ret_size is then untouched.
 */
int size_parse(const char *text, uint64_t *ret_size);

/**
 * size_format_human() - as daxctl's -u: "15.63 GiB (16.78 GB)"
 *
 * Sizes below 5000 KiB are plain decimal digits there.
 */
void size_format_human(uint64_t size, char text[static SIZE_TEXT_MAX]);

/** size_format_exact() - the largest unit that divides @size: "256 MiB", "4097 bytes" */
void size_format_exact(uint64_t size, char text[static SIZE_TEXT_MAX]);

/**
 * extents_parse() - ranges from "OFFSET:SIZE[,OFFSET:SIZE...]", the order is kept
 *
 * The caller frees *@ret_extents. Returns 0, -EINVAL, -ERANGE (a number, or
 * the sum of the sizes, or the end of a range, is too large) or -ENOMEM.
 */
int extents_parse(const char *text, Extent **ret_extents, size_t *ret_n_extents);

/** extents_sum() - the sum of their sizes; -ERANGE when it does not fit */
int extents_sum(const Extent *extents, size_t n_extents, uint64_t *ret_size);
