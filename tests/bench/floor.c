/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The floor that daxd is measured against: the same writes to sysfs, with nothing around them.
 *
 *     bench-floor REGION make COUNT SIZE [change|name]
 *     bench-floor REGION destroy
 *
 * REGION is the folder that holds dax_region/ and the devices. `make` makes devices in devdax mode,
 * the first of them out of instance 0, which has to be empty; with `change` it has udev run its rules
 * for each, as whoever names devices must. With `name` it also reads each back, and gives it the label
 * f000, f001 and so on as daxd would, at the least: a file and a link (daemon/worker/names.h) that udev
 * makes a link in /dev/dax/by-name and a unit of. `destroy` destroys all there are. Prints the
 * microseconds that it took.
 */

#include "tests/bench/raw.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES "/run/daxd/names"
#define EVENT "50db03d4-8d5b-4d8d-9f4e-2a9b4be1e7c6" /* any: the kernel wants one */

static int is_device(const struct dirent *entry) {
        return strncmp(entry->d_name, "dax", 3) == 0 && strchr(entry->d_name, '.');
}

static void announce(const char *region, const char *device, const char *event) {
        char attribute[RAW_NAME_SIZE + 8];

        snprintf(attribute, sizeof(attribute), "%s/uevent", device);
        raw_put(region, attribute, event);
}

/* What was written is there, and udev is told of a name for it. */
static void name_device(const char *region, const char *device, const char *size, unsigned number) {
        char folder[PATH_MAX], path[PATH_MAX + 128], text[PATH_MAX], key[128], start[32], now[32];
        unsigned long long life;
        struct stat st;
        ssize_t n;
        int fd;

        snprintf(folder, sizeof(folder), "%s/%s", region, device);
        raw_get(folder, "size", now, sizeof(now));
        raw_get(folder, "resource", start, sizeof(start));
        snprintf(path, sizeof(path), "%s/driver", folder);
        n = readlink(path, text, sizeof(text));
        if (strcmp(now, size) != 0 || n < 10 || strncmp(text + n - 10, "device_dax", 10) != 0)
                raw_die(device, "it is not what was written");
        snprintf(path, sizeof(path), "%s/mapping0", folder);
        if (stat(path, &st) < 0)
                raw_die(path, strerror(errno));
        life = st.st_ino;

        snprintf(key, sizeof(key), "%llu-%s-%s", life, start, size);
        snprintf(path, sizeof(path), NAMES "/%s", key);
        n = snprintf(text, sizeof(text), "DAXD_LABEL=f%03u\n", number);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, n) != n)
                raw_die(path, strerror(errno));
        close(fd);
        snprintf(path, sizeof(path), NAMES "/%s", device);
        if (symlink(key, path) < 0)
                raw_die(path, strerror(errno));

        snprintf(text, sizeof(text), "change " EVENT " DAXD=%llu", life);
        announce(region, device, text);
}

static void make(const char *region, unsigned count, const char *size, const char *also) {
        char id[16], name[RAW_NAME_SIZE];

        raw_get(region, "dax_region/id", id, sizeof(id));
        for (unsigned i = 0; i < count; i++) {
                name[0] = '\0';
                if (i == 0)
                        snprintf(name, sizeof(name), "dax%s.0", id);
                raw_make(region, size, name);
                if (strcmp(also, "name") == 0)
                        name_device(region, name, size, i);
                else if (strcmp(also, "change") == 0)
                        announce(region, name, "change");
        }
}

static void destroy(const char *region) {
        struct dirent **entries;
        int n;

        n = scandir(region, &entries, is_device, NULL);
        if (n < 0)
                raw_die(region, strerror(errno));
        for (int i = 0; i < n; i++) {
                raw_destroy(region, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
}

static long long now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

int main(int argc, char **argv) {
        long long start = now_usec();

        if (argc >= 5 && strcmp(argv[2], "make") == 0) {
                make(argv[1], (unsigned)strtoul(argv[3], NULL, 10), argv[4],
                     argc > 5 ? argv[5] : "");
        } else if (argc == 3 && strcmp(argv[2], "destroy") == 0) {
                destroy(argv[1]);
        } else {
                fprintf(stderr,
                        "usage: bench-floor REGION make COUNT SIZE [change|name] | destroy\n");
                return 2;
        }
        printf("%lld\n", now_usec() - start);
        return 0;
}
