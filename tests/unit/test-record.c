/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The record of a transaction, what settling makes of it, the log of old owners, and the unseen. */

#include "daemon/engine/owners.h"
#include "daemon/engine/record.h"
#include "daemon/engine/settle.h"
#include "daemon/engine/unseen.h"
#include "daemon/util/file.h"
#include "tests/unit/edit.h"

#include <fcntl.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MIB (UINT64_C(1) << 20)
#define START (UINT64_C(4) << 30)
#define BLOCK (128 * MIB)

/* --- a region --------------------------------------------------------------------------------- */

static DaxDevice *add_device(DaxRegion *region, uint32_t instance, const char *label,
                             uint64_t offset, uint64_t size, DaxMode mode) {
        DaxDevice *device;

        assert_int_equal(dax_device_new(&device), 0);
        device->instance = instance;
        device->identity = 1000 + instance;
        device->incarnation = 2000 + instance;
        device->align = 2 * MIB;
        device->size = size;
        device->mode = mode;
        snprintf(device->name, sizeof(device->name), "dax%u.%u", region->id, instance);
        snprintf(device->label, sizeof(device->label), "%s", label);
        if (size > 0)
                assert_int_equal(dax_ranges_append(&device->ranges, (DaxRange){ offset, size }), 0);
        if (mode == DAX_MODE_SYSTEM_RAM)
                assert_int_equal(dax_blocks_of_ranges(&device->ranges, region->start, BLOCK,
                                                      DAX_BLOCK_MOVABLE, &device->blocks,
                                                      &device->n_blocks),
                                 0);
        assert_int_equal(dax_region_add(region, device), 0);
        return device;
}

static DaxRegion *new_region(void) {
        DaxRegion *region;

        assert_int_equal(dax_region_new(&region), 0);
        region->start = START;
        region->size = 1024 * MIB;
        region->align = 2 * MIB;
        region->aligns = 4096 | 2 * MIB;
        return region;
}

/* dax0.0 "a" devdax, dax0.1 "ram" system-ram, dax0.2 someone else's. */
static DaxRegion *new_used_region(void) {
        DaxRegion *region = new_region();

        add_device(region, 0, "a", 0, 128 * MIB, DAX_MODE_DEVDAX);
        add_device(region, 1, "ram", 128 * MIB, 256 * MIB, DAX_MODE_SYSTEM_RAM);
        add_device(region, 2, "", 512 * MIB, 64 * MIB, DAX_MODE_DEVDAX);
        return region;
}

/* Destroys "ram", doubles "a", makes a new one. */
static Plan *new_plan(const DaxRegion *now) {
        const PlanOptions options = { .block_size = BLOCK, .force = true };
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_region_ DaxRegion *wanted = NULL;
        DaxDevice *device;
        Plan *plan;

        assert_int_equal(dax_region_copy(now, &wanted), 0);
        dax_device_unref(dax_region_take(wanted, "dax0.1"));
        edit(wanted, "dax0.0")->size = 256 * MIB;
        assert_int_equal(dax_device_new(&device), 0);
        device->size = 64 * MIB;
        device->align = 2 * MIB;
        device->mode = DAX_MODE_DEVDAX;
        strcpy(device->label, "new");
        strcpy(device->access.group, "daemon");
        device->access.mode = 0660;
        assert_int_equal(dax_region_add(wanted, device), 0);
        if (plan_new(now, wanted, &options, &plan, &failure) != 0)
                fail_msg("%s", failure_message(&failure));
        return plan;
}

static Record *new_record(const Plan *plan) {
        Record *record;

        assert_int_equal(record_new(&record), 0);
        record->id = 4711;
        record->forward = true;
        record->resumes = true;
        record->operation = strdup("ApplyLayout");
        record->origin = strdup("boot");
        assert_int_equal(record_take_plan(record, plan), 0);
        return record;
}

/* --- the file --------------------------------------------------------------------------------- */

typedef struct Place {
        char path[64];
        int dir;
} Place;

static void place_init(Place *place) {
        strcpy(place->path, "/tmp/daxd-test-XXXXXX");
        assert_non_null(mkdtemp(place->path));
        place->dir = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(place->dir >= 0);
}

