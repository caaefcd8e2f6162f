/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/engine/witnesses.h"
#include "daemon/util/array.h"
#include "daemon/util/log.h"
#include "daemon/util/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-daemon.h>

/* What systemd calls a region's: this, and the region's identity. */
#define PREFIX "create-"

typedef struct Witness {
        uint64_t region;
        int fd;
        bool kept; /* by systemd */
} Witness;

struct Witnesses {
        Witness *list;
        size_t count;
};

static Witness *find(const Witnesses *witnesses, uint64_t region) {
        for (size_t i = 0; i < witnesses->count; i++)
                if (witnesses->list[i].region == region)
                        return &witnesses->list[i];

        return NULL;
}

/* Takes @fd. */
static int add(Witnesses *witnesses, uint64_t region, int fd, bool kept) {
        const Witness witness = { .region = region, .fd = fd, .kept = kept };
        int r;

        r = ARRAY_APPEND(witnesses->list, witnesses->count, witness);
        if (r < 0)
                close(fd);
        return r;
}

static bool is_witness(const char *name, int fd, uint64_t *ret_region) {
        return strncmp(name, PREFIX, strlen(PREFIX)) == 0 &&
               text_parse_u64(name + strlen(PREFIX), ret_region) >= 0 && witness_is_sound(fd);
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
                uint64_t region;

                if (r >= 0 && is_witness(names[i], fd, &region) && !find(witnesses, region))
                        r = add(witnesses, region, fd, true);
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
        if (!witnesses)
                return NULL;

        for (size_t i = 0; i < witnesses->count; i++)
                close(witnesses->list[i].fd);
        free(witnesses->list);
        free(witnesses);
        return NULL;
}

WitnessWord witnesses_ask(const Witnesses *witnesses, uint64_t region) {
        const Witness *witness = find(witnesses, region);

        return witness ? witness_ask(witness->fd) : WITNESS_UNKNOWN;
}

/* Where there is no systemd, only this daxd can ask it. */
static bool keep(const Witness *witness) {
        char state[64];
        int r;

        snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=" PREFIX "%" PRIu64, witness->region);
        r = sd_pid_notify_with_fds(0, false, state, &witness->fd, 1);
        if (r < 0)
                log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE },
                         "cannot have systemd keep what tells whether a device was created: %s",
                         text_errno(r));
        return r > 0;
}

int witnesses_open(Witnesses *witnesses, uint64_t region) {
        Witness *witness = find(witnesses, region);
        int fd, r;

        if (!witness) {
                fd = witness_new();
                r = fd < 0 ? fd : add(witnesses, region, fd, false);
                if (r < 0)
                        return r;
                witness = &witnesses->list[witnesses->count - 1];
        }
        if (!witness->kept)
                witness->kept = keep(witness);

        fd = fcntl(witness->fd, F_DUPFD_CLOEXEC, 3);
        return fd < 0 ? -errno : fd;
}

void witnesses_drop(Witnesses *witnesses, uint64_t region) {
        Witness *witness = find(witnesses, region);
        char state[64];

        if (!witness)
                return;

        snprintf(state, sizeof(state), "FDSTOREREMOVE=1\nFDNAME=" PREFIX "%" PRIu64, region);
        (void)sd_notify(0, state);
        close(witness->fd);
        ARRAY_REMOVE(witnesses->list, witnesses->count, (size_t)(witness - witnesses->list));
}
