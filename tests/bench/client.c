/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One client of daxd's that makes many devices:
 *
 *     bench-client create REGION COUNT SIZE [LABEL]   a CreateDevice for each, one after the other
 *     bench-client flood REGION COUNT SIZE [LABEL]    the same, many on their way at once
 *     bench-client apply FILE                         one ApplyLayout
 *     bench-client ping COUNT                         calls that do nothing, for what a call costs
 *
 * REGION is an object path; the devices are labelled LABEL000, LABEL001 and so on. Prints the
 * microseconds from the first call to the last reply.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#define FLOOD_MAX 100 /* the bus allows 128 calls without a reply */
#define TIMEOUT_USEC (600 * 1000000ULL)
#define TEXT_MAX (1 << 20)

static void die(const char *what, int error, const sd_bus_error *answer) {
        fprintf(stderr, "bench-client: %s: %s\n", what,
                answer && answer->message ? answer->message : strerror(-error));
        exit(1);
}

static void check(const char *what, int error) {
        if (error < 0)
                die(what, error, NULL);
}

static long long now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void call(sd_bus *bus, sd_bus_message *message) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_call(bus, message, TIMEOUT_USEC, &error, &reply);
        if (r < 0)
                die("the call failed", r, &error);
        sd_bus_message_unref(reply);
        sd_bus_message_unref(message);
}

static sd_bus_message *new_create(sd_bus *bus, const char *region, uint64_t size, const char *label,
                                  unsigned number) {
        sd_bus_message *message;
        char text[64];

        check("no message", sd_bus_message_new_method_call(bus, &message, "org.daxd1", region,
                                                           "org.daxd1.Region", "CreateDevice"));
        check("no size", sd_bus_message_append(message, "t", size));
        snprintf(text, sizeof(text), "%s%03u", label, number);
        /* Nothing to wipe, whoever had the memory before. */
        check("no options", label[0] ? sd_bus_message_append(message, "a{sv}", 2, "wipe", "b", 0,
                                                             "label", "s", text) :
                                       sd_bus_message_append(message, "a{sv}", 1, "wipe", "b", 0));
        return message;
}

static void create(sd_bus *bus, const char *region, unsigned count, uint64_t size,
                   const char *label) {
        for (unsigned i = 0; i < count; i++)
                call(bus, new_create(bus, region, size, label, i));
}

static int created(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        unsigned *under_way = userdata;

        if (sd_bus_message_is_method_error(reply, NULL))
                die("the call failed", -EIO, sd_bus_message_get_error(reply));
        --*under_way;
        return 0;
}

static void flood(sd_bus *bus, const char *region, unsigned count, uint64_t size,
                  const char *label) {
        unsigned sent = 0, under_way = 0;

        while (sent < count || under_way > 0) {
                int r;

                while (sent < count && under_way < FLOOD_MAX) {
                        sd_bus_message *message = new_create(bus, region, size, label, sent++);

                        under_way++;
                        check("not sent", sd_bus_call_async(bus, NULL, message, created, &under_way,
                                                            TIMEOUT_USEC));
                        sd_bus_message_unref(message);
                }
                r = sd_bus_process(bus, NULL);
                check("the bus", r);
                if (r == 0)
                        check("the bus", sd_bus_wait(bus, TIMEOUT_USEC));
        }
}

static void apply(sd_bus *bus, const char *path) {
        static char text[TEXT_MAX + 1];
        sd_bus_message *message;
        FILE *file;

        file = fopen(path, "re");
        if (!file)
                die(path, -errno, NULL);
        text[fread(text, 1, TEXT_MAX, file)] = '\0';
        fclose(file);

        check("no message", sd_bus_message_new_method_call(bus, &message, "org.daxd1", "/org/daxd1",
                                                           "org.daxd1.Manager", "ApplyLayout"));
        check("no arguments", sd_bus_message_append(message, "sa{sv}", text, 0));
        call(bus, message);
}

static void ping(sd_bus *bus, unsigned count) {
        for (unsigned i = 0; i < count; i++) {
                sd_bus_message *message;

                check("no message",
                      sd_bus_message_new_method_call(bus, &message, "org.daxd1", "/org/daxd1",
                                                     "org.freedesktop.DBus.Peer", "Ping"));
                call(bus, message);
        }
}

int main(int argc, char **argv) {
        long long start;
        sd_bus *bus;

        check("no bus", sd_bus_open_system(&bus));
        start = now_usec();
        if (argc >= 5 && (strcmp(argv[1], "create") == 0 || strcmp(argv[1], "flood") == 0)) {
                (argv[1][0] == 'c' ? create :
                                     flood)(bus, argv[2], (unsigned)strtoul(argv[3], NULL, 10),
                                            strtoull(argv[4], NULL, 10), argc > 5 ? argv[5] : "");
        } else if (argc == 3 && strcmp(argv[1], "apply") == 0) {
                apply(bus, argv[2]);
        } else if (argc == 3 && strcmp(argv[1], "ping") == 0) {
                ping(bus, (unsigned)strtoul(argv[2], NULL, 10));
        } else {
                fprintf(stderr,
                        "usage: bench-client create|flood REGION COUNT SIZE [LABEL] | apply FILE | "
                        "ping COUNT\n");
                return 2;
        }
        printf("%lld\n", now_usec() - start);
        sd_bus_flush_close_unref(bus);
        return 0;
}
