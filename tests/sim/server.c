/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The number of a node of the file system is that of its entry, times ENTRY_INODES, plus the slot
 * of an attribute. Since entries' numbers are never used again nothing has to be counted: what has
 * gone is not found. Nothing is remembered by the kernel, but what never changes.
 *
 * The kernel locks a file while it is written to; sysfs does not. So whoever opens an attribute
 * while a write to it is under way gets another file: the same number with an alias in its upper
 * bits.
 */

#define FUSE_USE_VERSION 312

#include "tests/sim/server.h"
#include "daemon/util/array.h"
#include "daemon/util/cleanup.h"
#include "tests/sim/contents.h"
#include "tests/sim/dax.h"
#include "tests/sim/face.h"
#include "tests/sim/fault.h"
#include "tests/sim/sysfs.h"
#include "tests/sim/tree.h"
#include "tests/sim/world.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FOREVER 1e9
#define ATTRIBUTE_SIZE 4096
#define THREADS_MAX 1000 /* as many writes may wait at a time */
#define ALIAS_SHIFT 40
#define FIRST_CHILD 1000 /* in the order of a listing: "." and "..", attributes, entries */

struct Server {
        World *world;
        struct fuse_session *session;
        struct timespec started;
        bool is_mounted;
        fuse_ino_t *writing; /* attributes, once for each write under way; with the world locked */
        size_t n_writing;
        uint64_t last_alias;
};

/* An attribute that is open: what it showed when it was last read from its start. */
typedef struct Handle {
        char *text;
        size_t size;
} Handle;

_Static_assert(ATTRIBUTES_MAX < ENTRY_INODES, "an attribute has no number");

/* --- numbers ---------------------------------------------------------------------------------- */

static fuse_ino_t without_alias(fuse_ino_t number) {
        return number & ((UINT64_C(1) << ALIAS_SHIFT) - 1);
}

static Entry *find_entry(World *world, fuse_ino_t number) {
        return number == FUSE_ROOT_ID ?
                       tree_root(world->tree) :
                       tree_find(world->tree, without_alias(number) / ENTRY_INODES);
}

static fuse_ino_t number_of(const Entry *entry, unsigned slot) {
        return entry->number * ENTRY_INODES + slot;
}

/* NULL: the number is the entry's own, or of an attribute that is not there now. */
static const Attribute *find_attribute(World *world, const Entry *entry, fuse_ino_t number) {
        unsigned slot = number == FUSE_ROOT_ID ? 0 : without_alias(number) % ENTRY_INODES;
        const Attribute *attribute;

        if (!entry || slot == 0 || entry->kind != ENTRY_FOLDER)
                return NULL;
        attribute = &entry->class->attributes[slot - 1];
        return !attribute->visible || attribute->visible(world, entry->data) ? attribute : NULL;
}

/* --- what things look like -------------------------------------------------------------------- */

static struct stat stat_new(const Server *server) {
        return (struct stat){
                .st_nlink = 1,
                .st_blksize = ATTRIBUTE_SIZE,
                .st_atim = server->started,
                .st_mtim = server->started,
                .st_ctim = server->started,
        };
}

static struct stat stat_attribute(const Server *server, const Entry *entry,
                                  const Attribute *attribute) {
        struct stat st = stat_new(server);

        st.st_ino = number_of(entry, attribute - entry->class->attributes + 1);
        st.st_mode = S_ISLNK(attribute->mode) ? S_IFLNK | 0777 : S_IFREG | attribute->mode;
        st.st_size = S_ISLNK(attribute->mode) ? 0 : ATTRIBUTE_SIZE;
        return st;
}

static void stat_node(const Entry *entry, struct stat *st) {
        const Device *device = entry->data;

        st->st_ino = FACE_MAGIC << FACE_SHIFT |
                     (entry->number & FACE_LIFE_MASK) << FACE_LIFE_SHIFT | device->minor;
        st->st_mode = S_IFREG | entry->mode;
        st->st_uid = entry->user;
        st->st_gid = entry->group;
        st->st_size = device_size(device);
}

