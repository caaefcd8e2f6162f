/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Reads a layout: a table of keys per object, then what no single key can tell. Takes nothing
 * that it does not understand wholly, and guesses nothing.
 */

#include "daemon/layout/layout.h"
#include "daemon/layout/ranges.h"
#include "daemon/util/json.h"
#include "daemon/util/text.h"

#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#define ALIGN_MIN 4096

#define EXPECTED_SIZE                                                                              \
        "a size above 0: a number of bytes below 2^64, or a string such as \"256M\", "             \
        "\"0x10000000\", \"12.5%\" or \"rest\""

static int read_version(const JsonValue *value, void *target) {
        uint64_t version;

        if (!json_value_u64(value, &version) || version != LAYOUT_VERSION)
                return json_expected(value, "1, the version of layouts that this daxd reads");
        return 0;
}

static int read_region_size(const JsonValue *value, void *target) {
        uint64_t *size = target;
        int r;

        r = layout_read_bytes(value, size);
        return r == 0 && *size == 0 ? json_expected(value, "a size above 0") : r;
}

static int read_kind(const JsonValue *value, void *target) {
        const char *name = json_value_string(value);
        DaxKind *kind = target;

        *kind = name ? dax_kind_from_name(name) : _DAX_KIND_INVALID;
        if (*kind == _DAX_KIND_INVALID)
                return json_expected(value, "\"hmem\", \"cxl\", \"pmem\" or \"other\"");
        return 0;
}

static int read_node(const JsonValue *value, void *target) {
        uint64_t number;
        int *node = target;

        if (!json_value_u64(value, &number) || number > INT_MAX)
                return json_expected(value, "the number of a NUMA node");

        *node = number;
        return 0;
}

static int read_path(const JsonValue *value, void *target) {
        const char *path = json_value_string(value);

        if (!path || path[0] != '/')
                return json_expected(value, "a path below /sys/devices, such as "
                                            "\"/platform/hmem.0\"");
        return json_read_string(value, target);
}

static int read_serial(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);
        LayoutRegion *region = target;
        uint64_t serial;
        size_t at;

        if (!json_value_u64(value, &serial) && (!text || text_parse_u64(text, &serial) < 0))
                return json_expected(value, "a serial number, as a number or a string such as "
                                            "\"0x1234\"");
        if (region->n_cxl_serials == DAX_CXL_SERIALS_MAX)
                return json_refuse(value, "more than %d serial numbers", DAX_CXL_SERIALS_MAX);
        for (size_t i = 0; i < region->n_cxl_serials; i++)
                if (region->cxl_serials[i] == serial)
                        return json_refuse(value, "this serial number stands here twice");

        /* sorted: a set */
        for (at = region->n_cxl_serials++; at > 0 && region->cxl_serials[at - 1] > serial; at--)
                region->cxl_serials[at] = region->cxl_serials[at - 1];
        region->cxl_serials[at] = serial;
        return 0;
}

static int read_serials(const JsonValue *value, void *target) {
        LayoutRegion *region = target;
        int r;

        r = json_read_array(value, read_serial, region);
        return r == 0 && region->n_cxl_serials == 0 ?
                       json_expected(value, "at least one serial number") :
                       r;
}

static int read_id(const JsonValue *value, void *target) {
        uint64_t number;
        uint32_t *id = target;

        if (!json_value_u64(value, &number) || number > INT32_MAX)
                return json_expected(value, "the number of a region");

        *id = number;
        return 0;
}

static int read_region(const JsonValue *value, void *target) {
        /* in the order of LayoutRegionKey */
        static const JsonField fields[] = {
                { "start", layout_read_bytes, offsetof(LayoutRegion, start) },
                { "size", read_region_size, offsetof(LayoutRegion, size) },
                { "kind", read_kind, offsetof(LayoutRegion, kind) },
                { "target-node", read_node, offsetof(LayoutRegion, target_node) },
                { "path", read_path, offsetof(LayoutRegion, path) },
                { "cxl-serials", read_serials },
                { "id", read_id, offsetof(LayoutRegion, id) },
        };
        LayoutRegion *region = target;
        uint64_t present;
        int r;

        r = json_read_object(value, fields, ELEMENTS(fields), region, &present);
        if (r != 0)
                return r;
        if (present == 0)
                return json_refuse(value, "expected at least one key that tells which region is "
                                          "meant, such as start and size");

        region->keys = present;
        return 0;
}

