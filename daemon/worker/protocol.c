/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Both sides of the conversation between daxd and daxd-worker. An answer's packet has one message
 * after the other; every message is a head, then one body or a list of elements of one size, then
 * zeroes up to the next multiple of eight bytes. Whoever receives checks length, type, enums,
 * terminations and counts before anything of a message is believed; a message that fails is
 * -EBADMSG and leaves nothing behind but what earlier messages brought.
 */

#include "daemon/worker/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define PATH_FIELD_MAX 1024

/* What goes over the wire has no padding, so that none of the sender's memory goes with it. */
typedef struct Head {
        uint32_t type;  /* WorkerMessageType */
        uint32_t count; /* of elements; 1 where there is one body */
        uint64_t serial;
} Head;

typedef struct MachineBody {
        uint64_t block_size;
        uint64_t seqnum;
        char auto_online[16];
} MachineBody;

typedef struct RegionBody {
        uint32_t id;
        uint32_t kind;
        uint64_t identity;
        uint64_t start;
        uint64_t size;
        uint64_t align;
        uint64_t aligns;
        uint64_t available_size;
        uint64_t outline;
        int32_t target_node;
        int32_t numa_node;
        uint32_t is_static;
        uint32_t n_cxl_serials;
        uint64_t cxl_serials[DAX_CXL_SERIALS_MAX];
        char seed[DAX_NAME_MAX + 1];
        char youngest[DAX_NAME_MAX + 1];
        char path[PATH_FIELD_MAX];
} RegionBody;

typedef struct DeviceBody {
        uint64_t identity;
        uint64_t incarnation;
        uint64_t seen;
        uint64_t size;
        uint64_t align;
        uint64_t n_ranges;
        uint64_t n_blocks;
        uint32_t region;
        uint32_t mode;
        int32_t memmap_on_memory;
        int32_t target_node;
        int32_t numa_node;
        uint32_t tainted;
        uint32_t access_mode;
        char name[DAX_NAME_MAX + 1];
        char label[LABEL_MAX + 1];
        char user[33];
        char group[33];
        char unused[10];
} DeviceBody;

typedef struct BlockBody {
        uint64_t number;
        uint64_t state;
} BlockBody;

static const struct {
        size_t size; /* of the body, or of one element */
        bool list;
} shapes[_WORKER_MESSAGE_MAX] = {
        [WORKER_MESSAGE_MACHINE] = { sizeof(MachineBody), false },
        [WORKER_MESSAGE_REGION] = { sizeof(RegionBody), false },
        [WORKER_MESSAGE_LEAKED] = { sizeof(DaxRange), true },
        [WORKER_MESSAGE_NAMES] = { sizeof(DaxName), true },
        [WORKER_MESSAGE_DEVICE] = { sizeof(DeviceBody), false },
        [WORKER_MESSAGE_RANGES] = { sizeof(DaxRange), true },
        [WORKER_MESSAGE_BLOCKS] = { sizeof(BlockBody), true },
        [WORKER_MESSAGE_HOLDER] = { sizeof(WorkerHolder), false },
        [WORKER_MESSAGE_DONE] = { sizeof(WorkerDone), false },
};

_Static_assert(sizeof(WorkerDone) == 2 * sizeof(int) + 128 + 128 + sizeof(uint64_t), "no padding");
_Static_assert(sizeof(WorkerHolder) == sizeof(uint32_t) + 64, "no padding");
_Static_assert(sizeof(DeviceBody) == 7 * 8 + 7 * 4 + 32 + 64 + 33 + 33 + 10, "no padding");
_Static_assert(sizeof(Head) + sizeof(RegionBody) + 8 <= WORKER_MESSAGE_MAX, "a region fits");
_Static_assert(sizeof(WorkerRequest) + WORKER_STEPS_MAX * sizeof(WorkerStep) <= WORKER_MESSAGE_MAX,
               "the steps fit");

static bool text_ends(const char *text, size_t room) {
        return memchr(text, '\0', room) != NULL;
}

#define TEXT_ENDS(field) text_ends((field), sizeof(field))

