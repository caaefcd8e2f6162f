# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running daemon has the interfaces that dbus/org.daxd1.xml describes: no member less, no member
more, each with its types, names of arguments, and annotations.

Needs dax_hmem.region_idle=Y and layouts/main.json.
"""

import signal
import xml.etree.ElementTree as ElementTree

from daxd import *

DESCRIPTION = "/usr/share/dbus-1/interfaces/org.daxd1.xml"


def members(interface):
    """{(kind, name): everything that is said of it} of an <interface> element."""
    found = {}
    for member in interface:
        if member.tag == "annotation":
            continue
        arguments = [(arg.get("direction", "out"), arg.get("name"), arg.get("type"))
                     for arg in member.findall("arg")]
        notes = {note.get("name"): note.get("value") for note in member.findall("annotation")}
        if member.tag == "property":
            notes.setdefault("org.freedesktop.DBus.Property.EmitsChangedSignal", "true")
        found[member.tag, member.get("name")] = (member.get("type"), member.get("access"),
                                                 arguments, notes)
    return found


def interfaces(text):
    return {interface.get("name"): members(interface)
            for interface in ElementTree.fromstring(text).iter("interface")}


def introspected(path):
    return interfaces(call(path, "org.freedesktop.DBus.Introspectable", "Introspect"))


def compare(path, interface):
    live, described = introspected(path)[interface], interfaces(read(DESCRIPTION))[interface]
    for member in sorted(set(live) | set(described)):
        equal(live.get(member), described.get(member), f"{interface} {' '.join(member)}")


def path_with(interface):
    return next(path for path, shown in managed_objects().items() if interface in shown)


@test
def manager_is_as_described():
    compare(ROOT, MANAGER)


@test
def regions_are_as_described():
    compare(reg(REGIONS[0]), REGION)


@test
def devices_are_as_described():
    compare(path_with(DEVICE), DEVICE)


@test
def layouts_are_as_described():
    compare(path_with(LAYOUT), LAYOUT)


@test
def jobs_are_as_described():
    # A job stays where it is while the workers are stopped.
    workers = daxd_pids("daxd-worker")
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        making = Call(reg(REGIONS[1]), REGION, "CreateDevice", "ta{sv}", 64 * MIB, {})
        path = wait_until(lambda: next((path for path, shown in managed_objects().items()
                                        if JOB in shown), None), 30, "the job")
        compare(path, JOB)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    making.result()


@test
def systemctl_sets_how_much_is_said():
    def tells_of_calls():
        call(ROOT, MANAGER, "GetRegion", "ua{sv}", region_at(REGIONS[0]), {})
        return "calls GetRegion" in journal("daxd")

    equal(run("systemctl", "service-log-level", "daxd").strip(), "info", "the level")
    equal(run("systemctl", "service-log-target", "daxd").strip(), "journal", "the target")
    equal(tells_of_calls(), False, "whether it tells of calls")
    run("systemctl", "service-log-level", "daxd", "debug")
    wait_until(tells_of_calls, 30, "daxd to tell of calls")
    run("systemctl", "service-log-level", "daxd", "info")


@test
def no_other_interface_of_ours_is_there():
    equal(sorted(interfaces(read(DESCRIPTION))), sorted([MANAGER, REGION, DEVICE, LAYOUT, JOB]),
          "the interfaces that are described")
    for path, shown in managed_objects().items():
        ours = [{name for name in names if name.startswith("org.daxd1")}
                for names in (introspected(path), shown)]
        equal(*ours, f"the interfaces of {path}")


main()
