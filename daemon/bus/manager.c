/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.daxd1.Manager */

#include "daemon/bus/internal.h"

#include <string.h>

static int get_version(sd_bus *sd, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        return sd_bus_message_append(reply, "s", DAXD_VERSION);
}

static int get_features(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        int r;

        r = sd_bus_message_open_container(reply, 'a', "s");
        for (OptionKey key = 0; r >= 0 && key < _OPTION_MAX; key++)
                r = sd_bus_message_append(reply, "s", option_name(key));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_block_size(sd_bus *sd, const char *path, const char *interface, const char *property,
                          sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Bus *bus = userdata;

        return sd_bus_message_append(reply, "t", engine_machine(bus->engine)->block_size);
}

static int get_auto_online(sd_bus *sd, const char *path, const char *interface,
                           const char *property, sd_bus_message *reply, void *userdata,
                           sd_bus_error *error) {
        const Bus *bus = userdata;

        return sd_bus_message_append(reply, "s", engine_machine(bus->engine)->auto_online);
}

static int manager_get_device(Call *call, Failure *failure) {
        _cleanup_free_ char *path = NULL, *shown = NULL;
        const DaxDevice *device;

        device = dax_machine_find_device(engine_machine(call->bus->engine), call->string, NULL);
        if (!device || device->size == 0) {
                shown = text_escape(call->string, 64);
                return shown ? failure_set(failure, CONDITION_NO_SUCH_DEVICE,
                                           "cannot get '%s': %s" ADVICE_DEVICES, shown,
                                           device ? "this device is empty (size 0)" :
                                                    "no device has this name or label") :
                               -ENOMEM;
        }

        path = path_of_device(device->name);
        return path ? call_reply(call, "o", path) : -ENOMEM;
}

static int manager_get_region(Call *call, Failure *failure) {
        _cleanup_free_ char *path = NULL;

        if (!dax_machine_find_region(engine_machine(call->bus->engine), call->number))
                return failure_set(failure, CONDITION_NO_SUCH_REGION,
                                   "cannot get region %llu: no region has this "
                                   "number" ADVICE_REGIONS,
                                   (unsigned long long)call->number);

        path = path_of_region(call->number);
        return path ? call_reply(call, "o", path) : -ENOMEM;
}

static int manager_describe(Call *call, Failure *failure) {
        _cleanup_free_ char *text = NULL;
        int r;

        r = bus_describe(call->bus, authorize_one(call->uid, ACTION_READ_ADDRESSES), &text);
        return r < 0 ? r : call_reply(call, "s", text);
}

static void refresh_done(const Failure *failure, void *userdata) {
        Call *call = userdata;

        if (failure)
                call_reply_failure(call, failure);
        else
                (void)call_reply(call, NULL);
}

static int manager_refresh(Call *call, Failure *failure) {
        return engine_refresh(call->bus->engine, refresh_done, call);
}

/* A plan that is refused is an answer to PlanLayout, and an error of ApplyLayout. */
static void layout_done(json_object *document, const Failure *failure, void *userdata) {
        Call *call = userdata;
        _cleanup_free_ char *text = NULL;
        bool dry_run = strcmp(call->method->member, "PlanLayout") == 0;

        if (failure && !dry_run) {
                call_reply_failure(call, failure);
                return;
        }
        if (!document || json_to_text(document, &text, NULL) < 0) {
                _cleanup_failure_ Failure memory = FAILURE_INIT;

                (void)failure_set(&memory, CONDITION_KERNEL,
                                  "the plan cannot be shown: out of memory");
                call_reply_failure(call, &memory);
                return;
        }

        (void)call_reply(call, "s", text);
}

static KeeperApply call_apply(const Call *call, bool dry_run) {
        return (KeeperApply){
                .origin = JOB_ORIGIN_BUS,
                .operation = call->method->member,
                .tag = call->options.tag,
                .sender = sd_bus_message_get_sender(call->message),
                .expect = call->options.expect,
                .uid = call->uid,
                .force = call->options.force,
                .dry_run = dry_run,
        };
}

static int manager_layout(Call *call, Failure *failure) {
        const KeeperApply apply = call_apply(call, strcmp(call->method->member, "PlanLayout") == 0);

        return keeper_apply(call->bus->keeper, TAKE_PTR(call->layout), &apply, layout_done, call,
                            failure);
}

static int manager_reload(Call *call, Failure *failure) {
        const KeeperApply apply = call_apply(call, false);
        int r;

        r = keeper_reload(call->bus->keeper, &apply);
        return r < 0 ? r : call_reply(call, NULL);
}

static int manager_reconcile(Call *call, Failure *failure) {
        const KeeperApply apply = call_apply(call, call->options.dry_run);

        return keeper_reconcile(call->bus->keeper, &apply, layout_done, call, failure);
}

static const OptionSpec no_options = 0;
static const OptionSpec plan_options = OPTION(TAG) | OPTION(FORCE);
static const OptionSpec change_options = CHANGE_OPTIONS;
static const OptionSpec apply_options = CHANGE_OPTIONS | OPTION(EXPECT);
static const OptionSpec reconcile_options = CHANGE_OPTIONS | OPTION(DRY_RUN);

const Method manager_methods[] = {
        { BUS_MANAGER, "GetDevice", 's', &no_options, manager_get_device },
        { BUS_MANAGER, "GetRegion", 'u', &no_options, manager_get_region },
        { BUS_MANAGER, "Describe", 0, &no_options, manager_describe },
        { BUS_MANAGER, "Refresh", 0, &no_options, manager_refresh },
        { BUS_MANAGER, "PlanLayout", 's', &plan_options, manager_layout, true },
        { BUS_MANAGER, "ApplyLayout", 's', &apply_options, manager_layout, true },
        { BUS_MANAGER, "Reload", 0, &change_options, manager_reload },
        { BUS_MANAGER, "Reconcile", 0, &reconcile_options, manager_reconcile },
        {},
};

#define METHOD(name, in, in_names, out, out_names)                                                 \
        SD_BUS_METHOD_WITH_NAMES(name, in, in_names, out, out_names, call_dispatch,                \
                                 SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Features", "as", get_features, 0, SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("MemoryBlockSize", "t", get_block_size, 0,
                        SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_PROPERTY("AutoOnline", "s", get_auto_online, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        METHOD("GetDevice", "sa{sv}", SD_BUS_PARAM(name_or_label) SD_BUS_PARAM(options), "o",
               SD_BUS_PARAM(device)),
        METHOD("GetRegion", "ua{sv}", SD_BUS_PARAM(id) SD_BUS_PARAM(options), "o",
               SD_BUS_PARAM(region)),
        METHOD("Describe", "a{sv}", SD_BUS_PARAM(options), "s", SD_BUS_PARAM(json)),
        METHOD("Refresh", "a{sv}", SD_BUS_PARAM(options), "", ),
        METHOD("PlanLayout", "sa{sv}", SD_BUS_PARAM(layout_json) SD_BUS_PARAM(options), "s",
               SD_BUS_PARAM(plan_json)),
        METHOD("ApplyLayout", "sa{sv}", SD_BUS_PARAM(layout_json) SD_BUS_PARAM(options), "s",
               SD_BUS_PARAM(plan_json)),
        METHOD("Reload", "a{sv}", SD_BUS_PARAM(options), "", ),
        METHOD("Reconcile", "a{sv}", SD_BUS_PARAM(options), "s", SD_BUS_PARAM(json)),
        SD_BUS_VTABLE_END,
};
