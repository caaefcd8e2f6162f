/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The files from which udev's rule (systemd/60-daxd.rules) gives a device's node its lasting name
 * and its access, in /run/daxd/names.
 *
 * The kernel reuses the names of devices, and their places are given to others, so a file belongs
 * to one life of a device with its memory: it is called INCARNATION-RESOURCE-SIZE. The rule cannot
 * see the first; it comes to udev with the event by which the worker announces the name (node.h),
 * and udev keeps it for as long as it knows the device. The other two the rule puts in from the
 * device's attributes, so that it finds nothing for a device that has been reshaped. A link called
 * after the device points to its file: that is how the worker finds it, and what was left for an
 * earlier device of that name. As long as a name is being given the link says so: if it stays so,
 * the name is taken back when the device is read next.
 */

#include "daemon/worker/kernel.h"

/* The folder, opened when it is first needed. */
typedef struct Names {
        int folder;
} Names;

#define NAMES_INIT ((Names){ .folder = -1 })

typedef struct NamesKey {
        char text[80];
} NamesKey;

/* What a file says. */
typedef struct NamesEntry {
        char label[LABEL_MAX + 1];
        DaxAccess access;
} NamesEntry;

void names_close(Names *names);

/*
 * The key of a device as its picture has it, in a region that begins at @start. One that has no
 * memory has no name: its key is no file's.
 */
void names_key(const DaxDevice *device, uint64_t start, NamesKey *ret_key);

/*
 * What has been given to @device: 1, and @entry; 0 when nothing has; -ESTALE when it was given to
 * an earlier life or another shape of it, and must be taken back; or another errno.
 */
int names_read(Names *names, const DaxDevice *device, uint64_t start, NamesEntry *ret_entry);
/* Whether what has been given, or was about to be, is for the device as it is in the picture. */
bool names_are_for(Names *names, const DaxDevice *device, uint64_t start);
/*
 * Keeps others from taking back what is being given in this region. 0 or an errno: -EWOULDBLOCK
 * where somebody else has it and @wait is not set. He may hang in the kernel.
 */
int names_lock(const KernelRegion *region, bool wait);
void names_unlock(const KernelRegion *region);
/* Says that this name is being given, and before anything of it is done. */
int names_begin(Names *names, const char *device, const NamesKey *key);
/* Prepares what udev will read. The access is for udev only where @open; else it is kept for us. */
int names_write(Names *names, const DaxDevice *device, uint64_t start, const NamesEntry *entry,
                bool open);
/* Makes it what names_read() finds. */
int names_link(Names *names, const char *device, const NamesKey *key);
/* Takes back whatever was given to a device of this name. 0 also when nothing was. */
int names_remove_file(Names *names, const char *device);
int names_unlink(Names *names, const char *device);
/*
 * Both, for a device of @region that is gone: what is still there could not be taken back before.
 */
void names_forget(Names *names, const KernelRegion *region, const char *device);
