/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The record of a transaction as a file that a person can read. */

#include "daemon/engine/record.h"
#include "daemon/util/file.h"
#include "daemon/util/json.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define RECORD_VERSION 1
#define RECORD_SIZE_MAX (16 << 20)

int record_new(Record **ret_record) {
        Record *record;

        record = calloc(1, sizeof(*record));
        if (!record)
                return -ENOMEM;

        record->awaited = SIZE_MAX;
        record->fd = -1;
        *ret_record = record;
        return 0;
}

Record *record_free(Record *record) {
        if (!record)
                return NULL;

        for (size_t i = 0; i < record->n_devices; i++) {
                dax_device_unref(record->devices[i].before);
                dax_device_unref(record->devices[i].wanted);
        }
        free(record->devices);
        dax_ranges_deinit(&record->instances);
        free(record->operation);
        free(record->origin);
        closep(&record->fd);
        free(record);
        return NULL;
}

/* The entry of device @name, or SIZE_MAX. */
static size_t record_find(const Record *record, const char *name) {
        for (size_t i = 0; name[0] != '\0' && i < record->n_devices; i++)
                if (strcmp(record->devices[i].name, name) == 0)
                        return i;

        return SIZE_MAX;
}

bool record_is_about(const Record *record, const char *name) {
        return record_find(record, name) != SIZE_MAX;
}

/* Adds to runs of instances; they come in ascending order. */
static int take_instance(DaxRanges *runs, uint32_t instance) {
        DaxRange *last = runs->count > 0 ? &runs->list[runs->count - 1] : NULL;

        if (!last || dax_range_end(*last) != instance)
                return dax_ranges_append(runs, (DaxRange){ instance, 1 });
        last->size++;
        return 0;
}

bool record_began_with(const Record *record, const char *name) {
        DaxRange one = { .size = 1 };
        uint32_t region, instance;

        if (text_parse_device_name(name, &region, &instance) < 0)
                return false;
        one.offset = instance;
        return dax_ranges_overlap(&record->instances, one);
}

int record_take_plan(Record *record, const Plan *plan) {
        record->region_start = plan->now->start;
        record->region_size = plan->now->size;

        for (size_t i = 0; i < plan->now->n_devices; i++)
                if (take_instance(&record->instances, plan->now->devices[i]->instance) < 0)
                        return -ENOMEM;

        for (size_t i = 0; i < plan->n_devices; i++) {
                const PlanDevice *device = &plan->devices[i];
                const DaxDevice *now;
                RecordDevice *entry;
                size_t index;

                if (device->action == PLAN_KEEP)
                        continue;

                /* instance 0 may be emptied and made anew: one device to whoever goes back */
                index = record_find(record, device->name);
                if (index == SIZE_MAX) {
                        RecordDevice fresh = {};

                        now = dax_region_find(plan->now, device->name);
                        memcpy(fresh.name, device->name, sizeof(fresh.name));
                        fresh.identity = now ? now->identity : 0;
                        index = record->n_devices;
                        if (ARRAY_APPEND(record->devices, record->n_devices, fresh) < 0)
                                return -ENOMEM;
                }
                entry = &record->devices[index];
                if (device->before && !entry->before &&
                    dax_device_copy(device->before, &entry->before) < 0)
                        return -ENOMEM;
                if (device->after && device->after->size > 0 &&
                    dax_device_copy(device->after, &entry->wanted) < 0)
                        return -ENOMEM;
        }

        return 0;
}

