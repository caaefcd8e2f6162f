/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads and writes the files that name device nodes. udev takes from such a file whatever stands in
 * it, also what would start a service, so the folder must be root's, and nothing is written but
 * labels and names of users and groups that have been checked.
 */

#include "daemon/worker/names.h"
#include "daemon/util/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES_FOLDER "/run/daxd/names"
#define NAMES_FILE_MAX (256 * 1024)

void names_key(uint64_t incarnation, const Mappings *mappings, NamesKey *ret_key) {
        uint64_t start = mappings->count > 0 ? mappings->list[0].start : 0;

        /* the second and third part as sysfs prints them */
        snprintf(ret_key->text, sizeof(ret_key->text), "%llu-%#llx-%llu",
                 (unsigned long long)incarnation, (unsigned long long)start,
                 (unsigned long long)mappings_size(mappings));
}

/* The folder, which must be root's alone. -ENOENT where there is none and @make is not set. */
static int names_folder(bool make) {
        _cleanup_close_ int folder = -1;
        struct stat st;

        /* closed to others: what lies in it is called by physical addresses */
        if (make && mkdir(NAMES_FOLDER, 0700) < 0 && errno != EEXIST)
                return -errno;
        folder = open(NAMES_FOLDER, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0)
                return -errno;
        if (fstat(folder, &st) < 0)
                return -errno;
        if (st.st_uid != 0 || (st.st_mode & 0022))
                return -EPERM;

        return TAKE_FD(folder);
}

/* --- what stands in a file -------------------------------------------------------------------- */

/* All ranges in one line, which udev passes over. The caller frees it; NULL when out of memory. */
static char *place_text(const Mappings *mappings) {
        size_t room = mappings->count * 40 + 16, at = 0;
        char *text = malloc(room);

        if (!text)
                return NULL;
        at = snprintf(text, room, "#DAXD_PLACE=");
        for (size_t i = 0; i < mappings->count; i++)
                at += snprintf(text + at, room - at, "%s%llx+%llx", i > 0 ? "," : "",
                               (unsigned long long)mappings->list[i].start,
                               (unsigned long long)mappings->list[i].size);
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

/* --- reading ---------------------------------------------------------------------------------- */

/* The key that a device of this name was given. 1, or 0 when there is none. */
static int read_link(const KernelDevice *device, NamesKey *ret_key) {
        char path[sizeof(NAMES_FOLDER) + DAX_NAME_MAX + 1];
        ssize_t n;

        snprintf(path, sizeof(path), NAMES_FOLDER "/%s", device->name);
        n = readlink(path, ret_key->text, sizeof(ret_key->text) - 1);
        if (n < 0)
                return errno == ENOENT ? 0 : -errno;

        ret_key->text[n] = '\0';
        return 1;
}

int names_read(const KernelDevice *device, const NamesKey *key, const Mappings *mappings,
               NamesEntry *ret_entry) {
        _cleanup_free_ char *text = NULL, *place = NULL;
        _cleanup_close_ int folder = -1;
        NamesKey given;
        int r;

        r = read_link(device, &given);
        if (r <= 0)
                return r;
        if (strcmp(given.text, key->text) != 0)
                return -ESTALE;

        place = place_text(mappings);
        if (!place)
                return -ENOMEM;
        folder = names_folder(false);
        if (folder < 0)
                return folder;
        r = file_read(folder, key->text, O_NOFOLLOW, NAMES_FILE_MAX, &text, NULL);
        if (r < 0)
                return r == -ENOENT || r == -EFBIG ? -ESTALE : r;

        r = entry_parse(text, place, ret_entry);
        return r < 0 ? r : 1;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* A name for what is being made; one worker does one thing at a time. */
static void temporary_name(char name[32]) {
        snprintf(name, 32, "new.%d", (int)getpid());
}

int names_write(const NamesKey *key, const Mappings *mappings, const NamesEntry *entry, bool open) {
        _cleanup_free_ char *place = NULL, *text = NULL;
        _cleanup_close_ int folder = -1, fd = -1;
        char temporary[32];
        int r;

        place = place_text(mappings);
        text = place ? entry_text(entry, place, open) : NULL;
        if (!text)
                return -ENOMEM;
        folder = names_folder(true);
        if (folder < 0)
                return folder;

        temporary_name(temporary);
        if (unlinkat(folder, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;

        r = file_write_all(fd, text, strlen(text));
        if (r >= 0 && renameat(folder, temporary, folder, key->text) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder, temporary, 0);
        return r;
}

int names_link(const KernelDevice *device, const NamesKey *key) {
        _cleanup_close_ int folder = -1;
        char temporary[32];

        folder = names_folder(false);
        if (folder < 0)
                return folder;

        temporary_name(temporary);
        if (unlinkat(folder, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        if (symlinkat(key->text, folder, temporary) < 0)
                return -errno;
        return renameat(folder, temporary, folder, device->name) < 0 ? -errno : 0;
}

int names_remove_file(const KernelDevice *device) {
        _cleanup_close_ int folder = -1;
        NamesKey given;
        int r;

        r = read_link(device, &given);
        if (r <= 0)
                return r;
        folder = names_folder(false);
        if (folder < 0)
                return folder;
        if (strchr(given.text, '/') || strcmp(given.text, device->name) == 0)
                return -EPERM;

        return unlinkat(folder, given.text, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int names_unlink(const KernelDevice *device) {
        _cleanup_close_ int folder = -1;

        folder = names_folder(false);
        if (folder < 0)
                return folder == -ENOENT ? 0 : folder;
        return unlinkat(folder, device->name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