static void place_deinit(Place *place) {
        static const char *const files[] = { "4711.json", "owners", "owners.damaged" };

        for (size_t i = 0; i < ELEMENTS(files); i++)
                (void)unlinkat(place->dir, files[i], 0);
        close(place->dir);
        assert_int_equal(rmdir(place->path), 0);
}

static void assert_same_device(const DaxDevice *a, const DaxDevice *b) {
        assert_int_equal(!a, !b);
        if (!a)
                return;
        assert_int_equal(dax_device_difference(a, b), 0);
        assert_int_equal(a->size, b->size);
}

static void test_round_trip(void **state) {
        _cleanup_region_ DaxRegion *now = new_used_region();
        _cleanup_plan_ Plan *plan = new_plan(now);
        _cleanup_record_ Record *record = new_record(plan), *back = NULL;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Place place;

        place_init(&place);
        record->unclear = true;
        assert_int_equal(record_write(record, place.dir), 0);
        assert_int_equal(record_read(place.dir, "4711.json", &back, &failure), 0);

        assert_int_equal(back->id, 4711);
        assert_true(back->forward && back->resumes && !back->force && !back->published);
        assert_true(back->unclear);
        assert_string_equal(back->operation, "ApplyLayout");
        assert_int_equal(back->region_start, START);
        assert_int_equal(back->instances.count, 1);
        assert_int_equal(back->instances.list[0].offset, 0);
        assert_int_equal(back->instances.list[0].size, 3);
        assert_true(record_began_with(back, "dax0.2"));
        assert_false(record_began_with(back, "dax0.3"));
        assert_int_equal(back->awaited, SIZE_MAX);
        assert_int_equal(back->n_devices, record->n_devices);
        for (size_t i = 0; i < back->n_devices; i++) {
                assert_string_equal(back->devices[i].name, record->devices[i].name);
                assert_int_equal(back->devices[i].identity, record->devices[i].identity);
                assert_same_device(back->devices[i].before, record->devices[i].before);
                assert_same_device(back->devices[i].wanted, record->devices[i].wanted);
        }

        assert_int_equal(record_remove(record->id, place.dir), 0);
        assert_int_equal(record_read(place.dir, "4711.json", &back, &failure), -ENOENT);
        place_deinit(&place);
}

static void add_steps(Record *record, bool publishes) {
        const WorkerStep steps[] = {
                { .op = PLAN_CREATE, .entry = 2 },
                { .op = publishes ? PLAN_PUBLISH : PLAN_BIND, .entry = 0 },
        };

        assert_true(record->n_devices >= 3);
        assert_int_equal(record_steps(record, steps, ELEMENTS(steps), 7), 0);
}

static void add_making(const Record *record, unsigned entry) {
        assert_true(dprintf(record->fd, WORKER_MAKING_LINE, entry) > 0);
}

static void add_made(const Record *record, unsigned entry, const char *name, uint64_t identity) {
        assert_true(dprintf(record->fd, WORKER_MADE_LINE, entry, name,
                            (unsigned long long)identity) > 0);
}

/* What daxd has after catching up, and what the next daxd would make of the file. */
static void assert_known(Record *record, const Place *place, size_t awaited, size_t entry,
                         const char *name, uint64_t identity, bool published) {
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        _cleanup_record_ Record *back = NULL;

        assert_int_equal(record_catch_up(record), 0);
        assert_int_equal(record_read(place->dir, "4711.json", &back, &failure), 0);
        assert_int_equal(record->awaited, awaited);
        assert_int_equal(back->awaited, awaited);
        assert_int_equal(back->size, record->size);
        assert_int_equal(back->published, published);
        assert_string_equal(record->devices[entry].name, name);
        assert_string_equal(back->devices[entry].name, name);
        assert_int_equal(back->devices[entry].identity, identity);
        assert_int_equal(record->devices[entry].identity, identity);
}

