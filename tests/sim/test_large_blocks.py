# SPDX-License-Identifier: LGPL-2.1-or-later
"""Blocks of 2 GiB, as x86 has them with 64 GiB of memory and more. Needs --bare --region-idle
--block-size 2048, a first region that begins on a block and ends within one, and a second that begins within one."""

from common import *
from system import System

LARGE = 2048 * MIB
GIB = 1024 * MIB
MANAGER, REGION_FACE, DEVICE_FACE = (f"org.daxd1.{face}" for face in ("Manager", "Region", "Device"))

system = System()


def create_device(region, size, **options):
    path = call(object_path("region", region), REGION_FACE, "CreateDevice", "ta{sv}", size, options)
    return path, managed_objects()[path][DEVICE_FACE]


def online_blocks():
    return [block["number"] for block in sim.state()["blocks"] if block["state"] == "online"]


fresh = after(lambda: system.reboot(sim))


@test
def the_size_is_read():
    system.start()
    equal(get("/org/daxd1", MANAGER, "MemoryBlockSize"), LARGE, "MemoryBlockSize")


@fresh
def system_ram_comes_in_whole_blocks():
    refused("MemoryBlockAlign", create_device, 0, GIB, mode="system-ram")
    path, shown = create_device(0, 2 * LARGE, mode="system-ram")
    equal((shown["Ranges"], shown["TotalBlocks"], shown["OnlineBlocks"], shown["Movable"]),
          ([[0, 2 * LARGE]], 2, 2, True), "the device")
    equal(online_blocks(), [FIRST.start // LARGE, FIRST.start // LARGE + 1], "blocks that are online")
    refused("MemoryBlockAlign", call, path, DEVICE_FACE, "Resize", "ta{sv}", 3 * GIB, {"force": True})
    call(path, DEVICE_FACE, "Resize", "ta{sv}", LARGE, {"force": True})
    equal(online_blocks(), [FIRST.start // LARGE], "blocks that are online")
    call(path, DEVICE_FACE, "Destroy", "a{sv}", {"force": True})
    equal((online_blocks(), sim.state()["leaks"]), ([], []), "what is left online, and what has leaked")


@fresh
def a_region_that_begins_within_a_block_is_used_from_the_next_on():
    inside = LARGE - SECOND.start % LARGE
    path, shown = create_device(1, LARGE, mode="system-ram")
    equal(shown["Ranges"], [[inside, LARGE]], "where it lies")
    equal(shown["TotalBlocks"], 1, "TotalBlocks")
    # what is before it is good for other modes
    equal(create_device(1, inside)[1]["Ranges"], [[0, inside]], "where a devdax device lies")
    call(path, DEVICE_FACE, "SetMode", "sa{sv}", "devdax", {"force": True})
    equal(online_blocks(), [], "blocks that are online")


@fresh
def no_more_blocks_than_there_are():
    whole = FIRST.size // LARGE * LARGE
    refused("NoSpace", create_device, 0, whole + LARGE, mode="system-ram")
    equal(create_device(0, whole, mode="system-ram")[1]["OnlineBlocks"], whole // LARGE, "OnlineBlocks")


@test
def nobody_has_complained():
    system.stop_daxd()
    check_logs()


main()
