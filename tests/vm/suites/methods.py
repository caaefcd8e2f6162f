# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every method does what the contract says, and daxd, daxctl and the kernel agree after each.

Needs dax_hmem.region_idle=Y and memory_hotplug.memmap_on_memory=Y. What is refused is in
bad_input.py.
"""

from truth import *

FIRST, SECOND = REGIONS[:2]
COMMITTED = "8b2b2e1c6c2a4f0f9f6a7d1d5a3c9e03"  # a MESSAGE_ID


def shown(name):
    """A device's properties, after daxd, daxctl and the kernel have been found to agree."""
    return agree()[name]


def expect(name, **wanted):
    require_same(wanted, shown(name), name)


@test
def what_was_done_by_hand_is_seen_after_refresh():
    # suites before this one do it; a write to size is no event, so daxd may have seen half of it
    ask(ROOT, "Refresh")
    agree()


@clean_test
def manager_tells_of_the_machine():
    properties = get_all(ROOT, MANAGER)
    require(re.fullmatch(r"[0-9][0-9a-z.~+-]*", properties["Version"]), properties["Version"])
    equal(properties["MemoryBlockSize"], BLOCK, "MemoryBlockSize")
    equal(properties["AutoOnline"], read(f"{MEMORY}/auto_online_blocks"), "AutoOnline")
    for option in ("tag", "incarnation", "force", "expect", "ranges", "memmap-on-memory", "wipe"):
        require(any(option in feature for feature in properties["Features"]),
                f"{option} is not in Features: {properties['Features']}")


@clean_test
def regions_are_found_by_id():
    for extent in REGIONS:
        equal(ask(ROOT, "GetRegion", region_at(extent)), reg(extent), "GetRegion")
        equal(ask(reg(extent), "GetResource"), list(extent), "GetResource")
        aligns = get(reg(extent), REGION, "SupportedAligns")
        equal(aligns, [4096, 2 * MIB, GIB], "SupportedAligns")
    agree()


@clean_test
def devices_are_created_with_signals_and_a_tagged_job():
    with Signals() as signals:
        name = create(FIRST, 64 * MIB, tag="the-tag", label="one")
        added = signals.wait("InterfacesAdded", has=lambda args: args[0] == dev(name))
        equal(added["args"][1][DEVICE]["Size"], 64 * MIB, "Size in InterfacesAdded")
        changed = signals.wait("PropertiesChanged", path=reg(FIRST),
                              has=lambda args: "AvailableSize" in args[1])
        equal(changed["args"][1]["AvailableSize"], FIRST.size - 64 * MIB, "AvailableSize in the signal")
        job = job_of(signals, "the-tag")
        added = signals.wait("InterfacesAdded", has=lambda args: args[0] == job)
        require_same({"Operation": "CreateDevice", "Origin": "bus", "Uid": 0}, added["args"][1][JOB],
                     "the job")
        equal(signals.wait("Finished", path=job)["args"][0], "done", "result of the job")
        signals.wait("InterfacesRemoved", has=lambda args: args[0] == job and JOB in args[1])
    require_same({"MESSAGE_ID": COMMITTED, "DAXD_REGION": str(region_at(FIRST)),
                  "DAXD_DEVICE": name, "DAXD_UID": "0", "PRIORITY": "6"}, logged(job),
                 "the line in the journal")
    run("journalctl", "--update-catalog")
    require("A dax region was changed" in run("journalctl", "--list-catalog", COMMITTED),
            "the journal's catalog does not know it")
    expect(name, Label="one", Size=64 * MIB, Mode="devdax", Align=2 * MIB, Ranges=[[0, 64 * MIB]])
    equal(ask(ROOT, "GetDevice", name), dev(name), "GetDevice by name")
    equal(ask(ROOT, "GetDevice", "one"), dev(name), "GetDevice by label")
    with Signals() as signals:
        ask(dev(name), "Destroy")
        signals.wait("InterfacesRemoved", has=lambda args: args[0] == dev(name) and DEVICE in args[1])
    require(name.endswith(".0") or name not in devices(), f"{name} is still there")
    agree()


