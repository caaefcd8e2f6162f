/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Many clients of daxd's at once, each with a connection of its own, that do whatever comes to
 * their minds: valid calls and invalid ones, on all regions, some as a user without rights; now and
 * then one leaves in the middle of its call.
 *
 *     crowd-client SEED CLIENTS SECONDS PAUSE TIMEOUT REGION-SIZE REGION-ID...
 *
 * Every PAUSE seconds they wait until each has its reply. Then a line "quiet" is printed, and it
 * goes on with a line from the standard input. In the end there is a line of JSON: the calls, those
 * that left, the longest wait, and how often which method was answered how. It judges nothing.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024ULL * 1024)
#define BLOCK (128 * MIB)
#define ORDINARY_USER 65534
#define PATH_SIZE 64
#define KNOWN 64 /* objects that are remembered, to be called */
#define TEXT_SIZE 512
#define OUTCOMES_MAX 512
#define DEVICES_GUESSED 24
#define LABELS 24

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

typedef struct Crowd Crowd;

typedef struct Client {
        Crowd *crowd;
        sd_bus *bus;
        sd_bus_slot *call;
        const char *method;
        uint64_t random;
        uint64_t begun;
        bool ordinary; /* a user without rights */
} Client;

/* Objects that somebody has heard of; many of them are gone. */
typedef struct Known {
        char paths[KNOWN][PATH_SIZE];
        size_t n;
} Known;

typedef struct Outcome {
        const char *method;
        char answer[80];
        uint64_t n;
} Outcome;

struct Crowd {
        sd_event *event;
        Client *clients;
        size_t n_clients;
        const char *const *regions;
        size_t n_regions;
        uint64_t region_size, timeout, pause;
        Known devices, jobs;
        size_t under_way;
        bool pausing, ending;
        Outcome outcomes[OUTCOMES_MAX];
        size_t n_outcomes;
        uint64_t n_calls, n_left, longest;
};

static void check(const char *what, int r) {
        if (r >= 0)
                return;
        fprintf(stderr, "crowd-client: %s: %s\n", what, strerror(-r));
        exit(1);
}

static uint64_t now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* --- chance ----------------------------------------------------------------------------------- */

static uint64_t chance(Client *client) { /* xorshift64* */
        client->random ^= client->random >> 12;
        client->random ^= client->random << 25;
        client->random ^= client->random >> 27;
        return (client->random * 0x2545f4914f6cdd1dULL) >> 16;
}

static uint64_t below(Client *client, uint64_t limit) {
        return chance(client) % limit;
}

static bool one_in(Client *client, uint64_t n) {
        return below(client, n) == 0;
}

static const char *one_of(Client *client, const char *const *list, size_t n) {
        return list[below(client, n)];
}

static uint64_t any_size(Client *client) {
        const uint64_t odd[] = { 0,
                                 1,
                                 4096,
                                 3 * MIB,
                                 client->crowd->region_size,
                                 client->crowd->region_size + 2 * MIB,
                                 1ULL << 62,
                                 UINT64_MAX };

        if (one_in(client, 10))
                return odd[below(client, ELEMENTS(odd))];
        if (one_in(client, 4))
                return (1 + below(client, 2)) * BLOCK;
        return (1 + below(client, 16)) * 2 * MIB;
}

static const char *any_mode(Client *client) {
        static const char *const modes[] = { "devdax", "devdax",     "system-ram",
                                             "none",   "system-ram", "nonsense" };

        return one_of(client, modes, ELEMENTS(modes));
}

static const char *any_label(Client *client, char text[static TEXT_SIZE]) {
        static const char *const odd[] = { "", "all", "Nein", "dax0.1", "../x", "a b" };

        if (one_in(client, 8))
                return one_of(client, odd, ELEMENTS(odd));
        snprintf(text, TEXT_SIZE, "label%" PRIu64, below(client, LABELS));
        return text;
}

static const char *any_region_id(Client *client) {
        if (one_in(client, 50))
                return "4711";
        return one_of(client, client->crowd->regions, client->crowd->n_regions);
}

static void any_device_name(Client *client, const char *separator, char text[static TEXT_SIZE]) {
        snprintf(text, TEXT_SIZE, "dax%s%s%" PRIu64, any_region_id(client), separator,
                 below(client, DEVICES_GUESSED));
}

static const char *any_known(Client *client, const Known *known) {
        return known->paths[below(client, known->n < KNOWN ? known->n : KNOWN)];
}

