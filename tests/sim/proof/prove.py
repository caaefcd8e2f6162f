# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows that transactions hold: tries operations at points, and prints a table of how many there
were and how many violations.

    tests/sim/proof/prove                     a few minutes: all operations, some of the points
    tests/sim/proof/prove --part 3            of a third of the operations, another one in each way
    tests/sim/proof/prove --all               all points
    tests/sim/proof/prove --all --most 1      all at which one thing happens, not a second one after it
    tests/sim/proof/prove --way failing --operation grow
    tests/sim/proof/prove --valgrind --part 4 the same, with daxd and workers under it
    tests/sim/proof/prove --only failing:grow:3:fail:EIO+2:skip

Every violation comes with the words that try its point alone, and with what daxd said.
"""

import argparse
import importlib
import random
import re
import sys
import time
import traceback

from ground import Ground
from harness import KERNEL
from judge import Violation
from operations import find, part
from trial import NOTHING, Reference

WAYS = ("failing", "killing", "calls", "others")
# How many points of each operation, when not all are tried.
QUICK = {"failing": 2, "killing": 1, "calls": 2, "others": 1}
# How many points of each kind of violation the end names again.
SHOWN = 4
# Points at which there was a fault once: they are always among the some.
FOUND = ("failing:create-first:3:stuck:EINVAL", "failing:layout-prune:16:stuck:EINVAL",
         "failing:layout-prune:17:stuck:EIO", "failing:layout-prune:19:stuck:EINVAL",
         "others:ram-to-devdax:5:between:grow", "others:none-to-devdax:1:between:grow",
         "others:shrink:5:killed-after:unbind", "others:ram-to-none:5:between:bind-ram")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, prog="prove",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="all points of all operations")
    parser.add_argument("--quick", action="store_false", dest="all",
                        help="some points of each operation (the default)")
    parser.add_argument("--part", type=int, default=1, metavar="NUMBER",
                        help="only every so many-th operation")
    parser.add_argument("--most", type=int, default=2, metavar="NUMBER",
                        help="of things that happen at one point: 2; more are killed at calls only")
    parser.add_argument("--way", action="append", choices=WAYS, help="only these ways")
    parser.add_argument("--operation", action="append", metavar="NAME", help="only these")
    parser.add_argument("--only", metavar="WAY:OPERATION:POINT", help="only this point")
    parser.add_argument("--seed", type=int, help="which points --quick takes, and which operations "
                        "--part")
    parser.add_argument("--valgrind", action="store_true",
                        help="daxd and workers under it, in the ways that see no system calls")
    parser.add_argument("--bystander", action="store_true",
                        help="somebody else has a device without a driver beside")
    parser.add_argument("--seconds", type=float, help="begin nothing after so long")
    args = parser.parse_args()
    if args.valgrind and "calls" in (args.way or ()):
        parser.error("--valgrind makes system calls of its own: it cannot be had with --way calls")
    args.way = args.way or [way for way in WAYS if not args.valgrind or way != "calls"]
    args.seed = random.randrange(1 << 31) if args.seed is None else args.seed
    return args


class Row:
    """The points of one operation that were tried in one way."""

    def __init__(self, way, operation):
        self.way, self.operation = way, operation
        self.known = self.tried = self.violations = 0
        self.kinds = {}  # of violations: the points
        self.results = {}
        self.begin, self.seconds = time.monotonic(), 0

    def text(self):
        results = ", ".join(f"{count} {name}" for name, count in sorted(self.results.items()))
        return (f"{self.way:8} {self.operation:20} {self.tried:6} of {self.known:<6}"
                f"{self.violations:5} violations {self.seconds:7.1f} s   {results}")


class Prover:
    def __init__(self, args):
        self.args, self.ground, self.rows = args, Ground(args.most, args.valgrind, args.bystander), []
        self.random = random.Random(args.seed)
        self.references = {}
        self.end = time.monotonic() + args.seconds if args.seconds else float("inf")

    def guarded(self, row, operation, point, function):
        """Whatever goes wrong is a violation, with all that is needed to see it again."""
        try:
            return function()
        except Exception as error:
            row.violations += 1
            kind = re.split("[:'(\n]", str(error))[0].strip()
            row.kinds.setdefault(kind, []).append(f"{row.way}:{operation.name}:{point}")
            detail = "" if isinstance(error, Violation) else traceback.format_exc()
            print(f"VIOLATION {row.way}:{operation.name}:{point} on {KERNEL}: {error}\n{detail}"
                  f"    tests/sim/proof/prove --kernel {KERNEL} "
                  f"--only '{row.way}:{operation.name}:{point}'\n"
                  + "".join(f"    | {line}\n" for line in
                            self.ground.journal().splitlines()[-12:]), flush=True)
            self.ground.recover()
            return "violation", []

    def run_operation(self, way, operation):
        module = importlib.import_module(way)
        row = Row(way, operation.name)
        self.rows.append(row)
        if hasattr(module, "begin"):
            module.begin(self.ground)
        reference = self.guarded(row, operation, "reference",
                                 lambda: self.find_reference(module, operation))
        if isinstance(reference, tuple):
            return
        todo = module.points(reference)
        row.known = len(todo)
        if not self.args.all:
            found = [point for point in todo if f"{way}:{operation.name}:{point}" in FOUND]
            todo = self.random.sample(todo, min(len(todo), QUICK[way])) + found
        while todo and time.monotonic() < self.end:
            self.run_point(module, row, operation, reference, todo.pop(0), todo)
        row.seconds = time.monotonic() - row.begin
        print(row.text(), flush=True)

    def find_reference(self, module, operation):
        """Ways that need no more than the usual one share it."""
        kind = getattr(module, "Reference", Reference)
        key = kind, operation.name
        if key not in self.references:
            self.references[key] = kind(self.ground, operation)
        return self.references[key]

    def run_point(self, module, row, operation, reference, point, todo):
        result, more = self.guarded(row, operation, point, lambda: module.try_point(
            self.ground, operation, reference, point))
        more = more if self.args.most > 1 else []
        if result == NOTHING:
            row.known -= 1
        else:
            row.tried += 1
        row.results[result] = row.results.get(result, 0) + 1
        row.known += len(more)
        if self.args.all:
            todo += more
        elif more and row.tried <= QUICK[row.way]:
            todo.append(self.random.choice(more))

    def run_only(self):
        way, name, point = self.args.only.split(":", 2)
        module, operation = importlib.import_module(way), find(name)
        if hasattr(module, "begin"):
            module.begin(self.ground)
        row = Row(way, name)
        self.rows.append(row)
        reference = self.find_reference(module, operation)
        self.run_point(module, row, operation, reference, point, [])
        print(self.ground.journal())
        print("\n".join(f"{w.number} {w.path} {w.value} {w.errno} {w.effect}"
                        for w in self.ground.sim.writes()[-40:]))

    def run(self):
        for number, way in enumerate(self.args.way):
            for operation in part(self.args.part, self.args.seed + number):
                if not self.args.operation or operation.name in self.args.operation:
                    self.run_operation(way, operation)

    def sum_up(self):
        for way in dict.fromkeys(row.way for row in self.rows):
            rows = [row for row in self.rows if row.way == way]
            print(f"{way} on {KERNEL}: {sum(r.tried for r in rows)} points, "
                  f"{sum(r.violations for r in rows)} violations, "
                  f"{sum(r.seconds for r in rows):.0f} s")
            for kind in sorted({kind for row in rows for kind in row.kinds}):
                found = [point for row in rows for point in row.kinds.get(kind, [])]
                print(f"    {len(found):6} {kind}: {', '.join(found[:SHOWN])}")


def main():
    args = arguments()
    prover = Prover(args)
    print(f"seed {args.seed}", flush=True)
    if args.only:
        prover.run_only()
    else:
        prover.run()
    prover.ground.end()
    prover.sum_up()
    sys.exit(1 if any(row.violations for row in prover.rows) else 0)


main()