static struct stat stat_entry(const Server *server, const Entry *entry) {
        struct stat st = stat_new(server);

        st.st_ino = number_of(entry, 0);
        switch (entry->kind) {
        case ENTRY_FOLDER:
                st.st_mode = S_IFDIR | 0755;
                st.st_nlink = 2 + entry->n_folders;
                break;
        case ENTRY_LINK:
                st.st_mode = S_IFLNK | 0777;
                break;
        case ENTRY_SPECIAL:
                st.st_mode = S_IFCHR | entry->mode;
                st.st_rdev = entry->device;
                break;
        case ENTRY_NODE:
                stat_node(entry, &st);
                break;
        }
        return st;
}

/* --- looking ---------------------------------------------------------------------------------- */

static Server *server_of(fuse_req_t req) {
        return fuse_req_userdata(req);
}

static const Attribute *attribute_by_name(World *world, const Entry *folder, const char *name) {
        for (const Attribute *a = folder->class->attributes; a->name; a++)
                if (strcmp(a->name, name) == 0)
                        return !a->visible || a->visible(world, folder->data) ? a : NULL;

        return NULL;
}

/* The number of an attribute for who looks it up now. */
static fuse_ino_t number_to_open(Server *server, fuse_ino_t number) {
        for (size_t i = 0; i < server->n_writing; i++)
                if (server->writing[i] == number)
                        return number | ++server->last_alias << ALIAS_SHIFT;

        return number;
}

static bool is_for_ever(const Entry *folder, const Attribute *attribute) {
        return folder->is_fixed && !attribute->visible && !attribute->store;
}

static int lookup(Server *server, fuse_ino_t parent, const char *name,
                  struct fuse_entry_param *ret_entry) {
        World *world = server->world;
        Entry *folder = find_entry(world, parent), *child;
        const Attribute *attribute;

        if (!folder || folder->kind != ENTRY_FOLDER)
                return ENOENT;
        attribute = attribute_by_name(world, folder, name);
        if (attribute) {
                ret_entry->attr = stat_attribute(server, folder, attribute);
                ret_entry->ino = number_to_open(server, ret_entry->attr.st_ino);
                ret_entry->entry_timeout = is_for_ever(folder, attribute) ? FOREVER : 0;
                return 0;
        }

        child = tree_child(world->tree, folder, name);
        if (!child)
                return ENOENT;
        ret_entry->attr = stat_entry(server, child);
        ret_entry->ino = number_of(child, 0);
        ret_entry->entry_timeout = child->is_fixed ? FOREVER : 0;
        return 0;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
        Server *server = server_of(req);
        struct fuse_entry_param entry = {};
        int r;

        world_lock(server->world);
        r = lookup(server, parent, name, &entry);
        world_unlock(server->world);

        (void)(r == 0 ? fuse_reply_entry(req, &entry) : fuse_reply_err(req, r));
}

static void op_forget(fuse_req_t req, fuse_ino_t number, uint64_t n) {
        fuse_reply_none(req);
}

static int get_stat(const Server *server, fuse_ino_t number, struct stat *ret_stat) {
        const Entry *entry = find_entry(server->world, number);
        const Attribute *attribute = find_attribute(server->world, entry, number);

        if (!entry || (!attribute && number != FUSE_ROOT_ID && number % ENTRY_INODES != 0))
                return ENOENT;

        *ret_stat = attribute ? stat_attribute(server, entry, attribute) :
                                stat_entry(server, entry);
        return 0;
}

static void op_getattr(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *file) {
        const Server *server = server_of(req);
        struct stat st;
        int r;

        world_lock(server->world);
        r = get_stat(server, number, &st);
        world_unlock(server->world);

        (void)(r == 0 ? fuse_reply_attr(req, &st, 0) : fuse_reply_err(req, r));
}

