/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A call that changes something: daxd runs it as a job, shown while it takes
 * long, cancelled by Ctrl-C. There is no time limit: the reply is the truth
 * on what was done. Every function here tells of its failure.
 */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

/* One option of a call's last argument a{sv}. */
int job_option_bool(sd_bus_message *message, const char *key, bool value);
int job_option_size(sd_bus_message *message, const char *key, uint64_t value);
int job_option_string(sd_bus_message *message, const char *key, const char *value);

/**
 * job_run() - finish the options of @message, send it, wait for what becomes of it
 * @message: a call whose a{sv} is still open (see job_options_open())
 * @ret_error: set when daxd refused, which has then not been told; NULL to tell
 * @ret_reply: the reply, may be NULL
 *
 * Returns 0, 1 when it was done although Ctrl-C came, -EINTR when Ctrl-C ended
 * it or the waiting, or another negative errno.
 */
int job_run(sd_bus *bus, sd_bus_message *message, sd_bus_error *ret_error,
            sd_bus_message **ret_reply);

/** job_options_open() - begin the a{sv} that job_run() closes */
int job_options_open(sd_bus_message *message);
