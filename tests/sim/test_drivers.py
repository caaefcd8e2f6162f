# SPDX-License-Identifier: LGPL-2.1-or-later
"""Drivers, memory blocks, leaks. Needs --bare --region-idle."""

from errno import *
from common import *


def number(address):
    return address // BLOCK


START = number(FIRST.start)


@clean_test
def bind_has_its_rules():
    name = create()
    equal(errno_of(bind, "device_dax", name), ENXIO, "errno of an empty device")
    equal(errno_of(bind, "device_dax", "dax0.77"), ENODEV, "errno of no device")
    resize(name, 2 * MIB)
    equal(errno_of(bind, "kmem", name), ENODEV, "errno of a driver that does not match")
    bind("device_dax", name + "\n")
    equal(driver(name), "device_dax", "driver")
    require(os.path.exists(f"{DRIVERS}/device_dax/{name}"), "the driver does not show its device")
    equal(errno_of(bind, "device_dax", name), EBUSY, "errno when it is bound")
    equal(errno_of(unbind, "kmem", name), ENODEV, "errno of unbinding another driver's")
    unbind("device_dax", name)
    equal((driver(name), os.path.exists(f"{DRIVERS}/device_dax/{name}")), (None, False), "driver")
    equal(errno_of(unbind, "device_dax", name), ENODEV, "errno of unbinding again")


@clean_test
def new_id_catches_bystanders_and_never_fails():
    names = [create(BLOCK) for _ in range(3)]
    empty = create()
    bind("device_dax", names[2])
    add_blocks = len(blocks())
    new_id("kmem", names[0])
    equal([driver(n) for n in names], ["kmem", None, "device_dax"], "drivers")
    # Whatever is unbound and matches is attached: kmem matches by id only, device_dax everything.
    new_id("device_dax", "dax0.77")
    equal([driver(n) for n in names], ["kmem", "device_dax", "device_dax"], "drivers")
    equal(driver(empty), None, "driver of the empty device")
    equal(len(blocks()), add_blocks + 1, "memory blocks")
    new_id("kmem", create(2 * MIB))
    for nonsense in ("dax0", "x", "dax0.1.2", "dax00.1"):
        equal(errno_of(new_id, "kmem", nonsense), EINVAL, f"errno of {nonsense}")
    remove_id("kmem", "dax0.99")


@clean_test
def a_stale_id_catches_the_next_of_that_name():
    name = create(BLOCK)
    new_id("kmem", name)
    unbind("kmem", name)
    resize(name, 0)
    delete(name)
    equal(create(BLOCK), name, "its name")
    new_id("kmem", "dax0.77")
    equal(driver(name), "kmem", "driver of the next")
    unbind("kmem", name)
    remove_id("kmem", name)
    equal(errno_of(bind, "kmem", name), ENODEV, "errno once the id is gone")


@clean_test
def kmem_makes_whole_blocks():
    name = create()
    add_mapping(name, FIRST.start + 2 * MIB, 2 * BLOCK)
    to_kmem(name)
    equal(driver(name), "kmem", "driver")
    equal(blocks(), [START + 1], "blocks")
    equal(state_of(START + 1), "offline", "state")
    equal(read(f"{MEMORY}/memory{START + 1}/valid_zones"), "Normal Movable", "zones")
    equal(os.listdir(f"/sys/devices/system/node/node0").count(f"memory{START + 1}"), 1, "in node 0")
    unbind("kmem", name)
    equal(blocks(), [], "blocks afterwards")


