# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ground on which points are tried: a machine with two regions that somebody else uses as well,
where an owner has left something in the free memory, and daxd on it. It is as after a boot for each
point."""

import glob
import itertools
import os
import pwd
import re
import shutil
import signal
import subprocess
import time

from control import Control
from harness import MIB, DBusError, REGIONS, call, fail, managed_objects, object_path
from system import VALGRIND, WORKER_SOCKET, System, said

BLOCK = 128 * MIB
ROOT = "/org/daxd1"
MANAGER, REGION, DEVICE = (f"org.daxd1.{face}" for face in ("Manager", "Region", "Device"))
DEVICES = "/sys/bus/dax/devices"
DRIVERS = "/sys/bus/dax/drivers"
NAMES = "/run/daxd/names"
TRANSACTIONS = "/run/daxd/transactions"
OWNERS = "/run/daxd/owners"
KEPT = "/var/lib/daxd/layouts"
BYSTANDER = "dax0.1"
LOGS = ("worker", "daxd")  # the last words are daxd's
COMPLAINTS = re.compile("Sanitizer|runtime error|Assertion|^==[0-9]+== ")
# What systemd-socket-activate says of workers.
BEGUN = re.compile(r"^Spawned .* as PID (\d+)\.$", re.M)
ENDED = re.compile(r"^Child (\d+) died with code (\d+)$", re.M)
# Memory is marked, and searched for marks, at some places only: close to each other where devices
# come to lie first, and so that every device has one in each of its ranges.
MARK = 4096
FORMER = "former"
NEAR = 32 * MIB
FAR = (64, 128, 192, 256, 320, 448, 576)  # MiB


def put(path, value):
    """Another agent's write: one write(2), whose error is an OSError."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def get_text(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().rstrip("\n")


def parent_of(name):
    return os.path.dirname(os.path.realpath(f"{DEVICES}/{name}"))


def raw_create(region_name, size, driver=None, online=False):
    """Another agent makes a device in the region that `region_name` is in; returns its name."""
    create = f"{parent_of(region_name)}/dax_region/create"
    put(create, 1)
    name = get_text(create)
    put(f"{DEVICES}/{name}/size", size)
    if driver:
        raw_bind(name, driver)
    if online:
        for path in block_paths(name):
            put(path, "online_movable")
    return name


def raw_bind(name, driver):
    try:
        put(f"{DRIVERS}/{driver}/bind", name)
    except OSError:
        put(f"{DRIVERS}/{driver}/new_id", name)
        put(f"{DRIVERS}/{driver}/remove_id", name)


def raw_unbind(name):
    """Another agent lets go of a device, not without its memory being offline."""
    driver = os.path.realpath(f"{DEVICES}/{name}/driver")
    if not os.path.exists(driver):
        return
    if os.path.basename(driver) == "kmem":
        for path in block_paths(name):
            if os.path.exists(path) and get_text(path) == "online":
                put(path, "offline")
    put(f"{driver}/unbind", name)


