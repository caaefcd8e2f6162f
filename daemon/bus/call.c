/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The way of every method call: find its line, read its argument and options, learn who calls,
 * decide, hand on. No method has a way of its own. The bus is asked for the caller's uid without
 * waiting, once for all that he calls meanwhile, which is then done in that order; the object is
 * looked up again by name and incarnation when its transaction begins.
 */

#include "daemon/bus/internal.h"
#include "daemon/bus/weigh.h"
#include "daemon/util/log.h"

#include <stdarg.h>
#include <string.h>

Call *call_free(Call *call) {
        if (!call)
                return NULL;

        layout_free(call->layout);
        options_deinit(&call->options);
        sd_bus_message_unref(call->message);
        free(call);
        return NULL;
}

int call_reply(Call *call, const char *types, ...) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        va_list args;
        int r;

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0 && types) {
                va_start(args, types);
                r = sd_bus_message_appendv(reply, types, args);
                va_end(args);
        }
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        call_free(call);
        return r < 0 ? r : 0;
}

void call_reply_failure(Call *call, const Failure *failure) {
        sd_bus_error error = SD_BUS_ERROR_NULL;

        bus_error_set(&error, failure);
        (void)sd_bus_reply_method_error(call->message, &error);
        sd_bus_error_free(&error);
        call_free(call);
}

int refuse_word(const char *what, const char *word, Condition condition, const char *use,
                Failure *failure) {
        _cleanup_free_ char *shown = text_escape(word, 64);

        return shown ? failure_set(failure, condition, "cannot take the %s '%s': %s", what, shown,
                                   use) :
                       -ENOMEM;
}

static const Method *find_method(const char *interface, const char *member) {
        static const struct {
                const char *interface;
                const Method *methods;
        } tables[] = {
                { BUS_MANAGER, manager_methods }, { BUS_REGION, region_methods },
                { BUS_DEVICE, device_methods },   { BUS_LAYOUT, layout_methods },
                { BUS_JOB, job_methods },         { BUS_PROPERTIES, log_control_methods },
        };

        for (size_t i = 0; i < ELEMENTS(tables); i++)
                if (strcmp(tables[i].interface, interface) == 0)
                        for (const Method *m = tables[i].methods; m->member; m++)
                                if (strcmp(m->member, member) == 0)
                                        return m;

        return NULL;
}

static int call_read(Call *call, Failure *failure) {
        sd_bus_message *message = call->message;
        uint32_t id;
        int r = 0;

        switch (call->method->argument) {
        case 's':
                r = sd_bus_message_read(message, "s", &call->string);
                break;
        case 't':
                r = sd_bus_message_read(message, "t", &call->number);
                break;
        case 'u':
                r = sd_bus_message_read(message, "u", &id);
                call->number = id;
                break;
        default:
                break;
        }
        if (r >= 0 && call->method->options)
                r = options_read(message, *call->method->options, &call->options, failure);
        if (r == 0 && call->method->takes_layout)
                r = layout_parse("", NULL, call->string, strlen(call->string), &call->layout,
                                 failure);
        return r;
}

static int refuse_gone_device(const char *path, const char *member, Failure *failure) {
        _cleanup_free_ char *name = name_at(path);

        return name ? failure_set(failure, CONDITION_NO_SUCH_DEVICE,
                                  "cannot call %s of %s: it is not there any more" ADVICE_DEVICES,
                                  member, name) :
                      -ENOMEM;
}

/* Notes which object is called, so that it is found again, or found to be another. */
static int call_find_object(Call *call, Failure *failure) {
        const char *path = sd_bus_message_get_path(call->message);
        const char *interface = call->method->interface, *member = call->method->member;

        if (strcmp(interface, BUS_REGION) == 0) {
                const DaxRegion *region = bus_region_at(call->bus, path);

                if (!region)
                        return failure_set(failure, CONDITION_NO_SUCH_REGION,
                                           "cannot call %s of region %s: it is not there any "
                                           "more" ADVICE_REGIONS,
                                           member, strrchr(path, '/') + 1);
                call->region = region->id;
        } else if (strcmp(interface, BUS_DEVICE) == 0) {
                DaxRegion *region;
                const DaxDevice *device = bus_device_at(call->bus, path, &region);

                if (!device)
                        return refuse_gone_device(path, member, failure);
                if (options_have(&call->options, OPTION_INCARNATION) &&
                    call->options.incarnation != device->incarnation)
                        return failure_set(failure, CONDITION_NO_SUCH_DEVICE,
                                           "cannot call %s of %s: the one of incarnation %llu is "
                                           "not there any more, and the name means another one "
                                           "now, of incarnation %llu" ADVICE_DEVICES,
                                           member, device->name,
                                           (unsigned long long)call->options.incarnation,
                                           (unsigned long long)device->incarnation);
                call->region = region->id;
                call->incarnation = device->incarnation;
                memcpy(call->device, device->name, sizeof(call->device));
        } else if (strcmp(interface, BUS_JOB) == 0) {
                const Job *job = bus_job_at(call->bus, path);

                call->job = job ? job->id : 0;
        }

        return 0;
}