/* Nodes have owners; of attributes only the size is ever set, by who opens them with O_TRUNC. */
static int set_stat(const Server *server, fuse_ino_t number, const struct stat *wanted, int what) {
        Entry *entry = find_entry(server->world, number);

        if (!entry)
                return ENOENT;
        if (entry->kind != ENTRY_NODE)
                return what & (FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) ? EPERM :
                                                                                             0;
        if (what & FUSE_SET_ATTR_MODE)
                entry->mode = wanted->st_mode & 07777;
        if (what & FUSE_SET_ATTR_UID)
                entry->user = wanted->st_uid;
        if (what & FUSE_SET_ATTR_GID)
                entry->group = wanted->st_gid;
        return 0;
}

static void op_setattr(fuse_req_t req, fuse_ino_t number, struct stat *wanted, int what,
                       struct fuse_file_info *file) {
        const Server *server = server_of(req);
        struct stat st;
        int r;

        world_lock(server->world);
        r = set_stat(server, number, wanted, what);
        if (r == 0)
                r = get_stat(server, number, &st);
        world_unlock(server->world);

        (void)(r == 0 ? fuse_reply_attr(req, &st, 0) : fuse_reply_err(req, r));
}

/* Prints what an attribute shows. Returns 0 or a negative errno; then there is no text. */
static int show(World *world, const Entry *entry, const Attribute *attribute, Handle *ret_text) {
        Handle handle = {};
        FILE *out;
        int r = 0;

        out = open_memstream(&handle.text, &handle.size);
        if (!out)
                return -ENOMEM;
        if (attribute->show)
                r = attribute->show(world, entry->data, out);
        else if (attribute->text)
                fputs(attribute->text, out);
        if (fclose(out) != 0 && r == 0)
                r = -ENOMEM;
        if (r < 0) {
                free(handle.text);
                return r;
        }

        *ret_text = handle;
        return 0;
}

static void op_readlink(fuse_req_t req, fuse_ino_t number) {
        World *world = server_of(req)->world;
        _cleanup_free_ char *target = NULL;
        const Attribute *attribute;
        Handle handle = {};
        const Entry *entry;

        world_lock(world);
        entry = find_entry(world, number);
        attribute = find_attribute(world, entry, number);
        if (attribute && show(world, entry, attribute, &handle) == 0)
                target = handle.text;
        else if (entry && entry->kind == ENTRY_LINK)
                target = strdup(entry->target);
        world_unlock(world);

        (void)(target ? fuse_reply_readlink(req, target) : fuse_reply_err(req, ENOENT));
}

/* --- listing ---------------------------------------------------------------------------------- */

typedef struct Listing {
        fuse_req_t req;
        char *buffer;
        size_t room, size;
} Listing;

/* Returns false when it is full. */
static bool listing_add(Listing *listing, const char *name, const struct stat *st, off_t next) {
        size_t n = fuse_add_direntry(listing->req, listing->buffer + listing->size,
                                     listing->room - listing->size, name, st, next);

        if (n > listing->room - listing->size)
                return false;
        listing->size += n;
        return true;
}

static bool list_attributes(const Server *server, const Entry *folder, off_t from,
                            Listing *listing) {
        for (const Attribute *a = folder->class->attributes; a->name; a++) {
                off_t place = 2 + (a - folder->class->attributes);
                struct stat st;

                if (place < from || (a->visible && !a->visible(server->world, folder->data)))
                        continue;
                st = stat_attribute(server, folder, a);
                if (!listing_add(listing, a->name, &st, place + 1))
                        return false;
        }

        return true;
}

/*
 * Entries are in the order of their numbers: so it can be gone on with whatever has come or gone.
 */
static void list_entries(const Server *server, const Entry *folder, off_t from, Listing *listing) {
        uint64_t first = from > FIRST_CHILD ? from - FIRST_CHILD : 0;
        const Entry *last = first > 0 ? tree_find(server->world->tree, first - 1) : NULL;
        const Entry *child = last && last->parent == folder ? last->next : folder->first;

        for (; child; child = child->next) {
                struct stat st;

                if (child->number < first)
                        continue;
                st = stat_entry(server, child);
                if (!listing_add(listing, child->name, &st, FIRST_CHILD + child->number + 1))
                        return;
        }
}