@clean_test
def the_first_device_is_emptied_and_used_again():
    first = f"dax{region_at(FIRST)}.0"
    equal(create(FIRST, 2 * MIB), first, "the device that a fresh region gives")
    other = create(FIRST, 2 * MIB)
    incarnation = shown(first)["Incarnation"]
    ask(dev(first), "Destroy")
    equal((device_size(first), driver(first)), (0, None), f"size and driver of {first}")
    refused(UNKNOWN_OBJECT, ask, dev(first), "Destroy")
    equal(create(FIRST, 2 * MIB), first, "the device that is made again")
    require(shown(first)["Incarnation"] != incarnation, "its Incarnation was used again")
    refused("NoSuchDevice", ask, dev(first), "Destroy", incarnation=incarnation)
    ask(dev(first), "Destroy", incarnation=shown(first)["Incarnation"])
    ask(dev(other), "Destroy")


@clean_test
def create_takes_each_of_its_options():
    ranges = [[512 * MIB, 4 * MIB], [256 * MIB, 2 * MIB]]
    name = create(FIRST, 6 * MIB, ranges=ranges, align=4096, mode="none", wipe=False, label="r")
    expect(name, Ranges=ranges, Align=4096, Mode="none", Label="r")
    everything = create(FIRST, 0, all=True)
    expect(everything, Size=FIRST.size - 6 * MIB)
    equal(get(reg(FIRST), REGION, "AvailableSize"), 0, "AvailableSize")
    clean(FIRST)
    expect(create(FIRST, GIB, align=GIB), Align=GIB, Size=GIB)
    clean(FIRST)
    expect(create(FIRST, 2 * MIB), Size=2 * MIB)
    for online, blocks, movable in (("movable", 1, True), ("offline", 0, False)):
        name = create(FIRST, BLOCK, mode="system-ram", online=online)
        expect(name, Mode="system-ram", OnlineBlocks=blocks, TotalBlocks=1, Movable=movable)
        equal(shown(name)["Ranges"][0][0] % BLOCK, 0, "how far it is off a memory block")


@clean_test
def memmap_on_memory_is_set_where_there_is_such_a_thing():
    if KERNEL == "6.1":
        with Unchanged():
            error = refused("NotSupported", create, FIRST, BLOCK, mode="system-ram",
                            memmap_on_memory=True)
            require("6.8" in error.message, error.message)
        return
    for wanted in (True, False):
        name = create(FIRST, 2 * BLOCK, mode="system-ram", memmap_on_memory=wanted)
        expect(name, MemmapOnMemory=wanted, OnlineBlocks=2, Movable=True)
        ask(dev(name), "Reconfigure", memmap_on_memory=not wanted, force=True)
        expect(name, MemmapOnMemory=not wanted, OnlineBlocks=2, Movable=True)
        ask(dev(name), "Destroy", force=True)
    apply(layout(FIRST, {"name": "m", "size": BLOCK, "mode": "system-ram",
                         "memmap-on-memory": True}))
    equal([p["MemmapOnMemory"] for p in agree().values()], [True], "MemmapOnMemory")


@clean_test
def resize_grows_and_shrinks():
    name = create(FIRST, 64 * MIB, label="a")
    with Signals() as signals:
        ask(dev(name), "Resize", 128 * MIB)
        signals.wait("PropertiesChanged", path=dev(name),
                    has=lambda args: args[1].get("Size") == 128 * MIB)
    expect(name, Ranges=[[0, 128 * MIB]], Mode="devdax", Label="a")
    wall = create(FIRST, 2 * MIB, label="wall")
    ask(dev(name), "Resize", 192 * MIB)
    expect(name, Size=192 * MIB, Label="a", Mode="devdax")
    ask(dev(name), "Resize", 64 * MIB)
    expect(name, Ranges=[[0, 64 * MIB]])
    # To the end of all that there is, in as many ranges as it takes.
    ask(dev(name), "Resize", FIRST.size - 2 * MIB)
    expect(name, Size=FIRST.size - 2 * MIB)
    equal(get(reg(FIRST), REGION, "AvailableSize"), 0, "AvailableSize")
    expect(wall, Size=2 * MIB)


