/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What daxd and daxd-worker say to each other: everything arrives as it was sent, and whatever else
 * arrives is refused or harmless, both ways.
 */

#include "daemon/worker/protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#define SERIAL UINT64_C(0x1234567890)
#define MANY_BLOCKS 40000
#define MANY_RANGES 5000
#define MUTATIONS 20000
#define START UINT64_C(0x100000000)

/* --- messages, kept --------------------------------------------------------------------------- */

typedef struct Message {
        char *data;
        size_t size;
} Message;

typedef struct Conversation {
        Message *messages;
        size_t count;
} Conversation;

typedef struct Pair {
        int daxd;
        int worker;
} Pair;

static Pair pair_new(void) {
        int ends[2];

        assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), errno);
        return (Pair){ ends[0], ends[1] };
}

static void pair_close(Pair pair) {
        close(pair.daxd);
        close(pair.worker);
}

/* A small generator, so that a failure comes again: the test's seed is fixed. */
static uint32_t random_next(uint64_t *state) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *state >> 33;
}

static DaxDevice *device_make(const char *name, size_t n_ranges, size_t n_blocks) {
        DaxDevice *device;
        uint32_t region;

        assert_int_equal(dax_device_new(&device), 0);
        snprintf(device->name, sizeof(device->name), "%s", name);
        assert_int_equal(text_parse_device_name(name, &region, &device->instance), 0);
        device->identity = 4711;
        device->incarnation = UINT64_MAX;
        device->align = 2 << 20;
        device->mode = n_blocks > 0 ? DAX_MODE_SYSTEM_RAM : DAX_MODE_DEVDAX;
        device->memmap_on_memory = 1;
        device->target_node = 3;
        device->numa_node = -1;
        device->tainted = n_ranges == 1;
        snprintf(device->label, sizeof(device->label), "cache-%zu", n_ranges);
        snprintf(device->access.group, sizeof(device->access.group), "redis");
        device->access.mode = 0660;

        for (size_t i = 0; i < n_ranges; i++) {
                DaxRange range = { (n_ranges - i) << 24, 2 << 20 };

                assert_int_equal(dax_ranges_append(&device->ranges, range), 0);
        }
        device->size = dax_ranges_size(&device->ranges);
        for (size_t i = 0; i < n_blocks; i++) {
                DaxBlock block = { 32 + i, i % _DAX_BLOCK_STATE_MAX };

                assert_int_equal(ARRAY_APPEND(device->blocks, device->n_blocks, block), 0);
        }

        return device;
}

static DaxRegion *region_make(void) {
        DaxRegion *region;

        assert_int_equal(dax_region_new(&region), 0);
        region->id = 7;
        region->kind = DAX_KIND_CXL;
        region->path = strdup("/platform/hmem.7");
        region->start = START;
        region->size = UINT64_C(1) << 40;
        region->align = 2 << 20;
        region->aligns = 4096 | 2 << 20;
        region->identity = 815;
        region->available_size = 1 << 30;
        region->target_node = 2;
        region->numa_node = 1;
        strcpy(region->seed, "dax7.3");
        region->cxl_serials[0] = 99;
        region->n_cxl_serials = 1;
        assert_int_equal(dax_ranges_append(&region->leaked, (DaxRange){ 0, 4096 }), 0);
        assert_int_equal(dax_ranges_append(&region->leaked, (DaxRange){ 8192, 4096 }), 0);
        return region;
}

/* The answer that the tests are about, sent to @fd. */
static int answer_send(int fd, const DaxRegion *region) {
        WorkerSender sender = { .fd = fd, .serial = SERIAL };
        static const DaxName names[3] = { { "dax7.0", 7, 0, 1 },
                                          { "dax7.1", 7, 1, 2 },
                                          { "dax7.22", 7, 22, 3 } };
        DaxMachine machine = { .block_size = 128 << 20, .seqnum = 4, .auto_online = "online" };
        WorkerHolder holder = { .pid = 42, .command = "redis \n\x1b[31m" };
        WorkerDone done = { .problem = WORKER_KERNEL,
                            .error = EBUSY,
                            .attribute = "devices/x/size",
                            .value = "1",
                            .steps = 3 };
        int r;

        r = worker_send_machine(&sender, &machine);
        if (r >= 0)
                r = worker_send_region(&sender, region, 77);
        if (r >= 0)
                r = worker_send_names(&sender, names, ELEMENTS(names));
        for (size_t i = 0; r >= 0 && i < region->n_devices; i++)
                r = worker_send_device(&sender, region->devices[i]);
        if (r >= 0)
                r = worker_send_holder(&sender, &holder);
        if (r >= 0)
                r = worker_send_done(&sender, &done);
        return r;
}

