/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/control.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/clock.h"
#include "tests/sim/contents.h"
#include "tests/sim/dax.h"
#include "tests/sim/fault.h"
#include "tests/sim/machine.h"
#include "tests/sim/memory.h"
#include "tests/sim/region-spec.h"
#include "tests/sim/state.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct Connection {
        World *world;
        int fd;
} Connection;

/* --- what is asked ---------------------------------------------------------------------------- */

static const char *get_text(json_object *request, const char *key) {
        json_object *value;

        return json_object_object_get_ex(request, key, &value) ? json_object_get_string(value) :
                                                                 NULL;
}

static uint64_t get_number(json_object *request, const char *key, uint64_t otherwise) {
        json_object *value;

        return json_object_object_get_ex(request, key, &value) ? json_object_get_uint64(value) :
                                                                 otherwise;
}

static bool get_flag(json_object *request, const char *key) {
        json_object *value;

        return json_object_object_get_ex(request, key, &value) && json_object_get_boolean(value);
}

/* The index of a word among the @n; -1 when it is none of them, @otherwise when there is none. */
static int get_word(json_object *request, const char *key, const char *const *words, size_t n,
                    int otherwise) {
        const char *word = get_text(request, key);

        if (!word)
                return otherwise;
        for (size_t i = 0; i < n; i++)
                if (strcmp(word, words[i]) == 0)
                        return (int)i;
        return -1;
}

/* --- faults ----------------------------------------------------------------------------------- */

static int do_fault(World *world, json_object *request, json_object *answer) {
        static const char *const actions[_FAULT_ACTION_MAX] = {
                [FAULT_FAIL] = "fail",
                [FAULT_SKIP] = "skip",
                [FAULT_FAIL_AFTER] = "fail-after",
                [FAULT_FAIL_PARTLY] = "fail-partly",
                [FAULT_STOP] = "stop",
                [FAULT_STOP_AFTER] = "stop-after",
        };
        static const char *const signals[_FAULT_SIGNAL_MAX] = {
                [FAULT_SIGNAL_NONE] = "none",
                [FAULT_SIGNAL_FATAL] = "fatal",
                [FAULT_SIGNAL_ANY] = "any",
        };
        int action = get_word(request, "action", actions, ELEMENTS(actions), FAULT_FAIL);
        int signal = get_word(request, "signal", signals, ELEMENTS(signals), FAULT_SIGNAL_FATAL);
        FaultSpec spec = {
                .path = get_text(request, "path"),
                .value = get_text(request, "value"),
                .nth = get_number(request, "nth", 1),
                .times = get_number(request, "times", 1),
                .action = (FaultAction)action,
                .signal = (FaultSignal)signal,
                .error = (int)get_number(request, "errno", 0),
        };
        uint64_t id;
        int r;

        if (action < 0 || signal < 0 || spec.nth == 0)
                return -EINVAL;
        r = faults_add(world, &spec, &id);
        if (r == 0)
                json_object_object_add(answer, "id", json_object_new_uint64(id));
        return r;
}

static int do_clear(World *world, json_object *request, json_object *answer) {
        faults_clear(world, get_number(request, "id", 0));
        return 0;
}

/* Waits until a write has stopped, @seconds at most. */
static int do_await(World *world, json_object *request, json_object *answer) {
        uint64_t fault = get_number(request, "id", 0);
        uint64_t until = clock_usec(CLOCK_MONOTONIC) + get_number(request, "usec", 30000000);
        Stop *stop;

        while (!(stop = faults_next_stop(world->faults, fault))) {
                uint64_t now = clock_usec(CLOCK_MONOTONIC);

                if (now >= until)
                        return -ETIMEDOUT;
                (void)world_wait(world, NULL, false, until - now);
        }

        stop->is_told = true;
        json_object_object_add(answer, "number", json_object_new_uint64(stop->number));
        json_object_object_add(answer, "fault", json_object_new_uint64(stop->fault));
        json_object_object_add(answer, "pid", json_object_new_int(stop->pid));
        json_object_object_add(answer, "path", json_object_new_string(stop->path));
        json_object_object_add(answer, "value", json_object_new_string(stop->value));
        json_object_object_add(answer, "after", json_object_new_boolean(stop->is_after));
        return 0;
}

static int do_release(World *world, json_object *request, json_object *answer) {
        Stop *stop = faults_find_stop(world->faults, get_number(request, "number", 0));

        if (!stop)
                return -ENOENT;
        stop->error = (int)get_number(request, "errno", 0);
        stop->skip = get_flag(request, "skip");
        stop->is_released = true;
        world_changed(world);
        return 0;
}

/* --- what was written ------------------------------------------------------------------------- */

static json_object *note_to_json(const Note *note) {
        json_object *object = json_object_new_object();

        json_object_object_add(object, "number", json_object_new_uint64(note->number));
        json_object_object_add(object, "pid", json_object_new_int(note->pid));
        json_object_object_add(object, "path", json_object_new_string(note->path));
        json_object_object_add(object, "value", json_object_new_string(note->value));
        json_object_object_add(object, "done", json_object_new_boolean(note->is_done));
        json_object_object_add(object, "effect", json_object_new_boolean(note->has_effect));
        json_object_object_add(object, "errno", json_object_new_int(note->error));
        json_object_object_add(object, "begin", json_object_new_uint64(note->begin_usec));
        json_object_object_add(object, "end", json_object_new_uint64(note->end_usec));
        return object;
}

static int do_log(World *world, json_object *request, json_object *answer) {
        json_object *notes = json_object_new_array();

        for (uint64_t number = get_number(request, "from", 1);
             number <= faults_count(world->faults); number++) {
                const Note *note = faults_note(world->faults, number);

                if (note)
                        json_object_array_add(notes, note_to_json(note));
        }
        json_object_object_add(answer, "writes", notes);
        return 0;
}