@clean_test
def growing_past_a_hole_stays_behind_the_device():
    # The kernel would take the first hole of the region.
    hole = create(FIRST, 128 * MIB)
    name = create(FIRST, 64 * MIB, label="behind")
    ask(dev(hole), "Destroy")
    ask(dev(name), "Resize", 256 * MIB)
    expect(name, Ranges=[[128 * MIB, 256 * MIB]], Label="behind")


@clean_test
def reconfigure_changes_several_things_at_once():
    name = create(FIRST, 64 * MIB, label="x")
    ask(dev(name), "Reconfigure", size=2 * BLOCK, mode="system-ram", online="movable")
    expect(name, Size=2 * BLOCK, Mode="system-ram", OnlineBlocks=2, Movable=True, Label="x")
    ask(dev(name), "Reconfigure", online="offline")
    expect(name, OnlineBlocks=0, TotalBlocks=2)
    ask(dev(name), "Reconfigure", size=4 * MIB, mode="devdax", align=4096)
    expect(name, Size=4 * MIB, Mode="devdax", Align=4096, TotalBlocks=0)
    ranges = [[300 * MIB, 2 * MIB], [0, 4 * MIB]]
    ask(dev(name), "Reconfigure", ranges=ranges, align=2 * MIB)
    expect(name, Ranges=ranges, Align=2 * MIB, Mode="devdax", Label="x")
    with Unchanged():
        ask(dev(name), "Reconfigure", mode="devdax", size=6 * MIB)
        ask(dev(name), "Reconfigure")


@clean_test
def modes_follow_each_other():
    name = create(FIRST, BLOCK)
    for mode in ("none", "system-ram", "none", "devdax", "system-ram", "devdax"):
        online = sum(block.state == "online" for block in memory_blocks(*FIRST))
        ask(dev(name), "SetMode", mode, force=online > 0)
        expect(name, Mode=mode, OnlineBlocks=1 if mode == "system-ram" else 0)
        with Unchanged():
            ask(dev(name), "SetMode", mode)
    equal(read(f"{MEMORY}/auto_online_blocks"), "offline" if KERNEL == "6.1" else "online",
          "auto_online_blocks")
    require_sound()


@clean_test
def memory_goes_online_and_offline():
    name = create(FIRST, 2 * BLOCK, mode="system-ram", online="offline")
    with Signals() as signals:
        ask(dev(name), "OnlineMemory", "movable")
        signals.wait("PropertiesChanged", path=dev(name),
                    has=lambda args: args[1].get("OnlineBlocks") == 2)
    expect(name, OnlineBlocks=2, Movable=True)
    with Unchanged():
        ask(dev(name), "OnlineMemory", "movable")
    ask(dev(name), "OfflineMemory")
    expect(name, OnlineBlocks=0, TotalBlocks=2, Mode="system-ram")
    with Unchanged():
        ask(dev(name), "OfflineMemory")


@clean_test
def labels_come_and_go():
    name = create(FIRST, 2 * MIB)
    for label in ("first", "other.label_2", ""):
        with Signals() as signals:
            ask(dev(name), "SetLabel", label)
            signals.wait("PropertiesChanged", path=dev(name),
                        has=lambda args: args[1].get("Label") == label)
        settle()
        links = os.listdir("/dev/dax/by-name") if os.path.isdir("/dev/dax/by-name") else []
        equal(links, [label] if label else [], "links")
        expect(name, Label=label)


@clean_test
def holders_are_told():
    name = create(FIRST, 4 * MIB)
    equal(ask(dev(name), "GetHolders"), [], "holders of a device that nobody has open")
    with Node(name) as node:
        equal(ask(dev(name), "GetHolders"), [[os.getpid(), "python3"]], "holders: open and mapped")
        os.close(node.fd)
        equal(ask(dev(name), "GetHolders"), [[os.getpid(), "python3"]], "holders: only mapped")
        node.fd = os.open("/dev/null", os.O_RDONLY)
    equal(ask(dev(name), "GetHolders"), [], "holders after it was closed")