/* The sending end is another process: it blocks until all is taken. */
static pid_t answer_fork(Pair pair, const DaxRegion *region) {
        pid_t pid = fork();

        if (pid == 0) {
                close(pair.daxd);
                _exit(answer_send(pair.worker, region) < 0);
        }
        close(pair.worker);
        return pid;
}

static void answer_join(pid_t pid) {
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static Conversation conversation_keep(const DaxRegion *region) {
        Conversation conversation = {};
        Pair pair = pair_new();
        pid_t pid = answer_fork(pair, region);

        for (;;) {
                char buffer[WORKER_MESSAGE_MAX];
                ssize_t n = recv(pair.daxd, buffer, sizeof(buffer), 0);
                Message message;

                assert_return_code(n, errno);
                if (n == 0)
                        break;
                message = (Message){ malloc(n), n };
                memcpy(message.data, buffer, n);
                assert_int_equal(ARRAY_APPEND(conversation.messages, conversation.count, message),
                                 0);
        }

        answer_join(pid);
        close(pair.daxd);
        return conversation;
}

static void conversation_free(Conversation *conversation) {
        for (size_t i = 0; i < conversation->count; i++)
                free(conversation->messages[i].data);
        free(conversation->messages);
}

/* --- what arrives as it was sent -------------------------------------------------------------- */

static void receive_all(int fd, WorkerAnswer *answer) {
        *answer = (WorkerAnswer){ .serial = SERIAL };
        while (!answer->done) {
                int r = worker_receive_answer(fd, answer);

                assert_in_range(r, 0, 1);
                if (r == 0)
                        usleep(100);
        }
}

static void assert_same_device(const DaxDevice *a, const DaxDevice *b) {
        assert_int_equal(dax_device_difference(a, b), 0);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->instance, b->instance);
        assert_int_equal(a->identity, b->identity);
        assert_int_equal(a->incarnation, b->incarnation);
        assert_int_equal(a->size, b->size);
        assert_int_equal(a->target_node, b->target_node);
        assert_int_equal(a->numa_node, b->numa_node);
}

static void assert_same_region(const DaxRegion *a, const DaxRegion *b) {
        assert_int_equal(a->id, b->id);
        assert_int_equal(a->kind, b->kind);
        assert_string_equal(a->path, b->path);
        assert_int_equal(a->start, b->start);
        assert_int_equal(a->size, b->size);
        assert_int_equal(a->align, b->align);
        assert_int_equal(a->aligns, b->aligns);
        assert_int_equal(a->identity, b->identity);
        assert_int_equal(a->available_size, b->available_size);
        assert_int_equal(a->target_node, b->target_node);
        assert_int_equal(a->numa_node, b->numa_node);
        assert_int_equal(a->is_static, b->is_static);
        assert_string_equal(a->seed, b->seed);
        assert_string_equal(a->youngest, b->youngest);
        assert_int_equal(a->n_cxl_serials, b->n_cxl_serials);
        assert_memory_equal(a->cxl_serials, b->cxl_serials, sizeof(a->cxl_serials));
        assert_true(dax_ranges_equal(&a->leaked, &b->leaked));
        assert_int_equal(a->n_devices, b->n_devices);
        for (size_t i = 0; i < a->n_devices; i++)
                assert_same_device(a->devices[i], b->devices[i]);
}