size_t record_entry(const Record *record, const Plan *plan, size_t index) {
        const PlanDevice *device = &plan->devices[index];
        size_t found = record_find(record, device->name);

        if (found != SIZE_MAX)
                return found;

        /* not there yet: the entry that is to lie where this one is */
        for (size_t i = 0; device->after && i < record->n_devices; i++) {
                const RecordDevice *entry = &record->devices[i];
                const DaxDevice *target = record->forward ? entry->wanted : entry->before;

                if (target && dax_ranges_equal(&target->ranges, &device->after->ranges))
                        return i;
        }

        return SIZE_MAX;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int add_ranges(json_object *object, const char *key, const DaxRanges *ranges) {
        json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < ranges->count; i++) {
                json_object *pair = json_object_new_array();

                if (!pair || json_append(array, pair) < 0 ||
                    json_append(pair, json_object_new_uint64(ranges->list[i].offset)) < 0 ||
                    json_append(pair, json_object_new_uint64(ranges->list[i].size)) < 0) {
                        json_object_put(array);
                        return -ENOMEM;
                }
        }

        return json_add(object, key, array);
}

/* Blocks as runs: [first, how many, "state"]. */
static int add_blocks(json_object *object, const DaxDevice *device) {
        json_object *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        for (size_t i = 0; i < device->n_blocks;) {
                const DaxBlock *first = &device->blocks[i];
                json_object *run = json_object_new_array();
                size_t n = 1;

                while (i + n < device->n_blocks && first[n].state == first->state &&
                       first[n].number == first->number + n)
                        n++;
                if (!run || json_append(array, run) < 0 ||
                    json_append(run, json_object_new_uint64(first->number)) < 0 ||
                    json_append(run, json_object_new_uint64(n)) < 0 ||
                    json_append(run, json_object_new_string(dax_block_state_name(first->state))) <
                            0) {
                        json_object_put(array);
                        return -ENOMEM;
                }
                i += n;
        }

        return json_add(object, "blocks", array);
}

static int add_device(json_object *parent, const char *key, const DaxDevice *device) {
        json_object *object;

        if (!device)
                return 0;

        object = json_object_new_object();
        if (!object)
                return -ENOMEM;
        if (json_add_string(object, "label", device->label) < 0 ||
            json_add_string(object, "user", device->access.user) < 0 ||
            json_add_string(object, "group", device->access.group) < 0 ||
            json_add_u64(object, "access", device->access.mode) < 0 ||
            json_add_u64(object, "align", device->align) < 0 ||
            json_add_string(object, "mode", dax_mode_name(device->mode)) < 0 ||
            (device->memmap_on_memory >= 0 &&
             json_add_bool(object, "memmap-on-memory", device->memmap_on_memory) < 0) ||
            add_ranges(object, "ranges", &device->ranges) < 0 || add_blocks(object, device) < 0) {
                json_object_put(object);
                return -ENOMEM;
        }

        return json_add(parent, key, object);
}

