# SPDX-License-Identifier: LGPL-2.1-or-later
"""Says whether a machine is as it has to be after a point. The truth is what the imitated kernel
has; daxd's word counts only in being compared with it."""

import os
import re
import time
from collections import namedtuple

from ground import DEVICE, FORMER, KEPT, MARK, NAMES, REGION, TRANSACTIONS, spots
from harness import DBusError, REGIONS, managed_objects

MODES = {"device_dax": "devdax", "kmem": "system-ram", None: "none"}
STANDARD_ERRORS = ("org.freedesktop.DBus.Error.InvalidArgs",)
# Picture.own and .others are what a transaction may change, and what it must not.
Picture = namedtuple("Picture", "own others")


class Violation(Exception):
    """What must not be is."""


def need(condition, reason):
    if not condition:
        raise Violation(reason)


# --- the truth ------------------------------------------------------------------------------------


def names_files():
    """{device: what its names file holds}. A file without a link, or a link without its file, is
    something that was left behind."""
    links, files = {}, {}
    for entry in os.listdir(NAMES):
        path = f"{NAMES}/{entry}"
        if os.path.islink(path):
            links[entry] = os.readlink(path)
        else:
            with open(path, encoding="utf-8") as f:
                files[entry] = f.read()
    return links, files


def names_of(state):
    """{device: (label, access)}, as udev would find them; stale ones are not theirs."""
    found = {}
    links, files = names_files()
    for region in state["regions"]:
        for device in region["devices"]:
            text = files.get(links.get(device["name"], ""), "")
            place = "#DAXD_PLACE=" + ",".join(f"{start:x}+{size:x}"
                                              for start, size in device["ranges"])
            first, _, rest = text.partition("\n")
            if text and first == place:
                label = re.search("^DAXD_LABEL=(.*)$", rest, re.M)
                access = tuple(line for line in rest.splitlines() if "LABEL" not in line)
                found[device["name"]] = (label.group(1) if label else "", access)
    return found


def picture(ground, own=lambda name, device: True):
    """What there is, in a form that can be compared: names of devices do not count, nor does the
    alignment of those that are empty."""
    state = ground.sim.state()
    names = names_of(state)
    zones = {block["number"]: (block["state"], block["zone"]) for block in state["blocks"]}
    mine, others = [], []
    for region in state["regions"]:
        empty = 0
        for device in region["devices"]:
            if not device["size"]:
                empty += device["name"].split(".")[1] != "0" and own(device["name"], device)
                need(device["driver"] is None, f"{device['name']} is empty, and bound")
                continue
            blocks = tuple((n, *zones[n]) for start, size in device["ranges"]
                           for n in range(start >> 27, (start + size + (1 << 27) - 1) >> 27)
                           if n in zones and (n << 27) >= start and
                           (n + 1 << 27) <= start + size)
            entry = (region["start"], tuple(map(tuple, device["ranges"])), device["align"],
                     device["driver"], device["memmap_on_memory"], blocks,
                     *names.get(device["name"], ("", ())))
            if own(device["name"], device):
                mine.append(entry)
            else:
                others.append((device["name"], device["inode"], *entry))
        mine.append((region["start"], "empty devices", empty))
    mine.append(("auto_online_blocks", state["auto_online"]))
    mine.append(("ids", repr(state["ids"])))
    mine.append(("leaks", tuple(map(tuple, state["leaks"]))))
    kept = []
    for name in sorted(os.listdir(KEPT)):
        with open(f"{KEPT}/{name}", encoding="utf-8") as f:
            kept.append((name, f.read()))
    mine.append(("kept layouts", tuple(kept)))
    return Picture(sorted(mine, key=repr), sorted(others))


def difference(got, wanted):
    return "\n".join([f"    is     {entry}" for entry in got if entry not in wanted] +
                     [f"    not    {entry}" for entry in wanted if entry not in got])


# --- what daxd says -------------------------------------------------------------------------------


