#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What daxd costs, and how that grows with the number of devices: on the imitated machine of
tests/sim, where thousands of them cost nothing. Prints tables; no test. Needs root and a build.

    tests/bench/scale.py                        ten minutes, or so
    tests/bench/scale.py --devices 10,100 --rounds 3
    tests/bench/scale.py --only life --operations 100000

daxd's own time is the median of what a client waits for its calls, less the median of what another
waits for the same writes to the kernel's attributes with nothing around them. There is a machine
for each number of devices, and all take turns, so that whatever else the processors have to do does
not fall on one of them. A ratio is the median of those of the rounds. Noise is half of the distance
between the quartiles. Only what stands in one table can be compared.

What is limited has its limit beside it, and whether that is met. The memory of a worker is the most
that one had, and beside it that or what a child of one had, in which libdaxctl lists devices.
"""

import argparse
import json
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
# The limits; GROWTH is of so many devices against so few. What is asked of many devices is asked of
# fewer too.
GROWTH, GROWTH_DEVICES = 1.5, (10, 4000)
PROPERTY_USEC = 300
OBJECTS_USEC, OBJECTS_DEVICES = 60000, 1000
DAXD_KIB, DAXD_DEVICES = 12 << 10, 4000
WORKER_KIB = 4 << 10
START_USEC = 100000
# Less than this is flat. Over fewer operations it would be noise.
SLOPE, SLOPE_OPERATIONS = 1, 100000
# Where bench-peak writes to, of each worker when it ends.
PEAKS = "/run/daxsim/peaks"
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
    parser.add_argument("--rounds", type=int, default=8, help="of turns (%(default)s)")
    parser.add_argument("--count", type=int, default=15,
                        help="operations of each kind in a turn (%(default)s)")
    parser.add_argument("--operations", type=int, default=4000, metavar="N",
                        help="over how many the memory is watched (%(default)s)")
    parser.add_argument("--starts", type=int, default=10, metavar="N",
                        help="how often daxd is started (%(default)s)")
    parser.add_argument("--kernel", choices=("6.1", "6.12"), default="6.12")
    parser.add_argument("--bus", choices=("dbus-daemon", "dbus-broker"), default="dbus-daemon")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part of it")
    parser.add_argument("--inside", choices=PARTS, help=argparse.SUPPRESS)
    return parser.parse_args()


def inside_words(args, part, *more):
    """The command for a machine of its own."""
    words = [TOP / "tests/sim/run", "--bare", "--region-idle", "--build", args.build,
             "--kernel", args.kernel, "--bus", args.bus]
    for region in PARTS[part]:
        words += ["--regions", region]
    return [str(word) for word in (*words, sys.executable, *sys.argv, *more, "--inside", part)]


def outside(args):
    for part in args.only or PARTS:
        if part == "growth":
            show_growth(args)
        else:
            subprocess.run(inside_words(args, part), check=True)


# --- what all parts need ------------------------------------------------------------------------


class Machine:
    """The imitated machine with daxd on it."""

    def __init__(self, args):
        from control import Control
        from system import System
        programs = args.build.resolve() / "tests/bench"
        self.client_path = programs / "bench-scale-client"
        self.sim, self.system = Control(), System(args.bus)
        self.system.start_bus()
        self.system.start_workers(wrapper=[str(programs / "bench-peak"), PEAKS])
        self.system.start_daxd()
        self.system.wait_layouts()
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
        return {"daxd": [self.system.daxd.pid], "daxd-worker": running("daxd-worker")}

    def processor_usec(self):
        """How long each has had a processor."""
        spent = {}
        for name, pids in self.processes().items():
            spent[name] = sum(int(open(f"/proc/{pid}/schedstat").read().split()[0])
                              for pid in pids) / 1000
        return spent

    def memory(self, field="VmRSS"):
        """KiB of each process that are in memory, or (VmHWM) were at most: {name: the largest}."""
        return {name: max((int(re.search(rf"{field}:\s*(\d+)", open(f"/proc/{pid}/status").read())[1])
                           for pid in pids), default=0)
                for name, pids in self.processes().items()}

    def end(self):
        """Returns the KiB that a worker, or a child of one, had in memory at most."""
        self.system.stop_daxd()
        until = time.monotonic() + 60
        while running("bench-peak"):
            if time.monotonic() > until:
                raise TimeoutError("daxd has ended, and a worker has not")
            time.sleep(0.01)
        with open(PEAKS, encoding="ascii") as peaks:
            return max(map(int, peaks))

    def without_daxd(self):
        """While the block runs daxd and its workers stand still: they would take their share of the
        processors for the events."""
        return Still([pid for pids in self.processes().values() for pid in pids])


def running(program):
    """The ids of the processes of a program."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program:
                found.append(int(pid))
        except OSError:
            pass
    return found


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


def against(value, limit, shown=str, asked=True):
    """The cell beside a figure that is limited."""
    if not asked:
        return "-"
    return f"≤{shown(limit)} " + ("met" if value <= limit else "NOT MET")


# --- growth -------------------------------------------------------------------------------------


KINDS = {"create+destroy": ("calls", "writes"), "resize twice": ("resizes", "resize-writes"),
         "mode none and back": ("modes", "mode-writes"),
         "label and none": ("labels", "label-writes")}