static int add_devices(json_object *header, const Record *record) {
        json_object *array = json_object_new_array();

        if (!array || json_add(header, "devices", array) < 0)
                return -ENOMEM;

        for (size_t i = 0; i < record->n_devices; i++) {
                const RecordDevice *entry = &record->devices[i];
                json_object *object = json_object_new_object();

                if (!object || json_append(array, object) < 0 ||
                    json_add_string(object, "name", entry->name) < 0 ||
                    json_add_u64(object, "identity", entry->identity) < 0 ||
                    add_device(object, "before", entry->before) < 0 ||
                    add_device(object, "wanted", entry->wanted) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int header_new(const Record *record, json_object **ret_header) {
        _cleanup_json_ json_object *header = json_object_new_object();

        if (!header || json_add_u64(header, "version", RECORD_VERSION) < 0 ||
            json_add_string(header, "operation", record->operation) < 0 ||
            json_add_string(header, "origin", record->origin) < 0 ||
            json_add_string(header, "direction", record->forward ? "forward" : "back") < 0 ||
            json_add_bool(header, "resumes", record->resumes) < 0 ||
            json_add_bool(header, "force", record->force) < 0 ||
            json_add_bool(header, "published", record->published) < 0 ||
            json_add_bool(header, "unclear", record->unclear) < 0 ||
            json_add_u64(header, "attempts", record->attempts) < 0 ||
            json_add_u64(header, "region-start", record->region_start) < 0 ||
            json_add_u64(header, "region-size", record->region_size) < 0 ||
            add_ranges(header, "instances", &record->instances) < 0 ||
            add_devices(header, record) < 0)
                return -ENOMEM;

        *ret_header = TAKE_PTR(header);
        return 0;
}

static void record_file_name(uint64_t id, char name[static 32]) {
        snprintf(name, 32, "%" PRIu64 ".json", id);
}

int record_write(Record *record, int dir) {
        _cleanup_json_ json_object *header = NULL;
        _cleanup_free_ char *text = NULL, *lines = NULL;
        char name[32], told[128] = "", auto_online[64] = "";
        int size, r;

        r = header_new(record, &header);
        if (r >= 0)
                r = json_to_text(header, &text, NULL);
        if (r < 0)
                return r;
        if (record->told[0] != '\0')
                snprintf(told, sizeof(told), WORKER_ID_LINE, record->told,
                         dax_mode_name(record->told_mode));
        if (record->auto_online[0] != '\0')
                snprintf(auto_online, sizeof(auto_online), WORKER_AUTO_ONLINE_LINE,
                         record->auto_online);
        size = asprintf(&lines, "%s%s%s", text, told, auto_online);
        if (size < 0)
                return -ENOMEM;

        record_file_name(record->id, name);
        r = file_replace(dir, name, lines, size, 0600, 0);
        if (r < 0)
                return r;

        closep(&record->fd);
        record->awaited = SIZE_MAX;
        record->size = size;
        record->fd = openat(dir, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        return record->fd < 0 ? -errno : 0;
}

bool record_lets_in(const Record *record, uint32_t op) {
        return record->forward && plan_op_lets_in(op);
}

/* For a person, who may have the plan; and whether somebody was going to be let in. */
int record_steps(Record *record, const WorkerStep *steps, size_t n, size_t first) {
        bool publishes = false;
        char line[128];
        int size, r;

        for (size_t i = 0; i < n; i++)
                publishes |= record_lets_in(record, steps[i].op);
        size = snprintf(line, sizeof(line), "{\"from\":%zu,\"to\":%zu,\"publishes\":%s}\n", first,
                        first + n - 1, publishes ? "true" : "false");

        r = file_write_all(record->fd, line, size);
        if (r < 0) {
                (void)!ftruncate(record->fd, record->size);
                return r;
        }

        record->awaited = SIZE_MAX;
        record->size += size;
        return 0;
}

void record_set_name(Record *record, size_t index, const char *name, uint64_t identity) {
        RecordDevice *entry = &record->devices[index];

        /* the kernel gives names out again: who had it before is not there any more */
        for (size_t i = 0; i < record->n_devices; i++)
                if (strcmp(record->devices[i].name, name) == 0) {
                        memset(record->devices[i].name, 0, sizeof(entry->name));
                        record->devices[i].identity = 0;
                }

        snprintf(entry->name, sizeof(entry->name), "%s", name);
        entry->identity = identity;
}

int record_remove(uint64_t id, int dir) {
        char name[32];

        record_file_name(id, name);
        return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_pair_element(const JsonValue *value, void *target) {
        DaxRange *range = target;
        uint64_t number;

        if (value->index > 1 || !json_value_u64(value, &number))
                return json_expected(value, "an offset and a size");
        *(value->index == 0 ? &range->offset : &range->size) = number;
        return 0;
}

static int read_range(const JsonValue *value, void *target) {
        DaxRange range = {};
        int r;

        r = json_read_array(value, read_pair_element, &range);
        if (r != 0)
                return r;
        if (range.size == 0 || range.offset > UINT64_MAX - range.size)
                return json_expected(value, "an offset and a size");
        return dax_ranges_append(target, range);
}

static int read_ranges(const JsonValue *value, void *target) {
        return json_read_array(value, read_range, target);
}

typedef struct BlockRun {
        uint64_t first, count;
        int state;
} BlockRun;

static int read_run_element(const JsonValue *value, void *target) {
        BlockRun *run = target;

        if (value->index == 0 && json_value_u64(value, &run->first))
                return 0;
        if (value->index == 1 && json_value_u64(value, &run->count) && run->count <= UINT32_MAX)
                return 0;
        if (value->index == 2 && json_value_string(value)) {
                run->state = dax_block_state_from_name(json_value_string(value));
                if (run->state >= 0)
                        return 0;
        }

        return json_expected(value, "a run of memory blocks");
}

static int read_run(const JsonValue *value, void *target) {
        DaxDevice *device = target;
        BlockRun run = {};
        int r;

        r = json_read_array(value, read_run_element, &run);
        for (uint64_t i = 0; r == 0 && i < run.count; i++) {
                DaxBlock block = { run.first + i, run.state };

                r = ARRAY_APPEND(device->blocks, device->n_blocks, block);
        }

        return r;
}

static int read_blocks(const JsonValue *value, void *target) {
        return json_read_array(value, read_run, target);
}

static int read_into(const JsonValue *value, char *to, size_t size) {
        const char *text = json_value_string(value);

        if (!text || strlen(text) >= size)
                return json_expected(value, "a short string");
        strcpy(to, text);
        return 0;
}

static int read_label(const JsonValue *value, void *target) {
        return read_into(value, target, LABEL_MAX + 1);
}

static int read_name(const JsonValue *value, void *target) {
        return read_into(value, target, DAX_NAME_MAX + 1);
}

static int read_account(const JsonValue *value, void *target) {
        return read_into(value, target, sizeof(((DaxAccess *)NULL)->user));
}

static int read_word(const JsonValue *value, void *target) {
        return read_into(value, target, sizeof(((Record *)NULL)->auto_online));
}

static int read_access_mode(const JsonValue *value, void *target) {
        uint64_t number;

        if (!json_value_u64(value, &number) || number > 0777)
                return json_expected(value, "an access mode");
        *(mode_t *)target = number;
        return 0;
}

static int read_mode(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);
        DaxMode mode = text ? dax_mode_from_name(text) : _DAX_MODE_INVALID;

        if (mode == _DAX_MODE_INVALID && !text_equal(text, dax_mode_name(DAX_MODE_OTHER)))
                return json_expected(value, "a mode");
        *(DaxMode *)target = mode == _DAX_MODE_INVALID ? DAX_MODE_OTHER : mode;
        return 0;
}

static int read_memmap(const JsonValue *value, void *target) {
        bool yes;
        int r;

        r = json_read_bool(value, &yes);
        if (r == 0)
                *(int *)target = yes;
        return r;
}

static int read_device(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "label", read_label, offsetof(DaxDevice, label), true },
                { "user", read_account, offsetof(DaxDevice, access.user), true },
                { "group", read_account, offsetof(DaxDevice, access.group), true },
                { "access", read_access_mode, offsetof(DaxDevice, access.mode), true },
                { "align", json_read_u64, offsetof(DaxDevice, align), true },
                { "mode", read_mode, offsetof(DaxDevice, mode), true },
                { "memmap-on-memory", read_memmap, offsetof(DaxDevice, memmap_on_memory), false },
                { "ranges", read_ranges, offsetof(DaxDevice, ranges), true },
                { "blocks", read_blocks, 0, true },
        };
        _cleanup_device_ DaxDevice *device = NULL;
        int r;

        r = dax_device_new(&device);
        if (r == 0)
                r = json_read_object(value, fields, ELEMENTS(fields), device, NULL);
        if (r != 0)
                return r;

        device->size = dax_ranges_size(&device->ranges);
        *(DaxDevice **)target = TAKE_PTR(device);
        return 0;
}

static int read_entry(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "name", read_name, offsetof(RecordDevice, name), true },
                { "identity", json_read_u64, offsetof(RecordDevice, identity), true },
                { "before", read_device, offsetof(RecordDevice, before), false },
                { "wanted", read_device, offsetof(RecordDevice, wanted), false },
        };
        Record *record = target;
        RecordDevice *entry;

        if (ARRAY_APPEND(record->devices, record->n_devices, (RecordDevice){}) < 0)
                return -ENOMEM;
        entry = &record->devices[record->n_devices - 1];
        return json_read_object(value, fields, ELEMENTS(fields), entry, NULL);
}

