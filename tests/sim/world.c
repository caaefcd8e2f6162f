/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/world.h"
#include "daemon/util/cleanup.h"
#include "tests/sim/contents.h"
#include "tests/sim/dax.h"
#include "tests/sim/fault.h"
#include "tests/sim/machine.h"
#include "tests/sim/sysfs.h"
#include "tests/sim/tree.h"
#include "tests/sim/uevent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* How often is asked whether a signal that has come is a fatal one: of a second, nobody tells. */
#define LOOK_USEC 20000

static const Manner manners[] = {
        { .kernel = "6.1", .auto_online = "offline", .names_hmem = true, .locks_devices = true },
        { .kernel = "6.12",
          .auto_online = "online",
          .prefers_kmem = true,
          .ignores_misaligned = true,
          .has_memmap = true },
};

const Manner *manner_find(const char *kernel) {
        for (size_t i = 0; i < ELEMENTS(manners); i++)
                if (strcmp(manners[i].kernel, kernel) == 0)
                        return &manners[i];

        return NULL;
}

int world_new(World **ret_world) {
        World *world = calloc(1, sizeof(*world));
        pthread_condattr_t attributes;

        if (!world)
                return -ENOMEM;
        pthread_mutex_init(&world->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&world->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        *ret_world = world;
        return 0;
}

World *world_free(World *world) {
        if (!world)
                return NULL;
        if (world->sysfs)
                dax_free(world);
        memory_free(world->memory);
        tree_free(world->tree);
        sysfs_free(world->sysfs);
        contents_free(world->contents);
        faults_free(world->faults);
        uevents_free(world->uevents);
        machine_free(world->machine);
        pthread_cond_destroy(&world->changed);
        pthread_mutex_destroy(&world->lock);
        free(world);
        return NULL;
}

void world_lock(World *world) {
        pthread_mutex_lock(&world->lock);
}

void world_unlock(World *world) {
        pthread_mutex_unlock(&world->lock);
}

void world_changed(World *world) {
        pthread_cond_broadcast(&world->changed);
}

/*
 * Whether SIGKILL is among what waits to be delivered to a task; the kernel makes it of whatever
 * ends it.
 */
static bool is_ending(pid_t pid) {
        uint64_t pending = 0;
        char path[64], *line = NULL;
        size_t room = 0;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        file = fopen(path, "re");
        if (!file)
                return true;
        while (getline(&line, &room, file) > 0)
                if (strncmp(line, "SigPnd:", 7) == 0 || strncmp(line, "ShdPnd:", 7) == 0)
                        pending |= strtoull(line + 7, NULL, 16);
        free(line);
        fclose(file);
        return pending & (UINT64_C(1) << (SIGKILL - 1));
}

static void timed_wait(World *world, uint64_t usec) {
        struct timespec until;

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += usec / 1000000;
        until.tv_nsec += usec % 1000000 * 1000;
        if (until.tv_nsec >= 1000000000) {
                until.tv_sec++;
                until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&world->changed, &world->lock, &until);
}

static bool is_interrupted(const Write *write, bool interruptible) {
        return write && write->interrupted && (interruptible || is_ending(write->pid));
}

int world_wait(World *world, const Write *write, bool interruptible, uint64_t usec) {
        if (is_interrupted(write, interruptible))
                return -EINTR;
        if (write && write->interrupted)
                usec = usec ? MIN(usec, (uint64_t)LOOK_USEC) : LOOK_USEC;

        if (usec > 0)
                timed_wait(world, usec);
        else
                pthread_cond_wait(&world->changed, &world->lock);
        return is_interrupted(write, interruptible) ? -EINTR : 0;
}