static unsigned call_weights(const Call *call) {
        const Keeper *keeper = call->bus->keeper;
        const DaxMachine *machine = engine_machine(call->bus->engine);
        const Words words = { call->method->argument, call->string, call->number, &call->options };
        const DaxDevice *device = NULL;
        unsigned weights;

        if (call->device[0] != '\0')
                device = dax_machine_find_device(machine, call->device, NULL);
        weights = weigh_words(&words, device);
        if (call->layout)
                weights |= weigh_layout(call->layout, machine);
        if (strcmp(call->method->member, "Reconcile") == 0)
                for (size_t i = 0; i < keeper_count(keeper); i++)
                        if (keeper_get(keeper, i)->layout)
                                weights |= weigh_layout(keeper_get(keeper, i)->layout, machine);
        if (call->job != 0) {
                const Job *job = engine_find_job(call->bus->engine, call->job);

                if (job && job->request.uid != call->uid)
                        weights |= WEIGHT_ANOTHERS_JOB;
        }

        return weights;
}

static void call_fail(Call *call, int r, Failure *failure) {
        if (r < 0 && !failure->message)
                (void)failure_set(failure,
                                  r == -EBADMSG || r == -ENXIO ? CONDITION_INVALID_ARGS :
                                                                 CONDITION_KERNEL,
                                  "cannot carry out %s: %s", call->method->member, text_errno(r));
        call_reply_failure(call, failure);
}

static void call_run(Call *call) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        const Method *method = call->method;
        int r;

        log_debug("uid %u (%s) calls %s of %s", (unsigned)call->uid,
                  sd_bus_message_get_sender(call->message), method->member,
                  sd_bus_message_get_path(call->message));
        r = call_find_object(call, &failure);
        if (r == 0)
                r = authorize(call->uid,
                              authorize_actions(method->interface, method->member,
                                                call_weights(call)),
                              method->member, &failure);
        if (r == 0 && call->layout && authorize_one(call->uid, ACTION_MANAGE_LAYOUTS))
                r = layout_find_owners(call->layout, &failure);
        if (r == 0)
                r = method->handler(call, &failure);
        if (r != 0)
                call_fail(call, r, &failure);
}

/* Takes the first call of @sender, or of anybody where that is NULL, out of the waiting ones. */
static Call *take_unknown(Bus *bus, const char *sender) {
        for (Call **place = &bus->unknown; *place; place = &(*place)->next) {
                Call *call = *place;

                if (sender && strcmp(sd_bus_message_get_sender(call->message), sender) != 0)
                        continue;
                *place = call->next;
                return call;
        }

        return NULL;
}

void calls_drop(Bus *bus) {
        Call *call;

        while ((call = take_unknown(bus, NULL)))
                call_free(call);
}

static int call_uid_known(sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        Call *call = userdata;
        Bus *bus = call->bus;
        _cleanup_message_ sd_bus_message *first = sd_bus_message_ref(call->message);
        const char *sender = sd_bus_message_get_sender(first);
        uint32_t uid;
        bool known;

        known = !sd_bus_message_is_method_error(reply, NULL) &&
                sd_bus_message_read(reply, "u", &uid) >= 0;
        if (known)
                senders_add(&bus->senders, sender, uid);
        while ((call = take_unknown(bus, sender))) {
                if (known) {
                        call->uid = uid;
                        call_run(call);
                } else {
                        call_free(call); /* the caller is gone: nobody to answer */
                }
        }

        return 0;
}

static int call_ask_uid(Call *call) {
        const char *sender = sd_bus_message_get_sender(call->message);
        Call **place = &call->bus->unknown;
        bool asked = false;
        int r = 0;

        for (; *place; place = &(*place)->next)
                asked |= strcmp(sd_bus_message_get_sender((*place)->message), sender) == 0;
        if (!asked)
                r = sd_bus_call_method_async(call->bus->bus, NULL, "org.freedesktop.DBus",
                                             "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                             "GetConnectionUnixUser", call_uid_known, call, "s",
                                             sender);
        if (r >= 0)
                *place = call;
        return r;
}

int call_dispatch(sd_bus_message *message, void *userdata, sd_bus_error *error) {
        sd_bus_slot *slot = sd_bus_get_current_slot(sd_bus_message_get_bus(message));
        const char *sender = sd_bus_message_get_sender(message);
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Call *call;
        int r;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;
        call->bus = sd_bus_slot_get_userdata(slot);
        call->message = sd_bus_message_ref(message);
        call->method = find_method(sd_bus_message_get_interface(message),
                                   sd_bus_message_get_member(message));
        if (!call->method || !sender) {
                call_free(call);
                return sd_bus_error_set(error, SD_BUS_ERROR_ACCESS_DENIED, "not to be called");
        }

        r = call_read(call, &failure);
        if (r != 0) {
                call_fail(call, r, &failure);
                return 1;
        }

        if (senders_find(&call->bus->senders, sender, &call->uid)) {
                call_run(call);
                return 1;
        }

        r = call_ask_uid(call);
        if (r < 0)
                call_free(call);
        return r < 0 ? r : 1;
}

int call_make_request(const Call *call, const char *operation, JobRequest *ret_request) {
        JobRequest request = {
                .operation = operation,
                .region = call->region,
                .origin = JOB_ORIGIN_BUS,
                .uid = call->uid,
                .force = call->options.force,
        };

        memcpy(request.device, call->device, sizeof(request.device));
        request.sender = strdup(sd_bus_message_get_sender(call->message));
        request.tag = strdup(call->options.tag ?: "");
        if (!request.sender || !request.tag) {
                job_request_deinit(&request);
                return -ENOMEM;
        }

        *ret_request = request;
        return 0;
}
