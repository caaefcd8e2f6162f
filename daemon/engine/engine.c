/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The picture of the machine, and the queues. A region's queue runs one thing at a time: a job, or
 * the reading that an event asks for. Different regions do not wait for each other.
 */

#include "daemon/engine/internal.h"
#include "daemon/engine/report.h"
#include "daemon/engine/unseen.h"
#include "daemon/util/clock.h"
#include "daemon/util/file.h"
#include "daemon/util/log.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define QUEUE_MAX 256      /* jobs that may wait for one region */
#define QUEUE_MAX_OTHERS 8 /* of them those of one ordinary user */
#define LEAK_USEC 2000000  /* what has leaked is there that long afterwards */

/* An event about a device, or about a memory block. */
typedef struct Event {
        uint64_t seqnum;
        bool is_block;
        bool let_go;     /* by its driver, which also leaves what goes */
        uint64_t number; /* instance, or N of memoryN */
} Event;

typedef struct Queue {
        Engine *engine;
        uint32_t region;
        sd_event_source *start; /* of what was submitted, when who did is done with it */
        Job *jobs;              /* the first one runs */
        size_t n_jobs;
        bool reading;           /* because of an event */
        bool passed_over;       /* an inventory came too late for it: to be read once more */
        bool reading_again;     /* because of that */
        bool doubts_leaks;      /* what seemed to leak is to be read once more */
        bool reading_leaks;     /* because of that */
        sd_event_source *leaks; /* until then */
        uint64_t *leaked;       /* identities of devices of which it was said */
        size_t n_leaked;
        uint64_t put_number;   /* of its picture, see Engine.puts */
        uint64_t names_seqnum; /* last uevent before its attributes and names were read */
        Event *events;         /* that the picture does not know yet */
        size_t n_events;
        Unseen unseen;
        bool lost; /* events, since the picture was put */
        char *failure;
        uint64_t *given_up; /* transactions whose records say why */
        size_t n_given_up;
} Queue;

typedef struct Listening {
        const EngineListener *listener;
        void *userdata;
} Listening;

typedef struct Refresh {
        struct Refresh *next;
        EngineDone done;
        void *userdata;
} Refresh;

struct Engine {
        sd_event *event;
        int runtime_dir, transactions_dir, lock_fd;
        sd_event_source *lock_wait;
        Workers *workers;
        Witnesses *witnesses;
        Owners *owners;
        DaxMachine machine;
        Queue **queues;
        size_t n_queues;
        uint64_t last_job;
        Listening listeners[4];
        size_t n_listeners;
        Refresh *refreshing;   /* those that the running inventory will answer */
        Refresh *refresh_next; /* those that came too late for it */
        Refresh *refreshed;    /* those that wait for what it has passed over */
        bool inventory_runs;
        uint64_t puts;           /* pictures that have been put into the machine's, numbered */
        uint64_t inventory_puts; /* the last before the running inventory began */
        Record **records;        /* to be settled */
        size_t n_records;
        size_t unsettled;
        bool started, settled, stopping, stopped;
        size_t calls; /* of workers, beside those of jobs */
};

/* Calls @callback of every listener with the arguments and its userdata. */
#define TELL(engine, callback, ...)                                                                \
        ({                                                                                         \
                for (size_t _l = 0; _l < (engine)->n_listeners; _l++) {                            \
                        void *userdata_ = (engine)->listeners[_l].userdata;                        \
                                                                                                   \
                        if ((engine)->listeners[_l].listener->callback)                            \
                                (engine)->listeners[_l].listener->callback(__VA_ARGS__);           \
                }                                                                                  \
        })

static void engine_check_idle(Engine *engine);
static void queue_run(Queue *queue);
static int engine_inventory(Engine *engine);

Workers *engine_workers(Engine *engine) {
        return engine->workers;
}

int engine_transactions_dir(Engine *engine) {
        return engine->transactions_dir;
}

Witnesses *engine_witnesses(Engine *engine) {
        return engine->witnesses;
}

const DaxMachine *engine_machine(const Engine *engine) {
        return &engine->machine;
}

bool engine_is_settled(const Engine *engine) {
        return engine->settled;
}

void engine_add_listener(Engine *engine, const EngineListener *listener, void *userdata) {
        assert(engine->n_listeners < ELEMENTS(engine->listeners));
        engine->listeners[engine->n_listeners++] = (Listening){ listener, userdata };
}

static Queue *engine_find_queue(const Engine *engine, uint32_t region) {
        for (size_t i = 0; i < engine->n_queues; i++)
                if (engine->queues[i]->region == region)
                        return engine->queues[i];

        return NULL;
}

static int queue_start(sd_event_source *source, void *userdata) {
        queue_run(userdata);
        return 0;
}

static int engine_get_queue(Engine *engine, uint32_t region, Queue **ret_queue) {
        Queue *queue = engine_find_queue(engine, region);

        if (!queue) {
                queue = calloc(1, sizeof(*queue));
                if (!queue)
                        return -ENOMEM;
                queue->engine = engine;
                queue->region = region;
                if (sd_event_add_defer(engine->event, &queue->start, queue_start, queue) < 0 ||
                    sd_event_source_set_enabled(queue->start, SD_EVENT_OFF) < 0 ||
                    ARRAY_APPEND(engine->queues, engine->n_queues, queue) < 0) {
                        sd_event_source_disable_unref(queue->start);
                        free(queue);
                        return -ENOMEM;
                }
        }

        *ret_queue = queue;
        return 0;
}

const char *engine_region_failure(const Engine *engine, uint32_t region) {
        const Queue *queue = engine_find_queue(engine, region);

        return queue ? queue->failure : NULL;
}

void engine_set_region_failure(Engine *engine, uint32_t region, char *reason, uint64_t id) {
        Queue *queue = engine_find_queue(engine, region);

        if (!queue || ARRAY_APPEND(queue->given_up, queue->n_given_up, id) < 0) {
                free(reason);
                return;
        }

        free(queue->failure);
        queue->failure = reason;
}

