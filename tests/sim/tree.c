/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries are found by number and by (folder, name), each in a table that grows with them. */

#include "tests/sim/tree.h"
#include "daemon/util/cleanup.h"
#include "daemon/util/text.h"

#include <errno.h>
#include <string.h>

#define FIRST_BUCKETS 1024

struct Tree {
        World *world;
        Entry *root;
        Entry **by_name, **by_number;
        size_t n_buckets, n_entries;
        uint64_t last_number;
};

static const FolderClass plain_class = {};

/* --- tables ----------------------------------------------------------------------------------- */

static uint64_t name_hash(uint64_t parent, const char *name) {
        return text_hash(text_hash(TEXT_HASH_INIT, &parent, sizeof(parent)), name, strlen(name));
}

static void tables_add(Tree *tree, Entry *entry) {
        Entry **name = &tree->by_name[entry->hash % tree->n_buckets];
        Entry **number = &tree->by_number[entry->number % tree->n_buckets];

        entry->next_of_name = *name;
        *name = entry;
        entry->next_of_number = *number;
        *number = entry;
}

static void tables_remove(Tree *tree, const Entry *entry) {
        Entry **p;

        for (p = &tree->by_name[entry->hash % tree->n_buckets]; *p != entry;)
                p = &(*p)->next_of_name;
        *p = entry->next_of_name;
        for (p = &tree->by_number[entry->number % tree->n_buckets]; *p != entry;)
                p = &(*p)->next_of_number;
        *p = entry->next_of_number;
}

static int tables_grow(Tree *tree) {
        size_t n_old = tree->n_buckets, n = n_old ? 2 * n_old : FIRST_BUCKETS;
        Entry **by_name = calloc(n, sizeof(*by_name));
        Entry **by_number = calloc(n, sizeof(*by_number));
        Entry **old = tree->by_number;

        if (!by_name || !by_number) {
                free(by_name);
                free(by_number);
                return -ENOMEM;
        }

        free(tree->by_name);
        tree->by_name = by_name;
        tree->by_number = by_number;
        tree->n_buckets = n;
        for (size_t i = 0; i < n_old; i++)
                for (Entry *entry = old[i], *next; entry; entry = next) {
                        next = entry->next_of_number;
                        tables_add(tree, entry);
                }
        free(old);
        return 0;
}

Entry *tree_find(Tree *tree, uint64_t number) {
        Entry *entry = tree->by_number[number % tree->n_buckets];

        while (entry && entry->number != number)
                entry = entry->next_of_number;
        return entry;
}

Entry *tree_child(Tree *tree, const Entry *folder, const char *name) {
        uint64_t hash = name_hash(folder->number, name);
        Entry *entry = tree->by_name[hash % tree->n_buckets];

        while (entry &&
               (entry->hash != hash || entry->parent != folder || strcmp(entry->name, name) != 0))
                entry = entry->next_of_name;
        return entry;
}

/* --- entries ---------------------------------------------------------------------------------- */

static void entry_free(Entry *entry) {
        free(entry->name);
        free(entry->target);
        free(entry);
}

static Entry *entry_new(Tree *tree, Entry *parent, const char *name, EntryKind kind) {
        Entry *entry;

        if (parent && tree_child(tree, parent, name))
                return NULL;
        if (tree->n_entries >= tree->n_buckets && tables_grow(tree) < 0)
                return NULL;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return NULL;
        entry->name = strdup(name);
        if (!entry->name) {
                entry_free(entry);
                return NULL;
        }

        entry->kind = kind;
        entry->number = ++tree->last_number;
        entry->parent = parent;
        entry->hash = name_hash(parent ? parent->number : 0, name);
        tables_add(tree, entry);
        tree->n_entries++;
        if (!parent)
                return entry;

        entry->previous = parent->last;
        *(parent->last ? &parent->last->next : &parent->first) = entry;
        parent->last = entry;
        parent->n_folders += kind == ENTRY_FOLDER;
        return entry;
}

Entry *tree_add_folder(Tree *tree, Entry *parent, const char *name, const FolderClass *class,
                       void *data) {
        Entry *entry = entry_new(tree, parent, name, ENTRY_FOLDER);

        if (entry) {
                entry->class = class ?: &plain_class;
                entry->data = data;
        }
        return entry;
}

