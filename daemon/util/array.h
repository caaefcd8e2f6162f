/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Growing plain arrays of (pointer, count): room is made in powers of two, so that the capacity
 * need not be stored.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* How much room an array of @count elements has. */
static inline size_t array_room(size_t count) {
        size_t room = 1;

        while (room < count)
                room *= 2;
        return room;
}

/* Makes room in *@array for one more than @count elements of @size bytes. Returns 0 or -ENOMEM. */
static inline int array_grow(void *array, size_t count, size_t size) {
        void **where = array, *bigger;

        if (count & (count - 1)) /* room up to the next power of two is there already */
                return 0;
        if (count > SIZE_MAX / 2 / size)
                return -ENOMEM;

        bigger = realloc(*where, (count ? 2 * count : 1) * size);
        if (!bigger)
                return -ENOMEM;

        *where = bigger;
        return 0;
}

/* Appends @element to the array @array of @count elements. Evaluates to 0 or -ENOMEM. */
#define ARRAY_APPEND(array, count, element)                                                        \
        ({                                                                                         \
                int _r = array_grow(&(array), (count), sizeof(*(array)));                          \
                if (_r >= 0)                                                                       \
                        (array)[(count)++] = (element);                                            \
                _r;                                                                                \
        })

/* Removes element @index from the array, keeping the order. */
#define ARRAY_REMOVE(array, count, index)                                                          \
        ({                                                                                         \
                (count)--;                                                                         \
                for (size_t _i = (index); _i < (count); _i++)                                      \
                        (array)[_i] = (array)[_i + 1];                                             \
        })
