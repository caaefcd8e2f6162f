/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads and writes the files that name device nodes. udev takes from such a file whatever stands in
 * it, also what would start a service, so the folder must be root's, and nothing is written but
 * labels and names of users and groups that have been checked.
 */

#include "daemon/worker/names.h"
#include "daemon/util/file.h"
#include "daemon/worker/region-lock.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_FOLDER "/run/daxd/names"
#define NAMES_FILE_MAX (256 * 1024)

void names_close(Names *names) {
        closep(&names->folder);
        *names = NAMES_INIT;
}

void names_key(const DaxDevice *device, uint64_t start, NamesKey *ret_key) {
        uint64_t first = device->ranges.count > 0 ? start + device->ranges.list[0].offset : 0;

        /* the second and third part as sysfs prints them */
        snprintf(ret_key->text, sizeof(ret_key->text), "%llu-%#llx-%llu",
                 (unsigned long long)device->incarnation, (unsigned long long)first,
                 (unsigned long long)device->size);
}

static int folder_check(int folder) {
        struct stat st;

        if (fstat(folder, &st) < 0)
                return -errno;
        if (st.st_nlink == 0) /* somebody has cleared it away */
                return -ENOENT;
        return st.st_uid != 0 || (st.st_mode & 0022) ? -EPERM : 0;
}

/*
 * Opens the folder, which must be root's alone. -ENOENT where there is none and @make is not set.
 */
