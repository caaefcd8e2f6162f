/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A call that changes something, from sending it to its reply.
 *
 * The job is looked for only when it is needed, after a second or at Ctrl-C:
 * by its tag among all objects. The bus keeps order, so daxd has seen our call
 * when it answers that question; no job then means that daxd still asks for
 * authorization, and gives up when we leave.
 */

#include "client/job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <systemd/sd-event.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/fields.h"
#include "client/report.h"
#include "client/text.h"
#include "client/value.h"

#define TAG_PREFIX "daxdctl-"
#define TAG_MAX (sizeof(TAG_PREFIX) + SD_ID128_STRING_MAX)
#define LOOKUP_USEC UINT64_C(1000000)
#define AGAIN_USEC UINT64_C(20000)

typedef struct Job {
        sd_bus *bus;
        sd_event *event;
        char tag[TAG_MAX];
        char *path;              /* NULL until found */
        json_object *properties; /* those that it had when last heard of */
        sd_bus_message *reply;   /* NULL until it came */
        sd_bus_slot *call, *lookup, *changes, *cancel;
        sd_event_source *timer, *interrupt;
        bool interrupted;
        bool drawn; /* the line of progress is on the terminal */
        bool ended; /* nothing more is waited for */
        int result; /* then: 0 when the reply came, or a negative errno */
} Job;

static void job_deinit(Job *job) {
        sd_event_source_disable_unref(job->timer);
        sd_event_source_disable_unref(job->interrupt);
        sd_bus_slot_unref(job->call);
        sd_bus_slot_unref(job->lookup);
        sd_bus_slot_unref(job->changes);
        sd_bus_slot_unref(job->cancel);
        sd_bus_message_unref(job->reply);
        sd_bus_detach_event(job->bus);
        sd_event_unref(job->event);
        json_object_put(job->properties);
        free(job->path);
}

int job_option_bool(sd_bus_message *message, const char *key, bool value) {
        return bus_check(sd_bus_message_append(message, "{sv}", key, "b", (int)value));
}

int job_option_size(sd_bus_message *message, const char *key, uint64_t value) {
        return bus_check(sd_bus_message_append(message, "{sv}", key, "t", value));
}

int job_option_string(sd_bus_message *message, const char *key, const char *value) {
        return bus_check(sd_bus_message_append(message, "{sv}", key, "s", value));
}

int job_options_open(sd_bus_message *message) {
        return bus_check(sd_bus_message_open_container(message, SD_BUS_TYPE_ARRAY, "{sv}"));
}

/* Not by sd_event_exit(): sd-bus closes the bus on the way out of its event loop. */
static int job_end(Job *job, int result) {
        job->ended = true;
        job->result = result;
        return 0;
}

static void progress_clear(Job *job) {
        if (job->drawn)
                fputs("\r\033[K", stderr);
        job->drawn = false;
}

static void progress_draw(Job *job) {
        _cleanup_free_ char *name = NULL;
        struct winsize window = { 0 };
        json_object *progress = NULL;
        uint64_t step = 0, steps = 0;
        char line[256];
        double share;

        field_uint(job->properties, "Step", &step);
        field_uint(job->properties, "Steps", &steps);
        json_object_object_get_ex(job->properties, "Progress", &progress);
        share = json_object_is_type(progress, json_type_double) ? json_object_get_double(progress) :
                                                                  0;
        if (!(share >= 0 && share <= 1)) /* NaN, too */
                share = 0;
        name = text_escape(field_string(job->properties, "StepName"));
        if (!name || name[0] == '\0') /* before the first step, and behind the last */
                return;

        snprintf(line, sizeof(line), "%3.0f%% step %llu of %llu: %.200s", share * 100,
                 (unsigned long long)step, (unsigned long long)steps, name);
        if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0)
                window.ws_col = 80;
        text_fit(line, window.ws_col - 1U);

        fprintf(stderr, "\r%s\033[K", line);
        job->drawn = true;
}

static int job_merge(Job *job, json_object *changed) {
        if (!json_object_is_type(changed, json_type_object))
                return 0;

        json_object_object_foreach(changed, key, value)
                if (field_add(job->properties, key, json_object_get(value)) < 0)
                        return -ENOMEM;

        return 0;
}

static int on_changed(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        _cleanup_json_ json_object *changed = NULL;
        Job *job = userdata;

        (void)unused;
        if (sd_bus_message_skip(message, "s") < 0 || value_read(message, &changed) <= 0)
                return 0;
        if (job_merge(job, changed) >= 0 && !job->interrupted)
                progress_draw(job);

        return 0;
}

static int on_cancelled(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        const sd_bus_error *error = sd_bus_message_get_error(message);
        Job *job = userdata;

        (void)unused;
        /* a job that is no more needs no cancelling: its reply is on the way */
        if (error && !sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT) && !job->reply)
                bus_report(error, 0);

        return 0;
}

static int job_cancel(Job *job) {
        return sd_bus_call_method_async(job->bus, &job->cancel, DAXD_NAME, job->path, DAXD_JOB,
                                        "Cancel", on_cancelled, job, "a{sv}", 0);
}

