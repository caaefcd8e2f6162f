/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Writes and reads, one open each, as a shell script would. */

#include "tests/bench/raw.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES "/run/daxd/names"
#define EVENT "50db03d4-8d5b-4d8d-9f4e-2a9b4be1e7c6" /* any: the kernel wants one */

void raw_die(const char *what, const char *why) {
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, why);
        exit(1);
}

static int open_attribute(const char *folder, const char *attribute, int flags) {
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", folder, attribute);
        return open(path, flags | O_CLOEXEC);
}

int raw_try_put(const char *folder, const char *attribute, const char *value) {
        int fd, r;

        fd = open_attribute(folder, attribute, O_WRONLY);
        if (fd < 0)
                return -1;
        r = write(fd, value, strlen(value)) < 0 ? -1 : 0;
        close(fd);
        return r;
}

void raw_put(const char *folder, const char *attribute, const char *value) {
        char path[PATH_MAX];

        if (raw_try_put(folder, attribute, value) >= 0)
                return;
        snprintf(path, sizeof(path), "%s/%s", folder, attribute);
        raw_die(path, strerror(errno));
}

void raw_get(const char *folder, const char *attribute, char *ret, size_t size) {
        ssize_t n;
        int fd;

        fd = open_attribute(folder, attribute, O_RDONLY);
        n = fd < 0 ? -1 : read(fd, ret, size - 1);
        if (n < 0)
                raw_die(attribute, strerror(errno));
        close(fd);
        ret[n] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
}

void raw_bind(const char *device) {
        if (raw_try_put(RAW_DRIVER, "bind", device) == 0)
                return;
        if (errno != ENODEV)
                raw_die("bind", strerror(errno));
        raw_put(RAW_DRIVER, "new_id", device);
        raw_put(RAW_DRIVER, "remove_id", device);
}

void raw_make(const char *folder, const char *size, char name[static RAW_NAME_SIZE]) {
        char attribute[RAW_NAME_SIZE + 8];

        if (name[0] == '\0') {
                raw_put(folder, "dax_region/create", "1");
                raw_get(folder, "dax_region/create", name, RAW_NAME_SIZE);
        }
        snprintf(attribute, sizeof(attribute), "%s/size", name);
        raw_put(folder, attribute, size);
        raw_bind(name);
}

void raw_destroy(const char *folder, const char *device) {
        char attribute[RAW_NAME_SIZE + 8];

        if (raw_try_put(RAW_DRIVER, "unbind", device) < 0 && errno != ENODEV)
                raw_die("unbind", strerror(errno));
        snprintf(attribute, sizeof(attribute), "%s/size", device);
        raw_put(folder, attribute, "0");
        if (strcmp(strchr(device, '.'), ".0") != 0)
                raw_put(folder, "dax_region/delete", device);
}

void raw_check(const char *folder, const char *device, const char *size) {
        char path[PATH_MAX + 16], own[PATH_MAX], target[PATH_MAX], now[32];
        ssize_t n;

        snprintf(own, sizeof(own), "%s/%s", folder, device);
        raw_get(own, "size", now, sizeof(now));
        snprintf(path, sizeof(path), "%s/driver", own);
        n = readlink(path, target, sizeof(target));
        if (strcmp(now, size) != 0 || n < 10 || strncmp(target + n - 10, "device_dax", 10) != 0)
                raw_die(device, "it is not what was written");
}

void raw_announce(const char *folder, const char *device, const char *event) {
        char attribute[RAW_NAME_SIZE + 8];

        snprintf(attribute, sizeof(attribute), "%s/uevent", device);
        raw_put(folder, attribute, event);
}

void raw_name(const char *folder, const char *device, const char *size, unsigned number) {
        char own[PATH_MAX], path[PATH_MAX + 128], text[128], key[128], start[32];
        struct stat st;
        int fd, n;

        snprintf(own, sizeof(own), "%s/%s", folder, device);
        raw_get(own, "resource", start, sizeof(start));
        snprintf(path, sizeof(path), "%s/mapping0", own);
        if (stat(path, &st) < 0)
                raw_die(path, strerror(errno));

        snprintf(key, sizeof(key), "%llu-%s-%s", (unsigned long long)st.st_ino, start, size);
        snprintf(path, sizeof(path), NAMES "/%s", key);
        n = snprintf(text, sizeof(text), "DAXD_LABEL=f%03u\n", number);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, n) != n)
                raw_die(path, strerror(errno));
        close(fd);
        snprintf(path, sizeof(path), NAMES "/%s", device);
        if (symlink(key, path) < 0)
                raw_die(path, strerror(errno));

        snprintf(text, sizeof(text), "change " EVENT " DAXD=%llu", (unsigned long long)st.st_ino);
        raw_announce(folder, device, text);
}