def free_extents(region):
    """What lies between the devices, as offsets."""
    at, found = 0, []
    for start, size in sorted(map(tuple, (place for device in region["devices"]
                                          for place in device["ranges"]))):
        start -= region["start"]
        if start > at:
            found.append([at, start - at])
        at = start + size
    return found + [[at, region["size"] - at]] * (at < region["size"])


def is_tainted(device, leaks):
    return any(start < leak + length and leak < start + size for leak, length in leaks
               for start, size in device["ranges"])


def bus_and_kernel(ground):
    """Differences between what the bus shows and what there is."""
    shown, state, wrong = managed_objects(), ground.sim.state(), []
    names = names_of(state)
    zones = {b["number"]: b["zone"] for b in state["blocks"] if b["state"] == "online"}
    real, ours = {}, {}
    for region in state["regions"]:
        path = f"/org/daxd1/region/{region['id']}"
        real[path] = {
            "Size": region["size"], "AvailableSize": region["available"],
            "Seed": region["seed"] or "", "Youngest": region["youngest"] or "",
            "FreeExtents": free_extents(region),
            "EmptyDevices": sorted(d["name"] for d in region["devices"] if not d["size"])}
        for device in region["devices"]:
            if device["size"]:
                label = names.get(device["name"], ("",))[0]
                blocks = [n for start, size in device["ranges"]
                          for n in range(-(-start >> 27), start + size >> 27)
                          if device["driver"] == "kmem"]
                online = [n for n in blocks if n in zones]
                real[device["name"]] = {
                    "Region": path, "Size": device["size"], "Align": device["align"],
                    "Mode": MODES[device["driver"]], "Label": label,
                    "Ranges": [[start - region["start"], size]
                               for start, size in device["ranges"]],
                    "MemmapOnMemory": device["memmap_on_memory"],
                    "OnlineBlocks": len(online), "TotalBlocks": len(blocks),
                    "Movable": bool(online) and all(zones[n] == "Movable" for n in online),
                    "Tainted": is_tainted(device, state["leaks"])}
    for path, faces in shown.items():
        if REGION in faces:
            ours[path] = faces[REGION]
            faces[REGION]["EmptyDevices"] = sorted(faces[REGION]["EmptyDevices"])
        elif DEVICE in faces:
            ours[faces[DEVICE]["Name"]] = faces[DEVICE]
        elif "/job/" in path:
            wrong.append(f"there is still {path}")
    for name in sorted(real.keys() | ours.keys()):
        if name not in ours or name not in real:
            wrong.append(f"{name} is {'not ' if name not in ours else ''}shown"
                         f"{'' if name in real else ', and not there'}")
            continue
        wrong += [f"{name}.{key} is shown as {ours[name][key]!r}, and is {value!r}"
                  for key, value in real[name].items() if ours[name][key] != value]
    return wrong


def check_bus(ground, timeout=60):
    """The bus shows what the kernel has, as soon as daxd has heard of it."""
    deadline = time.monotonic() + timeout
    while True:
        wrong = bus_and_kernel(ground)
        if not wrong:
            return
        if time.monotonic() > deadline:
            raise Violation("the bus is wrong: " + "; ".join(wrong))
        time.sleep(0.02)


def size_text(size):
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >> shift and not size % (1 << shift):
            return f"{size >> shift} {unit}"
    return f"{size} bytes"


def check_told(trial, message):
    """RollbackFailed says exactly what is now, and which names are lost."""
    start, state = REGIONS[trial.operation.region].start, trial.ground.sim.state()
    told, _, lost = message.rpartition("now: ")[2].partition("; no device is called ")
    now = [r for r in state["regions"] if r["start"] == start]
    if not now:
        need(told == "the region is gone", f"the region is gone, and told is '{told}'")
        return
    words = []
    for device in now[0]["devices"]:
        words.append(f"{device['name']} {size_text(device['size'])} {MODES[device['driver']]}" +
                     " tainted" * is_tainted(device, state["leaks"]) if device["size"] else
                     f"{device['name']} empty")
    need(sorted(told.split(", ")) == sorted(words),
         f"told is '{told}', and there is '{', '.join(words)}'")
    # of devices that the transaction changes
    had = {entry[6] for entry in trial.before.own
           if entry[0] == start and len(entry) > 6 and entry not in trial.reference.wanted.own}
    names = names_of(state)
    gone = had - {""} - {names.get(device["name"], ("",))[0] for device in now[0]["devices"]}
    need(set(re.findall("'([^']+)'", lost)) == gone, f"told is that '{lost}' is lost, and it is {gone}")