static void any_device(Client *client, char ret_path[static TEXT_SIZE]) {
        char name[TEXT_SIZE];

        if (client->crowd->devices.n > 0 && !one_in(client, 4)) {
                strcpy(ret_path, any_known(client, &client->crowd->devices));
                return;
        }
        any_device_name(client, "_2e", name);
        snprintf(ret_path, TEXT_SIZE, "/org/daxd1/device/%.100s", name);
}

/* --- messages --------------------------------------------------------------------------------- */

static sd_bus_message *new_call(Client *client, const char *path, const char *interface,
                                const char *method) {
        sd_bus_message *message;

        check("no message", sd_bus_message_new_method_call(client->bus, &message, "org.daxd1", path,
                                                           interface, method));
        client->method = method;
        return message;
}

static sd_bus_message *new_manager_call(Client *client, const char *method) {
        return new_call(client, "/org/daxd1", "org.daxd1.Manager", method);
}

static sd_bus_message *new_device_call(Client *client, const char *method) {
        char path[TEXT_SIZE];

        any_device(client, path);
        return new_call(client, path, "org.daxd1.Device", method);
}

static void append(sd_bus_message *message, const char *types, ...) {
        va_list values;

        va_start(values, types);
        check("no arguments", sd_bus_message_appendv(message, types, values));
        va_end(values);
}

static void open_options(sd_bus_message *message) {
        check("no options", sd_bus_message_open_container(message, 'a', "{sv}"));
}

static void close_options(sd_bus_message *message) {
        check("no options", sd_bus_message_close_container(message));
}

/* What every change may have; rarely something that nothing has. */
static void append_common(Client *client, sd_bus_message *message) {
        if (one_in(client, 2))
                append(message, "{sv}", "force", "b", (int)one_in(client, 2));
        if (one_in(client, 10))
                append(message, "{sv}", "tag", "s", "the crowd's");
        if (one_in(client, 60))
                append(message, "{sv}", "incarnation", "t", below(client, 1000));
        if (one_in(client, 60))
                append(message, "{sv}", "nonsense", "b", 1);
}

static void append_only_common(Client *client, sd_bus_message *message) {
        open_options(message);
        append_common(client, message);
        close_options(message);
}

static void append_ranges(Client *client, sd_bus_message *message) {
        uint64_t pages = client->crowd->region_size / (2 * MIB);

        append(message, "{sv}", "ranges", "a(tt)", 2, below(client, pages) * 2 * MIB,
               (1 + below(client, 4)) * 2 * MIB, below(client, pages) * 2 * MIB + one_in(client, 8),
               2 * MIB);
}

static void append_shape(Client *client, sd_bus_message *message) {
        static const char *const policies[] = { "movable", "kernel", "offline", "nonsense" };
        const uint64_t aligns[] = { 4096, 2 * MIB, 1024 * MIB, 3 };

        if (one_in(client, 3))
                append(message, "{sv}", "mode", "s", any_mode(client));
        if (one_in(client, 6))
                append(message, "{sv}", "align", "t", aligns[below(client, ELEMENTS(aligns))]);
        if (one_in(client, 6))
                append(message, "{sv}", "online", "s",
                       one_of(client, policies, ELEMENTS(policies)));
        if (one_in(client, 12))
                append(message, "{sv}", "memmap-on-memory", "b", (int)one_in(client, 2));
        if (one_in(client, 12))
                append_ranges(client, message);
        append(message, "{sv}", "wipe", "b", (int)one_in(client, 8));
}

/* --- what they do ----------------------------------------------------------------------------- */

static sd_bus_message *create(Client *client) {
        char path[TEXT_SIZE], label[TEXT_SIZE];
        sd_bus_message *message;

        snprintf(path, sizeof(path), "/org/daxd1/region/%s", any_region_id(client));
        message = new_call(client, path, "org.daxd1.Region", "CreateDevice");
        append(message, "t", any_size(client));
        open_options(message);
        append_shape(client, message);
        if (one_in(client, 3))
                append(message, "{sv}", "label", "s", any_label(client, label));
        if (one_in(client, 40))
                append(message, "{sv}", "all", "b", 1);
        append_common(client, message);
        close_options(message);
        return message;
}

static sd_bus_message *destroy(Client *client) {
        sd_bus_message *message = new_device_call(client, "Destroy");

        append_only_common(client, message);
        return message;
}

static sd_bus_message *resize(Client *client) {
        sd_bus_message *message = new_device_call(client, "Resize");

        append(message, "t", any_size(client));
        append_only_common(client, message);
        return message;
}