static int do_count(World *world, json_object *request, json_object *answer) {
        json_object_object_add(answer, "writes",
                               json_object_new_uint64(faults_count(world->faults)));
        return 0;
}

static int do_state(World *world, json_object *request, json_object *answer) {
        json_object_object_add(answer, "state", state_to_json(world));
        return 0;
}

/* --- memory ----------------------------------------------------------------------------------- */

static int do_block(World *world, json_object *request, json_object *answer) {
        BlockTrouble trouble = {
                .number = get_number(request, "number", UINT64_MAX),
                .offline_error = (int)get_number(request, "offline-errno", 0),
                .online_error = (int)get_number(request, "online-errno", 0),
                .offline_usec = get_number(request, "usec", 0),
                .pinned = get_flag(request, "pinned"),
        };

        if (trouble.number == UINT64_MAX) {
                memory_clear_trouble(world);
                return 0;
        }
        return memory_set_trouble(world, &trouble);
}

/* A text that may have zero bytes in it. */
static const char *get_pattern(json_object *request, size_t *ret_size) {
        json_object *value;

        *ret_size = 0;
        if (!json_object_object_get_ex(request, "pattern", &value))
                return NULL;
        *ret_size = json_object_get_string_len(value);
        return json_object_get_string(value);
}

static int do_fill(World *world, json_object *request, json_object *answer) {
        size_t size;
        const char *pattern = get_pattern(request, &size);

        return contents_fill(world->contents, get_number(request, "start", 0),
                             get_number(request, "size", 0), pattern, size);
}

static int do_find(World *world, json_object *request, json_object *answer) {
        uint64_t where;
        size_t size;
        const char *pattern = get_pattern(request, &size);
        int r;

        if (size == 0)
                return -EINVAL;
        r = contents_find(world->contents, get_number(request, "start", 0),
                          get_number(request, "size", 0), pattern, size, &where);
        if (r > 0)
                json_object_object_add(answer, "where", json_object_new_uint64(where));
        return r < 0 ? r : 0;
}

/* --- regions ---------------------------------------------------------------------------------- */

static int do_region_add(World *world, json_object *request, json_object *answer) {
        RegionSpec spec;
        Region *region;
        int r;

        r = region_spec_parse(get_text(request, "region") ?: "", &spec);
        if (r == 0)
                r = machine_add_region(world, &spec, &region);
        if (r == 0)
                json_object_object_add(answer, "id", json_object_new_uint64(region->id));
        return r;
}

static int do_region_remove(World *world, json_object *request, json_object *answer) {
        Region *region = dax_region_by_id(world->dax, get_number(request, "id", UINT32_MAX));

        if (!region)
                return -ENOENT;
        machine_remove_region(world, region, get_flag(request, "for-good"));
        return 0;
}

static int do_reboot(World *world, json_object *request, json_object *answer) {
        return machine_reboot(world, get_flag(request, "reversed"));
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct {
        const char *name;
        int (*run)(World *world, json_object *request, json_object *answer);
} requests[] = {
        { "await", do_await },
        { "block", do_block },
        { "clear", do_clear },
        { "count", do_count },
        { "fault", do_fault },
        { "fill", do_fill },
        { "find", do_find },
        { "log", do_log },
        { "reboot", do_reboot },
        { "region-add", do_region_add },
        { "region-remove", do_region_remove },
        { "release", do_release },
        { "state", do_state },
};

static int run(World *world, json_object *request, json_object *answer) {
        const char *name = get_text(request, "do");
        int r = -ENOSYS;

        for (size_t i = 0; name && i < ELEMENTS(requests); i++)
                if (strcmp(requests[i].name, name) == 0) {
                        world_lock(world);
                        r = requests[i].run(world, request, answer);
                        world_unlock(world);
                }
        return r;
}

/* Returns false when nobody is there any more. */
static bool answer_line(World *world, const char *line, FILE *out) {
        json_object *request = json_tokener_parse(line), *answer = json_object_new_object();
        int r;

        r = json_object_is_type(request, json_type_object) ? run(world, request, answer) : -EBADMSG;
        json_object_object_add(answer, "errno", json_object_new_int(-r));
        fprintf(out, "%s\n", json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN));
        json_object_put(request);
        json_object_put(answer);
        return fflush(out) == 0;
}

static void *serve(void *data) {
        Connection *connection = data;
        World *world = connection->world;
        FILE *in = fdopen(connection->fd, "r"), *out = fdopen(dup(connection->fd), "w");
        char *line = NULL;
        size_t room = 0;

        free(connection);
        while (in && out && getline(&line, &room, in) > 0 && answer_line(world, line, out))
                ;
        free(line);
        if (in)
                fclose(in);
        if (out)
                fclose(out);
        return NULL;
}

static int start_thread(void *(*function)(void *), World *world, int fd) {
        Connection *connection = malloc(sizeof(*connection));
        pthread_t thread;
        int r;

        if (!connection)
                return -ENOMEM;
        *connection = (Connection){ world, fd };
        r = pthread_create(&thread, NULL, function, connection);
        if (r != 0) {
                free(connection);
                return -r;
        }
        return -pthread_detach(thread);
}

static void *accept_all(void *data) {
        Connection *listener = data;

        for (;;) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC);

                if (fd >= 0 && start_thread(serve, listener->world, fd) < 0)
                        close(fd);
        }
        return NULL;
}

int control_new(World *world, const char *path) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        _cleanup_close_ int fd = -1;
        int r;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            listen(fd, 16) < 0)
                return -errno;

        r = start_thread(accept_all, world, fd);
        if (r == 0)
                (void)TAKE_FD(fd);
        return r;
}
