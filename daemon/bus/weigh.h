/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What about a call makes it weigh more, as far as its own words and the picture tell: it is
 * decided before there is a plan. Pure. In doubt it is the heavier.
 */

#include "daemon/bus/authorize.h"
#include "daemon/bus/options.h"
#include "daemon/dax/machine.h"
#include "daemon/layout/layout.h"

/* What a call says. */
typedef struct Words {
        char argument; /* s, t, u, or 0 for none */
        const char *string;
        uint64_t number;
        const Options *options;
} Words;

/* The weights (bits of Weight) of a call about @device as it is now; NULL: about none. */
unsigned weigh_words(const Words *words, const DaxDevice *device);
/* Those of @layout, which is to be applied to what there is. */
unsigned weigh_layout(const Layout *layout, const DaxMachine *machine);