static void round_trip(size_t n_ranges, size_t n_blocks) {
        _cleanup_region_ DaxRegion *region = region_make();
        Pair pair = pair_new();
        WorkerAnswer answer;
        pid_t pid;

        assert_int_equal(dax_region_add(region, device_make("dax7.0", 0, 0)), 0);
        assert_int_equal(dax_region_add(region, device_make("dax7.22", n_ranges, n_blocks)), 0);
        pid = answer_fork(pair, region);
        receive_all(pair.daxd, &answer);
        answer_join(pid);

        assert_int_equal(answer.machine.n_regions, 1);
        assert_same_region(answer.machine.regions[0], region);
        assert_int_equal(answer.machine.block_size, 128 << 20);
        assert_int_equal(answer.machine.seqnum, 4);
        assert_string_equal(answer.machine.auto_online, "online");
        assert_int_equal(answer.n_names, 3);
        assert_string_equal(answer.names[2].name, "dax7.22");
        assert_int_equal(answer.names[2].identity, 3);
        assert_int_equal(answer.n_holders, 1);
        assert_int_equal(answer.holders[0].pid, 42);
        assert_string_equal(answer.holders[0].command, "redis \n\x1b[31m");
        assert_int_equal(answer.result.problem, WORKER_KERNEL);
        assert_int_equal(answer.result.error, EBUSY);
        assert_string_equal(answer.result.attribute, "devices/x/size");
        assert_string_equal(answer.result.value, "1");
        assert_int_equal(answer.result.steps, 3);

        worker_answer_deinit(&answer);
        close(pair.daxd);
}

static void test_answers(void **state) {
        round_trip(0, 0);
        round_trip(1, 0);
        round_trip(1, 1);
        round_trip(2, 3);
        round_trip(MANY_RANGES, 0);
        round_trip(MANY_RANGES, MANY_BLOCKS);
}

#define N_STEPS 3

static WorkerRequest request_make(void) {
        WorkerRequest request = {
                .version = WORKER_PROTOCOL_VERSION,
                .op = WORKER_STEPS,
                .serial = SERIAL,
                .flags = WORKER_FORCE,
                .region = 7,
                .region_start = START,
                .region_size = 1 << 30,
                .device = "dax7.22",
                .identity = 4711,
                .value = "online",
                .n_steps = N_STEPS,
        };

        return request;
}

static void steps_make(WorkerStep steps[WORKER_STEPS_MAX]) {
        memset(steps, 0, N_STEPS * sizeof(*steps));
        steps[0] = (WorkerStep){ .op = PLAN_CREATE, .entry = 5 };
        steps[1] = (WorkerStep){ .op = PLAN_MAPPING, .entry = 5, .range = { 4096, 8192 } };
        steps[2] = (WorkerStep){
                .op = PLAN_PUBLISH,
                .mode = DAX_MODE_DEVDAX,
                .entry = 5,
                .identity = 4711,
                .is_last = 1,
                .device = "dax7.22",
                .label = "cache",
                .access = { .group = "redis", .mode = 0660 },
        };
}

static int some_descriptor(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* Any bytes, with a descriptor @n times, or without one. */
static void send_with(int to, const void *data, size_t size, int fd, size_t n) {
        union {
                char room[CMSG_SPACE(2 * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec part = { (void *)data, size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n > 0) {
                struct cmsghdr *c;

                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(n * sizeof(int));
                c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n * sizeof(int));
                for (size_t i = 0; i < n; i++)
                        memcpy(CMSG_DATA(c) + i * sizeof(int), &fd, sizeof(fd));
        }
        assert_int_equal(sendmsg(to, &message, 0), size);
}

static void test_requests(void **state) {
        WorkerStep steps[WORKER_STEPS_MAX], got_steps[WORKER_STEPS_MAX];
        WorkerRequest request = request_make(), got;
        Pair pair = pair_new();
        int carried[WORKER_FDS_MAX], fd = some_descriptor();
        const int fds[] = { fd, fd };

        steps_make(steps);
        assert_int_equal(worker_receive_request(pair.worker, MSG_DONTWAIT, &got, got_steps,
                                                carried),
                         -EAGAIN);
        assert_int_equal(worker_send_request(pair.daxd, &request, steps, fds), 0);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, got_steps, carried), 1);
        assert_memory_equal(&request, &got, sizeof(got));
        assert_memory_equal(steps, got_steps, N_STEPS * sizeof(*steps));
        assert_true(carried[0] >= 0 && carried[1] >= 0);
        worker_close_fds(&carried);

        /* as many as there may be, and what has none */
        request.n_steps = WORKER_STEPS_MAX;
        for (size_t i = N_STEPS; i < WORKER_STEPS_MAX; i++)
                steps[i] = steps[i % N_STEPS];
        assert_int_equal(worker_send_request(pair.daxd, &request, steps, fds), 0);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, got_steps, carried), 1);
        assert_memory_equal(steps, got_steps, sizeof(steps));
        worker_close_fds(&carried);
        request.op = WORKER_REGION;
        request.n_steps = 0;
        assert_int_equal(worker_send_request(pair.daxd, &request, NULL, NULL), 0);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, got_steps, carried), 1);
        assert_int_equal(carried[0], -1);

        close(fd);
        close(pair.daxd);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, got_steps, carried), 0);
        assert_int_equal(worker_send_done(&(WorkerSender){ .fd = pair.worker }, &(WorkerDone){}),
                         -EPIPE);
        close(pair.worker);
}

