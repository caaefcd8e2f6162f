/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Cleanup attributes for owned locals. sd-bus and sd-event bring their own
 * functions for theirs (sd_bus_message_unrefp and so on).
 */

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((__cleanup__(function)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _cleanup_json_ _cleanup_(json_putp)

static inline void freep(void *pointer) {
        void *owned;

        memcpy(&owned, pointer, sizeof(owned));
        free(owned);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}

static inline void json_putp(json_object **object) {
        json_object_put(*object);
}

static inline void tokener_freep(json_tokener **tokener) {
        if (*tokener)
                json_tokener_free(*tokener);
}

/** steal_json() - hand over an owned local: its cleanup then does nothing */
static inline json_object *steal_json(json_object **object) {
        json_object *stolen = *object;

        *object = NULL;
        return stolen;
}

/** steal_string() - the same for a string */
static inline char *steal_string(char **string) {
        char *stolen = *string;

        *string = NULL;
        return stolen;
}