def without(dictionary, *keys):
    return {key: value for key, value in dictionary.items() if key not in keys}


def described_devices(region):
    """A region's devices by name. Their mappings are sorted: daxctl has them backwards."""
    return {d["chardev"]: {**d, "mappings": sorted(d["mappings"], key=lambda m: m["page_offset"])}
            for d in region.get("devices", [])}


@clean_test
def describe_has_what_daxctl_prints():
    create(FIRST, 6 * MIB, ranges=[[512 * MIB, 4 * MIB], [256 * MIB, 2 * MIB]], label="seen")
    create(FIRST, 2 * BLOCK, mode="system-ram")
    create(SECOND, BLOCK, mode="system-ram", online="offline")
    unbound = create(SECOND, 2 * MIB, mode="none")
    described = json.loads(ask(ROOT, "Describe"))
    require_same({"memory_block_size": BLOCK, "auto_online": read(f"{MEMORY}/auto_online_blocks")},
                 described, "what is said of the machine")
    listed = daxctl_list()
    for by_daxd in described["regions"], json.loads(run("daxdctl", "list", "-RDM")):
        equal(sorted(r["id"] for r in by_daxd), sorted(r["id"] for r in listed), "regions")
        for wanted in listed:
            region = next(r for r in by_daxd if r["id"] == wanted["id"])
            require_same(without(wanted, "devices"), region, "a region")
            devices_of, wanted_devices = described_devices(region), described_devices(wanted)
            equal((len(region["devices"]), sorted(devices_of)), (2, sorted(wanted_devices)),
                  f"number of devices of region {region['id']}, and which")
            for name, wanted_device in wanted_devices.items():
                # daxctl calls a device that has no driver devdax.
                require_same(without(wanted_device, *["mode"] * (name == unbound)),
                             devices_of[name], name)
        require('"seen"' in json.dumps(by_daxd), "there is no label")
    require(all(r["start"] in [e.start for e in REGIONS] for r in described["regions"]),
            "root is shown no addresses")


@clean_test
def plans_are_shown_and_applied_as_shown():
    text = layout(FIRST, {"name": "p1", "size": "25%"},
                  {"name": "p2", "size": "130M", "mode": "system-ram"},
                  {"name": "p3", "size": "rest"})
    with Unchanged():
        writes = Writes()
        plan = json.loads(ask(ROOT, "PlanLayout", text))
        equal(writes.seen(), [], "files written by PlanLayout")
    equal({key: type(plan[key]) for key in ("version", "region", "digest", "devices", "steps")},
          {"version": int, "region": type(plan["region"]), "digest": str, "devices": list,
           "steps": list}, "the plan's keys")
    equal([(entry["label"], entry["action"]) for entry in plan["devices"] if entry["label"]],
          [("p1", "create"), ("p2", "create"), ("p3", "create")], "actions")
    equal(next(e["lost_to_rounding"] for e in plan["devices"] if e["label"] == "p2"), 2 * MIB,
          "lost_to_rounding of p2")
    with Unchanged():
        refused("PlanChanged", apply, text, expect="0123456789abcdef")
    extra = create(FIRST, 2 * MIB)
    with Unchanged():
        refused("PlanChanged", apply, text, expect=plan["digest"])
    ask(dev(extra), "Destroy")
    plan = json.loads(ask(ROOT, "PlanLayout", text))
    done = apply(text, expect=plan["digest"])
    equal(*([(step["op"], step["value"]) for step in p["steps"]] for p in (done, plan)),
          "the steps that were done")
    sizes = {properties["Label"]: properties["Size"] for properties in agree().values()}
    equal(sizes, {"p1": 256 * MIB, "p2": BLOCK, "p3": GIB - 256 * MIB - BLOCK}, "sizes")
    equal(apply(text)["steps"], [], "steps of applying it again")


@clean_test
def foreign_resize_is_seen_by_refresh():
    name = create(FIRST, 64 * MIB, mode="none")
    write(device(name, "size"), 32 * MIB)
    ask(ROOT, "Refresh")
    expect(name, Size=32 * MIB)


