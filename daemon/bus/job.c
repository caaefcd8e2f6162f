/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.daxd1.Job: one object below /org/daxd1/job while a transaction waits or runs. */

#include "daemon/bus/internal.h"

#include <string.h>

static uint32_t job_shown_step(const Job *job) {
        return job->plan && job->stage >= JOB_RUNNING ?
                       MIN(job->shown_step + 1, job->plan->n_steps) :
                       0;
}

static int get_property(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Job *job = userdata;

        if (strcmp(property, "Id") == 0)
                return sd_bus_message_append(reply, "t", job->id);
        if (strcmp(property, "Tag") == 0)
                return sd_bus_message_append(reply, "s", job->request.tag ?: "");
        if (strcmp(property, "Sender") == 0)
                return sd_bus_message_append(reply, "s", job->request.sender ?: "");
        if (strcmp(property, "Uid") == 0)
                return sd_bus_message_append(reply, "u", (uint32_t)job->request.uid);
        if (strcmp(property, "Origin") == 0)
                return sd_bus_message_append(reply, "s", job_origin_name(job->request.origin));
        if (strcmp(property, "Operation") == 0)
                return sd_bus_message_append(reply, "s", job->request.operation);
        if (strcmp(property, "Step") == 0) /* counted from 1; 0 while nothing runs */
                return sd_bus_message_append(reply, "u", job_shown_step(job));
        if (strcmp(property, "Steps") == 0)
                return sd_bus_message_append(reply, "u",
                                             (uint32_t)(job->plan ? job->plan->n_steps : 0));
        if (strcmp(property, "StepName") == 0)
                return sd_bus_message_append(reply, "s", job->step_name ?: "");
        if (strcmp(property, "Progress") == 0)
                return sd_bus_message_append(reply, "d", job->progress);
        if (strcmp(property, "StartTime") == 0)
                return sd_bus_message_append(reply, "t", job->start_time);
        if (strcmp(property, "Cancelable") == 0)
                return sd_bus_message_append(reply, "b", job_is_cancelable(job));
        return -ENOENT;
}

static int append_device(sd_bus_message *reply, const char *name) {
        _cleanup_free_ char *path = path_of_device(name);

        return path ? sd_bus_message_append(reply, "o", path) : -ENOMEM;
}

/* The region, and those devices of it that the plan changes and that are there already. */
static int get_objects(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Job *job = userdata;
        _cleanup_free_ char *region = path_of_region(job->request.region);
        int r;

        if (!region)
                return -ENOMEM;
        r = sd_bus_message_open_container(reply, 'a', "o");
        if (r >= 0)
                r = sd_bus_message_append(reply, "o", region);
        if (r >= 0 && !job->plan && job->request.device[0] != '\0')
                r = append_device(reply, job->request.device);
        for (size_t i = 0; r >= 0 && job->plan && i < job->plan->n_devices; i++)
                if (job->plan->devices[i].action != PLAN_KEEP && job->plan->devices[i].before)
                        r = append_device(reply, job->plan->devices[i].name);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int job_cancel_method(Call *call, Failure *failure) {
        Job *job = engine_find_job(call->bus->engine, call->job);

        if (!job)
                return failure_set(failure, CONDITION_INVALID_ARGS,
                                   "cannot cancel job %s: it has ended already",
                                   strrchr(sd_bus_message_get_path(call->message), '/') + 1);
        if (!job_is_cancelable(job) && !job->cancelled)
                return failure_set(failure, CONDITION_BUSY, "cannot cancel %s: it %s",
                                   job->request.operation,
                                   job_is_going_back(job) ? "is being rolled back already" :
                                                            "is ending already");
        job_cancel(job);
        return call_reply(call, NULL);
}

static const OptionSpec no_options = 0;

const Method job_methods[] = {
        { BUS_JOB, "Cancel", 0, &no_options, job_cancel_method },
        {},
};

const sd_bus_vtable job_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Id", "t", get_property),
        CONSTANT("Tag", "s", get_property),
        CONSTANT("Sender", "s", get_property),
        CONSTANT("Uid", "u", get_property),
        CONSTANT("Origin", "s", get_property),
        CONSTANT("Operation", "s", get_property),
        PROPERTY("Objects", "ao", get_objects),
        PROPERTY("Step", "u", get_property),
        PROPERTY("Steps", "u", get_property),
        PROPERTY("StepName", "s", get_property),
        PROPERTY("Progress", "d", get_property),
        CONSTANT("StartTime", "t", get_property),
        PROPERTY("Cancelable", "b", get_property),
        SD_BUS_METHOD_WITH_NAMES("Cancel", "a{sv}", SD_BUS_PARAM(options), "", , call_dispatch,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL_WITH_NAMES("Finished", "sss",
                                 SD_BUS_PARAM(result) SD_BUS_PARAM(error_name)
                                         SD_BUS_PARAM(message),
                                 0),
        SD_BUS_VTABLE_END,
};
