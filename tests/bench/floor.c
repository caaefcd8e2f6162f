/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The floor that daxd is measured against: the same writes to sysfs, with nothing around them.
 *
 *     bench-floor REGION make COUNT SIZE [change]
 *     bench-floor REGION destroy
 *
 * REGION is the folder that holds dax_region/ and the devices. `make` makes devices in devdax mode,
 * the first of them out of instance 0, which has to be empty; with `change` it has udev run its rules
 * for each, as whoever names devices must. `destroy` destroys all there are. Prints the microseconds
 * that it took.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DRIVER "/sys/bus/dax/drivers/device_dax/"
#define NAME_SIZE 32

static void die(const char *what, const char *on) {
        fprintf(stderr, "bench-floor: %s %s: %s\n", what, on, strerror(errno));
        exit(1);
}

/* Writes @value in one write; leaves the errno to the caller. */
static int try_put(const char *path, const char *value) {
        int fd, r;

        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -1;
        r = write(fd, value, strlen(value)) < 0 ? -1 : 0;
        close(fd);
        return r;
}

static void put(const char *folder, const char *attribute, const char *value) {
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s%s", folder, attribute);
        if (try_put(path, value) < 0)
                die("cannot write", path);
}

static void get(const char *folder, const char *attribute, char ret[static NAME_SIZE]) {
        char path[PATH_MAX];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "%s%s", folder, attribute);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, ret, NAME_SIZE - 1);
        if (n < 0)
                die("cannot read", path);
        close(fd);
        ret[n] = '\0';
        ret[strcspn(ret, "\n")] = '\0';
}

static int is_device(const struct dirent *entry) {
        return strncmp(entry->d_name, "dax", 3) == 0 && strchr(entry->d_name, '.');
}

static bool is_first(const char *name) {
        return strcmp(strchr(name, '.'), ".0") == 0;
}

static void bind_device(const char *name) {
        if (try_put(DRIVER "bind", name) == 0)
                return;
        if (errno != ENODEV)
                die("cannot bind", name);
        put(DRIVER, "new_id", name);
        put(DRIVER, "remove_id", name);
}

static void make(const char *region, unsigned count, const char *size, bool change) {
        char control[PATH_MAX], folder[PATH_MAX], id[NAME_SIZE], name[NAME_SIZE];

        snprintf(control, sizeof(control), "%s/dax_region/", region);
        get(control, "id", id);
        for (unsigned i = 0; i < count; i++) {
                if (i == 0) {
                        snprintf(name, sizeof(name), "dax%.8s.0", id);
                } else {
                        put(control, "create", "1");
                        get(control, "create", name);
                }
                snprintf(folder, sizeof(folder), "%s/%s/", region, name);
                put(folder, "size", size);
                bind_device(name);
                if (change)
                        put(folder, "uevent", "change");
        }
}

static void destroy(const char *region) {
        char control[PATH_MAX], folder[PATH_MAX];
        struct dirent **entries;
        int n;

        snprintf(control, sizeof(control), "%s/dax_region/", region);
        n = scandir(region, &entries, is_device, NULL);
        if (n < 0)
                die("cannot read", region);
        for (int i = 0; i < n; i++) {
                const char *name = entries[i]->d_name;

                if (try_put(DRIVER "unbind", name) < 0 && errno != ENODEV)
                        die("cannot unbind", name);
                snprintf(folder, sizeof(folder), "%s/%s/", region, name);
                put(folder, "size", "0");
                if (!is_first(name))
                        put(control, "delete", name);
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
                     argc > 5 && strcmp(argv[5], "change") == 0);
        } else if (argc == 3 && strcmp(argv[2], "destroy") == 0) {
                destroy(argv[1]);
        } else {
                fprintf(stderr, "usage: bench-floor REGION make COUNT SIZE [change] | destroy\n");
                return 2;
        }
        printf("%lld\n", now_usec() - start);
        return 0;
}
