# SPDX-License-Identifier: LGPL-2.1-or-later
"""The unmodified daxd, its workers, a real bus, libdaxctl and libudev on the imitation. Needs
--bare --region-idle."""

import ast
import contextlib
import errno
import pwd
import signal
import threading

from common import *
from system import Journal, System, said

ROOT, REGION_PATH = "/org/daxd1", object_path("region", 0)
MANAGER, REGION_FACE, DEVICE_FACE, LAYOUT, JOB = (
    f"org.daxd1.{face}" for face in ("Manager", "Region", "Device", "Layout", "Job"))
SECRET = b"somebody's secret"
LATE = Extent(0x200000000, 256 * MIB)

system = System()


def create_device(size, **options):
    path = call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", size, options)
    return get(path, DEVICE_FACE, "Name")


def ask(name, method, signature="", *args, **options):
    return call(object_path("device", name), DEVICE_FACE, method, f"{signature}a{{sv}}", *args,
                options)


def shown():
    """What daxd shows of devices: {name: properties}."""
    return {properties[DEVICE_FACE]["Name"]: properties[DEVICE_FACE]
            for properties in managed_objects().values() if DEVICE_FACE in properties}


def agree():
    """daxd, daxctl and the imitation say the same."""
    modes = {"device_dax": "devdax", "kmem": "system-ram", None: None}
    real = {d["name"]: (d["size"], modes[d["driver"]], d["ranges"])
            for region in sim.state()["regions"] for d in region["devices"] if d["size"]}
    starts = {f"/org/daxd1/region/{region['id']}": region["start"]
              for region in sim.state()["regions"]}
    ours = {name: (p["Size"], {"none": None}.get(p["Mode"], p["Mode"]),
                   [[starts[p["Region"]] + offset, size] for offset, size in p["Ranges"]])
            for name, p in shown().items()}
    equal(ours, real, "what daxd shows")
    listed = {d["chardev"]: (d["size"], d.get("mode") if d.get("state") != "disabled" else None,
                             sorted(([m["start"], m["size"]] for m in d["mappings"])))
              for region in daxctl_list() for d in region.get("devices", [])}
    equal(listed, {name: (size, mode, sorted(ranges)) for name, (size, mode, ranges)
                   in real.items()}, "what daxctl lists")
    equal(os.listdir("/run/daxd/transactions"), [], "records")


fresh = after(lambda: system.reboot(sim))


@test
def the_system_starts():
    system.start()
    equal(get(ROOT, MANAGER, "AutoOnline"), "offline" if KERNEL == "6.1" else "online",
          "AutoOnline")
    agree()


@fresh
def a_device_goes_through_all_modes():
    name = create_device(2 * BLOCK, label="scratch")
    agree()
    ask(name, "SetMode", "s", "system-ram")
    equal(shown()[name]["OnlineBlocks"], 2, "OnlineBlocks")
    agree()
    ask(name, "Resize", "t", 3 * BLOCK, force=True)
    agree()
    ask(name, "SetMode", "s", "devdax", force=True)
    agree()
    equal(sim.state()["leaks"], [], "leaks")
    ask(name, "Destroy")
    equal(shown(), {}, "devices")
    agree()


@fresh
def a_size_is_given_with_ranges_and_not_with_all():
    ranges = [[8 * MIB, 4 * MIB], [0, 2 * MIB]]
    for size, options in ((0, {}), (0, {"ranges": ranges}), (4 * MIB, {"ranges": ranges}),
                          (0, {"ranges": ranges, "all": True}), (4 * MIB, {"all": True})):
        refused("InvalidSize", create_device, size, **options)
    name = create_device(6 * MIB, ranges=ranges)
    equal(shown()[name]["Ranges"], ranges, "Ranges")
    name = create_device(0, all=True)
    equal(shown()[name]["Size"], FIRST.size - 6 * MIB, "size of all that is left")
    agree()


@fresh
def daxdctl_and_daxctl_see_the_same():
    run("daxdctl", "create-device", "-r", "0", "-s", "256M", "--label", "scratch")
    wanted = [{key: d[key] for key in ("chardev", "size", "align", "mode", "target_node")}
              for d in json.loads(run("daxctl", "list", "-D"))]
    ours = json.loads(run("daxdctl", "list", "-D"))
    equal([{key: d[key] for key in wanted[0]} for d in ours], wanted, "devices")
    # what it lists is what it takes
    before, path = shown(), "/tmp/scratch.json"
    with open(path, "w", encoding="utf-8") as file:
        file.write(run("daxdctl", "list", "-M", "-d", "scratch"))
    run("daxdctl", "destroy-device", "scratch")
    equal(json.loads(run("daxctl", "list", "-D") or "[]"), [], "devices")
    run("daxdctl", "create-device", "--input", path)
    for key in ("Ranges", "Label", "Mode", "Align"):
        equal([d[key] for d in shown().values()], [d[key] for d in before.values()], key)


@fresh
def what_is_no_device_makes_none():
    run("daxdctl", "create-device", "-s", "4M")
    before = shown()
    for text, words in (
            ('{"sise": "128M"}', ['no "sise"', 'did you mean "size"?']),
            ('{"size": 4194304, "lable": "z"}', ['no "lable"', 'did you mean "label"?']),
            ('{"size": 4194304, "label": 5}', ['"label" is 5', "a text"]),
            ('{"size": 4194304, "movable": "no"}', ['"movable" is "no"', "true or false"]),
            ('{"size": 4194304, "chardev": "cache"}', ['"chardev" is "cache"']),
            ('{"size": "256.00 MiB (268.44 MB)"}', ['"size" is "256.00 MiB', "without -u"]),
            ('{"size": 4194304, "ranges": [{"ofset": 0, "size": 4194304}]}', ['"ranges" is']),
            ('{"size": 4194304} {"size": 1}', ['behind the device: {"size": 1}']),
            ('{"size": 4194304', ["no JSON", "end of data"]),
            ("{}", ['no "size"', "--size"]), ('{"mode": "devdax"}', ['no "size"']),
            (run("daxdctl", "list", "-R", "-r", 0), ['no "path"']),
            (layout({"name": "one", "size": "4M"}), ['no "version"'])):
        for verb in (["create-device"], ["reconfigure-device", "dax0.0"]):
            result = attempt("daxdctl", *verb, "--input", "-", stdin=text)
            equal(result.returncode, 2, f"exit status for {text}")
            for word in words:
                require(word in result.stderr, result.stderr)
            equal(result.stderr.count("\n"), 1, "lines")
    equal(shown(), before, "devices")
    run("daxdctl", "create-device", "--input", "-", "-s", "4M", stdin='{"mode": "devdax"}\n')


@fresh
def options_that_contradict_each_other_are_refused():
    for one, other in (("--wipe", "--no-wipe"), ("--no-online", "--no-movable")):
        for given in ((one, other), (other, one)):
            result = attempt("daxdctl", "create-device", "-s", BLOCK, "-m", "system-ram", *given)
            equal((result.returncode, result.stderr),
                  (2, f"daxdctl: {one} and {other} contradict each other: leave one of them out\n"),
                  f"what comes of {given}")
    equal(shown(), {}, "devices")


