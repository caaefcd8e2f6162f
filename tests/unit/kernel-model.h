/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A small model of what the kernel does with one dax region: written from what was seen of it and
 * from drivers/dax/{bus,kmem}.c, on purpose without daxd's own arithmetic on ranges. It knows
 * memory as an array of 2 MiB units, each with what was last written into it. Plain data, copied
 * by =.
 *
 * Each call does what a write to the kernel's attribute does and returns 0 or the kernel's errno
 * (positive). What the kernel lets happen although it must not is counted in `leaks`.
 */

#include "daemon/plan/plan.h"

#define MODEL_UNIT (UINT64_C(2) << 20)
#define MODEL_UNITS_MAX 512
#define MODEL_DEVICES_MAX 32
#define MODEL_RANGES_MAX 64
#define MODEL_OWNER_MAX 16

/* In units from the region's start. */
typedef struct ModelRange {
        uint16_t first;
        uint16_t count;
} ModelRange;

typedef struct ModelDevice {
        bool exists;
        DaxMode mode;
        uint64_t align;
        int memmap;
        uint32_t life; /* of who owns it, not of the kernel's device */
        uint64_t identity;
        unsigned n_ranges;
        ModelRange ranges[MODEL_RANGES_MAX];
} ModelDevice;

/* What was last written into a unit. */
typedef struct ModelTag {
        bool dirty;
        uint32_t life;
        char owner[MODEL_OWNER_MAX];
} ModelTag;

/* A label and access, kept by place as udev's rule does. */
typedef struct ModelName {
        bool exists;
        bool unwiped; /* its owner took the memory as it was (wipe 0) */
        uint32_t life;
        unsigned n_ranges;
        ModelRange ranges[DAX_NAMED_RANGES_MAX];
        char label[LABEL_MAX + 1];
        DaxAccess access;
} ModelName;

typedef struct Model {
        uint64_t start; /* physical, a multiple of the unit */
        unsigned n_units;
        uint64_t block_size; /* a multiple of the unit, or 0: no memory hotplug */
        uint64_t align;      /* of a new device */
        uint64_t aligns;
        bool memmap_offered;
        ModelDevice devices[MODEL_DEVICES_MAX]; /* by instance */
        ModelTag tags[MODEL_UNITS_MAX];
        /* by unit: the state of the block that it is in, and whether no driver holds that block */
        DaxBlockState blocks[MODEL_UNITS_MAX];
        bool leaked[MODEL_UNITS_MAX];
        ModelName names[MODEL_DEVICES_MAX];
        uint32_t next_life;
        uint64_t next_identity;
        unsigned leaks; /* unbinds of kmem with online memory */
} Model;

/* A region with instance 0 at size 0, as with dax_hmem.region_idle=Y. */
void model_init(Model *model, uint64_t start, unsigned n_units, uint64_t block_size);

int model_create(Model *model, unsigned *ret_id);
int model_delete(Model *model, unsigned id);
int model_size(Model *model, unsigned id, uint64_t size);
int model_align(Model *model, unsigned id, uint64_t align);
int model_mapping(Model *model, unsigned id, DaxRange range);
int model_memmap(Model *model, unsigned id, int value);
int model_bind(Model *model, unsigned id, DaxMode mode);
int model_unbind(Model *model, unsigned id);
int model_block(Model *model, uint64_t number, DaxBlockState state);
int model_wipe(Model *model, unsigned id, DaxRange range);
/* Gives a name to the place where the device lies; its owner then fills it. */
int model_publish(Model *model, unsigned id, const char *label, const DaxAccess *access,
                  uint32_t life, bool unwiped);
int model_retract(Model *model, unsigned id);
void model_write(Model *model, unsigned id, const char *owner, uint32_t life);

/* The region as the worker would read it, and daxd would know whose the memory was. */
DaxRegion *model_picture(const Model *model);

/*
 * Carries out @step; @limit is how many of its blocks or units get done before it is interrupted.
 * Tells @plan the name of what it creates.
 */
int model_step(Model *model, Plan *plan, const PlanStep *step, uint64_t limit);

/* The instance of a devdax device in which more than root finds another's memory; -1: none. */
int model_exposed(const Model *model);
uint64_t model_available(const Model *model);
