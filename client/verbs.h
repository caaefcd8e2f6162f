/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What main.c's table of verbs calls. Each tells of its failure and returns
 * the exit code.
 */

#include "client/options.h"

int verb_list(const Options *options);
int verb_plan(const Options *options);
int verb_apply(const Options *options);
int verb_monitor(const Options *options);
int verb_create_device(const Options *options);
int verb_destroy_device(const Options *options);
int verb_reconfigure_device(const Options *options);
int verb_online_memory(const Options *options);
int verb_offline_memory(const Options *options);
int verb_enable_device(const Options *options);
int verb_disable_device(const Options *options);
