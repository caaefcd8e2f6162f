# SPDX-License-Identifier: LGPL-2.1-or-later
"""6.1 without region_idle: the region comes as one device in devdax mode over everything, which the
layout may reshape.

Needs layouts/main.json.
"""

from not_idle import *


@test
def layout_is_applied():
    equal(layout_state(), ("in-sync", ""), "state and reason")
    require_applied()


@test
def second_region_is_as_the_kernel_made_it():
    first = f"dax{region_at(REGIONS[1])}.0"
    equal((device_ranges(first), driver(first)), ([REGIONS[1]], "device_dax"), first)


@test
def first_device_in_use_is_left_alone():
    """The same by call: the whole of the second region is one device, and somebody has it open."""
    first = f"dax{region_at(REGIONS[1])}.0"
    text = layout(REGIONS[1], {"name": "part", "size": "64M"})
    with Node(first), Unchanged():
        error = refused(("InUse", "NoSpace"), apply, text)
        require(first in error.message, error.message)
    apply(text)
    equal([p["Size"] for p in agree().values() if p["Label"] == "part"], [64 * MIB], "size")


@test
def nothing_is_leaked():
    agree()
    require_sound()


main(then=reboot_with_another)
