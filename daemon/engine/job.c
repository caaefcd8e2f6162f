/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The way of one transaction:
 *
 *   read ─ want ─ plan ─ ask holders ─ record ─ step … step ─ read back ─ done
 *     ^                                           │ (failed, cancelled, worker died)
 *     └──────────── settle: wanted is what was ───┘
 *
 * What touches no device that is there leaves the reading out: it plans for the picture as it is
 * known, and a worker that finds another has it read after all.
 *
 * Everything after `want` is the same on the way back. Each function here ends by having started
 * the next worker call or by having finished the job.
 */

#include "daemon/engine/internal.h"
#include "daemon/engine/report.h"
#include "daemon/engine/settle.h"
#include "daemon/util/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPTS_MAX 2

static void job_show_step(Job *job, size_t step, double part);
static void job_read(Job *job, bool all);
static void job_read_after_all(Job *job);
static void job_next_steps(Job *job);
static void job_settle(Job *job);
static void job_go_back(Job *job);

static const char *const origin_names[_JOB_ORIGIN_MAX] = {
        [JOB_ORIGIN_BUS] = "bus",
        [JOB_ORIGIN_BOOT] = "boot",
        [JOB_ORIGIN_EVENT] = "event",
        [JOB_ORIGIN_RECOVERY] = "recovery",
};

static const char *const result_names[_JOB_RESULT_MAX] = {
        [JOB_DONE] = "done",
        [JOB_CANCELLED] = "cancelled",
        [JOB_UNDONE] = "undone",
        [JOB_FAILED] = "failed",
};

const char *job_origin_name(JobOrigin origin) {
        return origin_names[origin];
}

const char *job_result_name(JobResult result) {
        return result_names[result];
}

void job_request_deinit(JobRequest *request) {
        if (request->free)
                request->free(request->userdata);
        free(request->tag);
        free(request->sender);
        free(request->expect);
        *request = (JobRequest){};
}

Job *job_free(Job *job) {
        if (!job)
                return NULL;

        job_request_deinit(&job->request);
        free(job->step_name);
        plan_free(job->plan);
        dax_region_free(job->now);
        dax_region_free(job->fresh);
        free(job->sent);
        free(job->strangers);
        record_free(job->record);
        free(job->devices);
        free(job->held);
        closep(&job->witness_fd);
        failure_deinit(&job->failure);
        failure_deinit(&job->stuck);
        failure_deinit(&job->unrestored);
        free(job);
        return NULL;
}

bool job_is_going_back(const Job *job) {
        return job->record && !job->record->forward;
}

bool job_is_cancelable(const Job *job) {
        return job->stage < JOB_VERIFYING && !job->cancelled && !job->settles &&
               !job_is_going_back(job);
}

/* The region as it was read last. */
static const DaxRegion *job_now(const Job *job) {
        return job->now ?:
                          dax_machine_find_region(engine_machine(job->engine), job->request.region);
}

/* Shows what the transaction has come to. Nothing of it was shown while it was in the middle. */
static int job_publish(Job *job, const Plan *plan, bool unfinished) {
        EngineCause cause = { .plan = plan, .record = job->record, .unfinished = unfinished };

        return job->now ? engine_put_region(job->engine, TAKE_PTR(job->now), &cause, job->seqnum) :
                          0;
}

/* --- ends ------------------------------------------------------------------------------------- */

static void job_finish(Job *job, JobResult result, const Failure *failure) {
        if (job->record && result != JOB_FAILED)
                (void)record_remove(job->record->id, engine_transactions_dir(job->engine));

        job->stage = JOB_FINISHED;
        engine_job_finished(job->engine, job, result, failure);
}

/* Refused, or failed before anything was written to the kernel. */
static void job_refuse(Job *job, int r, Failure *failure) {
        if (job->presumed != 0) { /* by a picture that may be old */
                job_read_after_all(job);
                return;
        }
        if (r < 0)
                (void)failure_set(failure, CONDITION_KERNEL, "daxd itself failed: %s",
                                  text_errno(r));
        job_finish(job, failure->condition == CONDITION_CANCELLED ? JOB_CANCELLED : JOB_UNDONE,
                   failure);
}