@clean_test
def files_are_read_by_reload_and_carried_out_by_reconcile():
    text = layout(SECOND, {"name": "kept", "size": "64M"})
    path = "/etc/daxd/layouts.d/methods.json"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    ask(ROOT, "Reload")
    shown_layout = object_path("layout", "methods")
    equal(get(shown_layout, LAYOUT, "Region"), reg(SECOND), "Region of the layout")
    equal(ask(shown_layout, "GetContent"), text, "GetContent")
    wait_until(lambda: get(shown_layout, LAYOUT, "State") == "in-sync", 30, "the layout's devices")
    clean(SECOND)
    equal(get(shown_layout, LAYOUT, "State"), "drifted", "State after its device was destroyed")
    with Unchanged():
        answer = ask(ROOT, "Reconcile", dry_run=True)
        require("methods" in answer, f"Reconcile says nothing of the layout: {answer}")
    ask(ROOT, "Reconcile")
    equal(get(shown_layout, LAYOUT, "State"), "in-sync", "State after Reconcile")
    equal([p["Label"] for p in agree().values()], ["kept"], "labels")
    os.unlink(path)
    ask(ROOT, "Reload")
    refused(UNKNOWN_OBJECT, ask, shown_layout, "GetContent")
    equal(get(reg(SECOND), REGION, "State"), "unmanaged", "State of the region")


@clean_test
def jobs_are_shown_queued_and_cancelled():
    name = create(FIRST, 2 * BLOCK, mode="system-ram")
    before = kernel_state()
    with Signals() as signals, Pinned(*device_ranges(name)):
        stuck = begin(dev(name), "OfflineMemory", tag="stuck")
        job = job_of(signals, "stuck")
        wait_until(lambda: get(job, JOB, "Step") >= 1 or get(job, JOB, "StepName"), 20, "a step")
        queued = begin(reg(FIRST), "CreateDevice", 2 * MIB, tag="queued")
        second = job_of(signals, "queued")
        # Regions do not wait for each other; but binding needs the kernel's lock for memory, too.
        other = create(SECOND, 2 * MIB, mode="none")
        ask(dev(other), "Destroy")
        properties = get_all(job, JOB)
        require_same({"Operation": "OfflineMemory", "Origin": "bus", "Uid": 0, "Cancelable": True,
                      "Tag": "stuck"}, properties, "the job")
        require(dev(name) in properties["Objects"], f"Objects: {properties['Objects']}")
        require(0 <= properties["Progress"] <= 1 and 1 <= properties["Step"] <= properties["Steps"]
                and abs(properties["StartTime"] / 1e6 - time.time()) < 120, f"job: {properties}")
        for path, call_ in ((second, queued), (job, stuck)):
            ask(path, "Cancel")
            equal(signals.wait("Finished", path=path)["args"][:2],
                  ["cancelled", "org.daxd1.Error.Cancelled"], "Finished")
            refused("Cancelled", call_.result)
            refused(UNKNOWN_OBJECT, ask, path, "Cancel")
    equal(difference(before, kernel_state()), {}, "what is not as before")
    expect(name, OnlineBlocks=2, Movable=True)


@clean_test
def verbs_of_daxdctl_do_what_they_say():
    region_id = region_at(SECOND)
    run("daxdctl", "create-device", "-r", region_id, "-s", "128M", "--label", "verbs")
    [name] = [n for n in members(region_id) if device_size(n)]
    equal((device_size(name), driver(name)), (128 * MIB, "device_dax"), "what was created")
    run("daxdctl", "disable-device", "verbs")
    equal(driver(name), None, "driver of the disabled device")
    run("daxdctl", "enable-device", "verbs")
    equal(driver(name), "device_dax", "driver of the enabled device")
    run("daxdctl", "reconfigure-device", "verbs", "-m", "system-ram")
    equal(driver(name), "kmem", "driver of the reconfigured device")

    def online():
        return [b.state for r in device_ranges(name) for b in memory_blocks(*r)]

    equal(set(online()), {"online"}, "blocks")
    run("daxdctl", "offline-memory", "verbs")
    equal(set(online()), {"offline"}, "blocks")
    run("daxdctl", "online-memory", "verbs")
    equal(set(online()), {"online"}, "blocks")
    agree()
    run("daxdctl", "destroy-device", "verbs", "--force")
    equal([n for n in members(region_id) if device_size(n)], [], "what is left")
    require_sound()


