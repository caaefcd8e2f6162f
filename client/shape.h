/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What a device is to be: from the options of create-device and
 * reconfigure-device and from their --input file, where the options win.
 */

#include <json-c/json.h>
#include <systemd/sd-bus.h>

#include "client/options.h"

typedef struct Shape {
        uint32_t given; /* OPTION_SIZE, _ALIGN, _MODE, _LABEL, _RANGES, _MEMMAP, _REGION */
        uint64_t size;  /* bytes */
        uint64_t align; /* bytes */
        const char *mode, *label;
        Extent *ranges; /* owned */
        size_t n_ranges;
        bool physical;      /* the ranges are physical addresses */
        uint32_t region;    /* the one in the name of the device in the file */
        json_object *input; /* owned, NULL without a file */
} Shape;

/** shape_init() - tells of its failure; deinit it in any case */
int shape_init(Shape *shape, const Options *options);
void shape_deinit(Shape *shape);

/** shape_place() - turn physical ranges into those of this region; tells of its failure */
int shape_place(Shape *shape, sd_bus *bus, json_object *region);

/**
 * shape_add_options() - to an open a{sv}: all but size and label; tells of its failure
 */
int shape_add_options(const Shape *shape, const Options *options, sd_bus_message *message);
