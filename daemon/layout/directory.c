/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Loads layout files. A directory that others can write, or a file that is not what it should be,
 * still hides its names in later directories: what its owner wanted hidden stays hidden.
 *
 * A file is looked at before it is opened; nobody else can swap it in between, since nobody else
 * can write the directory.
 */

#include "daemon/layout/directory.h"
#include "daemon/util/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char suffix[] = ".json";

/* A directory while its files are read. */
typedef struct Opened {
        const LayoutDirectory *directory;
        size_t index;
        int fd;
        const char *fault; /* why none of its files is read, or NULL */
} Opened;

static void layout_file_deinit(LayoutFile *file) {
        free(file->name);
        free(file->source);
        layout_free(file->layout);
        failure_deinit(&file->failure);
        *file = (LayoutFile){};
}

void layout_files_deinit(LayoutFiles *files) {
        for (size_t i = 0; i < files->count; i++)
                layout_file_deinit(&files->list[i]);
        free(files->list);
        *files = (LayoutFiles){};
}

LayoutFile *layout_files_find(const LayoutFiles *files, const char *name) {
        for (size_t i = 0; i < files->count; i++)
                if (strcmp(files->list[i].name, name) == 0)
                        return &files->list[i];

        return NULL;
}

/* Sets the failure of @file. Returns 0 or -ENOMEM. */
static int file_refuse(LayoutFile *file, const char *reason) {
        _cleanup_free_ char *source = NULL;
        int r;

        source = text_escape(file->source, PATH_MAX);
        if (!source)
                return -ENOMEM;

        r = failure_set(&file->failure, CONDITION_INVALID_LAYOUT, "cannot read layout file %s: %s",
                        source, reason);
        return MIN(r, 0);
}

/* Who besides root and @owner could have written what @st is of; NULL when nobody. */
static const char *others_can_write(const struct stat *st, uid_t owner, bool directory) {
        if (st->st_uid != 0 && st->st_uid != owner)
                return directory ? "its directory belongs to another user than root" :
                                   "it belongs to another user than root";
        if (st->st_mode & 0022)
                return directory ? "others than root can write its directory; use chmod go-w" :
                                   "others than root can write it; use chmod go-w";
        return NULL;
}

static const char *wrong_type(mode_t mode) {
        if (S_ISDIR(mode))
                return "it is a directory, not a file";
        if (S_ISFIFO(mode))
                return "it is a FIFO, not a file";
        if (S_ISLNK(mode))
                return "it is a link to a link; put the file itself there";
        return S_ISREG(mode) ? NULL : "it is no regular file";
}

static const char *read_fault(int error) {
        if (error == -EFBIG)
                return "it is larger than 1 MiB";
        return strerror(-error);
}