static void test_hello(void **state) {
        WorkerRequest request = { .version = WORKER_PROTOCOL_VERSION, .op = WORKER_HELLO }, got;
        int fds[] = { some_descriptor(), some_descriptor() }, carried[WORKER_FDS_MAX];
        WorkerStep steps[WORKER_STEPS_MAX];
        Pair pair = pair_new();

        assert_int_equal(worker_send_request(pair.daxd, &request, NULL, fds), 0);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried), 1);
        for (size_t i = 0; i < WORKER_FDS_MAX; i++) {
                struct stat sent, received;

                assert_return_code(fstat(fds[i], &sent), errno);
                assert_return_code(fstat(carried[i], &received), errno);
                assert_int_equal(sent.st_ino, received.st_ino);
                assert_true(fcntl(carried[i], F_GETFD) & FD_CLOEXEC);
        }
        worker_close_fds(&carried);

        /* two belong to a HELLO and to STEPS, and none to anything else */
        send_with(pair.daxd, &request, sizeof(request), fds[0], 1);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried), -EBADMSG);
        send_with(pair.daxd, &request, sizeof(request), -1, 0);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried), -EBADMSG);
        request.op = WORKER_STEPS;
        send_with(pair.daxd, &request, sizeof(request), fds[0], 1);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried), -EBADMSG);
        request.op = WORKER_INVENTORY;
        send_with(pair.daxd, &request, sizeof(request), fds[0], 1);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried), -EBADMSG);
        request.version++;
        assert_int_equal(worker_send_request(pair.daxd, &request, NULL, NULL), 0);
        assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried),
                         -EPROTONOSUPPORT);

        worker_close_fds(&fds);
        pair_close(pair);
}

