/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tests/sim/region-spec.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <string.h>

static const char *const kinds[] = {
        [REGION_HMEM] = "hmem",
        [REGION_CXL] = "cxl",
        [REGION_PMEM] = "pmem",
};

const char *region_kind_name(RegionKind kind) {
        return kinds[kind];
}

static int parse_place(char *text, RegionSpec *spec) {
        char *at = strchr(text, '@');

        if (!at)
                return -EINVAL;
        *at = '\0';
        if (text_parse_size(text, &spec->size) < 0 || text_parse_u64(at + 1, &spec->start) < 0)
                return -EINVAL;
        if (spec->size == 0 || spec->size % DAX_ALIGN || spec->start % DAX_ALIGN ||
            spec->start > UINT64_MAX - spec->size)
                return -EINVAL;
        return 0;
}

static int parse_word(const char *word, RegionSpec *spec) {
        uint32_t node;

        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (strcmp(word, kinds[i]) == 0) {
                        spec->kind = (RegionKind)i;
                        return 0;
                }
        if (strcmp(word, "node=-1") == 0) {
                spec->node = -1;
                return 0;
        }
        if (strncmp(word, "node=", 5) == 0 && text_parse_u32(word + 5, &node) == 0 && node < 1024) {
                spec->node = (int)node;
                return 0;
        }
        if (strncmp(word, "serial=", 7) == 0 && spec->n_serials < DAX_SERIALS_MAX)
                return text_parse_u64(word + 7, &spec->serials[spec->n_serials++]);
        return -EINVAL;
}

int region_spec_parse(const char *text, RegionSpec *ret_spec) {
        _cleanup_free_ char *copy = strdup(text);
        RegionSpec spec = {};
        char *rest = copy, *word;
        int r;

        if (!copy)
                return -ENOMEM;
        r = parse_place(strsep(&rest, ","), &spec);
        while (r == 0 && (word = strsep(&rest, ",")))
                r = parse_word(word, &spec);
        if (r < 0)
                return -EINVAL;

        *ret_spec = spec;
        return 0;
}