static _printf_(4, 5) void job_log(const Job *job, int priority, const char *message_id,
                                   const char *format, ...) {
        _cleanup_free_ const char **devices = NULL;
        _cleanup_free_ char *text = NULL;
        va_list args;
        size_t n = 0;

        va_start(args, format);
        text = text_vformat(format, args);
        va_end(args);
        if (!text)
                return;

        devices = calloc(job->plan ? job->plan->n_devices + 1 : 1, sizeof(*devices));
        for (size_t i = 0; devices && job->plan && i < job->plan->n_devices; i++)
                if (job->plan->devices[i].action != PLAN_KEEP &&
                    job->plan->devices[i].name[0] != '\0')
                        devices[n++] = job->plan->devices[i].name;
        if (devices && n == 0 && job->request.device[0] != '\0')
                devices[n++] = job->request.device;
        log_line(priority,
                 &(LogContext){ .message_id = message_id,
                                .job = job->id,
                                .region = &job->request.region,
                                .devices = devices,
                                .n_devices = n,
                                .uid = &job->request.uid },
                 "%s in region %" PRIu32 ": %s",
                 job->record ? job->record->operation : job->request.operation, job->request.region,
                 text);
}

/*
 * Neither there nor back. The record stays, as one that nobody shall try again. @region is what
 * there is, NULL where that cannot be read.
 */
static void job_give_up(Job *job, const Failure *why, const DaxRegion *region) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_free_ char *state = region ? report_region(region, job->record) : NULL;
        const char *unread = job_now(job) ? "it cannot be read" : "the region is gone";

        (void)failure_set(&failure, CONDITION_ROLLBACK_FAILED, "%s%scannot go back: %s; now: %s",
                          failure_message(&job->failure), job->failure.message ? "; " : "",
                          failure_message(why), state ?: unread);
        job_log(job, LOG_ERR, LOG_MESSAGE_ROLLBACK_FAILED, "%s", failure_message(&failure));
        job->record->attempts = ATTEMPTS_MAX;
        if (record_write(job->record, engine_transactions_dir(job->engine)) < 0)
                job_log(job, LOG_WARNING, LOG_MESSAGE_STATE_FILE,
                        "cannot write down in /run/daxd that this was given up");
        engine_set_region_failure(job->engine, job->request.region,
                                  strdup(failure_message(&failure)), job->record->id);
        (void)job_publish(job, NULL, true);
        job_finish(job, JOB_FAILED, &failure);
}

/* The last try has left its traces, too: they are read before they are told. */
static void job_surrender(Job *job, Failure *why) {
        (void)failure_move(&job->stuck, why);
        job->stage = JOB_GIVING_UP;
        job->fresh = dax_region_free(job->fresh);
        job_read(job, true);
}