static int job_found(Job *job, const char *path, json_object *properties) {
        int r;

        job->path = strdup(path);
        job->properties = json_object_get(properties);
        if (!job->path)
                return -ENOMEM;
        if (job->interrupted)
                return job_cancel(job);

        r = sd_bus_match_signal_async(job->bus, &job->changes, DAXD_NAME, path,
                                      "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                      on_changed, NULL, job);
        progress_draw(job);
        return r;
}

static int job_find(Job *job, json_object *objects) {
        if (!json_object_is_type(objects, json_type_object))
                return 0;

        json_object_object_foreach(objects, path, interfaces) {
                json_object *properties = field_object(interfaces, DAXD_JOB);

                if (strcmp(field_string(properties, "Tag"), job->tag) == 0)
                        return job_found(job, path, properties);
        }

        return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata);

static int job_look_soon(Job *job) {
        int r;

        job->timer = sd_event_source_unref(job->timer);
        r = sd_event_add_time_relative(job->event, &job->timer, CLOCK_MONOTONIC, AGAIN_USEC, 0,
                                       on_timer, job);
        return r < 0 ? job_end(job, r) : 0;
}

static int on_objects(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        _cleanup_json_ json_object *objects = NULL;
        Job *job = userdata;
        int r = 0;

        (void)unused;
        job->lookup = sd_bus_slot_unref(job->lookup);
        if (!sd_bus_message_is_method_error(message, NULL) && value_read(message, &objects) > 0)
                r = job_find(job, objects);
        if (r < 0)
                return job_end(job, r);

        /* daxd may not have come to the call yet: then it is looked for again */
        return job->path || !job->interrupted ? 0 : job_look_soon(job);
}

static int job_look_up(Job *job) {
        if (job->lookup)
                return 0;

        return sd_bus_call_method_async(job->bus, &job->lookup, DAXD_NAME, DAXD_PATH,
                                        "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
                                        on_objects, job, NULL);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        Job *job = userdata;
        int r;

        (void)usec;
        if (job->path)
                return 0;
        r = job_look_up(job);
        if (r < 0)
                return job_end(job, r);
        r = sd_event_source_set_time_relative(source, job->interrupted ? AGAIN_USEC : LOOKUP_USEC);
        if (r < 0)
                return job_end(job, r);

        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info,
                        void *userdata) {
        Job *job = userdata;
        int r;

        (void)source;
        (void)info;
        progress_clear(job);
        if (job->interrupted) {
                report("not waiting any longer; daxd goes on, 'daxdctl list' shows what is");
                return job_end(job, -EINTR);
        }

        report("cancelling; daxd takes back what it has done (Ctrl-C again: do not wait for it)");
        job->interrupted = true;
        r = job->path ? job_cancel(job) : job_look_up(job);
        return r < 0 ? job_end(job, r) : 0;
}

static int on_reply(sd_bus_message *message, void *userdata, sd_bus_error *unused) {
        Job *job = userdata;

        (void)unused;
        job->reply = sd_bus_message_ref(message);
        return job_end(job, 0);
}

static int job_init(Job *job, sd_bus_message *message) {
        sd_id128_t id;
        char digits[SD_ID128_STRING_MAX];
        int r;

        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;
        snprintf(job->tag, sizeof(job->tag), "%s%s", TAG_PREFIX, sd_id128_to_string(id, digits));

        r = sd_bus_message_append(message, "{sv}", "tag", "s", job->tag);
        if (r < 0)
                return r;
        r = sd_bus_message_close_container(message);
        if (r < 0)
                return r;
        r = sd_bus_message_set_allow_interactive_authorization(message, true);
        if (r < 0)
                return r;

        r = sd_event_new(&job->event);
        if (r < 0)
                return r;
        r = sd_bus_attach_event(job->bus, job->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        r = sd_event_add_signal(job->event, &job->interrupt, SIGINT, on_interrupt, job);
        if (r < 0 || !isatty(STDERR_FILENO))
                return r;

        return sd_event_add_time_relative(job->event, &job->timer, CLOCK_MONOTONIC, LOOKUP_USEC, 0,
                                          on_timer, job);
}

static int job_wait(Job *job, sd_bus_message *message) {
        int r;

        r = sd_bus_call_async(job->bus, &job->call, message, on_reply, job, UINT64_MAX);
        if (r < 0)
                return r;

        while (r >= 0 && !job->ended)
                r = sd_event_run(job->event, UINT64_MAX);

        progress_clear(job);
        return r < 0 ? r : job->result;
}

/* What to make of the end of the wait, @r. */
static int job_conclude(Job *job, int r, sd_bus_error *ret_error, sd_bus_message **ret_reply) {
        const sd_bus_error *error = job->reply ? sd_bus_message_get_error(job->reply) : NULL;

        if (!job->reply) {
                if (r != -EINTR)
                        report("the connection to daxd broke: %s; 'daxdctl list' shows what is",
                               strerror(-r));
                return r;
        }

        if (error && job->interrupted) {
                bus_report(error, 0);
                return -EINTR;
        }
        if (error && ret_error)
                return sd_bus_error_copy(ret_error, error);
        if (error)
                return bus_report(error, 0);

        if (job->interrupted)
                report("it was done before it could be cancelled");
        if (ret_reply)
                *ret_reply = sd_bus_message_ref(job->reply);
        return job->interrupted ? 1 : 0;
}

int job_run(sd_bus *bus, sd_bus_message *message, sd_bus_error *ret_error,
            sd_bus_message **ret_reply) {
        _cleanup_(job_deinit) Job job = { .bus = bus };
        sigset_t interrupt, before;
        int r;

        sigemptyset(&interrupt);
        sigaddset(&interrupt, SIGINT);
        sigprocmask(SIG_BLOCK, &interrupt, &before);

        r = job_init(&job, message);
        if (r < 0)
                bus_check(r);
        else
                r = job_conclude(&job, job_wait(&job, message), ret_error, ret_reply);

        /* one that came just after the end has nothing left to interrupt */
        while (sigtimedwait(&interrupt, NULL, &(struct timespec){ 0 }) > 0)
                ;
        sigprocmask(SIG_SETMASK, &before, NULL);
        return r;
}