@fresh
def wiped_is_wiped():
    name = create_device(BLOCK, label="one")
    with Node(name) as node:
        node.fill(SECRET)
    equal(ask(name, "GetHolders"), [], "holders")
    ask(name, "Destroy")
    name = create_device(BLOCK, label="two")
    equal(sim.find(FIRST.start, BLOCK, SECRET.decode()), None, "the secret")
    with Node(name) as node:
        equal(node.find(SECRET), -1, "the secret, by the node")
        equal(ask(name, "GetHolders"), [[os.getpid(), "python3"]], "holders")
    agree()


def visit(name):
    """Somebody has an empty device for a moment, and leaves his secret in its memory."""
    resize(name, BLOCK)
    bind("device_dax", name)
    with Node(name) as node:
        node.fill(SECRET)
    unbind("device_dax", name)
    resize(name, 0)


def no_secret_is_given_to_the_next():
    where = sim.find(*FIRST, SECRET.decode())
    require(where is not None, "there is no secret to be found")
    create_device(get(REGION_PATH, REGION_FACE, "AvailableSize"), label="next")
    equal(sim.find(*FIRST, SECRET.decode()), None, "the secret")


@fresh
def what_has_no_driver_any_more_has_its_secret_still():
    name = create_device(2 * BLOCK)
    with Node(name) as node:
        node.fill(SECRET)
    ask(name, "SetMode", "s", "none")
    ask(name, "Resize", "t", BLOCK)
    ask(name, "Destroy")
    no_secret_is_given_to_the_next()
    system.reboot(sim)
    name = create_device(2 * BLOCK, label="one")
    with Node(name) as node:
        node.fill(SECRET)
    ask(name, "Reconfigure", mode="none", size=BLOCK)
    ask(name, "SetLabel", "s", "other")
    ask(name, "SetMode", "s", "devdax")
    with Node(name) as node:  # it is the same device
        equal(node.find(SECRET), 0, "what it held")


@fresh
def what_was_bound_and_not_wiped_is_dirty_still():
    for former in ({"label": "former"}, {}):
        name = create_device(BLOCK, **former)
        with Node(name) as node:
            node.fill(SECRET)
        ask(name, "Destroy")
        name = create_device(BLOCK, mode="none", label="one")
        with sim.stopped(after=True, path="*/device_dax/*") as stop:
            pending = Call(object_path("device", name), DEVICE_FACE, "SetMode", "sa{sv}", "devdax", {})
            os.kill(stop.wait().pid, signal.SIGKILL)
        refused("RolledBack", pending.result)
        ask(name, "SetMode", "s", "devdax")
        equal(sim.find(FIRST.start, BLOCK, SECRET.decode()), None, f"the secret of {former}")
        system.reboot(sim)


def leave_secret(**options):
    """An owner has all of the first block, and goes."""
    name = create_device(BLOCK, **options)
    with Node(name) as node:
        node.fill(SECRET)
    ask(name, "Destroy")


@fresh
def what_is_bound_by_hand_is_wiped_before_it_gets_another_name():
    leave_secret(label="former")
    name = create_device(BLOCK, mode="none", label="one")
    bind("device_dax", name)
    wait_until(lambda: shown()[name]["Mode"] == "devdax", 60, "the mode")
    ask(name, "SetLabel", "s", "two")
    equal(sim.find(FIRST.start, BLOCK, SECRET.decode()), None, "the secret")


@fresh
def what_was_the_systems_for_a_moment_is_wiped():
    name = create_device(2 * BLOCK, label="one")
    number = FIRST.start // BLOCK
    sim.block(number + 1, online_errno=errno.ENOMEM)
    with sim.stopped(path=f"*/memory{number + 1}/state", value="online*") as stop:
        pending = Call(object_path("device", name), DEVICE_FACE, "SetMode", "sa{sv}", "system-ram", {})
        stop.wait()
        equal(state_of(number), "online", "the block before")
        sim.fill(FIRST.start, BLOCK, SECRET.decode())  # a process has it
    message = refused("Kernel", pending.result).message
    require("what was in dax0.0 (one) is lost" in message, message)
    equal((shown()[name]["Mode"], shown()[name]["Label"]), ("devdax", "one"), "mode and label")
    equal(sim.find(FIRST.start, BLOCK, SECRET.decode()), None, "what a process had")


@fresh
def what_was_dirty_is_so_after_a_change_that_was_undone():
    leave_secret(label="former")
    system.stop_daxd()
    name = create(BLOCK)
    bind("device_dax", name)
    system.start_daxd()
    sim.fail(errno.EIO, path=f"*/{name}/size")
    refused("Kernel", ask, name, "Resize", "t", 2 * BLOCK)
    require(sim.find(FIRST.start, BLOCK, SECRET.decode()) is not None, "it was wiped already")
    ask(name, "SetLabel", "s", "one")
    equal(sim.find(FIRST.start, BLOCK, SECRET.decode()), None, "the secret")


@fresh
def what_a_device_held_is_not_wiped_however_often_going_back_fails():
    for times in (1, 0):
        name = create_device(BLOCK, label="one")
        with Node(name) as node:
            node.fill(SECRET)
        ask(create_device(BLOCK, label="former"), "Destroy")
        # its name is taken, and given back in vain; once, or for good, it does not get small again
        sim.fail_after(errno.EIO, path="*/uevent", nth=2)
        sim.fail(errno.EIO, path=f"*/{name}/size", nth=2, times=times)
        refused("RollbackFailed" if times == 0 else "Kernel", ask, name, "Resize", "t", 2 * BLOCK)
        sim.clear()
        if times == 0:
            ask(name, "Resize", "t", BLOCK)
            ask(name, "SetLabel", "s", "one")
            ask(name, "SetMode", "s", "devdax")
        equal((shown()[name]["Size"], shown()[name]["Label"]), (BLOCK, "one"), "size and label")
        with Node(name) as node:
            equal(node.find(SECRET), 0, "what it held")
        system.reboot(sim)


@fresh
def what_a_device_held_is_not_wiped_when_a_worker_dies_on_the_way_back():
    """Its own user was going to be let in again: nobody else was. Also where daxd dies as well."""
    write(f"{MEMORY}/auto_online_blocks", "online")
    name = create_device(BLOCK, label="one")
    with Node(name) as node:
        node.fill(SECRET)
    for alone in (True, False):
        sim.fail(errno.EINVAL, path="*/auto_online_blocks", value="online")
        with sim.stopped(path="*/device_dax/bind") as stop:
            pending = Call(object_path("device", name), DEVICE_FACE, "SetMode", "sa{sv}",
                           "system-ram", {})
            pid = stop.wait().pid
            if not alone:
                system.kill_daxd()
            os.kill(pid, signal.SIGKILL)
        if alone:
            refused("Kernel", pending.result)
        else:
            system.start_daxd()
        equal((shown()[name]["Mode"], shown()[name]["Label"]), ("devdax", "one"), "mode and label")
        with Node(name) as node:
            equal(node.find(SECRET), 0, "what it held")


@fresh
def what_was_done_while_daxd_was_away_is_wiped():
    name = create_device(BLOCK, label="one")
    with Node(name) as node:
        node.fill(SECRET)
    system.stop_daxd()
    unbind("device_dax", name)
    resize(name, 0)
    system.start_daxd()
    no_secret_is_given_to_the_next()
    system.reboot(sim)
    system.stop_daxd()
    visit("dax0.0")
    system.start_daxd()
    no_secret_is_given_to_the_next()