static bool name_is_device(const char *name) {
        uint32_t region, instance;

        return text_parse_device_name(name, &region, &instance) >= 0;
}

/* A user or group; "" is root. */
static bool name_is_owner(const char *name) {
        return name[0] == '\0' || text_is_account(name);
}

static bool access_is_sane(const char *user, const char *group, uint32_t mode) {
        return name_is_owner(user) && name_is_owner(group) && (mode & ~UINT32_C(0777)) == 0;
}

static bool range_fits(DaxRange range, uint64_t size) {
        return range.size > 0 && range.offset <= size && range.size <= size - range.offset;
}

/* --- the board -------------------------------------------------------------------------------- */

int worker_board_map(int fd, WorkerBoard **ret_board) {
        int seals = fcntl(fd, F_GET_SEALS);
        struct stat st;
        void *board;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (seals < 0 || !(seals & F_SEAL_SHRINK) || st.st_size < (off_t)sizeof(WorkerBoard))
                return -EINVAL;
        board = mmap(NULL, sizeof(WorkerBoard), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (board == MAP_FAILED)
                return -errno;

        *ret_board = board;
        return 0;
}

int worker_board_new(WorkerBoard **ret_board) {
        _cleanup_close_ int fd = memfd_create("daxd-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        const WorkerBoard empty = {};
        int r;

        if (fd < 0)
                return -errno;
        /* writing takes the memory now: when there is none, this fails, and no look at it later */
        if (pwrite(fd, &empty, sizeof(empty), 0) != sizeof(empty) ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return errno > 0 ? -errno : -EIO;

        r = worker_board_map(fd, ret_board);
        return r < 0 ? r : TAKE_FD(fd);
}

WorkerBoard *worker_board_free(WorkerBoard *board) {
        if (board)
                (void)munmap(board, sizeof(*board));
        return NULL;
}

/* --- the worker sends ------------------------------------------------------------------------- */

static size_t padded(size_t size) {
        return (size + 7) / 8 * 8;
}

static int sender_flush(WorkerSender *sender) {
        size_t size = sender->size;

        sender->size = 0;
        while (size > 0 && send(sender->fd, sender->room, size, MSG_NOSIGNAL) < 0)
                if (errno != EINTR)
                        return -errno;

        return 0;
}

static int sender_add(WorkerSender *sender, WorkerMessageType type, const void *list,
                      size_t count) {
        Head head = { .type = type, .count = count, .serial = sender->serial };
        size_t size = count * shapes[type].size, room = sizeof(head) + padded(size);
        int r;

        if (sender->size + room > sizeof(sender->room)) {
                r = sender_flush(sender);
                if (r < 0)
                        return r;
        }

        memset(sender->room + sender->size + room - 8, 0, 8);
        memcpy(sender->room + sender->size, &head, sizeof(head));
        memcpy(sender->room + sender->size + sizeof(head), list, size);
        sender->size += room;
        return 0;
}

static int send_body(WorkerSender *sender, WorkerMessageType type, const void *body) {
        return sender_add(sender, type, body, 1);
}

/* A list in as many messages as it needs. */
static int send_list(WorkerSender *sender, WorkerMessageType type, const void *list, size_t n) {
        size_t size = shapes[type].size, most = (sizeof(sender->room) - sizeof(Head) - 8) / size;
        const char *from = list;

        while (n > 0) {
                size_t count = MIN(n, most);
                int r;

                r = sender_add(sender, type, from, count);
                if (r < 0)
                        return r;
                from += count * size;
                n -= count;
        }

        return 0;
}

static void copy_text(char *to, size_t room, const char *from) {
        size_t length = strnlen(from, room - 1);

        memcpy(to, from, length);
        memset(to + length, 0, room - length);
}

#define COPY_TEXT(to, from) copy_text((to), sizeof(to), (from))

int worker_send_machine(WorkerSender *sender, const DaxMachine *machine) {
        MachineBody body = { .block_size = machine->block_size, .seqnum = machine->seqnum };

        COPY_TEXT(body.auto_online, machine->auto_online);
        return send_body(sender, WORKER_MESSAGE_MACHINE, &body);
}

int worker_send_region(WorkerSender *sender, const DaxRegion *region, uint64_t outline) {
        RegionBody body = {
                .id = region->id,
                .kind = region->kind,
                .identity = region->identity,
                .start = region->start,
                .size = region->size,
                .align = region->align,
                .aligns = region->aligns,
                .available_size = region->available_size,
                .outline = outline,
                .target_node = region->target_node,
                .numa_node = region->numa_node,
                .is_static = region->is_static,
                .n_cxl_serials = MIN(region->n_cxl_serials, (size_t)DAX_CXL_SERIALS_MAX),
        };
        int r;

        memcpy(body.cxl_serials, region->cxl_serials, sizeof(body.cxl_serials));
        COPY_TEXT(body.seed, region->seed);
        COPY_TEXT(body.youngest, region->youngest);
        COPY_TEXT(body.path, region->path ?: "");

        r = send_body(sender, WORKER_MESSAGE_REGION, &body);
        if (r < 0)
                return r;

        return send_list(sender, WORKER_MESSAGE_LEAKED, region->leaked.list, region->leaked.count);
}

int worker_send_names(WorkerSender *sender, const DaxName *names, size_t n) {
        return send_list(sender, WORKER_MESSAGE_NAMES, names, n);
}

static int send_blocks(WorkerSender *sender, const DaxDevice *device) {
        BlockBody list[512];

        for (size_t i = 0; i < device->n_blocks;) {
                size_t n = 0;
                int r;

                for (; n < ELEMENTS(list) && i < device->n_blocks; n++, i++)
                        list[n] = (BlockBody){ device->blocks[i].number, device->blocks[i].state };
                r = send_list(sender, WORKER_MESSAGE_BLOCKS, list, n);
                if (r < 0)
                        return r;
        }

        return 0;
}

int worker_send_device(WorkerSender *sender, const DaxDevice *device) {
        DeviceBody body = {
                .identity = device->identity,
                .incarnation = device->incarnation,
                .seen = device->seen,
                .size = device->size,
                .align = device->align,
                .n_ranges = device->ranges.count,
                .n_blocks = device->n_blocks,
                .mode = device->mode,
                .memmap_on_memory = device->memmap_on_memory,
                .target_node = device->target_node,
                .numa_node = device->numa_node,
                .tainted = device->tainted,
                .access_mode = device->access.mode,
        };
        uint32_t instance;
        int r;

        COPY_TEXT(body.name, device->name);
        COPY_TEXT(body.label, device->label);
        COPY_TEXT(body.user, device->access.user);
        COPY_TEXT(body.group, device->access.group);
        r = text_parse_device_name(body.name, &body.region, &instance);
        if (r < 0)
                return r;

        r = send_body(sender, WORKER_MESSAGE_DEVICE, &body);
        if (r < 0)
                return r;
        r = send_list(sender, WORKER_MESSAGE_RANGES, device->ranges.list, device->ranges.count);
        if (r < 0)
                return r;
        return send_blocks(sender, device);
}

int worker_send_holder(WorkerSender *sender, const WorkerHolder *holder) {
        WorkerHolder body = { .pid = holder->pid };

        COPY_TEXT(body.command, holder->command);
        return send_body(sender, WORKER_MESSAGE_HOLDER, &body);
}

int worker_send_done(WorkerSender *sender, const WorkerDone *done) {
        WorkerDone body = {
                .problem = done->problem,
                .error = done->error,
                .steps = done->steps,
        };
        int r;

        COPY_TEXT(body.attribute, done->attribute);
        COPY_TEXT(body.value, done->value);
        r = send_body(sender, WORKER_MESSAGE_DONE, &body);
        return r < 0 ? r : sender_flush(sender);
}

/* --- the worker receives ---------------------------------------------------------------------- */

static bool request_is_sane(const WorkerRequest *request) {
        uint32_t flags = WORKER_ALL_DEVICES | WORKER_FORCE | WORKER_THEN_REGION;

        if (request->op >= _WORKER_OP_MAX || (request->flags & ~flags) ||
            !TEXT_ENDS(request->device) || !TEXT_ENDS(request->value) ||
            request->mode >= _DAX_MODE_MAX || request->n_steps > WORKER_STEPS_MAX ||
            (request->n_steps > 0) != (request->op == WORKER_STEPS))
                return false;
        if (request->device[0] != '\0' && !name_is_device(request->device))
                return false;
        return request->region_size <= UINT64_MAX - request->region_start;
}

static bool step_is_sane(const WorkerStep *step) {
        if (step->op >= _PLAN_OP_MAX || step->mode >= _DAX_MODE_MAX ||
            step->state >= _DAX_BLOCK_STATE_MAX || step->is_last > 1 || !TEXT_ENDS(step->device) ||
            !TEXT_ENDS(step->label) || !TEXT_ENDS(step->access.user) ||
            !TEXT_ENDS(step->access.group))
                return false;
        if (step->device[0] != '\0' && !name_is_device(step->device))
                return false;
        if (step->label[0] != '\0' && !text_is_label(step->label))
                return false;

        return access_is_sane(step->access.user, step->access.group, step->access.mode) &&
               step->range.size <= UINT64_MAX - step->range.offset &&
               step->n_blocks <= UINT64_MAX - step->first_block;
}

static size_t op_descriptors(uint32_t op) {
        return op == WORKER_HELLO || op == WORKER_STEPS ? 2 : 0;
}

void worker_close_fds(int (*fds)[WORKER_FDS_MAX]) {
        for (size_t i = 0; i < WORKER_FDS_MAX; i++)
                closep(&(*fds)[i]);
}

/* Takes the descriptors out of @message. Returns how many came; those without room are closed. */
static size_t take_descriptors(struct msghdr *message, int fds[static WORKER_FDS_MAX]) {
        size_t count = 0;

        for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
                size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n; i++, count++) {
                        int got;

                        memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
                        if (count < WORKER_FDS_MAX)
                                fds[count] = got;
                        else
                                close(got);
                }
        }

        return count;
}

int worker_receive_request(int fd, int flags, WorkerRequest *ret_request, WorkerStep *steps,
                           int ret_fds[static WORKER_FDS_MAX]) {
        union {
                char room[CMSG_SPACE(4 * sizeof(int))];
                struct cmsghdr align;
        } control;
        struct iovec parts[] = {
                { .iov_base = ret_request, .iov_len = sizeof(*ret_request) },
                { .iov_base = steps, .iov_len = WORKER_STEPS_MAX * sizeof(*steps) },
        };
        struct msghdr message = { .msg_iov = parts,
                                  .msg_iovlen = ELEMENTS(parts),
                                  .msg_control = &control,
                                  .msg_controllen = sizeof(control) };
        _cleanup_(worker_close_fds) int fds[WORKER_FDS_MAX] = { -1, -1 };
        size_t n_fds;
        ssize_t n;

        do
                n = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        n_fds = take_descriptors(&message, fds);
        if (n == 0)
                return 0;

        if ((size_t)n < sizeof(*ret_request) || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                return -EBADMSG;
        if (ret_request->version != WORKER_PROTOCOL_VERSION)
                return -EPROTONOSUPPORT;
        if (!request_is_sane(ret_request) ||
            (size_t)n != sizeof(*ret_request) + ret_request->n_steps * sizeof(*steps))
                return -EBADMSG;
        for (size_t i = 0; i < ret_request->n_steps; i++)
                if (!step_is_sane(&steps[i]))
                        return -EBADMSG;
        if (n_fds != op_descriptors(ret_request->op))
                return -EBADMSG;

        for (size_t i = 0; i < WORKER_FDS_MAX; i++)
                ret_fds[i] = TAKE_FD(fds[i]);
        return 1;
}

/* --- daxd sends ------------------------------------------------------------------------------- */

int worker_send_request(int fd, const WorkerRequest *request, const WorkerStep *steps,
                        const int *fds) {
        size_t size = op_descriptors(request->op) * sizeof(*fds);
        union {
                char room[CMSG_SPACE(WORKER_FDS_MAX * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec parts[] = {
                { .iov_base = (void *)request, .iov_len = sizeof(*request) },
                { .iov_base = (void *)steps, .iov_len = request->n_steps * sizeof(*steps) },
        };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ELEMENTS(parts) };

        if (size > 0) {
                struct cmsghdr *c;

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(size);
                c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(size);
                memcpy(CMSG_DATA(c), fds, size);
        }

        for (;;) {
                if (sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
                        return 0;
                if (errno != EINTR)
                        return errno == EPIPE ? -ECONNRESET : -errno;
        }
}

/* --- daxd receives ---------------------------------------------------------------------------- */

static int take_machine(WorkerAnswer *answer, const MachineBody *body) {
        if (!TEXT_ENDS(body->auto_online) ||
            strspn(body->auto_online, "abcdefghijklmnopqrstuvwxyz_") != strlen(body->auto_online))
                return -EBADMSG;

        answer->machine.block_size = body->block_size;
        answer->machine.seqnum = body->seqnum;
        memcpy(answer->machine.auto_online, body->auto_online, sizeof(body->auto_online));
        return 0;
}

static bool region_body_is_sane(const RegionBody *body) {
        if (!TEXT_ENDS(body->seed) || !TEXT_ENDS(body->youngest) || !TEXT_ENDS(body->path))
                return false;
        if ((body->seed[0] != '\0' && !name_is_device(body->seed)) ||
            (body->youngest[0] != '\0' && !name_is_device(body->youngest)))
                return false;
        return body->path[0] == '/' && body->kind < _DAX_KIND_MAX && body->is_static <= 1 &&
               body->n_cxl_serials <= DAX_CXL_SERIALS_MAX && body->size > 0 &&
               body->size <= UINT64_MAX - body->start && body->available_size <= body->size &&
               body->target_node >= -1 && body->numa_node >= -1;
}

/* What of a region can change. */
static void take_space(DaxRegion *region, const RegionBody *body) {
        region->available_size = body->available_size;
        memcpy(region->seed, body->seed, sizeof(body->seed));
        memcpy(region->youngest, body->youngest, sizeof(body->youngest));
}

static int take_new_region(WorkerAnswer *answer, const RegionBody *body) {
        _cleanup_region_ DaxRegion *region = NULL;
        DaxRegion *kept;
        int r;

        r = dax_region_new(&region);
        if (r < 0)
                return r;
        region->path = strdup(body->path);
        if (!region->path)
                return -ENOMEM;
        region->id = body->id;
        region->kind = body->kind;
        region->identity = body->identity;
        region->start = body->start;
        region->size = body->size;
        region->align = body->align;
        region->aligns = body->aligns;
        region->target_node = body->target_node;
        region->numa_node = body->numa_node;
        region->is_static = body->is_static;
        region->n_cxl_serials = body->n_cxl_serials;
        memcpy(region->cxl_serials, body->cxl_serials, sizeof(body->cxl_serials));
        take_space(region, body);

        kept = TAKE_PTR(region);
        r = dax_machine_put_region(&answer->machine, kept);
        if (r < 0)
                return r;
        answer->region = kept;
        return 0;
}

static int take_region(WorkerAnswer *answer, const RegionBody *body) {
        const DaxRegion *last = answer->region;

        if (!region_body_is_sane(body))
                return -EBADMSG;
        answer->outline = body->outline;
        if (!dax_machine_find_region(&answer->machine, body->id))
                return take_new_region(answer, body);

        /* the one before once more, as it is by now */
        if (!last || body->id != last->id || body->start != last->start || body->size != last->size)
                return -EBADMSG;
        take_space(answer->region, body);
        return 0;
}

static int take_leaked(WorkerAnswer *answer, const DaxRange *list, size_t n) {
        DaxRegion *region = answer->region;

        for (size_t i = 0; i < n; i++) {
                const DaxRanges *leaked = region ? &region->leaked : NULL;
                uint64_t last;

                if (!region || !range_fits(list[i], region->size))
                        return -EBADMSG;
                last = leaked->count ? dax_range_end(leaked->list[leaked->count - 1]) : 0;
                if (list[i].offset < last)
                        return -EBADMSG;
                if (dax_ranges_append(&region->leaked, list[i]) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static int take_names(WorkerAnswer *answer, const DaxName *list, size_t n) {
        for (size_t i = 0; i < n; i++) {
                uint32_t region, instance;

                if (!answer->region || !TEXT_ENDS(list[i].name) ||
                    text_parse_device_name(list[i].name, &region, &instance) < 0 ||
                    region != answer->region->id || region != list[i].region ||
                    instance != list[i].instance)
                        return -EBADMSG;
                if (ARRAY_APPEND(answer->names, answer->n_names, list[i]) < 0)
                        return -ENOMEM;
        }

        return 0;
}

static bool device_body_is_sane(const DeviceBody *body, const DaxRegion *region) {
        if (!TEXT_ENDS(body->name) || !TEXT_ENDS(body->label) || !TEXT_ENDS(body->user) ||
            !TEXT_ENDS(body->group))
                return false;
        if (body->label[0] != '\0' && !text_is_label(body->label))
                return false;
        if (!access_is_sane(body->user, body->group, body->access_mode))
                return false;
        return body->region == region->id && body->mode < _DAX_MODE_MAX && body->tainted <= 1 &&
               body->memmap_on_memory >= -1 && body->memmap_on_memory <= 1 &&
               body->target_node >= -1 && body->numa_node >= -1 && body->size <= region->size &&
               (body->n_ranges > 0) == (body->size > 0) && body->n_ranges <= body->size &&
               body->n_blocks <= body->size;
}

static int take_device(WorkerAnswer *answer, const DeviceBody *body) {
        _cleanup_device_ DaxDevice *device = NULL;
        uint32_t region, instance;
        int r;

        if (!answer->region || !device_body_is_sane(body, answer->region) ||
            text_parse_device_name(body->name, &region, &instance) < 0 ||
            region != answer->region->id)
                return -EBADMSG;

        /* somebody may destroy one of ours, so that the next one gets its name */
        dax_device_unref(dax_region_take(answer->region, body->name));
        r = dax_device_new(&device);
        if (r < 0)
                return r;
        memcpy(device->name, body->name, sizeof(body->name));
        memcpy(device->label, body->label, sizeof(body->label));
        memcpy(device->access.user, body->user, sizeof(body->user));
        memcpy(device->access.group, body->group, sizeof(body->group));
        device->access.mode = body->access_mode;
        device->instance = instance;
        device->identity = body->identity;
        device->incarnation = body->incarnation;
        device->seen = body->seen;
        device->size = body->size;
        device->align = body->align;
        device->mode = body->mode;
        device->memmap_on_memory = body->memmap_on_memory;
        device->target_node = body->target_node;
        device->numa_node = body->numa_node;
        device->tainted = body->tainted;

        answer->device = TAKE_PTR(device);
        answer->ranges_left = body->n_ranges;
        answer->blocks_left = body->n_blocks;
        r = dax_region_add(answer->region, answer->device);
        if (r < 0)
                answer->device = NULL;
        return r;
}

static int take_ranges(WorkerAnswer *answer, const DaxRange *list, size_t n) {
        DaxDevice *device = answer->device;

        if (!device || n > answer->ranges_left)
                return -EBADMSG;

        for (size_t i = 0; i < n; i++) {
                if (!range_fits(list[i], answer->region->size))
                        return -EBADMSG;
                if (dax_ranges_append(&device->ranges, list[i]) < 0)
                        return -ENOMEM;
        }

        answer->ranges_left -= n;
        if (answer->ranges_left == 0 && dax_ranges_size(&device->ranges) != device->size)
                return -EBADMSG;
        return 0;
}

static int take_blocks(WorkerAnswer *answer, const BlockBody *list, size_t n) {
        DaxDevice *device = answer->device;

        if (!device || answer->ranges_left > 0 || n > answer->blocks_left)
                return -EBADMSG;

        for (size_t i = 0; i < n; i++) {
                DaxBlock block = { .number = list[i].number, .state = list[i].state };

                if (list[i].state >= _DAX_BLOCK_STATE_MAX)
                        return -EBADMSG;
                if (ARRAY_APPEND(device->blocks, device->n_blocks, block) < 0)
                        return -ENOMEM;
        }

        answer->blocks_left -= n;
        return 0;
}

static int take_holder(WorkerAnswer *answer, const WorkerHolder *body) {
        if (!TEXT_ENDS(body->command))
                return -EBADMSG;

        return ARRAY_APPEND(answer->holders, answer->n_holders, *body);
}

static int take_done(WorkerAnswer *answer, const WorkerDone *body) {
        if ((unsigned)body->problem >= _WORKER_PROBLEM_MAX || body->error < 0 ||
            body->steps > WORKER_STEPS_MAX || !TEXT_ENDS(body->attribute) ||
            !TEXT_ENDS(body->value))
                return -EBADMSG;

        answer->result = *body;
        answer->done = true;
        return 0;
}

static int take_message(WorkerAnswer *answer, const Head *head, const void *body) {
        bool more = head->type == WORKER_MESSAGE_RANGES || head->type == WORKER_MESSAGE_BLOCKS;

        /* nothing comes between a device and what it announced */
        if (!more && (answer->ranges_left > 0 || answer->blocks_left > 0))
                return -EBADMSG;

        switch ((WorkerMessageType)head->type) {
        case WORKER_MESSAGE_MACHINE:
                return take_machine(answer, body);
        case WORKER_MESSAGE_REGION:
                answer->device = NULL;
                return take_region(answer, body);
        case WORKER_MESSAGE_LEAKED:
                return take_leaked(answer, body, head->count);
        case WORKER_MESSAGE_NAMES:
                return take_names(answer, body, head->count);
        case WORKER_MESSAGE_DEVICE:
                return take_device(answer, body);
        case WORKER_MESSAGE_RANGES:
                return take_ranges(answer, body, head->count);
        case WORKER_MESSAGE_BLOCKS:
                return take_blocks(answer, body, head->count);
        case WORKER_MESSAGE_HOLDER:
                return take_holder(answer, body);
        case WORKER_MESSAGE_DONE:
                return take_done(answer, body);
        case _WORKER_MESSAGE_MAX:
                break;
        }

        return -EBADMSG;
}

/* How long the message at the beginning of @size bytes is; 0 when it cannot be. */
static size_t message_size(const Head *head, const WorkerAnswer *answer, size_t size) {
        size_t body;

        if (size < sizeof(*head) || head->type >= _WORKER_MESSAGE_MAX ||
            head->serial != answer->serial)
                return 0;
        if (head->count == 0 || (head->count != 1 && !shapes[head->type].list))
                return 0;
        body = padded(head->count * shapes[head->type].size);
        return body <= size - sizeof(*head) ? sizeof(*head) + body : 0;
}

static int take_packet(WorkerAnswer *answer, const char *packet, size_t size) {
        while (size > 0) {
                size_t length;
                Head head;
                int r;

                memcpy(&head, packet, MIN(size, sizeof(head)));
                length = message_size(&head, answer, size);
                if (length == 0 || answer->done)
                        return -EBADMSG;
                r = take_message(answer, &head, packet + sizeof(head));
                if (r < 0)
                        return r;
                packet += length;
                size -= length;
        }

        return 1;
}

int worker_receive_answer(int fd, WorkerAnswer *answer) {
        _Alignas(uint64_t) char packet[WORKER_MESSAGE_MAX];
        ssize_t n;

        if (answer->done)
                return -EBADMSG;

        do
                n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
        while (n < 0 && errno == EINTR);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
                return 0;
        if (n <= 0)
                return n == 0 || errno == EPIPE ? -ECONNRESET : -errno;

        return (size_t)n > sizeof(packet) ? -EBADMSG : take_packet(answer, packet, n);
}

void worker_answer_deinit(WorkerAnswer *answer) {
        dax_machine_deinit(&answer->machine);
        free(answer->names);
        free(answer->holders);
        *answer = (WorkerAnswer){};
}
