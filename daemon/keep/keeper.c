/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeping layouts. Every change goes through the engine like anybody else's. */

#include "daemon/keep/keeper.h"
#include "daemon/keep/applied.h"
#include "daemon/layout/match.h"
#include "daemon/layout/want.h"
#include "daemon/plan/document.h"
#include "daemon/util/file.h"
#include "daemon/util/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct Keeper {
        Engine *engine;
        const KeeperPaths *paths;
        char *placements_path, *applied_path;
        KeptLayout *layouts; /* sorted by name */
        size_t n_layouts;
        Placements placements;
        bool placements_known;
        AppliedList applied;
        const KeeperListener *listener;
        void *userdata;
        void (*tried)(void *userdata);
        void *tried_userdata;
        bool settled;
        KeeperApply reload; /* whoever had the files read last; its strings are these */
        char *reload_tag, *reload_sender;
};

/*
 * One layout on its way through the engine. It owns its layout, since files may be read anew
 * meanwhile.
 */
typedef struct Application {
        Keeper *keeper;
        Layout *layout;
        char *kept; /* name of the kept layout that this is, or NULL */
        uint32_t region;
        uint64_t job;
        bool dry_run;
        KeeperDone done;
        void *userdata;
} Application;

static const char *const state_names[_KEEP_STATE_MAX] = {
        [KEEP_UNMANAGED] = "unmanaged", [KEEP_IN_SYNC] = "in-sync", [KEEP_DRIFTED] = "drifted",
        [KEEP_PENDING] = "pending",     [KEEP_FAILED] = "failed",   [KEEP_CONTESTED] = "contested",
};

static void keeper_match(Keeper *keeper);
static void keeper_apply_new(Keeper *keeper, const KeeperApply *apply);

const char *keep_state_name(KeepState state) {
        return state_names[state];
}

size_t keeper_count(const Keeper *keeper) {
        return keeper->n_layouts;
}

const KeptLayout *keeper_get(const Keeper *keeper, size_t index) {
        return &keeper->layouts[index];
}

static KeptLayout *keeper_lookup(const Keeper *keeper, const char *name) {
        for (size_t i = 0; i < keeper->n_layouts; i++)
                if (strcmp(keeper->layouts[i].name, name) == 0)
                        return &keeper->layouts[i];

        return NULL;
}

const KeptLayout *keeper_find(const Keeper *keeper, const char *name) {
        return keeper_lookup(keeper, name);
}

static void keeper_tell(Keeper *keeper) {
        bool tried = keeper->settled;

        if (keeper->listener && keeper->listener->layouts_changed)
                keeper->listener->layouts_changed(keeper->userdata);

        for (size_t i = 0; i < keeper->n_layouts; i++)
                tried &= !keeper->layouts[i].applying;
        if (tried && keeper->tried) {
                keeper->tried(keeper->tried_userdata);
                keeper->tried = NULL;
        }
}

static void kept_set_state(KeptLayout *kept, KeepState state, const char *reason) {
        char *copy = reason ? strdup(reason) : NULL;

        free(kept->reason);
        kept->reason = copy;
        kept->state = state;
}

/* @job has failed with it; 0: no job was needed to know. Told once. */
static void kept_fail(KeptLayout *kept, const char *reason, uint64_t job) {
        if (kept->state != KEEP_FAILED || !text_equal(kept->reason, reason))
                log_line(LOG_WARNING,
                         &(LogContext){ .message_id = LOG_MESSAGE_LAYOUT_FAILED,
                                        .job = job,
                                        .region = kept->has_region ? &kept->region : NULL },
                         "layout %s is not applied: %s", kept->name, reason);
        kept_set_state(kept, KEEP_FAILED, reason);
}

static void kept_deinit(KeptLayout *kept) {
        free(kept->name);
        free(kept->source);
        free(kept->reason);
        layout_free(kept->layout);
}

