#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What daxd costs, and how that grows with the number of devices: on the imitated machine of tests/sim,
where thousands of them cost nothing. Prints tables; no test. Needs root and a build.

    tests/bench/scale.py                        ten minutes, or so
    tests/bench/scale.py --devices 10,100 --rounds 3
    tests/bench/scale.py --only life --operations 100000

The time of an operation is the median of what a client waits for its calls, less the median of what
another waits for the same writes to the kernel's attributes with nothing around them, which a few
rounds of the same run take by turns. Only what stands in one table can be compared: the noise is told
with it, as half of the distance between the quartiles.
"""

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent
MIB = 1 << 20
SIZE = 2 * MIB
# A machine for each part: the size of its regions.
PARTS = {"growth": ["16G@0x100000000"], "life": ["1G@0x100000000"],
         "start": [f"1G@{start:#x}" for start in range(1 << 32, 5 << 32, 1 << 32)]}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=TOP / "build/gcc", metavar="DIR",
                        help="what to measure (build/gcc)")
    parser.add_argument("--devices", default="10,100,1000,4000", metavar="N,N...",
                        type=lambda text: [int(word) for word in text.split(",")],
                        help="how many devices there are while it is measured (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="by turns (%(default)s)")
    parser.add_argument("--count", type=int, default=40,
                        help="operations of each kind in a round (%(default)s)")
    parser.add_argument("--operations", type=int, default=4000, metavar="N",
                        help="over how many the memory is watched (%(default)s)")
    parser.add_argument("--starts", type=int, default=10, metavar="N",
                        help="how often daxd is started (%(default)s)")
    parser.add_argument("--kernel", choices=("6.1", "6.12"), default="6.12")
    parser.add_argument("--bus", choices=("dbus-daemon", "dbus-broker"), default="dbus-daemon")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part of it")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def outside(args):
    status = 0
    for part in args.only or PARTS:
        words = [TOP / "tests/sim/run", "--bare", "--region-idle", "--build", args.build,
                 "--kernel", args.kernel, "--bus", args.bus]
        for region in PARTS[part]:
            words += ["--regions", region]
        words += [sys.executable, *sys.argv, "--inside", part]
        status |= subprocess.run([str(word) for word in words], check=False).returncode
    return status


# --- what all parts need ------------------------------------------------------------------------


class Machine:
    """The imitated machine with daxd on it."""

    def __init__(self, args):
        from control import Control
        from system import System
        self.client_path = args.build.resolve() / "tests/bench/bench-scale-client"
        self.sim, self.system = Control(), System(args.bus)
        self.system.start()
        self.folders = sorted({os.path.dirname(os.path.realpath(f"/sys/bus/dax/devices/{name}"))
                               for name in os.listdir("/sys/bus/dax/devices")})

    def client(self, *words):
        """The microseconds that each took."""
        done = subprocess.run([self.client_path, *map(str, words)], check=True,
                              stdout=subprocess.PIPE, text=True)
        return [int(line) for line in done.stdout.split()]

    def refresh(self):
        subprocess.run(["busctl", "--timeout=600", "call", "org.daxd1", "/org/daxd1",
                        "org.daxd1.Manager", "Refresh", "a{sv}", "0"], check=True,
                       stdout=subprocess.DEVNULL)

    def fill(self, folder, count):
        self.client("fill", folder, count, SIZE)
        self.refresh()

    def region(self):
        """The object of the first region."""
        with open(f"{self.folders[0]}/dax_region/id", encoding="ascii") as attribute:
            return f"/org/daxd1/region/{attribute.read().strip()}"

    def processes(self):
        """{name: [pid]} of what takes part."""
        found = {"daxd": [self.system.daxd.pid], "daxd-worker": []}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
            except OSError:
                continue
            if name == "daxd-worker":
                found[name].append(int(pid))
        return found

    def processor_usec(self):
        """How long each has had a processor."""
        spent = {}
        for name, pids in self.processes().items():
            spent[name] = sum(int(open(f"/proc/{pid}/schedstat").read().split()[0])
                              for pid in pids) / 1000
        return spent

    def memory(self):
        """KiB of each process that are in memory: {name: the largest}."""
        return {name: max((int(re.search(r"VmRSS:\s*(\d+)", open(f"/proc/{pid}/status").read())[1])
                           for pid in pids), default=0)
                for name, pids in self.processes().items()}

    def without_daxd(self):
        """While the block runs daxd and its workers stand still: they would take their share of the
        processors for the events."""
        return Still([pid for pids in self.processes().values() for pid in pids])


class Still:
    def __init__(self, pids):
        self.pids = pids

    def __enter__(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)

    def __exit__(self, *_):
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)


class Figures:
    """Times of one thing."""

    def __init__(self, times):
        self.median = statistics.median(times)
        low, _, high = statistics.quantiles(times, n=4) if len(times) > 1 else times * 3
        self.noise = (high - low) / 2

    def __str__(self):
        return f"{milliseconds(self.median)} ±{milliseconds(self.noise)}"


def milliseconds(usec):
    return f"{usec / 1000:.2f}" if usec < 100000 else f"{usec / 1000:.0f}"


def title(text):
    print(f"\n{text}", flush=True)


def row(*cells):
    first, *rest = map(str, cells)
    print(f"{first:<10}" + "".join(f"{cell:>15}" for cell in rest), flush=True)


# --- growth -------------------------------------------------------------------------------------


KINDS = {"create+destroy": ("calls", "writes"), "resize twice": ("resizes", "resize-writes")}


def measure_kinds(machine, args, target):
    """By turns. Returns {kind: (times by daxd, times of writes, processor time of each)}."""
    results = {kind: ([], [], {}) for kind in KINDS}
    folder, region = machine.folders[0], machine.region()
    name, path = target
    arguments_of = {"calls": [region, args.count, SIZE], "writes": [folder, args.count, SIZE],
                    "resizes": [path, args.count, 2 * SIZE, SIZE],
                    "resize-writes": [f"{folder}/{name}", args.count, 2 * SIZE, SIZE]}
    for _ in range(args.rounds):
        for kind, (calls, writes) in KINDS.items():
            by_daxd, by_writes, processor = results[kind]
            machine.client(calls, arguments_of[calls][0], 2, *arguments_of[calls][2:])
            before = machine.processor_usec()
            by_daxd += machine.client(calls, *arguments_of[calls])
            for process, usec in machine.processor_usec().items():
                processor[process] = processor.get(process, 0) + usec - before[process]
            with machine.without_daxd():
                by_writes += machine.client(writes, *arguments_of[writes])
            machine.refresh()
    return results


def measure_reading(machine, args, target):
    interface = "org.daxd1.Device"
    return {"a property": machine.client("property", target[1], interface, "Size",
                                         20 * args.count),
            "a ping": machine.client("pings", 20 * args.count),
            "all objects": machine.client("objects", max(args.rounds, 3))}


def grow(machine, args):
    """At each number of devices, and at the first once more: how steady the machine was."""
    folder = machine.folders[0]
    name = "dax0.1"
    target = name, f"/org/daxd1/device/{name.replace('.', '_2e')}"
    there, results = 0, []
    for count in args.devices:
        machine.fill(folder, count - there)
        there = count
        results.append((str(count), measure_kinds(machine, args, target),
                        measure_reading(machine, args, target), machine.memory()))
    names = sorted((name for name in os.listdir(folder) if re.fullmatch(r"dax\d+\.\d+", name)),
                   key=lambda name: int(name.split(".")[1]))
    for some in range(len(names) - 1, args.devices[0], -500):
        machine.client("empty", folder, *names[max(some - 499, args.devices[0] + 1):some + 1])
    machine.refresh()
    results.append((f"{args.devices[0]} again", measure_kinds(machine, args, target),
                    measure_reading(machine, args, target), machine.memory()))
    return results


def show_kind(results, kind):
    title(f"{kind}, ms of a pair of operations (median ± noise)")
    row("devices", "by daxd", "raw writes", "daxd's own", "to the first", "daxd's CPU",
        "worker's CPU")
    first = None
    for count, kinds, *_ in results:
        by_daxd, by_writes, processor = kinds[kind]
        calls, writes = Figures(by_daxd), Figures(by_writes)
        own = calls.median - writes.median
        first = first or own
        row(count, calls, writes, milliseconds(own), f"{own / first:.2f}",
            *(milliseconds(processor[name] / len(by_daxd)) for name in ("daxd", "daxd-worker")))


def show_reading(results):
    title("reading, ms; and what is in memory, KiB")
    keys = list(results[0][2])
    row("devices", *keys, "daxd", "a worker")
    for count, _, reading, memory in results:
        row(count, *(Figures(reading[key]) for key in keys), memory["daxd"],
            memory["daxd-worker"])


def measure_growth(machine, args):
    results = grow(machine, args)
    for kind in KINDS:
        show_kind(results, kind)
    show_reading(results)


# --- life ---------------------------------------------------------------------------------------


def measure_life(machine, args):
    """Memory over many operations, and its slope in their second half."""
    step = max(args.operations // 20, 1)
    points = []
    machine.fill(machine.folders[0], 10)
    for done in range(0, args.operations + 1, step):
        points.append((done, machine.memory()))
        machine.client("calls", machine.region(), step // 2, SIZE)
    title(f"memory over {args.operations} operations, KiB")
    row("operations", "daxd", "a worker")
    for done, memory in points[::max(len(points) // 10, 1)]:
        row(done, memory["daxd"], memory["daxd-worker"])
    half = points[len(points) // 2:]
    if len(half) > 1:
        slopes = [statistics.linear_regression([done for done, _ in half],
                                               [memory[name] * 1024 for _, memory in half]).slope
                  for name in ("daxd", "daxd-worker")]
        row("bytes/op.", *(f"{slope:.2f}" for slope in slopes))


# --- start --------------------------------------------------------------------------------------


def measure_start(machine, args):
    """From its start to READY, by turns with reading everything."""
    for folder in machine.folders:
        machine.client("fill", folder, 64 // len(machine.folders), SIZE)
    reads, starts = [], []
    for _ in range(args.starts):
        machine.system.stop_daxd()
        reads += machine.client("reads")
        begin = time.monotonic()
        machine.system.start_daxd()
        starts.append((time.monotonic() - begin) * 1e6)
    title(f"start to READY with 64 devices in {len(machine.folders)} regions, ms")
    row("", "start", "raw reads", "difference")
    row("", Figures(starts), Figures(reads),
        milliseconds(statistics.median(starts) - statistics.median(reads)))


def inside(args):
    machine = Machine(args)
    {"growth": measure_growth, "life": measure_life, "start": measure_start}[args.inside](machine,
                                                                                        args)


def main():
    args = arguments()
    if not args.inside:
        sys.exit(outside(args))
    inside(args)


if __name__ == "__main__":
    main()