Entry *tree_add_link(Tree *tree, Entry *parent, const char *name, const char *target) {
        char *copy = strdup(target);
        Entry *entry = copy ? entry_new(tree, parent, name, ENTRY_LINK) : NULL;

        if (!entry) {
                free(copy);
                return NULL;
        }
        entry->target = copy;
        return entry;
}

Entry *tree_add_node(Tree *tree, Entry *parent, const char *name, void *data) {
        Entry *entry = entry_new(tree, parent, name, ENTRY_NODE);

        if (entry) {
                entry->mode = 0600;
                entry->data = data;
        }
        return entry;
}

Entry *tree_add_special(Tree *tree, Entry *parent, const char *name, mode_t mode, dev_t device) {
        Entry *entry = entry_new(tree, parent, name, ENTRY_SPECIAL);

        if (entry) {
                entry->mode = mode;
                entry->device = device;
        }
        return entry;
}

void tree_remove(Tree *tree, Entry *entry) {
        Entry *parent;

        if (!entry)
                return;
        while (entry->first)
                tree_remove(tree, entry->first);

        parent = entry->parent;
        if (parent) {
                *(entry->previous ? &entry->previous->next : &parent->first) = entry->next;
                *(entry->next ? &entry->next->previous : &parent->last) = entry->previous;
                parent->n_folders -= entry->kind == ENTRY_FOLDER;
        }
        tables_remove(tree, entry);
        tree->n_entries--;
        entry_free(entry);
}

Entry *tree_make_path(Tree *tree, const char *path) {
        _cleanup_free_ char *copy = strdup(path);
        Entry *entry = tree->root;
        char *rest = copy, *name;

        while (entry && rest && (name = strsep(&rest, "/"))) {
                Entry *child;

                if (name[0] == '\0')
                        continue;
                child = tree_child(tree, entry, name);
                if (!child) {
                        child = tree_add_folder(tree, entry, name, NULL, NULL);
                        if (child)
                                child->is_fixed = true;
                }
                entry = child;
        }

        return copy ? entry : NULL;
}

/* --- paths ------------------------------------------------------------------------------------ */

int tree_path(const Entry *entry, const Entry *top, char *buffer, size_t size) {
        int before;

        if (entry == top) {
                buffer[0] = '\0';
                return 0;
        }

        before = tree_path(entry->parent, top, buffer, size);
        return before + snprintf(buffer + before, size - before, "/%s", entry->name);
}

static unsigned depth(const Entry *entry) {
        unsigned n = 0;

        for (; entry->parent; entry = entry->parent)
                n++;
        return n;
}

int tree_relative(const Entry *from, const Entry *to, char *buffer, size_t size) {
        const Entry *a = from->parent, *b = to;
        unsigned depth_a = depth(a), depth_b = depth(b), up = 0;
        int at = 0;

        for (; depth_a > depth_b; depth_a--, up++)
                a = a->parent;
        for (; depth_b > depth_a; depth_b--)
                b = b->parent;
        for (; a != b; a = a->parent, b = b->parent)
                up++;

        for (unsigned i = 0; i < up; i++)
                at += snprintf(buffer + at, size - at, "../");
        at = at > 0 ? at - 1 : snprintf(buffer, size, "."); /* the path begins with a slash */
        return at + tree_path(to, b, buffer + at, size - at);
}

/* --- the tree --------------------------------------------------------------------------------- */

int tree_new(World *world, Tree **ret_tree) {
        Tree *tree = calloc(1, sizeof(*tree));

        if (!tree)
                return -ENOMEM;
        tree->world = world;
        if (tables_grow(tree) < 0) {
                free(tree);
                return -ENOMEM;
        }
        tree->root = tree_add_folder(tree, NULL, "", NULL, NULL);
        if (!tree->root) {
                tree_free(tree);
                return -ENOMEM;
        }

        *ret_tree = tree;
        return 0;
}

Tree *tree_free(Tree *tree) {
        if (!tree)
                return NULL;

        tree_remove(tree, tree->root);
        free(tree->by_name);
        free(tree->by_number);
        free(tree);
        return NULL;
}

Entry *tree_root(Tree *tree) {
        return tree->root;
}
