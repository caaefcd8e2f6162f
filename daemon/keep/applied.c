/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which layouts were applied in this boot. */

#include "daemon/keep/applied.h"
#include "daemon/util/file.h"
#include "daemon/util/json.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define APPLIED_VERSION 1
#define APPLIED_SIZE_MAX (1 << 20)

void applied_deinit(AppliedList *applied) {
        free(applied->list);
        *applied = (AppliedList){};
}

static int read_version(const JsonValue *value, void *target) {
        uint64_t version;

        if (!json_value_u64(value, &version) || version != APPLIED_VERSION)
                return json_expected(value, "version 1");
        return 0;
}

static int read_digest(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);

        if (!text || strlen(text) != sizeof(((Applied *)NULL)->digest) - 1)
                return json_expected(value, "a digest");
        strcpy(target, text);
        return 0;
}

static int read_one(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "region-start", json_read_u64, offsetof(Applied, region_start), true },
                { "region-size", json_read_u64, offsetof(Applied, region_size), true },
                { "layout", read_digest, offsetof(Applied, digest), true },
        };
        AppliedList *applied = target;
        Applied one = {};
        int r;

        r = json_read_object(value, fields, ELEMENTS(fields), &one, NULL);
        if (r != 0)
                return r;
        return ARRAY_APPEND(applied->list, applied->count, one);
}

static int read_list(const JsonValue *value, void *target) {
        return json_read_array(value, read_one, target);
}

int applied_load(const char *path, AppliedList *ret_applied, Failure *failure) {
        static const JsonField fields[] = {
                { "version", read_version, 0, true },
                { "applied", read_list, 0, true },
        };
        const JsonSource source = { path, CONDITION_NOT_SUPPORTED, failure };
        _cleanup_(applied_deinit) AppliedList applied = {};
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r;

        r = file_read(AT_FDCWD, path, O_NOFOLLOW, APPLIED_SIZE_MAX, &text, &size);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;

        r = json_parse_strict(&source, text, size, &object);
        if (r == 0)
                r = json_read_object(&(JsonValue){ .source = &source, .object = object }, fields,
                                     ELEMENTS(fields), &applied, NULL);
        if (r != 0)
                return r;

        *ret_applied = applied;
        applied = (AppliedList){};
        return 0;
}

static Applied *applied_find(const AppliedList *applied, const DaxRegion *region) {
        for (size_t i = 0; i < applied->count; i++)
                if (applied->list[i].region_start == region->start &&
                    applied->list[i].region_size == region->size)
                        return &applied->list[i];

        return NULL;
}

bool applied_has(const AppliedList *applied, const DaxRegion *region, const char *digest) {
        const Applied *one = applied_find(applied, region);

        return one && strcmp(one->digest, digest) == 0;
}

static int applied_write(const AppliedList *applied, const char *path) {
        _cleanup_json_ json_object *object = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        json_object *array;
        size_t size;

        if (!object || json_add_u64(object, "version", APPLIED_VERSION) < 0)
                return -ENOMEM;
        array = json_object_new_array();
        if (!array || json_add(object, "applied", array) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < applied->count; i++) {
                json_object *one = json_object_new_object();

                if (!one || json_append(array, one) < 0 ||
                    json_add_u64(one, "region-start", applied->list[i].region_start) < 0 ||
                    json_add_u64(one, "region-size", applied->list[i].region_size) < 0 ||
                    json_add_string(one, "layout", applied->list[i].digest) < 0)
                        return -ENOMEM;
        }
        if (json_to_text(object, &text, &size) < 0)
                return -ENOMEM;

        return file_replace(AT_FDCWD, path, text, size, 0600, 0);
}

int applied_set(AppliedList *applied, const char *path, const DaxRegion *region,
                const char *digest) {
        Applied *one = applied_find(applied, region);

        if (!one) {
                Applied fresh = { .region_start = region->start, .region_size = region->size };

                if (ARRAY_APPEND(applied->list, applied->count, fresh) < 0)
                        return -ENOMEM;
                one = &applied->list[applied->count - 1];
        }

        snprintf(one->digest, sizeof(one->digest), "%s", digest);
        return applied_write(applied, path);
}

int applied_forget(AppliedList *applied, const char *path, const DaxRegion *region) {
        const Applied *one = applied_find(applied, region);

        if (!one)
                return 0;

        ARRAY_REMOVE(applied->list, applied->count, (size_t)(one - applied->list));
        return applied_write(applied, path);
}