static int read_entries(const JsonValue *value, void *target) {
        return json_read_array(value, read_entry, target);
}

static int read_direction(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);

        if (!text_equal(text, "forward") && !text_equal(text, "back"))
                return json_expected(value, "\"forward\" or \"back\"");
        *(bool *)target = text[0] == 'f';
        return 0;
}

static int read_version(const JsonValue *value, void *target) {
        uint64_t version;

        if (!json_value_u64(value, &version) || version != RECORD_VERSION)
                return json_expected(value, "version 1");
        return 0;
}

static int read_header(const JsonValue *value, Record *record) {
        static const JsonField fields[] = {
                { "version", read_version, 0, true },
                { "operation", json_read_string, offsetof(Record, operation), true },
                { "origin", json_read_string, offsetof(Record, origin), true },
                { "direction", read_direction, offsetof(Record, forward), true },
                { "resumes", json_read_bool, offsetof(Record, resumes), true },
                { "force", json_read_bool, offsetof(Record, force), true },
                { "published", json_read_bool, offsetof(Record, published), true },
                { "unclear", json_read_bool, offsetof(Record, unclear), false },
                { "attempts", json_read_u64, offsetof(Record, attempts), true },
                { "region-start", json_read_u64, offsetof(Record, region_start), true },
                { "region-size", json_read_u64, offsetof(Record, region_size), true },
                { "instances", read_ranges, offsetof(Record, instances), true },
                { "devices", read_entries, 0, true },
        };

        return json_read_object(value, fields, ELEMENTS(fields), record, NULL);
}