@clean_test
def kmem_refuses_what_has_no_whole_block():
    name = create()
    add_mapping(name, FIRST.start, BLOCK // 2)
    add_mapping(name, FIRST.start + BLOCK // 2, BLOCK // 2)
    to_kmem(name)
    equal(driver(name), None, "driver")
    write(f"{DRIVERS}/kmem/new_id", name)
    equal(errno_of(bind, "kmem", name), EINVAL, "errno of two halves")
    remove_id("kmem", name)


@clean_test
def memory_of_several_ranges_is_taken_range_by_range():
    name = create()
    for at, size in ((4, BLOCK), (0, 2 * MIB), (2, BLOCK)):
        add_mapping(name, FIRST.start + at * BLOCK, size)
    to_kmem(name)
    equal(blocks(), [START + 2, START + 4], "blocks")
    unbind("kmem", name)
    equal(blocks(), [], "blocks afterwards")


@clean_test
def new_blocks_do_as_auto_online_says():
    path = f"{MEMORY}/auto_online_blocks"
    name = create(BLOCK)
    for word, state, zones in (("offline", "offline", "Normal Movable"),
                               ("online", "online", "Normal"),
                               ("online_kernel", "online", "Normal"),
                               ("online_movable", "online", "Movable")):
        write(path, word)
        to_kmem(name)
        equal((state_of(START), read(f"{MEMORY}/memory{START}/valid_zones")), (state, zones), word)
        if state == "online":
            set_state(START, "offline")
        unbind("kmem", name)
    equal(errno_of(write, path, "movable"), EINVAL, "errno of nonsense")


@test
def each_kernel_has_its_default():
    sim.reboot()
    equal(read(f"{MEMORY}/auto_online_blocks"), "offline" if KERNEL == "6.1" else "online",
          "auto_online_blocks")


@clean_test
def states_follow_each_other():
    name = create(BLOCK)
    to_kmem(name)
    equal(errno_of(set_state, START, "offline"), EINVAL, "errno of the state it has")
    set_state(START, "online_movable")
    for word in ("online", "online_movable", "online_kernel"):
        equal(errno_of(set_state, START, word), EINVAL, f"errno of {word} when it is online")
    equal(errno_of(set_state, START, "gone"), EINVAL, "errno of nonsense")
    set_state(START, "offline")
    set_state(START, "online_kernel")
    equal(read(f"{MEMORY}/memory{START}/valid_zones"), "Normal", "zones")
    equal(errno_of(set_state, 0, "offline"), EBUSY, "errno of ordinary memory")


@clean_test
def leaks_are_told_by_address():
    """Also when what lies higher has leaked first."""
    low, high = create(BLOCK), create(BLOCK)
    for name, block in ((high, START + 1), (low, START)):
        to_kmem(name)
        set_state(block, "online_movable")
        unbind("kmem", name)
    told = [line.split(" : ")[1] for line in read("/proc/iomem").splitlines()
            if "System RAM (kmem)" in line or ": dax" in line]
    equal(told, [low, "System RAM (kmem)", high, "System RAM (kmem)"], "/proc/iomem")


@clean_test
def memory_that_is_online_leaks():
    name = create(2 * BLOCK)
    to_kmem(name)
    set_state(START, "online_movable")
    unbind("kmem", name)
    equal(driver(name), None, "driver")
    equal(blocks(), [START, START + 1], "blocks, also those that are offline")
    equal(sim.state()["leaks"], [[FIRST.start, 2 * BLOCK]], "leaks")
    require("System RAM (kmem)" in read("/proc/iomem"), "/proc/iomem does not tell")

    # The kernel goes on as if nothing were.
    resize(name, 0)
    delete(name)
    again = create(2 * BLOCK)
    equal(errno_of(bind, "device_dax", again), EBUSY, "errno of device_dax")
    equal(errno_of(bind, "device_dax", again), EINVAL, "errno of device_dax from then on")
    write(f"{DRIVERS}/kmem/new_id", again)
    equal(errno_of(bind, "kmem", again), EBUSY, "errno of kmem")
    remove_id("kmem", again)
    resize(again, 0)
    delete(again)
    set_state(START, "offline")
    equal(blocks(), [START, START + 1], "blocks until the next boot")
    sim.reboot()
    equal(blocks(), [], "blocks after it")


@clean_test
def only_the_range_with_memory_online_leaks():
    name = create()
    for at in (0, 2):
        add_mapping(name, FIRST.start + at * BLOCK, BLOCK)
    to_kmem(name)
    set_state(START + 2, "online_movable")
    unbind("kmem", name)
    equal(blocks(), [START + 2], "blocks")
    # Bound again it comes with less, and nobody says so.
    to_kmem(name)
    equal((driver(name), blocks()), ("kmem", [START, START + 2]), "driver, blocks")


@clean_test
def a_probe_that_has_failed_halfway_spoils_all_later_ones():
    name = create()
    add_mapping(name, FIRST.start + MIB, 2 * MIB)
    equal(errno_of(bind, "device_dax", name), EINVAL, "errno of a range that begins in between")
    resize(name, 0)
    add_mapping(name, FIRST.start, 2 * MIB)
    equal(errno_of(bind, "device_dax", name), EINVAL, "errno of a range that is good")
    resize(name, 0)
    delete(name)
    bind("device_dax", create(2 * MIB))


@clean_test
def nodes_come_and_go_with_memory():
    sim.add_region("256M@0x200000000,node=3")
    name = "dax2.0"
    resize(name, BLOCK)
    equal(read(device(name, "target_node")), "3", "target_node")
    require(not os.path.exists("/sys/devices/system/node/node3"), "there is a node without memory")
    to_kmem(name)
    require(os.path.exists("/sys/devices/system/node/node3/memory64"), "the node has no memory")
    unbind("kmem", name)
    require(not os.path.exists("/sys/devices/system/node/node3"), "the node is still there")
    sim.remove_region(2, for_good=True)


@clean_test
def zones_are_kept_together():
    name = create(4 * BLOCK)
    to_kmem(name)
    set_state(START, "online_movable")
    set_state(START + 2, "online_movable")
    zones = [read(f"{MEMORY}/memory{START + i}/valid_zones") for i in range(4)]
    equal(zones, ["Movable", "Movable Normal", "Movable", "Normal Movable"], "zones")


@clean_test
def the_order_of_events():
    write(f"{MEMORY}/auto_online_blocks", "online")
    with Events() as events:
        name = create(2 * BLOCK)
        to_kmem(name)
        set_state(START, "offline")
        set_state(START + 1, "offline")
        unbind("kmem", name)
        resize(name, 0)
        delete(name)
        first, second = f"memory{START}", f"memory{START + 1}"
        equal([(e["ACTION"], os.path.basename(e["DEVPATH"])) for e in events.seen()],
              [("add", name), ("add", first), ("add", second), ("online", first),
               ("online", second), ("bind", name), ("offline", first), ("offline", second),
               ("remove", first), ("remove", second), ("unbind", name), ("remove", name)],
              "events")


@clean_test
def an_event_says_what_it_is_about():
    before = int(read("/sys/kernel/uevent_seqnum"))
    with Events() as events:
        name = create(2 * MIB)
        bind("device_dax", name)
        write(device(name, "uevent"),
              "change 50db03d4-8d5b-4d8d-9f4e-2a9b4be1e7c6 DAXD=17 A=b")
        added, bound, changed = events.seen()
    wanted = {"DEVPATH": f"/devices/platform/hmem.0/{name}", "SUBSYSTEM": "dax", "MAJOR": "252",
              "DEVNAME": name, "MODALIAS": "dax:t0"}
    equal({key: added[key] for key in wanted}, wanted, "add")
    equal([int(e["SEQNUM"]) - before for e in (added, bound, changed)], [1, 2, 3], "numbers")
    equal(int(read("/sys/kernel/uevent_seqnum")), before + 3, "uevent_seqnum")
    equal(("DRIVER" in added, bound["DRIVER"]), (False, "device_dax"), "DRIVER")
    equal([changed[k] for k in ("SYNTH_UUID", "SYNTH_ARG_DAXD", "SYNTH_ARG_A")],
          ["50db03d4-8d5b-4d8d-9f4e-2a9b4be1e7c6", "17", "b"], "what was written")
    for text in ("changed", "change x", "change A=1",
                 "change 50db03d4-8d5b-4d8d-9f4e-2a9b4be1e7c6 A"):
        equal(errno_of(write, device(name, "uevent"), text), EINVAL, f"errno of '{text}'")


@clean_test
def sizes_and_mappings_make_no_event():
    name = create()
    with Events() as events:
        resize(name, 4 * MIB)
        write(device(name, "align"), 4096)
        add_mapping(name, FIRST.start + 8 * MIB, 2 * MIB)
        resize(name, 0)
        equal(events.seen(), [], "events")


@clean_test
def libudev_hears_them():
    with Monitor() as monitor:
        name = create(2 * MIB)
        bind("device_dax", name)
        equal([monitor.next(), monitor.next()], [("add", "dax", name), ("bind", "dax", name)],
              "what libudev's monitor says")


main()
