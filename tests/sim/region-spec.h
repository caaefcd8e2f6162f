/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/sim/dax.h"

/*
 * Reads a region as one says it on a command line: SIZE@START[,KIND][,node=N][,serial=N ...], as in
 * "1G@0x100000000,cxl,node=2,serial=0x42". KIND: hmem (the default), cxl, pmem.
 * Returns 0 or -EINVAL.
 */
int region_spec_parse(const char *text, RegionSpec *ret_spec);

const char *region_kind_name(RegionKind kind);