KeepState keeper_region_state(const Keeper *keeper, uint32_t region, const char **ret_layout,
                              const char **ret_reason) {
        const char *failure = engine_region_failure(keeper->engine, region);
        KeepState state = KEEP_UNMANAGED;

        *ret_layout = "";
        *ret_reason = "";
        for (size_t i = 0; i < keeper->n_layouts; i++) {
                const KeptLayout *kept = &keeper->layouts[i];

                if (!kept->has_region || kept->region != region)
                        continue;
                *ret_layout = kept->name;
                *ret_reason = kept->reason ?: "";
                state = kept->state;
        }

        if (failure) {
                *ret_reason = failure;
                return KEEP_FAILED;
        }
        return state;
}

/* --- applying --------------------------------------------------------------------------------- */

static void application_free(void *userdata) {
        Application *application = userdata;

        layout_free(application->layout);
        free(application->kept);
        free(application);
}

/*
 * A label is unique on the machine: the layout's must not be on a device of another region, nor
 * about to be given to one.
 */
static int check_labels(const Engine *engine, const Layout *layout, const JobView *view,
                        Failure *failure) {
        for (size_t i = 0; i < layout->n_devices; i++) {
                const char *label = layout->devices[i].name;
                const DaxDevice *other = engine_find_label(engine, label, view->now->id);
                uint32_t id, instance;

                if (!other || (text_parse_device_name(other->name, &id, &instance) == 0 &&
                               id == view->now->id))
                        continue;
                return failure_set(failure, CONDITION_LABEL_IN_USE,
                                   "cannot label a device %s: %s of another region has this label",
                                   label, other->name[0] ? other->name : "a new device");
        }

        return 0;
}

static int application_want(const JobView *view, DaxRegion **ret_wanted, Failure *failure,
                            void *userdata) {
        Application *application = userdata;
        _cleanup_free_ const char **held = NULL;
        LayoutContext context = {
                .now = view->now,
                .block_size = view->machine->block_size,
                .placements = application->kept ? &application->keeper->placements : NULL,
                .n_held = view->n_held,
        };
        int r;

        if (application->kept && !application->keeper->placements_known)
                return failure_set(failure, CONDITION_KERNEL,
                                   "cannot apply layout %s: where its devices lay cannot be read "
                                   "yet (/var/lib/daxd)",
                                   application->kept);

        held = calloc(view->n_held + 1, sizeof(*held));
        if (!held)
                return -ENOMEM;
        for (size_t i = 0; i < view->n_held; i++)
                held[i] = view->held[i];
        context.held = held;

        r = check_labels(application->keeper->engine, application->layout, view, failure);
        if (r != 0)
                return r;
        return layout_want(application->layout, &context, ret_wanted, failure);
}

static int placements_write(Keeper *keeper) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = placements_to_text(&keeper->placements, &text, &size);
        if (r < 0)
                return r;
        return file_replace(AT_FDCWD, keeper->placements_path, text, size, 0600, 1);
}

static bool placement_is_known(const Keeper *keeper, const DaxRegion *region,
                               const DaxDevice *device) {
        const DaxRanges *ranges = placements_find(&keeper->placements, region, device->label);

        return ranges && dax_ranges_equal(ranges, &device->ranges);
}

/* Writes down where the devices of @layout lie in @region, or will. */
static int keeper_remember(Keeper *keeper, const Layout *layout, const DaxRegion *region) {
        bool changed = false;
        int r = 0;

        for (size_t i = 0; i < layout->n_devices; i++) {
                const DaxDevice *device = dax_region_find_label(region, layout->devices[i].name);

                if (!device || placement_is_known(keeper, region, device))
                        continue;
                r = placements_set(&keeper->placements, region, device->label, &device->ranges);
                if (r < 0)
                        return r;
                changed = true;
        }

        return changed ? placements_write(keeper) : 0;
}