static int names_open(Names *names, bool make) {
        int r;

        if (names->folder >= 0 && folder_check(names->folder) >= 0)
                return 0;

        names_close(names);
        /* closed to others: what lies in it is called by physical addresses */
        if (make && mkdir(NAMES_FOLDER, 0700) < 0 && errno != EEXIST)
                return -errno;
        names->folder = open(NAMES_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (names->folder < 0)
                return -errno;

        r = folder_check(names->folder);
        if (r < 0)
                names_close(names);
        return r;
}

/* --- what stands in a file -------------------------------------------------------------------- */

/* All ranges in one line, which udev passes over. The caller frees it; NULL when out of memory. */
static char *place_text(const DaxDevice *device, uint64_t start) {
        size_t room = device->ranges.count * 40 + 16, at = 0;
        char *text = malloc(room);

        if (!text)
                return NULL;
        at = snprintf(text, room, "#DAXD_PLACE=");
        for (size_t i = 0; i < device->ranges.count; i++) {
                DaxRange range = device->ranges.list[i];

                at += snprintf(text + at, room - at, "%s%llx+%llx", i > 0 ? "," : "",
                               (unsigned long long)(start + range.offset),
                               (unsigned long long)range.size);
        }
        return text;
}

static int entry_take(NamesEntry *entry, const char *key, const char *value) {
        if (strcmp(key, "DAXD_LABEL") == 0 && text_is_label(value))
                strcpy(entry->label, value);
        else if (strcmp(key, "DAXD_USER") == 0 && strlen(value) < sizeof(entry->access.user))
                strcpy(entry->access.user, value);
        else if (strcmp(key, "DAXD_GROUP") == 0 && strlen(value) < sizeof(entry->access.group))
                strcpy(entry->access.group, value);
        else if (strcmp(key, "DAXD_MODE") == 0 && strlen(value) == 4 &&
                 strspn(value, "01234567") == 4)
                entry->access.mode = (value[1] - '0') << 6 | (value[2] - '0') << 3 |
                                     (value[3] - '0');
        else
                return -ESTALE;

        return 0;
}

/* Reads a file's text. -ESTALE when it was not written by us for @place. */
static int entry_parse(char *text, const char *place, NamesEntry *ret_entry) {
        NamesEntry entry = {};
        char *line = strsep(&text, "\n");

        if (strcmp(line, place) != 0)
                return -ESTALE;

        while ((line = strsep(&text, "\n"))) {
                char *value;

                line += line[0] == '#'; /* hidden from udev: kept for us */
                if (line[0] == '\0')
                        continue;
                value = strchr(line, '=');
                if (!value)
                        return -ESTALE;
                *value++ = '\0';
                if (entry_take(&entry, line, value) < 0)
                        return -ESTALE;
        }

        *ret_entry = entry;
        return 0;
}

static char *entry_text(const NamesEntry *entry, const char *place, bool open) {
        const char *hide = open ? "" : "#";
        char *text = NULL, access[256] = "", label[LABEL_MAX + 32] = "";

        if (entry->label[0] != '\0')
                snprintf(label, sizeof(label), "DAXD_LABEL=%s\n", entry->label);
        if (dax_access_is_open(&entry->access))
                snprintf(access, sizeof(access),
                         "%sDAXD_USER=%s\n%sDAXD_GROUP=%s\n%sDAXD_MODE=0%03o\n", hide,
                         entry->access.user[0] ? entry->access.user : "root", hide,
                         entry->access.group[0] ? entry->access.group : "root", hide,
                         entry->access.mode ? entry->access.mode : 0600);

        return asprintf(&text, "%s\n%s%s", place, label, access) < 0 ? NULL : text;
}

/* --- links ------------------------------------------------------------------------------------ */

/* Behind the key in a link while the name is being given: until then it is no device's key. */
#define PENDING "~"

static int link_to(Names *names, const char *device, const char *target) {
        char temporary[DAX_NAME_MAX + 8];
        int r;

        r = names_open(names, true);
        if (r < 0)
                return r;
        if (symlinkat(target, names->folder, device) >= 0)
                return 0;
        if (errno != EEXIST)
                return -errno;

        snprintf(temporary, sizeof(temporary), "%s.new", device);
        if (unlinkat(names->folder, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        if (symlinkat(target, names->folder, temporary) < 0)
                return -errno;
        return renameat(names->folder, temporary, names->folder, device) < 0 ? -errno : 0;
}

int names_begin(Names *names, const char *device, const NamesKey *key) {
        char target[sizeof(key->text) + sizeof(PENDING)];

        snprintf(target, sizeof(target), "%s" PENDING, key->text);
        return link_to(names, device, target);
}

int names_link(Names *names, const char *device, const NamesKey *key) {
        return link_to(names, device, key->text);
}

int names_lock(const KernelRegion *region, bool wait) {
        return region_lock_take(region->locks, region->id, REGION_LOCK_NAMES, false, wait);
}

void names_unlock(const KernelRegion *region) {
        region_lock_release(region->locks, region->id, REGION_LOCK_NAMES);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The key that a device of this name was given. 1, or 0 when there is none. */
static int read_link(Names *names, const char *device, NamesKey *ret_key) {
        ssize_t n;
        int r;

        r = names_open(names, false);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        n = readlinkat(names->folder, device, ret_key->text, sizeof(ret_key->text) - 1);
        if (n < 0)
                return errno == ENOENT ? 0 : -errno;

        ret_key->text[n] = '\0';
        return 1;
}

bool names_are_for(Names *names, const DaxDevice *device, uint64_t start) {
        NamesKey given, key;

        if (read_link(names, device->name, &given) <= 0)
                return false;
        given.text[strcspn(given.text, PENDING)] = '\0';
        names_key(device, start, &key);
        return strcmp(given.text, key.text) == 0;
}

int names_read(Names *names, const DaxDevice *device, uint64_t start, NamesEntry *ret_entry) {
        _cleanup_free_ char *text = NULL, *place = NULL;
        NamesKey given, key;
        int r;

        r = read_link(names, device->name, &given);
        if (r <= 0)
                return r;
        names_key(device, start, &key);
        if (strcmp(given.text, key.text) != 0)
                return -ESTALE;

        place = place_text(device, start);
        if (!place)
                return -ENOMEM;
        r = file_read(names->folder, key.text, O_NOFOLLOW, NAMES_FILE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT || r == -EFBIG ? -ESTALE : r;

        r = entry_parse(text, place, ret_entry);
        return r < 0 ? r : 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

int names_write(Names *names, const DaxDevice *device, uint64_t start, const NamesEntry *entry,
                bool open) {
        _cleanup_free_ char *place = NULL, *text = NULL;
        NamesKey key;
        int r;

        place = place_text(device, start);
        text = place ? entry_text(entry, place, open) : NULL;
        if (!text)
                return -ENOMEM;
        r = names_open(names, true);
        if (r < 0)
                return r;

        names_key(device, start, &key);
        return file_replace(names->folder, key.text, text, strlen(text), 0600, 0);
}

/* And what somebody who was killed was about to put there. */
static int remove_with_new(Names *names, const char *name) {
        char temporary[sizeof(NamesKey) + 8];

        snprintf(temporary, sizeof(temporary), "%s.new", name);
        if (unlinkat(names->folder, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        return unlinkat(names->folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int names_remove_file(Names *names, const char *device) {
        NamesKey given;
        int r;

        r = read_link(names, device, &given);
        if (r <= 0)
                return r;
        given.text[strcspn(given.text, PENDING)] = '\0';
        if (strchr(given.text, '/') || strcmp(given.text, device) == 0)
                return -EPERM;

        return remove_with_new(names, given.text);
}

int names_unlink(Names *names, const char *device) {
        int r;

        r = names_open(names, false);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        return remove_with_new(names, device);
}

void names_forget(Names *names, const KernelRegion *region, const char *device) {
        NamesKey given;

        if (read_link(names, device, &given) <= 0 || names_lock(region, true) < 0)
                return;
        if (names_remove_file(names, device) >= 0)
                (void)names_unlink(names, device);
        names_unlock(region);
}
