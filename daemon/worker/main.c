/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * daxd-worker: one process for each connection of daxd, started by systemd (daxd-worker.socket,
 * Accept=yes). It takes one request after the other, checks it as if an enemy had sent it, carries
 * it out and answers. It keeps nothing of value: it may die at any time.
 */

#include "daemon/worker/attribute.h"
#include "daemon/worker/cancel.h"
#include "daemon/worker/driver.h"
#include "daemon/worker/holders.h"
#include "daemon/worker/inventory.h"
#include "daemon/worker/origin.h"
#include "daemon/worker/privilege.h"
#include "daemon/worker/region-lock.h"
#include "daemon/worker/result.h"
#include "daemon/worker/step.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int refuse(WorkerDone *done, int error, const char *what) {
        return result_set(done, WORKER_BAD_REQUEST, error, NULL, "%s", what);
}

/* --- HELLO ------------------------------------------------------------------------------------ */

/* root, or whom systemd has given the socket to. */
static bool peer_is_daxd(int fd) {
        socklen_t size = sizeof(struct ucred);
        struct ucred peer;
        struct stat st;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
                return false;
        return peer.uid == 0 || (lstat(WORKER_SOCKET_PATH, &st) >= 0 && S_ISSOCK(st.st_mode) &&
                                 st.st_uid == peer.uid);
}

/* Takes a share in daxd's lock: it is held as long as this process lives, stuck or not. */
static int take_lock(int fd, WorkerDone *done) {
        struct stat given, meant;

        if (fstat(fd, &given) < 0 || lstat(WORKER_LOCK_PATH, &meant) < 0)
                return refuse(done, errno, WORKER_LOCK_PATH);
        if (!S_ISREG(given.st_mode) || given.st_dev != meant.st_dev || given.st_ino != meant.st_ino)
                return refuse(done, EBADF, WORKER_LOCK_PATH);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return refuse(done, errno, WORKER_LOCK_PATH);

        return 0;
}