static void job_fail(Job *job, int r, Failure *failure) {
        if (r < 0)
                (void)failure_set(failure, CONDITION_KERNEL, "daxd itself failed: %s",
                                  text_errno(r));
        if (!job->record) {
                job_refuse(job, 0, failure);
                return;
        }

        if (job->stage == JOB_GIVING_UP) {
                job->now = dax_region_free(job->now); /* it is from before the last try */
                job_give_up(job, &job->stuck, NULL);
        } else if (job->record->forward) {
                (void)failure_move(&job->failure, failure);
                job_go_back(job);
        } else if (++job->record->attempts < ATTEMPTS_MAX) {
                job_go_back(job);
        } else {
                job_surrender(job, failure);
        }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* No step is under way. */
static void job_show_nothing(Job *job) {
        job->untold |= job->step_name != NULL;
        free(TAKE_PTR(job->step_name));
}

static int job_wanted(Job *job, const DaxRegion *now, DaxRegion **ret_wanted, Failure *failure) {
        const JobView view = {
                .now = now,
                .machine = engine_machine(job->engine),
                .held = (const char(*)[DAX_NAME_MAX + 1]) job->held,
                .n_held = job->n_held,
        };
        WitnessWord made;

        if (!job->record)
                return job->request.want(&view, ret_wanted, failure, job->request.userdata);

        made = job->undecided ? WITNESS_UNKNOWN :
                                witnesses_ask(engine_witnesses(job->engine), now->identity);
        free(TAKE_PTR(job->strangers));
        return settle_wanted(job->record, now, made, ret_wanted, &job->strangers);
}

static void job_ask_holders(Job *job);

static int job_make_plan(Job *job, Failure *failure) {
        const DaxMachine *machine = engine_machine(job->engine);
        const DaxRegion *now = job_now(job);
        _cleanup_region_ DaxRegion *wanted = NULL;
        const PlanOptions options = {
                .block_size = machine->block_size,
                /* on the way back it is our own doing that memory is online */
                .force = job->request.force || job->record,
                .reshape_first = job->request.reshape_first,
                .shown = job->request.whole,
        };
        int r;

        if (!now) /* it went while this job waited for an answer */
                return failure_set(failure, CONDITION_NO_SUCH_REGION,
                                   "cannot carry out %s: region %" PRIu32
                                   " is not there any more" ADVICE_REGIONS,
                                   job->request.operation, job->request.region);

        r = job_wanted(job, now, &wanted, failure);
        if (r != 0)
                return r;

        job->plan = plan_free(job->plan);
        r = plan_new(now, wanted, &options, &job->plan, failure);
        if (r != 0)
                return r;

        free(job->devices);
        job->devices = calloc(job->plan->n_devices + 1, sizeof(*job->devices));
        if (!job->devices)
                return -ENOMEM;
        for (size_t i = 0; i < job->plan->n_devices; i++) {
                const PlanDevice *device = &job->plan->devices[i];
                const DaxDevice *is = device->action != PLAN_KEEP ?
                                              dax_region_find(now, device->name) :
                                              NULL;

                job->devices[i].identity = is ? is->identity : 0;
        }

        job->step = 0;
        job->begun = 0;
        job->asked = 0;
        job_show_nothing(job); /* it was a step of another plan */
        return 0;
}

static void job_plan(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        int r;

        r = job_make_plan(job, &failure);
        if (r != 0) {
                if (job_is_going_back(job)) {
                        job->record->attempts = ATTEMPTS_MAX; /* thinking again helps nobody */
                        job_fail(job, r, &failure);
                } else if (job->record) {
                        job_fail(job, r, &failure);
                } else {
                        job_refuse(job, r, &failure);
                }
                return;
        }

        if (job->strangers && job->record->forward) { /* it cannot come to what was wanted */
                (void)failure_set(&failure, CONDITION_ROLLED_BACK,
                                  "cannot go on with an unfinished %s: %s", job->record->operation,
                                  job->strangers);
                job_fail(job, 0, &failure);
                return;
        }

        job->stage = JOB_ASKING;
        job_ask_holders(job);
}

/* What differs of what was wanted, for the devices of the plan; NULL when nothing does. */
static const PlanDevice *job_find_difference(const Job *job, const DaxRegion *now) {
        for (size_t i = 0; i < job->plan->n_devices; i++) {
                const PlanDevice *device = &job->plan->devices[i];
                const DaxDevice *is;
                unsigned difference;

                if (device->action == PLAN_KEEP || !device->after || device->after->size == 0)
                        continue;

                is = dax_region_find(now, device->name);
                if (!is)
                        return device;
                difference = dax_device_difference(device->after, is);
                if (device->after->memmap_on_memory < 0) /* nothing was said of it */
                        difference &= ~DAX_DIFFERS_MEMMAP;
                if (difference != 0)
                        return device;
        }

        return NULL;
}

static void job_went_back(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        if (job->strangers || job->unrestored.message) {
                (void)failure_set(&failure, CONDITION_ROLLBACK_FAILED, "%s%s%s",
                                  job->strangers ?: "",
                                  job->strangers && job->unrestored.message ? "; " : "",
                                  job->unrestored.message ?: "");
                job_give_up(job, &failure, job_now(job));
                return;
        }

        if (!job->failure.message)
                (void)failure_set(&job->failure, CONDITION_ROLLED_BACK,
                                  "an unfinished %s was rolled back", job->record->operation);
        job_log(job, LOG_NOTICE, LOG_MESSAGE_ROLLED_BACK, "%s", failure_message(&job->failure));
        job_finish(job, job->failure.condition == CONDITION_CANCELLED ? JOB_CANCELLED : JOB_UNDONE,
                   &job->failure);
}

static void job_verify(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        const PlanDevice *differs = job_find_difference(job, job->now);
        bool back = job_is_going_back(job);
        int r;

        if (differs) {
                (void)failure_set(&failure, CONDITION_ROLLED_BACK,
                                  "%s is not as it was wanted when read back; another program may "
                                  "have changed it",
                                  differs->name);
                job_fail(job, 0, &failure);
                return;
        }

        if (!back)
                engine_clear_region_failure(job->engine, job->request.region);
        r = job_publish(job, job->plan, job->strangers);
        if (r < 0)
                job_log(job, LOG_ERR, LOG_MESSAGE_UNREAD,
                        "what the region is like now cannot be kept: %s", text_errno(r));

        if (back) {
                job_went_back(job);
                return;
        }
        job_log(job, LOG_INFO, LOG_MESSAGE_COMMITTED, "done");
        job_finish(job, JOB_DONE, NULL);
}

static void job_have_read(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        int r;

        if (job->stage == JOB_VERIFYING) {
                job_verify(job);
                return;
        }
        if (job->stage == JOB_GIVING_UP) {
                job_give_up(job, &job->stuck, job_now(job));
                return;
        }
        if (!job->record && !job->read_all && engine_must_look(job->engine, job->request.region)) {
                job_read(job, true);
                return;
        }
        if (!job->record) {
                r = job_publish(job, NULL, false);
                if (r < 0) {
                        job_refuse(job, r, &failure);
                        return;
                }
                if (job->cancelled) {
                        job_refuse(job, failure_set(&failure, CONDITION_CANCELLED, "cancelled"),
                                   &failure);
                        return;
                }
        }

        job_plan(job);
}

/* The region is as @answer has it. */
static void job_take_region(Job *job, WorkerAnswer *answer) {
        const EngineKnows knows = {
                .fresh = job->fresh, .known = job_now(job), .plan = job->plan, .all = job->read_all
        };
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_region_ DaxRegion *region = NULL;
        bool missing = false;
        int r;

        if (answer->result.problem != WORKER_OK)
                r = report_read(job->request.region, &answer->result, &failure);
        else
                r = engine_complete_region(job->engine, answer, &knows, &region, &missing);
        if (r != 0) {
                if (failure.condition == CONDITION_NO_SUCH_REGION)
                        job_refuse(job, 0, &failure); /* nothing to go to, or back to, is left */
                else
                        job_fail(job, r, &failure);
                return;
        }

        if (missing && !job->read_all) {
                job_read(job, true);
                return;
        }

        dax_region_free(job->now);
        job->now = TAKE_PTR(region);
        job->fresh = dax_region_free(job->fresh);
        job->seqnum = answer->machine.seqnum;
        job_have_read(job);
}

static void job_read_done(int error, WorkerAnswer *answer, void *userdata) {
        Job *job = userdata;
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        job->call = NULL;
        if (error < 0)
                job_fail(job, report_unreachable(error, &failure), &failure);
        else if (answer->result.problem == WORKER_OK && !job->now && !job->record &&
                 engine_confirm_region(job->engine, job->request.region, answer))
                job_have_read(job);
        else
                job_take_region(job, answer);
}

/*
 * Now and then while a worker is at it: listeners hear of what has changed here and nowhere else.
 */
static void job_look(uint64_t step, double part, void *userdata) {
        Job *job = userdata;

        if (job->stage == JOB_RUNNING)
                job_show_step(job, job->step + MIN(step, (uint64_t)job->n_sent - 1), part);
        if (!job->untold)
                return;
        job->untold = false;
        engine_job_changed(job->engine, job);
}

static void job_call(Job *job, WorkerTask *task) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        task->progress = job_look;
        task->userdata = job;
        if (workers_call(engine_workers(job->engine), task, &job->call) < 0)
                job_fail(job, -ENOMEM, &failure);
}