/* Where things come to lie is written down before they do. */
static int application_planned(const Plan *plan, Failure *failure, void *userdata) {
        Application *application = userdata;
        Keeper *keeper = application->keeper;
        int r = 0;

        if (application->kept)
                r = keeper_remember(keeper, application->layout, plan->wanted);
        if (r < 0)
                return failure_set(failure, CONDITION_KERNEL,
                                   "cannot remember where the devices are to lie: writing %s "
                                   "failed (%s); nothing was changed",
                                   keeper->placements_path, text_errno(r));
        return 0;
}

/*
 * @region is as @kept says, whoever made it so (0: no @job): it is not applied again in this boot.
 */
static void kept_in_sync(Keeper *keeper, KeptLayout *kept, const DaxRegion *region, uint64_t job) {
        const char *digest = layout_digest(kept->layout);
        bool applied;
        int r = 0;

        if (kept->state == KEEP_IN_SYNC) /* mostly: this is asked at each change of the region */
                return;

        applied = applied_has(&keeper->applied, region, digest);
        kept_set_state(kept, KEEP_IN_SYNC, NULL);
        if (keeper->placements_known)
                r = keeper_remember(keeper, kept->layout, region);
        if (r >= 0 && !applied)
                r = applied_set(&keeper->applied, keeper->applied_path, region, digest);
        if (r < 0)
                log_line(LOG_WARNING,
                         &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE,
                                        .job = job,
                                        .region = &region->id },
                         "cannot note that layout %s was applied: %s", kept->name, text_errno(r));
        if (!applied)
                log_line(LOG_INFO,
                         &(LogContext){ .message_id = LOG_MESSAGE_LAYOUT_APPLIED,
                                        .job = job,
                                        .region = &region->id },
                         "layout %s is applied to region %" PRIu32, kept->name, region->id);
}

static void kept_applied(Keeper *keeper, KeptLayout *kept, const Application *application,
                         const Failure *failure) {
        const DaxRegion *region;

        kept->applying = false;
        if (!kept->layout ||
            strcmp(layout_digest(kept->layout), layout_digest(application->layout)) != 0) {
                /* the file was read anew meanwhile, and says otherwise */
                kept_set_state(kept, KEEP_PENDING, "not applied yet");
                keeper_match(keeper);
                keeper_apply_new(keeper, &keeper->reload);
                return;
        }
        if (failure) {
                kept_fail(kept, failure_message(failure), application->job);
                return;
        }

        region = dax_machine_find_region(engine_machine(keeper->engine), application->region);
        if (region)
                kept_in_sync(keeper, kept, region, application->job);
}

static void application_done(JobResult result, const Plan *plan, const Failure *failure,
                             void *userdata) {
        Application *application = userdata;
        Keeper *keeper = application->keeper;
        _cleanup_json_ json_object *document = NULL;
        KeptLayout *kept;

        kept = application->kept ? keeper_lookup(keeper, application->kept) : NULL;
        if (kept && !application->dry_run)
                kept_applied(keeper, kept, application, result == JOB_DONE ? NULL : failure);

        if (application->done) {
                (void)plan_document(plan, application->region, failure, &document);
                application->done(document, failure, application->userdata);
        }
        if (kept)
                keeper_tell(keeper);
}

static char *copy_or_null(const char *text) {
        return text ? strdup(text) : NULL;
}

