/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Weighing calls. */

#include "daemon/bus/weigh.h"
#include "daemon/layout/match.h"
#include "daemon/layout/want.h"

#include <string.h>

unsigned weigh_words(const Words *words, const DaxDevice *device) {
        const Options *options = words->options;
        unsigned weights = WEIGHT_NONE;
        uint64_t size = options->size;

        if (options->force)
                weights |= WEIGHT_FORCE;
        if (options_have(options, OPTION_WIPE) && !options->wipe)
                weights |= WEIGHT_NO_WIPE;
        if (device && options->wipe)
                weights |= WEIGHT_WIPE;
        if (words->argument == 't')
                size = words->number;
        else if (options->ranges.count > 0)
                size = dax_ranges_size(&options->ranges);
        else if (!options_have(options, OPTION_SIZE))
                size = device ? device->size : 0;
        if (options->ranges.count > 0)
                weights |= WEIGHT_RESHAPES;
        if (device)
                weights |= size > device->size ? WEIGHT_GROWS : WEIGHT_NO_GROWTH;
        if (options->present &
            (OPTION(MODE) | OPTION(ALIGN) | OPTION(MEMMAP_ON_MEMORY) | OPTION(ONLINE)))
                weights |= WEIGHT_RESHAPES;
        if ((device && device->mode == DAX_MODE_SYSTEM_RAM) ||
            (options_have(options, OPTION_MODE) && options->mode == DAX_MODE_SYSTEM_RAM) ||
            (words->argument == 's' &&
             strcmp(words->string, dax_mode_name(DAX_MODE_SYSTEM_RAM)) == 0))
                weights |= WEIGHT_MEMORY;

        return weights;
}

/* Whether @layout would change or remove a device of @region that is system-ram. */
static bool layout_takes_memory(const Layout *layout, const DaxRegion *region,
                                uint64_t block_size) {
        const LayoutContext context = { .now = region, .block_size = block_size };
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_region_ DaxRegion *wanted = NULL;
        const DaxDevice *before, *after;
        DaxChanges changes = { .before = region };
        bool has_memory = false;

        for (size_t i = 0; i < region->n_devices; i++)
                has_memory |= region->devices[i]->mode == DAX_MODE_SYSTEM_RAM;
        if (!has_memory)
                return false;
        if (layout_want(layout, &context, &wanted, &failure) != 0)
                return true; /* it may be possible by the time that it is planned */

        changes.after = wanted;
        while (dax_changes_next(&changes, &before, &after))
                if (before && before->mode == DAX_MODE_SYSTEM_RAM)
                        return true;

        return false;
}

unsigned weigh_layout(const Layout *layout, const DaxMachine *machine) {
        unsigned weights = WEIGHT_NONE;

        if (layout->region.keys & (LAYOUT_REGION_START | LAYOUT_REGION_CXL_SERIALS))
                weights |= WEIGHT_ADDRESSES;
        for (size_t i = 0; i < layout->n_devices; i++) {
                if (layout->devices[i].mode == DAX_MODE_SYSTEM_RAM)
                        weights |= WEIGHT_MEMORY;
                if (layout->devices[i].wipe == 0)
                        weights |= WEIGHT_NO_WIPE;
        }
        for (size_t i = 0; i < machine->n_regions; i++)
                if (layout_region_matches(&layout->region, machine->regions[i]) &&
                    layout_takes_memory(layout, machine->regions[i], machine->block_size))
                        weights |= WEIGHT_MEMORY;

        return weights;
}