def block_paths(name):
    return [f"/sys/devices/system/memory/memory{number}/state" for start, size in raw_ranges(name)
            for number in range(start // BLOCK, (start + size) // BLOCK)]


def raw_ranges(name):
    ranges = []
    for folder in sorted(glob.glob(f"{DEVICES}/{name}/mapping[0-9]*")):
        start, end = (int(get_text(f"{folder}/{edge}"), 16) for edge in ("start", "end"))
        ranges.append((start, end - start + 1))
    return ranges


class Ground:
    """The machine, with what the points do to it. `most`: how many things happen at one. `valgrind`:
    daxd and workers run under it, but where somebody sees their system calls. `bystander`: somebody
    else has a device without a driver, which a driver that is told a new id would take."""

    serials = itertools.count(1)

    def __init__(self, most, valgrind=False, bystander=False):
        self.most, self.sim, self.bystander = most, Control(), bystander
        self.usual_wrapper = VALGRIND if valgrind else ()
        self.system = System()
        self.system.start()
        self.watch = None  # who sees system calls, if anybody does
        self.wrapper = ()  # of the workers that are started now
        self.secret = self.others = self.own = ""
        self.log_begin = dict.fromkeys(LOGS, 0)
        self.left = {}  # in each region, by its former owner

    # --- a new beginning -------------------------------------------------------------------------

    def begin(self, region):
        """As after a boot, and a start of daxd on what there was then: somebody else has taken a bit
        of each region, and an owner who has gone has left something in what is free."""
        serial = next(self.serials)
        self.secret, self.others = f"<the secret {serial}>", f"<of others {serial}>"
        self.own = f"<its own {serial}>"
        self.end()
        self.reboot()
        put("/sys/devices/system/memory/auto_online_blocks", "offline")
        for name in ("dax0.0", "dax1.0"):  # where regions are not idle, it has all of one
            raw_unbind(name)
            put(f"{DEVICES}/{name}/size", 0)
        put(f"{DEVICES}/dax0.0/size", 4 * MIB)
        raw_bind("dax0.0", "device_dax")
        raw_create("dax1.0", BLOCK, "kmem", online=True)
        if self.bystander:
            name = raw_create("dax0.0", 2 * MIB)
            if name != BYSTANDER:
                fail(f"the bystander is {name}")
        put("/sys/devices/system/memory/auto_online_blocks", "online")
        self.mark(REGIONS[0].start, 4 * MIB, self.others)
        if region not in self.left:
            self.start_all()
            self.left[region] = self.leave_secret(region)
            self.stop_all()
            self.system.notify.forget()
        pieces, owners = self.left[region]
        for piece in pieces:
            self.mark(*piece, self.secret)
        with open(OWNERS, "w", encoding="utf-8") as file:
            file.write(owners)
            daxd = pwd.getpwnam("daxd")
            os.fchown(file.fileno(), daxd.pw_uid, daxd.pw_gid)
            os.fchmod(file.fileno(), 0o600)
        self.start_all()

    def end(self):
        """Of a point: who is alive ends in order, and has his last word."""
        self.sim.clear()
        if self.is_alive():
            self.system.daxd.terminate()
            status = self.system.daxd.wait(60)
            if status != 0:
                self.log_begin = self.log_end()
                fail(f"daxd has ended with status {status}")
        self.system.daxd = None
        self.wait_workers_gone()
        complaint = self.complaint()
        self.log_begin = self.log_end()
        if complaint:
            fail(f"daxd or a worker has said at its end: {complaint}")

    def reboot(self):
        for folder in (KEPT, "/var/lib/daxd"):
            for name in os.listdir(folder):
                if os.path.isfile(f"{folder}/{name}"):
                    os.unlink(f"{folder}/{name}")
        clear("/run/daxd", os.path.basename(WORKER_SOCKET))
        if self.system.notify:
            self.system.notify.forget()
        self.sim.reboot()
        subprocess.run(["systemd-tmpfiles", "--create", "daxd.conf"], check=True)

    def stop_all(self):
        """All that has to do with daxd; the bus, and who starts workers, remember nothing of it."""
        self.kill_daxd()
        self.wait_workers_gone()

    def start_all(self):
        wrapper = self.wanted_wrapper()
        if wrapper != self.wrapper:
            self.system.stop()
            self.system.start_bus()
            self.system.start_workers(wrapper=wrapper)
            self.wrapper = wrapper
        self.start_daxd()
        self.system.wait_layouts()

    def start_daxd(self, wait=True):
        self.system.start_daxd(wait=wait, wrapper=self.wanted_wrapper())

    def wanted_wrapper(self):
        return self.watch.wrapper if self.watch else self.usual_wrapper

    def leave_secret(self, region):
        """An owner comes and goes. Returns where, and what daxd remembers of it."""
        place = object_path("region", region)
        ranges = left_in(managed_objects()[place][REGION]["FreeExtents"])
        path = call(place, REGION, "CreateDevice", "ta{sv}", sum(size for _, size in ranges),
                    {"ranges": ranges, "label": FORMER})
        pieces = self.pieces(path)
        call(path, DEVICE, "Destroy", "a{sv}", {})
        return pieces, get_text(OWNERS) + "\n"

    def pieces(self, path):
        """The physical ranges of a device that the bus shows."""
        shown = managed_objects()
        device = shown[path][DEVICE]
        start = REGIONS[shown[device["Region"]][REGION]["Id"]].start
        return [(start + offset, size) for offset, size in device["Ranges"]]

    def recover(self):
        """After a point that went wrong: processes that are stuck are let go."""
        self.sim.clear()
        for pid in self.worker_pids():
            self.kill(pid)
        if self.system.daxd and self.system.daxd.poll() is not None:
            self.system.daxd = None

    # --- memory ----------------------------------------------------------------------------------

    def mark(self, start, size, pattern):
        for at in spots(start, size):
            self.sim.fill(at, MARK, pattern)

    def marks(self, sim):
        """Where what an owner has left still is. `sim`: who is asked."""
        return tuple(at for pieces, _ in self.left.values() for piece in pieces
                     for at in spots(*piece) if sim.find(at, MARK, self.secret) is not None)

    def had_owner(self, start, size):
        """Whether a mark of his is to be found there."""
        return any(start <= at < start + size for pieces, _ in self.left.values()
                   for piece in pieces for at in spots(*piece))

    def find(self, start, size, pattern):
        """Where a mark is; None when it is nowhere."""
        for at in spots(start, size):
            if self.sim.find(at, MARK, pattern) is not None:
                return at
        return None

    # --- daxd ------------------------------------------------------------------------------------

    def kill(self, *pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill_daxd(self):
        if self.system.daxd:
            self.system.kill_daxd()

    def restart(self):
        """daxd after a kill."""
        self.stop_all()
        self.start_daxd()
        self.system.wait_layouts()

    def wait_recovered(self):
        """Until a daxd that was started without waiting has come to the end of all it had to do."""
        self.system.wait_name(60)
        self.system.wait_layouts()
        self.restarted = True

    def is_alive(self):
        return self.system.daxd and self.system.daxd.poll() is None

    @staticmethod
    def pids(names=("daxd", "daxd-worker")):
        pids = []
        for path in glob.glob("/proc/[0-9]*"):
            pid = int(path.split("/")[2])
            try:
                if program(path) in names and is_running(pid):
                    pids.append(pid)
            except OSError:
                continue
        return pids

    def worker_pids(self):
        return self.pids(("daxd-worker",))

    @staticmethod
    def wait_gone(pid, timeout=60):
        """Waits until a process that was killed is."""
        deadline = time.monotonic() + timeout
        while is_running(pid):
            if time.monotonic() > deadline:
                fail(f"process {pid} does not die")
            time.sleep(0.002)

    def wait_workers_gone(self, timeout=60):
        """Until nobody has anything to say of them any more."""
        deadline = time.monotonic() + timeout
        while self.worker_pids() or self.workers_begun() > len(ENDED.findall(self.said("worker"))):
            if time.monotonic() > deadline:
                fail("workers do not go by themselves")
            time.sleep(0.005)

    def workers_begun(self):
        return len(BEGUN.findall(self.said("worker")))

    def complaint(self):
        """A line of a sanitizer's or of valgrind's, or of an assertion that does not hold; a worker
        that has ended in another way than by itself or by SIGKILL."""
        journal = self.journal()
        odd = [f"worker {pid} has ended with {status}" for pid, status in ENDED.findall(journal)
               if int(status) not in (0, signal.SIGKILL)]
        return next((line for line in journal.splitlines() if COMPLAINTS.search(line)),
                    odd[0] if odd else None)

    def journal(self):
        """What daxd and its workers have said since the beginning of the point."""
        return "".join(map(self.said, LOGS))

    def said(self, name):
        return said(name)[self.log_begin[name]:]

    @staticmethod
    def log_end():
        return {name: len(said(name)) for name in LOGS}


def clear(folder, kept):
    for name in os.listdir(folder):
        path = f"{folder}/{name}"
        if name == kept:
            continue
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def spots(start, size):
    """Where marks are in a range: not where what is wiped at once begins, but anywhere in it."""
    places = (at + at // (2 * MIB) * 37 % (2 * MIB // MARK) * MARK for region in REGIONS
              for at in (*range(region.start, region.start + NEAR, 2 * MIB),
                         *range(region.start + NEAR, region.start + region.size, 16 * MIB)))
    return [at for at in places if start <= at < start + size]


def left_in(extents):
    """Where the former owner was: in all of what is near, and here and there behind it, so that what
    comes to lie there has several pieces to be wiped, of which none takes long. One that has a name may
    lie in eight."""
    pieces = [(0, NEAR + 4 * MIB)] + [(at * MIB, 4 * MIB) for at in FAR]
    return [[max(start, begin), min(start + size, begin + length) - max(start, begin)]
            for begin, length in pieces for start, size in extents
            if max(start, begin) < min(start + size, begin + length)]


def program(folder):
    """What a process runs, also under valgrind. `folder`: its one in /proc."""
    name = get_text(f"{folder}/comm")
    if name.startswith("memcheck"):
        name = os.path.basename(get_text(f"{folder}/cmdline").rstrip("\0").rpartition("\0")[2])
    return name


def is_running(pid):
    try:
        return get_text(f"/proc/{pid}/stat").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def outcome(function):
    """(what a call returned, the error that it gave): one of them None."""
    try:
        return function(), None
    except DBusError as error:
        return None, error