static sd_bus_message *reconfigure(Client *client) {
        sd_bus_message *message = new_device_call(client, "Reconfigure");

        open_options(message);
        if (one_in(client, 2))
                append(message, "{sv}", "size", "t", any_size(client));
        append_shape(client, message);
        append_common(client, message);
        close_options(message);
        return message;
}

static sd_bus_message *set_mode(Client *client) {
        sd_bus_message *message = new_device_call(client, "SetMode");

        append(message, "s", any_mode(client));
        append_only_common(client, message);
        return message;
}

static sd_bus_message *set_label(Client *client) {
        sd_bus_message *message = new_device_call(client, "SetLabel");
        char label[TEXT_SIZE];

        append(message, "s", any_label(client, label));
        append_only_common(client, message);
        return message;
}

static sd_bus_message *online(Client *client) {
        sd_bus_message *message = new_device_call(client, "OnlineMemory");

        append(message, "s", one_in(client, 8) ? "nonsense" : "movable");
        append_only_common(client, message);
        return message;
}

static sd_bus_message *offline(Client *client) {
        sd_bus_message *message = new_device_call(client, "OfflineMemory");

        append_only_common(client, message);
        return message;
}

static sd_bus_message *holders(Client *client) {
        sd_bus_message *message = new_device_call(client, "GetHolders");

        append(message, "a{sv}", 0);
        return message;
}

static sd_bus_message *get_device(Client *client) {
        sd_bus_message *message = new_manager_call(client, "GetDevice");
        char name[TEXT_SIZE];

        if (one_in(client, 2)) {
                append(message, "s", any_label(client, name));
        } else {
                any_device_name(client, ".", name);
                append(message, "s", name);
        }
        append(message, "a{sv}", 0);
        return message;
}

static sd_bus_message *describe(Client *client) {
        sd_bus_message *message = new_manager_call(client, "Describe");

        append(message, "a{sv}", 0);
        return message;
}

static sd_bus_message *refresh(Client *client) {
        static const char *const methods[] = { "Refresh", "Reload", "Reconcile" };
        sd_bus_message *message = new_manager_call(client,
                                                   one_of(client, methods, ELEMENTS(methods)));

        append(message, "a{sv}", 0);
        return message;
}

static sd_bus_message *get_objects(Client *client) {
        return new_call(client, "/org/daxd1", "org.freedesktop.DBus.ObjectManager",
                        "GetManagedObjects");
}

static sd_bus_message *get_properties(Client *client) {
        sd_bus_message *message;
        char path[TEXT_SIZE];

        any_device(client, path);
        message = new_call(client, path, "org.freedesktop.DBus.Properties", "GetAll");
        append(message, "s", one_in(client, 20) ? "org.daxd1.Nonsense" : "org.daxd1.Device");
        return message;
}

static void append_layout(Client *client, sd_bus_message *message) {
        static const char *const odd[] = { "", "{}", "[1,2", "{\"version\":1}",
                                           "{\"version\":99,\"devices\":[]}" };
        char text[TEXT_SIZE];

        if (one_in(client, 5)) {
                append(message, "s", one_of(client, odd, ELEMENTS(odd)));
                return;
        }
        snprintf(text, sizeof(text),
                 "{\"version\":1,\"region\":{\"id\":%s},\"prune\":\"%s\",\"devices\":["
                 "{\"name\":\"label%" PRIu64 "\",\"size\":\"%" PRIu64 "M\"},"
                 "{\"name\":\"label%" PRIu64 "\",\"size\":\"128M\",\"mode\":\"%s\"}]}",
                 any_region_id(client), one_in(client, 3) ? "idle" : "never", below(client, LABELS),
                 2 * below(client, 16), below(client, LABELS), any_mode(client));
        append(message, "s", text);
}

static sd_bus_message *plan_layout(Client *client) {
        sd_bus_message *message = new_manager_call(client, "PlanLayout");

        append_layout(client, message);
        append(message, "a{sv}", 0);
        return message;
}

static sd_bus_message *apply_layout(Client *client) {
        sd_bus_message *message = new_manager_call(client, "ApplyLayout");

        append_layout(client, message);
        append_only_common(client, message);
        return message;
}

static sd_bus_message *cancel(Client *client) {
        const Known *jobs = &client->crowd->jobs;
        const char *path = jobs->n > 0 ? any_known(client, jobs) : "/org/daxd1/job/1";
        sd_bus_message *message;

        /* the newest may even be there still */
        if (jobs->n > 0 && !one_in(client, 4))
                path = jobs->paths[(jobs->n - 1) % KNOWN];
        message = new_call(client, path, "org.daxd1.Job", "Cancel");
        append(message, "a{sv}", 0);
        return message;
}

