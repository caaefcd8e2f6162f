/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.daxd1.Device: one object below /org/daxd1/device for each device that has memory. */

#include "daemon/bus/internal.h"

#include <stdio.h>
#include <string.h>

static int get_property(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const DaxDevice *device = userdata;
        _cleanup_free_ char *region = NULL;
        char node[DAX_NAME_MAX + 8];
        uint32_t id, instance;

        if (strcmp(property, "Name") == 0)
                return sd_bus_message_append(reply, "s", device->name);
        if (strcmp(property, "Incarnation") == 0)
                return sd_bus_message_append(reply, "t", device->incarnation);
        if (strcmp(property, "Label") == 0)
                return sd_bus_message_append(reply, "s", device->label);
        if (strcmp(property, "Id") == 0)
                return sd_bus_message_append(reply, "u", device->instance);
        if (strcmp(property, "Size") == 0)
                return sd_bus_message_append(reply, "t", device->size);
        if (strcmp(property, "Align") == 0)
                return sd_bus_message_append(reply, "t", device->align);
        if (strcmp(property, "Mode") == 0)
                return sd_bus_message_append(reply, "s", dax_mode_name(device->mode));
        if (strcmp(property, "TargetNode") == 0)
                return sd_bus_message_append(reply, "i", device->target_node);
        if (strcmp(property, "NumaNode") == 0)
                return sd_bus_message_append(reply, "i", device->numa_node);
        if (strcmp(property, "MemmapOnMemory") == 0)
                return sd_bus_message_append(reply, "b", device->memmap_on_memory == 1);
        if (strcmp(property, "OnlineBlocks") == 0)
                return sd_bus_message_append(reply, "u",
                                             (uint32_t)dax_device_online_blocks(device));
        if (strcmp(property, "TotalBlocks") == 0)
                return sd_bus_message_append(reply, "u", (uint32_t)device->n_blocks);
        if (strcmp(property, "Movable") == 0)
                return sd_bus_message_append(reply, "b", dax_device_is_movable(device));
        if (strcmp(property, "Tainted") == 0)
                return sd_bus_message_append(reply, "b", device->tainted);
        if (strcmp(property, "DevNode") == 0) {
                snprintf(node, sizeof(node), "/dev/%s", device->name);
                return sd_bus_message_append(reply, "s", node);
        }
        if (strcmp(property, "Region") == 0 &&
            text_parse_device_name(device->name, &id, &instance) == 0) {
                region = path_of_region(id);
                return region ? sd_bus_message_append(reply, "o", region) : -ENOMEM;
        }

        return -ENOENT;
}

