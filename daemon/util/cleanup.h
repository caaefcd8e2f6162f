/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ownership of locals: every owned local is declared with one of these, handed on with TAKE_PTR().
 */

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(freep)
#define _cleanup_close_ _cleanup_(closep)
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))

#define ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define TAKE_PTR(pointer)                                                                          \
        ({                                                                                         \
                __typeof__(pointer) *_taken_from = &(pointer);                                     \
                __typeof__(pointer) _taken = *_taken_from;                                         \
                *_taken_from = NULL;                                                               \
                _taken;                                                                            \
        })

#define TAKE_FD(fd)                                                                                \
        ({                                                                                         \
                int *_taken_from = &(fd);                                                          \
                int _taken = *_taken_from;                                                         \
                *_taken_from = -1;                                                                 \
                _taken;                                                                            \
        })

/* Defines the cleanup function for a type freed by a function that takes a pointer. */
#define DEFINE_CLEANUP(type, func)                                                                 \
        static inline _unused_ void func##p(type *p) {                                             \
                if (*p)                                                                            \
                        func(*p);                                                                  \
        }

static inline void freep(void *p) {
        free(*(void **)p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                close(*fd);
}