/* Several descriptors at once: refused, and none stays open. */
static void test_many_descriptors(void **state) {
        WorkerRequest request = { .version = WORKER_PROTOCOL_VERSION, .op = WORKER_HELLO }, got;
        union {
                char room[CMSG_SPACE(16 * sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec part = { &request, sizeof(request) };
        WorkerStep steps[WORKER_STEPS_MAX];
        Pair pair = pair_new();
        int lowest, after, carried[WORKER_FDS_MAX];

        lowest = dup(0);
        close(lowest);
        for (size_t n = WORKER_FDS_MAX + 1; n <= 16; n++) {
                struct msghdr message = { .msg_iov = &part,
                                          .msg_iovlen = 1,
                                          .msg_control = &control,
                                          .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
                struct cmsghdr *c = CMSG_FIRSTHDR(&message);

                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n * sizeof(int));
                memset(CMSG_DATA(c), 0, n * sizeof(int));
                assert_return_code(sendmsg(pair.daxd, &message, 0), errno);
                assert_int_equal(worker_receive_request(pair.worker, 0, &got, steps, carried),
                                 -EBADMSG);
        }
        after = dup(0);
        close(after);
        assert_int_equal(after, lowest);
        pair_close(pair);
}

/* --- the board -------------------------------------------------------------------------------- */

static void test_board(void **state) {
        WorkerBoard *ours, *theirs;
        int fd;

        fd = worker_board_new(&ours);
        assert_return_code(fd, -fd);
        assert_return_code(worker_board_map(fd, &theirs), 0);
        assert_ptr_not_equal(ours, theirs);
        assert_int_equal(ours->serial, 0);
        theirs->step = 3;
        theirs->total = 10;
        assert_int_equal(ours->step, 3);
        assert_int_equal(ours->total, 10);
        /* who has it cannot take it from under the others */
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_null(worker_board_free(theirs));
        assert_null(worker_board_free(ours));
        assert_null(worker_board_free(NULL));
        close(fd);
}

static void test_no_board(void **state) {
        int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600), null = some_descriptor();
        int loose = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        WorkerBoard *board = NULL;

        assert_return_code(ftruncate(file, 4096), errno);
        assert_return_code(ftruncate(loose, 4096), errno);
        assert_return_code(ftruncate(small, sizeof(*board) - 1), errno);
        assert_return_code(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK), errno);
        assert_int_equal(worker_board_map(file, &board), -EINVAL);
        assert_int_equal(worker_board_map(null, &board), -EINVAL);
        assert_int_equal(worker_board_map(loose, &board), -EINVAL);
        assert_int_equal(worker_board_map(small, &board), -EINVAL);
        assert_null(board);
        close(file);
        close(null);
        close(loose);
        close(small);
}

/* --- what must be refused, or do no harm ------------------------------------------------------ */

static void assert_step_sane(const WorkerStep *step) {
        uint32_t region, instance;

        assert_true(step->op < _PLAN_OP_MAX && step->is_last <= 1);
        assert_true(step->mode < _DAX_MODE_MAX && step->state < _DAX_BLOCK_STATE_MAX);
        assert_true(step->device[0] == '\0' ||
                    text_parse_device_name(step->device, &region, &instance) >= 0);
        assert_true(step->label[0] == '\0' || text_is_label(step->label));
        assert_true(strlen(step->access.user) < sizeof(step->access.user));
        assert_true(strlen(step->access.group) < sizeof(step->access.group));
        assert_null(strpbrk(step->access.user, "/.=\n\" "));
        assert_null(strpbrk(step->access.group, "/.=\n\" "));
        assert_int_equal(step->access.mode & ~(mode_t)0777, 0);
        assert_true(step->range.offset + step->range.size >= step->range.offset);
        assert_true(step->first_block + step->n_blocks >= step->first_block);
}

static void assert_request_sane(const WorkerRequest *request, const WorkerStep *steps) {
        uint32_t region, instance;

        assert_int_equal(request->version, WORKER_PROTOCOL_VERSION);
        assert_true(request->op < _WORKER_OP_MAX);
        assert_true(request->flags < WORKER_THEN_REGION << 1);
        assert_true(request->mode < _DAX_MODE_MAX);
        assert_true(request->device[0] == '\0' ||
                    text_parse_device_name(request->device, &region, &instance) >= 0);
        assert_true(strlen(request->value) < sizeof(request->value));
        for (size_t i = 0; i < request->n_steps; i++)
                assert_step_sane(&steps[i]);
}

static void test_cut_requests(void **state) {
        const size_t whole = sizeof(WorkerRequest) + N_STEPS * sizeof(WorkerStep);
        WorkerStep steps[WORKER_STEPS_MAX];
        WorkerRequest request = request_make(), got;
        char *longer = calloc(1, whole + 64);
        Pair pair = pair_new();
        int carried[WORKER_FDS_MAX], fd = some_descriptor();

        steps_make(steps);
        memcpy(longer, &request, sizeof(request));
        memcpy(longer + sizeof(request), steps, N_STEPS * sizeof(*steps));
        for (size_t size = 1; size < whole + 64; size++) {
                int r;

                send_with(pair.daxd, longer, size, fd, 2);
                r = worker_receive_request(pair.worker, 0, &got, steps, carried);
                assert_int_equal(r, size == whole ? 1 : -EBADMSG);
                if (r == 1)
                        worker_close_fds(&carried);
        }
        free(longer);
        close(fd);
        pair_close(pair);
}

static void test_mutated_requests(void **state) {
        WorkerStep steps[WORKER_STEPS_MAX], got_steps[WORKER_STEPS_MAX];
        int fd = some_descriptor();
        uint64_t seed = 1;
        Pair pair = pair_new();
        size_t taken = 0;

        for (size_t i = 0; i < MUTATIONS; i++) {
                WorkerRequest request = request_make(), got;
                char bytes[sizeof(request) + N_STEPS * sizeof(*steps)];
                int carried[WORKER_FDS_MAX], r;

                steps_make(steps);
                memcpy(bytes, &request, sizeof(request));
                memcpy(bytes + sizeof(request), steps, N_STEPS * sizeof(*steps));
                for (uint32_t n = 1 + random_next(&seed) % 4; n > 0; n--)
                        bytes[random_next(&seed) % sizeof(bytes)] = random_next(&seed);
                send_with(pair.daxd, bytes, sizeof(bytes), fd, 2);
                r = worker_receive_request(pair.worker, 0, &got, got_steps, carried);
                assert_true(r == 1 || r == -EBADMSG || r == -EPROTONOSUPPORT);
                if (r == 1) {
                        assert_request_sane(&got, got_steps);
                        worker_close_fds(&carried);
                        taken++;
                }
        }
        assert_in_range(taken, 1, MUTATIONS - 1);
        close(fd);
        pair_close(pair);
}

/* Whatever has been taken may be used without looking again. */
static void assert_answer_sane(const WorkerAnswer *answer) {
        for (size_t i = 0; i < answer->machine.n_regions; i++) {
                const DaxRegion *region = answer->machine.regions[i];

                assert_true(region->kind < _DAX_KIND_MAX && region->path[0] == '/');
                assert_true(region->start + region->size > region->start);
                for (size_t k = 0; k < region->n_devices; k++) {
                        const DaxDevice *device = region->devices[k];
                        uint32_t id, instance;

                        assert_int_equal(text_parse_device_name(device->name, &id, &instance), 0);
                        assert_int_equal(id, region->id);
                        assert_int_equal(instance, device->instance);
                        assert_true(device->mode < _DAX_MODE_MAX);
                        assert_true(device->label[0] == '\0' || text_is_label(device->label));
                        for (size_t m = 0; m < device->ranges.count; m++)
                                assert_true(dax_range_contains((DaxRange){ 0, region->size },
                                                               device->ranges.list[m]));
                        for (size_t m = 0; m < device->n_blocks; m++)
                                assert_true(device->blocks[m].state < _DAX_BLOCK_STATE_MAX);
                        if (answer->done)
                                assert_int_equal(dax_ranges_size(&device->ranges), device->size);
                }
        }
        for (size_t i = 0; i < answer->n_names; i++)
                assert_true(strlen(answer->names[i].name) <= DAX_NAME_MAX);
        for (size_t i = 0; i < answer->n_holders; i++)
                assert_true(strlen(answer->holders[i].command) < 64);
        if (answer->done)
                assert_true(answer->result.problem < _WORKER_PROBLEM_MAX);
}

/* Plays @conversation with message @which replaced. Returns what the receiver said of it last. */
static int play(Pair pair, const Conversation *conversation, size_t which, const void *data,
                size_t size, bool refused_at_once) {
        WorkerAnswer answer = { .serial = SERIAL };
        int r = 1;

        for (size_t i = 0; r == 1 && !answer.done && i < conversation->count; i++) {
                const Message *message = &conversation->messages[i];
                bool bad = i == which;

                assert_return_code(send(pair.worker, bad ? data : message->data,
                                        bad ? size : message->size, 0),
                                   errno);
                r = worker_receive_answer(pair.daxd, &answer);
                assert_true(r == 1 || r == -EBADMSG || (r == -ECONNRESET && bad && size == 0));
                if (bad && refused_at_once)
                        assert_true(r < 0);
        }
        assert_answer_sane(&answer);
        worker_answer_deinit(&answer);
        return r;
}

static Conversation some_conversation(void) {
        _cleanup_region_ DaxRegion *region = region_make();

        assert_int_equal(dax_region_add(region, device_make("dax7.0", 1, 0)), 0);
        assert_int_equal(dax_region_add(region, device_make("dax7.1", 3, 5)), 0);
        assert_int_equal(dax_region_add(region, device_make("dax7.22", 0, 0)), 0);
        return conversation_keep(region);
}

static void test_cut_answers(void **state) {
        Conversation conversation = some_conversation();
        Pair pair = pair_new();

        for (size_t i = 0; i < conversation.count; i++) {
                size_t size = conversation.messages[i].size;
                char *longer = calloc(1, size + 8);

                memcpy(longer, conversation.messages[i].data, size);
                /* a packet may end after any of its messages, which are of eight bytes each */
                for (size_t cut = 0; cut < size; cut++)
                        (void)play(pair, &conversation, i, longer, cut, cut % 8 != 0);
                for (size_t more = 1; more <= 8; more++)
                        (void)play(pair, &conversation, i, longer, size + more, true);
                free(longer);
        }
        conversation_free(&conversation);
        pair_close(pair);
}

static void test_mutated_answers(void **state) {
        Conversation conversation = some_conversation();
        size_t refused = 0, taken = 0;
        Pair pair = pair_new();
        uint64_t seed = 2;

        for (size_t i = 0; i < MUTATIONS; i++) {
                size_t which = random_next(&seed) % conversation.count;
                size_t size = conversation.messages[which].size;
                char *bytes = malloc(size);

                memcpy(bytes, conversation.messages[which].data, size);
                for (uint32_t n = 1 + random_next(&seed) % 3; n > 0; n--) {
                        /* the beginning is where most of the meaning is */
                        size_t at = random_next(&seed) % (n % 2 ? size : MIN(size, (size_t)128));

                        bytes[at] = random_next(&seed) % 3 ? random_next(&seed) : 0xff;
                }
                if (play(pair, &conversation, which, bytes, size, false) < 0)
                        refused++;
                else
                        taken++;
                free(bytes);
        }
        assert_true(refused > MUTATIONS / 20 && taken > 0);
        conversation_free(&conversation);
        pair_close(pair);
}

/* Messages left out, doubled or in another order: what belongs to nothing is refused. */
static void test_disorder(void **state) {
        Conversation conversation = some_conversation();
        Pair pair = pair_new();
        uint64_t seed = 3;

        for (size_t i = 0; i < MUTATIONS / 4; i++) {
                WorkerAnswer answer = { .serial = SERIAL };
                int r = 1;

                for (size_t n = 0; r == 1 && !answer.done && n < 40; n++) {
                        const Message *message =
                                &conversation.messages[random_next(&seed) % conversation.count];

                        assert_return_code(send(pair.worker, message->data, message->size, 0),
                                           errno);
                        r = worker_receive_answer(pair.daxd, &answer);
                        assert_true(r == 1 || r == -EBADMSG);
                }
                assert_answer_sane(&answer);
                worker_answer_deinit(&answer);
        }
        conversation_free(&conversation);
        pair_close(pair);
}

static void test_ends(void **state) {
        WorkerAnswer answer = { .serial = SERIAL };
        char large[WORKER_MESSAGE_MAX + 1] = {};
        WorkerSender sender = { .serial = SERIAL + 1 };
        Pair pair = pair_new();

        sender.fd = pair.worker;

        assert_int_equal(worker_receive_answer(pair.daxd, &answer), 0);
        assert_return_code(send(pair.worker, large, sizeof(large), 0), errno);
        assert_int_equal(worker_receive_answer(pair.daxd, &answer), -EBADMSG);
        assert_int_equal(worker_send_done(&sender, &(WorkerDone){}), 0);
        assert_int_equal(worker_receive_answer(pair.daxd, &answer), -EBADMSG);
        sender.serial = SERIAL;
        assert_int_equal(worker_send_done(&sender, &(WorkerDone){}), 0);
        assert_int_equal(worker_receive_answer(pair.daxd, &answer), 1);
        assert_true(answer.done);
        assert_int_equal(worker_receive_answer(pair.daxd, &answer), -EBADMSG);

        answer = (WorkerAnswer){ .serial = SERIAL };
        close(pair.worker);
        assert_int_equal(worker_receive_answer(pair.daxd, &answer), -ECONNRESET);
        assert_int_equal(worker_send_request(pair.daxd, &(WorkerRequest){ .op = WORKER_REGION },
                                             NULL, NULL),
                         -ECONNRESET);
        close(pair.daxd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers),      cmocka_unit_test(test_requests),
                cmocka_unit_test(test_hello),        cmocka_unit_test(test_many_descriptors),
                cmocka_unit_test(test_board),        cmocka_unit_test(test_no_board),
                cmocka_unit_test(test_cut_requests), cmocka_unit_test(test_mutated_requests),
                cmocka_unit_test(test_cut_answers),  cmocka_unit_test(test_mutated_answers),
                cmocka_unit_test(test_disorder),     cmocka_unit_test(test_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