static int get_ranges(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const DaxDevice *device = userdata;
        int r;

        r = sd_bus_message_open_container(reply, 'a', "(tt)");
        for (size_t i = 0; r >= 0 && i < device->ranges.count; i++)
                r = sd_bus_message_append(reply, "(tt)", device->ranges.list[i].offset,
                                          device->ranges.list[i].size);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* --- changing --------------------------------------------------------------------------------- */

/* The picture with the called device taken from @now into *@ret_device, to be changed. */
static int want_device(const JobView *view, const Call *call, DaxRegion **ret_wanted,
                       DaxDevice **ret_device, Failure *failure) {
        const DaxDevice *now = dax_region_find(view->now, call->device);
        DaxRegion *wanted;

        if (!now || now->size == 0 || now->incarnation != call->incarnation)
                return failure_set(failure, CONDITION_NO_SUCH_DEVICE,
                                   "cannot change %s: %s" ADVICE_DEVICES, call->device,
                                   now && now->size > 0 ? "its name means another device now" :
                                                          "it is not there any more");
        if (dax_region_copy(view->now, &wanted) < 0)
                return -ENOMEM;

        if (dax_region_edit(wanted, now, ret_device) < 0) {
                dax_region_free(wanted);
                return -ENOMEM;
        }

        *ret_wanted = wanted;
        return 0;
}

static int apply_size(const Call *call, uint64_t size, DaxDevice *device, Failure *failure) {
        if (size == 0)
                return failure_set(failure, CONDITION_INVALID_SIZE,
                                   "cannot resize %s to 0 bytes: use Destroy to give its memory "
                                   "back",
                                   call->device);
        device->size = size;
        return 0;
}

static int apply_ranges(const Call *call, DaxDevice *device, Failure *failure) {
        const Options *options = &call->options;
        uint64_t size = dax_ranges_size(&options->ranges);

        if (options->ranges.count == 0)
                return 0;
        if (options_have(options, OPTION_SIZE) && options->size != size)
                return failure_set(failure, CONDITION_INVALID_SIZE,
                                   "cannot resize %s to %llu bytes: its ranges are %llu together",
                                   call->device, (unsigned long long)options->size,
                                   (unsigned long long)size);

        dax_ranges_deinit(&device->ranges);
        device->size = size;
        return dax_ranges_copy(&options->ranges, &device->ranges);
}

static int apply_mode(const Call *call, DaxMode mode, DaxDevice *device, Failure *failure) {
        const Options *options = &call->options;
        bool fresh = mode == DAX_MODE_SYSTEM_RAM && device->mode != DAX_MODE_SYSTEM_RAM;

        device->mode = mode;
        if (options_have(options, OPTION_ONLINE)) {
                if (mode != DAX_MODE_SYSTEM_RAM)
                        return failure_set(failure, CONDITION_INVALID_MODE,
                                           "cannot bring memory of %s online: it is %s, and only "
                                           "system-ram has memory blocks",
                                           call->device, dax_mode_name(mode));
                device->online = options->online;
        } else if (fresh) {
                device->online = DAX_ONLINE_MOVABLE;
        }
        if (options_have(options, OPTION_MEMMAP_ON_MEMORY))
                device->memmap_on_memory = options->memmap_on_memory;
        else if (mode != DAX_MODE_SYSTEM_RAM && device->memmap_on_memory == 1)
                device->memmap_on_memory = 0;
        return 0;
}

static int reconfigure_want(const JobView *view, DaxRegion **ret_wanted, Failure *failure,
                            void *userdata) {
        const Call *call = userdata;
        const Options *options = &call->options;
        _cleanup_region_ DaxRegion *wanted = NULL;
        DaxDevice *device;
        DaxMode mode;
        int r;

        r = want_device(view, call, &wanted, &device, failure);
        if (r != 0)
                return r;

        mode = options_have(options, OPTION_MODE) ? options->mode : device->mode;
        if (options_have(options, OPTION_ALIGN))
                device->align = options->align;
        if (options_have(options, OPTION_WIPE))
                device->wipe = options->wipe;
        if (call->method->argument == 't')
                r = apply_size(call, call->number, device, failure);
        else if (options_have(options, OPTION_SIZE))
                r = apply_size(call, options->size, device, failure);
        if (r == 0)
                r = apply_ranges(call, device, failure);
        if (r == 0)
                r = apply_mode(call, mode, device, failure);
        if (r == 0)
                *ret_wanted = TAKE_PTR(wanted);
        return r;
}

static int memory_want(const JobView *view, DaxRegion **ret_wanted, Failure *failure,
                       void *userdata) {
        const Call *call = userdata;
        _cleanup_region_ DaxRegion *wanted = NULL;
        DaxDevice *device;
        int r;

        r = want_device(view, call, &wanted, &device, failure);
        if (r != 0)
                return r;
        if (device->mode != DAX_MODE_SYSTEM_RAM)
                return failure_set(failure, CONDITION_INVALID_MODE,
                                   "cannot bring memory of %s online or offline: it is %s; "
                                   "SetMode makes it system-ram",
                                   call->device, dax_mode_name(device->mode));
        if (device->tainted)
                return failure_set(failure, CONDITION_TAINTED,
                                   "cannot change memory of %s: it leaked and stays System RAM "
                                   "until the next reboot",
                                   call->device);

        device->online = call->string ? dax_online_from_name(call->string) : DAX_ONLINE_OFFLINE;
        *ret_wanted = TAKE_PTR(wanted);
        return 0;
}

static int label_want(const JobView *view, DaxRegion **ret_wanted, Failure *failure,
                      void *userdata) {
        const Call *call = userdata;
        const DaxDevice *taken = engine_find_label(call->bus->engine, call->string, call->region);
        _cleanup_region_ DaxRegion *wanted = NULL;
        DaxDevice *device;
        int r;

        r = want_device(view, call, &wanted, &device, failure);
        if (r != 0)
                return r;
        if (taken && strcmp(taken->name, call->device) != 0)
                return failure_set(failure, CONDITION_LABEL_IN_USE,
                                   "cannot label %s %s: %s has this label; use another",
                                   call->device, call->string, taken->name);

        memset(device->label, 0, sizeof(device->label));
        strncpy(device->label, call->string, LABEL_MAX);
        if (call->string[0] == '\0') /* a node without a name is root's */
                device->access = (DaxAccess){};
        *ret_wanted = TAKE_PTR(wanted);
        return 0;
}

static int destroy_want(const JobView *view, DaxRegion **ret_wanted, Failure *failure,
                        void *userdata) {
        const Call *call = userdata;
        _cleanup_region_ DaxRegion *wanted = NULL;
        DaxDevice *device;
        int r;

        r = want_device(view, call, &wanted, &device, failure);
        if (r != 0)
                return r;

        dax_device_unref(dax_region_take(wanted, call->device));
        *ret_wanted = TAKE_PTR(wanted);
        return 0;
}

static void change_done(JobResult result, const Plan *plan, const Failure *failure,
                        void *userdata) {
        Call *call = userdata;

        if (result == JOB_DONE)
                (void)call_reply(call, NULL);
        else
                call_reply_failure(call, failure);
}

static int device_change(Call *call, int (*want)(const JobView *, DaxRegion **, Failure *, void *),
                         Failure *failure) {
        JobRequest request;
        int r;

        r = call_make_request(call, call->method->member, &request);
        if (r < 0)
                return r;
        request.want = want;
        request.done = change_done;
        request.userdata = call;
        return engine_submit(call->bus->engine, &request, NULL, failure);
}

static int device_reconfigure(Call *call, Failure *failure) {
        return device_change(call, reconfigure_want, failure);
}

static int device_set_mode(Call *call, Failure *failure) {
        call->options.mode = dax_mode_from_name(call->string);
        if (call->options.mode == _DAX_MODE_INVALID)
                return refuse_word("mode", call->string, CONDITION_INVALID_MODE,
                                   "use devdax, system-ram or none", failure);
        call->options.present |= OPTION(MODE);
        return device_change(call, reconfigure_want, failure);
}

static int device_online(Call *call, Failure *failure) {
        DaxOnline online = dax_online_from_name(call->string);

        if (online != DAX_ONLINE_MOVABLE && online != DAX_ONLINE_KERNEL)
                return refuse_word("policy", call->string, CONDITION_INVALID_MODE,
                                   "use movable or kernel", failure);
        return device_change(call, memory_want, failure);
}

static int device_offline(Call *call, Failure *failure) {
        return device_change(call, memory_want, failure);
}

static int device_set_label(Call *call, Failure *failure) {
        if (call->string[0] != '\0' && !text_is_label(call->string))
                return refuse_word("label", call->string, CONDITION_INVALID_LABEL,
                                   "use up to 63 of a-z, 0-9, '.', '_' and '-', beginning with a "
                                   "letter or digit, and nothing that reads as a device's name or "
                                   "'all'",
                                   failure);
        return device_change(call, label_want, failure);
}

static int device_destroy(Call *call, Failure *failure) {
        return device_change(call, destroy_want, failure);
}

static void holders_done(const WorkerHolder *holders, size_t n_holders, const Failure *failure,
                         void *userdata) {
        Call *call = userdata;
        _cleanup_message_ sd_bus_message *reply = NULL;
        int r;

        if (failure) {
                call_reply_failure(call, failure);
                return;
        }

        r = sd_bus_message_new_method_return(call->message, &reply);
        if (r >= 0)
                r = sd_bus_message_open_container(reply, 'a', "(us)");
        for (size_t i = 0; r >= 0 && i < n_holders; i++) {
                _cleanup_free_ char *command = text_escape(holders[i].command,
                                                           sizeof(holders[i].command));

                r = command ? sd_bus_message_append(reply, "(us)", holders[i].pid, command) :
                              -ENOMEM;
        }
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        if (r >= 0)
                r = sd_bus_send(NULL, reply, NULL);
        if (r < 0)
                (void)sd_bus_reply_method_errno(call->message, r, NULL);
        call_free(call);
}

static int device_get_holders(Call *call, Failure *failure) {
        DaxRegion *region;
        const DaxDevice *device;

        device = dax_machine_find_device(engine_machine(call->bus->engine), call->device, &region);
        return engine_holders(call->bus->engine, region, device, holders_done, call);
}

static const OptionSpec no_options = 0;
static const OptionSpec change_options = CHANGE_OPTIONS;
static const OptionSpec reconfigure_options = CHANGE_OPTIONS | OPTION(SIZE) | OPTION(ALIGN) |
                                              OPTION(MODE) | OPTION(ONLINE) |
                                              OPTION(MEMMAP_ON_MEMORY) | OPTION(RANGES) |
                                              OPTION(WIPE);
static const OptionSpec resize_options = CHANGE_OPTIONS | OPTION(WIPE);
static const OptionSpec mode_options = CHANGE_OPTIONS | OPTION(ONLINE) | OPTION(MEMMAP_ON_MEMORY) |
                                       OPTION(WIPE);

const Method device_methods[] = {
        { BUS_DEVICE, "Reconfigure", 0, &reconfigure_options, device_reconfigure },
        { BUS_DEVICE, "Resize", 't', &resize_options, device_reconfigure },
        { BUS_DEVICE, "SetMode", 's', &mode_options, device_set_mode },
        { BUS_DEVICE, "OnlineMemory", 's', &change_options, device_online },
        { BUS_DEVICE, "OfflineMemory", 0, &change_options, device_offline },
        { BUS_DEVICE, "SetLabel", 's', &change_options, device_set_label },
        { BUS_DEVICE, "Destroy", 0, &change_options, device_destroy },
        { BUS_DEVICE, "GetHolders", 0, &no_options, device_get_holders },
        {},
};

#define METHOD(name, in, in_names)                                                                 \
        SD_BUS_METHOD_WITH_NAMES(name, in, in_names, "", , call_dispatch,                          \
                                 SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable device_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Name", "s", get_property),
        CONSTANT("Incarnation", "t", get_property),
        PROPERTY("Label", "s", get_property),
        CONSTANT("Region", "o", get_property),
        CONSTANT("Id", "u", get_property),
        PROPERTY("Size", "t", get_property),
        PROPERTY("Align", "t", get_property),
        PROPERTY("Mode", "s", get_property),
        CONSTANT("DevNode", "s", get_property),
        CONSTANT("TargetNode", "i", get_property),
        CONSTANT("NumaNode", "i", get_property),
        PROPERTY("Ranges", "a(tt)", get_ranges),
        PROPERTY("MemmapOnMemory", "b", get_property),
        PROPERTY("OnlineBlocks", "u", get_property),
        PROPERTY("TotalBlocks", "u", get_property),
        PROPERTY("Movable", "b", get_property),
        PROPERTY("Tainted", "b", get_property),
        METHOD("Reconfigure", "a{sv}", SD_BUS_PARAM(options)),
        METHOD("Resize", "ta{sv}", SD_BUS_PARAM(size) SD_BUS_PARAM(options)),
        METHOD("SetMode", "sa{sv}", SD_BUS_PARAM(mode) SD_BUS_PARAM(options)),
        METHOD("OnlineMemory", "sa{sv}", SD_BUS_PARAM(policy) SD_BUS_PARAM(options)),
        METHOD("OfflineMemory", "a{sv}", SD_BUS_PARAM(options)),
        METHOD("SetLabel", "sa{sv}", SD_BUS_PARAM(label) SD_BUS_PARAM(options)),
        METHOD("Destroy", "a{sv}", SD_BUS_PARAM(options)),
        SD_BUS_METHOD_WITH_NAMES("GetHolders", "a{sv}", SD_BUS_PARAM(options), "a(us)",
                                 SD_BUS_PARAM(holders), call_dispatch, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