void engine_clear_region_failure(Engine *engine, uint32_t region) {
        Queue *queue = engine_find_queue(engine, region);

        if (!queue)
                return;

        free(TAKE_PTR(queue->failure));
        for (size_t i = 0; i < queue->n_given_up; i++)
                (void)record_remove(queue->given_up[i], engine->transactions_dir);
        free(TAKE_PTR(queue->given_up));
        queue->n_given_up = 0;
}

/* --- pictures --------------------------------------------------------------------------------- */

static const DaxDevice *device_of_block(const DaxRegion *region, uint64_t start, uint64_t size) {
        for (size_t i = 0; i < region->n_devices; i++)
                for (size_t k = 0; k < region->devices[i]->ranges.count; k++) {
                        DaxRange range = region->devices[i]->ranges.list[k];

                        if (region->start + range.offset < start + size &&
                            start < region->start + dax_range_end(range))
                                return region->devices[i];
                }

        return NULL;
}

/* The last event of its kind that the picture knows of. */
static uint64_t queue_knows(const Queue *queue, const Event *event) {
        const DaxMachine *machine = &queue->engine->machine;
        const DaxRegion *region = dax_machine_find_region(machine, queue->region);
        uint64_t block = machine->block_size;
        const DaxDevice *device = NULL;
        char name[DAX_NAME_MAX + 1];
        uint64_t known;

        if (region && event->is_block) {
                device = device_of_block(region, event->number * block, block);
        } else if (region) {
                snprintf(name, sizeof(name), "dax%" PRIu32 ".%" PRIu64, queue->region,
                         event->number);
                device = dax_region_find(region, name);
        }
        if (device)
                return device->seen;

        known = queue->names_seqnum;
        for (size_t i = 0; region && event->is_block && i < region->n_devices; i++)
                known = MIN(known, region->devices[i]->seen);
        return known;
}

/* --- devices that nobody has seen ------------------------------------------------------------- */

static void log_unnoted(uint32_t region, int error) {
        log_line(LOG_WARNING,
                 &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE, .region = &region },
                 "cannot note that free memory of region %" PRIu32 " may hold old contents: %s",
                 region, text_errno(error));
}

/* An event that the picture knows of. */
static bool queue_missed(Queue *queue, const Event *event) {
        const DaxRegion *region = dax_machine_find_region(&queue->engine->machine, queue->region);

        return region && event->let_go && !event->is_block &&
               unseen_tells(&queue->unseen, region, (uint32_t)event->number, event->seqnum);
}

/* Nobody knows where something lay that has gone: anything free may be its memory. */
static void queue_suspect_free_memory(Queue *queue) {
        DaxRegion *region = dax_machine_find_region(&queue->engine->machine, queue->region);
        _cleanup_ranges_ DaxRanges holes = {};
        int r;

        if (!region)
                return;
        r = dax_region_free_extents(region, false, &holes);
        for (size_t i = 0; i < holes.count; i++)
                r = owners_set(queue->engine->owners, region, holes.list[i], DAX_OWNER_UNKNOWN) ?:
                                                                                                  r;
        if (r < 0)
                log_unnoted(region->id, r);
}

/* What a transaction did itself, and what was read since, is no news. */
static void queue_forget_known(Queue *queue) {
        bool missed = queue->lost;
        size_t n = 0;

        queue->lost = false;
        for (size_t i = 0; i < queue->n_events; i++)
                if (queue->events[i].seqnum > queue_knows(queue, &queue->events[i]))
                        queue->events[n++] = queue->events[i];
                else
                        missed = queue_missed(queue, &queue->events[i]) || missed;
        queue->n_events = n;
        if (missed)
                queue_suspect_free_memory(queue);
}

/* As if the picture knew them. */
static void queue_drop_events(Queue *queue) {
        bool missed = false;

        for (size_t i = 0; i < queue->n_events; i++)
                missed = queue_missed(queue, &queue->events[i]) || missed;
        queue->n_events = 0;
        if (missed)
                queue_suspect_free_memory(queue);
}

static void engine_take_machine(Engine *engine, const DaxMachine *fresh) {
        /* nothing is said of it while a worker binds memory */
        const char *auto_online = fresh->auto_online[0] ? fresh->auto_online :
                                                          engine->machine.auto_online;

        if (engine->machine.block_size == fresh->block_size &&
            strcmp(engine->machine.auto_online, auto_online) == 0)
                return;

        engine->machine.block_size = fresh->block_size;
        memmove(engine->machine.auto_online, auto_online, sizeof(fresh->auto_online));
        TELL(engine, machine_changed, &engine->machine, userdata_);
}

/* Its devices, fresh from a worker, were read after that event. */
static int region_seen(DaxRegion *region, uint64_t seqnum) {
        DaxDevice *device;

        for (size_t i = 0; region && i < region->n_devices; i++) {
                if (dax_region_edit(region, region->devices[i], &device) < 0)
                        return -ENOMEM;
                device->seen = seqnum;
        }

        return 0;
}

/* @region gets the devices that its answer names, as far as they are known. */
static int complete_by_names(DaxRegion *region, const WorkerAnswer *answer,
                             const EngineKnows *knows, bool *ret_missing) {
        DaxCursor read = { .region = region }, fresh = { .region = knows->fresh };
        DaxCursor known = { .region = knows->known };

        for (size_t i = 0; i < answer->n_names; i++) {
                const DaxName *name = &answer->names[i];
                const DaxDevice *device;

                if (dax_cursor_find(&read, name->instance))
                        continue;
                device = dax_cursor_find(&fresh, name->instance) ?:
                                 dax_cursor_find(&known, name->instance);
                if (!device || device->identity != name->identity)
                        *ret_missing = true;
                else if (dax_region_add(region, dax_device_ref(device)) < 0)
                        return -ENOMEM;
        }

        return 0;
}

