/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Keeping layouts: which one governs which region, applied when daxd first meets the region in this
 * boot, and what has become of it. The files are read at start and by keeper_reload(); nothing else
 * changes which layouts there are.
 */

#include "daemon/engine/engine.h"
#include "daemon/layout/directory.h"
#include "daemon/util/json.h"

typedef struct Keeper Keeper;

typedef enum KeepState {
        KEEP_UNMANAGED,
        KEEP_IN_SYNC,
        KEEP_DRIFTED,
        KEEP_PENDING,
        KEEP_FAILED,
        KEEP_CONTESTED,
        _KEEP_STATE_MAX,
} KeepState;

/* One layout by name, and what has become of it. */
typedef struct KeptLayout {
        char *name;
        char *source;   /* path of the file */
        Layout *layout; /* NULL when the file cannot be read */
        bool has_region;
        uint32_t region;
        KeepState state;
        char *reason; /* a sentence, NULL when in-sync */
        bool blocked; /* it may not be applied as things are: reason says why */
        bool applying;
} KeptLayout;

typedef struct KeeperListener {
        /* A layout came, went or changed its state: look again. */
        void (*layouts_changed)(void *userdata);
} KeeperListener;

typedef struct KeeperPaths {
        const LayoutDirectory *directories;
        size_t n_directories;
        const char *runtime; /* /run/daxd */
        const char *state;   /* /var/lib/daxd */
} KeeperPaths;

/* @paths must outlive the keeper. Begins its work when the engine is settled. */
int keeper_new(Engine *engine, const KeeperPaths *paths, Keeper **ret_keeper);
Keeper *keeper_free(Keeper *keeper);
DEFINE_CLEANUP(Keeper *, keeper_free)
void keeper_set_listener(Keeper *keeper, const KeeperListener *listener, void *userdata);
/* @tried is called once, when every layout has been tried. */
void keeper_set_tried(Keeper *keeper, void (*tried)(void *userdata), void *userdata);

size_t keeper_count(const Keeper *keeper);
const KeptLayout *keeper_get(const Keeper *keeper, size_t index);
const KeptLayout *keeper_find(const Keeper *keeper, const char *name);

/* *@ret_layout is "" when there is none; *@ret_reason never NULL. All borrowed. */
KeepState keeper_region_state(const Keeper *keeper, uint32_t region, const char **ret_layout,
                              const char **ret_reason);
const char *keep_state_name(KeepState state);

/* Who has layouts applied, and how. Strings are copied. */
typedef struct KeeperApply {
        JobOrigin origin;
        const char *operation;
        const char *tag, *sender, *expect; /* may be NULL */
        uid_t uid;
        bool force;
        bool dry_run;
} KeeperApply;

/* Reads the files anew and applies what has not been applied in this boot. 0 or an errno. */
int keeper_reload(Keeper *keeper, const KeeperApply *apply);

/*
 * @document is the plan document, with a refusal where there is one; NULL when it came to no plan
 * for no fault of the layout. @failure is NULL on success.
 */
typedef void (*KeeperDone)(json_object *document, const Failure *failure, void *userdata);

/*
 * Applies a layout that nobody keeps (or only plans it), as one transaction. Takes @layout, also on
 * failure. Returns 0, a Condition with its sentence, or -ENOMEM; then @done is not called.
 */
int keeper_apply(Keeper *keeper, Layout *layout, const KeeperApply *apply, KeeperDone done,
                 void *userdata, Failure *failure);
/* Applies every kept layout anew, a transaction for each region; the document has the results. */
int keeper_reconcile(Keeper *keeper, const KeeperApply *apply, KeeperDone done, void *userdata,
                     Failure *failure);