static WorkerRequest job_request(const Job *job, WorkerOp op) {
        return (WorkerRequest){
                .op = op,
                .region = job->request.region,
                .region_start = job->place.offset,
                .region_size = job->place.size,
        };
}

/*
 * Reads the region: with all devices when those are not known yet, else the one that the job is
 * about. What a transaction has changed was read back with its last step.
 */
static void job_read(Job *job, bool all) {
        WorkerTask task = { .request = job_request(job, WORKER_REGION), .done = job_read_done };

        if (!job->plan && job->request.device[0] != '\0')
                memcpy(task.request.device, job->request.device, sizeof(task.request.device));
        job->read_all = all;
        if (all)
                task.request.flags |= WORKER_ALL_DEVICES;
        else if (!job->plan)
                task.request.outline = engine_outline(job->engine, job->request.region);
        job_call(job, &task);
}

/*
 * Plans for the picture that is there: for what touches no device, a worker can tell by the outline
 * whether it is still true. Without a plan, or when it is not, the region is read first.
 */
static void job_presume(Job *job) {
        const JobRequest *request = &job->request;

        if (request->device[0] == '\0' && !request->whole && !request->dry_run && !request->expect)
                job->presumed = engine_outline(job->engine, request->region);
        if (job->presumed != 0)
                job_plan(job);
        else
                job_read(job, request->whole);
}

