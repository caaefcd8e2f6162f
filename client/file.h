/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Files that a person names on the command line.
 */

/**
 * file_read() - the whole text of a file, "-" is stdin
 *
 * At most 1 MiB, as daxd allows for layouts, and without NUL bytes. The caller
 * frees the text. Tells of its failure.
 */
int file_read(const char *path, char **ret_text);
