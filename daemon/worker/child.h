/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Work that is done in a forked child, since the library that does it keeps or leaks memory. What
 * the child writes comes back whole.
 */

#include <stddef.h>

/* In the child: writes to @fd, returns its exit status (0 to 99). */
typedef int (*ChildFunction)(int fd, const void *context);

/*
 * Returns the child's exit status; *@ret_text is what it wrote, with a zero byte behind, the caller
 * frees it; both may be NULL. -ECHILD when it died, -EFBIG when it wrote too much, or another
 * errno.
 */
int child_run(ChildFunction function, const void *context, char **ret_text, size_t *ret_size);
