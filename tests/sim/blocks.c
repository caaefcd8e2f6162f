/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory blocks and nodes in /sys. */

#include "tests/sim/sysfs-internal.h"
#include "daemon/util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- a block ---------------------------------------------------------------------------------- */

static int state_show(World *world, void *data, FILE *out) {
        static const char *const words[] = {
                [BLOCK_OFFLINE] = "offline",
                [BLOCK_GOING_OFFLINE] = "going-offline",
                [BLOCK_ONLINE] = "online",
        };
        const Block *block = data;

        fprintf(out, "%s\n", words[block->state]);
        return 0;
}

static int state_store(Write *write, void *data) {
        const Block *block = data;

        return memory_set_state(write->world, write, block->number, write->text);
}

static const char *zone_name(Zone zone) {
        switch (zone) {
        case ZONE_BOOT:
                return "DMA32";
        case ZONE_NORMAL:
                return "Normal";
        case ZONE_MOVABLE:
                break;
        }

        return "Movable";
}

/* Of a block that is not online all that it could be in, first the one that it would get. */
static int zones_show(World *world, void *data, FILE *out) {
        const Block *block = data;
        Zone first;

        if (block->state == BLOCK_ONLINE) {
                /* the first block is in two zones, which the kernel calls none */
                fprintf(out, "%s\n", block->number == 0 ? "none" : zone_name(block->zone));
                return 0;
        }

        first = memory_default_zone(world->memory, block);
        fprintf(out, "%s %s\n", zone_name(first),
                zone_name(first == ZONE_NORMAL ? ZONE_MOVABLE : ZONE_NORMAL));
        return 0;
}

/* Who takes it offline has its lock, without which `online` is not read. */
static bool block_is_held(World *world, void *data) {
        const Block *block = data;

        return block->state == BLOCK_GOING_OFFLINE;
}

static int online_show(World *world, void *data, FILE *out) {
        const Block *block = data;

        fprintf(out, "%d\n", block->state == BLOCK_ONLINE);
        return 0;
}

static int online_store(Write *write, void *data) {
        const Block *block = data;
        char first = write->text[0];

        if (first != '0' && first != '1')
                return -EINVAL;
        if ((first == '1') == (block->state == BLOCK_ONLINE))
                return 0;
        return memory_set_state(write->world, write, block->number,
                                first == '1' ? "online" : "offline");
}

static int index_show(World *world, void *data, FILE *out) {
        const Block *block = data;

        fprintf(out, "%08llx\n", (unsigned long long)block->number);
        return 0;
}

static int block_uevent_store(Write *write, void *data) {
        const Block *block = data;

        return sysfs_store_uevent(write, block->folder, "memory", "");
}

static const FolderClass block_class = { .attributes = {
                                                 { "state", 0644, state_show, state_store },
                                                 { "valid_zones", 0444, zones_show },
                                                 { "online", 0644, online_show, online_store,
                                                   .is_held = block_is_held },
                                                 { "phys_index", 0444, index_show },
                                                 { "phys_device", 0444, .text = "0\n" },
                                                 { "removable", 0444, .text = "1\n" },
                                                 { "uevent", 0644, NULL, block_uevent_store },
                                                 { "subsystem", S_IFLNK,
                                                   .text = "../../../../bus/memory" },
                                         } };

static void block_name(const Block *block, char name[32]) {
        snprintf(name, 32, "memory%llu", (unsigned long long)block->number);
}

static Entry *node_folder(World *world, int node) {
        char name[32];

        snprintf(name, sizeof(name), "node%d", node);
        return tree_child(world->tree, world->sysfs->nodes, name);
}

static void block_added(World *world, Block *block) {
        Sysfs *sysfs = world->sysfs;
        char name[32], node[32];

        block_name(block, name);
        block->folder = tree_add_folder(world->tree, sysfs->memory, name, &block_class, block);
        if (!block->folder || !tree_add_folder(world->tree, block->folder, "power", NULL, NULL))
                return;
        snprintf(node, sizeof(node), "node%d", block->node);
        (void)sysfs_link(world, block->folder, node, node_folder(world, block->node));
        (void)sysfs_link(world, node_folder(world, block->node), name, block->folder);
        (void)sysfs_link(world, sysfs->memory_bus, name, block->folder);
        sysfs_send(world, block->folder, "add", "memory", NULL);
}

static void block_removed(World *world, Block *block) {
        Sysfs *sysfs = world->sysfs;
        Entry *node = node_folder(world, block->node);
        char name[32];

        block_name(block, name);
        sysfs_send(world, block->folder, "remove", "memory", NULL);
        if (node)
                tree_remove(world->tree, tree_child(world->tree, node, name));
        tree_remove(world->tree, tree_child(world->tree, sysfs->memory_bus, name));
        tree_remove(world->tree, TAKE_PTR(block->folder));
}

static void block_changed(World *world, Block *block, const char *action) {
        sysfs_send(world, block->folder, action, "memory", NULL);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void node_added(World *world, int node) {
        Entry *folder;
        char name[32];

        snprintf(name, sizeof(name), "node%d", node);
        folder = tree_add_folder(world->tree, world->sysfs->nodes, name, NULL, NULL);
        if (folder)
                sysfs_send(world, folder, "add", "node", NULL);
}

static void node_removed(World *world, int node) {
        Entry *folder = node_folder(world, node);

        if (!folder)
                return;
        sysfs_send(world, folder, "remove", "node", NULL);
        tree_remove(world->tree, folder);
}

const MemoryListener sysfs_memory_listener = {
        .node_added = node_added,
        .node_removed = node_removed,
        .block_added = block_added,
        .block_removed = block_removed,
        .block_changed = block_changed,
};

/* --- the machine's memory --------------------------------------------------------------------- */

static int block_size_show(World *world, void *data, FILE *out) {
        fprintf(out, "%llx\n", (unsigned long long)world->block_size);
        return 0;
}

static int auto_online_show(World *world, void *data, FILE *out) {
        fprintf(out, "%s\n", memory_auto_online(world->memory));
        return 0;
}

static int auto_online_store(Write *write, void *data) {
        return memory_set_auto_online(write->world->memory, write->text);
}

static const FolderClass memory_class = { .attributes = {
                                                  { "block_size_bytes", 0444, block_size_show },
                                                  { "auto_online_blocks", 0644, auto_online_show,
                                                    auto_online_store },
                                          } };

int blocks_new(World *world, Sysfs *sysfs) {
        Tree *tree = world->tree;
        Entry *system = tree_make_path(tree, "sys/devices/system");

        if (!system)
                return -ENOMEM;
        sysfs->memory = tree_add_folder(tree, system, "memory", &memory_class, NULL);
        sysfs->memory_bus = tree_make_path(tree, "sys/bus/memory/devices");
        sysfs->nodes = tree_make_path(tree, "sys/devices/system/node");
        if (!sysfs->memory || !sysfs->memory_bus || !sysfs->nodes)
                return -ENOMEM;

        sysfs->memory->is_fixed = true;
        return 0;
}