static int read_enforce(const JsonValue *value, void *target) {
        const char *name = json_value_string(value);
        LayoutEnforce *enforce = target;

        for (LayoutEnforce e = 0; e < _LAYOUT_ENFORCE_MAX; e++)
                if (text_equal(name, layout_enforce_name(e))) {
                        *enforce = e;
                        return 0;
                }

        return json_expected(value, "\"boot\" or \"always\"");
}

static int read_prune(const JsonValue *value, void *target) {
        const char *name = json_value_string(value);
        LayoutPrune *prune = target;

        for (LayoutPrune p = 0; p < _LAYOUT_PRUNE_MAX; p++)
                if (text_equal(name, layout_prune_name(p))) {
                        *prune = p;
                        return 0;
                }

        return json_expected(value, "\"never\" or \"idle\"");
}

static int read_name(const JsonValue *value, void *target) {
        const char *name = json_value_string(value);

        if (!name || !text_is_label(name))
                return json_expected(value,
                                     "a name of at most 63 characters a-z, 0-9, '.', '_' and '-', "
                                     "beginning with a letter or a digit, which is neither \"all\" "
                                     "nor reads as a device");

        strcpy(target, name);
        return 0;
}

static int read_size(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);
        LayoutSize *size = target;

        if (text ? layout_size_parse(text, size) < 0 : !json_value_u64(value, &size->value))
                return json_expected(value, EXPECTED_SIZE);
        if (!text)
                size->unit = LAYOUT_SIZE_BYTES;
        if (size->unit == LAYOUT_SIZE_BYTES && size->value == 0)
                return json_expected(value, EXPECTED_SIZE);
        return 0;
}

static int read_align(const JsonValue *value, void *target) {
        uint64_t *align = target;
        int r;

        r = layout_read_bytes(value, align);
        if (r != 0)
                return r;
        if (*align < ALIGN_MIN || (*align & (*align - 1)))
                return json_expected(value, "a power of two of at least 4096, such as \"2M\"");
        return 0;
}

static int read_mode(const JsonValue *value, void *target) {
        const char *name = json_value_string(value);
        DaxMode *mode = target;

        *mode = name ? dax_mode_from_name(name) : _DAX_MODE_INVALID;
        if (*mode == _DAX_MODE_INVALID)
                return json_expected(value, "\"devdax\", \"system-ram\" or \"none\"");
        return 0;
}

static int read_online(const JsonValue *value, void *target) {
        const char *name = json_value_string(value);
        DaxOnline *online = target;

        *online = name ? dax_online_from_name(name) : _DAX_ONLINE_INVALID;
        if (*online == _DAX_ONLINE_INVALID)
                return json_expected(value, "\"movable\", \"kernel\" or \"offline\"");
        return 0;
}

/* int *: 1 or 0 */
static int read_choice(const JsonValue *value, void *target) {
        int *choice = target;
        bool yes;
        int r;

        r = json_read_bool(value, &yes);
        if (r == 0)
                *choice = yes;
        return r;
}

/* What is passed on to udev, too: nothing that it would read as more than a name. */
static const char *account_name(const JsonValue *value) {
        const char *name = json_value_string(value);

        return name && strlen(name) < sizeof(((DaxAccess *)NULL)->user) && text_is_account(name) ?
                       name :
                       NULL;
}

static int read_user(const JsonValue *value, void *target) {
        const char *name = account_name(value);

        if (!name)
                return json_expected(value, "the name of a user, of a-z, 0-9, '_' and '-'");
        strcpy(target, name);
        return 0;
}

static int read_group(const JsonValue *value, void *target) {
        const char *name = account_name(value);

        if (!name)
                return json_expected(value, "the name of a group, of a-z, 0-9, '_' and '-'");
        strcpy(target, name);
        return 0;
}

