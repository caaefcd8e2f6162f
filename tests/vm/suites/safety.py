# SPDX-License-Identifier: LGPL-2.1-or-later
"""No leak, no device taken from its holder, no one's memory to another, no right to strangers.

Needs dax_hmem.region_idle=Y.
"""

import stat

from truth import *

FIRST, SECOND = REGIONS[:2]
SECRET = b"the secret of the last owner"
ELSEWHERE = "/var/tmp/node-made-elsewhere"


def pattern_in(name):
    """Where the secret is found in a device's memory, read as its next owner would."""
    mode = get(dev(name), DEVICE, "Mode")
    if mode != "devdax":
        ask(dev(name), "SetMode", "devdax", wipe=False, force=True)
    with Node(name) as node:
        return node.find(SECRET)


def leave_secret(name):
    with Node(name) as node:
        node.fill(SECRET)


def leave_secret_in_system_ram():
    """As a process on the memory of a system-ram device: the movable zone is used up first."""
    memory = mmap.mmap(-1, BLOCK, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    chunk = (SECRET * (MIB // len(SECRET) + 1))[:MIB]
    for at in range(0, BLOCK, MIB):
        memory[at:at + MIB] = chunk
    memory.close()


# For somebody else: a device's node can be mapped, and not read.
FINDER = """
import mmap, os, sys
path, size, pattern = sys.argv[1:]
node = os.open(path, os.O_RDONLY)
print(mmap.mmap(node, int(size), prot=mmap.PROT_READ).find(pattern.encode()))
"""


# --- the leak until reboot


@clean_test
def online_memory_is_not_leaked():
    name = create(FIRST, 2 * BLOCK, mode="system-ram", label="ram")
    leaves = {"SetMode": ("devdax",), "Destroy": (), "Resize": (BLOCK,)}
    for method, args in leaves.items():
        with Unchanged():
            error = refused("MemoryOnline", ask, dev(name), method, *args)
            require("force" in error.message and name in error.message, error.message)
    with Unchanged():
        refused("MemoryOnline", ask, dev(name), "Reconfigure", mode="none", size=BLOCK)
    ask(dev(name), "Resize", BLOCK, force=True)
    equal((device_size(name), driver(name)), (BLOCK, "kmem"), "size and driver after shrinking")
    equal([b.state for b in memory_blocks(*FIRST)], ["online"], "blocks after shrinking")
    ask(dev(name), "SetMode", "devdax", force=True)
    equal((driver(name), memory_blocks(*FIRST)), ("device_dax", []), "driver and blocks")
    ask(dev(name), "SetMode", "system-ram")
    ask(dev(name), "Destroy", force=True)
    equal(memory_blocks(*FIRST), [], "blocks after Destroy")
    agree()
    require_sound()


def begin_offlining(name):
    """OfflineMemory, which will not end as long as the memory is pinned: when the kernel is at it."""
    blocks = [f"{MEMORY}/{block.name}/state" for block in memory_blocks(*device_ranges(name)[0])]
    offlined = begin(dev(name), "OfflineMemory")
    wait_until(lambda: "going-offline" in map(read, blocks), 30, "a block that does not go")
    return offlined


@clean_test
def stopping_in_the_middle_leaves_the_memory_as_it_was():
    name = create(FIRST, 2 * BLOCK, mode="system-ram", label="ram")
    before = kernel_state()
    with Pinned(*device_ranges(name)):
        offlined = begin_offlining(name)
        run("systemctl", "stop", "daxd.service")
        refused("Cancelled", offlined.result)
        equal(difference(before, kernel_state()), {}, "what changed")
    equal(os.listdir("/run/daxd/transactions"), [], "records of transactions")
    equal((unit_state("daxd.service"), run("systemctl", "show", "-P", "Result", "daxd.service").strip()),
          ("inactive", "success"), "state and result of the unit")
    run("systemctl", "start", "daxd.service")
    await_daxd()
    require_same({"Label": "ram", "OnlineBlocks": 2}, agree()[name], name)
    require_sound()


# --- holders


@clean_test
def device_in_use_is_taken_by_force_only():
    name = create(FIRST, 4 * MIB, label="held")
    takes = {"Destroy": (), "SetMode": ("none",), "Resize": (2 * MIB,)}
    os.mknod(ELSEWHERE, stat.S_IFCHR | 0o600, os.stat(f"/dev/{name}").st_rdev)
    for path, mapped in ((None, True), (None, False), (ELSEWHERE, False)):
        node = Node(name, path)
        if mapped:
            os.close(node.fd)
        else:
            node.map.close()
        with Unchanged():
            for method, args in takes.items():
                error = refused("InUse", ask, dev(name), method, *args)
                require("GetHolders" in error.message and "force" in error.message, error.message)
                # who it is, is not for everybody who hears of the job's end
                require(str(os.getpid()) not in error.message, error.message)
        equal(ask(dev(name), "GetHolders"), [[os.getpid(), "python3"]], "GetHolders")
        if mapped:
            node.map.close()
        else:
            os.close(node.fd)
    os.unlink(ELSEWHERE)
    with Node(name):
        ask(dev(name), "SetMode", "none", force=True)
        equal(driver(name), None, "driver after SetMode with force")
    ask(dev(name), "Destroy")


@clean_test
def layouts_do_not_take_what_is_in_use():
    name = create(FIRST, 4 * MIB, label="held")
    stays = create(FIRST, 4 * MIB)
    with Node(stays):
        promised = json.loads(ask(ROOT, "PlanLayout", layout(
            FIRST, {"name": "held", "size": "4M"}, prune="idle")))
        equal([entry["action"] for entry in promised["devices"] if entry["name"] == stays],
              ["keep"], "what the plan says of the device that is in use")
        plan = apply(layout(FIRST, {"name": "held", "size": "4M"}, prune="idle"),
                     expect=promised["digest"])
        equal([entry["action"] for entry in plan["devices"] if entry["name"] == stays], ["keep"],
              "action for the device that is in use")
    apply(layout(FIRST, {"name": "held", "size": "4M"}, prune="idle"))
    equal([p["Name"] for p in agree().values() if p["Region"] == reg(FIRST)], [name], "devices")


# --- one owner's memory


@clean_test
def secret_does_not_pass_to_another_label():
    name = create(FIRST, 8 * MIB, label="a")
    place = device_ranges(name)
    leave_secret(name)
    ask(dev(name), "Destroy")
    name = create(FIRST, 8 * MIB, label="b")
    equal(device_ranges(name), place, "ranges of the next device")
    equal(pattern_in(name), -1, "where b finds the secret of a")
    # A new label for the same device is not a new owner: naming it must not cost what is in it.
    leave_secret(name)
    ask(dev(name), "SetLabel", "c")
    equal(pattern_in(name), 0, "where c finds its own memory")


@clean_test
def same_label_on_the_same_memory_keeps_it():
    name = create(FIRST, 8 * MIB, label="a")
    place = [[0, 8 * MIB]]
    leave_secret(name)
    ask(dev(name), "Destroy")
    name = create(FIRST, 8 * MIB, label="a", ranges=place)
    equal(pattern_in(name), 0, "where a finds its own")
    ask(dev(name), "Destroy")
    name = create(FIRST, 8 * MIB, label="a", ranges=place, wipe=True)
    equal(pattern_in(name), -1, "where a finds it after wipe")
    leave_secret(name)
    ask(dev(name), "Destroy")
    name = create(FIRST, 8 * MIB, label="b", ranges=place, wipe=False)
    equal(pattern_in(name), 0, "where b finds it with wipe=false")


@clean_test
def secret_does_not_pass_from_system_ram():
    name = create(FIRST, BLOCK, mode="system-ram", label="ram")
    leave_secret_in_system_ram()
    ask(dev(name), "SetMode", "devdax", force=True, wipe=False)
    require(pattern_in(name) >= 0, "the secret was never in the device's memory: no test")
    ask(dev(name), "SetMode", "system-ram")
    leave_secret_in_system_ram()
    # The label stays: but it was the memory of all processes.
    ask(dev(name), "SetMode", "devdax", force=True)
    equal(pattern_in(name), -1, "where the device in devdax mode finds the secret")
    ask(dev(name), "SetMode", "system-ram")
    leave_secret_in_system_ram()
    ask(dev(name), "Destroy", force=True)
    name = create(FIRST, BLOCK, label="next")
    equal(pattern_in(name), -1, "where the next device finds the secret")


@clean_test
def secret_does_not_pass_by_shrinking_and_growing():
    name = create(FIRST, 16 * MIB, label="giver")
    leave_secret(name)
    ask(dev(name), "Resize", 4 * MIB)
    with Node(name) as node:
        equal(node.find(SECRET), 0, "where the giver finds its own")
    taker = create(FIRST, 4 * MIB, label="taker")
    equal(pattern_in(taker), -1, "where the taker finds it")
    ask(dev(taker), "Resize", 12 * MIB)
    equal(pattern_in(taker), -1, "where the taker finds it after growing")


@clean_test
def secret_does_not_pass_through_a_layout():
    name = create(FIRST, 8 * MIB, label="old")
    leave_secret(name)
    ask(dev(name), "Destroy")
    apply(layout(FIRST, {"name": "new", "size": "8M", "access": {"group": "alice", "mode": "0660"}}))
    settle()
    equal(device_ranges(name), [Extent(FIRST.start, 8 * MIB)], "ranges of new")
    find = ("python3", "-c", FINDER, "/dev/dax/by-name/new", 8 * MIB, SECRET.decode())
    equal(as_alice(*find).stdout, "-1\n", "where alice finds the secret")
    leave_secret(name)
    equal(as_alice(*find).stdout, "0\n", "where alice finds it when it is there")


@clean_test
def secret_does_not_pass_when_wiping_is_cut_off():
    for victim in ("daxd-worker", "daxd"):
        name = create(FIRST, 256 * MIB, label="a")
        leave_secret(name)
        ask(dev(name), "Destroy")
        writes = Writes()
        made = begin(reg(FIRST), "CreateDevice", 256 * MIB, label="b")
        writes.wait("device_dax/bind")
        for pid in daxd_pids(victim):
            os.kill(pid, signal.SIGKILL)
        try:
            name = name_of(made.result())
        except DBusError as error:
            say(error)
            await_daxd()
            equal(agree(), {}, f"devices after {victim} was killed")
            name = create(FIRST, 256 * MIB, label="b")
        equal(device_ranges(name)[0].start, FIRST.start, "start of b")
        equal(pattern_in(name), -1, f"where b finds the secret after {victim} was killed")
        clean(FIRST)


# --- names and access follow the memory


@clean_test
def label_and_access_follow_the_memory_and_not_the_name():
    apply(layout(FIRST, {"name": "base", "size": "2M"},
                 {"name": "cache", "size": "8M", "access": {"group": "alice", "mode": "0660"}}))
    name = name_of(ask(ROOT, "GetDevice", "cache"))
    link = "/dev/dax/by-name/cache"
    settle()
    equal(os.path.realpath(link), f"/dev/{name}", "the link")
    equal(os.stat(f"/dev/{name}").st_gid, 1000, "group of the node")
    # What daxctl destroy-device and create-device do, with other memory under the same name.
    write(f"{BUS}/drivers/device_dax/unbind", name)
    write(device(name, "size"), 0)
    write(dax_region(f"dax{region_at(FIRST)}.0", "delete"), name)
    write(dax_region(f"dax{region_at(FIRST)}.0", "create"), 1)
    require(name in devices(), f"the kernel did not use the name {name} again")
    write(device(name, "mapping"), f"{FIRST.start + 64 * MIB:x}-{FIRST.start + 72 * MIB - 1:x}")
    write(f"{BUS}/drivers/device_dax/bind", name)
    run("udevadm", "trigger", "--action=change", "--subsystem-match=dax")
    settle()
    require(not os.path.lexists(link), f"{link} leads to {os.path.realpath(link)}")
    status = os.stat(f"/dev/{name}")
    equal((status.st_mode & 0o777, status.st_gid), (0o600, 0), "mode and group of the foreign node")
    equal(unit_state("dev-dax-by\\x2dname-cache.device"), "inactive", "the device unit")
    wait_until(lambda: managed_objects().get(dev(name), {}).get(DEVICE, {}).get("Label") == "", 60,
               "the label to be gone")
    agree()
    ask(ROOT, "Refresh")


# --- strangers

DESCRIPTION = "/usr/share/dbus-1/interfaces/org.daxd1.xml"
LAYOUT_FILE = "/etc/daxd/layouts.d/safety.json"


def methods_in(xml):
    """(interface, method, signature) of what a description has of daxd's."""
    for interface in re.findall(r'<interface name="(org\.daxd1[^"]*)">(.*?)</interface>', xml, re.S):
        for method in re.findall(r'<method name="(\w+)"(?:/>|>(.*?)</method>)', interface[1], re.S):
            types = re.findall(r'<arg (?=[^>]*direction="in")[^>]*type="([^"]*)"', method[1])
            yield interface[0], method[0], "".join(types)


def all_methods():
    """(path, interface, method, signature) of all that daxd serves, by introspection."""
    for path in [ROOT, *managed_objects()]:
        for found in methods_in(call(path, "org.freedesktop.DBus.Introspectable", "Introspect")):
            yield path, *found


# For whoever asks: they only read, and show no address.
OPEN = ("Describe", "Refresh", "PlanLayout", "GetDevice", "GetRegion")
VALUES = {"CreateDevice": (2 * MIB,), "Resize": (2 * MIB,), "SetMode": ("none",),
          "OnlineMemory": ("movable",), "SetLabel": ("stolen",), "RemoveLayout": ("main",)}


def values_for(method, signature, text):
    if method in VALUES:
        return (*VALUES[method], {})
    kinds = {"s": text, "u": 0, "t": 2 * MIB, "b": True, "a{sv}": {}}
    return tuple(kinds[kind] for kind in single_types(signature))


LOCKER = """
import fcntl, os, sys
locked = 0
for path in sys.argv[1:]:
    try:
        fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX)
        locked += 1
    except PermissionError:
        continue
print(locked, flush=True)
sys.stdin.read()
"""


@clean_test
def locks_of_a_stranger_stop_nobody():
    """Whatever alice may open she may lock: folders and attributes in sysfs as well."""
    create(FIRST, 4 * MIB, label="first")
    name = create(FIRST, 6 * MIB, label="cache", ranges=[(64 * MIB, 4 * MIB), (32 * MIB, 2 * MIB)])
    folder = os.path.dirname(os.path.realpath(device(name)))
    places = [folder, *(f"{folder}/{path}" for path in (
        "dax_region", "dax_region/create", "dax_region/seed", name, f"{name}/size")), "/run/daxd",
        *(f"/run/daxd/{path}" for path in ("lock", "regions.lock", "auto-online.lock", "names"))]
    with subprocess.Popen(["python3", "-c", LOCKER, *places], user="alice", group="alice",
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as alice:
        require(int(alice.stdout.readline()) >= 6, "alice could not lock anything")
        ask(dev(name), "Resize", 4 * MIB)
        ask(dev(name), "SetLabel", "other")
        ask(ROOT, "Refresh")
        ask(dev(name), "Destroy")
        ask(dev(create(FIRST, 2 * MIB, label="cache")), "Destroy")
        alice.stdin.close()
    agree()


def all_kinds_of_objects():
    """Makes devices, a layout and a job; returns the job's call and the workers that hold it up."""
    create(FIRST, 4 * MIB, label="mine")
    create(FIRST, BLOCK, mode="system-ram", label="ram")
    with open(LAYOUT_FILE, "w") as file:
        file.write(layout(SECOND, {"name": "other", "size": "2M"}))
    ask(ROOT, "Reload")
    wait_until(lambda: any(LAYOUT in shown for shown in managed_objects().values()), 30, "a layout")
    await_daxd()
    workers = daxd_pids("daxd-worker")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    making = begin(reg(FIRST), "CreateDevice", 64 * MIB)
    wait_until(lambda: any(JOB in shown for shown in managed_objects().values()), 30, "a job")
    return making, workers


@clean_test
def stranger_is_refused_everything():
    making, workers = all_kinds_of_objects()
    try:
        with Unchanged():
            writes = Writes()
            refuse_every_method()
            refuse_every_property()
            equal(writes.seen(), [], "files written")
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
        os.unlink(LAYOUT_FILE)
    making.result()
    ask(ROOT, "Reload")


def refuse_every_method():
    text = layout(FIRST, {"name": "stolen", "size": "2M"}, prune="idle")
    tried = set()
    for path, interface, method, signature in list(all_methods()):
        if method in OPEN:
            continue
        try:
            call(path, interface, method, signature, *values_for(method, signature, text),
                 user="alice")
        except DBusError as error:
            require(error.name in DENIED, f"{path} {method}: {error}")
            tried.add((interface, method))
        else:
            fail(f"alice was not refused {method} of {path}")
    equal(sorted(tried), sorted((interface, method)
                                for interface, method, _ in methods_in(read(DESCRIPTION))
                                if method not in OPEN), "the methods that were tried")


def refuse_every_property():
    for path, interfaces in managed_objects().items():
        for interface, properties in interfaces.items():
            for name, value in list(properties.items())[:2]:
                kind = guess(value) if isinstance(value, (bool, int, str)) else "s"
                result = as_alice("busctl", "set-property", DAXD, path, interface, name, kind,
                                  str(value).lower() or "x")
                require(result.returncode, f"alice set {name} of {path}")


@test
def stranger_does_not_control_the_log():
    with Unchanged():
        for name, value in {"LogLevel": "debug", "LogTarget": "console"}.items():
            result = as_alice("busctl", "set-property", DAXD, "/org/freedesktop/LogControl1",
                              "org.freedesktop.LogControl1", name, "s", value)
            require(result.returncode, f"alice set {name}")


def addresses():
    """What nobody but root may read, as a regular expression: starts of regions and devices, and the
    numbers of memory blocks, which are addresses as well."""
    starts = {extent.start for extent in REGIONS}
    starts |= {r.start for name in devices() for r in device_ranges(name)}
    words = [word for start in starts for word in (str(start), f"{start:x}")]
    words += [f"memory{start // BLOCK}" for start in starts]
    return re.compile(r"(?<![0-9a-f])(?:0x)?0*(?:" + "|".join(words) + r")(?![0-9a-f])", re.I)


@clean_test
def stranger_sees_no_address():
    mine = dev(create(FIRST, 4 * MIB, label="mine"))
    ram = create(FIRST, BLOCK, mode="system-ram", label="ram")
    secret = addresses()
    require(secret.search(json.dumps(ask(ROOT, "Describe"))), "root is shown no address: no test")
    text = layout(FIRST, {"name": "x", "size": "rest"}).replace(hex(FIRST.start), "0x900000000")
    by_kind = json.dumps({"version": 1, "region": {"size": FIRST.size}, "prune": "idle",
                          "devices": [{"name": "x", "size": "256M", "mode": "system-ram"}]})
    seen = [json.dumps(managed_objects(user="alice")), ask(ROOT, "Describe", user="alice")]
    for ask_alice in (lambda: ask(ROOT, "PlanLayout", by_kind, user="alice"),
                      lambda: ask(ROOT, "PlanLayout", text, user="alice"),
                      lambda: ask(reg(FIRST), "GetResource", user="alice"),
                      lambda: ask(mine, "Destroy", user="alice")):
        try:
            seen.append(str(ask_alice()))
        except DBusError as error:
            require(error.name != UNKNOWN_OBJECT, str(error))
            seen.append(str(error))
    with Signals() as signals:
        with Pinned(*device_ranges(ram)):
            offlined = begin_offlining(ram)
            ask(signals.wait("InterfacesAdded", has=lambda args: JOB in args[1])["args"][0], "Cancel")
            refused("Cancelled", offlined.result)
        name = create(SECOND, BLOCK, mode="system-ram", tag="seen")
        ask(dev(name), "SetMode", "devdax", force=True, tag="seen-too")
        refused("MemoryOnline", ask, dev(ram), "Destroy")
        signals.wait("Finished", path=job_of(signals, "seen-too"))
        seen.append(json.dumps(signals.seen))
    # Only root reads the journal here; elsewhere it is handed on to others.
    log = journal("daxd.service")
    require("OfflineMemory" in log, f"daxd has logged nothing of what was cancelled:\n{log}")
    for what in [*seen, log]:
        found = secret.search(what)
        if found:
            around = what[max(0, found.start() - 60):found.end() + 20]
            fail(f"alice is shown {found[0]}: …{around}…")


@clean_test
def leak_of_a_foreign_agent_is_seen_and_kept_out_of():
    name = create(SECOND, BLOCK, mode="system-ram")
    place = device_ranges(name)[0]
    write(f"{BUS}/drivers/kmem/unbind", name)
    equal(leaked(), [block.name for block in memory_blocks(*place)], "leaked blocks")
    wait_until(lambda: get(dev(name), DEVICE, "Tainted"), 60, "Tainted")
    wait_until(lambda: f"{name} was taken out of System RAM" in journal("daxd.service"), 60,
               "it to be told")
    state = kernel_state()
    for method, args in {"SetMode": ("devdax",), "Destroy": (), "Resize": (2 * BLOCK,)}.items():
        error = refused("Tainted", ask, dev(name), method, *args, force=True)
        require("reboot" in error.message, error.message)
    equal(difference(state, kernel_state()), {}, "what changed")
    # Though the kernel would hand the memory out again.
    write(device(name, "size"), 0)
    ask(ROOT, "Refresh")
    other = create(SECOND, 0, all=True)
    require(all(start + size <= place.start or start >= place.start + place.size
                for start, size in device_ranges(other)), f"{other} has leaked memory")
    ask(dev(other), "Destroy")


@test
def nothing_is_leaked_by_daxd():
    log = run("dmesg")
    equal(log.count("cannot be hotremoved"), 1, "leaks (one was the foreign agent's)")
    equal(len(leaked()), 1, "leaked blocks (one was the foreign agent's)")


ready()
main()