static void test_steps(void **state) {
        _cleanup_region_ DaxRegion *now = new_used_region();
        _cleanup_plan_ Plan *plan = new_plan(now);
        _cleanup_record_ Record *record = new_record(plan);
        Place place;

        place_init(&place);
        assert_int_equal(record_write(record, place.dir), 0);
        add_steps(record, false);
        assert_known(record, &place, SIZE_MAX, 1, "", 0, false);
        add_making(record, 1);
        assert_known(record, &place, 1, 1, "", 0, false);
        add_made(record, 1, "dax0.7", 1007);
        add_making(record, 2);
        assert_known(record, &place, 2, 1, "dax0.7", 1007, false);
        add_steps(record, true); /* that one did not come about */
        assert_known(record, &place, SIZE_MAX, 1, "dax0.7", 1007, true);

        /* the kernel gives out a name again: its old device is gone */
        add_making(record, 2);
        add_made(record, 2, "dax0.7", 1008);
        assert_known(record, &place, SIZE_MAX, 2, "dax0.7", 1008, true);
        assert_known(record, &place, SIZE_MAX, 1, "", 0, true);

        /* a line that was cut off when the worker died, or the disk was full, is none */
        assert_int_equal(file_write_all(record->fd, "{\"making\":", 10), 0);
        assert_known(record, &place, SIZE_MAX, 1, "", 0, true);
        add_making(record, 1);
        assert_known(record, &place, 1, 1, "", 0, true);
        place_deinit(&place);
}

/* It is to be taken back also by who goes on with the record, until somebody has. */
static void test_told(void **state) {
        _cleanup_region_ DaxRegion *now = new_used_region();
        _cleanup_plan_ Plan *plan = new_plan(now);
        _cleanup_record_ Record *record = new_record(plan), *back = NULL, *again = NULL;
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Place place;

        place_init(&place);
        assert_int_equal(record_write(record, place.dir), 0);
        assert_true(dprintf(record->fd, WORKER_ID_LINE, "dax0.7", "system-ram") > 0);
        assert_int_equal(record_catch_up(record), 0);
        assert_string_equal(record->told, "dax0.7");
        assert_int_equal(record->told_mode, DAX_MODE_SYSTEM_RAM);
        assert_true(dprintf(record->fd, WORKER_AUTO_ONLINE_LINE, "online_movable") > 0);
        assert_int_equal(record_catch_up(record), 0);
        assert_string_equal(record->auto_online, "online_movable");

        assert_int_equal(record_write(record, place.dir), 0);
        assert_int_equal(record_read(place.dir, "4711.json", &back, &failure), 0);
        assert_int_equal(back->size, record->size);
        assert_string_equal(back->told, "dax0.7");
        assert_int_equal(back->told_mode, DAX_MODE_SYSTEM_RAM);
        assert_string_equal(back->auto_online, "online_movable");
        assert_true(dprintf(back->fd, WORKER_AUTO_ONLINE_LINE, "") > 0);
        assert_int_equal(record_catch_up(back), 0);
        assert_string_equal(back->auto_online, "");

        back->told[0] = '\0';
        assert_int_equal(record_write(back, place.dir), 0);
        assert_int_equal(record_read(place.dir, "4711.json", &again, &failure), 0);
        assert_string_equal(again->told, "");
        place_deinit(&place);
}

/* A worker that writes what was not asked of it is not believed. */
static void test_unasked_lines(void **state) {
        static const char *const lines[] = {
                "{\"made\":1,\"name\":\"dax0.7\",\"identity\":1}\n",
                "{\"making\":2}\n{\"made\":1,\"name\":\"dax0.7\",\"identity\":1}\n",
                "{\"making\":99}\n",
                "{\"id\":\"dax0.7777777777777777777777777777777777777777\",\"mode\":\"devdax\"}\n",
                "{\"id\":\"dax0.7\",\"mode\":\"kmem\"}\n",
                "{\"making\":1}\n{\"made\":1,\"identity\":1}\n",
                "nonsense\n",
        };

        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                _cleanup_region_ DaxRegion *now = new_used_region();
                _cleanup_plan_ Plan *plan = new_plan(now);
                _cleanup_record_ Record *record = new_record(plan);
                Place place;

                place_init(&place);
                assert_int_equal(record_write(record, place.dir), 0);
                add_steps(record, false);
                assert_int_equal(file_write_all(record->fd, lines[i], strlen(lines[i])), 0);
                assert_int_equal(record_catch_up(record), -EBADMSG);
                assert_string_not_equal(record->devices[1].name, "dax0.7");
                place_deinit(&place);
        }
}