static sd_bus_message *nonsense(Client *client) {
        static const char *const paths[] = { "/", "/org/daxd1", "/org/daxd1/device/x",
                                             "/org/daxd1/region/0" };
        sd_bus_message *message = new_call(client, one_of(client, paths, ELEMENTS(paths)),
                                           one_in(client, 2) ? "org.daxd1.Manager" : "org.Nobody",
                                           "Nonsense");

        append(message, "su", "nonsense", 1);
        return message;
}

/* The more often it is here, the more often it is done. */
static sd_bus_message *(*const deeds[])(Client *) = {
        create,   create,     create,      create,         create,       create,       destroy,
        destroy,  destroy,    destroy,     resize,         resize,       reconfigure,  reconfigure,
        set_mode, set_mode,   set_label,   set_label,      online,       offline,      holders,
        describe, get_device, get_objects, plan_layout,    apply_layout, apply_layout, cancel,
        nonsense, refresh,    get_device,  get_properties,
};

/* --- calls and replies ------------------------------------------------------------------------ */

static void client_act(Client *client);

static void know(Known *known, const char *path) {
        if (strlen(path) < PATH_SIZE)
                strcpy(known->paths[known->n++ % KNOWN], path);
}

static void note(Crowd *crowd, const char *method, const char *answer) {
        Outcome *outcome;
        size_t i;

        for (i = 0; i < crowd->n_outcomes; i++) {
                outcome = &crowd->outcomes[i];
                if (strcmp(outcome->method, method) == 0 && strcmp(outcome->answer, answer) == 0) {
                        outcome->n++;
                        return;
                }
        }
        if (i == OUTCOMES_MAX)
                check("so many answers", -E2BIG);
        outcome = &crowd->outcomes[crowd->n_outcomes++];
        outcome->method = method;
        outcome->n = 1;
        snprintf(outcome->answer, sizeof(outcome->answer), "%s", answer);
}

static void crowd_check_quiet(Crowd *crowd) {
        char line[16];

        if (crowd->under_way > 0 || (!crowd->pausing && !crowd->ending))
                return;
        if (puts("quiet") < 0 || fflush(stdout) != 0 || !fgets(line, sizeof(line), stdin))
                check("the judge", -EPIPE);
        if (crowd->ending) {
                check("the loop", sd_event_exit(crowd->event, 0));
                return;
        }
        crowd->pausing = false;
        for (size_t i = 0; i < crowd->n_clients; i++)
                client_act(&crowd->clients[i]);
}

/* Says what is not in order whatever the world is like. */
static bool is_suspicious(const char *error) {
        return strcmp(error, "org.daxd1.Error.Kernel") == 0 ||
               strcmp(error, "org.daxd1.Error.RolledBack") == 0 ||
               strcmp(error, "org.daxd1.Error.RollbackFailed") == 0;
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Client *client = userdata;
        Crowd *crowd = client->crowd;
        const sd_bus_error *answer = sd_bus_message_get_error(reply);
        uint64_t waited = now_usec() - client->begun;
        const char *path;

        client->call = sd_bus_slot_unref(client->call);
        crowd->under_way--;
        if (waited > crowd->longest)
                crowd->longest = waited;
        note(crowd, client->method, answer ? answer->name : "ok");
        if (answer && is_suspicious(answer->name))
                fprintf(stderr, "%s: %s: %s\n", client->method, answer->name, answer->message);
        if (!answer && strcmp(client->method, "CreateDevice") == 0 &&
            sd_bus_message_read(reply, "o", &path) > 0)
                know(&crowd->devices, path);

        client_act(client);
        crowd_check_quiet(crowd);
        return 0;
}

static int on_added(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        Crowd *crowd = userdata;
        const char *path;

        if (sd_bus_message_read(message, "o", &path) > 0 &&
            strncmp(path, "/org/daxd1/job/", strlen("/org/daxd1/job/")) == 0)
                know(&crowd->jobs, path);
        return 0;
}

static void client_connect(Client *client) {
        if (client->ordinary)
                check("no user", seteuid(ORDINARY_USER));
        check("no bus", sd_bus_open_system(&client->bus));
        if (client->ordinary)
                check("no root", seteuid(0));
        check("no loop",
              sd_bus_attach_event(client->bus, client->crowd->event, SD_EVENT_PRIORITY_NORMAL));
}

