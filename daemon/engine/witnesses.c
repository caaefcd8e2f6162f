/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/engine/witnesses.h"
#include "daemon/util/array.h"
#include "daemon/util/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* What systemd calls a region's: this, and where the region begins. */
#define PREFIX "create-"

typedef struct Witness {
        uint64_t region_start;
        int fd;
} Witness;

struct Witnesses {
        Witness *list;
        size_t count;
};

static const Witness *find(const Witnesses *witnesses, uint64_t region_start) {
        for (size_t i = 0; i < witnesses->count; i++)
                if (witnesses->list[i].region_start == region_start)
                        return &witnesses->list[i];

        return NULL;
}

/* Takes @fd. */
static int add(Witnesses *witnesses, uint64_t region_start, int fd) {
        const Witness witness = { .region_start = region_start, .fd = fd };
        int r;

        r = ARRAY_APPEND(witnesses->list, witnesses->count, witness);
        if (r < 0)
                close(fd);
        return r;
}

static bool is_kept(const char *name, int fd, uint64_t *ret_region_start) {
        return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
               text_parse_hex(name + strlen(PREFIX), ret_region_start) >= 0 && witness_is_sound(fd);
}

int witnesses_new(Witnesses **ret_witnesses) {
        _cleanup_(witnesses_freep) Witnesses *witnesses = calloc(1, sizeof(*witnesses));
        char **names = NULL;
        int n, r = 0;

        if (!witnesses)
                return -ENOMEM;

        n = sd_listen_fds_with_names(true, &names);
        for (int i = 0; i < n; i++) {
                int fd = SD_LISTEN_FDS_START + i;
                uint64_t start;

                if (r >= 0 && is_kept(names[i], fd, &start) && !find(witnesses, start))
                        r = add(witnesses, start, fd);
                else
                        close(fd);
                free(names[i]);
        }
        free(names);
        if (n < 0 || r < 0)
                return n < 0 ? n : r;

        *ret_witnesses = TAKE_PTR(witnesses);
        return 0;
}

Witnesses *witnesses_free(Witnesses *witnesses) {
        for (size_t i = 0; witnesses && i < witnesses->count; i++)
                close(witnesses->list[i].fd);
        if (witnesses)
                free(witnesses->list);
        free(witnesses);
        return NULL;
}

WitnessWord witnesses_ask(const Witnesses *witnesses, uint64_t region_start) {
        const Witness *witness = find(witnesses, region_start);

        return witness ? witness_ask(witness->fd) : WITNESS_UNKNOWN;
}

int witnesses_get(Witnesses *witnesses, uint64_t region_start) {
        const Witness *known = find(witnesses, region_start);
        char state[128];
        int fd, r;

        if (known)
                return known->fd;

        fd = witness_new();
        if (fd < 0)
                return fd;
        r = add(witnesses, region_start, fd);
        if (r < 0)
                return r;

        /* of a file that can always be read systemd would otherwise think that it has ended */
        snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=" PREFIX "%" PRIx64 "\nFDPOLL=0",
                 region_start);
        (void)sd_pid_notify_with_fds(0, false, state, &fd, 1);
        return fd;
}