/* Devices of @from come in the place of those with the same names. */
static int replace_devices(DaxRegion *region, const DaxRegion *from) {
        for (size_t i = 0; from && i < from->n_devices; i++) {
                dax_device_unref(dax_region_take(region, from->devices[i]->name));
                if (dax_region_add(region, dax_device_ref(from->devices[i])) < 0)
                        return -ENOMEM;
        }

        return 0;
}

/* @region gets the devices that there must be; that it is those, its outline says. */
static int complete_by_outline(DaxRegion *region, const WorkerAnswer *answer,
                               const EngineKnows *knows, bool *ret_missing) {
        _cleanup_region_ DaxRegion *all = NULL;
        int r;

        r = dax_region_copy(knows->known, &all);
        for (size_t i = 0; r >= 0 && knows->plan && i < knows->plan->n_devices; i++)
                if (knows->plan->devices[i].action == PLAN_REMOVE)
                        dax_device_unref(dax_region_take(all, knows->plan->devices[i].name));
        if (r >= 0)
                r = replace_devices(all, knows->fresh);
        if (r >= 0)
                r = replace_devices(all, region);
        if (r < 0)
                return r;

        dax_region_swap_devices(region, all);
        if (dax_region_outline(region) != answer->outline)
                *ret_missing = true;
        return 0;
}

int engine_complete_region(Engine *engine, WorkerAnswer *answer, const EngineKnows *knows,
                           DaxRegion **ret_region, bool *ret_missing) {
        const DaxRegion *known = knows->known;
        _cleanup_region_ DaxRegion *region = NULL;
        bool missing = false;
        uint64_t sum = 0;
        int r;

        if (answer->machine.n_regions != 1)
                return -EBADMSG;
        region = answer->machine.regions[0];
        answer->machine.n_regions = 0;
        engine_take_machine(engine, &answer->machine);
        r = region_seen(region, answer->machine.seqnum);
        if (r >= 0 && !knows->all)
                r = answer->n_names > 0 || !known ?
                            complete_by_names(region, answer, knows, &missing) :
                            complete_by_outline(region, answer, knows, &missing);
        if (r < 0)
                return r;

        /* a device that came or went, or a size that another agent changed, shows in the sums */
        for (size_t i = 0; i < region->n_devices; i++)
                sum += region->devices[i]->size;
        if (!region->is_static && sum + region->available_size != region->size)
                missing = true;
        if (known && !knows->all && region->leaked.count == 0 &&
            dax_ranges_copy(&known->leaked, &region->leaked) < 0)
                return -ENOMEM;

        r = owners_fill(engine->owners, region);
        if (r < 0)
                return r;

        *ret_region = TAKE_PTR(region);
        *ret_missing = missing;
        return 0;
}

uint64_t engine_outline(const Engine *engine, uint32_t id) {
        const Queue *queue = engine_find_queue(engine, id);
        const DaxRegion *region = dax_machine_find_region(&engine->machine, id);

        return queue && region && queue->n_events == 0 && !queue->lost ?
                       dax_region_outline(region) :
                       0;
}

bool engine_must_look(const Engine *engine, uint32_t id) {
        const Queue *queue = engine_find_queue(engine, id);

        for (size_t i = 0; queue && i < queue->n_events; i++)
                if (queue->events[i].let_go && !queue->events[i].is_block)
                        return true;

        return queue && queue->lost;
}

static bool region_is_as_known(const DaxRegion *known, const WorkerAnswer *answer) {
        const DaxRegion *region = answer->machine.n_regions == 1 ? answer->machine.regions[0] :
                                                                   NULL;

        return known && region && region->n_devices == 0 &&
               answer->outline == dax_region_outline(known);
}

bool engine_confirm_region(Engine *engine, uint32_t id, const WorkerAnswer *answer) {
        Queue *queue = engine_find_queue(engine, id);

        if (!queue || !region_is_as_known(dax_machine_find_region(&engine->machine, id), answer))
                return false;

        engine_take_machine(engine, &answer->machine);
        queue->names_seqnum = MAX(queue->names_seqnum, answer->machine.seqnum);
        queue_forget_known(queue);
        return true;
}

int engine_note_owners(Engine *engine, const Record *record, const Plan *plan) {
        DaxRegion *region = dax_machine_find_region(&engine->machine, plan->now->id);

        return region ? provenance_note(engine->owners, region, record, plan) : 0;
}

/*
 * The kernel takes the driver off a device before the memory blocks, and puts it on before they
 * come: who looks in between sees a leak. So it is one only when it is there a while later as well.
 */
static bool has_leaked(const DaxDevice *device) {
        return device && device->tainted && device->mode != DAX_MODE_SYSTEM_RAM;
}

static int queue_doubt_leaks(sd_event_source *source, uint64_t usec, void *userdata) {
        Queue *queue = userdata;

        queue->doubts_leaks = queue->passed_over = true;
        queue_run(queue);
        return 0;
}

static int queue_see_leaks(Queue *queue, const DaxRegion *before, const DaxRegion *after) {
        DaxChanges changes = { .before = before, .after = after };
        const DaxDevice *old, *device;
        bool more = false;

        while (dax_changes_next(&changes, &old, &device))
                more = more || (has_leaked(device) && !has_leaked(old));
        if (!more)
                return 0;

        queue->leaks = sd_event_source_disable_unref(queue->leaks);
        return sd_event_add_time_relative(queue->engine->event, &queue->leaks, CLOCK_MONOTONIC,
                                          LEAK_USEC, 0, queue_doubt_leaks, queue);
}

static bool queue_has_told_of(const Queue *queue, const DaxDevice *device) {
        for (size_t i = 0; i < queue->n_leaked; i++)
                if (queue->leaked[i] == device->identity)
                        return true;

        return false;
}