static int list(const Server *server, fuse_ino_t number, off_t from, Listing *listing) {
        const Entry *folder = find_entry(server->world, number);
        struct stat st;

        if (!folder || folder->kind != ENTRY_FOLDER)
                return ENOENT;

        st = stat_entry(server, folder);
        if (from < 1 && !listing_add(listing, ".", &st, 1))
                return 0;
        st = stat_entry(server, folder->parent ?: folder);
        if (from < 2 && !listing_add(listing, "..", &st, 2))
                return 0;
        if (from >= FIRST_CHILD || list_attributes(server, folder, from, listing))
                list_entries(server, folder, from, listing);
        return 0;
}

static void op_readdir(fuse_req_t req, fuse_ino_t number, size_t size, off_t from,
                       struct fuse_file_info *file) {
        const Server *server = server_of(req);
        _cleanup_free_ char *buffer = malloc(size);
        Listing listing = { .req = req, .buffer = buffer, .room = size };
        int r = ENOMEM;

        if (buffer) {
                world_lock(server->world);
                r = list(server, number, from, &listing);
                world_unlock(server->world);
        }
        (void)(r == 0 ? fuse_reply_buf(req, buffer, listing.size) : fuse_reply_err(req, r));
}

/* --- opening ---------------------------------------------------------------------------------- */

/* Of sysfs not even root may open for writing what nobody may write. */
static int open_attribute(const Attribute *attribute, struct fuse_file_info *file) {
        int how = file->flags & O_ACCMODE;
        Handle *handle;

        if ((how != O_RDONLY && !(attribute->mode & 0222)) ||
            (how != O_WRONLY && !(attribute->mode & 0444)))
                return EACCES;
        handle = calloc(1, sizeof(*handle));
        if (!handle)
                return ENOMEM;

        file->fh = (uintptr_t)handle;
        return 0;
}

/*
 * As fuse_reply_open(), which in libfuse 3.14 does not know all the flags. Every write of an
 * attribute comes here as it is, and does not wait for others.
 */
static int reply_open(fuse_req_t req, const struct fuse_file_info *file) {
        struct fuse_open_out reply = { .fh = file->fh };

        if (file->fh != 0)
                reply.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
        return fuse_reply_buf(req, (const char *)&reply, sizeof(reply));
}

static int open_node(World *world, Device *device) {
        if (device->driver != DRIVER_DEVDAX || device->is_busy)
                return ENXIO;
        device->n_open++;
        device->was_opened = true;
        driver_count_user(world->dax, 1);
        return 0;
}

static void op_open(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *file) {
        World *world = server_of(req)->world;
        const Attribute *attribute;
        const Entry *entry;
        int r = ENOENT;

        world_lock(world);
        entry = find_entry(world, number);
        attribute = find_attribute(world, entry, number);
        if (attribute)
                r = open_attribute(attribute, file);
        else if (entry && entry->kind == ENTRY_NODE)
                r = open_node(world, entry->data);
        world_unlock(world);

        /* who was interrupted meanwhile does not get it */
        if (r != 0)
                (void)fuse_reply_err(req, r);
        else if (reply_open(req, file) == -ENOENT)
                free((Handle *)(uintptr_t)file->fh);
}

static void op_release(fuse_req_t req, fuse_ino_t number, struct fuse_file_info *file) {
        World *world = server_of(req)->world;
        Handle *handle = (Handle *)(uintptr_t)file->fh;

        if (handle) {
                free(handle->text);
                free(handle);
        } else {
                const Entry *entry;

                world_lock(world);
                entry = find_entry(world, number);
                if (entry && entry->kind == ENTRY_NODE)
                        ((Device *)entry->data)->n_open--;
                driver_count_user(world->dax, -1);
                world_unlock(world);
        }
        (void)fuse_reply_err(req, 0);
}

/* --- attributes ------------------------------------------------------------------------------- */

