# SPDX-License-Identifier: LGPL-2.1-or-later
"""6.12 without region_idle: the kernel has onlined the region's memory. The layout is applied, or it
failed with the reason, every block is back online in its zone, and nothing has leaked.

Needs layouts/main.json.
"""

from not_idle import *

FIRST, SECOND = REGIONS[:2]


@test
def layout_is_applied_or_everything_is_as_before():
    state, reason = layout_state()
    say(f"{state}: {reason}")
    if state == "in-sync":
        require_applied()
        return
    equal(state, "failed", "state")
    require(re.search(r"dax[0-9]+\.0", reason) and len(reason) > 40, f"the reason is '{reason}'")
    first = f"dax{region_at(FIRST)}.0"
    equal((members(region_at(FIRST)), device_ranges(first), driver(first)),
          ([first], [FIRST], "kmem"), "devices, ranges and driver of the first region")
    blocks = memory_blocks(*FIRST)
    equal([(b.state, b.zones[0]) for b in blocks], [("online", "Normal")] * (FIRST.size // BLOCK),
          "state and zone of the blocks")


@test
def second_region_is_as_the_kernel_made_it():
    first = f"dax{region_at(SECOND)}.0"
    equal((device_ranges(first), driver(first)), ([SECOND], "kmem"), first)
    equal([b.state for b in memory_blocks(*SECOND)], ["online"] * (SECOND.size // BLOCK), "blocks")


@test
def onlining_is_as_before():
    equal(read(f"{MEMORY}/auto_online_blocks"), "online", "auto_online_blocks")


@test
def target_is_reached_all_the_same():
    equal(unit_state("daxd-layouts.target"), "active", "daxd-layouts.target")


@test
def nothing_is_leaked():
    agree()
    require_sound()


@test
def trying_again_by_call_leaves_it_whole_too():
    before = kernel_state()
    try:
        apply(layout(SECOND, {"name": "try", "size": "64M"}))
    except DBusError as error:
        say(error)
        equal(difference(before, kernel_state()), {}, "what changed")
    else:
        equal([p["Size"] for p in agree().values() if p["Label"] == "try"], [64 * MIB], "size")
    require_sound()


main(then=reboot_with_another)