def serve_growth(machine, args):
    """Fills the machine, and then does what each line of the standard input names."""
    machine.fill(machine.folders[0], args.devices[0])
    name = "dax0.1"
    path = f"/org/daxd1/device/{name.replace('.', '_2e')}"
    folder, region = machine.folders[0], machine.region()
    subjects = {"calls": [region], "writes": [folder]}
    for calls, writes in KINDS.values():
        subjects.setdefault(calls, [path])
        subjects.setdefault(writes, [f"{folder}/{name}"])
    sizes = {"calls": [SIZE], "writes": [SIZE], "resizes": [2 * SIZE, SIZE],
             "resize-writes": [2 * SIZE, SIZE]}

    def client(verb, count):
        return machine.client(verb, *subjects[verb], count, *sizes.get(verb, []))

    def measure_kinds():
        # what has been written beside daxd is read anew in the region's turn, so before these end
        client("calls", 3)
        turn = {kind: {} for kind in KINDS}
        for kind, (calls, _) in KINDS.items():
            before = machine.processor_usec()
            turn[kind]["daxd"] = client(calls, args.count)
            after = machine.processor_usec()
            turn[kind]["processor"] = {name: (after[name] - before[name]) / args.count
                                       for name in after}
        with machine.without_daxd():
            for kind, (_, writes) in KINDS.items():
                turn[kind]["writes"] = client(writes, args.count)
        return turn

    def measure_reading():
        return {"a property": machine.client("property", path, "org.daxd1.Device", "Size",
                                             10 * args.count),
                "a ping": machine.client("pings", 10 * args.count),
                "all objects": machine.client("objects", 2)}

    print("ready", flush=True)
    def measure_memory():
        """The last thing."""
        return {"daxd": machine.memory()["daxd"], "worker": machine.memory("VmHWM")["daxd-worker"],
                "child": machine.end()}

    deeds = {"kinds": measure_kinds, "reading": measure_reading, "memory": measure_memory}
    for line in sys.stdin:
        print(json.dumps(deeds[line.rstrip("\n")]()), flush=True)


class Servant:
    """A machine with so many devices, run by serve_growth()."""

    def __init__(self, args, count):
        self.args, self.count = args, count
        self.process = subprocess.Popen(
            inside_words(args, "growth", "--devices", str(count)), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.rounds = {word: [] for word in ("kinds", "reading")}

    def wait_ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"there is no machine with {self.count} devices")

    def ask(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def take_turn(self, word):
        self.rounds[word].append(self.ask(word))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def own(turn):
    return statistics.median(turn["daxd"]) - statistics.median(turn["writes"])


def show_kind(servants, kind):
    title(f"{kind}, ms of a pair of operations (median ± noise)")
    row("devices", "by daxd", "raw writes", "daxd's own", "to the first", "", "daxd's CPU",
        "worker's CPU")
    for servant in servants:
        turns = [turn[kind] for turn in servant.rounds["kinds"]]
        times = {of: Figures([usec for turn in turns for usec in turn[of]])
                 for of in ("daxd", "writes")}
        ratios = Figures([own(turn) / own(first[kind])
                          for turn, first in zip(turns, servants[0].rounds["kinds"])])
        row(servant.count, times["daxd"], times["writes"],
            milliseconds(statistics.median(map(own, turns))),
            f"{ratios.median:.2f} ±{ratios.noise:.2f}",
            against(ratios.median, GROWTH, asked=servant is not servants[0] and
                    servants[0].count >= GROWTH_DEVICES[0] and servant.count <= GROWTH_DEVICES[1]),
            *(Figures([turn["processor"][name] for turn in turns])
              for name in ("daxd", "daxd-worker")))


def show_reading(servants):
    title("reading, ms (median ± noise)")
    row("devices", "a ping", "a property", "", "all objects", "")
    for servant in servants:
        pings, properties, objects = (
            Figures([usec for turn in servant.rounds["reading"] for usec in turn[key]])
            for key in ("a ping", "a property", "all objects"))
        row(servant.count, pings,
            properties, against(properties.median, PROPERTY_USEC, milliseconds,
                                asked=servant.args.bus == "dbus-daemon"),
            objects, against(objects.median, OBJECTS_USEC, milliseconds,
                             asked=servant.count <= OBJECTS_DEVICES))


def show_memory(servants):
    title("memory, KiB: of daxd what it has, of others the most that one had")
    row("devices", "daxd", "", "a worker", "", "its child", "")
    for servant in servants:
        memory = servant.ask("memory")
        row(servant.count, memory["daxd"],
            against(memory["daxd"], DAXD_KIB, asked=servant.count <= DAXD_DEVICES),
            memory["worker"], against(memory["worker"], WORKER_KIB),
            memory["child"], against(memory["child"], WORKER_KIB))


def show_growth(args):
    servants = [Servant(args, count) for count in args.devices]
    for servant in servants:
        servant.wait_ready()
    for number in range(args.rounds):
        for word in ("kinds", "reading"):
            for servant in servants:
                servant.take_turn(word)
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr, flush=True)
    for kind in KINDS:
        show_kind(servants, kind)
    show_reading(servants)
    show_memory(servants)
    for servant in servants:
        servant.end()


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
        row("", *(against(slope, SLOPE, asked=args.operations >= SLOPE_OPERATIONS)
                  for slope in slopes))
    worker, child = machine.memory("VmHWM")["daxd-worker"], machine.end()
    row("at most", "", worker, "its child", child)
    row("", "", against(worker, WORKER_KIB), "", against(child, WORKER_KIB))


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
    row("", "start", "raw reads", "difference", "")
    difference = statistics.median(starts) - statistics.median(reads)
    row("", Figures(starts), Figures(reads), milliseconds(difference),
        against(difference, START_USEC, milliseconds))


def inside(args):
    machine = Machine(args)
    {"growth": serve_growth, "life": measure_life, "start": measure_start}[args.inside](
        machine, args)


def main():
    args = arguments()
    (inside if args.inside else outside)(args)


if __name__ == "__main__":
    main()