static int application_submit(Keeper *keeper, Layout *layout, const char *kept, uint32_t region,
                              const KeeperApply *apply, KeeperDone done, void *userdata,
                              Failure *failure) {
        Application *application;
        Job *job;
        int r;
        JobRequest request = {
                .operation = apply->operation,
                .region = region,
                .origin = apply->origin,
                .uid = apply->uid,
                .force = apply->force,
                .reshape_first = true,
                .resumes = true,
                .avoids_held = true,
                .whole = true,
                .dry_run = apply->dry_run,
                .want = application_want,
                .planned = application_planned,
                .done = application_done,
                .free = application_free,
        };

        application = calloc(1, sizeof(*application));
        if (!application) {
                layout_free(layout);
                return -ENOMEM;
        }

        *application = (Application){
                .keeper = keeper,
                .layout = layout,
                .kept = copy_or_null(kept),
                .region = region,
                .dry_run = apply->dry_run,
                .done = done,
                .userdata = userdata,
        };
        request.userdata = application;
        request.tag = copy_or_null(apply->tag);
        request.sender = copy_or_null(apply->sender);
        request.expect = copy_or_null(apply->expect);
        if ((kept && !application->kept) || (apply->expect && !request.expect)) {
                job_request_deinit(&request);
                return -ENOMEM;
        }

        r = engine_submit(keeper->engine, &request, &job, failure);
        if (r == 0)
                application->job = job->id;
        return r;
}

/* For the caller, who has said these numbers: nobody else reads the sentence. */
static int refuse_region(const Layout *layout, Failure *failure) {
        const LayoutRegion *keys = &layout->region;
        char start[48] = "", size[48] = "", id[32] = "";

        if (keys->keys & LAYOUT_REGION_START)
                snprintf(start, sizeof(start), ", start %#" PRIx64, keys->start);
        if (keys->keys & LAYOUT_REGION_SIZE)
                snprintf(size, sizeof(size), ", size %" PRIu64, keys->size);
        if (keys->keys & LAYOUT_REGION_ID)
                snprintf(id, sizeof(id), ", id %" PRIu32, keys->id);
        return failure_set(failure, CONDITION_NO_SUCH_REGION,
                           "cannot apply the layout: no region of this machine is what its region "
                           "keys say (%s%s%s%s); daxdctl list -R shows the regions",
                           keys->keys & LAYOUT_REGION_KIND ? dax_kind_name(keys->kind) : "any kind",
                           start, size, id);
}

int keeper_apply(Keeper *keeper, Layout *layout, const KeeperApply *apply, KeeperDone done,
                 void *userdata, Failure *failure) {
        const Layout *const one = layout;
        LayoutMatch *match;
        uint32_t region;
        int r;

        r = layouts_match(&one, 1, engine_machine(keeper->engine), &match);
        if (r < 0) {
                layout_free(layout);
                return r;
        }

        r = match[0].failure.condition;
        if (r == CONDITION_NO_SUCH_REGION)
                r = refuse_region(layout, failure);
        else if (r != 0)
                r = failure_set(failure, match[0].failure.condition,
                                "the layout is not applied: %s",
                                failure_message(&match[0].failure));
        region = match[0].region_id;
        layout_matches_free(match, 1);
        if (r != 0) {
                layout_free(layout);
                return r;
        }

        return application_submit(keeper, layout, NULL, region, apply, done, userdata, failure);
}

/* --- which layout for which region ------------------------------------------------------------ */

static void keeper_match(Keeper *keeper) {
        const Layout **layouts;
        LayoutMatch *matches;
        size_t n = 0;

        layouts = calloc(keeper->n_layouts + 1, sizeof(*layouts));
        if (!layouts)
                return;
        for (size_t i = 0; i < keeper->n_layouts; i++)
                if (keeper->layouts[i].layout)
                        layouts[n++] = keeper->layouts[i].layout;

        if (layouts_match(layouts, n, engine_machine(keeper->engine), &matches) < 0) {
                free(layouts);
                return;
        }

        n = 0;
        for (size_t i = 0; i < keeper->n_layouts; i++) {
                KeptLayout *kept = &keeper->layouts[i];
                LayoutMatch *match;
                bool fresh;

                if (!kept->layout)
                        continue;
                match = &matches[n++];
                fresh = kept->blocked || !kept->has_region || kept->region != match->region_id;
                kept->has_region = match->has_region;
                kept->region = match->region_id;
                kept->blocked = match->failure.condition != CONDITION_NONE ||
                                kept->layout->enforce == LAYOUT_ENFORCE_ALWAYS;
                if (kept->applying)
                        ; /* what comes of it will say its state */
                else if (match->failure.condition == CONDITION_NO_SUCH_REGION)
                        kept_set_state(kept, KEEP_PENDING, failure_message(&match->failure));
                else if (match->failure.condition != CONDITION_NONE)
                        kept_fail(kept, failure_message(&match->failure), 0);
                else if (kept->blocked)
                        kept_fail(kept,
                                  "\"enforce\": \"always\" is not offered by this version of daxd; "
                                  "use \"boot\"",
                                  0);
                else if (fresh)
                        kept_set_state(kept, KEEP_PENDING, "not applied yet");
        }

        layout_matches_free(matches, n);
        free(layouts);
}