/* Reads the file @entry of @opened, which file->source shows by the name it was found by. */
static int file_read_layout(LayoutFile *file, const Opened *opened, const char *entry) {
        _cleanup_free_ char *text = NULL;
        const char *fault;
        struct stat st;
        size_t size;
        int r;

        if (fstatat(opened->fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return file_refuse(file, strerror(errno));
        fault = wrong_type(st.st_mode) ?: others_can_write(&st, opened->directory->owner, false);
        if (fault)
                return file_refuse(file, fault);

        r = file_read(opened->fd, entry, O_NOFOLLOW, LAYOUT_TEXT_MAX, &text, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return file_refuse(file, read_fault(r));

        r = layout_parse(file->name, file->source, text, size, &file->layout, &file->failure);
        if (r == 0)
                r = layout_find_owners(file->layout, &file->failure);
        if (r != 0)
                file->layout = layout_free(file->layout);
        return MIN(r, 0);
}

/* Where the link @entry points to; "" for a target too long to be a name of its directory. */
static int link_target(const Opened *opened, const char *entry, char target[static NAME_MAX + 2]) {
        ssize_t n;

        n = readlinkat(opened->fd, entry, target, NAME_MAX + 1);
        if (n < 0)
                return -errno;

        target[n > NAME_MAX ? 0 : n] = '\0';
        return 0;
}

static int file_load(LayoutFile *file, const Opened *opened, const char *entry) {
        char target[NAME_MAX + 2] = "";
        struct stat st;
        bool valid;
        int r;

        if (fstatat(opened->fd, entry, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return file_refuse(file, strerror(errno));
        if (S_ISLNK(st.st_mode)) {
                r = link_target(opened, entry, target);
                if (r < 0)
                        return file_refuse(file, strerror(-r));
                file->masked = strcmp(target, "/dev/null") == 0;
        }
        if (file->masked)
                return 0;
        if (opened->fault)
                return file_refuse(file, opened->fault);

        r = layout_name_check(file->name, &valid);
        if (r < 0)
                return r;
        if (!valid)
                return file_refuse(file, "its name has characters that do not show; rename it");

        if (S_ISLNK(st.st_mode) && (target[0] == '\0' || strchr(target, '/')))
                return file_refuse(file, "it is a link out of its directory; put the file itself "
                                         "there, or link to /dev/null to mask the name");
        return file_read_layout(file, opened, S_ISLNK(st.st_mode) ? target : entry);
}

/* Adds what is at @entry of @opened, unless a directory before it has the name. */
static int files_add(LayoutFiles *files, const Opened *opened, const char *entry) {
        LayoutFile file = { .directory = opened->index };
        int r;

        file.name = strndup(entry, strlen(entry) - strlen(suffix));
        if (!file.name)
                return -ENOMEM;
        if (layout_files_find(files, file.name)) {
                layout_file_deinit(&file);
                return 0;
        }

        if (asprintf(&file.source, "%s/%s", opened->directory->path, entry) < 0) {
                file.source = NULL;
                r = -ENOMEM;
        } else {
                r = file_load(&file, opened, entry);
        }
        if (r >= 0)
                r = ARRAY_APPEND(files->list, files->count, file);
        if (r < 0)
                layout_file_deinit(&file);
        return r;
}

/* Lists the directory itself, which cannot be read because of @error. */
static int files_add_fault(LayoutFiles *files, const Opened *opened, int error) {
        LayoutFile file = { .directory = opened->index };
        int r = -ENOMEM;

        file.name = strdup("");
        file.source = strdup(opened->directory->path);
        if (file.name && file.source)
                r = file_refuse(&file, strerror(error));
        if (r >= 0)
                r = ARRAY_APPEND(files->list, files->count, file);
        if (r < 0)
                layout_file_deinit(&file);
        return r;
}

static bool is_layout_name(const char *entry) {
        size_t length = strlen(entry), n = strlen(suffix);

        return entry[0] != '.' && length > n && strcmp(entry + length - n, suffix) == 0;
}

DEFINE_CLEANUP(DIR *, closedir)

static int directory_load(const LayoutDirectory *directory, size_t index, LayoutFiles *files) {
        _cleanup_(closedirp) DIR *dir = NULL;
        Opened opened = { .directory = directory, .index = index };
        const struct dirent *entry;
        struct stat st;
        int r;

        dir = opendir(directory->path);
        if (!dir && errno == ENOENT)
                return 0;
        if (!dir)
                return errno == ENOMEM ? -ENOMEM : files_add_fault(files, &opened, errno);

        opened.fd = dirfd(dir);
        if (fstat(opened.fd, &st) < 0)
                return files_add_fault(files, &opened, errno);
        opened.fault = others_can_write(&st, directory->owner, true);

        while (errno = 0, (entry = readdir(dir))) {
                if (!is_layout_name(entry->d_name))
                        continue;
                r = files_add(files, &opened, entry->d_name);
                if (r < 0)
                        return r;
        }

        return errno != 0 ? files_add_fault(files, &opened, errno) : 0;
}

static int compare_files(const void *a, const void *b) {
        const LayoutFile *x = a, *y = b;
        int r = strcmp(x->name, y->name);

        return r != 0 ? r : (x->directory > y->directory) - (x->directory < y->directory);
}

/* Names that no layout can have are only told now, so that hiding compared them as they are. */
static int escape_names(LayoutFiles *files) {
        for (size_t i = 0; i < files->count; i++) {
                char *escaped = text_escape(files->list[i].name, LAYOUT_NAME_MAX);

                if (!escaped)
                        return -ENOMEM;
                free(files->list[i].name);
                files->list[i].name = escaped;
        }

        return 0;
}

int layout_files_load(const LayoutDirectory *directories, size_t n_directories,
                      LayoutFiles *ret_files) {
        _cleanup_layout_files_ LayoutFiles files = {};
        int r;

        for (size_t i = 0; i < n_directories; i++) {
                r = directory_load(&directories[i], i, &files);
                if (r < 0)
                        return r;
        }
        if (escape_names(&files) < 0)
                return -ENOMEM;
        if (files.count > 0)
                qsort(files.list, files.count, sizeof(*files.list), compare_files);

        *ret_files = files;
        files = (LayoutFiles){};
        return 0;
}