/* What has leaked in both, and was not told yet. */
static void queue_log_leaks(Queue *queue, const DaxRegion *before, const DaxRegion *after) {
        for (size_t i = 0; before && i < after->n_devices; i++) {
                const DaxDevice *device = after->devices[i];
                const DaxDevice *old = dax_region_find(before, device->name);

                if (!has_leaked(device) || !has_leaked(old) || old->identity != device->identity ||
                    queue_has_told_of(queue, device) ||
                    ARRAY_APPEND(queue->leaked, queue->n_leaked, device->identity) < 0)
                        continue;
                log_line(LOG_WARNING,
                         &(LogContext){ .message_id = LOG_MESSAGE_LEAKED,
                                        .region = &after->id,
                                        .devices = (const char *[]){ device->name },
                                        .n_devices = 1 },
                         "%s was taken out of System RAM while its memory was online: that memory "
                         "is lost until the next reboot",
                         device->name);
        }
}

int engine_put_region(Engine *engine, DaxRegion *region, const EngineCause *cause,
                      uint64_t seqnum) {
        const EngineCause by = cause ? *cause : (EngineCause){};
        _cleanup_region_ DaxRegion *before = NULL;
        Queue *queue;
        int r;

        r = engine_get_queue(engine, region->id, &queue);
        if (r < 0) {
                dax_region_free(region);
                return r;
        }

        before = dax_machine_take_region(&engine->machine, region->id);
        r = provenance_follow(engine->owners, before, region, &by, engine->settled);
        if (dax_region_seal(region) < 0) {
                dax_region_free(region);
                return -ENOMEM;
        }
        if (dax_machine_put_region(&engine->machine, region) < 0)
                return -ENOMEM;

        queue->put_number = ++engine->puts;
        queue->names_seqnum = MAX(queue->names_seqnum, seqnum);
        r = unseen_explain(&queue->unseen, before, region, by.plan, by.record, queue->names_seqnum) ?:
                    r;
        queue_forget_known(queue);

        if (r >= 0)
                r = queue_see_leaks(queue, before, region);
        TELL(engine, region_changed, before, region, userdata_);
        return r;
}

/* It may come back, and its memory keeps what is in it. */
static void engine_drop_region(Engine *engine, uint32_t id) {
        _cleanup_region_ DaxRegion *region = dax_machine_take_region(&engine->machine, id);
        Queue *queue = engine_find_queue(engine, id);
        int r = 0;

        for (size_t i = 0; i < region->n_devices; i++)
                r = provenance_lost(engine->owners, region, region->devices[i], NULL) ?: r;
        if (r < 0)
                log_unnoted(id, r);
        if (queue) {
                queue->n_events = 0;
                unseen_deinit(&queue->unseen);
        }

        witnesses_drop(engine->witnesses, region->identity);
        engine_clear_region_failure(engine, id); /* whichever comes under this id has not failed */
        TELL(engine, region_changed, region, NULL, userdata_);
}

/* --- jobs ------------------------------------------------------------------------------------- */

void engine_job_changed(Engine *engine, const Job *job) {
        TELL(engine, job_changed, job, userdata_);
}

/* Settling one record fewer: when the last is done, the queue runs. */
static void engine_settled_one(Engine *engine) {
        if (engine->unsettled > 0)
                engine->unsettled--;
        if (engine->unsettled > 0 || engine->settled)
                return;

        engine->settled = true;
        TELL(engine, settled, userdata_);
        for (size_t i = 0; i < engine->n_queues; i++)
                queue_run(engine->queues[i]);
}

void engine_job_finished(Engine *engine, Job *job, JobResult result, const Failure *failure) {
        Queue *queue = engine_find_queue(engine, job->request.region);
        bool settles = job->settles;

        assert(queue);
        for (Job **where = &queue->jobs; *where; where = &(*where)->next)
                if (*where == job) {
                        *where = job->next;
                        break;
                }
        queue->n_jobs--;

        TELL(engine, job_finished, job, result, failure, userdata_);
        if (job->request.done)
                job->request.done(result, result == JOB_DONE ? job->plan : NULL, failure,
                                  job->request.userdata);
        job_free(job);

        if (settles)
                engine_settled_one(engine);
        queue_run(queue);
        engine_check_idle(engine);
}

static int engine_add_job(Engine *engine, const DaxRegion *region, JobRequest *request,
                          Job **ret_job) {
        Queue *queue;
        Job *job, **end;
        int r;

        r = engine_get_queue(engine, region->id, &queue);
        if (r < 0)
                return r;

        job = calloc(1, sizeof(*job));
        if (!job)
                return -ENOMEM;

        job->engine = engine;
        job->witness_fd = -1;
        /* ids are names of records too: none may be given out twice in one boot */
        job->id = engine->last_job = MAX(engine->last_job + 1, clock_usec(CLOCK_REALTIME));
        job->request = *request;
        *request = (JobRequest){};
        job->place = (DaxRange){ region->start, region->size };
        job->start_time = clock_usec(CLOCK_REALTIME);
        for (end = &queue->jobs; *end; end = &(*end)->next)
                ;
        *end = job;
        queue->n_jobs++;

        TELL(engine, job_added, job, userdata_);
        *ret_job = job;
        return 0;
}

static size_t queue_count_of(const Queue *queue, uid_t uid) {
        size_t n = 0;

        for (const Job *job = queue->jobs; job; job = job->next)
                n += job->request.uid == uid;

        return n;
}

