# SPDX-License-Identifier: LGPL-2.1-or-later
"""Others work on the same regions, and things come and go under daxd.

Needs dax_hmem.region_idle=Y.
"""

import contextlib

from truth import *

FIRST, SECOND = REGIONS[:2]
ROLLED_BACK = "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e02"  # a MESSAGE_ID
MANY = [{"name": f"m{i}", "size": "16M"} for i in range(8)]


def daxctl(*words):
    """What daxctl changes, as somebody else; returns the devices that it printed."""
    return json.loads(run("daxctl", *words) or "[]")


def await_device(name, **wanted):
    """Waits until daxd shows a device so; what tells of it is udev's event."""
    def as_wanted():
        shown = managed_objects().get(dev(name), {}).get(DEVICE)
        return shown and all(shown[key] == value for key, value in wanted.items())
    wait_until(as_wanted, 20, f"{name} with {wanted}")


def stop_workers(number=signal.SIGSTOP):
    pids = daxd_pids("daxd-worker")
    require(pids, "there is no worker")
    for pid in pids:
        os.kill(pid, number)


def labels(extent):
    return sorted(p["Label"] for p in agree().values() if p["Region"] == reg(extent) and p["Label"])


# --- what others do is seen


@clean_test
def devices_of_daxctl_are_followed():
    region_id, onlining = region_at(FIRST), read(f"{MEMORY}/auto_online_blocks")
    with Signals() as signals:
        [made] = daxctl("create-device", "-r", region_id, "-s", "256M")
        name = made["chardev"]
        signals.wait("InterfacesAdded", has=lambda args: args[0] == dev(name))
        await_device(name, Size=256 * MIB, Mode="devdax")
        agree()
        write(f"{MEMORY}/auto_online_blocks", "offline")  # else daxctl refuses it
        daxctl("reconfigure-device", "--mode=system-ram", name)
        write(f"{MEMORY}/auto_online_blocks", onlining)
        await_device(name, Mode="system-ram", OnlineBlocks=2)
        agree()
        run("daxctl", "offline-memory", name)
        await_device(name, OnlineBlocks=0)
        daxctl("reconfigure-device", "--mode=devdax", name)
        await_device(name, Mode="devdax", TotalBlocks=0)
        run("daxctl", "disable-device", name)
        await_device(name, Mode="none")
        run("daxctl", "destroy-device", name)
        signals.wait("InterfacesRemoved", has=lambda args: args[0] == dev(name) and DEVICE in args[1])
    agree()


@clean_test
def devices_of_plain_sysfs_are_followed():
    own = create(FIRST, 2 * MIB, label="own")
    foreign = Foreign(FIRST, 64 * MIB, 32 * MIB, bind=True)
    await_device(foreign.name, Size=32 * MIB, Mode="devdax", Label="")
    write(f"{BUS}/drivers/device_dax/unbind", foreign.name)
    await_device(foreign.name, Mode="none")
    # The kernel tells nothing of this one.
    write(device(foreign.name, "size"), 48 * MIB)
    ask(ROOT, "Refresh")
    await_device(foreign.name, Size=48 * MIB)
    agree()
    foreign.destroy()
    wait_until(lambda: dev(foreign.name) not in managed_objects(), 20, "the object to be gone")
    ask(dev(own), "Destroy")


@clean_test
def foreign_device_is_managed_like_any_other():
    own = create(FIRST, 2 * MIB)
    foreign = Foreign(FIRST, 64 * MIB, 32 * MIB)
    ask(ROOT, "Refresh")
    ask(dev(foreign.name), "Reconfigure", mode="devdax", size=8 * MIB)
    ask(dev(foreign.name), "SetLabel", "adopted")
    equal(labels(FIRST), ["adopted"], "labels")
    ask(dev(foreign.name), "Destroy")
    ask(dev(own), "Destroy")
    agree()


@clean_test
def transaction_sees_what_others_did_unseen():
    # daxd knows nothing of the foreign device's size when it is asked for the space.
    own = create(FIRST, 64 * MIB)
    foreign = Foreign(FIRST, 64 * MIB, 64 * MIB)
    ask(dev(own), "Resize", 128 * MIB)
    equal(device_size(own), 128 * MIB, "size")
    foreign.require_untouched()
    agree()
    foreign.destroy()
    ask(dev(own), "Destroy")


@clean_test
def what_others_do_beside_a_transaction_is_seen():
    """A device loses its driver and gets it back while others are made: what was read for those does
    not say that daxd knows of this."""
    other = create(FIRST, 2 * MIB)
    for file, mode in (("unbind", "none"), ("bind", "devdax")) * 3:
        write(f"{BUS}/drivers/device_dax/{file}", other)
        create(FIRST, 2 * MIB)
        await_device(other, Mode=mode)
    agree()


# --- what others have is not touched