static void job_read_after_all(Job *job) {
        if (job->record) {
                (void)record_remove(job->record->id, engine_transactions_dir(job->engine));
                job->record = record_free(job->record);
        }
        job->presumed = 0;
        job->stage = JOB_READING;
        job_read(job, false);
}

/* --- holders ---------------------------------------------------------------------------------- */

static void job_begin(Job *job);

static void job_held_by(Job *job, size_t device, const WorkerAnswer *answer) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        int r;

        if (job->request.avoids_held && job->n_held < job->plan->now->n_devices) {
                r = array_grow(&job->held, job->n_held, sizeof(*job->held));
                if (r >= 0) {
                        memcpy(job->held[job->n_held++], job->plan->devices[device].name,
                               DAX_NAME_MAX + 1);
                        job_plan(job);
                        return;
                }
        } else {
                r = report_held(job->plan, device, answer, &failure);
        }

        job_refuse(job, r, &failure);
}

static void job_holders_done(int error, WorkerAnswer *answer, void *userdata) {
        Job *job = userdata;
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        job->call = NULL;
        if (error < 0 || answer->result.problem != WORKER_OK) {
                int r = error < 0 ? report_unreachable(error, &failure) :
                                    report_read(job->request.region, &answer->result, &failure);

                job_refuse(job, r, &failure);
        } else if (answer->n_holders > 0) {
                job_held_by(job, job->asked - 1, answer);
        } else {
                job_ask_holders(job);
        }
}

/* A device is not taken from who has it open or mapped, unless that was said. */
static void job_ask_holders(Job *job) {
        while (!job->request.force && !job->record && job->asked < job->plan->n_devices) {
                const PlanDevice *device = &job->plan->devices[job->asked++];
                WorkerTask task = { .request = job_request(job, WORKER_HOLDERS),
                                    .done = job_holders_done };

                if (device->action == PLAN_KEEP || !device->before ||
                    device->before->mode != DAX_MODE_DEVDAX ||
                    !plan_device_is_disrupted(job->plan, job->asked - 1))
                        continue;

                memcpy(task.request.device, device->name, sizeof(device->name));
                task.request.identity = job->devices[job->asked - 1].identity;
                job_call(job, &task);
                return;
        }

        job_begin(job);
}

/* --- running ---------------------------------------------------------------------------------- */

/* Finds the plan's devices in the record, and which step is the last for each. */
static int job_match_record(Job *job) {
        _cleanup_free_ size_t *last = calloc(job->record->n_devices + 1, sizeof(*last));
        const Plan *plan = job->plan;

        if (!last)
                return -ENOMEM;

        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].action != PLAN_KEEP)
                        job->devices[i].entry = record_entry(job->record, plan, i);
        for (size_t i = 0; i < plan->n_steps; i++) {
                size_t entry = job->devices[plan->steps[i].device].entry;

                if (entry == SIZE_MAX)
                        return -ENOENT;
                last[entry] = i;
        }
        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].action != PLAN_KEEP && job->devices[i].entry != SIZE_MAX)
                        job->devices[i].last_step = last[job->devices[i].entry];

        return 0;
}

static int job_write_record(Job *job) {
        Record *record;
        int r;

        if (!job->record) {
                r = record_new(&record);
                if (r < 0)
                        return r;
                job->record = record;
                record->id = job->id;
                record->forward = true;
                record->resumes = job->request.resumes;
                record->force = job->request.force;
                record->operation = strdup(job->request.operation);
                record->origin = strdup(job_origin_name(job->request.origin));
                if (!record->operation || !record->origin)
                        return -ENOMEM;
                r = record_take_plan(record, job->plan);
                if (r < 0)
                        return r;
        }

        r = job_match_record(job);
        return r < 0 ? r : record_write(job->record, engine_transactions_dir(job->engine));
}

/* Only now it is the plan that is shown: with those kept that were found to be in use. */
static int job_check_expected(const Job *job, Failure *failure) {
        if (!job->request.expect || strcmp(job->request.expect, job->plan->digest) == 0)
                return 0;

        return failure_set(failure, CONDITION_PLAN_CHANGED,
                           "cannot apply the plan that was shown (%s): by now it would be another "
                           "(%s); look at it again",
                           job->request.expect, job->plan->digest);
}