int engine_submit(Engine *engine, JobRequest *request, Job **ret_job, Failure *failure) {
        const DaxRegion *region = dax_machine_find_region(&engine->machine, request->region);
        Queue *queue = engine_find_queue(engine, request->region);
        Job *job;
        int r;

        if (engine->stopping)
                r = failure_set(failure, CONDITION_BUSY, "cannot do it now: daxd is stopping");
        else if (!queue || !region)
                r = failure_set(failure, CONDITION_NO_SUCH_REGION,
                                "cannot carry out %s: there is no region %u" ADVICE_REGIONS,
                                request->operation, request->region);
        else if (queue->n_jobs >= QUEUE_MAX ||
                 (request->uid != 0 && queue_count_of(queue, request->uid) >= QUEUE_MAX_OTHERS))
                r = failure_set(failure, CONDITION_QUEUE_FULL,
                                "cannot queue more for region %u: %zu jobs wait already; try again "
                                "later",
                                request->region, queue->n_jobs);
        else
                r = sd_event_source_set_enabled(queue->start, SD_EVENT_ONESHOT);
        if (r == 0)
                r = engine_add_job(engine, region, request, &job);
        if (r != 0) {
                job_request_deinit(request);
                return r;
        }

        if (ret_job)
                *ret_job = job;
        return 0;
}

Job *engine_first_job(const Engine *engine) {
        for (size_t i = 0; i < engine->n_queues; i++)
                if (engine->queues[i]->jobs)
                        return engine->queues[i]->jobs;

        return NULL;
}

Job *engine_next_job(const Engine *engine, const Job *job) {
        bool found = false;

        if (job->next)
                return job->next;
        for (size_t i = 0; i < engine->n_queues; i++) {
                if (found && engine->queues[i]->jobs)
                        return engine->queues[i]->jobs;
                found |= engine->queues[i]->region == job->request.region;
        }

        return NULL;
}

Job *engine_find_job(const Engine *engine, uint64_t id) {
        for (Job *job = engine_first_job(engine); job; job = engine_next_job(engine, job))
                if (job->id == id)
                        return job;

        return NULL;
}

const DaxDevice *engine_find_label(const Engine *engine, const char *label, uint32_t region) {
        const DaxDevice *device = NULL;

        for (size_t i = 0; !device && i < engine->machine.n_regions; i++)
                device = dax_region_find_label(engine->machine.regions[i], label);
        for (Job *job = engine_first_job(engine); !device && job;
             job = engine_next_job(engine, job))
                if (job->stage >= JOB_ASKING && job->plan && job->request.region != region)
                        device = dax_region_find_label(job->plan->wanted, label);

        return device;
}

/* --- Refresh ---------------------------------------------------------------------------------- */

static void refresh_answer(Refresh *refresh, const Failure *failure) {
        while (refresh) {
                Refresh *next = refresh->next;

                if (refresh->done)
                        refresh->done(failure, refresh->userdata);
                free(refresh);
                refresh = next;
        }
}

static void refresh_append(Refresh **list, Refresh *more) {
        while (*list)
                list = &(*list)->next;
        *list = more;
}

/* --- reading because of events ---------------------------------------------------------------- */

static void queue_log_unread(const Queue *queue, const char *why) {
        log_line(LOG_WARNING,
                 &(LogContext){ .message_id = LOG_MESSAGE_UNREAD, .region = &queue->region },
                 "cannot read region %" PRIu32 " anew: %s", queue->region, why);
}

static void queue_read_done(int error, WorkerAnswer *answer, void *userdata) {
        Queue *queue = userdata;
        Engine *engine = queue->engine;
        bool missing = false, leaks;
        DaxRegion *region;
        int r;

        leaks = queue->reading_leaks;
        queue->reading = queue->reading_again = queue->reading_leaks = false;
        engine->calls--;
        if (error < 0 || answer->result.problem != WORKER_OK) {
                /* it may be gone, or be another one by now: the inventory tells */
                queue_drop_events(queue);
                queue->doubts_leaks |= leaks;
                r = engine_inventory(engine);
        } else {
                r = engine_complete_region(engine, answer, &(EngineKnows){ .all = true }, &region,
                                           &missing);
                if (r >= 0 && leaks)
                        queue_log_leaks(queue,
                                        dax_machine_find_region(&engine->machine, queue->region),
                                        region);
                if (r >= 0)
                        r = engine_put_region(engine, region, NULL, answer->machine.seqnum);
        }
        if (r < 0) {
                queue_drop_events(queue); /* the next one tries again */
                queue_log_unread(queue, text_errno(r));
        }

        queue_run(queue);
        engine_check_idle(engine);
}

static int queue_read(Queue *queue) {
        const DaxRegion *region = dax_machine_find_region(&queue->engine->machine, queue->region);
        WorkerTask task = { .request = { .op = WORKER_REGION,
                                         .flags = WORKER_ALL_DEVICES,
                                         .region = queue->region },
                            .done = queue_read_done,
                            .userdata = queue };
        bool again = queue->passed_over;

        queue->passed_over = false;
        if (!region)
                return engine_inventory(queue->engine);
        task.request.region_start = region->start;
        task.request.region_size = region->size;
        if (workers_call(queue->engine->workers, &task, NULL) < 0)
                return -ENOMEM;
        queue->reading = true;
        queue->reading_again = again;
        queue->reading_leaks = queue->doubts_leaks;
        queue->doubts_leaks = false;
        queue->engine->calls++;
        return 0;
}

/* Lets the next thing begin, when there is one and nothing runs. */
static void queue_begin_next(Queue *queue) {
        Engine *engine = queue->engine;
        Job *job = queue->jobs;

        if (queue->reading || (job && job->stage != JOB_QUEUED))
                return;
        if (job && (engine->settled || job->settles)) {
                job->stage = JOB_READING;
                job_start(job);
                return;
        }
        if (!job && engine->settled && !engine->stopping &&
            (queue->n_events > 0 || queue->passed_over) && queue_read(queue) < 0)
                queue_log_unread(queue, text_errno(ENOMEM));
}

/* A job that runs reads for itself: nobody waits for its end. */
static bool queue_is_behind(const Queue *queue) {
        const Engine *engine = queue->engine;

        return queue->reading_again ||
               (queue->passed_over && engine->settled && !engine->stopping &&
                (!queue->jobs || queue->jobs->stage == JOB_QUEUED));
}