def modes(extent):
    """The drivers of a region's devices that have a size, by name."""
    return {name: driver(name) for name in members(region_at(extent)) if device_size(name)}


@clean_test
def verbs_of_daxdctl_take_all_devices_or_those_of_a_region():
    first = dict.fromkeys((create(FIRST, 4 * MIB), create(FIRST, 4 * MIB)), "device_dax")
    second = dict.fromkeys((create(SECOND, 4 * MIB), create(SECOND, 4 * MIB)), "device_dax")
    there = "-r", region_at(SECOND)
    printed = json.loads(run("daxdctl", "disable-device", "all", *there))
    equal([d["chardev"] for d in printed], sorted(second), "devices that were printed")
    equal((modes(FIRST), modes(SECOND)), (first, dict.fromkeys(second)), "drivers")
    printed = json.loads(run("daxdctl", "enable-device", "all"))
    equal([d["chardev"] for d in printed], sorted([*first, *second]), "devices that were printed")
    equal((modes(FIRST), modes(SECOND)), (first, second), "drivers")
    with Unchanged():
        stranger = min(first)
        result = attempt("daxdctl", "destroy-device", stranger, *there)
        equal((result.returncode, stranger in result.stderr), (1, True),
              "exit status, and whether the device is named")
        result = attempt("daxdctl", "destroy-device", stranger, "-r", 4711)
        equal((result.returncode, "4711" in result.stderr), (1, True),
              "exit status, and whether the region is named")
    run("daxdctl", "destroy-device", "all", *there)
    equal((modes(FIRST), modes(SECOND)), (first, {}), "what is left")
    printed = json.loads(run("daxdctl", "create-device", "-r", "all", "-s", "4M"))
    equal(sorted(d["chardev"] for d in printed), sorted({*modes(FIRST), *modes(SECOND)} - {*first}),
          "devices that were made")
    equal((len(modes(FIRST)), len(modes(SECOND))), (3, 1), "how many there are")
    run("daxdctl", "reconfigure-device", "all", "-r", "all", "-s", "8M")
    equal([p["Size"] for p in agree().values()], [8 * MIB] * 4, "sizes")
    run("daxdctl", "destroy-device", "all")
    equal(agree(), {}, "what is left")
    require_sound()


@clean_test
def daxdctl_puts_a_device_back_as_it_was_listed():
    ranges = [[512 * MIB, 4 * MIB], [256 * MIB, 2 * MIB]]
    name = create(FIRST, 6 * MIB, ranges=ranges, align=4096, label="put")
    # daxctl's list has physical addresses only, and the last range first.
    for lister in "daxdctl", "daxctl":
        listed = run(lister, "list", "-M", "-d", name)
        run("daxdctl", "reconfigure-device", "put", "--ranges", f"0:{BLOCK}", "-a", "2M",
            "-m", "system-ram")
        expect(name, Size=BLOCK, Align=2 * MIB, Mode="system-ram", OnlineBlocks=1)
        run("daxdctl", "reconfigure-device", "put", "--input", "-", "--force", stdin=listed)
        expect(name, Ranges=ranges, Align=4096, Mode="devdax", Label="put")
    listed = run("daxdctl", "list", "-M", "-d", "put")
    run("daxdctl", "destroy-device", "put")
    run("daxdctl", "create-device", "--input", "-", stdin=listed)
    expect(name, Ranges=ranges, Align=4096, Mode="devdax", Label="put")