/*
 * Whether the region of @kept is as the layout says. What would be refused is not. One that could
 * not be applied stays failed for that reason until the region is as it says.
 */
static void kept_compare(Keeper *keeper, KeptLayout *kept, const DaxRegion *region) {
        const DaxMachine *machine = engine_machine(keeper->engine);
        const PlanOptions options = { .block_size = machine->block_size, .force = true };
        const LayoutContext context = { .now = region,
                                        .block_size = machine->block_size,
                                        .placements = &keeper->placements,
                                        .repair = true };
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_region_ DaxRegion *wanted = NULL;
        _cleanup_plan_ Plan *plan = NULL;
        int r;

        r = layout_want(kept->layout, &context, &wanted, &failure);
        if (r == 0)
                r = plan_new(region, wanted, &options, &plan, &failure);
        if (r < 0)
                return;
        if (r == 0 && plan->n_steps == 0)
                kept_in_sync(keeper, kept, region, 0);
        else if (kept->state != KEEP_FAILED)
                kept_set_state(kept, KEEP_DRIFTED,
                               r != 0 ? failure_message(&failure) :
                                        "the region is not as the layout says; Reconcile applies "
                                        "it again");
}

static void keeper_region_changed(const DaxRegion *before, const DaxRegion *after, void *userdata) {
        static const KeeperApply came = { .origin = JOB_ORIGIN_EVENT, .operation = "ApplyLayout" };
        Keeper *keeper = userdata;

        if (!keeper->settled)
                return;
        if (!before || !after) {
                if (!after && applied_forget(&keeper->applied, keeper->applied_path, before) < 0)
                        log_line(LOG_WARNING,
                                 &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE,
                                                .region = &before->id },
                                 "cannot forget what was applied to region %" PRIu32
                                 ", which has gone",
                                 before->id);
                keeper_match(keeper);
                if (after)
                        keeper_apply_new(keeper, &came);
                keeper_tell(keeper);
                return;
        }

        for (size_t i = 0; i < keeper->n_layouts; i++) {
                KeptLayout *kept = &keeper->layouts[i];

                if (!kept->layout || !kept->has_region || kept->region != after->id ||
                    kept->blocked || kept->applying || kept->state == KEEP_PENDING)
                        continue;
                kept_compare(keeper, kept, after);
                keeper_tell(keeper);
        }
}

