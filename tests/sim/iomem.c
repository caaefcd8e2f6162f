/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /proc/iomem: who has reserved which physical addresses, as a tree by indentation. */

#include "tests/sim/sysfs-internal.h"

#include <string.h>

static void line(FILE *out, unsigned depth, uint64_t start, uint64_t end, const char *name) {
        fprintf(out, "%*s%08llx-%08llx : %s\n", (int)(2 * depth), "", (unsigned long long)start,
                (unsigned long long)end - 1, name);
}

static void show_memory(FILE *out, unsigned depth, uint64_t start, uint64_t end,
                        const char *device) {
        line(out, depth, start, end, device);
        line(out, depth + 1, start, end, "System RAM (kmem)");
}

static const Range *range_of(const Claim *claim) {
        size_t i = 0;

        while (claim->device->ranges[i]->start != claim->start)
                i++;
        return claim->device->ranges[i];
}

/* Only what a driver has taken, or has leaked, is reserved where this tells of it. */
static void show_claim(const World *world, FILE *out, unsigned depth, const Claim *claim) {
        uint64_t start = claim->start, end = claim->end;
        const Range *range = range_of(claim);

        if (range->is_mapped)
                line(out, depth, start, end, claim->device->name);
        else if (range->is_memory && memory_trim(world, &start, &end))
                show_memory(out, depth, start, end, claim->device->name);
}

/* The lowest of those that begin between these addresses. */
static const Leak *first_leak(const World *world, uint64_t start, uint64_t end) {
        const Leak *first = NULL;

        for (size_t i = 0; i < memory_n_leaks(world->memory); i++) {
                const Leak *leak = memory_leak(world->memory, i);

                if (leak->start >= start && leak->start < end &&
                    (!first || leak->start < first->start))
                        first = leak;
        }

        return first;
}

static void show_leaks(const World *world, FILE *out, unsigned depth, uint64_t start,
                       uint64_t end) {
        for (const Leak *leak; (leak = first_leak(world, start, end));) {
                start = leak->start + leak->size;
                show_memory(out, depth, leak->start, start, leak->device);
        }
}

static void show_region(const World *world, FILE *out, const Region *region) {
        const RegionSpec *spec = &region->spec;
        uint64_t start = spec->start, end = spec->start + spec->size;
        unsigned depth = 1;
        char name[64];

        switch (spec->kind) {
        case REGION_HMEM:
                if (world->manner->names_hmem) {
                        snprintf(name, sizeof(name), "hmem.%u", region->id);
                        line(out, 0, spec->start, end, name);
                        depth++;
                }
                line(out, depth - 1, spec->start, end, "Soft Reserved");
                break;
        case REGION_CXL:
                line(out, 0, spec->start, end, "CXL Window 0");
                snprintf(name, sizeof(name), "region%u", region->id);
                line(out, depth++, spec->start, end, name);
                break;
        case REGION_PMEM:
                line(out, 0, spec->start, end, "Persistent Memory");
                break;
        }

        /* by address, whoever has it */
        for (size_t i = 0; i < region->n_claims; i++) {
                const Claim *claim = &region->claims[i];

                show_leaks(world, out, depth, start, claim->start);
                show_claim(world, out, depth, claim);
                start = claim->start;
        }
        show_leaks(world, out, depth, start, end);
}

int iomem_show(World *world, void *data, FILE *out) {
        uint64_t last = 0;

        line(out, 0, 0x1000, 0xa0000, "System RAM");
        line(out, 0, 0x100000, memory_boot_size(world->memory), "System RAM");
        for (;;) {
                const Region *next = NULL;

                for (const Region *region = dax_regions(world->dax); region; region = region->next)
                        if (region->spec.start > last &&
                            (!next || region->spec.start < next->spec.start))
                                next = region;
                if (!next)
                        return 0;
                show_region(world, out, next);
                last = next->spec.start;
        }
}