@fresh
def a_region_that_has_gone_comes_back_with_its_secrets():
    for label in ("one", "two"):
        index = sim.add_region(f"{LATE.size}@{LATE.start}")
        wait_until(lambda: object_path("region", index) in managed_objects(), 60, "the region")
        name = get(call(object_path("region", index), REGION_FACE, "CreateDevice", "ta{sv}",
                        LATE.size, {"label": label}), DEVICE_FACE, "Name")
        equal(sim.find(*LATE, SECRET.decode()), None, "the secret")
        with Node(name) as node:
            node.fill(SECRET)
        sim.remove_region(index, for_good=True)
        wait_until(lambda: object_path("region", index) not in managed_objects(), 60,
                   "the region to go")


@fresh
def what_a_device_held_is_not_wiped_when_it_is_put_back():
    """It had no memory when everybody was killed: made anew, behind a hole that size would take."""
    hole = create_device(BLOCK)
    name = create_device(BLOCK, label="one")
    ask(hole, "Destroy")
    with Node(name) as node:
        node.fill(SECRET)
    with sim.stopped(path="*/mapping") as stop:
        pending = Call(object_path("device", name), DEVICE_FACE, "Resize", "ta{sv}", 2 * BLOCK, {})
        writer = stop.wait()
        equal({d["name"]: d["size"] for d in sim.state()["regions"][0]["devices"]}[name], 0,
              "its size")
        system.kill_daxd()
        os.kill(writer.pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{writer.pid}"), 60, "the worker to be gone")
    system.start_daxd()
    refused("org.freedesktop.DBus.Error.NoReply", pending.result)
    equal((shown()[name]["Size"], shown()[name]["Label"]), (BLOCK, "one"), "size and label")
    with Node(name) as node:
        equal(node.find(SECRET), 0, "what it held")
    agree()


@fresh
def who_was_there_beside_a_job_leaves_nothing():
    for removes in (True, False):
        with sim.stopped(path="*/device_dax/bind") as stop:
            job = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", 2 * MIB,
                       {"label": "one"})
            stop.wait()
            visitor = create()
            visit(visitor)
            if removes:
                delete(visitor)
        job.result()
        no_secret_is_given_to_the_next()
        system.reboot(sim)


@fresh
def who_waits_behind_a_job_is_not_given_what_was_left_beside_it():
    name = create_device(2 * MIB, label="one")
    visitor = create()
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    with sim.stopped(path=f"*/{name}/uevent") as stop:
        first = Call(object_path("device", name), DEVICE_FACE, "SetLabel", "sa{sv}", "other", {})
        stop.wait()
        second = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", 4 * BLOCK,
                      {"label": "next"})
        visit(visitor)
        # whoever is told of what comes later was told of this
        other = create(2 * MIB, 1)
        bind("device_dax", other)
        wait_until(lambda: other in shown(), 60, "what came later")
    first.result()
    second.result()
    equal(sim.find(*FIRST, SECRET.decode()), None, "the secret")


@fresh
def what_daxd_does_or_sees_makes_it_suspect_nobody():
    name = create_device(BLOCK, label="one")
    other = create_device(BLOCK)
    ask(name, "SetMode", "s", "system-ram")
    ask(name, "SetMode", "s", "none", force=True)
    ask(other, "Reconfigure", mode="none", align=4096)
    ask(other, "Destroy")
    sim.fail(errno.EIO, path="*/device_dax/bind", times=0)
    refused("Kernel", create_device, BLOCK, label="two")
    refused("Kernel", ask, name, "SetMode", "s", "devdax")
    sim.clear()
    ask(name, "Destroy")
    for _ in range(5):  # nor others, as far as it knows what they had
        name = create(4 * MIB)
        bind("device_dax", name)
        wait_until(lambda: shown().get(name, {}).get("Mode") == "devdax", 60, "it to be seen")
        unbind("device_dax", name)
        resize(name, 0)
        delete(name)
        wait_until(lambda: name not in shown(), 60, "it to go")
    equal([line for line in read("/run/daxd/owners").splitlines() if "@unknown" in line], [],
          "what is suspected")


@fresh
def foreign_changes_are_seen_by_their_events():
    def shows(mode):
        wait_until(lambda: get(object_path("device", name), "org.daxd1.Device", "Mode") == mode,
                   60, f"{name} to be {mode}")

    with Signals() as signals:
        name = create(4 * MIB)
        bind("device_dax", name)
        signals.wait("InterfacesAdded", "/org/daxd1")
        # daxd may have looked between the size and the binding
        shows("devdax")
        unbind("device_dax", name)
        shows("none")
        signals.wait("PropertiesChanged", object_path("device", name))
    agree()
    index = sim.add_region("256M@0x200000000")
    wait_until(lambda: f"/org/daxd1/region/{index}" in managed_objects(), 60, "the region")
    sim.remove_region(index, for_good=True)
    wait_until(lambda: f"/org/daxd1/region/{index}" not in managed_objects(), 60,
               "the region to go")


@fresh
def what_was_asked_of_a_region_is_not_done_to_another_of_its_id():
    def create_late():
        return Call(path, REGION_FACE, "CreateDevice", "ta{sv}", 4 * MIB, {})
    index = sim.add_region("256M@0x200000000")
    path = object_path("region", index)
    wait_until(lambda: path in managed_objects(), 60, "the region")
    with sim.stopped(path="*/device_dax/bind") as stop:
        first = create_late()
        stop.wait()
        second = create_late()
        wait_until(lambda: sum(JOB in faces for faces in managed_objects().values()) == 2, 60,
                   "both jobs")
        sim.remove_region(index, for_good=True)
        equal(sim.add_region("256M@0x220000000"), index, "the id of another region")
        call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    refused("NoSuchRegion", second.result)
    try:
        first.result()
        fail("a device was made in a region that has gone")
    except DBusError:
        pass
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    require(get(path, REGION_FACE, "State") != "failed", "the other region has failed")
    agree()
    equal(sim.state()["regions"][index]["available"], 256 * MIB, "what is free in the other region")
    sim.remove_region(index, for_good=True)


@fresh
def events_that_are_lost_are_made_up_for():
    """The kernel keeps so many for daxd, which is stopped."""
    def lost():
        rows = [line.split() for line in read("/proc/net/netlink").splitlines()[1:]]
        return sum(int(row[8]) for row in rows if int(row[2]) == system.daxd.pid)

    name = create_device(4 * MIB)
    os.kill(system.daxd.pid, signal.SIGSTOP)
    events = 0
    while not lost():
        for _ in range(200):
            write(f"{BUS}/devices/{name}/uevent", "change")
        events += 200
        require(events < 1 << 17, "none is lost")
    foreign = create(4 * MIB, region=1)  # of which nobody hears
    os.kill(system.daxd.pid, signal.SIGCONT)
    wait_until(lambda: foreign in shown(), 20, f"{foreign} on the bus")
    require("events of the kernel were lost" in said("daxd"), "daxd does not say that")
    agree()


