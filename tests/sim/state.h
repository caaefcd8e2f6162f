/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All that is, for assertions: as JSON, and past whatever faults writes meet with. */

#include <json-c/json_types.h>

typedef struct World World;

struct json_object *state_to_json(World *world);
