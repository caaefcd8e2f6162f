/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which devices a transaction may still call its own, and what they are to become. Pure. */

#include "daemon/engine/settle.h"

#include <stdio.h>
#include <string.h>

/* Names are given again: with another identity it is not what the entry means. */
static bool is_same(const RecordDevice *entry, const DaxDevice *device) {
        return strcmp(entry->name, device->name) == 0 &&
               (entry->identity == 0 || entry->identity == device->identity);
}

/* What the entry means, as long as it is there. */
static const DaxDevice *find_entry(const RecordDevice *entry, const DaxRegion *region) {
        const DaxDevice *device = entry->name[0] ? dax_region_find(region, entry->name) : NULL;

        return device && is_same(entry, device) ? device : NULL;
}

static bool record_knows(const Record *record, const DaxDevice *device) {
        bool had_name = false;

        for (size_t i = 0; i < record->n_devices; i++) {
                if (is_same(&record->devices[i], device))
                        return true;
                had_name = had_name || strcmp(record->devices[i].name, device->name) == 0;
        }

        return !had_name && record_began_with(record, device->name);
}

/*
 * The device that the awaited CREATE has made: the only new one, still empty and without a driver,
 * and the youngest. Of several, or one that is not so, or where nobody knows whether it has made
 * any, none is taken.
 */
static const DaxDevice *find_awaited(const Record *record, const DaxRegion *now, WitnessWord made,
                                     bool *ret_unclear) {
        const DaxDevice *found = NULL;
        size_t n = 0;

        for (size_t i = 0; i < now->n_devices; i++)
                if (!record_knows(record, now->devices[i])) {
                        found = now->devices[i];
                        n++;
                }

        if (n == 0 || made == WITNESS_NOT_MADE)
                return NULL;
        if (made == WITNESS_MADE && n == 1 && found->size == 0 && found->mode == DAX_MODE_NONE &&
            strcmp(now->youngest, found->name) == 0)
                return found;

        *ret_unclear = true;
        return NULL;
}

static bool covered_by(const DaxDevice *a, const DaxDevice *b, DaxRange range) {
        _cleanup_ranges_ DaxRanges both = {};

        for (size_t i = 0; a && i < a->ranges.count; i++)
                if (dax_ranges_append(&both, a->ranges.list[i]) < 0)
                        return false;
        for (size_t i = 0; b && i < b->ranges.count; i++)
                if (dax_ranges_append(&both, b->ranges.list[i]) < 0)
                        return false;

        return dax_ranges_cover(&both, range);
}

/* Whether what the entry means is in a state that our own steps can have left it in. */
static bool is_own(const RecordDevice *entry, const DaxDevice *device) {
        if (device->mode == DAX_MODE_OTHER)
                return false;

        for (size_t i = 0; i < device->ranges.count; i++)
                if (!covered_by(entry->before, entry->wanted, device->ranges.list[i]))
                        return false;

        return true;
}

/* Whether an entry that is to lie on @target finds its place taken by someone who came since. */
static bool place_is_taken(const DaxRegion *wanted, const DaxDevice *target) {
        for (size_t i = 0; i < wanted->n_devices; i++)
                for (size_t k = 0; k < wanted->devices[i]->ranges.count; k++)
                        if (dax_ranges_overlap(&target->ranges, wanted->devices[i]->ranges.list[k]))
                                return true;

        return false;
}

static int add_target(DaxRegion *wanted, const RecordDevice *entry, const DaxDevice *target,
                      bool wipe, const DaxDevice *is) {
        DaxDevice *device;

        if (dax_device_copy(target, &device) < 0)
                return -ENOMEM;

        memset(device->name, 0, sizeof(device->name));
        if (is) {
                memcpy(device->name, is->name, sizeof(device->name));
                device->instance = is->instance;
        } else if (entry->name[0] != '\0' && !dax_region_find(wanted, entry->name)) {
                uint32_t region;

                /* gone: it is made anew, and gets its old name if that is the lowest one free */
                if (text_parse_device_name(entry->name, &region, &device->instance) == 0)
                        memcpy(device->name, entry->name, sizeof(device->name));
        }
        device->size = dax_ranges_size(&device->ranges);
        device->online = DAX_ONLINE_KEEP;
        device->wipe = wipe ? -1 : 0;
        return dax_region_add(wanted, device);
}

static int note_stranger(FILE *notes, const RecordDevice *entry, const char *why) {
        const DaxDevice *picture = entry->before ?: entry->wanted;
        const char *label = picture ? picture->label : "";

        return fprintf(notes, "%s%s%s%s%s", ftell(notes) > 0 ? "; " : "",
                       entry->name[0] ? entry->name : "a new device", label[0] ? " " : "", label,
                       why) < 0 ?
                     -ENOMEM :
                     0;
}

static int settle_entries(Record *record, const DaxRegion *now, DaxRegion *wanted, FILE *notes) {
        /* first take all of one's own out, then put them in: places may have been swapped */
        for (size_t i = 0; i < record->n_devices; i++) {
                RecordDevice *entry = &record->devices[i];
                const DaxDevice *is = find_entry(entry, now);

                if (is && is_own(entry, is))
                        dax_device_unref(dax_region_take(wanted, entry->name));
        }

        for (size_t i = 0; i < record->n_devices; i++) {
                const RecordDevice *entry = &record->devices[i];
                const DaxDevice *target = record->forward ? entry->wanted : entry->before;
                const DaxDevice *is = find_entry(entry, now);
                /* contents are as they were, unless somebody was let in meanwhile */
                bool wipe = record->forward || record->published;
                int r = 0;

                if (is && !is_own(entry, is)) {
                        r = note_stranger(notes, entry,
                                          " was changed by another program meanwhile: it is left "
                                          "as it is");
                } else if (target && place_is_taken(wanted, target)) {
                        r = note_stranger(notes, entry, ": its place has been taken");
                } else if (target) {
                        r = add_target(wanted, entry, target, wipe, is);
                }
                if (r < 0)
                        return r;
        }

        return 0;
}

int settle_wanted(Record *record, const DaxRegion *now, WitnessWord made, DaxRegion **ret_wanted,
                  char **ret_strangers) {
        _cleanup_region_ DaxRegion *wanted = NULL;
        _cleanup_free_ char *text = NULL;
        bool unclear = record->unclear;
        size_t size = 0;
        FILE *notes;
        int r;

        if (record->awaited != SIZE_MAX) {
                const DaxDevice *device = find_awaited(record, now, made, &unclear);

                if (device)
                        record_set_name(record, record->awaited, device->name, device->identity);
        }

        /*
         * on the way there nothing more is done then, and on the way back it is looked at once more
         */
        record->unclear = unclear && !record->forward;

        r = dax_region_copy(now, &wanted);
        if (r < 0)
                return r;
        notes = open_memstream(&text, &size);
        if (!notes)
                return -ENOMEM;

        r = settle_entries(record, now, wanted, notes);
        if (r >= 0 && unclear)
                r = fprintf(notes,
                            "%sone of the new empty devices may be a leftover of this "
                            "transaction; if nobody else made it, 'daxctl destroy-device' "
                            "removes it",
                            ftell(notes) > 0 ? "; " : "") < 0 ?
                          -ENOMEM :
                          0;
        if (fclose(notes) != 0 || r < 0)
                return -ENOMEM;

        *ret_wanted = TAKE_PTR(wanted);
        *ret_strangers = size > 0 ? TAKE_PTR(text) : NULL;
        return 0;
}