@clean_test
def daxdctl_plans_and_applies_a_layout():
    text = layout(FIRST, {"name": "c1", "size": "64M"},
                  {"name": "c2", "size": BLOCK, "mode": "system-ram"})
    with Unchanged():
        writes = Writes()
        planned = run("daxdctl", "plan", "-", stdin=text)
        digest = planned.split()[-1]
        equal(re.findall('^[+] create .*"(c.)"$', planned, re.M), ["c1", "c2"], "what it creates")
        plan = json.loads(run("daxdctl", "apply", "--dry-run", "--json", "-", stdin=text))
        equal(plan["digest"], digest, "the plan's digest")
        result = attempt("daxdctl", "apply", "-", "--expect", "0123456789abcdef", stdin=text)
        equal((result.returncode, digest in result.stderr), (1, True), "exit status, digest named")
        result = attempt("daxdctl", "plan", "-", stdin=layout(FIRST, {"name": "c1", "size": "2G"}))
        equal((result.returncode, str(2 * GIB) in result.stdout + result.stderr), (1, True),
              f"exit status, and whether the size is named in {result}")
        equal(writes.seen(), [], "files written")
        writes.close()
    done = run("daxdctl", "apply", "-", "--expect", digest, stdin=text)
    require('"c1"' in done, done)
    equal({p["Label"]: (p["Size"], p["Mode"], p["OnlineBlocks"]) for p in agree().values()},
          {"c1": (64 * MIB, "devdax", 0), "c2": (BLOCK, "system-ram", 1)}, "devices")
    with Unchanged():
        equal(json.loads(run("daxdctl", "apply", "-", "--json", stdin=text))["steps"], [],
              "steps of applying it again")


class Monitor:
    """A running `daxdctl monitor`."""

    def __init__(self, *options):
        self.process = subprocess.Popen(["daxdctl", "monitor", *options], stdout=subprocess.PIPE,
                                        text=True)
        # Once it listens it wants to hear of this signal, so it blocks it.
        wait_until(self.blocks_sigterm, 30, "the monitor to listen")

    def blocks_sigterm(self):
        blocked = re.search("^SigBlk:\\s*(.*)$", read(f"/proc/{self.process.pid}/status"), re.M)
        return int(blocked[1], 16) >> signal.SIGTERM - 1 & 1

    def end(self):
        """What it printed, as lines."""
        self.process.terminate()
        out, _ = self.process.communicate(timeout=30)
        equal(self.process.returncode, 0, "the monitor's exit status")
        return out.splitlines()


@clean_test
def daxdctl_monitor_tells_of_changes():
    monitors = Monitor(), Monitor("--json")
    name = create(FIRST, 64 * MIB, label="told")
    ask(dev(name), "SetLabel", "")
    ask(dev(name), "Destroy")
    with Unchanged():
        refused("NoSpace", create, FIRST, 2 * GIB)
    lines, events = (monitor.end() for monitor in monitors)
    for start, *words in ((f"device {name} added:", f"Size={64 * MIB}", "Label=told"),
                          (f"region {region_at(FIRST)} changed:",
                           f"AvailableSize={FIRST.size - 64 * MIB}"),
                          (f"device {name} changed:", "Label="), (f"device {name} removed",),
                          ("job ", " added:", "Operation=CreateDevice"),
                          ("job ", " finished: result=done"), ("job ", " removed"),
                          ("job ", " finished: result=undone", "NoSpace", str(2 * GIB))):
        require(any(line.startswith(start) and all(word in line for word in words)
                    for line in lines), f"nothing of {start} {words} in {lines}")
    events = [json.loads(line) for line in events]
    equal([e["event"] for e in events if e["path"] == dev(name)], ["added", "changed", "removed"],
          f"events of {name}")
    equal([e["outcome"]["result"] for e in events if e["event"] == "finished"],
          ["done", "done", "done", "undone"], "results of jobs")
    equal(len(lines), len(events), "lines")


@clean_test
def memory_goes_online_for_the_kernel():
    # Last: what the kernel puts there may stay there until the next boot.
    name = create(SECOND, BLOCK, mode="system-ram", online="kernel")
    expect(name, OnlineBlocks=1, Movable=False)
    equal(memory_blocks(*device_ranges(name)[0])[0].zones, ["Normal"], "zone")
    require_sound()


ready()
main()
