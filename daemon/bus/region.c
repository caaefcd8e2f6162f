/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.daxd1.Region: one of the objects below /org/daxd1/region. */

#include "daemon/bus/internal.h"

#include <string.h>

/* One getter for the plain properties: which one is told by its name. */
static int get_property(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const DaxRegion *region = bus_region_at(userdata, path);
        const char *layout, *reason;
        uint64_t largest;
        KeepState state;

        if (!region)
                return -ENOENT;
        state = keeper_region_state(((Bus *)userdata)->keeper, region->id, &layout, &reason);

        switch (property[0]) {
        case 'I':
                return sd_bus_message_append(reply, "u", region->id);
        case 'P':
                return sd_bus_message_append(reply, "s", region->path ?: "");
        case 'K':
                return sd_bus_message_append(reply, "s", dax_kind_name(region->kind));
        case 'A':
                return sd_bus_message_append(reply, "t",
                                             strcmp(property, "Align") == 0 ?
                                                     region->align :
                                                     region->available_size);
        case 'L':
                if (strcmp(property, "Layout") == 0)
                        return sd_bus_message_append(reply, "s", layout);
                if (dax_region_largest_free_extent(region, &largest) < 0)
                        return -ENOMEM;
                return sd_bus_message_append(reply, "t", largest);
        case 'T':
                return sd_bus_message_append(reply, "i", region->target_node);
        case 'N':
                return sd_bus_message_append(reply, "i", region->numa_node);
        case 'Y':
                return sd_bus_message_append(reply, "s", region->youngest);
        default:
                break;
        }

        if (strcmp(property, "Size") == 0)
                return sd_bus_message_append(reply, "t", region->size);
        if (strcmp(property, "Static") == 0)
                return sd_bus_message_append(reply, "b", region->is_static);
        if (strcmp(property, "Seed") == 0)
                return sd_bus_message_append(reply, "s", region->seed);
        if (strcmp(property, "State") == 0)
                return sd_bus_message_append(reply, "s", keep_state_name(state));
        if (strcmp(property, "StateReason") == 0)
                return sd_bus_message_append(reply, "s", reason);
        return -ENOENT;
}