/* On a disk that is full a line is there whole or not at all. */
static void test_full_disk(void **state) {
        _cleanup_region_ DaxRegion *now = new_used_region();
        _cleanup_plan_ Plan *plan = new_plan(now);
        _cleanup_record_ Record *record = new_record(plan);
        struct rlimit limit = { 0, RLIM_INFINITY }, before;
        size_t refused = 0;
        Place place;

        place_init(&place);
        assert_int_equal(record_write(record, place.dir), 0);
        assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
        assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
        for (size_t room = 0; room < 64; room++) {
                const WorkerStep step = { .op = PLAN_BIND };

                limit.rlim_cur = record->size + room;
                limit.rlim_max = before.rlim_max;
                assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
                refused += record_steps(record, &step, 1, 0) < 0;
                assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
                assert_known(record, &place, SIZE_MAX, 1, record->devices[1].name,
                             record->devices[1].identity, false);
        }
        assert_in_range(refused, 1, 63);
        place_deinit(&place);
}

/* Cut off anywhere, or with any byte changed: read for what it is, or refused, never misread. */
static void test_damage(void **state) {
        _cleanup_region_ DaxRegion *now = new_used_region();
        _cleanup_plan_ Plan *plan = new_plan(now);
        _cleanup_record_ Record *record = new_record(plan);
        _cleanup_free_ char *text = NULL;
        size_t size, header, refused = 0;
        Place place;

        place_init(&place);
        assert_int_equal(record_write(record, place.dir), 0);
        add_steps(record, true);
        add_making(record, 1);
        add_made(record, 1, "dax0.7", 1007);
        assert_int_equal(file_read(place.dir, "4711.json", 0, 1 << 20, &text, &size), 0);
        header = strchr(text, '\n') - text;

        for (size_t cut = 0; cut < size; cut++) {
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                _cleanup_record_ Record *back = NULL;
                int r;

                assert_int_equal(file_replace(place.dir, "4711.json", text, cut, 0600, 0), 0);
                r = record_read(place.dir, "4711.json", &back, &failure);
                assert_int_equal(r, cut < header ? CONDITION_NOT_SUPPORTED : 0);
                if (r != 0)
                        assert_string_not_equal(failure_message(&failure), "");
        }
        for (size_t at = 0; at < size; at++) {
                _cleanup_failure_ Failure failure = FAILURE_INIT;
                _cleanup_record_ Record *back = NULL;

                text[at] ^= 1 << at % 8;
                assert_int_equal(file_replace(place.dir, "4711.json", text, size, 0600, 0), 0);
                refused += record_read(place.dir, "4711.json", &back, &failure) != 0;
                text[at] ^= 1 << at % 8;
        }
        assert_true(refused > size / 4);
        place_deinit(&place);
}

static void test_newer_version(void **state) {
        static const char text[] = "{\"version\":2}\n";
        _cleanup_failure_ Failure failure = FAILURE_INIT;
        Record *record;
        Place place;

        place_init(&place);
        assert_int_equal(file_replace(place.dir, "4711.json", text, strlen(text), 0600, 0), 0);
        assert_int_equal(record_read(place.dir, "4711.json", &record, &failure),
                         CONDITION_NOT_SUPPORTED);
        assert_non_null(strstr(failure_message(&failure), "version"));
        place_deinit(&place);
}

/* --- settling --------------------------------------------------------------------------------- */

static void settle_made(Record *record, const DaxRegion *now, WitnessWord made,
                        DaxRegion **ret_wanted, char **ret_strangers) {
        assert_int_equal(settle_wanted(record, now, made, ret_wanted, ret_strangers), 0);
}

static void settle(Record *record, const DaxRegion *now, DaxRegion **ret_wanted,
                   char **ret_strangers) {
        settle_made(record, now, WITNESS_MADE, ret_wanted, ret_strangers);
}