static void job_begin(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        bool begun;
        int r = 0;

        if (job->cancelled && !job->record) {
                job_refuse(job, failure_set(&failure, CONDITION_CANCELLED, "cancelled"), &failure);
                return;
        }

        if (job->request.dry_run) {
                job_finish(job, JOB_DONE, NULL);
                return;
        }

        if (!job->record)
                r = job_check_expected(job, &failure);
        if (r == 0 && !job->record && job->request.planned)
                r = job->request.planned(job->plan, &failure, job->request.userdata);
        if (r != 0) {
                job_refuse(job, r, &failure);
                return;
        }

        if (job->plan->n_steps == 0 && !job->record) {
                if (job->presumed != 0)
                        job_read_after_all(job);
                else
                        job_finish(job, JOB_DONE, NULL);
                return;
        }

        begun = job->record;
        r = job_write_record(job);
        if (r >= 0)
                r = engine_note_owners(job->engine, job->record, job->plan);
        if (r == -ENOSPC && job_is_going_back(job)) {
                /* the one that is there leads back as well */
                job_log(job, LOG_WARNING, LOG_MESSAGE_STATE_FILE,
                        "cannot write the transaction's record anew: /run/daxd is full");
        } else if (r < 0) {
                (void)failure_set(&failure, CONDITION_KERNEL,
                                  "cannot write the transaction's record in /run/daxd (%s)%s",
                                  text_errno(r), begun ? "" : "; nothing was changed");
                if (begun)
                        job_fail(job, 0, &failure);
                else
                        job_refuse(job, 0, &failure);
                return;
        }

        job->stage = JOB_RUNNING;
        job_next_steps(job);
}

/* What the step that is shown is called. One that cannot be interrupted is waited for. */
static void job_name_step(Job *job) {
        const Plan *plan = job->plan;
        bool waits = job->cancelled && !job_is_going_back(job);
        char *name = NULL;

        if (job->shown_step < plan->n_steps)
                name = plan_step_describe(plan, &plan->steps[job->shown_step]);
        free(job->step_name);
        job->step_name = name;
        if (name && waits && asprintf(&name, "%s (cancelled: this step ends first)", name) >= 0) {
                free(job->step_name);
                job->step_name = name;
        }
}

/* Shows that @step is under way, and how much of it is done, from 0 to 1. */
static void job_show_step(Job *job, size_t step, double part) {
        double n_steps = MAX(job->plan->n_steps, (size_t)1);
        double progress = MIN(((double)step + part) / n_steps, 1.0);

        job->untold |= !job->step_name || step != job->shown_step || progress != job->progress;
        job->progress = progress;
        if (!job->step_name || step != job->shown_step) {
                job->shown_step = step;
                job_name_step(job);
        }
}

/* What the devices are called that the first @n of the steps have made. */
static int job_take_made(Job *job, size_t n) {
        int r = record_catch_up(job->record); /* also for what a worker did that has died */

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const PlanStep *step = &job->plan->steps[job->step + i];
                const RecordDevice *entry = &job->record->devices[job->sent[i].entry];

                if (step->op != PLAN_CREATE)
                        continue;
                r = plan_set_name(job->plan, step->device, entry->name);
                job->devices[step->device].identity = entry->identity;
        }

        return r;
}

/* Keeps the devices that the answer brought; they are final. */
static int job_take_fresh(Job *job, WorkerAnswer *answer) {
        DaxRegion *from;
        int r = 0;

        if (answer->machine.n_regions == 0)
                return 0;
        if (!job->fresh && dax_region_new(&job->fresh) < 0)
                return -ENOMEM;

        from = answer->machine.regions[0];
        while (r >= 0 && from->n_devices > 0) {
                const DaxDevice *device = from->devices[--from->n_devices];

                dax_device_unref(dax_region_take(job->fresh, device->name));
                r = dax_region_add(job->fresh, device);
        }
        return r;
}

/* What came of the steps that were sent, in the record and in what is known. 0, or why not. */
static int job_take_answer(Job *job, int error, WorkerAnswer *answer, Failure *failure) {
        size_t done = error < 0 ? job->n_sent : MIN(answer->result.steps, (uint64_t)job->n_sent);
        bool failed = error >= 0 && answer->result.problem != WORKER_OK;
        int r, s;

        job->begun = job->step + MIN(done + failed, job->n_sent);

        r = job_take_made(job, error < 0 ? 0 : done);
        job->undecided = error >= 0 && answer->result.problem == WORKER_UNDECIDED;
        if (error >= 0 && !job->undecided)
                job->record->awaited = SIZE_MAX; /* the worker knows that it has left nothing */
        s = error < 0 ? 0 : job_take_fresh(job, answer);
        /* a step that failed may have been carried out; of a dead worker nobody knows */
        for (size_t i = 0; i < done + failed && i < job->n_sent; i++)
                job->record->published |= record_lets_in(job->record,
                                                         job->plan->steps[job->step + i].op);
        if (error >= 0)
                job->step += done;

        if (error < 0)
                return report_unreachable(error, failure);
        if (failed && job->step < job->plan->n_steps)
                return report_step(job->plan, &job->plan->steps[job->step], &answer->result,
                                   failure);
        if (failed)
                return report_read(job->request.region, &answer->result, failure);
        if (r < 0 || s < 0)
                return r < 0 ? r : s;
        return done < job->n_sent ? -EBADMSG : 0;
}