def check_error(error):
    """An error is one of the contract, and says something."""
    need(isinstance(error, DBusError), f"the call ended with {error!r}")
    need(error.name.startswith("org.daxd1.Error.") or error.name in STANDARD_ERRORS,
         f"no error of the contract: {error}")
    need(len(error.message) > 10 and "daxd itself failed" not in error.message,
         f"no clear message: {error}")


def readable(picture):
    """The ranges of a picture's own devices that can be mapped."""
    return {place for entry in picture.own if len(entry) > 3 and entry[3] == "device_dax"
            for place in entry[1]}


# --- all together ---------------------------------------------------------------------------------


def check_leftovers(ground, given_up=False, alone=True, hopeless=False):
    """No records, no stale names, no temporary files, no dead or needless processes. Where the
    transaction was not `alone`, a name may be left of a device that somebody else has removed: it is that
    life's, no other's, and goes when a device is called so again. Where an attribute failed for good
    (`hopeless`), it stays noted that udev has not heard yet of a name that was not given."""
    records = os.listdir(TRANSACTIONS)
    need(len(records) <= (1 if given_up else 0), f"records are left: {records}")
    links, files = names_files()
    if hopeless:
        links = {name: key for name, key in links.items() if not key.endswith("~")}
    state = ground.sim.state()
    there = {d["name"] for r in state["regions"] for d in r["devices"] if d["size"]}
    if alone and not given_up:
        need(set(links.values()) == set(files), f"names and their files: {links}, {list(files)}")
        need(set(links) <= there, f"names of devices that are not there: {links}")
    for folder in ("/var/lib/daxd", KEPT, "/run/daxd"):
        odd = [name for name in os.listdir(folder) if re.search(r"\.(new|tmp|bad)|~$|^\.", name)]
        need(not odd, f"left in {folder}: {odd}")
    need(len(ground.worker_pids()) <= 8, f"workers: {ground.worker_pids()}")


def check_secret(ground, bound=None, others=None):
    """Nobody's memory is readable by the next: not through a device that has a name or an access.
    What somebody else has bound himself he can read, as root: no other may. `others`: whose devices
    need a name to be looked at; None: everybody's, for where a change has come to its end, nobody's
    memory is in a device without a name, either."""
    state = ground.sim.state()
    names = names_of(state)
    for region in state["regions"]:
        for device in region["devices"]:
            label, access = names.get(device["name"], ("", ()))
            is_open = label or access or (others is not None and device["name"] not in others)
            if not is_open or label.startswith(FORMER):
                continue
            if device["driver"] != "device_dax":
                continue
            if device["name"] == bound and all(line.startswith("#") for line in access):
                continue
            for start, size in device["ranges"]:
                where = ground.find(start, size, ground.secret)
                need(where is None, "what the former owner has left is readable at "
                     f"{where} in {device['name']} ({label}), {size} bytes at {start}")


def check_alive(ground):
    need(ground.is_alive(), "daxd has died: status "
         f"{ground.system.daxd.returncode if ground.system.daxd else 'unknown'}")
    complaint = ground.complaint()
    need(not complaint, f"daxd or a worker says {complaint}")


def check_leaks(ground):
    leaks = ground.sim.state()["leaks"]
    need(not leaks, f"memory has leaked: {leaks}")


def check_others(ground, now, before):
    need(now.others == before.others,
         "other devices have changed:\n" + difference(now.others, before.others))
    check_contents(ground, [place for entry in before.others if entry[0] == "dax0.0"
                            for place in entry[3]])


def check_contents(ground, places):
    """What others have written is where they have written it."""
    for start, size in places:
        gone = [at for at in spots(start, size) if ground.sim.find(at, MARK, ground.others) is None]
        need(not gone, f"what others had written is gone, at {gone}")
