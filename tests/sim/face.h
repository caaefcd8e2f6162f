/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * How the inode number of a node says that it is one and what its minor number is. Beneath: what
 * tells it from its predecessors of the same minor.
 */

#define FACE_MAGIC UINT64_C(0xda51)
#define FACE_SHIFT 48
#define FACE_LIFE_SHIFT 16
#define FACE_LIFE_MASK UINT64_C(0xffffffff)
#define FACE_MINOR_MASK UINT64_C(0xffff)
#define FACE_MAJOR 252u