/* A line of record_steps(), or one that a worker has added. */
typedef struct RecordLine {
        uint64_t from, to, entry, identity;
        bool publishes;
        DaxMode mode;
        char name[DAX_NAME_MAX + 1];
        char word[sizeof(((Record *)NULL)->auto_online)];
} RecordLine;

static int take_steps(const JsonValue *value, const RecordLine *line, Record *record) {
        record->awaited = SIZE_MAX;
        record->published |= line->publishes;
        return 0;
}

static int take_making(const JsonValue *value, const RecordLine *line, Record *record) {
        if (line->entry >= record->n_devices)
                return json_refuse(value, "there is no such device in the record");

        record->awaited = line->entry;
        return 0;
}

static int take_made(const JsonValue *value, const RecordLine *line, Record *record) {
        if (record->awaited == SIZE_MAX || record->awaited != line->entry)
                return json_refuse(value, "no such device is awaited");

        record_set_name(record, line->entry, line->name, line->identity);
        record->awaited = SIZE_MAX;
        return 0;
}

static int take_id(const JsonValue *value, const RecordLine *line, Record *record) {
        strcpy(record->told, line->name);
        record->told_mode = line->mode;
        return 0;
}

static int take_auto_online(const JsonValue *value, const RecordLine *line, Record *record) {
        strcpy(record->auto_online, line->word);
        return 0;
}