static void test_settle_back_and_forward(void **state) {
        _cleanup_region_ DaxRegion *now = new_used_region(), *back = NULL, *forward = NULL;
        _cleanup_plan_ Plan *plan = new_plan(now);
        _cleanup_record_ Record *record = new_record(plan);
        _cleanup_free_ char *strangers = NULL;

        record->forward = false;
        settle(record, now, &back, &strangers);
        assert_null(strangers);
        assert_int_equal(back->n_devices, 3);
        for (size_t i = 0; i < 3; i++)
                assert_same_device(back->devices[i], now->devices[i]);
        assert_int_equal(back->devices[0]->wipe, 0); /* its contents are its own */

        record->forward = true;
        settle(record, now, &forward, &strangers);
        assert_null(strangers);
        assert_null(dax_region_find(forward, "dax0.1"));
        assert_int_equal(dax_region_find(forward, "dax0.0")->size, 256 * MIB);
        assert_non_null(dax_region_find_label(forward, "new"));
}

static DaxRegion *new_state_awaiting(Record *record, const Plan *plan) {
        DaxRegion *now = new_used_region();

        for (size_t i = 0; i < plan->n_devices; i++)
                if (plan->devices[i].action == PLAN_NEW)
                        record->awaited = record_entry(record, plan, i);
        assert_int_not_equal(record->awaited, SIZE_MAX);
        record->forward = false;
        return now;
}

static void test_awaited_seed_is_ours(void **state) {
        _cleanup_region_ DaxRegion *before = new_used_region(), *now = NULL, *wanted = NULL;
        _cleanup_plan_ Plan *plan = new_plan(before);
        _cleanup_record_ Record *record = new_record(plan);
        _cleanup_free_ char *strangers = NULL;

        now = new_state_awaiting(record, plan);
        add_device(now, 3, "", 0, 0, DAX_MODE_NONE);
        strcpy(now->youngest, "dax0.3");
        settle(record, now, &wanted, &strangers);
        assert_null(strangers);
        assert_null(dax_region_find(wanted, "dax0.3")); /* so it will be destroyed */
        assert_string_equal(record->devices[record->awaited].name, "dax0.3");
}

/* The kernel gives the lowest name that is free, which may be that of what was destroyed before. */
static void test_awaited_seed_can_have_an_old_name(void **state) {
        _cleanup_region_ DaxRegion *before = new_used_region(), *now = NULL, *wanted = NULL;
        _cleanup_plan_ Plan *plan = new_plan(before);
        _cleanup_record_ Record *record = new_record(plan);
        _cleanup_free_ char *strangers = NULL;

        now = new_state_awaiting(record, plan);
        dax_device_unref(dax_region_take(now, "dax0.1"));
        add_device(now, 1, "", 0, 0, DAX_MODE_NONE);
        edit(now, "dax0.1")->identity = 99;
        strcpy(now->youngest, "dax0.1");
        settle(record, now, &wanted, &strangers);
        assert_null(strangers);
        assert_string_equal(record->devices[record->awaited].name, "dax0.1");
        assert_int_equal(record->devices[record->awaited].identity, 99);
        assert_int_equal(wanted->n_devices, before->n_devices);
}

/* A device that somebody else has made right when nobody of ours came to it any more. */
static void test_seed_is_not_ours_where_none_was_made(void **state) {
        _cleanup_region_ DaxRegion *before = new_used_region(), *now = NULL, *wanted = NULL;
        _cleanup_plan_ Plan *plan = new_plan(before);
        _cleanup_record_ Record *record = new_record(plan);
        _cleanup_free_ char *strangers = NULL;

        now = new_state_awaiting(record, plan);
        add_device(now, 3, "", 0, 0, DAX_MODE_NONE);
        strcpy(now->youngest, "dax0.3");
        settle_made(record, now, WITNESS_NOT_MADE, &wanted, &strangers);
        assert_null(strangers);
        assert_non_null(dax_region_find(wanted, "dax0.3"));
        assert_false(record->unclear);
}

/*
 * Two new ones, or one that is not the youngest, or has memory by now, or nobody knows whether ours
 * was made: reported, never guessed.
 */