@clean_test
def rollback_of_a_failed_layout_touches_no_foreign_device():
    """Somebody takes memory that a layout has set aside, while the layout waits for a memory block."""
    foreign = Foreign(FIRST, 960 * MIB, 32 * MIB)
    own = create(FIRST, 2 * BLOCK, mode="system-ram", label="own")
    before = kernel_state()
    with Pinned(*device_ranges(own)):
        applied = begin(ROOT, "ApplyLayout",
                        layout(FIRST, {"name": "own", "size": 2 * BLOCK, "mode": "devdax"}, *MANY,
                               {"name": "last", "size": "rest"}), force=True)
        job = wait_until(lambda: next((path for path, interfaces in managed_objects().items() if
                                       "offline" in interfaces.get(JOB, {}).get("StepName", "")),
                                      None), 20, "the layout to wait for a memory block")
        thief = Foreign(FIRST, 896 * MIB, 32 * MIB)  # binding would wait for that block, too
    error = refused("Kernel", applied.result)
    # What the kernel said comes with the write that it refused, and what to do.
    for word in "kernel refused to write", "(ENOSPC)", "another program may have taken the space":
        require(word in error.message, error.message)
    line = logged(job)
    require_same({"MESSAGE_ID": ROLLED_BACK, "DAXD_REGION": str(region_at(FIRST)), "DAXD_UID": "0",
                  "PRIORITY": "5"}, line, "the line in the journal")
    require(own in line["DAXD_DEVICE"] and error.message in line["MESSAGE"], f"the line is {line}")
    foreign.require_untouched()
    thief.require_untouched()
    equal(labels(FIRST), ["own"], "labels")
    thief.destroy()
    state = kernel_state()
    for key in before:  # the youngest device of the region is another one now
        if not key.startswith("region "):
            equal(state.get(key), before[key], key)
    equal(sorted(state), sorted(before), "what there is")
    foreign.destroy()
    require_sound()


@clean_test
def dead_worker_is_undone_beside_a_foreign_device():
    own = create(FIRST, 64 * MIB, label="own")
    writes = Writes()
    changed = begin(dev(own), "Reconfigure", size=2 * BLOCK, mode="system-ram")
    writes.wait("/size")
    stop_workers()
    foreign = Foreign(FIRST, 512 * MIB, BLOCK, bind=True)
    stop_workers(signal.SIGKILL)
    try:
        changed.result()
    except DBusError as error:
        say(error)
    await_daxd()
    whole = (2 * BLOCK, "kmem"), (64 * MIB, "device_dax")
    require((device_size(own), driver(own)) in whole,
            f"{own} is neither whole nor undone: {device_size(own)} bytes, {driver(own)}")
    foreign.require_untouched()
    equal(labels(FIRST), ["own"], "labels")
    foreign.destroy()
    require_sound()


@clean_test
def empty_device_of_another_is_no_seed_of_ours():
    """Somebody else has written `create` and is about to go on, while a transaction is undone."""
    create(FIRST, 2 * MIB)
    write(regions()[region_at(FIRST)] + "create", 1)
    [seed] = [name for name in members(region_at(FIRST)) if not device_size(name)]
    writes = Writes()
    made = begin(reg(FIRST), "CreateDevice", BLOCK, mode="system-ram", label="made")
    writes.wait("dax_region/create")
    stop_workers(signal.SIGKILL)
    try:
        made.result()
    except DBusError as error:
        say(error)
    await_daxd()
    require(seed in devices() and not device_size(seed), f"the foreign seed {seed} was taken")
    equal([n for n in members(region_at(FIRST)) if not device_size(n)], [seed], "empty devices")
    write(regions()[region_at(FIRST)] + "delete", seed)
    clean(FIRST)
    require_sound()


@clean_test
def what_cannot_be_undone_is_told_until_a_change_succeeds():
    """A device has left its place, somebody takes that, and the worker dies."""
    wiped = [512 * MIB, 448 * MIB]  # it takes a while
    ask(dev(create(FIRST, wiped[1], label="used", ranges=[wiped])), "Destroy")
    own = create(FIRST, 64 * MIB, label="own")
    [place] = device_ranges(own)
    writes = Writes()
    workers = daxd_pids("daxd-worker")
    moved = begin(dev(own), "Reconfigure", size=wiped[1], ranges=[wiped])
    writes.wait("device_dax/bind")  # the wiping of what was another's comes next
    for pid in workers:  # at once: looking for them takes a while as well
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
    stop_workers()
    require(moved.pending(), "the wiping was faster")
    thief = Foreign(FIRST, place.start - FIRST.start, place.size, bind=True)
    stop_workers(signal.SIGKILL)
    error = refused("RollbackFailed", moved.result)
    require("its place has been taken" in str(error), str(error))
    thief.require_untouched()
    for _ in range(2):
        shown = get_all(reg(FIRST), REGION)
        equal(shown["State"], "failed", "State")
        require(shown["StateReason"], "there is no reason")
        run("systemctl", "restart", "daxd.service")
        await_daxd()
    thief.destroy()
    ask(ROOT, "Refresh")
    create(FIRST, 2 * MIB)
    require(get(reg(FIRST), REGION, "State") != "failed", "the region is still failed")
    require_sound()