/* mode_t *: a string of octal digits, as people write modes; a number would be read as decimal */
static int read_access_mode(const JsonValue *value, void *target) {
        const char *text = json_value_string(value);
        mode_t *mode = target, bits = 0;

        if (!text || strlen(text) < 3 || strlen(text) > 4 ||
            strspn(text, "01234567") != strlen(text))
                text = "";
        for (; *text != '\0'; text++)
                bits = 8 * bits + (*text - '0');
        if (bits == 0 || (bits & ~0666))
                return json_expected(value, "a string of octal digits with read and write bits, "
                                            "such as \"0660\"");

        *mode = bits;
        return 0;
}

static int read_access(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "user", read_user, offsetof(DaxAccess, user) },
                { "group", read_group, offsetof(DaxAccess, group) },
                { "mode", read_access_mode, offsetof(DaxAccess, mode) },
        };
        DaxAccess *access = target;
        int r;

        r = json_read_object(value, fields, ELEMENTS(fields), access, NULL);
        if (r == 0 && access->group[0] != '\0' && access->mode == 0)
                access->mode = 0660; /* as udev does: a group without a bit would mean nothing */
        return r;
}

static int check_mode(const JsonValue *value, LayoutDevice *device) {
        if (device->mode == DAX_MODE_SYSTEM_RAM) {
                if (device->online == DAX_ONLINE_KEEP)
                        device->online = DAX_ONLINE_MOVABLE;
                return 0;
        }

        if (device->online != DAX_ONLINE_KEEP)
                return json_refuse(value, "online is for devices of mode system-ram only");
        if (device->memmap_on_memory > 0)
                return json_refuse(value, "memmap-on-memory is for devices of mode system-ram "
                                          "only");
        return 0;
}

/*
 * There is a size or there are ranges; where both are, they say the same, and the size is
 * dropped.
 */
static int check_size(const JsonValue *value, LayoutDevice *device) {
        uint64_t total = 0;

        if (device->ranges.count == 0)
                return device->size.unit == LAYOUT_SIZE_NONE ?
                               json_refuse(value, "the key \"size\" is missing") :
                               0;
        if (device->ranges.count > DAX_NAMED_RANGES_MAX)
                return json_refuse(value, "%zu ranges are too many; use at most %d",
                                   device->ranges.count, DAX_NAMED_RANGES_MAX);
        if (device->size.unit == LAYOUT_SIZE_NONE)
                return 0;

        for (size_t i = 0; i < device->ranges.count; i++)
                if (__builtin_add_overflow(total, device->ranges.list[i].size, &total))
                        return json_refuse(value, "the ranges together are above 2^64 - 1");
        if (device->size.unit != LAYOUT_SIZE_BYTES || device->size.value != total)
                return json_refuse(value,
                                   "size says %s but the ranges have %llu bytes; leave size "
                                   "out",
                                   layout_size_text(device->size).text, (unsigned long long)total);

        device->size = (LayoutSize){};
        return 0;
}

static int read_device(const JsonValue *value, void *target) {
        static const JsonField fields[] = {
                { "name", read_name, offsetof(LayoutDevice, name), .required = true },
                { "size", read_size, offsetof(LayoutDevice, size) },
                { "align", read_align, offsetof(LayoutDevice, align) },
                { "mode", read_mode, offsetof(LayoutDevice, mode) },
                { "online", read_online, offsetof(LayoutDevice, online) },
                { "memmap-on-memory", read_choice, offsetof(LayoutDevice, memmap_on_memory) },
                { "ranges", layout_read_ranges, offsetof(LayoutDevice, ranges) },
                { "access", read_access, offsetof(LayoutDevice, access) },
                { "wipe", read_choice, offsetof(LayoutDevice, wipe) },
        };
        LayoutDevice device = { .mode = DAX_MODE_DEVDAX, .memmap_on_memory = -1, .wipe = -1 };
        Layout *layout = target;
        int r;

        r = json_read_object(value, fields, ELEMENTS(fields), &device, NULL);
        if (r == 0)
                r = check_mode(value, &device);
        if (r == 0)
                r = check_size(value, &device);
        if (r == 0)
                r = ARRAY_APPEND(layout->devices, layout->n_devices, device);
        if (r != 0)
                dax_ranges_deinit(&device.ranges);
        return r;
}

