/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxdctl list: regions and devices as JSON. -r and -d filter and never fail.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/bus.h"
#include "client/cleanup.h"
#include "client/fields.h"
#include "client/inventory.h"
#include "client/name.h"
#include "client/report.h"
#include "client/verbs.h"
#include "client/view.h"

/* What is shown when no one said: regions with -r, devices with -d, else devices. */
static uint32_t classes_shown(const Options *options) {
        uint32_t shown = options->given & (OPTION_REGIONS | OPTION_DEVICES);

        if (shown)
                return shown;
        if (options_has(options, OPTION_REGION))
                shown |= OPTION_REGIONS;
        if (options_has(options, OPTION_DEV))
                shown |= OPTION_DEVICES;

        return shown ? shown : OPTION_DEVICES;
}

static bool device_selected(const char *name, const char *label, const Options *options) {
        char text[DEVICE_NAME_TEXT_MAX];
        DeviceName wanted;

        if (!options->dev || strcmp(options->dev, "all") == 0)
                return true;
        if (!device_name_parse(options->dev, &wanted))
                return strcmp(options->dev, label) == 0;

        device_name_format(&wanted, text);
        return strcmp(text, name) == 0;
}

static int add_devices(json_object *array, json_object *region, const Options *options) {
        json_object *devices = field_array(region, "devices");
        int r;

        for (size_t i = 0; i < array_length(devices); i++) {
                json_object *device = json_object_array_get_idx(devices, i);

                if (!device_selected(field_string(device, "chardev"), field_string(device, "label"),
                                     options))
                        continue;
                r = array_add(array, view_new(device, options));
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_empty_devices(json_object *array, json_object *region, const Options *options) {
        json_object *names = field_array(region, "empty_devices");
        int r;

        for (size_t i = 0; i < array_length(names); i++) {
                json_object *name = json_object_array_get_idx(names, i);

                if (!json_object_is_type(name, json_type_string) ||
                    !device_selected(json_object_get_string(name), "", options))
                        continue;
                r = array_add(array, view_new_empty(region, json_object_get_string(name)));
                if (r < 0)
                        return r;
        }

        return 0;
}

static int add_all_devices(json_object *array, json_object *region, const Options *options) {
        int r = 0;

        if (options_has(options, OPTION_IDLE))
                r = add_empty_devices(array, region, options);

        return r < 0 ? r : add_devices(array, region, options);
}

static int add_region(json_object *array, json_object *region, uint32_t shown,
                      const Options *options) {
        _cleanup_json_ json_object *view = NULL;
        json_object *devices;
        int r;

        if (!(shown & OPTION_REGIONS))
                return add_all_devices(array, region, options);

        view = view_new(region, options);
        if (!view)
                return -ENOMEM;
        if (shown & OPTION_DEVICES) {
                devices = json_object_new_array();
                r = field_add(view, "devices", devices);
                if (r < 0)
                        return r;
                r = add_all_devices(devices, region, options);
                if (r < 0)
                        return r;
        }

        return array_add(array, steal_json(&view));
}

int verb_list(const Options *options) {
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_json_ json_object *description = NULL, *array = json_object_new_array();
        uint32_t shown = classes_shown(options);
        json_object *regions;

        if (!array) {
                report_oom();
                return EXIT_REFUSED;
        }
        if (bus_open(&bus) < 0 || bus_describe(bus, &description) < 0)
                return EXIT_REFUSED;

        regions = field_array(description, "regions");
        for (size_t i = 0; i < array_length(regions); i++) {
                json_object *region = json_object_array_get_idx(regions, i);

                if (region_selected(region, options) &&
                    add_region(array, region, shown, options) < 0) {
                        report_oom();
                        return EXIT_REFUSED;
                }
        }

        return view_print(array, options) < 0 ? EXIT_REFUSED : EXIT_SUCCESS;
}
