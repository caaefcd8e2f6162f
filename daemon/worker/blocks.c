/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Memory blocks one by one: written, read back with the zone, cancelled between and inside them.
 * Writing a state that a block has already is refused by the kernel and success here.
 */

#include "daemon/worker/blocks.h"
#include "daemon/worker/cancel.h"
#include "daemon/worker/result.h"

#include <stdio.h>

static int block_kernel(const Step *step, int error, uint64_t number, DaxBlockState to) {
        return result_kernel(step->done, error, memory_block_word(to), "memory/memory%llu/state",
                             (unsigned long long)number);
}

static int block_problem(const Step *step, WorkerProblem problem, uint64_t number,
                         DaxBlockState found) {
        return result_set(step->done, problem, 0, dax_block_state_name(found),
                          "memory/memory%llu/state", (unsigned long long)number);
}

/* The run that is asked for must lie in the device's own blocks, and the device must have them. */
static int check_run(Step *step) {
        _cleanup_free_ DaxBlock *blocks = NULL;
        uint64_t first = step->what->first_block, n = step->what->n_blocks, within = 0;
        size_t n_blocks = 0;
        int r;

        r = step_know_state(step);
        if (r != 0)
                return r;
        r = dax_blocks_of_ranges(&step->after->ranges, step->start, step->worker->memory.block_size,
                                 DAX_BLOCK_ABSENT, &blocks, &n_blocks);
        if (r < 0)
                return r;

        for (size_t i = 0; i < n_blocks; i++)
                if (blocks[i].number >= first && blocks[i].number - first < n)
                        within++;
        if (step->after->mode != DAX_MODE_SYSTEM_RAM || within != n)
                return result_set(step->done, WORKER_BAD_REQUEST, EINVAL, NULL, "memory/memory%llu",
                                  (unsigned long long)first);
        return 0;
}

static int cancelled(const Step *step, uint64_t number) {
        return result_set(step->done, WORKER_CANCELLED, ECANCELED, NULL, "memory/memory%llu/state",
                          (unsigned long long)number);
}

/* Brings one block to @to. */
static int block_change(const Step *step, uint64_t number, DaxBlockState to, Cancel *cancel) {
        for (;;) {
                DaxBlockState state;
                int r, written;

                if (cancel_is_requested(cancel))
                        return cancelled(step, number);
                written = memory_block_write(&step->worker->memory, number, to);
                r = memory_block_state(&step->worker->memory, number, &state);
                if (r < 0)
                        return block_kernel(step, r, number, to);

                /*
                 * whatever the write said: it may have been so before, or someone else has done it
                 */
                if (state == to)
                        return 0;
                if (written >= 0)
                        return block_problem(step, WORKER_NO_EFFECT, number, state);
                if (written != -EINTR)
                        return block_kernel(step, written, number, to);
        }
}

static int change_run(Step *step, DaxBlockState to) {
        _cleanup_cancel_ Cancel cancel;
        int r;

        cancel_begin(&cancel, step->worker->fd, step->request->serial);
        step_forget(step, STEP_KNOWS_REST);
        r = check_run(step);
        if (r != 0)
                return r;

        for (uint64_t i = 0; i < step->what->n_blocks; i++) {
                r = block_change(step, step->what->first_block + i, to, &cancel);
                if (r != 0)
                        return r;
                step_show(step, i + 1, step->what->n_blocks);
        }

        return 0;
}

int blocks_offline(Step *step) {
        return change_run(step, DAX_BLOCK_OFFLINE);
}

int blocks_online(Step *step) {
        return change_run(step, step->what->state);
}

int blocks_check_offline(const Step *step, WorkerProblem absent) {
        for (size_t i = 0; i < step->after->n_blocks; i++) {
                DaxBlock block = step->after->blocks[i];

                if (block.state == DAX_BLOCK_ABSENT)
                        return block_problem(step, absent, block.number, block.state);
                if (dax_block_state_is_online(block.state))
                        return block_problem(step, WORKER_ONLINE, block.number, block.state);
        }

        return 0;
}
