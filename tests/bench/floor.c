/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The floor that daxd is measured against: the same writes to sysfs, with nothing around them.
 *
 *     bench-floor REGION make COUNT SIZE [change|name]
 *     bench-floor REGION destroy
 *
 * REGION is the folder that holds dax_region/ and the devices. `make` makes devices in devdax mode,
 * the first of them out of instance 0, which has to be empty; with `change` it has udev run its
 * rules for each, as whoever names devices must. With `name` it also reads each back, and gives it
 * the label f000, f001 and so on (raw_name()). `destroy` destroys all there are. Prints the
 * microseconds that it took.
 */

#include "tests/bench/raw.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int is_device(const struct dirent *entry) {
        return strncmp(entry->d_name, "dax", 3) == 0 && strchr(entry->d_name, '.');
}

static void make(const char *region, unsigned count, const char *size, const char *also) {
        char id[16], name[RAW_NAME_SIZE];

        raw_get(region, "dax_region/id", id, sizeof(id));
        for (unsigned i = 0; i < count; i++) {
                name[0] = '\0';
                if (i == 0)
                        snprintf(name, sizeof(name), "dax%s.0", id);
                raw_make(region, size, name);
                if (strcmp(also, "name") == 0) {
                        raw_check(region, name, size);
                        raw_name(region, name, size, i);
                } else if (strcmp(also, "change") == 0) {
                        raw_announce(region, name, "change");
                }
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
