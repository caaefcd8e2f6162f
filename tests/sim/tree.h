/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the imitated /sys, /dev and /proc consist of: folders with attributes, links, device nodes.
 * An entry has a number that is never used again; it serves as inode number, so that who holds on
 * to something that has gone never meets something else in its place. Nothing here knows of FUSE or
 * of dax.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct World World;
typedef struct Tree Tree;
typedef struct Entry Entry;

/* A write(2) to an attribute, while it is dealt with. */
typedef struct Write {
        World *world;
        uint64_t folder; /* the folder's number: after waiting it has to be looked up again */
        const char *text;
        size_t size;
        pid_t pid;
        bool interrupted; /* a signal has come for the writer */
        bool in_part;     /* it comes to half of what it is to do */
} Write;

/* Shows prints, returning 0 or a negative errno; stores do likewise. Both with the world locked. */
typedef struct Attribute {
        const char *name;
        mode_t mode; /* permissions; with S_IFLNK a link, whose target is what is shown */
        int (*show)(World *world, void *data, FILE *out);
        int (*store)(Write *write, void *data);
        bool (*visible)(World *world, void *data); /* NULL: always */
        const char *text;                          /* shown where there is no function */
        bool (*is_held)(World *world, void *data); /* whether a reader has to wait; NULL: never */
} Attribute;

#define ATTRIBUTES_MAX 32

/* Inode numbers for an entry: its number times this, and for its attributes those that follow. */
#define ENTRY_INODES 64

/* What all folders of a kind have. */
typedef struct FolderClass {
        Attribute attributes[ATTRIBUTES_MAX]; /* ended by one without a name */
} FolderClass;

typedef enum EntryKind {
        ENTRY_FOLDER,
        ENTRY_LINK,
        ENTRY_NODE,    /* of a dax device */
        ENTRY_SPECIAL, /* /dev/null and its like: the real thing */
} EntryKind;

struct Entry {
        uint64_t number;
        EntryKind kind;
        char *name;
        Entry *parent;
        Entry *next, *previous; /* in the parent, by number */
        Entry *next_of_name, *next_of_number;
        uint64_t hash; /* of parent and name */

        /* folders */
        bool is_fixed; /* it never goes, nor do its attributes: may be remembered */
        const FolderClass *class;
        void *data; /* also of nodes */
        Entry *first, *last;
        uint64_t n_folders;

        char *target; /* links */
        dev_t device; /* special files */
        mode_t mode;  /* these and nodes: permissions */
        uid_t user;   /* nodes */
        gid_t group;  /* nodes */
};

int tree_new(World *world, Tree **ret_tree);
Tree *tree_free(Tree *tree);

Entry *tree_root(Tree *tree);
Entry *tree_find(Tree *tree, uint64_t number);                        /* NULL: gone */
Entry *tree_child(Tree *tree, const Entry *folder, const char *name); /* NULL: none */

/*
 * Entries live until they are removed. NULL when out of memory or when there is one of that name.
 */
Entry *tree_add_folder(Tree *tree, Entry *parent, const char *name, const FolderClass *class,
                       void *data);
Entry *tree_add_link(Tree *tree, Entry *parent, const char *name, const char *target);
Entry *tree_add_node(Tree *tree, Entry *parent, const char *name, void *data);
Entry *tree_add_special(Tree *tree, Entry *parent, const char *name, mode_t mode, dev_t device);

/*
 * Finds a folder by its path from the root, and makes what is missing of it, for ever. NULL: out of
 * memory.
 */
Entry *tree_make_path(Tree *tree, const char *path);

/* Removes an entry and all that is in it. NULL is fine. */
void tree_remove(Tree *tree, Entry *entry);

/* The path from the folder @top, which has to be above it; as "/a/b". Returns its length. */
int tree_path(const Entry *entry, const Entry *top, char *buffer, size_t size);

/* The target of a link at @from that leads to @to, both below one root: "../../x/y". */
int tree_relative(const Entry *from, const Entry *to, char *buffer, size_t size);