/* Then others may have been at devices that were done first: they are all read again. */
static bool job_took_long(const Job *job) {
        for (size_t i = 0; i < job->plan->n_steps; i++)
                if (job->plan->steps[i].op == PLAN_WIPE ||
                    plan_step_is_memory(job->plan, &job->plan->steps[i]))
                        return true;

        return false;
}

/* Whether the answer to the steps that are sent has the region as it is in the end, too. */
static bool job_ends_with_sent(const Job *job) {
        return job->step + job->n_sent == job->plan->n_steps && !job_took_long(job);
}

static void job_steps_done(int error, WorkerAnswer *answer, void *userdata) {
        Job *job = userdata;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        bool ends = job_ends_with_sent(job);
        int r;

        job->call = NULL;
        job->last_serial = answer->serial;
        if (error >= 0 && answer->result.problem == WORKER_STALE && job->presumed != 0) {
                job_read_after_all(job);
                return;
        }
        job->presumed = 0;
        r = job_take_answer(job, error, answer, &failure);
        if (error < 0 && job->record->resumes && job->record->forward &&
            ++job->record->attempts < ATTEMPTS_MAX) {
                job_settle(job); /* as a new daxd would: a layout goes on */
                return;
        }
        if (r != 0) {
                job_fail(job, r, &failure);
                return;
        }
        if (job->cancelled && job->record->forward && !job->settles) {
                (void)failure_set(&failure, CONDITION_CANCELLED, "cancelled after step %zu of %zu",
                                  job->step, job->plan->n_steps);
                job_fail(job, 0, &failure);
                return;
        }

        if (ends) {
                job_show_step(job, job->step, 0);
                job->stage = JOB_VERIFYING;
                job->read_all = false;
                job_take_region(job, answer);
        } else {
                job_next_steps(job);
        }
}

static void job_prepare_step(const Job *job, size_t number, WorkerStep *ret_step) {
        const PlanStep *step = &job->plan->steps[number];
        const PlanDevice *device = &job->plan->devices[step->device];
        const JobDevice *known = &job->devices[step->device];

        *ret_step = (WorkerStep){
                .op = step->op,
                .mode = step->mode,
                .state = step->state,
                .entry = known->entry,
                .identity = known->identity,
                .value = step->value,
                .range = step->range,
                .first_block = step->first_block,
                .n_blocks = step->n_blocks,
                .is_last = known->last_step == number,
        };
        memcpy(ret_step->device, device->name, sizeof(device->name));
        if (step->op == PLAN_PUBLISH) {
                ret_step->mode = device->after->mode;
                ret_step->value = dax_ranges_hash(&device->after->ranges);
                memcpy(ret_step->label, device->after->label, sizeof(ret_step->label));
                ret_step->access = device->after->access;
        }
}

/* The steps from the next one on that one worker can do in one go. */
static int job_prepare_steps(Job *job, bool *ret_memory) {
        const Plan *plan = job->plan;
        size_t n_max = MIN(plan->n_steps - job->step, (size_t)WORKER_STEPS_MAX);
        int r;

        free(job->sent);
        job->n_sent = 0;
        job->sent = calloc(n_max, sizeof(*job->sent));
        if (!job->sent)
                return -ENOMEM;

        *ret_memory = plan_step_is_memory(plan, &plan->steps[job->step]);
        for (; job->n_sent < n_max; job->n_sent++) {
                size_t number = job->step + job->n_sent;

                if (plan_step_is_memory(plan, &plan->steps[number]) != *ret_memory)
                        break;
                job_prepare_step(job, number, &job->sent[job->n_sent]);
        }

        r = record_steps(job->record, job->sent, job->n_sent, job->step);
        return job_is_going_back(job) && r == -ENOSPC ? 0 : r; /* what is there leads back, too */
}