static void test_undecided_seed_is_left(void **state) {
        for (int i = 0; i < 4; i++) {
                _cleanup_region_ DaxRegion *before = new_used_region(), *now = NULL;
                _cleanup_region_ DaxRegion *wanted = NULL;
                _cleanup_plan_ Plan *plan = new_plan(before);
                _cleanup_record_ Record *record = new_record(plan);
                _cleanup_free_ char *strangers = NULL;

                now = new_state_awaiting(record, plan);
                add_device(now, 3, "", 768 * MIB, i == 2 ? 2 * MIB : 0, DAX_MODE_NONE);
                strcpy(now->youngest, i == 1 ? "dax0.1" : "dax0.3");
                if (i == 0)
                        add_device(now, 4, "", 0, 0, DAX_MODE_NONE);
                settle_made(record, now, i == 3 ? WITNESS_UNKNOWN : WITNESS_MADE, &wanted,
                            &strangers);
                assert_non_null(strangers);
                assert_non_null(dax_region_find(wanted, "dax0.3"));

                /* nor is it forgotten by whoever takes it up next */
                record->awaited = SIZE_MAX;
                wanted = dax_region_free(wanted);
                free(TAKE_PTR(strangers));
                settle(record, now, &wanted, &strangers);
                assert_non_null(strangers);
        }
}

/* A name that means another device by now, and a place that somebody took. */
static void test_strangers_are_left(void **state) {
        _cleanup_region_ DaxRegion *before = new_used_region(), *now = new_used_region();
        _cleanup_region_ DaxRegion *wanted = NULL, *wanted_too = NULL;
        _cleanup_plan_ Plan *plan = new_plan(before);
        _cleanup_record_ Record *record = new_record(plan), *record_too = new_record(plan);
        _cleanup_free_ char *strangers = NULL, *strangers_too = NULL;

        record->forward = record_too->forward = false;
        edit(now, "dax0.1")->identity = 99;
        settle(record, now, &wanted, &strangers);
        assert_non_null(strstr(strangers, "dax0.1"));
        assert_same_device(dax_region_find(wanted, "dax0.1"), dax_region_find(now, "dax0.1"));

        dax_device_unref(dax_region_take(now, "dax0.1"));
        add_device(now, 5, "", 256 * MIB, 64 * MIB, DAX_MODE_DEVDAX);
        settle(record_too, now, &wanted_too, &strangers_too);
        assert_non_null(strstr(strangers_too, "place has been taken"));
        assert_non_null(dax_region_find(wanted_too, "dax0.5"));
}

/* One that was made here and that somebody else has gone on with. */
static void test_own_changed_by_others_is_told(void **state) {
        _cleanup_region_ DaxRegion *before = new_used_region(), *now = new_used_region();
        _cleanup_region_ DaxRegion *wanted = NULL;
        _cleanup_plan_ Plan *plan = new_plan(before);
        _cleanup_record_ Record *record = new_record(plan);
        _cleanup_free_ char *strangers = NULL;

        record->forward = false;
        for (size_t i = 0; i < record->n_devices; i++)
                if (!record->devices[i].before)
                        record_set_name(record, i, "dax0.5", 55);
        add_device(now, 5, "", 640 * MIB, 256 * MIB, DAX_MODE_NONE);
        edit(now, "dax0.5")->identity = 55;
        settle(record, now, &wanted, &strangers);
        assert_non_null(strangers);
        assert_non_null(strstr(strangers, "dax0.5"));
        assert_non_null(strstr(strangers, "changed by another program"));
        assert_same_device(dax_region_find(wanted, "dax0.5"), dax_region_find(now, "dax0.5"));
}

/* --- owners ----------------------------------------------------------------------------------- */

static void fill(Owners *owners, DaxRegion *region) {
        assert_int_equal(owners_fill(owners, region), 0);
}

static void assert_owner(const DaxRegion *region, uint64_t offset, uint64_t size,
                         const char *owner) {
        const DaxOwned *found = NULL;

        for (size_t i = 0; i < region->n_owned; i++)
                if (region->owned[i].range.offset == offset)
                        found = &region->owned[i];
        assert_non_null(found);
        assert_int_equal(found->range.size, size);
        assert_string_equal(found->owner, owner);
}