/* Copies out what there is: others may be reading the same open file, and the reader closing it. */
static ssize_t read_attribute(World *world, fuse_ino_t number, uint64_t offset, char *buffer,
                              size_t size, Handle *handle) {
        const Attribute *attribute;
        const Entry *entry;
        size_t n;

        for (;;) {
                entry = find_entry(world, number);
                attribute = find_attribute(world, entry, number);
                if (!attribute)
                        return -ENODEV;
                if (!attribute->is_held || !attribute->is_held(world, entry->data))
                        break;
                (void)world_wait(world, NULL, false, 0);
        }
        if (offset == 0 || !handle->text) {
                int r;

                free(TAKE_PTR(handle->text));
                handle->size = 0;
                r = show(world, entry, attribute, handle);
                if (r < 0)
                        return r;
        }

        n = offset < handle->size ? MIN(handle->size - offset, size) : 0;
        memcpy(buffer, handle->text + MIN(offset, (uint64_t)handle->size), n);
        return n;
}

static void on_interrupt(fuse_req_t req, void *data) {
        Write *write = data;

        world_lock(write->world);
        write->interrupted = true;
        world_changed(write->world);
        world_unlock(write->world);
}

static int store(Write *write, fuse_ino_t number) {
        Entry *entry = find_entry(write->world, number);
        const Attribute *attribute = find_attribute(write->world, entry, number);
        Verdict verdict;
        char path[1024];
        int r;

        if (!attribute)
                return -ENODEV;
        (void)tree_path(entry, tree_root(write->world->tree), path, sizeof(path));
        strncat(path, "/", sizeof(path) - strlen(path) - 1);
        strncat(path, attribute->name, sizeof(path) - strlen(path) - 1);

        faults_begin(write->world, write, path, &verdict);
        entry = find_entry(write->world, number); /* that may have waited */
        write->in_part = verdict.part;
        if (verdict.before < 0)
                r = verdict.before;
        else if (!entry)
                r = -ENODEV;
        else if (verdict.skip)
                r = 0;
        else
                r = attribute->store ? attribute->store(write, entry->data) : -EIO;
        return faults_end(write->world, write, path, &verdict, r);
}

static int store_noted(Server *server, Write *write, fuse_ino_t number) {
        size_t i = 0;
        int r;

        r = ARRAY_APPEND(server->writing, server->n_writing, number);
        if (r < 0)
                return r;
        r = store(write, number);
        while (server->writing[i] != number)
                i++;
        ARRAY_REMOVE(server->writing, server->n_writing, i);
        return r;
}

static void write_attribute(fuse_req_t req, fuse_ino_t number, const char *data, size_t size) {
        _cleanup_free_ char *text = strndup(data, size);
        Server *server = server_of(req);
        Write write = { .world = server->world,
                        .folder = number / ENTRY_INODES,
                        .text = text,
                        .size = size,
                        .pid = fuse_req_ctx(req)->pid };
        int r = -ENOMEM;

        if (text) {
                fuse_req_interrupt_func(req, on_interrupt, &write);
                world_lock(write.world);
                r = store_noted(server, &write, number);
                world_unlock(write.world);
                fuse_req_interrupt_func(req, NULL, NULL);
        }
        (void)(r < 0 ? fuse_reply_err(req, -r) : fuse_reply_write(req, size));
}

/* --- nodes ------------------------------------------------------------------------------------ */

static const Device *find_node(World *world, fuse_ino_t number) {
        const Entry *entry = find_entry(world, number);
        const Device *device = entry && entry->kind == ENTRY_NODE ? entry->data : NULL;

        return device && device->driver == DRIVER_DEVDAX ? device : NULL;
}

/* Reads or writes memory through the device. Returns how much, or a negative errno. */
static ssize_t access_memory(World *world, fuse_ino_t number, uint64_t offset, char *in,
                             const char *out, size_t size) {
        const Device *device = find_node(world, number);
        size_t done = 0;

        if (!device)
                return -EIO; /* a fault then ends in SIGBUS */

        while (done < size) {
                uint64_t length, address = device_address(device, offset + done, &length);
                size_t n = MIN(length, (uint64_t)(size - done));
                int r;

                if (n == 0)
                        break;
                r = in ? contents_read(world->contents, address, in + done, n) :
                         contents_write(world->contents, address, out + done, n);
                if (r < 0)
                        return r;
                done += n;
        }

        return done;
}

