/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What scale.py has timed: one thing again and again, by daxd or with nothing around it.
 *
 *     bench-scale-client calls REGION COUNT SIZE [MODE]  a CreateDevice and its Destroy
 *     bench-scale-client writes FOLDER COUNT SIZE        what they write to the kernel's attributes
 *     bench-scale-client resizes DEVICE COUNT SIZE SIZE  a Resize there, and one back
 *     bench-scale-client resize-writes FOLDER/NAME COUNT SIZE SIZE
 *     bench-scale-client modes DEVICE COUNT              SetMode to none, and back to devdax
 *     bench-scale-client mode-writes FOLDER/NAME COUNT
 *     bench-scale-client labels DEVICE COUNT             a label, and none again
 *     bench-scale-client label-writes FOLDER/NAME COUNT  that udev is told of both
 *     bench-scale-client property OBJECT INTERFACE NAME COUNT
 *     bench-scale-client objects COUNT                   a GetManagedObjects
 *     bench-scale-client pings COUNT                     a call that daxd answers without a thought
 *     bench-scale-client fill FOLDER COUNT SIZE          makes devices, in devdax mode
 *     bench-scale-client empty FOLDER NAME...            destroys them
 *     bench-scale-client reads                           every attribute of all regions and devices
 *
 * REGION, DEVICE and OBJECT are object paths, FOLDER holds dax_region/ and the devices. Prints the
 * microseconds that each took, a line for each.
 */

#include "tests/bench/raw.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define DEVICES "/sys/bus/dax/devices"
#define TIMEOUT_USEC (600 * 1000000ULL)

static sd_bus *bus;
static char **words; /* what follows the verb */

static void check(const char *what, int r) {
        if (r < 0)
                raw_die(what, strerror(-r));
}

static uint64_t number(size_t i) {
        return strtoull(words[i], NULL, 10);
}

static void time_each(uint64_t count, void (*once)(void)) {
        for (uint64_t i = 0; i < count; i++) {
                struct timespec begin, end;

                clock_gettime(CLOCK_MONOTONIC, &begin);
                once();
                clock_gettime(CLOCK_MONOTONIC, &end);
                printf("%lld\n", (end.tv_sec - begin.tv_sec) * 1000000LL +
                                         (end.tv_nsec - begin.tv_nsec) / 1000);
        }
}

/* --- by daxd ---------------------------------------------------------------------------------- */

static sd_bus_message *new_call(const char *path, const char *interface, const char *member) {
        sd_bus_message *message;

        check("no message",
              sd_bus_message_new_method_call(bus, &message, "org.daxd1", path, interface, member));
        return message;
}

static sd_bus_message *call(sd_bus_message *message) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply;

        if (sd_bus_call(bus, message, TIMEOUT_USEC, &error, &reply) < 0)
                raw_die("the call failed", error.message ?: "no reply");
        sd_bus_message_unref(message);
        return reply;
}

static void create_and_destroy(void) {
        sd_bus_message *message = new_call(words[0], "org.daxd1.Region", "CreateDevice");
        sd_bus_message *created;
        const char *path;

        /* Nothing to wipe, whoever had the memory before. */
        check("no arguments", sd_bus_message_append(message, "ta{sv}", number(2), 2, "wipe", "b", 0,
                                                    "mode", "s", words[3] ?: "devdax"));
        created = call(message);
        check("no device", sd_bus_message_read(created, "o", &path));
        message = new_call(path, "org.daxd1.Device", "Destroy");
        check("no arguments", sd_bus_message_append(message, "a{sv}", 0));
        sd_bus_message_unref(call(message));
        sd_bus_message_unref(created);
}

static void resize(uint64_t size) {
        sd_bus_message *message = new_call(words[0], "org.daxd1.Device", "Resize");

        check("no arguments", sd_bus_message_append(message, "ta{sv}", size, 0));
        sd_bus_message_unref(call(message));
}

static void resize_there_and_back(void) {
        resize(number(2));
        resize(number(3));
}

static void set(const char *method, const char *value) {
        sd_bus_message *message = new_call(words[0], "org.daxd1.Device", method);

        check("no arguments", sd_bus_message_append(message, "sa{sv}", value, 0));
        sd_bus_message_unref(call(message));
}

static void change_mode_there_and_back(void) {
        set("SetMode", "none");
        set("SetMode", "devdax");
}

static void label_and_forget(void) {
        set("SetLabel", "measured");
        set("SetLabel", "");
}

static void get_property(void) {
        sd_bus_message *message = new_call(words[0], "org.freedesktop.DBus.Properties", "Get");

        check("no arguments", sd_bus_message_append(message, "ss", words[1], words[2]));
        sd_bus_message_unref(call(message));
}

static void get_objects(void) {
        sd_bus_message_unref(call(
                new_call("/org/daxd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")));
}