/* Applies what has a region and was not applied to it in this boot. */
static void keeper_apply_new(Keeper *keeper, const KeeperApply *apply) {
        const DaxMachine *machine = engine_machine(keeper->engine);

        for (size_t i = 0; i < keeper->n_layouts; i++) {
                KeptLayout *kept = &keeper->layouts[i];
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                const DaxRegion *region;
                Layout *layout;
                int r;

                if (!kept->layout || !kept->has_region || kept->blocked || kept->applying ||
                    kept->state != KEEP_PENDING)
                        continue;
                region = dax_machine_find_region(machine, kept->region);
                if (!region)
                        continue;
                if (applied_has(&keeper->applied, region, layout_digest(kept->layout))) {
                        kept_compare(keeper, kept, region);
                        continue;
                }
                if (!keeper->placements_known) {
                        kept_set_state(kept, KEEP_PENDING,
                                       "where its devices lay cannot be read "
                                       "yet (/var/lib/daxd)");
                        continue;
                }

                r = layout_parse(kept->name, kept->source, kept->layout->text,
                                 strlen(kept->layout->text), &layout, &failure);
                if (r == 0)
                        r = application_submit(keeper, layout, kept->name, kept->region, apply,
                                               NULL, NULL, &failure);
                if (r == 0)
                        kept->applying = true;
                else
                        kept_fail(kept, r < 0 ? text_errno(r) : failure_message(&failure), 0);
        }
}

/* --- files ------------------------------------------------------------------------------------ */

static int keeper_take_file(Keeper *keeper, LayoutFile *file) {
        KeptLayout kept = { .state = KEEP_PENDING }, *old;

        if (file->masked)
                return 0;
        if (file->failure.message)
                log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_LAYOUT_FAILED },
                         "%s", failure_message(&file->failure));
        if (file->name[0] == '\0')
                return 0;

        old = keeper_lookup(keeper, file->name);
        kept.applying = old && old->applying;
        kept.name = TAKE_PTR(file->name);
        kept.source = TAKE_PTR(file->source);
        kept.layout = TAKE_PTR(file->layout);
        if (!kept.layout) /* its reader's sentence quotes the file, which is not for everybody */
                kept_set_state(&kept, KEEP_FAILED,
                               "this file is no valid layout; the journal of "
                               "daxd.service says why");
        else
                kept_set_state(&kept, KEEP_PENDING, "not applied yet");

        return ARRAY_APPEND(keeper->layouts, keeper->n_layouts, kept);
}

/* Out of the way of the one that will be written in its place. @then: what comes of it. */
static bool set_aside(const char *path, const char *why, const char *then) {
        char aside[PATH_MAX];
        bool moved;

        snprintf(aside, sizeof(aside), "%s.damaged", path);
        moved = rename(path, aside) == 0;
        log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_SET_ASIDE },
                 "%s; %s as %s%s", why, moved ? "set aside" : "cannot be set aside", aside, then);
        return moved;
}

static void keeper_load_placements(Keeper *keeper) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(AT_FDCWD, keeper->placements_path, O_NOFOLLOW, PLACEMENTS_TEXT_MAX, &text,
                      &size);
        if (r == -ENOENT) {
                keeper->placements_known = true;
                return;
        }
        if (r == 0)
                r = placements_parse(text, size, &keeper->placements, &failure);
        keeper->placements_known = r == 0;
        if (r <= 0) {
                if (r < 0)
                        log_line(LOG_WARNING, &(LogContext){ .message_id = LOG_MESSAGE_STATE_FILE },
                                 "cannot read %s: %s", keeper->placements_path, text_errno(r));
                return;
        }

        keeper->placements_known = set_aside(keeper->placements_path, failure_message(&failure),
                                             "");
}

static int keeper_note_reload(Keeper *keeper, const KeeperApply *apply) {
        _cleanup_free_ char *tag = copy_or_null(apply->tag);
        _cleanup_free_ char *sender = copy_or_null(apply->sender);

        if ((apply->tag && !tag) || (apply->sender && !sender))
                return -ENOMEM;

        free(keeper->reload_tag);
        free(keeper->reload_sender);
        keeper->reload = *apply;
        keeper->reload.tag = keeper->reload_tag = TAKE_PTR(tag);
        keeper->reload.sender = keeper->reload_sender = TAKE_PTR(sender);
        return 0;
}

