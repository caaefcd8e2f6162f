# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocks of memory of 2 GiB, as on real machines with 64 GiB and more.

Needs dax_hmem.region_idle=Y, --bare-metal, a first region of 9 GiB behind the first 64 GiB, which begins on
a block, and a second that begins within one; the memory in between need not be there.
"""

from truth import *

FIRST, SECOND = REGIONS[:2]
LARGE = 2 * GIB


def shown(name):
    return agree()[name]


@clean_test
def the_size_is_read():
    equal(int(read(f"{MEMORY}/block_size_bytes"), 16), LARGE, "block_size_bytes")
    equal(get(ROOT, MANAGER, "MemoryBlockSize"), LARGE, "MemoryBlockSize")


@clean_test
def system_ram_comes_in_whole_blocks():
    refused("MemoryBlockAlign", create, FIRST, GIB, mode="system-ram")
    name = create(FIRST, 2 * LARGE, mode="system-ram")
    properties = shown(name)
    equal([properties[key] for key in ("Ranges", "TotalBlocks", "OnlineBlocks", "Movable")],
          [[[0, 2 * LARGE]], 2, 2, True], "the device")
    refused("MemoryBlockAlign", ask, dev(name), "Resize", 3 * GIB, force=True)
    ask(dev(name), "Resize", LARGE, force=True)
    equal(shown(name)["OnlineBlocks"], 1, "OnlineBlocks of the smaller one")
    ask(dev(name), "Destroy", force=True)
    agree()


@clean_test
def a_region_that_begins_within_a_block_is_used_from_the_next_on():
    inside = LARGE - SECOND.start % LARGE
    name = create(SECOND, LARGE, mode="system-ram")
    equal(shown(name)["Ranges"], [[inside, LARGE]], "where it lies")
    # what is before it is good for other modes
    other = create(SECOND, inside)
    equal(shown(other)["Ranges"], [[0, inside]], "where a devdax device lies")
    ask(dev(name), "SetMode", "devdax", force=True)
    equal(shown(name)["OnlineBlocks"], 0, "OnlineBlocks in devdax mode")
    ask(dev(name), "Destroy")
    ask(dev(other), "Destroy")


ready()
main()