def meanwhile(function):
    """Does it again and again in another thread, until what is returned is called."""
    def work():
        try:
            while not over.is_set():
                function()
        except Exception as error:
            errors.append(error)
    over, errors = threading.Event(), []
    thread = threading.Thread(target=work)
    thread.start()

    def stop():
        over.set()
        thread.join()
        require(not errors, f"meanwhile: {errors}")
    return stop


@fresh
def what_others_change_while_it_is_read_is_read_again():
    def move():
        resize(name, 3 * SECOND.size // 4)
        resize(name, 0)
        add_mapping(name, SECOND.start + SECOND.size // 2, 4 * MIB)  # the former would not fit
        resize(name, 0)
    name = create(region=1)
    stop = meanwhile(move)
    try:
        for _ in range(100):
            call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    finally:
        stop()
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    agree()


@fresh
def one_range_is_not_read_with_the_size_of_two():
    """From its start to beyond the end of the region, or over whoever lies behind it. What changes all
    the time may not be readable at all on a slow machine, and that is said then."""
    def grow_and_shrink():
        for change in (lambda: add_mapping(name, SECOND.start, SECOND.size // 2),
                       lambda: resize(name, 4 * MIB)):
            change()
            time.sleep(0.005)
    name = create(region=1)
    add_mapping(name, SECOND.start + SECOND.size - 4 * MIB, 4 * MIB)
    seen, refreshed = set(), 0
    stop = meanwhile(grow_and_shrink)
    try:
        for _ in range(200):
            try:
                call(ROOT, MANAGER, "Refresh", "a{sv}", {})
                refreshed += 1
            except DBusError as error:
                require("EAGAIN" in error.message, error.message)
            seen.add(tuple(map(tuple, shown()[name]["Ranges"])))
    finally:
        stop()
    require(refreshed > 0, "it could never be read")
    first = (SECOND.size - 4 * MIB, 4 * MIB)
    require(seen <= {(first,), (first, (0, SECOND.size // 2))}, f"ranges were {seen}")
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    agree()


@fresh
def a_region_does_not_begin_where_its_first_device_does():
    """The kernel tells the one by a device without memory and the other by one that has some."""
    def come_and_go():
        add_mapping("dax1.0", SECOND.start + SECOND.size - 4 * MIB, 4 * MIB)
        resize("dax1.0", 0)
        time.sleep(pause)
    begin = time.monotonic()
    for _ in range(30):  # about what a worker does to be sure
        read(device("dax1.0", "size"))
    pause = 2 * (time.monotonic() - begin)
    stop = meanwhile(come_and_go)
    try:
        for _ in range(60):
            system.stop_daxd()
            system.start_daxd()
            start, _ = call(object_path("region", 1), REGION_FACE, "GetResource", "a{sv}", {})
            equal(start, SECOND.start, "where the region begins")
    finally:
        stop()
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    agree()


@fresh
def a_write_that_fails_is_rolled_back():
    before = sim.state()["regions"]
    sim.fail(errno.EIO, path="*/device_dax/bind", times=0)
    error = refused("Kernel", create_device, 4 * MIB)
    require("EIO" in error.message, error.message)
    after = sim.state()["regions"]
    for region in (*before, *after):
        for key in ("seed", "youngest"):
            region.pop(key)
    equal(after, before, "the regions")
    agree()


@fresh
def a_name_that_udev_cannot_be_told_of_is_not_left_behind():
    sim.fail(errno.EINVAL, path="*/dax0.0/uevent", times=0)
    refused("Kernel", create_device, 4 * MIB, label="one", force=False)
    equal(os.listdir("/run/daxd/names"), [], "names")
    agree()


def children(pid):
    try:
        return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return []


def has_open(pid, part):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if part in os.readlink(f"/proc/{pid}/fd/{fd}"):
                return True
        except FileNotFoundError:  # closed meanwhile
            continue
    return False


def stop_process(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: read(f"/proc/{pid}/stat").rsplit(") ", 1)[1][0] == "T", 60, "it to stop")


def stop_in_the_middle_of_an_inventory(looks):
    """Refresh, whose worker was seen so many times with a device, and is stopped. Returns both."""
    while True:
        refresh, reader, seen = Call(ROOT, MANAGER, "Refresh", "a{sv}", {}), None, 0
        while refresh.pending():
            # who has a child asks libdaxctl, before it reads
            reader = reader or next((pid for pid in children(system.workers.pid) if children(pid)),
                                    None)
            seen += reader is not None and has_open(reader, "/dax0.")
            if seen == looks:
                stop_process(reader)
                if refresh.pending() and has_open(reader, "/dax0."):
                    return refresh, reader
                os.kill(reader, signal.SIGCONT)
                break
        refresh.result()  # it was faster


@fresh
def reading_takes_no_name_back_that_is_being_given():
    """Who reads has begun with a device as it was, and goes on when it has another shape and a name."""
    names = [f"b{i:02}" for i in range(24)]

    def apply(size):
        call(ROOT, MANAGER, "ApplyLayout", "sa{sv}", json.dumps(
            {"version": 1, "region": {"start": f"{FIRST.start:#x}"},
             "devices": [{"name": name, "size": size, "wipe": False} for name in names]}), {})

    apply("4M")
    for number, size in enumerate(("2M", "4M") * 5):
        refresh, reader = stop_in_the_middle_of_an_inventory(1 + number // 2)
        apply(size)
        os.kill(reader, signal.SIGCONT)
        refresh.result()
        equal(sorted(p["Label"] for p in shown().values()), names, "labels")
    agree()


def stop_in_the_middle_of_a_reading(name, part):
    """An event has the region read; who does it is stopped when he is that far. Returns him."""
    while True:
        write(f"{BUS}/devices/{name}/uevent", "change")
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            for pid in children(system.workers.pid):
                if has_open(pid, part):
                    stop_process(pid)
                    if has_open(pid, part):
                        return pid
                    os.kill(pid, signal.SIGCONT)


@fresh
def refresh_sees_what_there_was_when_it_was_asked_for():
    """Also where somebody is reading already, who has begun before it was there."""
    foreign = create()
    others = [create_device(2 * MIB) for _ in range(24)]
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    for size in (2 * MIB, 4 * MIB, 6 * MIB):
        reader = stop_in_the_middle_of_a_reading(foreign, f"/{others[-1]}")
        resize(foreign, size)
        refresh = Call(ROOT, MANAGER, "Refresh", "a{sv}", {})
        until = time.monotonic() + 1  # an answer would be too early
        while refresh.pending() and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(reader, signal.SIGCONT)
        refresh.result()
        equal(shown().get(foreign, {}).get("Size"), size, f"the size of {foreign}")
    agree()


@fresh
def what_others_do_to_what_a_transaction_is_done_with_is_seen():
    text = layout(*({"name": f"d{number}", "size": "4M", "wipe": False} for number in range(3)))
    with sim.stopped(path="*/dax0.2/uevent") as stop:
        pending = Call(ROOT, MANAGER, "ApplyLayout", "sa{sv}", text, {})
        stop.wait()
        unbind("device_dax", "dax0.0")
    pending.result()
    wait_until(lambda: shown()["dax0.0"]["Mode"] == "none", 60, "it to be seen without a driver")
    agree()


@fresh
def memory_that_came_while_it_was_read_has_not_leaked_for_good():
    """Its blocks were there when that of devices which had been read was taken away from them."""
    write(f"{MEMORY}/auto_online_blocks", "offline")
    foreign = create()
    others = [create_device(2 * MIB) for _ in range(24)]
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    reader = stop_in_the_middle_of_a_reading(foreign, f"/{others[-1]}")
    add_mapping(foreign, FIRST.start + 2 * BLOCK, BLOCK)
    to_kmem(foreign)
    os.kill(reader, signal.SIGCONT)
    wait_until(lambda: shown().get(foreign, {}).get("Mode") == "system-ram", 60, "its mode")
    unbind("kmem", foreign)
    resize(foreign, 0)
    delete(foreign)
    wait_until(lambda: foreign not in shown(), 60, "it to be gone")
    equal(sim.state()["leaks"], [], "leaks")
    free = [tuple(extent) for extent in get(REGION_PATH, REGION_FACE, "FreeExtents")]
    equal(free, [(48 * MIB, FIRST.size - 48 * MIB)], "free extents")
    agree()


@fresh
def what_another_has_added_gets_no_name():
    """It may hold what an old owner has left, and nobody has wiped it."""
    name = create_device(4 * MIB, label="one")
    ask(name, "SetMode", "s", "none")
    with sim.stopped(path="*/device_dax/bind") as stop:
        pending = Call(object_path("device", name), DEVICE_FACE, "SetMode", "sa{sv}", "devdax", {})
        at = stop.wait()
        resize(name, 8 * MIB)
        time.sleep(1.1)  # what a worker knows of a device it believes for a second
        stop.release(at)
        refused("RollbackFailed", pending.result)
    equal((shown()[name]["Size"], shown()[name]["Label"]), (8 * MIB, ""), "size and label")
    equal(os.listdir("/run/daxd/names"), [], "names")


@fresh
def a_name_that_is_lost_is_told():
    name = create_device(BLOCK, label="one")
    create_device(2 * MIB, label="other")
    sim.fail(errno.EIO, nth=2, times=0)
    error = refused("RollbackFailed", ask, name, "SetMode", "s", "system-ram")
    sim.clear()
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    equal(sorted(p["Label"] for p in shown().values()), ["", "other"], "labels")
    require(error.message.endswith("; no device is called 'one' any more"), error.message)
    equal(get(REGION_PATH, REGION_FACE, "StateReason"), error.message, "StateReason")


@fresh
def who_is_killed_in_a_transaction_is_followed_by_one_who_settles_it():
    before = sim.count()
    with sim.stopped(path="*/device_dax/bind") as stop:
        pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", 4 * MIB, {})
        writer = stop.wait()
        system.kill_daxd()
        os.kill(writer.pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{writer.pid}"), 60, "the worker to be gone")
    system.start_daxd()
    try:
        pending.result()
        fail("the call of a daxd that was killed has a reply")
    except DBusError:
        pass
    require(sim.count() > before, "nothing was written")
    equal(shown(), {}, "devices")
    agree()


@fresh
def workers_that_die_one_after_the_other_are_no_reason_to_give_up():
    write(f"{MEMORY}/auto_online_blocks", "online")
    with sim.stopped(path="*/kmem/bind") as stop, \
            sim.stopped(path="*/auto_online_blocks", value="online") as again:
        pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK,
                       {"mode": "system-ram"})
        os.kill(stop.wait().pid, signal.SIGKILL)
        os.kill(again.wait().pid, signal.SIGKILL)
        refused("RolledBack", pending.result)
    equal(read(f"{MEMORY}/auto_online_blocks"), "online", "auto_online_blocks")
    equal(shown(), {}, "devices")
    agree()


@fresh
def auto_online_blocks_goes_back_to_what_it_was():
    """Not to what it was when daxd last looked: the kernel tells nobody of a change."""
    auto_online = f"{MEMORY}/auto_online_blocks"

    def create():
        return Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK,
                    {"mode": "system-ram"})

    write(auto_online, "online_movable")
    # by its id, as this kernel does it; by its name, as the other one
    fault = sim.fail(errno.EIO, path="*/kmem/new_id", times=0)
    other = sim.fail(errno.EIO, path="*/kmem/bind", times=0)
    refused("Kernel", create().result)
    sim.clear(fault)
    sim.clear(other)
    equal(read(auto_online), "online_movable", "auto_online_blocks after a bind that failed")
    write(auto_online, "online_kernel")
    with sim.stopped(path="*/kmem/bind") as stop:
        pending = create()
        os.kill(stop.wait().pid, signal.SIGKILL)
        refused("RolledBack", pending.result)
    equal(read(auto_online), "online_kernel", "auto_online_blocks after a worker's death")
    write(auto_online, "online")
    with sim.stopped(path="*/kmem/bind") as stop:
        pending = create()
        at = stop.wait()
        equal(read(auto_online), "offline", "auto_online_blocks around a bind")
        write(auto_online, "online_movable")  # who else changes it has his way
        os.kill(at.pid, signal.SIGKILL)
        refused("RolledBack", pending.result)
    equal(read(auto_online), "online_movable", "auto_online_blocks that somebody else has set")
    agree()


@fresh
def a_switch_that_does_nothing_is_not_said_to_have_refused():
    def make(error):
        message = refused(error, create_device, BLOCK, mode="system-ram").message
        sim.clear()
        return message

    write(f"{MEMORY}/auto_online_blocks", "online")
    before = sim.count()
    sim.skip(path="*/auto_online_blocks", value="offline", times=0)
    message = make("Kernel")
    require("accepted it, but memory/auto_online_blocks reads 'online' afterwards" in message,
            message)
    equal(sum("auto_online" in w.path for w in sim.writes(before)), 1, "how often it was tried")
    sim.skip(path="*/auto_online_blocks", value="online", times=0)
    message = make("RollbackFailed")
    for words in ("accepted it, but memory/auto_online_blocks reads 'offline' afterwards",
                  "accepted the former value, but memory/auto_online_blocks reads 'offline'"):
        require(words in message, message)


@fresh
def of_new_id_and_bind_the_one_that_failed_is_named():
    sim.fail(errno.ENODEV, path="*/kmem/bind", times=0)
    sim.fail(errno.EIO, path="*/kmem/new_id", times=0)
    message = refused("Kernel", create_device, BLOCK, mode="system-ram").message
    require("refused to write 'dax0.0' to drivers/kmem/new_id (EIO)" in message, message)


def made_while_killed(kill):
    """Makes a device that is bound by its id, and kills before the id is taken back."""
    with sim.stopped(path="*/kmem/remove_id") as stop:
        pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK,
                       {"mode": "system-ram"})
        kill(stop.wait().pid)
    return pending


@fresh
def what_a_driver_was_told_is_taken_back():
    pending = made_while_killed(lambda pid: os.kill(pid, signal.SIGKILL))
    refused("RolledBack", pending.result)
    equal(sim.state()["ids"]["kmem"], [], "what kmem takes")
    agree()

    def kill(pid):
        system.kill_daxd()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 60, "the worker to be gone")
    made_while_killed(kill)
    equal(sim.state()["ids"]["kmem"], ["dax0.0"], "what kmem takes")
    system.start_daxd()
    agree()
    equal(sim.state()["ids"]["kmem"], [], "what kmem takes")

    # refused once: not for good
    sim.fail(errno.EIO, path="*/kmem/remove_id")
    refused("Kernel", call, REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK,
            {"mode": "system-ram"})
    equal(sim.state()["ids"]["kmem"], [], "what kmem takes")
    # for good: it is said
    sim.fail(errno.EIO, path="*/kmem/remove_id", times=0)
    error = refused("RollbackFailed", call, REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}",
                    BLOCK, {"mode": "system-ram"})
    require("drivers/kmem/remove_id (EIO)" in error.message, error.message)


def killed_at_create(after, place=REGION_PATH):
    """daxd and its worker die where one makes a device, right before or right after that."""
    with sim.stopped(after, path="*/dax_region/create") as stop:
        pending = Call(place, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK, {})
        pid = stop.wait().pid
        system.kill_daxd()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 60, "the worker to be gone")
    return pending


@fresh
def whose_an_empty_device_is_is_known_over_death():
    """Nobody has survived who could tell: systemd has kept what does."""
    create_device(BLOCK)
    before = devices()
    killed_at_create(after=True)
    equal(len(devices()), len(before) + 1, "number of devices")
    system.start_daxd()
    equal(devices(), before, "devices")
    agree()

    killed_at_create(after=False)
    stranger = create()
    system.start_daxd()
    require(stranger in devices(), "an empty device of somebody else's is gone")
    equal(get(REGION_PATH, REGION_FACE, "State"), "unmanaged", "State")
    delete(stranger)
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    agree()


@fresh
def whose_an_empty_device_is_is_reported_where_nobody_knows():
    create_device(BLOCK)
    killed_at_create(after=False)
    system.notify.forget()
    stranger = create()
    system.start_daxd()
    require(stranger in devices(), "an empty device of somebody else's is gone")
    equal(get(REGION_PATH, REGION_FACE, "State"), "failed", "State")
    reason = get(REGION_PATH, REGION_FACE, "StateReason")
    require("may be a leftover" in reason and f"{stranger} empty" in reason, reason)


@fresh
def what_others_make_while_ours_is_refused_stays_theirs():
    create_device(BLOCK)
    for size in (2 * MIB, 0):
        with sim.stopped(path="*/dax_region/create") as stop:
            pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK, {})
            at = stop.wait()
            stranger = create(size) if size else create()
            sim.release(at, errno=errno.ENOMEM)
        error = refused("Kernel" if size else "RollbackFailed", pending.result)
        require(stranger in devices(), f"somebody else's device is gone: {error.message}")
        equal(device_size(stranger), size, "its size")
    require("may be a leftover" in error.message and f"{stranger} empty" in error.message,
            error.message)


@fresh
def a_region_that_comes_again_has_another_witness():
    """Nothing is said of what was made in it before."""
    region = sim.add_region(f"{LATE.size}@{LATE.start}")
    place = object_path("region", region)
    wait_until(lambda: place in managed_objects(), 30, "the region")
    call(place, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK, {})
    killed_at_create(after=True, place=place)
    sim.remove_region(region, for_good=True)
    equal(sim.add_region(f"{LATE.size}@{LATE.start}"), region, "its id")
    stranger = create(region=region)
    system.start_daxd()
    require(stranger in devices(), "an empty device of somebody else's is gone")
    reason = get(place, REGION_FACE, "StateReason")
    require("may be a leftover" in reason, reason)
    sim.remove_region(region, for_good=True)


@fresh
def what_others_bring_into_use_meanwhile_is_not_taken_for_caught():
    name = create(BLOCK, region=1)
    [start] = [extent.start for extent in device_ranges(name)]
    with sim.stopped(path="*/kmem/new_id") as stop:
        pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK,
                       {"mode": "system-ram"})
        stop.wait()
        to_kmem(name)
        set_state(start // BLOCK, "online")
    pending.result()
    equal(driver(name), "kmem", "driver of the other's device")
    equal(sim.state()["leaks"], [], "leaks")
    ask(next(other for other in shown() if other != name), "Destroy", force=True)
    set_state(start // BLOCK, "offline")
    unbind("kmem", name)
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    agree()


@fresh
def what_others_make_and_bind_meanwhile_stays_theirs():
    with sim.stopped(path="*/kmem/new_id") as stop:
        pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", BLOCK,
                       {"mode": "system-ram"})
        stop.wait()
        name = create(2 * BLOCK)
        to_kmem(name)
    pending.result()
    equal(driver(name), "kmem", "driver of the other's device")
    unbind("kmem", name)
    resize(name, 0)
    delete(name)
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    agree()


@fresh
def what_has_leaked_is_told_once():
    def leak(place):
        name = create()
        add_mapping(name, place, BLOCK)
        to_kmem(name)
        unbind("kmem", name)
        wait_until(lambda: told(name), 60, "it to be told")
        return name

    def told(name):
        return sum(f"{name} was taken out of System RAM" in line
                   for entry in entries() for line in entry)
    write(f"{MEMORY}/auto_online_blocks", "online")
    with journal() as entries:
        names = leak(FIRST.start), leak(FIRST.start + 2 * BLOCK)
        call(ROOT, MANAGER, "Refresh", "a{sv}", {})
        equal([told(name) for name in names], [1, 1], "how often they are told")
    require(all(shown()[name]["Tainted"] for name in names), "they are not shown")


@fresh
def a_worker_that_hangs_holds_up_no_other_region():
    other = object_path("region", 1)
    with sim.stopped(path="*/dax0.0/size", signal="none") as stop:
        pending = Call(REGION_PATH, REGION_FACE, "CreateDevice", "ta{sv}", 4 * MIB, {})
        at = stop.wait()
        path = call(other, REGION_FACE, "CreateDevice", "ta{sv}", 4 * MIB, {})
        equal(get(path, DEVICE_FACE, "Size"), 4 * MIB, "size of the other")
        stop.release(at)
        pending.result()
    agree()


@fresh
def offlining_can_be_cancelled():
    name = create_device(BLOCK, mode="system-ram")
    sim.block(FIRST.start // BLOCK, pinned=True)
    with Signals() as signals:
        pending = Call(object_path("device", name), DEVICE_FACE, "OfflineMemory", "a{sv}",
                       {"tag": "stuck"})
        job = signals.wait("InterfacesAdded", has=lambda args: JOB in args[1])["args"][0]
        wait_until(lambda: state_of(FIRST.start // BLOCK) == "going-offline", 60, "offlining")
        call(job, JOB, "Cancel", "a{sv}", {})
        refused("Cancelled", pending.result)
    sim.calm()
    equal(state_of(FIRST.start // BLOCK), "online", "state of the block")
    agree()


LOG_PATH, LOG = "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"


def set_log(name, value, **options):
    call(LOG_PATH, "org.freedesktop.DBus.Properties", "Set", "ssv", LOG, name, value, **options)


@contextlib.contextmanager
def journal():
    """There is a journal, and daxd's lines go to it while the block runs. Gives a function that
    returns the entries so far: lists of fields."""
    ours = None if system.journal else Journal()
    before = len(said("journal"))
    set_log("LogTarget", "journal")
    try:
        yield lambda: [ast.literal_eval(line).decode(errors="replace").splitlines()
                       for line in said("journal")[before:].splitlines()
                       if line.startswith(("b'", 'b"'))]
    finally:
        set_log("LogTarget", "console")
        if ours:
            ours.stop()
            os.unlink(Journal.SOCKET)


@fresh
def how_much_is_said_and_where_can_be_set():
    def tells_of_calls():
        before = len(said("daxd"))
        call(ROOT, MANAGER, "GetRegion", "ua{sv}", 0, {})
        return "GetRegion" in said("daxd")[before:]

    equal(get_all(LOG_PATH, LOG), {"LogLevel": "info", "LogTarget": "console",
                                   "SyslogIdentifier": "daxd"}, "the properties")
    equal(tells_of_calls(), False, "whether it tells of calls")
    set_log("LogLevel", "debug")
    equal(get(LOG_PATH, LOG, "LogLevel"), "debug", "LogLevel")
    equal(tells_of_calls(), True, "whether it tells of calls")

    for name, value in (("LogLevel", "loud"), ("LogLevel", 7), ("LogTarget", "kmsg"),
                        ("SyslogIdentifier", "other"), ("Version", "2")):
        refused("org.freedesktop.DBus.Error.InvalidArgs", set_log, name, value)
    for name, value in (("LogLevel", "info"), ("LogTarget", "console")):
        refused("org.freedesktop.DBus.Error.AccessDenied", set_log, name, value, user="daxd")
    equal(get(LOG_PATH, LOG, "LogLevel"), "debug", "LogLevel")

    if not system.journal:
        error = refused("org.freedesktop.DBus.Error.InvalidArgs", set_log, "LogTarget", "journal")
        require("where there is one" in error.message, error.message)
    with journal() as entries:
        equal(get(LOG_PATH, LOG, "LogTarget"), "journal", "LogTarget")
        equal(tells_of_calls(), False, "whether it tells of calls at its console")
        wait_until(lambda: any("GetRegion" in line for entry in entries() for line in entry), 60,
                   "the journal to be told of a call")
    set_log("LogLevel", "info")
    equal(tells_of_calls(), False, "whether it tells of calls")


@fresh
def what_becomes_of_a_layout_is_found_by_its_region():
    def entry(text):
        return wait_until(lambda: next((entry for entry in entries()
                                        if any(text in line for line in entry)), None), 60,
                          f"'{text}' in the journal")

    with kept("main", layout({"name": "one", "size": "4M"}, region=SECOND)), journal() as entries:
        sim.fail(errno.EIO, path="*/device_dax/bind", times=0)
        call(ROOT, MANAGER, "Reload", "a{sv}", {})
        failed = entry("layout main is not applied")
        undone = entry("cannot bind")
        sim.clear()
        call(ROOT, MANAGER, "Reload", "a{sv}", {})
        applied = entry("layout main is applied")
    for fields in (failed, applied):
        require("DAXD_REGION=1" in fields, fields)
        require(any(field.startswith("MESSAGE_ID=") for field in fields), fields)
    job = next(field for field in undone if field.startswith("DAXD_JOB="))
    require(job in failed, failed)


# --- layouts that are kept -----------------------------------------------------------------------

APPLIED, PLACEMENTS = "/run/daxd/applied.json", "/var/lib/daxd/placements.json"


def layout(*devices, region=FIRST, **keys):
    return json.dumps({"version": 1, "region": {"start": f"{region.start:#x}"}, **keys,
                       "devices": devices})


@contextlib.contextmanager
def kept(name, text):
    """A layout file, while the block runs. It is read by Reload, or when daxd starts."""
    path = f"/etc/daxd/layouts.d/{name}.json"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    try:
        yield
    finally:
        os.unlink(path)


def state_of_layout(name):
    return get(object_path("layout", name), LAYOUT, "State")


def restart():
    system.stop_daxd()
    system.start_daxd()
    system.wait_layouts()


@fresh
def a_layout_that_failed_is_in_sync_when_it_has_been_applied_by_hand():
    text = layout({"name": "cache", "size": "4M"})
    with kept("main", text):
        create_device(2 * MIB, label="before")
        sim.fail(errno.EIO, path="*/device_dax/bind", times=0)
        call(ROOT, MANAGER, "Reload", "a{sv}", {})
        wait_until(lambda: state_of_layout("main") == "failed", 60, "the layout to fail")
        sim.clear()
        create_device(2 * MIB, label="behind")
        equal(state_of_layout("main"), "failed", "the state after another change")
        call(ROOT, MANAGER, "ApplyLayout", "sa{sv}", text, {})
        equal(state_of_layout("main"), "in-sync", "the layout's state")
        equal(get(REGION_PATH, REGION_FACE, "State"), "in-sync", "the region's state")
        cache = next(d for d in shown().values() if d["Label"] == "cache")
        equal(cache["Ranges"], [[4 * MIB, 4 * MIB]], "where it lies")
        # as one that was applied: not again in this boot, and in the next one to the same place
        ask(cache["Name"], "Destroy")
        restart()
        equal(state_of_layout("main"), "drifted", "the state of what was destroyed")
        system.reboot(sim)
        equal({d["Label"]: d["Ranges"] for d in shown().values()},
              {"cache": [[4 * MIB, 4 * MIB]]}, "devices after a reboot")


@fresh
def why_a_layout_is_not_applied_is_said_once():
    before = len(said("daxd"))
    with kept("main", layout({"name": "one", "size": "4M"})), \
            kept("rival", layout({"name": "two", "size": "4M"})):
        call(ROOT, MANAGER, "Reload", "a{sv}", {})
        reasons = {name: get(object_path("layout", name), LAYOUT, "StateReason")
                   for name in ("main", "rival")}
        for name, other in (("main", "rival"), ("rival", "main")):
            equal(reasons[name], f"layout {other} is for region 0 too; the region is left alone "
                  "until one of them is removed", f"why {name} is not applied")
        lines = [line for line in said("daxd")[before:].splitlines() if "not applied" in line]
        equal([line.partition("layout ")[2] for line in lines],
              [f"{name} is not applied: {reason}" for name, reason in reasons.items()],
              "what is said")
    call(ROOT, MANAGER, "Reload", "a{sv}", {})


@fresh
def a_job_tells_where_it_comes_from():
    def jobs():
        return [objects[JOB] for objects in managed_objects().values() if JOB in objects]

    def job_while(begin):
        """What is shown of the job that begin() leads to."""
        with sim.stopped(path="*/device_dax/bind") as stop:
            begin()
            at = stop.wait()
            system.wait_name(60)
            job, = jobs()
            stop.release(at)
        wait_until(lambda: not jobs(), 60, "the job to end")
        return {key: job[key] for key in ("Origin", "Operation", "Tag", "Sender")}

    def reload():
        call(ROOT, MANAGER, "Reload", "a{sv}", {"tag": "mine"})

    regions = []
    with kept("main", layout({"name": "one", "size": "4M"})), \
            kept("late", layout({"name": "late", "size": "4M"}, region=LATE)):
        job = job_while(reload)
        require(re.fullmatch(r":1\.[0-9]+", job.pop("Sender")), "a job of Reload has no sender")
        equal(job, {"Origin": "bus", "Operation": "Reload", "Tag": "mine"}, "the job of Reload")

        nobody = {"Operation": "ApplyLayout", "Tag": "", "Sender": ""}
        equal(job_while(lambda: regions.append(sim.add_region("256M@0x200000000"))),
              {"Origin": "event", **nobody}, "the job of a region that comes")
        sim.remove_region(regions.pop(), for_good=True)

        ask("dax0.0", "Destroy")
        system.stop_daxd()
        os.unlink(APPLIED)
        equal(job_while(lambda: system.start_daxd(wait=False)), {"Origin": "boot", **nobody},
              "the job of the start")


@fresh
def every_change_takes_the_options_of_all_changes():
    text, options = layout({"name": "one", "size": "4M"}), {"tag": "mine", "force": True}
    call(ROOT, MANAGER, "ApplyLayout", "sa{sv}", text, {**options, "incarnation": 1})
    for method in ("Reload", "Reconcile"):
        call(ROOT, MANAGER, method, "a{sv}", {**options, "incarnation": 1})
    name = create_device(4 * MIB, **options, incarnation=1)
    own = {**options, "incarnation": shown()[name]["Incarnation"]}
    for method, signature, *argument in (
            ("Resize", "t", 8 * MIB), ("Reconfigure", ""), ("SetLabel", "s", "two"),
            ("SetMode", "s", "none"), ("Destroy", "")):
        refused("NoSuchDevice", ask, name, method, signature, *argument, **options, incarnation=1)
        ask(name, method, signature, *argument, **own)
    name = create_device(BLOCK, mode="system-ram")
    own["incarnation"] = shown()[name]["Incarnation"]
    ask(name, "OfflineMemory", **own)
    ask(name, "OnlineMemory", "s", "movable", **own)


DEVICES, REGIONS_SHOWN = (f"; 'daxdctl list{option}' or GetManagedObjects shows the {what}"
                          for option, what in (("", "devices"), (" -R", "regions")))


def files():
    """daxd's files but `owners`, where it notes what others do: {path: content}."""
    paths = [f"{folder}/{name}" for top in ("/run/daxd", "/var/lib/daxd")
             for folder, _, names in os.walk(top) for name in names if name != "owners"]
    return {path: read(path) if os.path.isfile(path) else "" for path in paths}


def told(wanted, error, function, *args, **options):
    equal(refused(error, function, *args, **options).message, wanted, "the message")


@fresh
def who_is_not_there_is_named_and_where_to_look():
    told(f"cannot get 'dax9.9': no device has this name or label{DEVICES}", "NoSuchDevice",
         call, ROOT, MANAGER, "GetDevice", "sa{sv}", "dax9.9", {})
    told(f"cannot get 'dax0.0': this device is empty (size 0){DEVICES}", "NoSuchDevice",
         call, ROOT, MANAGER, "GetDevice", "sa{sv}", "dax0.0", {})
    told(f"cannot get region 4711: no region has this number{REGIONS_SHOWN}", "NoSuchRegion",
         call, ROOT, MANAGER, "GetRegion", "ua{sv}", 4711, {})
    name = create_device(4 * MIB)
    told(f"cannot call Destroy of {name}: the one of incarnation 1 is not there any more, and the "
         f"name means another one now, of incarnation {shown()[name]['Incarnation']}{DEVICES}",
         "NoSuchDevice", ask, name, "Destroy", incarnation=1)
    ask(name, "Destroy")
    for method, *arguments in (("Resize", "t", 2 * MIB), ("SetMode", "s", "devdax"), ("Destroy",),
                               ("SetLabel", "s", "one"), ("Reconfigure",)):
        name = create_device(4 * MIB, mode="none")
        resize(name, 0)  # no event tells of it
        before = sim.state()["regions"], files()
        told(f"cannot change {name}: it is not there any more{DEVICES}", "NoSuchDevice",
             ask, name, method, *arguments)
        equal((sim.state()["regions"], files()), before, "the regions, and files")
    agree()


@fresh
def a_static_region_is_not_split():
    index = sim.add_region("256M@0x200000000,pmem")
    path, name = f"/org/daxd1/region/{index}", f"dax{index}.0"
    wait_until(lambda: name in shown(), 60, "the region")
    before = sim.state()["regions"]
    words = f"region {index}: it is static"

    def apply(method, *entries):
        return call(ROOT, MANAGER, method, "sa{sv}", json.dumps(
            {"version": 1, "region": {"kind": "pmem"}, "devices": entries}), {})

    half = {"name": "half", "size": "128M"}
    for refusal in (
            lambda: call(path, REGION_FACE, "CreateDevice", "ta{sv}", 2 * MIB, {}),
            lambda: ask(name, "Resize", "t", 2 * MIB), lambda: ask(name, "Destroy"),
            lambda: ask(name, "Reconfigure", mode="none", align=4096),
            lambda: apply("ApplyLayout", half)):
        message = refused("StaticRegion", refusal).message
        require(words in message, message)
    plan = json.loads(apply("PlanLayout", half))
    equal((plan["refusal"]["error"], plan["steps"]), ("StaticRegion", []), "the refusal, and steps")
    require(words in plan["refusal"]["message"], plan)
    equal(sim.state()["regions"], before, "the regions")

    # just the mode can be changed
    for mode in ("none", "system-ram", "none", "devdax"):
        ask(name, "SetMode", "s", mode, force=True)
        equal(shown()[name]["Mode"], mode, "Mode")
    equal(sim.state()["regions"], before, "the regions")
    agree()
    sim.remove_region(index, for_good=True)


@fresh
def nothing_is_applied_while_it_is_not_known_where_devices_lay():
    with kept("main", layout({"name": "cache", "size": "4M"})):
        if os.path.lexists(PLACEMENTS):
            os.unlink(PLACEMENTS)
        os.symlink("/dev/null", PLACEMENTS)
        restart()
        equal(state_of_layout("main"), "pending", "the state")
        result, = json.loads(call(ROOT, MANAGER, "Reconcile", "a{sv}", {}))["layouts"]
        require("cannot be read" in result["message"], result)
        equal(os.readlink(PLACEMENTS), "/dev/null", "where the link leads")
        equal(shown(), {}, "devices")
        os.unlink(PLACEMENTS)
        call(ROOT, MANAGER, "Reload", "a{sv}", {})
        wait_until(lambda: state_of_layout("main") == "in-sync", 60, "the layout to be applied")


@fresh
def what_cannot_be_read_of_what_was_applied_is_set_aside():
    daxd = pwd.getpwnam("daxd")
    for text in ('{"version": 2, "applied": "by a newer daxd"}', "{"):
        system.stop_daxd()
        with open(APPLIED, "w", encoding="utf-8") as file:
            file.write(text)
        os.chown(APPLIED, daxd.pw_uid, daxd.pw_gid)
        system.start_daxd()
        equal(read(f"{APPLIED}.damaged"), text, "what was set aside")
    equal(said("daxd").count(f"set aside as {APPLIED}.damaged"), 2, "lines about it")


@test
def ids_change_with_a_reboot():
    system.reboot(sim, reversed_ids=True)
    equal(get(REGION_PATH, REGION_FACE, "Size"), SECOND.size, "size of region 0")
    agree()


@test
def nobody_has_complained():
    system.stop_daxd()
    check_logs()


main()