static void write_node(fuse_req_t req, fuse_ino_t number, const char *data, size_t size,
                       off_t offset) {
        World *world = server_of(req)->world;
        ssize_t n;

        world_lock(world);
        n = access_memory(world, number, offset, NULL, data, size);
        world_unlock(world);
        (void)(n < 0 ? fuse_reply_err(req, -n) : fuse_reply_write(req, n));
}

/* The kernel writes back what was changed through mappings, and then drops the pages. */
static void flush_node(uint64_t node, void *userdata) {
        const Server *server = userdata;

        (void)fuse_lowlevel_notify_inval_inode(server->session, node * ENTRY_INODES, 0, 0);
}

/* --- both ------------------------------------------------------------------------------------- */

static void op_read(fuse_req_t req, fuse_ino_t number, size_t size, off_t offset,
                    struct fuse_file_info *file) {
        World *world = server_of(req)->world;
        Handle *handle = (Handle *)(uintptr_t)file->fh;
        _cleanup_free_ char *buffer = malloc(size);
        ssize_t n = -ENOMEM;

        if (buffer) {
                world_lock(world);
                n = handle ? read_attribute(world, number, offset, buffer, size, handle) :
                             access_memory(world, number, offset, buffer, NULL, size);
                world_unlock(world);
        }
        (void)(n < 0 ? fuse_reply_err(req, -n) : fuse_reply_buf(req, buffer, n));
}

static void op_write(fuse_req_t req, fuse_ino_t number, const char *data, size_t size, off_t offset,
                     struct fuse_file_info *file) {
        /* pages are written back without a file: they are nodes' */
        if (file->writepage || file->fh == 0)
                write_node(req, number, data, size, offset);
        else
                write_attribute(req, without_alias(number), data, size);
}

static void op_init(void *userdata, struct fuse_conn_info *connection) {
        connection->max_background = 64;
}

static const struct fuse_lowlevel_ops operations = {
        .init = op_init,
        .lookup = op_lookup,
        .forget = op_forget,
        .getattr = op_getattr,
        .setattr = op_setattr,
        .readlink = op_readlink,
        .open = op_open,
        .read = op_read,
        .write = op_write,
        .release = op_release,
        .readdir = op_readdir,
};

/* --- the session ------------------------------------------------------------------------------ */

int server_new(World *world, const char *folder, Server **ret_server) {
        const char *words[] = { "daxsim", "-o",
                                "allow_other,default_permissions,dev,suid,fsname=daxsim" };
        struct fuse_args args = FUSE_ARGS_INIT(ELEMENTS(words), (char **)words);
        Server *server = calloc(1, sizeof(*server));

        if (!server)
                return -ENOMEM;
        server->world = world;
        (void)clock_gettime(CLOCK_REALTIME, &server->started);
        server->session = fuse_session_new(&args, &operations, sizeof(operations), server);
        fuse_opt_free_args(&args);
        if (!server->session || fuse_set_signal_handlers(server->session) < 0 ||
            fuse_session_mount(server->session, folder) < 0) {
                server_free(server);
                return -EIO; /* libfuse has said why */
        }

        server->is_mounted = true;
        sysfs_set_flush(world->sysfs, flush_node, server);
        *ret_server = server;
        return 0;
}

int server_run(Server *server) {
        struct fuse_loop_config *config = fuse_loop_cfg_create();
        int r;

        if (!config)
                return -ENOMEM;
        fuse_loop_cfg_set_max_threads(config, THREADS_MAX);
        fuse_loop_cfg_set_idle_threads(config, 8);
        r = fuse_session_loop_mt(server->session, config);
        fuse_loop_cfg_destroy(config);
        return r < 0 ? r : 0;
}

Server *server_free(Server *server) {
        if (!server)
                return NULL;
        if (server->session) {
                if (server->is_mounted)
                        fuse_session_unmount(server->session);
                fuse_remove_signal_handlers(server->session);
                fuse_session_destroy(server->session);
        }
        free(server->writing);
        free(server);
        return NULL;
}
