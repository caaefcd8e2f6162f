/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The least that a daemon can do which keeps the promises of org.daxd1 on the bus: the bare writes,
 * each device read back, in layouts also named, and every message that a caller and others are
 * promised. No worker, no plan, no record, no check, nothing undone: what daxd costs beyond this is
 * what it does for that.
 *
 *     bench-bare REGION ID COUNT SIZE
 *
 * REGION is the folder that holds dax_region/ and the devices, ID the number of the region. Answers
 * CreateDevice with a device of the size that is asked for, and ApplyLayout, whatever it says, with
 * COUNT devices of SIZE bytes: the first device of all out of instance 0, which has to be empty.
 */

#include "tests/bench/raw.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#define ROOT "/org/daxd1"

typedef struct Bare {
        const char *folder, *size;
        unsigned id, count;
        uint64_t jobs, devices;
        char region[64];
} Bare;

static int check(const char *what, int error) {
        if (error < 0)
                raw_die(what, strerror(-error));
        return error;
}

static sd_bus_message *new_added(sd_bus *bus, const char *path, const char *interface) {
        sd_bus_message *signal;

        check("no signal",
              sd_bus_message_new_signal(bus, &signal, ROOT, "org.freedesktop.DBus.ObjectManager",
                                        "InterfacesAdded"));
        check("no path", sd_bus_message_append(signal, "o", path));
        check("no array", sd_bus_message_open_container(signal, 'a', "{sa{sv}}"));
        check("no entry", sd_bus_message_open_container(signal, 'e', "sa{sv}"));
        check("no interface", sd_bus_message_append(signal, "s", interface));
        return signal;
}

static void send_added(sd_bus *bus, sd_bus_message *signal) {
        check("no end", sd_bus_message_close_container(signal));
        check("no end", sd_bus_message_close_container(signal));
        check("not sent", sd_bus_send(bus, signal, NULL));
        sd_bus_message_unref(signal);
}

/* A job comes; returns its path. */
static char *begin_job(sd_bus *bus, Bare *bare, const char *operation, const char *sender) {
        sd_bus_message *signal;
        char *path;

        bare->jobs++;
        if (asprintf(&path, ROOT "/job/%" PRIu64, bare->jobs) < 0)
                raw_die("a path", "out of memory");
        signal = new_added(bus, path, "org.daxd1.Job");
        check("no properties",
              sd_bus_message_append(signal, "a{sv}", 13, "Id", "t", bare->jobs, "Tag", "s", "",
                                    "Sender", "s", sender, "Uid", "u", 0, "Origin", "s", "bus",
                                    "Operation", "s", operation, "Objects", "ao", 1, bare->region,
                                    "Step", "u", 0, "Steps", "u", 0, "StepName", "s", "",
                                    "Progress", "d", 0.0, "StartTime", "t", bare->jobs,
                                    "Cancelable", "b", 1));
        send_added(bus, signal);
        return path;
}

/* The job has done its work, and goes. */
static void end_job(sd_bus *bus, char *path) {
        check("not sent",
              sd_bus_emit_signal(bus, path, "org.daxd1.Job", "Finished", "sss", "done", "", ""));
        check("not sent", sd_bus_emit_signal(bus, ROOT, "org.freedesktop.DBus.ObjectManager",
                                             "InterfacesRemoved", "oas", path, 1, "org.daxd1.Job"));
        free(path);
}

static void announce_region(sd_bus *bus, const Bare *bare) {
        uint64_t left = (UINT64_C(1) << 30) - bare->devices * strtoull(bare->size, NULL, 10);

        check("not sent", sd_bus_emit_signal(bus, bare->region, "org.freedesktop.DBus.Properties",
                                             "PropertiesChanged", "sa{sv}as", "org.daxd1.Region", 5,
                                             "AvailableSize", "t", left, "LargestFreeExtent", "t",
                                             left, "FreeExtents", "a(tt)", 1, 0, left, "Youngest",
                                             "s", "", "EmptyDevices", "as", 0, 0));
}