@clean_test
def nothing_is_begun_while_run_is_full():
    own = create(FIRST, 2 * MIB, label="own")
    settle()  # udev, too, writes to /run
    with Unchanged():
        with open("/run/fill", "wb") as fill:
            room = os.statvfs("/run")
            os.posix_fallocate(fill.fileno(), 0, room.f_bavail * room.f_bsize)
        try:
            error = refused("Kernel", ask, reg(FIRST), "CreateDevice", 2 * MIB)
        finally:
            os.unlink("/run/fill")
        require("nothing was changed" in str(error), str(error))
    ask(dev(own), "Destroy")
    require_sound()


@clean_test
def layout_leaves_devices_of_others_alone():
    first = create(FIRST, 2 * MIB)
    foreign = Foreign(FIRST, 128 * MIB, 64 * MIB, bind=True)
    apply(layout(FIRST, *MANY, {"name": "last", "size": "rest"}))
    foreign.require_untouched()
    equal(len(labels(FIRST)), 9, "number of the layout's devices")
    require(dev(first) in managed_objects(), f"{first} is gone")
    plan = apply(layout(FIRST, prune="idle"))
    require(plan["steps"], "prune=idle removed nothing")
    wait_until(lambda: members(region_at(FIRST)) == [f"dax{region_at(FIRST)}.0"], 20, "no devices")
    agree()


# --- things come and go under daxd


@clean_test
def bus_is_restarted_under_a_job():
    daxd = pid_of("daxd.service")
    writes = Writes()
    applied = begin(ROOT, "ApplyLayout",
                         layout(FIRST, *MANY, {"name": "last", "size": "rest"}))
    writes.wait("dax_region/create", 2)
    run("systemctl", "restart", "dbus.service")
    try:
        applied.result()
    except (DBusError, Failure) as error:
        say(error)
    await_daxd()
    equal(pid_of("daxd.service"), daxd, "daxd's process")
    equal(len(labels(FIRST)), 9, "number of the layout's devices")
    clean(FIRST)
    require_sound()


@clean_test
def udev_is_triggered_and_restarted():
    apply(layout(FIRST, {"name": "cache", "size": "8M", "access": {"group": "alice"}},
                 {"name": "ram", "size": "128M", "mode": "system-ram"}))
    settle()
    before, files = kernel_state(), file_state()
    writes = Writes()
    with Signals() as signals:
        for _ in range(3):
            for action in ("change", "add"):
                run("udevadm", "trigger", f"--action={action}", "--subsystem-match=dax",
                    "--subsystem-match=memory")
        run("systemctl", "restart", "systemd-udevd.service")
        run("udevadm", "trigger", "--subsystem-match=dax")
        settle()
        await_daxd()
        told = [told for told in signals.take() if told["path"].startswith(f"{ROOT}/device")]
        equal(told, [], "what was told of devices that did not change")
    equal(difference(before, kernel_state()), {}, "what changed")
    equal(difference(files, file_state()), {}, "what changed of the files")
    equal([path for path in writes.seen() if not path.endswith("/uevent")], [], "files written")
    name = name_of(ask(ROOT, "GetDevice", "cache"))
    equal(os.path.realpath("/dev/dax/by-name/cache"), f"/dev/{name}", "the link")
    equal(os.stat(f"/dev/{name}").st_gid, 1000, "group of the node")


@clean_test
def drivers_are_unloaded_under_it():
    name = create(FIRST, 2 * MIB)
    run("modprobe", "-r", "device_dax")
    await_device(name, Mode="none")
    error = refused("Kernel", ask, dev(name), "SetMode", "devdax")
    for word in "drivers/device_dax (ENODEV)", "load the kernel module device_dax":
        require(word in error.message, error.message)
    run("systemctl", "restart", "modprobe@device_dax.service")
    ask(dev(name), "SetMode", "devdax")
    equal(driver(name), "device_dax", "driver")


@clean_test
def memory_is_switched_by_others():
    name = create(FIRST, BLOCK, mode="system-ram")
    [block] = memory_blocks(*device_ranges(name)[0])
    write(f"{MEMORY}/{block.name}/state", "offline")
    await_device(name, OnlineBlocks=0)
    write(f"{MEMORY}/{block.name}/state", "online_movable")
    await_device(name, OnlineBlocks=1, Movable=True)
    agree()


@test
def nothing_is_left_over():
    clean()
    equal(agree(), {}, "devices")
    require_sound()
    log = journal("daxd.service")
    require("lost until the next reboot" not in log, f"daxd has seen a leak that was none:\n{log}")


ready()
main()
