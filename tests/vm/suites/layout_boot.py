# SPDX-License-Identifier: LGPL-2.1-or-later
"""A layout is applied at boot, named, kept, and lies on the same memory after a reboot.

Needs dax_hmem.region_idle=Y and layouts/main.json for the first region.
"""

from main_layout import *

FIRST, SECOND = REGIONS[:2]


def labelled():
    """{label: name} of the devices that have one."""
    return {interfaces[DEVICE]["Label"]: interfaces[DEVICE]["Name"]
            for interfaces in managed_objects().values()
            if DEVICE in interfaces and interfaces[DEVICE]["Label"]}


def link(label):
    return f"/dev/dax/by-name/{label}"


def unit(label):
    return f"dev-dax-by\\x2dname-{label}.device"


@test
def layouts_target_is_reached_when_layouts_were_tried():
    require(unit_state("daxd.service") in ("activating", "active"), "no device pulled daxd in")
    run("systemctl", "start", "daxd-layouts.target")
    equal(get(reg(FIRST), REGION, "State"), "in-sync", "State of the region behind the target")
    equal(unit_state("daxd.service"), "active", "daxd.service")
    equal(unit_state("daxd-layouts.service"), "active", "daxd-layouts.service")


@test
def regions_tell_their_state():
    region = get_all(reg(FIRST), REGION)
    equal((region["Layout"], region["State"], region["StateReason"]), ("main", "in-sync", ""),
          "layout, state and reason of the first region")
    region = get_all(reg(SECOND), REGION)
    equal((region["Layout"], region["State"]), ("", "unmanaged"),
          "layout and state of the second region")
    shown = get_all(object_path("layout", "main"), LAYOUT)
    equal(shown, {"Name": "main", "Source": FILE, "Region": reg(FIRST), "State": "in-sync",
                  "StateReason": ""}, "the layout's properties")


@test
def devices_are_as_the_layout_says():
    shown = {properties["Label"]: properties for properties in agree().values()}
    equal({label: properties["Size"] for label, properties in shown.items()}, SIZES, "sizes")
    equal({label: properties["Mode"] for label, properties in shown.items()}, MODES, "modes")
    equal({properties["Region"] for properties in shown.values()}, {reg(FIRST)}, "their regions")
    tier2 = shown["tier2"]
    equal((tier2["OnlineBlocks"], tier2["TotalBlocks"], tier2["Movable"]), (2, 2, True),
          "online blocks, blocks, and movable of tier2")
    equal([offset % BLOCK for offset, _ in tier2["Ranges"]], [0], "how far tier2 is off a block")
    equal(len(shown["spare"]["Ranges"]) <= 2, True, "spare has at most the ranges it needs")


@test
def untouched_region_is_as_the_kernel_made_it():
    first = f"dax{region_at(SECOND)}.0"
    equal((members(region_at(SECOND)), device_size(first)), ([first], 0), "the second region")


@test
def automatic_onlining_is_as_before():
    equal(read(f"{MEMORY}/auto_online_blocks"), "offline" if KERNEL == "6.1" else "online",
          "auto_online_blocks")


@test
def links_and_units_stand_for_the_devices():
    settle()
    names = labelled()
    equal(sorted(os.listdir("/dev/dax/by-name")), sorted(SIZES), "links")
    for label, name in names.items():
        equal(os.path.realpath(link(label)), f"/dev/{name}", f"where {link(label)} leads")
        equal(unit_state(unit(label)), "active", unit(label))


@test
def access_is_given_to_the_device_that_has_it():
    names = labelled()
    for label in SIZES:
        wanted = (0o640, 0, 1000) if label == "cache" else (0o600, 0, 0)
        status = os.stat(f"/dev/{names[label]}")
        equal((status.st_mode & 0o777, status.st_uid, status.st_gid), wanted,
              f"mode, user and group of {label}")
    require(as_alice("head", "-c0", link("cache")).returncode == 0, "alice cannot open cache")
    require(as_alice("head", "-c0", link("spare")).returncode, "alice can open spare")


@test
def applying_it_again_does_nothing():
    with Unchanged():
        writes = Writes()
        plan = apply(read(FILE))
        equal(plan["steps"], [], "steps")
        equal({entry["label"]: entry["action"] for entry in plan["devices"]},
              dict.fromkeys(SIZES, "keep"), "actions")
        answer = ask(ROOT, "Reconcile")
        equal(writes.seen(), [], "files written")
        say(f"Reconcile: {answer}")