static void test_owners(void **state) {
        _cleanup_region_ DaxRegion *fresh = new_region(), *used = new_used_region();
        _cleanup_(owners_freep) Owners *owners = NULL;
        bool damaged;
        Place place;

        place_init(&place);
        add_device(fresh, 0, "", 0, 0, DAX_MODE_NONE);
        fresh->start += 2 * fresh->size;
        assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
        assert_false(damaged);

        /*
         * nobody was in a region that is as the kernel leaves it; anybody may have been elsewhere
         */
        fill(owners, fresh);
        assert_int_equal(fresh->n_owned, 0);
        fill(owners, used);
        assert_int_equal(used->n_owned, 2);
        assert_string_equal(used->owned[0].owner, DAX_OWNER_UNKNOWN);

        assert_int_equal(owners_set(owners, fresh, (DaxRange){ 0, 8 * MIB }, "a"), 0);
        assert_int_equal(owners_set(owners, fresh, (DaxRange){ 8 * MIB, 8 * MIB }, ""), 0);
        assert_int_equal(owners_set(owners, fresh, (DaxRange){ 16 * MIB, 8 * MIB }, ""), 0);
        assert_int_equal(owners_clear(owners, fresh, (DaxRange){ 2 * MIB, 2 * MIB }), 0);

        /* the same after a restart, whatever the log went through; but nobody knows of the rest */
        for (int i = 0; i < 2; i++) {
                owners = owners_free(owners);
                assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
                assert_false(damaged);
                fill(owners, fresh);
                assert_owner(fresh, 0, 2 * MIB, "a");
                assert_owner(fresh, 2 * MIB, 2 * MIB, DAX_OWNER_UNKNOWN);
                assert_owner(fresh, 4 * MIB, 4 * MIB, "a");
                assert_owner(fresh, 8 * MIB, 16 * MIB, "");
                assert_owner(fresh, 24 * MIB, fresh->size - 24 * MIB, DAX_OWNER_UNKNOWN);
                assert_int_equal(fresh->n_owned, 5);
        }

        /* a region that was not there is met again when it comes */
        owners = owners_free(owners);
        assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
        fill(owners, used);
        assert_int_equal(owners_clear(owners, used, (DaxRange){ 0, used->size }), 0);
        for (int i = 0; i < 2; i++) {
                owners = owners_free(owners);
                assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
        }
        fill(owners, fresh);
        assert_int_equal(fresh->n_owned, 5);
        fill(owners, used);
        assert_int_equal(used->n_owned, 2);

        /* a smaller one where one was; one beside them all */
        assert_int_equal(owners_clear(owners, fresh, (DaxRange){ 0, fresh->size }), 0);
        fresh->size -= 64 * MIB;
        fill(owners, fresh);
        assert_owner(fresh, 0, fresh->size, DAX_OWNER_UNKNOWN);
        fresh->start += 2 * fresh->size;
        fill(owners, fresh);
        assert_int_equal(fresh->n_owned, 0);
        place_deinit(&place);
}

/* The log stays short, and says the same. */
static void test_owners_for_long(void **state) {
        _cleanup_region_ DaxRegion *region = new_region();
        _cleanup_(owners_freep) Owners *owners = NULL;
        struct stat st;
        bool damaged;
        Place place;

        place_init(&place);
        add_device(region, 0, "", 0, 0, DAX_MODE_NONE);
        assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
        fill(owners, region);
        for (int i = 0; i < 50000; i++)
                assert_int_equal(owners_set(owners, region, (DaxRange){ 0, 8 * MIB },
                                            i % 2 ? "a" : "b"),
                                 0);
        assert_int_equal(fstatat(place.dir, "owners", &st, 0), 0);
        assert_true(st.st_size < 2 << 20);
        for (int i = 0; i < 2; i++) { /* what is known is not written again */
                off_t size = st.st_size;

                assert_int_equal(owners_set(owners, region, (DaxRange){ 2 * MIB, 2 * MIB }, "a"),
                                 0);
                assert_int_equal(fstatat(place.dir, "owners", &st, 0), 0);
                assert_int_equal(st.st_size, size);
        }
        owners = owners_free(owners);
        assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
        assert_false(damaged);
        fill(owners, region);
        assert_owner(region, 0, 8 * MIB, "a");
        place_deinit(&place);
}