/* Who has asked for a Refresh is to see what there was when he did. */
static void engine_answer_refreshed(Engine *engine) {
        for (size_t i = 0; i < engine->n_queues; i++)
                if (queue_is_behind(engine->queues[i]))
                        return;

        refresh_answer(TAKE_PTR(engine->refreshed), NULL);
}

static void queue_run(Queue *queue) {
        queue_begin_next(queue);
        engine_answer_refreshed(queue->engine);
}

static DaxRegion *engine_region_of_block(const Engine *engine, uint64_t block) {
        uint64_t address = block * engine->machine.block_size;

        for (size_t i = 0; i < engine->machine.n_regions; i++) {
                DaxRegion *region = engine->machine.regions[i];

                if (address + engine->machine.block_size > region->start &&
                    address < region->start + region->size)
                        return region;
        }

        return NULL;
}

/* An inventory that runs may have passed something by: another one follows. */
static void engine_look_again(Engine *engine) {
        if (!engine->started && !engine->inventory_runs)
                return; /* the first one is still to come */
        if (engine_inventory(engine) < 0)
                log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_UNREAD },
                         "cannot look at the regions again: out of memory");
}

void engine_event(Engine *engine, const EngineEvent *event) {
        Event one = { .seqnum = event->seqnum,
                      .is_block = !event->device,
                      .let_go = strcmp(event->action, "unbind") == 0 };
        uint32_t id, instance = 0;
        DaxRegion *region;
        Queue *queue;

        if (!engine->started) {
                engine_look_again(engine);
                return;
        }
        if (event->device && text_parse_device_name(event->device, &id, &instance) < 0)
                return;

        region = event->device ? dax_machine_find_region(&engine->machine, id) :
                                 engine_region_of_block(engine, event->block);
        if (!region) {
                if (event->device && !one.let_go && strcmp(event->action, "remove") != 0)
                        (void)engine_inventory(engine);
                return;
        }

        queue = engine_find_queue(engine, region->id);
        one.number = event->device ? instance : event->block;
        if (!queue)
                return;
        if (event->seqnum <= queue_knows(queue, &one)) {
                if (queue_missed(queue, &one))
                        queue_suspect_free_memory(queue);
                return;
        }

        if (ARRAY_APPEND(queue->events, queue->n_events, one) < 0)
                queue_log_unread(queue, text_errno(ENOMEM));
        queue_run(queue);
}

void engine_lost_events(Engine *engine) {
        log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_UNREAD },
                 "events of the kernel were lost: all regions are read anew");
        for (size_t i = 0; i < engine->n_queues; i++)
                engine->queues[i]->lost = true;
        engine_look_again(engine);
}

/* --- inventory -------------------------------------------------------------------------------- */

static bool machine_has(const DaxMachine *machine, const DaxRegion *region) {
        const DaxRegion *same = dax_machine_find_region(machine, region->id);

        return same && same->start == region->start && same->size == region->size;
}

/*
 * Whether it was looked at while a worker bound memory, who may have caught a device of it: that
 * one is let go again, and when its probe failed no event tells.
 */
static bool region_may_be_caught(const Engine *engine, const DaxMachine *fresh,
                                 const DaxRegion *region) {
        if (fresh->auto_online[0] != '\0' || !machine_has(&engine->machine, region))
                return false;

        for (size_t i = 0; i < region->n_devices; i++)
                if (region->devices[i]->mode == DAX_MODE_SYSTEM_RAM &&
                    dax_device_online_blocks(region->devices[i]) == 0)
                        return true;

        return false;
}

static int engine_take_inventory(Engine *engine, DaxMachine *fresh) {
        int r = 0;

        for (size_t i = 0; i < engine->machine.n_regions;) {
                const DaxRegion *region = engine->machine.regions[i];

                if (machine_has(fresh, region)) {
                        i++;
                        continue;
                }
                engine_drop_region(engine, region->id);
        }

        while (r >= 0 && fresh->n_regions > 0) {
                _cleanup_region_ DaxRegion *region = dax_machine_take_region(fresh,
                                                                             fresh->regions[0]->id);
                Queue *queue;

                r = engine_get_queue(engine, region->id, &queue);
                if (r < 0)
                        break;
                /*
                 * A job that runs reads for itself, and its half-made devices are not for showing.
                 * One that has ended since the inventory began knows better.
                 */
                if ((queue->jobs && queue->jobs->stage != JOB_QUEUED) || queue->reading ||
                    queue->put_number > engine->inventory_puts ||
                    region_may_be_caught(engine, fresh, region)) {
                        queue->passed_over = true;
                        queue_run(queue);
                        continue;
                }
                r = region_seen(region, fresh->seqnum);
                if (r >= 0)
                        r = owners_fill(engine->owners, region);
                if (r >= 0)
                        r = engine_put_region(engine, TAKE_PTR(region), NULL, fresh->seqnum);
        }

        engine_take_machine(engine, fresh);
        return r;
}

static void engine_settle_records(Engine *engine);

static void inventory_done(int error, WorkerAnswer *answer, void *userdata) {
        Engine *engine = userdata;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        int r = 0;

        engine->calls--;
        engine->inventory_runs = false;
        if (error < 0)
                r = report_unreachable(error, &failure);
        else if (answer->result.problem != WORKER_OK)
                r = failure_set(&failure, CONDITION_KERNEL, "cannot read the regions: %s (%s)",
                                answer->result.attribute, text_errno(answer->result.error));
        else
                r = engine_take_inventory(engine, &answer->machine);
        if (r < 0)
                (void)failure_set(&failure, CONDITION_KERNEL, "cannot read the regions: %s",
                                  text_errno(r));
        if (failure.message) {
                log_line(LOG_ERR, &(LogContext){ .message_id = LOG_MESSAGE_UNREAD }, "%s",
                         failure.message);
                refresh_answer(TAKE_PTR(engine->refreshing), &failure);
        } else {
                refresh_append(&engine->refreshed, TAKE_PTR(engine->refreshing));
                engine_answer_refreshed(engine);
        }
        if (engine->refresh_next && engine_inventory(engine) < 0)
                refresh_answer(TAKE_PTR(engine->refresh_next), &failure);

        if (!engine->started && failure.message) {
                /* what cannot be seen cannot be settled: the records stay for the next try */
                (void)sd_event_exit(engine->event, -EIO);
        } else if (!engine->started) {
                engine->started = true;
                engine_settle_records(engine);
        }
        engine_check_idle(engine);
}