static void ping(void) {
        sd_bus_message_unref(call(new_call("/org/daxd1", "org.freedesktop.DBus.Peer", "Ping")));
}

/* --- with nothing around it ------------------------------------------------------------------- */

static void write_create_and_destroy(void) {
        char name[RAW_NAME_SIZE] = "";

        raw_make(words[0], words[2], name);
        raw_destroy(words[0], name);
}

static void write_resize_there_and_back(void) {
        const char *name = strrchr(words[0], '/') + 1;

        for (size_t i = 2; i <= 3; i++) {
                raw_put(RAW_DRIVER, "unbind", name);
                raw_put(words[0], "size", words[i]);
                raw_bind(name);
        }
}

static void write_mode_there_and_back(void) {
        const char *name = strrchr(words[0], '/') + 1;

        raw_put(RAW_DRIVER, "unbind", name);
        raw_bind(name);
}

static void write_announcements(void) {
        for (int i = 0; i < 2; i++)
                raw_put(words[0], "uevent", "change");
}

static void fill(void) {
        for (uint64_t i = number(1); i > 0; i--) {
                char name[RAW_NAME_SIZE] = "";

                raw_make(words[0], words[2], name);
        }
}

static void empty(void) {
        for (size_t i = 1; words[i]; i++)
                raw_destroy(words[0], words[i]);
}

/* --- all that can be read --------------------------------------------------------------------- */

static int is_visible(const struct dirent *entry) {
        return entry->d_name[0] != '.';
}

static void read_folder(const char *path, unsigned depth);

static void read_entry(const char *folder, const struct dirent *entry, unsigned depth) {
        char path[PATH_MAX], text[4096];
        int fd;

        if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= sizeof(path))
                raw_die(folder, strerror(ENAMETOOLONG));
        if (entry->d_type == DT_LNK) {
                (void)!readlink(path, text, sizeof(text));
        } else if (entry->d_type == DT_DIR && depth > 0) {
                read_folder(path, depth - 1);
        } else {
                fd = open(path, O_RDONLY | O_CLOEXEC); /* some can only be written */
                (void)!read(fd, text, sizeof(text));
                close(fd);
        }
}

static void read_folder(const char *path, unsigned depth) {
        struct dirent **entries;
        int n;

        n = scandir(path, &entries, is_visible, NULL);
        if (n < 0)
                raw_die(path, strerror(errno));
        for (int i = 0; i < n; i++) {
                read_entry(path, entries[i], depth);
                free(entries[i]);
        }
        free(entries);
}

/* The attributes of each device and its mappings, and by way of the first one its region's. */
static void read_all(void) {
        struct dirent **entries;
        char path[PATH_MAX];
        int n;

        n = scandir(DEVICES, &entries, is_visible, NULL);
        check(DEVICES, n);
        for (int i = 0; i < n; i++) {
                snprintf(path, sizeof(path), DEVICES "/%s/", entries[i]->d_name);
                read_folder(path, 1);
                if (strcmp(strchr(entries[i]->d_name, '.'), ".0") == 0) {
                        strcat(path, "../dax_region");
                        read_folder(path, 0);
                }
                free(entries[i]);
        }
        free(entries);
}

typedef struct Verb {
        const char *name;
        int n_words;
        int count; /* which word says how often; -1: once */
        void (*run)(void);
        bool calls;
} Verb;

static const Verb verbs[] = {
        { "calls", 3, 1, create_and_destroy, true },
        { "writes", 3, 1, write_create_and_destroy, false },
        { "resizes", 4, 1, resize_there_and_back, true },
        { "resize-writes", 4, 1, write_resize_there_and_back, false },
        { "modes", 2, 1, change_mode_there_and_back, true },
        { "mode-writes", 2, 1, write_mode_there_and_back, false },
        { "labels", 2, 1, label_and_forget, true },
        { "label-writes", 2, 1, write_announcements, false },
        { "property", 4, 3, get_property, true },
        { "objects", 1, 0, get_objects, true },
        { "pings", 1, 0, ping, true },
        { "fill", 3, -1, fill, false },
        { "empty", 1, -1, empty, false },
        { "reads", 0, -1, read_all, false },
};

int main(int argc, char **argv) {
        words = argv + 2;
        for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
                if (strcmp(verbs[i].name, argv[1]) != 0 || argc - 2 < verbs[i].n_words)
                        continue;
                if (verbs[i].calls)
                        check("no bus", sd_bus_open_system(&bus));
                time_each(verbs[i].count < 0 ? 1 : number((size_t)verbs[i].count), verbs[i].run);
                sd_bus_flush_close_unref(bus);
                return 0;
        }

        fprintf(stderr, "bench-scale-client: see the head of scale-client.c\n");
        return 2;
}
