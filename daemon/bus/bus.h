/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The face of daxd: org.daxd1 on the system bus. It parses, authorizes and hands on; everything
 * that it shows is read from the engine and the keeper at that moment. It joins the bus as soon as
 * there is one, and again when the bus comes back; without a bus it is silent, and all else goes
 * on.
 */

#include "daemon/keep/keeper.h"

#include <systemd/sd-event.h>

typedef struct Bus Bus;

int bus_new(sd_event *event, Engine *engine, Keeper *keeper, Bus **ret_bus);
Bus *bus_free(Bus *bus);
DEFINE_CLEANUP(Bus *, bus_free)
