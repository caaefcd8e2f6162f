#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes that hang, and jobs that are cancelled, at writes of each operation: the rest of daxd goes on,
the job says where it is, and in the end the device is as it was or as it was wanted. The operations
are those of the proof (tests/sim/proof/operations.py).

    tests/sim/crowd/test_stuck.py                 some writes of each operation; prints its seed
    tests/sim/crowd/test_stuck.py --all           all of them
    tests/sim/crowd/test_stuck.py --all move      all of this one
    tests/sim/crowd/test_stuck.py --not-idle      where devdax devices are bound by new_id, on 6.12
"""

import random
import sys

from enter import TOP, enter, parser


def arguments():
    words = parser(__doc__)
    words.add_argument("--all", action="store_true", help="at every write")
    words.add_argument("--part", type=int, default=1, metavar="NUMBER",
                       help="only every so many-th operation")
    words.add_argument("--seed", type=int, default=random.randrange(1 << 30),
                       help="which of them, where it is not all")
    words.add_argument("--not-idle", action="store_true",
                       help="the regions are such as a kernel takes for ordinary memory (6.12)")
    words.add_argument("operations", nargs="*", metavar="OPERATION")
    return words.parse_args()


ARGS = arguments()
if not ARGS.inside:
    enter(ARGS, ("1G@0x100000000", "512M@0x150000000", "512M@0x180000000"), "--memmap-on-memory",
          idle=not ARGS.not_idle)

# What only is there inside.
import errno
import functools
import json
import re
import socket
import threading
from fnmatch import fnmatch

from common import *
from crowd import empty_regions
from processes import measure
from system import System, said

sys.path.insert(0, str(TOP / "tests/sim/proof"))
import operations
import trial

ROOT = "/org/daxd1"
MANAGER, REGION_FACE, DEVICE_FACE, JOB = (f"org.daxd1.{face}"
                                          for face in ("Manager", "Region", "Device", "Job"))
ALL_REGIONS = FIRST_REGION, SECOND_REGION, THIRD_REGION = [object_path("region", number)
                                                           for number in range(3)]
# Not what a daemon on a machine has: three of its beats are awaited again and again.
WATCHDOG_USEC = 300000
# Until who only asks has an answer. A worker waits up to 20 s for another who binds by new_id.
READ_SECONDS = 60
# How many writes of each operation, when it is not all.
SOME = 2
WAITS = "waiting for a worker of an earlier daxd"

# By new_id one device is bound at a time, whatever its region: so others' have no driver there.
BIND, OTHERS = "*/device_dax/bind", {}
if ARGS.not_idle:
    BIND, OTHERS = "*/device_dax/new_id", {"mode": "none"}

system = System()


def require_beats(count=3, timeout=10):
    """So many signs of life from now on."""
    begin = system.notify.count("WATCHDOG=1")
    require(system.notify.wait_word("WATCHDOG=1", begin + count, timeout),
            f"daxd gives no sign of life for {timeout} s")


# --- operations -------------------------------------------------------------------------------


def begin(path, face, method, signature, *args):
    return Call(path, face, method, f"{signature}a{{sv}}", *args)


def begin_create(size, region=FIRST_REGION, **options):
    return begin(region, REGION_FACE, "CreateDevice", "t", size, options)


def begin_ask(method, signature="", *args, **options):
    return begin(object_path("device", f"dax{shown_id(FIRST_REGION)}.1"), DEVICE_FACE, method,
                 signature, *args, options)


def shown_id(path):
    return int(path.rsplit("/", 1)[1])


def take_first():
    """Instance 0 out of the way: it is never deleted, others are the whole of it."""
    begin_create(4 * MIB).result()


# What a job says that is at such a write: the attribute, and what is written.
STEP_NAMES = {
    "*/create 1": "create ", "*/delete *": "destroy ", "*/size *": "set the size ",
    "*/mapping *": "add ", "*/align *": "align ", "*/memmap_on_memory *": "switch ",
    "*/bind *": "bind ", "*/new_id *": "bind ", "*/remove_id *": "bind ",
    "*/auto_online_blocks *": "(un)?bind ", "*/unbind *": "unbind ",
    "*/memory*/state offline": "take .* offline", "*/memory*/state online*": "bring .* online",
    "*/dax*/uevent * DAXD=0": "take name ", "*/dax*/uevent * DAXD=[1-9]*": "give .* its name "}


class Pending(trial.Pending):
    """An operation under way."""

    def result(self):
        if error := super().result():
            raise error


def begin_operation(operation):
    return Pending(operation.do())


def shown():
    return {properties[DEVICE_FACE]["Name"]: properties[DEVICE_FACE]
            for properties in managed_objects().values() if DEVICE_FACE in properties}


def whole():
    """All that a transaction has to bring back."""
    state = sim.state()
    devices = sorted((d["name"], d["ranges"], d["align"], d["driver"], d["memmap_on_memory"])
                     for region in state["regions"] for d in region["devices"] if d["size"])
    blocks = sorted((b["number"], b["state"], b["zone"] or "") for b in state["blocks"])
    empty = [d["name"] for region in state["regions"] for d in region["devices"]
             if not d["size"] and not d["name"].endswith(".0")]
    labels = sorted((p["Label"], p["Size"], p["Mode"], p["OnlineBlocks"])
                    for p in shown().values())
    return {"devices": devices, "blocks": blocks, "empty": empty, "labels": labels,
            "leaks": state["leaks"], "auto_online": state["auto_online"],
            # by place; the inode before it changes when a device is made again
            "names": sorted(re.sub("^[0-9]+-", "", name)
                            for name in os.listdir("/run/daxd/names")),
            "records": os.listdir("/run/daxd/transactions")}


def empty():
    """All regions, as they are by themselves where they are idle."""
    if ARGS.not_idle:
        empty_regions()
        call(ROOT, MANAGER, "Refresh", "a{sv}", {})


def prepare(setup):
    system.reboot(sim)
    empty()
    setup()
    return whole()


def prepare_operation(operation):
    return prepare(lambda: (take_first(), operations.prepare(operation)))


@functools.cache
def learn(name):
    """(what is before the operation, what is after it, how many writes it takes)"""
    operation = operations.find(name)
    before = prepare_operation(operation)
    count = sim.count()
    begin_operation(operation).result()
    count = sim.count() - count
    return before, whole(), count


def is_settled(before, after, what):
    """As it was, or as it was wanted; which of them."""
    now = whole()
    for word, state in (("before", before), ("after", after)):
        if now == state:
            return word
    differences = [f"{key} is {now[key]!r}, {word} it is {state[key]!r}"
                   for word, state in (("before", before), ("after", after))
                   for key in now if now[key] != state[key]]
    return fail(f"{what}: neither as before nor as wanted:\n" + "\n".join(differences))


def only_job():
    """The path and the properties of the job that runs."""
    jobs = {path: faces[JOB] for path, faces in managed_objects().items() if JOB in faces}
    equal(len(jobs), 1, "the number of jobs")
    return next(iter(jobs.items()))


def reads(busy):
    """Every call that only asks, about all that there is, as it is given to Call. But for plans of
    what is busy: they wait for their turn."""
    objects = managed_objects()
    yield ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"
    yield ROOT, MANAGER, "Describe", "a{sv}", {}
    for path, faces in objects.items():
        for face in faces:
            yield path, "org.freedesktop.DBus.Properties", "GetAll", "s", face
        if REGION_FACE in faces:
            layout = json.dumps({"version": 1, "region": {"id": shown_id(path)},
                                 "devices": [{"name": "planned", "size": "4M"}]})
            if path not in busy:
                yield ROOT, MANAGER, "PlanLayout", "sa{sv}", layout, {}
            yield ROOT, MANAGER, "GetRegion", "ua{sv}", shown_id(path), {}
            yield path, REGION_FACE, "GetResource", "a{sv}", {}
        if DEVICE_FACE in faces:
            for name in filter(None, (faces[DEVICE_FACE]["Name"], faces[DEVICE_FACE]["Label"])):
                yield ROOT, MANAGER, "GetDevice", "sa{sv}", name, {}
            yield path, DEVICE_FACE, "GetHolders", "a{sv}", {}


def all_can_be_read(what, busy):
    """All at once, each has its answer soon, also about what the write is at. Only that a device is
    gone there can be seen before the job has ended."""
    calls = [(words, Call(*words, timeout=READ_SECONDS)) for words in reads(busy)]
    for words, pending in calls:
        try:
            pending.result()
        except DBusError as error:
            require(words[2] == "GetHolders" and error.short == "NoSuchDevice",
                    f"{what}: {' '.join(map(str, words))}: {error}")


def others_go_on(what, busy=(FIRST_REGION,), **options):
    """All that there is can be read meanwhile, and devices of other regions come and go, with
    names."""
    all_can_be_read(what, busy)
    for region in (path for path in ALL_REGIONS if path not in busy):
        path = begin_create(4 * MIB, region=region, label="another", **options).result()
        equal(get(path, DEVICE_FACE, "Label"), "another", f"{what}: label of another")
        call(ROOT, MANAGER, "Refresh", "a{sv}", {})
        call(path, DEVICE_FACE, "Destroy", "a{sv}", {})


def await_step(what, at):
    """The job says which write it is at, soon after it has begun with it. Returns the job."""
    write = f"{at.path} {at.value}"
    expected = next(words for pattern, words in STEP_NAMES.items() if fnmatch(write, pattern))
    wait_until(lambda: re.match(expected, only_job()[1]["StepName"]), 60,
               f"{what}: the job to say '{expected}' at {write}")
    path, job = only_job()
    require(1 <= job["Step"] <= job["Steps"], f"{what}: step {job['Step']} of {job['Steps']}")
    return path, job


def for_each_write(one):
    """Calls one(what, n, before, after, operation) for writes of each operation; there is a reboot
    where the last one has changed something."""
    chosen, points, known, complaints = random.Random(ARGS.seed), 0, 0, []
    tried = ([operations.find(name) for name in ARGS.operations]
             or operations.part(ARGS.part, ARGS.seed))
    for operation in tried:
        name = operation.name
        before, after, count = learn(name)
        fresh = False
        numbers = range(1, count + 1)
        if not ARGS.all:
            numbers = sorted(chosen.sample(numbers, min(count, SOME)))
        for n in numbers:
            if not fresh:
                prepare_operation(operation)
            what = f"{name}, write {n} of {count}"
            try:
                fresh = one(what, n, before, after, operation) == "before"
            except (Failure, DBusError, OSError, TimeoutError, trial.Violation) as error:
                complaints.append(f"{what}: {error}")
                fresh = False
        points += len(numbers)
        known += count
    say(f"{points} of {known} points, {len(complaints)} violations; seed {ARGS.seed}")
    require(not complaints, "\n".join(complaints))


# --- tests --------------------------------------------------------------------------------------


@test
def the_system_starts():
    system.start_bus()
    system.start_workers()
    start_daxd()
    system.wait_layouts()


def start_daxd(**options):
    start_unwatched(env={"WATCHDOG_USEC": str(WATCHDOG_USEC)}, **options)


start_unwatched, system.start_daxd = system.start_daxd, start_daxd


def hang_and_cancel(what, n, before, after, operation):
    """On its way forward a job can be cancelled at any write; on its way back it cannot, see below."""
    with sim.stopped(nth=n, signal="none") as stop:
        pending = begin_operation(operation)
        at = stop.wait()
        others_go_on(what, busy=(ALL_REGIONS[operation.region],), **OTHERS)
        require_beats()
        path, job = await_step(what, at)
        require(job["Cancelable"], "the job cannot be cancelled")
        call(path, JOB, "Cancel", "a{sv}", {})
        name = get(path, JOB, "StepName")
        require("ends first" in name, f"{what}: a cancelled job says {name!r}")
        stop.release(at)
        refused("Cancelled", pending.result)
    equal(is_settled(before, after, what), "before", "the outcome")
    return "before"


@test
def others_go_on_beside_a_write_that_hangs_and_cancel_takes_effect_after_it():
    for_each_write(hang_and_cancel)


def kill_beside(what, n, before, after, operation):
    """daxd goes, twice, while its worker is stuck; the third waits until it is not."""
    with sim.stopped(nth=n, signal="none") as stop:
        pending = begin_operation(operation)
        at = stop.wait()
        for _ in range(2):
            system.kill_daxd()
            said_before = said("daxd").count(WAITS)
            start_daxd(wait=False)
            wait_until(lambda: said("daxd").count(WAITS) > said_before, 60,
                       f"{what}: daxd to say that it waits")
            require_beats()
            require(not system.notify.count("READY=1"),
                    f"{what}: daxd is ready beside a stuck worker")
            writes = sim.count()
            if _ == 1:
                stop.release(at)
                system.notify.wait_ready(system.daxd, 30, "daxd")
                system.wait_name(60)
        require(writes == at.number, f"{what}: somebody writes beside a stuck worker")
    try:
        pending.result()
        fail(f"{what}: the call of a daxd that was killed has a reply")
    except DBusError:
        pass
    return is_settled(before, after, what)


@test
def where_a_job_hangs_is_signalled_although_nothing_else_happens():
    prepare(take_first)
    with Signals() as signals, sim.stopped(path=BIND, signal="none") as stop:
        pending = begin_create(4 * MIB)
        path = signals.wait("InterfacesAdded", has=lambda args: JOB in args[1])["args"][0]
        at = stop.wait()
        signals.wait("PropertiesChanged", path,
                     lambda args: re.match("bind .* as devdax", args[1].get("StepName", "")))
        stop.release(at)
        pending.result()


# (operation, the write that fails, the one of its way back that hangs, what the job says then)
WAYS_BACK = (
    ("create", {"path": BIND}, {"path": "*/size", "value": "0"}, "set the size "),
    ("create", {"path": BIND}, {"path": "*/delete"}, "destroy "),
    ("create-ranges", {"path": "*/mapping", "nth": 2}, {"path": "*/delete"}, "destroy "),
    ("create-ram", {"path": "*/memory*/state", "nth": 2}, {"path": "*/memory*/state", "nth": 3},
     "take .* offline"),
    ("create-ram", {"path": "*/memory*/state", "nth": 2}, {"path": "*/kmem/unbind"}, "unbind "),
    ("grow", {"path": BIND}, {"path": "*/size", "nth": 2}, "set the size "),
    ("grow", {"path": BIND}, {"path": BIND, "nth": 2}, "bind "),
    ("label", {"path": "*/uevent", "value": "*DAXD=[1-9]*"},
     {"path": "*/uevent", "value": "*DAXD=[1-9]*", "nth": 2}, "give .* its name "),
)


@test
def a_job_that_hangs_on_its_way_back_says_so():
    for name, fails, hangs, words in WAYS_BACK:
        what = f"{name}, {hangs} after {fails}"
        operation = operations.find(name)
        before = prepare_operation(operation)
        sim.fail(errno.EIO, **fails)
        with Signals() as signals, sim.stopped(signal="none", **hangs) as stop:
            pending = begin_operation(operation)
            path = signals.wait("InterfacesAdded", has=lambda args: JOB in args[1])["args"][0]
            at = stop.wait()
            signals.wait("PropertiesChanged", path,
                         lambda args: re.match(words, args[1].get("StepName", "")))
            require(not get(path, JOB, "Cancelable"), f"{what}: it can be cancelled")
            others_go_on(what, **OTHERS)
            refused("Busy", call, path, JOB, "Cancel", "a{sv}", {})
            stop.release(at)
            refused("Kernel", pending.result)
        equal(whole(), before, f"{what}: all")


@test
def who_follows_a_daxd_that_was_killed_waits_for_its_stuck_worker():
    for_each_write(kill_beside)


@test
def offlining_is_cancelled_inside_and_undone():
    for pinned in range(3):
        prepare(take_first)
        begin_create(3 * BLOCK, mode="system-ram", ranges=[[BLOCK, 3 * BLOCK]]).result()
        before = whole()
        first = (FIRST.start + BLOCK) // BLOCK
        for n in range(3):
            sim.block(first + n, pinned=n == pinned)
        pending = begin_ask("OfflineMemory")
        wait_until(lambda: state_of(first + pinned) == "going-offline", 60, "offlining")
        # binding to device_dax needs the lock that offlining has, in the kernel as well
        others_go_on("while memory goes offline", mode="none")
        require_beats()
        path, job = only_job()
        require("offline" in job["StepName"], f"the job says {job['StepName']!r}")
        call(path, JOB, "Cancel", "a{sv}", {})
        refused("Cancelled", pending.result)
        sim.calm()
        equal(whole(), before, "all")


@test
def cancel_interrupts_what_the_kernel_lets_be_interrupted():
    """Nobody lets the write go on."""
    for name in ("offline", "ram-to-devdax", "destroy-ram"):
        operation = operations.find(name)
        for nth in (1, 2):
            before = prepare_operation(operation)
            with sim.stopped(path="*/memory*/state", value="offline", nth=nth,
                             signal="any") as stop:
                pending = begin_operation(operation)
                stop.wait()
                path, _ = only_job()
                call(path, JOB, "Cancel", "a{sv}", {})
                refused("Cancelled", pending.result)
            equal(whole(), before, f"{name}, block {nth}: all")


@test
def who_waits_behind_a_write_that_hangs_can_be_cancelled_at_once():
    prepare(take_first)
    with sim.stopped(path="*/create", signal="none") as stop:
        first = begin_create(4 * MIB)
        at = stop.wait()
        second = begin(FIRST_REGION, REGION_FACE, "CreateDevice", "t", 4 * MIB, {"tag": "second"})
        path = wait_until(lambda: next((path for path, faces in managed_objects().items()
                                        if faces.get(JOB, {}).get("Tag") == "second"), None),
                          10, "the second job")
        call(path, JOB, "Cancel", "a{sv}", {})
        refused("Cancelled", second.result)
        require(first.pending(), "the first does not hang any more")
        stop.release(at)
        first.result()
    equal(len(whole()["devices"]), 2, "the number of devices")


@test
def memory_work_waits_for_memory_work_that_hangs_and_nothing_else_does():
    prepare(take_first)
    for region in (SECOND_REGION, THIRD_REGION):
        begin_create(4 * MIB, region=region).result()  # instance 0
    with sim.stopped(path="*/kmem/*", signal="none") as stop:
        first = begin_create(BLOCK, mode="system-ram")
        at = stop.wait()
        second = begin_create(BLOCK, region=SECOND_REGION, mode="system-ram")
        others_go_on("beside memory work that hangs", busy=(FIRST_REGION, SECOND_REGION),
                     **OTHERS)
        require(first.pending() and second.pending(), "memory work has gone on")
        stop.release(at)
        first.result()
        second.result()
    equal([state for _, state, _ in whole()["blocks"]], ["online"] * 2, "the blocks")


@test
def wiping_is_cancelled_inside():
    prepare(take_first)
    size = FIRST.size - 2 * BLOCK
    begin_create(size, label="one", ranges=[[BLOCK, size]]).result()
    begin_ask("Destroy").result()
    before = whole()
    with Signals() as signals:
        pending = begin_create(size, label="two", ranges=[[BLOCK, size]], wipe=True)
        path = signals.wait("InterfacesAdded", has=lambda args: JOB in args[1])["args"][0]
        # of the six steps it is the fourth: some of it is done, and some is not
        signals.wait("PropertiesChanged", path,
                     lambda args: "wipe" in args[1].get("StepName", "") and
                     args[1]["Step"] - 1 < args[1]["Progress"] * args[1]["Steps"] < args[1]["Step"])
        call(path, JOB, "Cancel", "a{sv}", {})
        refused("Cancelled", pending.result)
    equal(whole(), before, "all")


@test
def who_cancels_a_layout_that_wipes_hears_what_is_lost():
    prepare(take_first)
    size = FIRST.size - 2 * BLOCK
    begin_create(size, label="one", ranges=[[BLOCK, size]]).result()
    begin_create(4 * MIB, label="two", ranges=[[64 * MIB, 4 * MIB]]).result()
    before = whole()
    text = json.dumps({"version": 1, "region": {"start": hex(FIRST.start)}, "prune": "idle",
                       "devices": [{"name": "two", "size": "4M"},
                                   {"name": "three", "size": size}]})
    with Signals() as signals:
        pending = begin(ROOT, MANAGER, "ApplyLayout", "s", text, {})
        path = signals.wait("InterfacesAdded", has=lambda args: JOB in args[1])["args"][0]
        signals.wait("PropertiesChanged", path,
                     lambda args: "wipe" in args[1].get("StepName", ""))
        call(path, JOB, "Cancel", "a{sv}", {})
        message = refused("Cancelled", pending.result).message
    require(re.search(r"what was in dax\S+ .*one.* is lost", message), message)
    require("two" not in message, message)
    equal(whole(), before, "all")


@test
def writes_that_hang_in_several_regions_hold_up_no_other():
    prepare(lambda: None)
    index = sim.add_region(f"{FIRST.size}@0x4000000000")
    fourth = object_path("region", index)
    wait_until(lambda: fourth in managed_objects(), 60, "the fourth region")
    empty()
    hung = []
    with sim.stopped(path="*.0/size", signal="none", times=3) as stop:
        for region in (FIRST_REGION, SECOND_REGION, THIRD_REGION):
            hung.append((begin_create(4 * MIB, region=region), stop.wait()))
        other = begin_create(4 * MIB, region=fourth)
        try:
            wait_until(lambda: not other.pending(), 60, "a device of the fourth region")
        finally:
            for _, at in hung:
                stop.release(at)
            for pending, _ in hung:
                pending.result()
            other.result()


@test
def nobody_has_complained():
    system.stop_daxd()
    # what they have leaked is told at the very end
    wait_until(lambda: not measure(), 60, "the workers to end")
    check_logs()


main()