static void client_leave(Client *client) {
        client->call = sd_bus_slot_unref(client->call);
        client->crowd->under_way--;
        client->crowd->n_left++;
        client->bus = sd_bus_flush_close_unref(client->bus);
        client_connect(client);
}

static void client_act(Client *client) {
        Crowd *crowd = client->crowd;

        while (!crowd->pausing && !crowd->ending) {
                sd_bus_message *message = deeds[below(client, ELEMENTS(deeds))](client);

                client->begun = now_usec();
                check("not sent", sd_bus_call_async(client->bus, &client->call, message, on_reply,
                                                    client, crowd->timeout));
                sd_bus_message_unref(message);
                crowd->under_way++;
                crowd->n_calls++;
                /* the one that listens stays */
                if (client == crowd->clients || !one_in(client, 200))
                        return;
                client_leave(client);
        }
}

static int on_pause(sd_event_source *source, uint64_t usec, void *userdata) {
        Crowd *crowd = userdata;

        crowd->pausing = true;
        crowd_check_quiet(crowd);
        check("no timer", sd_event_source_set_time_relative(source, crowd->pause));
        check("no timer", sd_event_source_set_enabled(source, SD_EVENT_ONESHOT));
        return 0;
}

static int on_end(sd_event_source *source, uint64_t usec, void *userdata) {
        Crowd *crowd = userdata;

        crowd->ending = true;
        crowd_check_quiet(crowd);
        return 0;
}

/* --- start and end ---------------------------------------------------------------------------- */

static void crowd_start(Crowd *crowd, uint64_t seed, uint64_t seconds) {
        check("no loop", sd_event_new(&crowd->event));
        check("no timer", sd_event_add_time_relative(crowd->event, NULL, CLOCK_MONOTONIC,
                                                     crowd->pause, 0, on_pause, crowd));
        check("no timer", sd_event_add_time_relative(crowd->event, NULL, CLOCK_MONOTONIC,
                                                     seconds * 1000000, 0, on_end, crowd));
        crowd->clients = calloc(crowd->n_clients, sizeof(*crowd->clients));
        check("no clients", crowd->clients ? 0 : -ENOMEM);
        for (size_t i = 0; i < crowd->n_clients; i++) {
                Client *client = &crowd->clients[i];

                *client = (Client){ .crowd = crowd,
                                    .random = (seed * 1000 + i + 1) * 0x9e3779b97f4a7c15ULL,
                                    .ordinary = i % 16 == 15 };
                client_connect(client);
        }
        check("no signals", sd_bus_match_signal(crowd->clients[0].bus, NULL, "org.daxd1", NULL,
                                                "org.freedesktop.DBus.ObjectManager",
                                                "InterfacesAdded", on_added, crowd));
        for (size_t i = 0; i < crowd->n_clients; i++)
                client_act(&crowd->clients[i]);
}

static void crowd_tell(const Crowd *crowd) {
        printf("{\"calls\": %" PRIu64 ", \"left\": %" PRIu64 ", \"longest\": %" PRIu64
               ", \"outcomes\": [",
               crowd->n_calls, crowd->n_left, crowd->longest);
        for (size_t i = 0; i < crowd->n_outcomes; i++)
                printf("%s[\"%s\", \"%s\", %" PRIu64 "]", i > 0 ? ", " : "",
                       crowd->outcomes[i].method, crowd->outcomes[i].answer, crowd->outcomes[i].n);
        puts("]}");
}

static void crowd_end(Crowd *crowd) {
        for (size_t i = 0; i < crowd->n_clients; i++)
                sd_bus_flush_close_unref(crowd->clients[i].bus);
        free(crowd->clients);
        sd_event_unref(crowd->event);
}

int main(int argc, char **argv) {
        static Crowd crowd;

        if (argc < 8) {
                fprintf(stderr, "usage: crowd-client SEED CLIENTS SECONDS PAUSE TIMEOUT "
                                "REGION-SIZE REGION-ID...\n");
                return 2;
        }
        crowd.n_clients = strtoull(argv[2], NULL, 10);
        crowd.pause = strtoull(argv[4], NULL, 10) * 1000000;
        crowd.timeout = strtoull(argv[5], NULL, 10) * 1000000;
        crowd.region_size = strtoull(argv[6], NULL, 10);
        crowd.regions = (const char *const *)argv + 7;
        crowd.n_regions = (size_t)argc - 7;
        crowd_start(&crowd, strtoull(argv[1], NULL, 10), strtoull(argv[3], NULL, 10));
        check("the loop", sd_event_loop(crowd.event));
        crowd_tell(&crowd);
        crowd_end(&crowd);
        return 0;
}
