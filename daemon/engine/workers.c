/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections to daxd-worker, and the calls that wait for one. */

#include "daemon/engine/workers.h"

#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * The first is for memory work. Of the others a few are kept; more are opened only while all have
 * something to do: one that hangs in the kernel holds up no other region.
 */
#define CONNECTIONS_MAX 33
#define CONNECTIONS_KEPT 4
#define MEMORY_CONNECTION 0
/* How often what does no harm twice is asked again of another worker, when one has died over it. */
#define TRIES_MAX 8
/*
 * How often it is looked how far calls are: listeners are to hear of it ten times a second at most.
 */
#define LOOK_USEC 125000

typedef struct Connection {
        Workers *workers;
        sd_event_source *source;
        int fd;
        bool greeted;
        int broken; /* why nothing that it says counts any more; it is left to end by itself */
        WorkerCall *call; /* what it does now */
        WorkerAnswer answer;
        WorkerBoard *board; /* of the worker at the other end; NULL: none was started yet */
} Connection;

struct WorkerCall {
        WorkerCall *next;
        Connection *connection;
        bool interrupted; /* perhaps before it was sent */
        unsigned tries;   /* workers that have died over it */
        WorkerTask task;
};

struct Workers {
        sd_event *event;
        char *socket_path;
        int lock_fd;
        uint64_t serial;
        Connection connections[CONNECTIONS_MAX];
        WorkerCall *waiting;       /* first in, first out */
        sd_event_source *dispatch; /* runs waiting calls from the event loop, never from a caller */
        sd_event_source *look;     /* at the boards, while somebody wants to know */
};

static void connection_close(Connection *connection) {
        connection->source = sd_event_source_disable_unref(connection->source);
        closep(&connection->fd);
        connection->fd = -1;
        connection->greeted = false;
        connection->broken = 0;
        connection->board = worker_board_free(connection->board);
        worker_answer_deinit(&connection->answer);
}

static void workers_wake(Workers *workers) {
        (void)sd_event_source_set_enabled(workers->dispatch, SD_EVENT_ONESHOT);
}

/* Whether it is for another worker to answer: this one is dead, and the question does not mind. */
static bool call_is_tried_again(const WorkerCall *call, int error) {
        switch (call->task.request.op) {
        case WORKER_INVENTORY:
        case WORKER_REGION:
        case WORKER_HOLDERS:
        case WORKER_RESTORE:
                return (error == -ECONNRESET || error == -EPIPE) && call->tries + 1 < TRIES_MAX;
        default: /* as it stands in a message: any number */
                return false;
        }
}

static void connection_finish(Connection *connection, int error) {
        WorkerCall *call = TAKE_PTR(connection->call);
        WorkerAnswer answer = connection->answer;

        connection->answer = (WorkerAnswer){};
        if (error < 0)
                connection_close(connection);
        if (call && call_is_tried_again(call, error)) {
                call->tries++;
                call->connection = NULL;
                call->next = connection->workers->waiting;
                connection->workers->waiting = call;
        } else if (call) {
                call->task.done(error, &answer, call->task.userdata);
                free(call);
        }
        worker_answer_deinit(&answer);
        workers_wake(connection->workers);
}

static void connection_send_cancel(const Connection *connection, const WorkerCall *call) {
        const WorkerRequest cancel = { .version = WORKER_PROTOCOL_VERSION,
                                       .op = WORKER_CANCEL,
                                       .serial = call->task.request.serial };

        (void)worker_send_request(connection->fd, &cancel, NULL, NULL);
}

/* Tells who asks for it how far the call is. Returns whether anybody does. */
static bool call_look(const WorkerCall *call) {
        WorkerBoard *board = call->connection ? call->connection->board : NULL;
        uint64_t step = 0, done, total;
        double part = 0;

        if (!call->task.progress)
                return false;

        if (board && board->serial == call->task.request.serial) {
                step = board->step;
                done = board->done;
                total = board->total;
                part = total > 0 ? MIN((double)done / (double)total, 1.0) : 0;
        }
        call->task.progress(step, part, call->task.userdata);
        return true;
}

