# SPDX-License-Identifier: LGPL-2.1-or-later
"""6.12 without region_idle, but with memory that stays offline when it is added: each region comes
as one device of system RAM over everything, which the layout may reshape.

Needs layouts/main.json and memhp_default_state=offline.
"""

from truth import *
import not_idle

FIRST, SECOND = REGIONS[:2]


@test
def layout_is_applied():
    equal(not_idle.layout_state(), ("in-sync", ""), "state and reason")
    not_idle.require_applied()


@test
def second_region_is_as_the_kernel_made_it():
    first = f"dax{region_at(SECOND)}.0"
    equal((device_ranges(first), driver(first)), ([SECOND], "kmem"), first)
    equal([b.state for b in memory_blocks(*SECOND)], ["offline"] * (SECOND.size // BLOCK), "blocks")


@test
def first_device_is_taken_offline_where_that_can_be():
    """The same by call, with the memory online, but nothing in it that cannot move."""
    ask(dev(f"dax{region_at(SECOND)}.0"), "OnlineMemory", "movable")
    equal([b.state for b in memory_blocks(*SECOND)], ["online"] * (SECOND.size // BLOCK), "blocks")
    apply(layout(SECOND, {"name": "part", "size": "64M"}))
    equal([p["Size"] for p in agree().values() if p["Label"] == "part"], [64 * MIB], "size")
    equal(memory_blocks(*SECOND), [], "blocks that are left")


@test
def onlining_is_as_before():
    equal(read(f"{MEMORY}/auto_online_blocks"), "offline", "auto_online_blocks")


@test
def nothing_is_leaked():
    agree()
    require_sound()


main(then=reboot if BOOT == 1 else None)
