/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The regions of this machine, sorted by id. */

#include "daemon/dax/machine.h"

#include <string.h>

void dax_machine_deinit(DaxMachine *machine) {
        for (size_t i = 0; i < machine->n_regions; i++)
                dax_region_free(machine->regions[i]);
        free(machine->regions);
        *machine = (DaxMachine){};
}

DaxRegion *dax_machine_find_region(const DaxMachine *machine, uint32_t id) {
        for (size_t i = 0; i < machine->n_regions; i++)
                if (machine->regions[i]->id == id)
                        return machine->regions[i];

        return NULL;
}

int dax_machine_put_region(DaxMachine *machine, DaxRegion *region) {
        size_t at = machine->n_regions;

        for (size_t i = 0; i < machine->n_regions; i++)
                if (machine->regions[i]->id == region->id) {
                        dax_region_free(machine->regions[i]);
                        machine->regions[i] = region;
                        return 0;
                }

        if (ARRAY_APPEND(machine->regions, machine->n_regions, region) < 0) {
                dax_region_free(region);
                return -ENOMEM;
        }

        for (; at > 0 && region->id < machine->regions[at - 1]->id; at--)
                machine->regions[at] = machine->regions[at - 1];
        machine->regions[at] = region;
        return 0;
}

DaxRegion *dax_machine_take_region(DaxMachine *machine, uint32_t id) {
        for (size_t i = 0; i < machine->n_regions; i++)
                if (machine->regions[i]->id == id) {
                        DaxRegion *region = machine->regions[i];

                        ARRAY_REMOVE(machine->regions, machine->n_regions, i);
                        return region;
                }

        return NULL;
}

const DaxDevice *dax_machine_find_device(const DaxMachine *machine, const char *name_or_label,
                                         DaxRegion **ret_region) {
        for (size_t i = 0; i < machine->n_regions; i++) {
                DaxRegion *region = machine->regions[i];
                const DaxDevice *device;

                device = dax_region_find(region, name_or_label) ?:
                                 dax_region_find_label(region, name_or_label);
                if (device && name_or_label[0] != '\0') {
                        if (ret_region)
                                *ret_region = region;
                        return device;
                }
        }

        return NULL;
}