static void test_owners_damaged(void **state) {
        static const char *const texts[] = {
                "",
                "daxd-owners 2\n",
                "daxd-owners 1\nnonsense\n",
                "daxd-owners 1\n1000 2000 set 0 1 a\n",
                "daxd-owners 1\n1000 2000 met\n1000 2000 set 1fff 2 a\n",
        };

        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                _cleanup_region_ DaxRegion *region = new_region();
                _cleanup_(owners_freep) Owners *owners = NULL;
                bool damaged;
                Place place;

                place_init(&place);
                add_device(region, 0, "", 0, 2 * MIB, DAX_MODE_DEVDAX);
                assert_int_equal(file_replace(place.dir, "owners", texts[i], strlen(texts[i]), 0600,
                                              0),
                                 0);
                assert_int_equal(owners_new(place.dir, &owners, &damaged), 0);
                assert_true(damaged);
                fill(owners, region);
                assert_int_equal(region->n_owned, 1); /* all that is free counts as used */
                dax_device_unref(dax_region_take(region, "dax0.0"));
                add_device(region, 0, "", 0, 0, DAX_MODE_NONE);
                region->start += 2 * region->size;
                fill(owners, region);
                assert_int_equal(region->n_owned, 1); /* also in one that is empty */
                assert_int_equal(faccessat(place.dir, "owners.damaged", F_OK, 0), 0);
                place_deinit(&place);
        }
}

/* --- devices that nobody has seen ------------------------------------------------------------- */

static void test_unseen(void **state) {
        _cleanup_region_ DaxRegion *before = new_used_region(), *after = new_used_region();
        _cleanup_plan_ Plan *plan = new_plan(before);
        _cleanup_record_ Record *record = new_record(plan);
        Unseen unseen = {};

        /* what was before the first picture is not judged, nor who is there */
        assert_int_equal(unseen_explain(&unseen, NULL, before, NULL, NULL, 100), 0);
        assert_false(unseen_tells(&unseen, before, 7, 100));
        assert_true(unseen_tells(&unseen, before, 7, 101));
        assert_false(unseen_tells(&unseen, before, 0, 101));

        /* who was there has gone, and tells of it sooner or later, but once */
        dax_device_unref(dax_region_take(after, "dax0.0"));
        assert_int_equal(unseen_explain(&unseen, before, after, NULL, NULL, 200), 0);
        assert_false(unseen_tells(&unseen, after, 0, 199));
        assert_true(unseen_tells(&unseen, after, 0, 201));
        assert_int_equal(unseen_explain(&unseen, before, after, NULL, NULL, 300), 0);
        assert_false(unseen_tells(&unseen, after, 0, 301));
        assert_true(unseen_tells(&unseen, after, 0, 302));

        /* a transaction has had it, and what it has tried before */
        for (size_t i = 0; i < record->n_devices; i++)
                if (record->devices[i].name[0] == '\0')
                        record_set_name(record, i, "dax0.5", 55);
        dax_device_unref(dax_region_take(after, "dax0.1"));
        assert_int_equal(unseen_explain(&unseen, after, after, plan, NULL, 400), 0);
        assert_false(unseen_tells(&unseen, after, 1, 400));
        assert_true(unseen_tells(&unseen, after, 1, 401));
        assert_true(unseen_tells(&unseen, after, 5, 400));
        assert_int_equal(unseen_explain(&unseen, after, after, NULL, record, 500), 0);
        assert_false(unseen_tells(&unseen, after, 5, 500));
        assert_true(unseen_tells(&unseen, after, 5, 501));
        unseen_deinit(&unseen);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_steps),
                cmocka_unit_test(test_told),
                cmocka_unit_test(test_unasked_lines),
                cmocka_unit_test(test_full_disk),
                cmocka_unit_test(test_damage),
                cmocka_unit_test(test_newer_version),
                cmocka_unit_test(test_settle_back_and_forward),
                cmocka_unit_test(test_awaited_seed_is_ours),
                cmocka_unit_test(test_awaited_seed_can_have_an_old_name),
                cmocka_unit_test(test_seed_is_not_ours_where_none_was_made),
                cmocka_unit_test(test_undecided_seed_is_left),
                cmocka_unit_test(test_strangers_are_left),
                cmocka_unit_test(test_own_changed_by_others_is_told),
                cmocka_unit_test(test_owners),
                cmocka_unit_test(test_owners_for_long),
                cmocka_unit_test(test_owners_damaged),
                cmocka_unit_test(test_unseen),
        };

        return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