/* @fds: the lock, and the board. Takes the lock. */
static int serve_hello(Worker *worker, int fds[static WORKER_FDS_MAX], WorkerDone *done) {
        int r;

        r = take_lock(fds[0], done);
        if (r != 0)
                return r;
        r = worker_board_map(fds[1], &worker->board);
        if (r < 0)
                return refuse(done, r, "board");

        worker->lock_fd = TAKE_FD(fds[0]);
        return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

static int serve_holders(Worker *worker, const WorkerRequest *request, WorkerDone *done) {
        _cleanup_kernel_device_ KernelDevice device = KERNEL_DEVICE_INIT;
        _cleanup_free_ WorkerHolder *holders = NULL;
        size_t n_holders = 0;
        int r;

        r = worker_find_region(worker, request, done);
        if (r != 0)
                return r;
        r = kernel_device_open(&worker->region, request->device, &device);
        if (r >= 0 && request->identity != 0 && request->identity != device.identity)
                r = -EREMCHG;
        if (r < 0)
                return result_set(done, WORKER_GONE, r, NULL, "devices/%s", request->device);
        r = holders_find(&device, &holders, &n_holders);
        if (attribute_is_gone(r))
                return result_set(done, WORKER_GONE, r, NULL, "devices/%s", request->device);
        if (r < 0)
                return r == -ENOMEM ?
                               r :
                               result_kernel(done, r, NULL, "devices/%s/holders", request->device);

        for (size_t i = 0; r >= 0 && i < n_holders; i++)
                r = worker_send_holder(&worker->sender, &holders[i]);
        return r;
}

static int serve(Worker *worker, const WorkerRequest *request, const WorkerStep *steps,
                 const int fds[static WORKER_FDS_MAX], WorkerDone *done) {
        if (worker->lock_fd < 0)
                return refuse(done, EPROTO, "hello");
        if (request->op != WORKER_STEPS)
                worker_forget(worker);
        worker->waits = request->op != WORKER_INVENTORY;

        switch ((WorkerOp)request->op) {
        case WORKER_INVENTORY:
                return inventory_machine(worker, request, done);
        case WORKER_REGION:
                return inventory_region(worker, request, done);
        case WORKER_HOLDERS:
                return serve_holders(worker, request, done);
        case WORKER_STEPS:
                return steps_run(worker, request, steps, fds, done);
        case WORKER_RESTORE:
                return driver_restore(worker, request, done);
        case WORKER_HELLO:
        case WORKER_CANCEL:
        case _WORKER_OP_MAX:
                break;
        }

        return refuse(done, EPROTO, "request");
}

/* Returns 0, or an errno when the conversation is over. What it keeps of @fds it takes. */
static int answer(Worker *worker, const WorkerRequest *request, const WorkerStep *steps,
                  int fds[static WORKER_FDS_MAX]) {
        WorkerDone done = {};
        int r;

        if (request->op == WORKER_CANCEL) /* came too late: its request is answered */
                return 0;

        worker->sender.fd = worker->fd;
        worker->sender.serial = request->serial;
        worker->sender.size = 0;
        if (request->op == WORKER_HELLO && worker->lock_fd < 0)
                r = serve_hello(worker, fds, &done);
        else
                r = serve(worker, request, steps, fds, &done);

        if (r < 0) {
                if (r == -EPIPE || r == -ECONNRESET)
                        return r;
                (void)result_set(&done, WORKER_KERNEL, r, NULL, "worker");
        }
        return worker_send_done(&worker->sender, &done);
}

static int converse(Worker *worker) {
        for (;;) {
                static WorkerStep steps[WORKER_STEPS_MAX];
                _cleanup_(worker_close_fds) int fds[WORKER_FDS_MAX] = { -1, -1 };
                WorkerRequest request = {};
                int r;

                r = worker_receive_request(worker->fd, 0, &request, steps, fds);
                if (r == -EBADMSG || r == -EPROTONOSUPPORT) {
                        WorkerDone done = {};

                        worker->sender = (WorkerSender){ .fd = worker->fd,
                                                         .serial = request.serial };
                        (void)refuse(&done, r, "request");
                        (void)worker_send_done(&worker->sender, &done);
                }
                if (r <= 0)
                        return r == -ECONNRESET ? 0 : r;

                r = answer(worker, &request, steps, fds);
                if (r < 0)
                        return r == -EPIPE || r == -ECONNRESET ? 0 : r;
        }
}

/* --- start ------------------------------------------------------------------------------------ */

static int start_failed(const char *what, int error) {
        fprintf(stderr, "daxd-worker: cannot start: %s: %s\n", what, strerror(-error));
        return EXIT_FAILURE;
}

/*
 * It is the standard input: so who has all the capabilities needs no library but libc. Not passed
 * on.
 */
static int open_connection(int *ret_fd) {
        int domain = 0, type = 0;
        socklen_t size = sizeof(int);

        if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0 ||
            getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                return -errno;
        if (domain != AF_UNIX || type != SOCK_SEQPACKET)
                return -ENOTCONN;
        if (fcntl(STDIN_FILENO, F_SETFD, FD_CLOEXEC) < 0)
                return -errno;

        *ret_fd = STDIN_FILENO;
        return 0;
}

static void close_worker(Worker *worker) {
        worker_deinit(worker);
}

int main(void) {
        _cleanup_(close_worker) Worker worker = WORKER_INIT;
        int r;

        r = open_connection(&worker.fd);
        if (r < 0)
                return start_failed("the connection", r);
        if (!peer_is_daxd(worker.fd))
                return start_failed("the peer", -EPERM);

        r = origin_open();
        if (r < 0)
                return start_failed("/proc/iomem", r);
        worker.iomem_fd = r;
        r = privilege_drop();
        if (r < 0)
                return start_failed("capabilities", r);
        worker.event_fd = open("/sys/kernel/uevent_seqnum", O_RDONLY | O_CLOEXEC);
        if (worker.event_fd < 0)
                return start_failed("/sys/kernel/uevent_seqnum", -errno);
        r = region_lock_open();
        if (r < 0)
                return start_failed("the locks of regions", r);
        worker.locks_fd = r;
        r = memory_open(&worker.memory);
        if (r < 0)
                return start_failed("memory", r);
        r = cancel_prepare(worker.fd);
        if (r < 0)
                return start_failed("signals", r);

        r = converse(&worker);
        if (r < 0)
                return start_failed("the conversation", r);
        return EXIT_SUCCESS;
}