static int workers_look(sd_event_source *source, uint64_t usec, void *userdata) {
        Workers *workers = userdata;
        bool again = false;

        for (size_t i = 0; i < CONNECTIONS_MAX; i++)
                if (workers->connections[i].call)
                        again |= call_look(workers->connections[i].call);
        for (const WorkerCall *call = workers->waiting; call; call = call->next)
                again |= call_look(call);

        if (!again)
                return 0;
        (void)sd_event_source_set_time_relative(source, LOOK_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* From now on. It may be on already, for others. */
static void workers_begin_looking(Workers *workers) {
        int on;

        if (sd_event_source_get_enabled(workers->look, &on) != 0)
                return;
        (void)sd_event_source_set_time_relative(workers->look, LOOK_USEC);
        (void)sd_event_source_set_enabled(workers->look, SD_EVENT_ONESHOT);
}

static int connection_send_call(Connection *connection) {
        WorkerCall *call = connection->call;
        WorkerTask *task = &call->task;
        int r;

        task->request.version = WORKER_PROTOCOL_VERSION;
        task->request.serial = ++connection->workers->serial;
        worker_answer_deinit(&connection->answer);
        connection->answer.serial = task->request.serial;
        r = worker_send_request(connection->fd, &task->request, task->steps, task->fds);
        if (r >= 0 && call->interrupted)
                connection_send_cancel(connection, call);
        return r;
}

static int connection_greeted(Connection *connection) {
        if (connection->answer.result.problem != WORKER_OK)
                return connection->answer.result.error > 0 ? -connection->answer.result.error :
                                                             -EPROTO;
        connection->greeted = true;
        return connection->call ? connection_send_call(connection) : 0;
}

/* As long as it may still be at work nobody else may begin: only its end ends the call. */
static void connection_break(Connection *connection, int error) {
        connection->broken = error;
        (void)shutdown(connection->fd, SHUT_WR);
}

static void connection_drain(Connection *connection) {
        char rest[256];
        ssize_t n;

        do
                n = recv(connection->fd, rest, sizeof(rest), MSG_DONTWAIT);
        while (n > 0 || (n < 0 && errno == EINTR));
        if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
                connection_finish(connection, connection->broken);
}

static int connection_ready(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        Connection *connection = userdata;

        if (connection->broken < 0) {
                connection_drain(connection);
                return 0;
        }

        for (;;) {
                int r;

                r = worker_receive_answer(fd, &connection->answer);
                if (r == 0)
                        return 0;
                if (r < 0 && r != -ECONNRESET && connection->call) {
                        connection_break(connection, r);
                        return 0;
                }
                if (r < 0) {
                        connection_finish(connection, r);
                        return 0;
                }

                if (!connection->answer.done)
                        continue;

                if (!connection->greeted) {
                        r = connection_greeted(connection);
                        if (r < 0)
                                connection_finish(connection, r);
                } else {
                        connection_finish(connection, 0);
                }
                return 0;
        }
}

static int connection_open(Connection *connection) {
        Workers *workers = connection->workers;
        _cleanup_close_ int board = -1;
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        WorkerRequest hello = { .version = WORKER_PROTOCOL_VERSION, .op = WORKER_HELLO };
        int r;

        if (strlen(workers->socket_path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        strcpy(address.sun_path, workers->socket_path);

        connection->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connection->fd < 0)
                return -errno;
        if (connect(connection->fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;

        board = worker_board_new(&connection->board);
        if (board < 0)
                return board;
        hello.serial = ++workers->serial;
        connection->answer.serial = hello.serial;
        r = worker_send_request(connection->fd, &hello, NULL, (int[]){ workers->lock_fd, board });
        if (r < 0)
                return r;

        r = sd_event_add_io(workers->event, &connection->source, connection->fd, EPOLLIN,
                            connection_ready, connection);
        if (r < 0)
                return r;
        /* an answer before anything new: what has happened comes before what may be asked next */
        return sd_event_source_set_priority(connection->source, SD_EVENT_PRIORITY_NORMAL - 10);
}

static Connection *workers_free_connection(Workers *workers, bool memory) {
        size_t first = memory ? MEMORY_CONNECTION : MEMORY_CONNECTION + 1;
        size_t end = memory ? first + 1 : CONNECTIONS_MAX;

        for (size_t i = first; i < end; i++) {
                Connection *connection = &workers->connections[i];

                if (!connection->call)
                        return connection;
        }

        return NULL;
}

static void call_start(WorkerCall *call, Connection *connection) {
        int r;

        call->connection = connection;
        connection->call = call;

        if (connection->fd < 0)
                r = connection_open(connection); /* the call follows the greeting */
        else
                r = connection->greeted ? connection_send_call(connection) : 0;
        if (r == -ECONNRESET || r == -EPIPE) {
                /* it went away while it had nothing to do: a new one knows as much */
                connection_close(connection);
                r = connection_open(connection);
        }
        if (r < 0)
                connection_finish(connection, r);
}

/* Nobody waits any more for what they were opened for. */
static void workers_close_spares(Workers *workers) {
        for (size_t i = CONNECTIONS_KEPT; i < CONNECTIONS_MAX; i++)
                if (!workers->connections[i].call && workers->connections[i].fd >= 0)
                        connection_close(&workers->connections[i]);
}

static int workers_dispatch(sd_event_source *source, void *userdata) {
        Workers *workers = userdata;

        for (WorkerCall **where = &workers->waiting; *where;) {
                WorkerCall *call = *where;
                Connection *connection;

                connection = workers_free_connection(workers, call->task.memory);
                if (!connection) {
                        where = &call->next;
                        continue;
                }

                *where = call->next;
                call->next = NULL;
                call_start(call, connection);
                where = &workers->waiting; /* a failed start may have queued more */
        }

        workers_close_spares(workers);
        return 0;
}

/*
 * The usual case: a worker is there and has nothing to do. Anything else is for the event loop,
 * since no caller is called back from within its call.
 */
static bool call_start_now(Workers *workers, WorkerCall *call) {
        Connection *connection = workers_free_connection(workers, call->task.memory);

        if (workers->waiting || !connection || connection->fd < 0 || !connection->greeted)
                return false;

        connection->call = call;
        if (connection_send_call(connection) < 0) {
                connection->call = NULL;
                return false;
        }

        call->connection = connection;
        return true;
}

int workers_call(Workers *workers, const WorkerTask *task, WorkerCall **ret_call) {
        WorkerCall *call, **end = &workers->waiting;

        call = calloc(1, sizeof(*call));
        if (!call)
                return -ENOMEM;

        call->task = *task;
        if (task->progress)
                workers_begin_looking(workers);
        if (ret_call)
                *ret_call = call;
        if (call_start_now(workers, call))
                return 0;

        while (*end)
                end = &(*end)->next;
        *end = call;
        workers_wake(workers);
        return 0;
}

void worker_call_interrupt(WorkerCall *call) {
        call->interrupted = true;
        if (call->connection && call->connection->greeted)
                connection_send_cancel(call->connection, call);
}

int workers_new(sd_event *event, const char *socket_path, int lock_fd, Workers **ret_workers) {
        _cleanup_(workers_freep) Workers *workers = NULL;
        int r;

        workers = calloc(1, sizeof(*workers));
        if (!workers)
                return -ENOMEM;

        workers->event = sd_event_ref(event);
        workers->lock_fd = lock_fd;
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
                workers->connections[i].workers = workers;
                workers->connections[i].fd = -1;
        }

        workers->socket_path = strdup(socket_path);
        if (!workers->socket_path)
                return -ENOMEM;

        r = sd_event_add_defer(event, &workers->dispatch, workers_dispatch, workers);
        if (r >= 0)
                r = sd_event_source_set_enabled(workers->dispatch, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(event, &workers->look, CLOCK_MONOTONIC, LOOK_USEC,
                                               LOOK_USEC / 10, workers_look, workers);
        if (r >= 0)
                r = sd_event_source_set_enabled(workers->look, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret_workers = TAKE_PTR(workers);
        return 0;
}

Workers *workers_free(Workers *workers) {
        if (!workers)
                return NULL;

        assert(!workers->waiting);
        for (size_t i = 0; i < CONNECTIONS_MAX; i++) {
                assert(!workers->connections[i].call);
                connection_close(&workers->connections[i]);
        }

        sd_event_source_disable_unref(workers->dispatch);
        sd_event_source_disable_unref(workers->look);
        sd_event_unref(workers->event);
        free(workers->socket_path);
        free(workers);
        return NULL;
}
