# SPDX-License-Identifier: LGPL-2.1-or-later
"""The operations, as data: what there is before (`given`), which call is made (`do`), and which of
daxd's words the machine is told by."""

import json
from collections import namedtuple

from ground import BLOCK, DEVICE, MANAGER, REGION, ROOT
from harness import KERNEL, MIB, REGIONS, call, object_path

# `given`: (size, options) of devices that CreateDevice makes in the region first. `region`: where.
# `forward`: after a crash it goes on instead of back. `others`: devices that are none of its
# business.
Operation = namedtuple("Operation", "name given do region forward others",
                       defaults=(0, False, ("dax0.0", "dax1.1")))
Given = namedtuple("Given", "size options")


def given(size, **options):
    return Given(size, {key.replace("_", "-"): value for key, value in options.items()})


def create(size, region=0, **options):
    options = {key.replace("_", "-"): value for key, value in options.items()}

    def do():
        return lambda: call(object_path("region", region), REGION, "CreateDevice", "ta{sv}", size,
                            options)
    return do


def ask(label, method, signature="", *args, **options):
    """A method of the device that has the label now. It is looked up before the point begins."""
    options = {key.replace("_", "-"): value for key, value in options.items()}

    def do():
        path = call(ROOT, MANAGER, "GetDevice", "sa{sv}", label, {})
        return lambda: call(path, DEVICE, method, f"{signature}a{{sv}}", *args, options)
    return do


def layout(*devices, prune="never", region=0, **options):
    text = json.dumps({"version": 1, "region": {"start": f"{REGIONS[region].start:#x}"},
                       "prune": prune, "devices": list(devices)})

    def do():
        return lambda: call(ROOT, MANAGER, "ApplyLayout", "sa{sv}", text, options)
    return do


def entry(name, size, **keys):
    return {"name": name, "size": size, **{key.replace("_", "-"): v for key, v in keys.items()}}


DEVDAX = given(8 * MIB, label="one")
RAM = given(2 * BLOCK, label="one", mode="system-ram")
COLD = given(BLOCK, label="one", mode="system-ram", online="offline")
BARE = given(BLOCK, label="one", mode="none")
SECOND = given(4 * MIB, label="two")

OPERATIONS = (
    Operation("create", (), create(4 * MIB, label="new")),
    Operation("create-plain", (), create(4 * MIB)),
    Operation("create-first", (), create(4 * MIB, region=1, label="new"), 1),
    Operation("create-unbound", (), create(4 * MIB, mode="none", label="new")),
    Operation("create-ranges", (), create(6 * MIB, label="new",
                                          ranges=[[64 * MIB, 4 * MIB], [32 * MIB, 2 * MIB]])),
    Operation("create-4k", (), create(4 * MIB, label="new", align=4096)),
    Operation("create-ram", (), create(2 * BLOCK, label="new", mode="system-ram")),
    Operation("create-ram-kernel", (), create(BLOCK, label="new", mode="system-ram",
                                              online="kernel")),
    Operation("create-ram-offline", (), create(BLOCK, mode="system-ram", online="offline")),
    Operation("grow", (DEVDAX,), ask("one", "Resize", "t", 16 * MIB)),
    Operation("grow-apart", (DEVDAX, SECOND), ask("one", "Resize", "t", 16 * MIB)),
    Operation("grow-ram", (RAM,), ask("one", "Resize", "t", 3 * BLOCK, force=True)),
    Operation("shrink", (DEVDAX,), ask("one", "Resize", "t", 4 * MIB)),
    Operation("shrink-ram", (RAM,), ask("one", "Resize", "t", BLOCK, force=True)),
    Operation("devdax-to-ram", (given(BLOCK, label="one", ranges=[[BLOCK, BLOCK]]),),
              ask("one", "SetMode", "s", "system-ram")),
    Operation("devdax-to-none", (DEVDAX,), ask("one", "SetMode", "s", "none")),
    Operation("ram-to-devdax", (RAM,), ask("one", "SetMode", "s", "devdax", force=True)),
    Operation("ram-to-none", (RAM,), ask("one", "SetMode", "s", "none", force=True)),
    Operation("none-to-devdax", (BARE,), ask("one", "SetMode", "s", "devdax")),
    Operation("none-to-ram", (given(BLOCK, label="one", mode="none", ranges=[[BLOCK, BLOCK]]),),
              ask("one", "SetMode", "s", "system-ram")),
    Operation("online", (COLD,), ask("one", "OnlineMemory", "s", "movable")),
    Operation("online-kernel", (COLD,), ask("one", "OnlineMemory", "s", "kernel")),
    Operation("offline", (RAM,), ask("one", "OfflineMemory")),
    Operation("destroy", (DEVDAX,), ask("one", "Destroy")),
    Operation("destroy-ram", (RAM,), ask("one", "Destroy", force=True)),
    Operation("destroy-unbound", (BARE,), ask("one", "Destroy")),
    Operation("label", (DEVDAX,), ask("one", "SetLabel", "s", "other")),
    Operation("unlabel", (DEVDAX,), ask("one", "SetLabel", "s", "")),
    Operation("realign", (DEVDAX,), ask("one", "Reconfigure", align=4096)),
    Operation("move", (DEVDAX,), ask("one", "Reconfigure",
                                     ranges=[[256 * MIB, 4 * MIB], [64 * MIB, 4 * MIB]],
                                     force=True)),
    Operation("reconfigure", (DEVDAX,), ask("one", "Reconfigure", mode="system-ram",
                                            ranges=[[BLOCK, 2 * BLOCK]], force=True)),
    Operation("layout", (), layout(
        entry("cache", "8M", access={"group": "daemon", "mode": "0660"}),
        entry("tier", "256M", mode="system-ram"), entry("spare", "16M")), 0, True),
    Operation("layout-change", (DEVDAX, SECOND, given(BLOCK, label="three", mode="system-ram")),
              layout(entry("one", "4M"), entry("three", "128M", mode="devdax"),
                     entry("new", "8M", access={"user": "daemon", "mode": "0600"}),
                     force=True), 0, True),
    # what nobody has named is pruned, also the other's
    Operation("layout-prune", (DEVDAX, SECOND),
              layout(entry("two", "8M"), entry("tier", "128M", mode="system-ram"), prune="idle"),
              0, True, ("dax1.1",)),
    # the same, and the kernel gives the name of what has been destroyed to what is made
    Operation("layout-replace", (DEVDAX, SECOND),
              layout(entry("two", "8M"), entry("new", "4M"), entry("tier", "16M"), prune="idle"),
              0, True, ("dax1.1",)),
)

if KERNEL != "6.1":  # which has no such attribute
    OPERATIONS += (
        Operation("create-ram-memmap", (),
                  create(BLOCK, label="new", mode="system-ram", memmap_on_memory=True)),
        Operation("memmap", (RAM,), ask("one", "Reconfigure", memmap_on_memory=True, force=True)),
        Operation("memmap-to-devdax", (given(BLOCK, label="one", mode="system-ram",
                                             memmap_on_memory=True),),
                  ask("one", "SetMode", "s", "devdax", force=True)),
    )


def part(count, seed):
    """Every count-th of them; which, that depends on the seed."""
    return OPERATIONS[seed % count::count]


def find(name):
    return next(operation for operation in OPERATIONS if operation.name == name)


def prepare(operation):
    for size, options in operation.given:
        call(object_path("region", operation.region), REGION, "CreateDevice", "ta{sv}", size,
             options)