/* json_refuse() for devices[@index].@key. */
static int _printf_(4, 5) refuse_device(const JsonValue *devices, size_t index, const char *key,
                                        const char *format, ...) {
        JsonValue device = { .source = devices->source, .parent = devices, .index = index };
        JsonValue value = { .source = devices->source, .parent = &device, .key = key };
        _cleanup_free_ char *reason = NULL;
        va_list args;

        va_start(args, format);
        reason = text_vformat(format, args);
        va_end(args);
        if (!reason)
                return -ENOMEM;

        return json_refuse(&value, "%s", reason);
}

static int compare_names(const void *a, const void *b) {
        const LayoutDevice *const *x = a, *const *y = b;
        int r = strcmp((*x)->name, (*y)->name);

        return r != 0 ? r : (*x > *y) - (*x < *y);
}

static int check_names(const JsonValue *devices, const Layout *layout) {
        _cleanup_free_ const LayoutDevice **sorted = NULL;

        sorted = calloc(layout->n_devices + 1, sizeof(*sorted));
        if (!sorted)
                return -ENOMEM;
        for (size_t i = 0; i < layout->n_devices; i++)
                sorted[i] = &layout->devices[i];
        qsort(sorted, layout->n_devices, sizeof(*sorted), compare_names);

        for (size_t i = 1; i < layout->n_devices; i++)
                if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0) {
                        size_t first = sorted[i - 1] - layout->devices;

                        return refuse_device(devices, sorted[i] - layout->devices, "name",
                                             "the name \"%s\" is that of devices[%zu] already",
                                             sorted[i]->name, first);
                }

        return 0;
}

static int check_rest(const JsonValue *devices, const Layout *layout) {
        bool rest = false;

        for (size_t i = 0; i < layout->n_devices; i++) {
                if (layout->devices[i].size.unit != LAYOUT_SIZE_REST)
                        continue;
                if (rest)
                        return refuse_device(devices, i, "size",
                                             "only one device can have the \"rest\"");
                rest = true;
        }

        return 0;
}

typedef struct Placed {
        DaxRange range;
        size_t device;
} Placed;

static int compare_placed(const void *a, const void *b) {
        const Placed *x = a, *y = b;

        return (x->range.offset > y->range.offset) - (x->range.offset < y->range.offset);
}

static int check_overlaps(const JsonValue *devices, const Layout *layout) {
        _cleanup_free_ Placed *placed = NULL;
        size_t n = 0;

        for (size_t i = 0; i < layout->n_devices; i++)
                for (size_t k = 0; k < layout->devices[i].ranges.count; k++) {
                        Placed p = { layout->devices[i].ranges.list[k], i };

                        if (ARRAY_APPEND(placed, n, p) < 0)
                                return -ENOMEM;
                }
        if (n > 0)
                qsort(placed, n, sizeof(*placed), compare_placed);

        for (size_t i = 1; i < n; i++)
                if (dax_range_overlaps(placed[i - 1].range, placed[i].range)) {
                        const Placed *a = &placed[i - 1], *b = &placed[i];

                        return refuse_device(devices, b->device, "ranges",
                                             "[%llu, %llu] overlaps [%llu, %llu] of devices[%zu]",
                                             (unsigned long long)b->range.offset,
                                             (unsigned long long)b->range.size,
                                             (unsigned long long)a->range.offset,
                                             (unsigned long long)a->range.size, a->device);
                }

        return 0;
}

static int read_devices(const JsonValue *value, void *target) {
        Layout *layout = target;
        int r;

        r = json_read_array(value, read_device, layout);
        if (r == 0)
                r = check_names(value, layout);
        if (r == 0)
                r = check_rest(value, layout);
        return r == 0 ? check_overlaps(value, layout) : r;
}