int keeper_reload(Keeper *keeper, const KeeperApply *apply) {
        _cleanup_layout_files_ LayoutFiles files = {};
        KeptLayout *old = keeper->layouts;
        size_t n_old = keeper->n_layouts;
        int r;

        if (!keeper->placements_known)
                keeper_load_placements(keeper);
        r = keeper_note_reload(keeper, apply);
        if (r < 0)
                return r;
        r = layout_files_load(keeper->paths->directories, keeper->paths->n_directories, &files);
        if (r < 0)
                return r;

        /* what is being applied goes on being so under the new list */
        keeper->layouts = NULL;
        keeper->n_layouts = 0;
        for (size_t i = 0; r >= 0 && i < files.count; i++) {
                r = keeper_take_file(keeper, &files.list[i]);
                for (size_t k = 0; r >= 0 && k < n_old && keeper->n_layouts > 0; k++)
                        if (strcmp(old[k].name, keeper->layouts[keeper->n_layouts - 1].name) == 0)
                                keeper->layouts[keeper->n_layouts - 1].applying = old[k].applying;
        }
        for (size_t i = 0; i < n_old; i++)
                kept_deinit(&old[i]);
        free(old);

        keeper_match(keeper);
        keeper_apply_new(keeper, &keeper->reload);
        keeper_tell(keeper);
        return r;
}

static void keeper_settled(void *userdata) {
        static const KeeperApply start = { .origin = JOB_ORIGIN_BOOT, .operation = "ApplyLayout" };
        Keeper *keeper = userdata;
        int r;

        keeper->settled = true;
        r = keeper_reload(keeper, &start);
        if (r < 0)
                log_line(LOG_ERR, &(LogContext){ .message_id = LOG_MESSAGE_LAYOUT_FAILED },
                         "cannot read the layouts: %s", text_errno(r));
}

/* --- reconcile -------------------------------------------------------------------------------- */

typedef struct Reconcile {
        json_object *results;
        size_t waiting;
        KeeperDone done;
        void *userdata;
        bool submitting;
} Reconcile;

typedef struct ReconcileOne {
        Reconcile *reconcile;
        char *name;
} ReconcileOne;

static void reconcile_check(Reconcile *reconcile) {
        _cleanup_json_ json_object *document = NULL;

        if (reconcile->waiting > 0 || reconcile->submitting)
                return;

        document = json_object_new_object();
        if (document && (json_add_u64(document, "version", 1) < 0 ||
                         json_add(document, "layouts", TAKE_PTR(reconcile->results)) < 0))
                document = (json_object_put(document), NULL);
        reconcile->done(document, NULL, reconcile->userdata);
        json_object_put(reconcile->results);
        free(reconcile);
}

static int reconcile_add(Reconcile *reconcile, const char *name, const char *result,
                         const Failure *failure, json_object *document) {
        json_object *one = json_object_new_object();

        if (!one || json_append(reconcile->results, one) < 0)
                return -ENOMEM;
        if (json_add_string(one, "name", name) < 0 || json_add_string(one, "result", result) < 0)
                return -ENOMEM;
        if (failure && (json_add_string(one, "error", condition_name(failure->condition)) < 0 ||
                        json_add_string(one, "message", failure_message(failure)) < 0))
                return -ENOMEM;
        return document ? json_add(one, "plan", json_object_get(document)) : 0;
}

static void reconcile_one_done(json_object *document, const Failure *failure, void *userdata) {
        ReconcileOne *one = userdata;

        (void)reconcile_add(one->reconcile, one->name, failure ? "failed" : "done", failure,
                            document);
        one->reconcile->waiting--;
        reconcile_check(one->reconcile);
        free(one->name);
        free(one);
}

