/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The layout files of this machine. A file that is bad in any way is reported and stops no other.
 */

#include "daemon/layout/layout.h"

#include <sys/types.h>

/* One of the directories that layouts come from. */
typedef struct LayoutDirectory {
        const char *path;
        uid_t owner; /* who besides root may own it and its files: daxd's uid for its own, else 0 */
} LayoutDirectory;

/*
 * One layout by name: the file of the first directory that has that name. Either layout is set, or
 * masked is, or failure says why it is not read. A name that no layout can have is shown escaped; a
 * directory that cannot be read is listed with the name "".
 */
typedef struct LayoutFile {
        char *name;
        char *source;     /* its path */
        size_t directory; /* index in the list of directories */
        bool masked;      /* a link to /dev/null: there is no layout of this name */
        Layout *layout;
        Failure failure;
} LayoutFile;

typedef struct LayoutFiles {
        LayoutFile *list; /* sorted by name */
        size_t count;
} LayoutFiles;

#define _cleanup_layout_files_ _cleanup_(layout_files_deinit)
void layout_files_deinit(LayoutFiles *files);

/*
 * Reads "*.json" in all @directories, those of higher precedence first; one that does not exist has
 * no files. Never waits for a file that is none. Returns 0 or -ENOMEM.
 */
int layout_files_load(const LayoutDirectory *directories, size_t n_directories,
                      LayoutFiles *ret_files);
LayoutFile *layout_files_find(const LayoutFiles *files, const char *name);
