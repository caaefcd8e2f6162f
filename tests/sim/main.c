/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* daxsim: an imitation of the kernel's dax bus as a file system. See README.md. */

#include "daemon/util/cleanup.h"
#include "tests/sim/control.h"
#include "tests/sim/machine.h"
#include "tests/sim/region-spec.h"
#include "tests/sim/server.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

typedef struct Options {
        MachineOptions machine;
        const char *control, *folder;
        char **regions;
        int n_regions;
} Options;

static int usage(FILE *to, int status) {
        fputs("Imitates the kernel's dax bus; see tests/sim/run, which starts it.\n\n"
              "Usage: daxsim [--kernel=6.1|6.12] [--region-idle] [--memmap-on-memory]\n"
              "              [--memhp-default-state=WORD] [--block-size=BYTES]\n"
              "              --control=SOCKET FOLDER REGION...\n\n"
              "REGION is SIZE@START[,hmem|cxl|pmem][,node=N][,serial=N...]\n",
              to);
        return status;
}

static int parse_options(int argc, char *argv[], Options *options) {
        enum {
                KERNEL = 256,
                REGION_IDLE,
                MEMMAP,
                MEMHP_DEFAULT,
                BLOCK_SIZE,
                CONTROL,
                HELP
        };
        static const struct option known[] = {
                { "kernel", required_argument, NULL, KERNEL },
                { "region-idle", no_argument, NULL, REGION_IDLE },
                { "memmap-on-memory", no_argument, NULL, MEMMAP },
                { "memhp-default-state", required_argument, NULL, MEMHP_DEFAULT },
                { "block-size", required_argument, NULL, BLOCK_SIZE },
                { "control", required_argument, NULL, CONTROL },
                { "help", no_argument, NULL, HELP },
                {},
        };
        int c;

        *options = (Options){ .machine = { .kernel = "6.12", .block_size = 128 << 20 } };
        while ((c = getopt_long(argc, argv, "", known, NULL)) >= 0)
                if (c == KERNEL)
                        options->machine.kernel = optarg;
                else if (c == REGION_IDLE)
                        options->machine.region_idle = true;
                else if (c == MEMMAP)
                        options->machine.memmap_possible = true;
                else if (c == MEMHP_DEFAULT)
                        options->machine.memhp_default = optarg;
                else if (c == BLOCK_SIZE)
                        options->machine.block_size = strtoull(optarg, NULL, 0);
                else if (c == CONTROL)
                        options->control = optarg;
                else
                        return c == HELP ? 1 : -1;

        if (!options->control || optind >= argc || options->machine.block_size < 128 << 20 ||
            (options->machine.block_size & (options->machine.block_size - 1)))
                return -1;
        options->folder = argv[optind++];
        options->regions = &argv[optind];
        options->n_regions = argc - optind;
        return 0;
}

static int add_regions(World *world, const Options *options) {
        for (int i = 0; i < options->n_regions; i++) {
                RegionSpec spec;
                int r;

                r = region_spec_parse(options->regions[i], &spec);
                if (r == 0)
                        r = machine_add_region(world, &spec, NULL);
                if (r < 0) {
                        fprintf(stderr, "daxsim: region %s: %s\n", options->regions[i],
                                strerror(-r));
                        return r;
                }
        }

        return 0;
}

/*
 * From now on sees no mounts that others make: if our /sys were put over the real one, whoever of
 * our threads looked into that, as libc does, would wait for himself.
 */
static int stay_out(void) {
        return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
}

static int run(const Options *options) {
        World *world = NULL;
        Server *server = NULL;
        int r;

        r = machine_new(&options->machine, &world);
        if (r == 0)
                r = add_regions(world, options);
        if (r == 0)
                r = server_new(world, options->folder, &server);
        if (r == 0)
                r = stay_out();
        if (r == 0)
                r = control_new(world, options->control);
        if (r == 0) {
                (void)sd_notify(0, "READY=1");
                r = server_run(server);
        }
        if (r < 0)
                fprintf(stderr, "daxsim: %s\n", strerror(-r));

        /* the threads of control may still be at it: the rest goes with the process */
        server_free(server);
        return r;
}

int main(int argc, char *argv[]) {
        Options options;
        int r;

        r = parse_options(argc, argv, &options);
        if (r != 0)
                return usage(r > 0 ? stdout : stderr, r > 0 ? 0 : 2);
        return run(&options) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