@test
def devices_lie_where_they_lay_before_the_reboot():
    require_places()
    remembered = read("/var/lib/daxd/placements.json")
    for label in SIZES:
        require(f'"{label}"' in remembered, f"{label} is not in placements.json")


@test
def restart_undoes_no_ones_work():
    names = labelled()
    ask(dev(names["spare"]), "Resize", 128 * MIB)
    ask(dev(names["tier2"]), "OfflineMemory")
    extra = create(FIRST, 32 * MIB, label="extra")
    identities = {interfaces[DEVICE]["Name"]: interfaces[DEVICE]["Incarnation"]
                  for interfaces in managed_objects().values() if DEVICE in interfaces}
    state = kernel_state()
    old = pid_of("daxd.service")
    run("systemctl", "restart", "daxd.service")
    await_daxd()
    require(pid_of("daxd.service") != old, "daxd is still the same process")
    equal(difference(state, kernel_state()), {}, "what the restart changed")
    shown = agree()
    equal({name: properties["Incarnation"] for name, properties in shown.items()}, identities,
          "incarnations")
    equal({properties["Label"] for properties in shown.values()}, {*SIZES, "extra"}, "labels")
    equal(get(reg(FIRST), REGION, "State"), "drifted", "the region's state")
    require_sound()
    # With what was changed since the layout was applied, it is still the layout's to say.
    ask(dev(extra), "Destroy")
    apply(read(FILE))
    equal(get(reg(FIRST), REGION, "State"), "in-sync", "the region's state after applying it again")
    equal({label: device_size(name) for label, name in labelled().items()}, SIZES, "sizes")


def is_of(job, signal_):
    return signal_["path"] == job or signal_["args"][0] == job


@after(lambda: clean(SECOND))
def devices_of_a_layout_appear_whole_and_together():
    """Whoever listens sees the job go on, not too often, and then all that it has made."""
    ask(dev(create(SECOND, 0, all=True, label="old")), "Destroy")  # whose memory is to be wiped
    begin = time.monotonic()
    with Signals() as signals:
        apply(layout(SECOND, *({"name": f"d{i}", "size": "96M"} for i in range(3)),
                     {"name": "ram", "size": "128M", "mode": "system-ram"}), tag="together")
        seconds = time.monotonic() - begin
        job = job_of(signals, "together")
        signals.wait("InterfacesRemoved", has=lambda args: args[0] == job)
    told = signals.seen
    told = told[next(i for i, s in enumerate(told) if is_of(job, s)):]
    appeared = {s["args"][0]: s["args"][1][DEVICE] for s in told
                if s["member"] == "InterfacesAdded" and DEVICE in s["args"][1]}
    equal(appeared, {path: shown[DEVICE] for path, shown in managed_objects().items()
                     if shown.get(DEVICE, {}).get("Region") == reg(SECOND)}, "devices as they appeared")
    equal(len(appeared), 4, "number of devices")

    progress = [i for i, s in enumerate(told) if s["path"] == job and "Progress" in s["args"][1]]
    others = [i for i, s in enumerate(told) if not is_of(job, s)]
    end = next(i for i, s in enumerate(told) if s["member"] == "Finished")
    require(progress[-1] < others[0] and others[-1] < end, "not everything was told at the end: "
            + ", ".join(f"{s['member']} {s['path']}" for s in told))
    shares = [told[i]["args"][1]["Progress"] for i in progress]
    require(shares == sorted(set(shares)) and 0 < shares[0] < 1, f"Progress went on by {shares}")
    # one more than there are pauses between them
    require(len(progress) <= 10 * seconds + 1,
            f"Progress changed {len(progress)} times in {seconds:.2f} s")
    clean(SECOND)


@test
def stopping_leaves_the_devices_alone():
    state = kernel_state()
    run("systemctl", "stop", "daxd.service")
    equal(difference(state, kernel_state()), {}, "what stopping daxd changed")
    run("systemctl", "start", "daxd.service")
    await_daxd()
    equal(difference(state, kernel_state()), {}, "what starting daxd changed")


@test
def nothing_is_left_over():
    agree()
    require_sound()


main(then=reboot_with_another)