static int get_free_extents(sd_bus *sd, const char *path, const char *interface,
                            const char *property, sd_bus_message *reply, void *userdata,
                            sd_bus_error *error) {
        const DaxRegion *region = bus_region_at(userdata, path);
        _cleanup_ranges_ DaxRanges extents = {};
        int r;

        if (!region)
                return -ENOENT;
        if (dax_region_free_extents(region, true, &extents) < 0)
                return -ENOMEM;
        r = sd_bus_message_open_container(reply, 'a', "(tt)");
        for (size_t i = 0; r >= 0 && i < extents.count; i++)
                r = sd_bus_message_append(reply, "(tt)", extents.list[i].offset,
                                          extents.list[i].size);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_aligns(sd_bus *sd, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const DaxRegion *region = bus_region_at(userdata, path);
        int r;

        if (!region)
                return -ENOENT;
        r = sd_bus_message_open_container(reply, 'a', "t");
        for (unsigned shift = 0; r >= 0 && shift < 64; shift++)
                if (region->aligns & (UINT64_C(1) << shift))
                        r = sd_bus_message_append(reply, "t", UINT64_C(1) << shift);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int get_empty_devices(sd_bus *sd, const char *path, const char *interface,
                             const char *property, sd_bus_message *reply, void *userdata,
                             sd_bus_error *error) {
        const DaxRegion *region = bus_region_at(userdata, path);
        int r;

        if (!region)
                return -ENOENT;
        r = sd_bus_message_open_container(reply, 'a', "s");
        for (size_t i = 0; r >= 0 && i < region->n_devices; i++)
                if (region->devices[i]->size == 0)
                        r = sd_bus_message_append(reply, "s", region->devices[i]->name);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* --- CreateDevice ----------------------------------------------------------------------------- */

static int create_shape(const Call *call, const DaxRegion *now, DaxDevice *device,
                        Failure *failure) {
        const Options *options = &call->options;
        uint64_t ranges = dax_ranges_size(&options->ranges);

        device->size = options->all ? DAX_SIZE_REST : call->number;
        if (options->all && call->number != 0)
                return failure_set(failure, CONDITION_INVALID_SIZE,
                                   "cannot create a device of %llu bytes and of everything that "
                                   "is available: give the size 0 together with 'all'",
                                   (unsigned long long)call->number);
        if (options->ranges.count > 0) {
                if (options->all || call->number != ranges)
                        return failure_set(failure, CONDITION_INVALID_SIZE,
                                           "cannot create a device of %llu bytes: its ranges are "
                                           "%llu together; give that as its size",
                                           (unsigned long long)call->number,
                                           (unsigned long long)ranges);
                device->size = ranges;
                if (dax_ranges_copy(&options->ranges, &device->ranges) < 0)
                        return -ENOMEM;
        }
        if (device->size == 0)
                return failure_set(failure, CONDITION_INVALID_SIZE,
                                   "cannot create a device of 0 bytes in region %u: give a size "
                                   "above 0, or leave it to daxd to take all that is available",
                                   now->id);
        if (device->size == DAX_SIZE_REST && now->available_size == 0)
                return failure_set(failure, CONDITION_NO_SPACE,
                                   "cannot create a device in region %u: it is full; make another "
                                   "device smaller or destroy one first",
                                   now->id);

        device->align = options_have(options, OPTION_ALIGN) ? options->align : now->align;
        device->mode = options_have(options, OPTION_MODE) ? options->mode : DAX_MODE_DEVDAX;
        if (options_have(options, OPTION_ONLINE) && device->mode != DAX_MODE_SYSTEM_RAM)
                return failure_set(failure, CONDITION_INVALID_MODE,
                                   "cannot bring memory of a %s device online: only system-ram "
                                   "has memory blocks",
                                   dax_mode_name(device->mode));
        device->online = options_have(options, OPTION_ONLINE) ? options->online :
                         device->mode == DAX_MODE_SYSTEM_RAM  ? DAX_ONLINE_MOVABLE :
                                                                DAX_ONLINE_KEEP;
        if (options_have(options, OPTION_MEMMAP_ON_MEMORY))
                device->memmap_on_memory = options->memmap_on_memory;
        if (options_have(options, OPTION_WIPE))
                device->wipe = options->wipe;
        return 0;
}

static int create_want(const JobView *view, DaxRegion **ret_wanted, Failure *failure,
                       void *userdata) {
        Call *call = userdata;
        _cleanup_region_ DaxRegion *wanted = NULL;
        _cleanup_device_ DaxDevice *device = NULL;
        const char *label = call->options.label ?: "";
        const DaxDevice *taken = engine_find_label(call->bus->engine, label, call->region);
        int r;

        if (taken)
                return failure_set(failure, CONDITION_LABEL_IN_USE,
                                   "cannot label the new device %s: %s has this label; use another",
                                   label, taken->name);

        r = dax_device_new(&device);
        if (r == 0)
                r = create_shape(call, view->now, device, failure);
        if (r != 0)
                return r;
        strncpy(device->label, label, LABEL_MAX);

        if (dax_region_copy(view->now, &wanted) < 0 || dax_region_add(wanted, TAKE_PTR(device)) < 0)
                return -ENOMEM;

        *ret_wanted = TAKE_PTR(wanted);
        return 0;
}

static void create_done(JobResult result, const Plan *plan, const Failure *failure,
                        void *userdata) {
        Call *call = userdata;
        _cleanup_free_ char *path = NULL;

        for (size_t i = 0; result == JOB_DONE && i < plan->n_devices; i++)
                if (plan->devices[i].action == PLAN_NEW)
                        path = path ?: path_of_device(plan->devices[i].name);

        if (path)
                (void)call_reply(call, "o", path);
        else
                call_reply_failure(call, failure ?: &FAILURE_INIT);
}

static int region_create_device(Call *call, Failure *failure) {
        JobRequest request;
        int r;

        r = call_make_request(call, "CreateDevice", &request);
        if (r < 0)
                return r;
        request.want = create_want;
        request.done = create_done;
        request.userdata = call;
        return engine_submit(call->bus->engine, &request, NULL, failure);
}

static int region_get_resource(Call *call, Failure *failure) {
        const DaxRegion *region = dax_machine_find_region(engine_machine(call->bus->engine),
                                                          call->region);

        return call_reply(call, "tt", region->start, region->size);
}

static const OptionSpec no_options = 0;
static const OptionSpec create_options = CHANGE_OPTIONS | OPTION(ALL) | OPTION(ALIGN) |
                                         OPTION(MODE) | OPTION(ONLINE) | OPTION(MEMMAP_ON_MEMORY) |
                                         OPTION(RANGES) | OPTION(LABEL) | OPTION(WIPE);

const Method region_methods[] = {
        { BUS_REGION, "CreateDevice", 't', &create_options, region_create_device },
        { BUS_REGION, "GetResource", 0, &no_options, region_get_resource },
        {},
};

const sd_bus_vtable region_vtable[] = {
        SD_BUS_VTABLE_START(0),
        CONSTANT("Id", "u", get_property),
        CONSTANT("Path", "s", get_property),
        CONSTANT("Kind", "s", get_property),
        CONSTANT("Size", "t", get_property),
        PROPERTY("AvailableSize", "t", get_property),
        PROPERTY("LargestFreeExtent", "t", get_property),
        PROPERTY("FreeExtents", "a(tt)", get_free_extents),
        CONSTANT("Align", "t", get_property),
        CONSTANT("SupportedAligns", "at", get_aligns),
        CONSTANT("TargetNode", "i", get_property),
        CONSTANT("NumaNode", "i", get_property),
        CONSTANT("Static", "b", get_property),
        PROPERTY("Seed", "s", get_property),
        PROPERTY("Youngest", "s", get_property),
        PROPERTY("EmptyDevices", "as", get_empty_devices),
        PROPERTY("Layout", "s", get_property),
        PROPERTY("State", "s", get_property),
        PROPERTY("StateReason", "s", get_property),
        SD_BUS_METHOD_WITH_NAMES("CreateDevice", "ta{sv}", SD_BUS_PARAM(size) SD_BUS_PARAM(options),
                                 "o", SD_BUS_PARAM(device), call_dispatch,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_NAMES("GetResource", "a{sv}", SD_BUS_PARAM(options), "tt",
                                 SD_BUS_PARAM(start) SD_BUS_PARAM(size), call_dispatch,
                                 SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