/* A device is there. Returns its path. */
static char *announce_device(sd_bus *bus, const Bare *bare, const char *name, const char *label) {
        uint64_t size = strtoull(bare->size, NULL, 10);
        sd_bus_message *signal;
        char *path;

        check("no path", sd_bus_path_encode(ROOT "/device", name, &path));
        signal = new_added(bus, path, "org.daxd1.Device");
        check("no properties",
              sd_bus_message_append(signal, "a{sv}", 17, "Name", "s", name, "Incarnation", "t", 1,
                                    "Label", "s", label, "Region", "o", bare->region, "Id", "u", 1,
                                    "Size", "t", size, "Align", "t", size, "Mode", "s", "devdax",
                                    "DevNode", "s", name, "TargetNode", "i", 0, "NumaNode", "i", 0,
                                    "Ranges", "a(tt)", 1, size, size, "MemmapOnMemory", "b", 0,
                                    "OnlineBlocks", "u", 0, "TotalBlocks", "u", 0, "Movable", "b",
                                    0, "Tainted", "b", 0));
        send_added(bus, signal);
        return path;
}

static void make(Bare *bare, const char *size, char name[static RAW_NAME_SIZE]) {
        name[0] = '\0';
        if (bare->devices++ == 0)
                snprintf(name, RAW_NAME_SIZE, "dax%u.0", bare->id);
        raw_make(bare->folder, size, name);
        raw_check(bare->folder, name, size);
}

static int create_device(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        sd_bus *bus = sd_bus_message_get_bus(call);
        char name[RAW_NAME_SIZE], *job, *device;
        Bare *bare = userdata;
        uint64_t size;
        char text[32];

        check("no size", sd_bus_message_read(call, "t", &size));
        snprintf(text, sizeof(text), "%" PRIu64, size);
        job = begin_job(bus, bare, "CreateDevice", sd_bus_message_get_sender(call));
        make(bare, text, name);
        announce_region(bus, bare);
        device = announce_device(bus, bare, name, "");
        end_job(bus, job);
        check("no reply", sd_bus_reply_method_return(call, "o", device));
        free(device);
        return 1;
}

static int apply_layout(sd_bus_message *call, void *userdata, sd_bus_error *error) {
        sd_bus *bus = sd_bus_message_get_bus(call);
        char(*names)[RAW_NAME_SIZE], *job;
        Bare *bare = userdata;

        names = calloc(bare->count, sizeof(*names));
        if (!names)
                raw_die("names", "out of memory");
        job = begin_job(bus, bare, "ApplyLayout", sd_bus_message_get_sender(call));
        for (unsigned i = 0; i < bare->count; i++) {
                make(bare, bare->size, names[i]);
                raw_name(bare->folder, names[i], bare->size, i);
        }
        announce_region(bus, bare);
        for (unsigned i = 0; i < bare->count; i++) {
                char label[16];

                snprintf(label, sizeof(label), "f%03u", i);
                free(announce_device(bus, bare, names[i], label));
        }
        end_job(bus, job);
        check("no reply", sd_bus_reply_method_return(call, "s", "{}"));
        free(names);
        return 1;
}

static const sd_bus_vtable region_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("CreateDevice", "ta{sv}", "o", create_device, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("ApplyLayout", "sa{sv}", "s", apply_layout, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

int main(int argc, char **argv) {
        Bare bare = {};
        sd_bus *bus;

        if (argc != 5) {
                fprintf(stderr, "usage: bench-bare REGION ID COUNT SIZE\n");
                return 2;
        }
        bare.folder = argv[1];
        bare.id = (unsigned)strtoul(argv[2], NULL, 10);
        bare.count = (unsigned)strtoul(argv[3], NULL, 10);
        bare.size = argv[4];
        snprintf(bare.region, sizeof(bare.region), ROOT "/region/%u", bare.id);

        check("no bus", sd_bus_open_system(&bus));
        check("no object", sd_bus_add_object_vtable(bus, NULL, bare.region, "org.daxd1.Region",
                                                    region_vtable, &bare));
        check("no object", sd_bus_add_object_vtable(bus, NULL, ROOT, "org.daxd1.Manager",
                                                    manager_vtable, &bare));
        check("no name", sd_bus_request_name(bus, "org.daxd1", 0));
        puts("ready");
        fflush(stdout);
        for (;;) {
                int r = check("the bus", sd_bus_process(bus, NULL));

                if (r == 0)
                        check("the bus", sd_bus_wait(bus, UINT64_MAX));
        }
}