static void reconcile_submit(Keeper *keeper, KeptLayout *kept, const KeeperApply *apply,
                             Reconcile *reconcile) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        ReconcileOne *one = NULL;
        Layout *layout = NULL;
        int r = -ENOMEM;

        if (!kept->layout || !kept->has_region || kept->blocked) {
                (void)failure_set(&failure, CONDITION_INVALID_LAYOUT, "%s",
                                  kept->reason ?: "it has no region");
                (void)reconcile_add(reconcile, kept->name, keep_state_name(kept->state), &failure,
                                    NULL);
                return;
        }

        one = calloc(1, sizeof(*one));
        if (one)
                one->name = strdup(kept->name);
        if (one && one->name)
                r = layout_parse(kept->name, kept->source, kept->layout->text,
                                 strlen(kept->layout->text), &layout, &failure);
        if (r == 0) {
                *one = (ReconcileOne){ reconcile, one->name };
                r = application_submit(keeper, layout, kept->name, kept->region, apply,
                                       reconcile_one_done, one, &failure);
        }
        if (r == 0) {
                reconcile->waiting++;
                kept->applying |= !apply->dry_run;
                return;
        }

        (void)reconcile_add(reconcile, kept->name, "failed", failure.message ? &failure : NULL,
                            NULL);
        if (one)
                free(one->name);
        free(one);
}

int keeper_reconcile(Keeper *keeper, const KeeperApply *apply, KeeperDone done, void *userdata,
                     Failure *failure) {
        Reconcile *reconcile;

        reconcile = calloc(1, sizeof(*reconcile));
        if (!reconcile)
                return -ENOMEM;
        *reconcile = (Reconcile){ .done = done, .userdata = userdata, .submitting = true };
        reconcile->results = json_object_new_array();
        if (!reconcile->results) {
                free(reconcile);
                return -ENOMEM;
        }

        for (size_t i = 0; i < keeper->n_layouts; i++)
                reconcile_submit(keeper, &keeper->layouts[i], apply, reconcile);
        reconcile->submitting = false;
        reconcile_check(reconcile);
        return 0;
}

/* --- life ------------------------------------------------------------------------------------- */

static const EngineListener keeper_listens = {
        .region_changed = keeper_region_changed,
        .settled = keeper_settled,
};

int keeper_new(Engine *engine, const KeeperPaths *paths, Keeper **ret_keeper) {
        _cleanup_(keeper_freep) Keeper *keeper = NULL;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        int r;

        keeper = calloc(1, sizeof(*keeper));
        if (!keeper)
                return -ENOMEM;

        keeper->engine = engine;
        keeper->paths = paths;
        if (asprintf(&keeper->placements_path, "%s/placements.json", paths->state) < 0)
                return keeper->placements_path = NULL, -ENOMEM;
        if (asprintf(&keeper->applied_path, "%s/applied.json", paths->runtime) < 0)
                return keeper->applied_path = NULL, -ENOMEM;

        r = applied_load(keeper->applied_path, &keeper->applied, &failure);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                (void)failure_set(&failure, CONDITION_KERNEL, "cannot read %s (%s)",
                                  keeper->applied_path, text_errno(r));
        if (r != 0)
                (void)set_aside(keeper->applied_path, failure_message(&failure),
                                "; layouts may be applied again");

        engine_add_listener(engine, &keeper_listens, keeper);
        *ret_keeper = TAKE_PTR(keeper);
        return 0;
}

void keeper_set_listener(Keeper *keeper, const KeeperListener *listener, void *userdata) {
        keeper->listener = listener;
        keeper->userdata = userdata;
}

void keeper_set_tried(Keeper *keeper, void (*tried)(void *userdata), void *userdata) {
        keeper->tried = tried;
        keeper->tried_userdata = userdata;
}

Keeper *keeper_free(Keeper *keeper) {
        if (!keeper)
                return NULL;

        for (size_t i = 0; i < keeper->n_layouts; i++)
                kept_deinit(&keeper->layouts[i]);
        free(keeper->layouts);
        placements_deinit(&keeper->placements);
        applied_deinit(&keeper->applied);
        free(keeper->placements_path);
        free(keeper->applied_path);
        free(keeper->reload_tag);
        free(keeper->reload_sender);
        free(keeper);
        return NULL;
}