/* Starts an inventory, or sees to it that one follows the one that runs. */
static int engine_inventory(Engine *engine) {
        const WorkerTask task = { .request = { .op = WORKER_INVENTORY },
                                  .done = inventory_done,
                                  .userdata = engine };
        Refresh *refresh;

        if (engine->inventory_runs) {
                if (engine->refresh_next)
                        return 0;
                refresh = calloc(1, sizeof(*refresh));
                if (!refresh)
                        return -ENOMEM;
                engine->refresh_next = refresh;
                return 0;
        }

        if (workers_call(engine->workers, &task, NULL) < 0)
                return -ENOMEM;
        engine->inventory_runs = true;
        engine->inventory_puts = engine->puts;
        engine->calls++;
        engine->refreshing = TAKE_PTR(engine->refresh_next);
        return 0;
}

int engine_refresh(Engine *engine, EngineDone done, void *userdata) {
        Refresh *refresh;

        refresh = calloc(1, sizeof(*refresh));
        if (!refresh)
                return -ENOMEM;

        *refresh = (Refresh){ .next = engine->refresh_next, .done = done, .userdata = userdata };
        engine->refresh_next = refresh;
        return engine->inventory_runs ? 0 : engine_inventory(engine);
}

/* --- holders ---------------------------------------------------------------------------------- */

typedef struct HoldersCall {
        Engine *engine;
        EngineHolders done;
        void *userdata;
        char device[DAX_NAME_MAX + 1];
} HoldersCall;

static void holders_done(int error, WorkerAnswer *answer, void *userdata) {
        _cleanup_free_ HoldersCall *call = userdata;
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        call->engine->calls--;
        if (error < 0)
                (void)report_unreachable(error, &failure);
        else if (answer->result.problem == WORKER_GONE)
                (void)failure_set(&failure, CONDITION_NO_SUCH_DEVICE,
                                  "cannot look for holders of %s: it is not there any "
                                  "more" ADVICE_DEVICES,
                                  call->device);
        else if (answer->result.problem != WORKER_OK)
                (void)failure_set(&failure, CONDITION_KERNEL,
                                  "cannot look for holders of %s: %s (%s)", call->device,
                                  answer->result.attribute, text_errno(answer->result.error));

        call->done(answer->holders, answer->n_holders, failure.message ? &failure : NULL,
                   call->userdata);
        engine_check_idle(call->engine);
}

int engine_holders(Engine *engine, const DaxRegion *region, const DaxDevice *device,
                   EngineHolders done, void *userdata) {
        WorkerTask task = { .request = { .op = WORKER_HOLDERS,
                                         .region = region->id,
                                         .region_start = region->start,
                                         .region_size = region->size,
                                         .identity = device->identity },
                            .done = holders_done };
        HoldersCall *call;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;

        *call = (HoldersCall){ .engine = engine, .done = done, .userdata = userdata };
        memcpy(call->device, device->name, sizeof(call->device));
        memcpy(task.request.device, device->name, sizeof(device->name));
        task.userdata = call;
        if (workers_call(engine->workers, &task, NULL) < 0) {
                free(call);
                return -ENOMEM;
        }

        engine->calls++;
        return 0;
}

/* --- start and stop --------------------------------------------------------------------------- */

static int engine_load_records(Engine *engine) {
        int fd = dup(engine->transactions_dir);
        struct dirent *entry;
        DIR *dir;

        dir = fd >= 0 ? fdopendir(fd) : NULL;
        if (!dir)
                return -errno;

        while ((entry = readdir(dir))) {
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                const char *end = strrchr(entry->d_name, '.');
                char aside[NAME_MAX + 16];
                Record *record;
                int r;

                if (end && strcmp(end, ".new") == 0) /* nothing had begun by it */
                        (void)unlinkat(engine->transactions_dir, entry->d_name, 0);
                if (!end || strcmp(end, ".json") != 0)
                        continue;
                r = record_read(engine->transactions_dir, entry->d_name, &record, &failure);
                if (r == 0) {
                        r = ARRAY_APPEND(engine->records, engine->n_records, record);
                        if (r == 0)
                                continue;
                }

                snprintf(aside, sizeof(aside), "%s.damaged", entry->d_name);
                (void)renameat(engine->transactions_dir, entry->d_name, engine->transactions_dir,
                               aside);
                log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_SET_ASIDE },
                         "cannot settle the transaction in /run/daxd/transactions/%s: %s; set "
                         "aside as %s",
                         entry->d_name, failure.message ?: text_errno(r), aside);
        }

        closedir(dir);
        return 0;
}