static int job_open_witness(Job *job) {
        int fd;

        if (job->witness_fd >= 0)
                return 0;
        fd = witnesses_open(engine_witnesses(job->engine), job->plan->now->identity);
        if (fd < 0)
                return fd;
        job->witness_fd = fd;
        return 0;
}

static void job_next_steps(Job *job) {
        WorkerTask task = { .request = job_request(job, WORKER_STEPS), .done = job_steps_done };
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        int r;

        job_show_step(job, job->step, 0);
        if (job->step == job->plan->n_steps) {
                job->stage = JOB_VERIFYING;
                job_read(job, job_took_long(job));
                return;
        }

        r = job_prepare_steps(job, &task.memory);
        if (r >= 0)
                r = job_open_witness(job);
        if (r < 0) {
                job_fail(job, r, &failure);
                return;
        }

        if (job->request.force || job->record->force)
                task.request.flags |= WORKER_FORCE;
        if (job_ends_with_sent(job))
                task.request.flags |= WORKER_THEN_REGION;
        task.request.follows = job->step > 0 ? job->last_serial : 0;
        task.request.outline = job->presumed;
        task.request.n_steps = job->n_sent;
        task.steps = job->sent;
        task.fds[0] = job->record->fd;
        task.fds[1] = job->witness_fd;
        job_call(job, &task);
}

/* --- back ------------------------------------------------------------------------------------- */

static void job_restore_done(int error, WorkerAnswer *answer, void *userdata) {
        Job *job = userdata;

        job->call = NULL;
        if (error < 0)
                (void)report_unreachable(error, &job->unrestored);
        else if (answer->result.problem != WORKER_OK)
                (void)report_restore(&answer->result, &job->unrestored);
        else
                job->record->told[0] = job->record->auto_online[0] = '\0';
        if (job->unrestored.message)
                job_log(job, LOG_WARNING, LOG_MESSAGE_NOT_RESTORED,
                        "cannot undo what a bind has left: %s", job->unrestored.message);
        job->stage = JOB_READING;
        job_read(job, true);
}

/* Reads what is and plans from there, after putting in order what a bind may have left. */
static void job_settle(Job *job) {
        const Record *record = job->record;
        WorkerTask task = { .request = { .op = WORKER_RESTORE },
                            .memory = record->auto_online[0] != '\0',
                            .done = job_restore_done };

        job->stage = JOB_READING;
        job->fresh = dax_region_free(job->fresh);
        job_show_nothing(job);
        failure_deinit(&job->unrestored);
        if (record->auto_online[0] == '\0' && record->told[0] == '\0') {
                job_read(job, true);
                return;
        }

        strcpy(task.request.value, record->auto_online);
        strcpy(task.request.device, record->told);
        task.request.mode = record->told_mode;
        job_call(job, &task);
}

/* What comes back without what was in it: who hears of the failure hears of that. */
static void job_tell_lost(Job *job) {
        _cleanup_free_ char *whose = NULL;
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        if (!job->plan || report_lost(job->plan, job->begun, &whose) < 0 || !whose)
                return;
        (void)failure_set(&failure, job->failure.condition,
                          "%s; what was in %s is lost, in whole or in part: it was wiped, or was "
                          "the system's, meanwhile",
                          failure_message(&job->failure), whose);
        (void)failure_move(&job->failure, &failure);
}

static void job_go_back(Job *job) {
        if (job->record->forward)
                job_tell_lost(job);
        job->record->forward = false;
        job_settle(job);
}

void job_start(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        if (!job->settles) {
                job->stage = JOB_READING;
                job_presume(job);
                return;
        }

        /* a record of an earlier daxd: a layout goes on, anything else goes back */
        if (job->record->attempts >= ATTEMPTS_MAX) {
                (void)failure_set(&failure, CONDITION_ROLLBACK_FAILED, "tried %" PRIu64 " times",
                                  job->record->attempts);
                job_give_up(job, &failure, job_now(job));
                return;
        }
        job->record->attempts++;
        if (!job->record->resumes)
                job->record->forward = false;
        job_settle(job);
}

void job_cancel(Job *job) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;

        if (!job_is_cancelable(job))
                return;

        job->cancelled = true;
        if (job->stage == JOB_QUEUED) {
                job_refuse(job,
                           failure_set(&failure, CONDITION_CANCELLED, "cancelled before it began"),
                           &failure);
                return;
        }

        if (job->stage == JOB_RUNNING && job->call) {
                worker_call_interrupt(job->call);
                job_name_step(job);
        }
        engine_job_changed(job->engine, job);
}