static int read_layout(const JsonValue *value, Layout *layout) {
        static const JsonField fields[] = {
                { "version", read_version, .required = true },
                { "region", read_region, offsetof(Layout, region), .required = true },
                { "enforce", read_enforce, offsetof(Layout, enforce) },
                { "prune", read_prune, offsetof(Layout, prune) },
                { "devices", read_devices, .required = true },
        };

        return json_read_object(value, fields, ELEMENTS(fields), layout, NULL);
}

static int set_digest(Layout *layout) {
        _cleanup_free_ char *text = NULL;
        uint64_t hash;

        if (layout_to_text(layout, &text) < 0)
                return -ENOMEM;

        hash = text_hash(TEXT_HASH_INIT, text, strlen(text));
        snprintf(layout->digest, sizeof(layout->digest), "%016llx", (unsigned long long)hash);
        return 0;
}

static int layout_new(const char *name, const char *source, const char *text, size_t size,
                      Layout **ret_layout) {
        _cleanup_layout_ Layout *layout = NULL;

        layout = calloc(1, sizeof(*layout));
        if (!layout)
                return -ENOMEM;

        layout->name = strdup(name);
        layout->text = strndup(text, size);
        if (source)
                layout->source = strdup(source);
        if (!layout->name || !layout->text || (source && !layout->source))
                return -ENOMEM;

        *ret_layout = TAKE_PTR(layout);
        return 0;
}

/* How sentences call the layout. Freed by the caller; NULL when out of memory. */
static char *layout_words(const char *name, const char *source) {
        char *words;

        if (!source && name[0] == '\0')
                return strdup("the layout");
        return asprintf(&words, "layout %s%s", source ? "file " : "", source ?: name) < 0 ? NULL :
                                                                                            words;
}

static bool owner_is_known(const char *name, bool is_group, const char *known) {
        if (name[0] == '\0' || strcmp(name, "root") == 0 || strcmp(name, known) == 0)
                return true;
        return is_group ? getgrnam(name) != NULL : getpwnam(name) != NULL;
}

int layout_find_owners(const Layout *layout, Failure *failure) {
        _cleanup_free_ char *what = layout_words(layout->name, layout->source);
        const JsonSource from = { .what = what,
                                  .condition = CONDITION_INVALID_LAYOUT,
                                  .failure = failure };
        const JsonValue document = { .source = &from };
        const JsonValue devices = { .source = &from, .parent = &document, .key = "devices" };
        const char *user = "", *group = "";

        if (!what)
                return -ENOMEM;

        for (size_t i = 0; i < layout->n_devices; i++) {
                const DaxAccess *access = &layout->devices[i].access;

                if (!owner_is_known(access->user, false, user))
                        return refuse_device(&devices, i, "access.user",
                                             "expected a user that there is here, found \"%s\"",
                                             access->user);
                if (!owner_is_known(access->group, true, group))
                        return refuse_device(&devices, i, "access.group",
                                             "expected a group that there is here, found \"%s\"",
                                             access->group);
                user = access->user;
                group = access->group;
        }

        return 0;
}

int layout_parse(const char *name, const char *source, const char *text, size_t size,
                 Layout **ret_layout, Failure *failure) {
        _cleanup_layout_ Layout *layout = NULL;
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *what = layout_words(name, source);
        const JsonSource from = { .what = what,
                                  .condition = CONDITION_INVALID_LAYOUT,
                                  .failure = failure };
        JsonValue document = { .source = &from };
        int r;

        if (!what)
                return -ENOMEM;

        if (size > LAYOUT_TEXT_MAX)
                return json_refuse(&document, "it has %zu bytes, a layout has at most %d", size,
                                   LAYOUT_TEXT_MAX);
        r = json_parse_strict(&from, text, size, &object);
        if (r != 0)
                return r;
        document.object = object;

        r = layout_new(name, source, text, size, &layout);
        if (r == 0)
                r = read_layout(&document, layout);
        if (r == 0)
                r = set_digest(layout);
        if (r != 0)
                return r;

        *ret_layout = TAKE_PTR(layout);
        return 0;
}