static int compare_records(const void *a, const void *b) {
        const Record *const *x = a, *const *y = b;

        return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

static int engine_settle_record(Engine *engine, Record *record) {
        JobRequest request = { .operation = "Settle",
                               .origin = JOB_ORIGIN_RECOVERY,
                               .force = record->force,
                               .whole = true };
        const DaxRegion *region = NULL;
        Job *job;
        int r;

        for (size_t i = 0; i < engine->machine.n_regions; i++)
                if (engine->machine.regions[i]->start == record->region_start &&
                    engine->machine.regions[i]->size == record->region_size)
                        region = engine->machine.regions[i];
        if (!region) {
                log_line(LOG_WARNING,
                         &(LogContext){ .message_id = LOG_MESSAGE_REGION_GONE, .job = record->id },
                         "a transaction (%s) was left unfinished on a region that is gone; "
                         "nothing is left of it",
                         record->operation);
                (void)record_remove(record->id, engine->transactions_dir);
                record_free(record);
                return 0;
        }

        request.region = region->id;
        r = engine_add_job(engine, region, &request, &job);
        if (r < 0) {
                record_free(record);
                return r;
        }

        job->settles = true;
        job->record = record;
        engine->unsettled++;
        queue_run(engine_find_queue(engine, region->id));
        return 0;
}

static void engine_settle_records(Engine *engine) {
        int r;

        r = engine_load_records(engine);
        if (r < 0)
                log_line(LOG_ERR, &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE },
                         "cannot look for unfinished transactions: %s", text_errno(r));

        engine->unsettled++;       /* this function itself */
        if (engine->n_records > 1) /* in the order in which they were begun */
                qsort(engine->records, engine->n_records, sizeof(*engine->records),
                      compare_records);
        for (size_t i = 0; i < engine->n_records; i++)
                if (engine_settle_record(engine, engine->records[i]) < 0)
                        log_line(LOG_ERR, &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE },
                                 "cannot settle an unfinished transaction: out of memory");
        engine->n_records = 0;
        engine_settled_one(engine);
}

static int lock_taken(sd_event_source *source, const siginfo_t *info, void *userdata) {
        Engine *engine = userdata;

        engine->lock_wait = sd_event_source_disable_unref(engine->lock_wait);
        if (info->si_code != CLD_EXITED || info->si_status != 0) {
                log_line(LOG_ERR, &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE },
                         "cannot take the lock in /run/daxd");
                return sd_event_exit(engine->event, -EIO);
        }

        return engine_inventory(engine);
}

/*
 * The lock belongs to the open file, which every worker of this daxd shares: a worker that is stuck
 * in the kernel keeps it, whatever becomes of daxd. A child waits for it, so that nothing polls.
 */
static int engine_take_lock(Engine *engine) {
        sigset_t signals;
        pid_t pid;

        if (flock(engine->lock_fd, LOCK_EX | LOCK_NB) == 0)
                return engine_inventory(engine);
        if (errno != EWOULDBLOCK)
                return -errno;

        log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_WAITS },
                 "waiting for a worker of an earlier daxd that is still in the kernel");
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                sigfillset(&signals);
                sigprocmask(SIG_UNBLOCK, &signals, NULL);
                _exit(flock(engine->lock_fd, LOCK_EX) == 0 ? 0 : 1);
        }

        return sd_event_add_child(engine->event, &engine->lock_wait, pid, WEXITED, lock_taken,
                                  engine);
}

int engine_start(Engine *engine) {
        return engine_take_lock(engine);
}

static int open_dir(int at, const char *path) {
        int fd;

        if (mkdirat(at, path, 0755) < 0 && errno != EEXIST)
                return -errno;
        fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return fd < 0 ? -errno : fd;
}

int engine_new(sd_event *event, const char *runtime_dir, Engine **ret_engine) {
        _cleanup_(engine_freep) Engine *engine = NULL;
        bool damaged = false;
        int r;

        engine = calloc(1, sizeof(*engine));
        if (!engine)
                return -ENOMEM;
        engine->event = sd_event_ref(event);
        engine->transactions_dir = engine->lock_fd = -1;

        engine->runtime_dir = open_dir(AT_FDCWD, runtime_dir);
        if (engine->runtime_dir < 0)
                return engine->runtime_dir;
        engine->transactions_dir = open_dir(engine->runtime_dir, "transactions");
        if (engine->transactions_dir < 0)
                return engine->transactions_dir;
        engine->lock_fd = file_open_lock(engine->runtime_dir, "lock");
        if (engine->lock_fd < 0)
                return engine->lock_fd;

        r = owners_new(engine->runtime_dir, &engine->owners, &damaged);
        if (r < 0)
                return r;
        if (damaged)
                log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_SET_ASIDE },
                         "/run/daxd/owners cannot be read; set aside, and all free memory counts "
                         "as used");

        r = witnesses_new(&engine->witnesses);
        if (r >= 0)
                r = workers_new(event, WORKER_SOCKET_PATH, engine->lock_fd, &engine->workers);
        if (r < 0)
                return r;

        *ret_engine = TAKE_PTR(engine);
        return 0;
}

static void engine_check_idle(Engine *engine) {
        if (!engine->stopping || engine->stopped || engine->calls > 0 || engine_first_job(engine))
                return;

        engine->stopped = true;
        TELL(engine, stopped, userdata_);
}

void engine_stop(Engine *engine) {
        Job *next;

        engine->stopping = true;
        engine_answer_refreshed(engine);
        for (Job *job = engine_first_job(engine); job; job = next) {
                next = engine_next_job(engine, job);
                job_cancel(job);
        }
        engine_check_idle(engine);
}

Engine *engine_free(Engine *engine) {
        if (!engine)
                return NULL;

        for (size_t i = 0; i < engine->n_queues; i++) {
                assert(!engine->queues[i]->jobs);
                sd_event_source_disable_unref(engine->queues[i]->start);
                sd_event_source_disable_unref(engine->queues[i]->leaks);
                free(engine->queues[i]->leaked);
                free(engine->queues[i]->failure);
                free(engine->queues[i]->given_up);
                free(engine->queues[i]->events);
                unseen_deinit(&engine->queues[i]->unseen);
                free(engine->queues[i]);
        }
        free(engine->queues);
        free(engine->records);
        sd_event_source_disable_unref(engine->lock_wait);
        workers_free(engine->workers);
        witnesses_free(engine->witnesses);
        owners_free(engine->owners);
        dax_machine_deinit(&engine->machine);
        closep(&engine->lock_fd);
        closep(&engine->transactions_dir);
        closep(&engine->runtime_dir);
        sd_event_unref(engine->event);
        free(engine);
        return NULL;
}