/* Each kind by the key that only it has; what has none of them is read as the last. */
static const struct {
        const char *key;
        JsonField fields[3];
        size_t n_fields;
        int (*take)(const JsonValue *value, const RecordLine *line, Record *record);
} line_kinds[] = {
        { "making",
          { { "making", json_read_u64, offsetof(RecordLine, entry), true } },
          1,
          take_making },
        { "made",
          { { "made", json_read_u64, offsetof(RecordLine, entry), true },
            { "name", read_name, offsetof(RecordLine, name), true },
            { "identity", json_read_u64, offsetof(RecordLine, identity), true } },
          3,
          take_made },
        { "id",
          { { "id", read_name, offsetof(RecordLine, name), true },
            { "mode", read_mode, offsetof(RecordLine, mode), true } },
          2,
          take_id },
        { "auto-online",
          { { "auto-online", read_word, offsetof(RecordLine, word), true } },
          1,
          take_auto_online },
        { "from",
          { { "from", json_read_u64, offsetof(RecordLine, from), true },
            { "to", json_read_u64, offsetof(RecordLine, to), true },
            { "publishes", json_read_bool, offsetof(RecordLine, publishes), true } },
          3,
          take_steps },
};

static int read_line(const JsonSource *source, char *line, Record *record, bool header) {
        _cleanup_json_ json_object *object = NULL;
        JsonValue value = { .source = source };
        RecordLine read = {};
        size_t kind = 0;
        int r;

        r = json_parse_strict(source, line, strlen(line), &object);
        if (r != 0)
                return r;

        value.object = object;
        if (header)
                return read_header(&value, record);

        while (kind < ELEMENTS(line_kinds) - 1 &&
               !json_object_object_get_ex(object, line_kinds[kind].key, NULL))
                kind++;
        r = json_read_object(&value, line_kinds[kind].fields, line_kinds[kind].n_fields, &read,
                             NULL);
        return r != 0 ? r : line_kinds[kind].take(&value, &read, record);
}

/* Reads lines of a text of which the first may be the header. */
static int read_lines(const JsonSource *source, char *text, Record *record, bool header) {
        for (char *line = text, *end; header || *line != '\0'; line = end, header = false) {
                int r;

                end = strchr(line, '\n');
                if (end)
                        *end++ = '\0';
                else if (header)
                        end = line + strlen(line);
                else
                        break; /* cut off while it was written: whoever did has not gone on */
                r = read_line(source, line, record, header);
                if (r != 0)
                        return r;
                record->size += end - line;
        }

        return 0;
}

int record_catch_up(Record *record) {
        static const JsonSource source = { .what = "what a worker added",
                                           .condition = CONDITION_NOT_SUPPORTED };
        _cleanup_free_ char *text = NULL;
        struct stat st;
        size_t size;
        ssize_t n;
        int r;

        if (fstat(record->fd, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size < record->size || st.st_size > RECORD_SIZE_MAX)
                return -EBADMSG;
        size = st.st_size - record->size;
        if (size == 0)
                return 0;
        text = malloc(size + 1);
        if (!text)
                return -ENOMEM;
        n = pread(record->fd, text, size, record->size);
        if (n < 0)
                return -errno;

        text[n] = '\0';
        r = read_lines(&source, text, record, false);
        if (r == 0 && record->size < (size_t)st.st_size && ftruncate(record->fd, record->size) < 0)
                r = -errno;
        return r > 0 ? -EBADMSG : r;
}

int record_read(int dir, const char *name, Record **ret_record, Failure *failure) {
        const JsonSource source = { .what = name,
                                    .condition = CONDITION_NOT_SUPPORTED,
                                    .failure = failure };
        _cleanup_record_ Record *record = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = file_read(dir, name, O_NOFOLLOW, RECORD_SIZE_MAX, &text, NULL);
        if (r < 0)
                return r;
        r = record_new(&record);
        if (r < 0)
                return r;
        if (sscanf(name, "%" SCNu64 ".json", &record->id) != 1)
                return failure_set(failure, CONDITION_NOT_SUPPORTED,
                                   "%s is no name of a transaction's record", name);

        r = read_lines(&source, text, record, true);
        if (r != 0)
                return r;

        record->fd = openat(dir, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        if (record->fd < 0 || ftruncate(record->fd, record->size) < 0)
                return -errno;

        *ret_record = TAKE_PTR(record);
        return 0;
}
