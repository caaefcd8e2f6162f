/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* org.daxd1.Layout: one object below /org/daxd1/layout for each kept layout. */

#include "daemon/bus/internal.h"

#include <string.h>

static int get_property(sd_bus *sd, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *userdata, sd_bus_error *error) {
        const Bus *bus = userdata;
        const KeptLayout *kept = bus_layout_at(bus, path);
        _cleanup_free_ char *region = NULL;

        if (!kept)
                return -ENOENT;
        if (strcmp(property, "Name") == 0)
                return sd_bus_message_append(reply, "s", kept->name);
        if (strcmp(property, "Source") == 0)
                return sd_bus_message_append(reply, "s", kept->source);
        if (strcmp(property, "State") == 0)
                return sd_bus_message_append(reply, "s", keep_state_name(kept->state));
        if (strcmp(property, "StateReason") == 0)
                return sd_bus_message_append(reply, "s", kept->reason ?: "");

        region = kept->has_region ? path_of_region(kept->region) : strdup("/");
        return region ? sd_bus_message_append(reply, "o", region) : -ENOMEM;
}

static int layout_get_content(Call *call, Failure *failure) {
        const char *path = sd_bus_message_get_path(call->message);
        const KeptLayout *kept = bus_layout_at(call->bus, path);
        _cleanup_free_ char *name = NULL;

        if (!kept) {
                name = name_at(path);
                return name ? failure_set(failure, CONDITION_NO_SUCH_LAYOUT,
                                          "cannot show layout %s: it is not there any more; "
                                          "GetManagedObjects shows the layouts, 'daxdctl list -R' "
                                          "those of regions",
                                          name) :
                              -ENOMEM;
        }
        if (!kept->layout)
                return failure_set(failure, CONDITION_INVALID_LAYOUT, "%s",
                                   kept->reason ?: "it cannot be read");
        return call_reply(call, "s", kept->layout->text);
}

static const OptionSpec no_options = 0;

const Method layout_methods[] = {
        { BUS_LAYOUT, "GetContent", 0, &no_options, layout_get_content },
        {},
};

#define LAYOUT_PROPERTY(name, type, flag) SD_BUS_PROPERTY(name, type, get_property, 0, flag)

const sd_bus_vtable layout_vtable[] = {
        SD_BUS_VTABLE_START(0),
        LAYOUT_PROPERTY("Name", "s", SD_BUS_VTABLE_PROPERTY_CONST),
        LAYOUT_PROPERTY("Source", "s", SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        LAYOUT_PROPERTY("Region", "o", SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        LAYOUT_PROPERTY("State", "s", SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        LAYOUT_PROPERTY("StateReason", "s", SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_METHOD_WITH_NAMES("GetContent", "a{sv}", SD_BUS_PARAM(options), "s",
                                 SD_BUS_PARAM(json), call_dispatch, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};
