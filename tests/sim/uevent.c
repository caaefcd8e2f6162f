/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The header and the hash of the second form are those of libudev's monitor (systemd's
 * device-monitor.c): filters in the receivers' sockets look at them.
 */

#include "tests/sim/uevent.h"
#include "daemon/util/cleanup.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define GROUP_KERNEL 1
#define GROUP_UDEV 2
#define MAGIC 0xfeedcafe
#define UUID_LENGTH 36
#define PROPERTIES_MAX 2048

typedef struct MonitorHeader {
        char prefix[8];
        uint32_t magic, header_size, properties_offset, properties_size;
        uint32_t subsystem_hash, devtype_hash, tag_bloom_high, tag_bloom_low;
} MonitorHeader;

struct Uevents {
        int fd;
        uint64_t seqnum;
};

int uevents_new(Uevents **ret_uevents) {
        Uevents *uevents = calloc(1, sizeof(*uevents));

        if (!uevents)
                return -ENOMEM;
        uevents->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
        if (uevents->fd < 0) {
                int r = -errno;

                free(uevents);
                return r;
        }
        uevents_restart(uevents);

        *ret_uevents = uevents;
        return 0;
}

Uevents *uevents_free(Uevents *uevents) {
        if (uevents)
                close(uevents->fd);
        free(uevents);
        return NULL;
}

uint64_t uevents_seqnum(const Uevents *uevents) {
        return uevents->seqnum;
}

void uevents_restart(Uevents *uevents) {
        uevents->seqnum = 1000; /* of other subsystems, before dax */
}

/* --- sending ---------------------------------------------------------------------------------- */

/* MurmurHash2 with seed 0. */
static uint32_t hash_string(const char *text) {
        const uint32_t m = 0x5bd1e995;
        size_t length = strlen(text);
        uint32_t h = length, k;

        for (; length >= 4; text += 4, length -= 4) {
                memcpy(&k, text, 4);
                k *= m;
                k ^= k >> 24;
                h = (h * m) ^ (k * m);
        }
        if (length > 2)
                h ^= (uint32_t)(unsigned char)text[2] << 16;
        if (length > 1)
                h ^= (uint32_t)(unsigned char)text[1] << 8;
        if (length > 0)
                h = (h ^ (unsigned char)text[0]) * m;
        h ^= h >> 13;
        h *= m;
        return h ^ (h >> 15);
}

/* A receiver that cannot keep up finds out by itself. */
static void send_to(const Uevents *uevents, unsigned group, const void *head, size_t head_size,
                    const void *body, size_t body_size) {
        struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = group };
        struct iovec parts[] = { { (void *)head, head_size }, { (void *)body, body_size } };
        struct msghdr message = {
                .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = parts, .msg_iovlen = 2
        };

        (void)sendmsg(uevents->fd, &message, MSG_DONTWAIT);
}

void uevents_send(Uevents *uevents, const Uevent *event) {
        MonitorHeader header = { .prefix = "libudev",
                                 .magic = htonl(MAGIC),
                                 .header_size = sizeof(header),
                                 .properties_offset = sizeof(header) };
        char body[PROPERTIES_MAX], head[512];
        int size, head_size;

        size = snprintf(body, sizeof(body), "ACTION=%s\nDEVPATH=%s\nSUBSYSTEM=%s\n%sSEQNUM=%llu\n",
                        event->action, event->path, event->subsystem, event->properties ?: "",
                        (unsigned long long)++uevents->seqnum);
        if (size >= (int)sizeof(body))
                return;
        for (int i = 0; i < size; i++)
                if (body[i] == '\n')
                        body[i] = '\0';

        head_size = snprintf(head, sizeof(head), "%s@%s", event->action, event->path);
        if (head_size < (int)sizeof(head))
                send_to(uevents, GROUP_KERNEL, head, head_size + 1, body, size);

        header.properties_size = size;
        header.subsystem_hash = htonl(hash_string(event->subsystem));
        send_to(uevents, GROUP_UDEV, &header, sizeof(header), body, size);
}

/* --- what is written to `uevent` -------------------------------------------------------------- */

static int parse_uuid(const char **text) {
        const char *s = *text;

        for (int i = 0; i < UUID_LENGTH; i++)
                if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' :
                                                              !isxdigit((unsigned char)s[i]))
                        return -EINVAL;

        *text = s + UUID_LENGTH;
        return 0;
}

static size_t alnum_length(const char *text) {
        size_t n = 0;

        while (isalnum((unsigned char)text[n]))
                n++;
        return n;
}

/* " KEY=VALUE", as often as there is one. */
static int parse_arguments(const char *text, char *properties, size_t size, size_t at) {
        while (*text != '\0' && *text != '\n') {
                size_t key, value;

                if (*text++ != ' ')
                        return -EINVAL;
                key = alnum_length(text);
                if (key == 0 || text[key] != '=')
                        return -EINVAL;
                value = alnum_length(text + key + 1);
                if (value == 0)
                        return -EINVAL;
                at += snprintf(properties + at, size - at, "SYNTH_ARG_%.*s\n",
                               (int)(key + 1 + value), text);
                if (at >= size)
                        return -EINVAL;
                text += key + 1 + value;
        }

        return 0;
}

int uevent_parse(const char *text, char action[16], char *properties, size_t size) {
        static const char *const actions[] = { "add",     "remove", "change", "move",
                                               "offline", "online", "bind",   "unbind" };
        size_t length = strcspn(text, " \n"), at;
        const char *uuid;

        action[0] = '\0';
        for (size_t i = 0; i < ELEMENTS(actions); i++)
                if (strlen(actions[i]) == length && memcmp(actions[i], text, length) == 0)
                        strcpy(action, actions[i]);
        if (action[0] == '\0')
                return -EINVAL;

        text += length;
        if (*text != ' ') {
                snprintf(properties, size, "SYNTH_UUID=0\n");
                return 0;
        }
        uuid = ++text;
        if (parse_uuid(&text) < 0)
                return -EINVAL;
        at = snprintf(properties, size, "SYNTH_UUID=%.*s\n", UUID_LENGTH, uuid);
        return parse_arguments(text, properties, size, at);
}
