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

Every violation comes with the words that try its point alone, and with what daxd said. The exit status
is 1 when there were any, 2 when no point was tried, 130 after an interrupt.
"""

import _signal

if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # nothing was tried yet: see Prover.interrupted()

import argparse
import errno
import importlib
import os
import random
import re
import signal
import sys
import threading
import time
import traceback

from ground import Ground
from harness import KERNEL
from judge import Violation
from operations import OPERATIONS, find, part
from trial import NOTHING, Reference

WAYS = ("failing", "killing", "calls", "others")
# What a point of each way is joined of by "+", for a person and as a pattern; and how many at most.
FORMS = {
    "failing": ("N:HOW:ERRNO, HOW one of fail, after, part, stuck (the first only), or N:skip", 2,
                r"(?P<n>[1-9]\d*):(?:skip|(?:fail|after|part|stuck):(?P<errno>E\w+))"),
    "killing": ("N:WHEN:WHOM, WHEN before or after, WHOM daxd, worker or both", 2,
                r"(?P<n>[1-9]\d*):(?:before|after):(?:daxd|worker|both)"),
    "calls": ("N:WHOM, WHOM caller or all, or N:fails (the first only)", None,
              r"(?P<n>[1-9]\d*):(?:caller|all|fails)"),
    "others": ("N:WHEN:WHAT, WHEN one of {whens}, WHAT one of {actions}", 1,
               r"(?P<n>[1-9]\d*):(?:{whens}):(?:{actions})"),
}
FIRST_ONLY = re.compile(r".*:(stuck:\w+|fails)")
# How many points of each operation, when not all are tried.
QUICK = {"failing": 2, "killing": 1, "calls": 2, "others": 1}
# How many points of each kind of violation the end names again.
SHOWN = 4
# Points at which there was a fault once: they are always among the some.
FOUND = ("failing:create-first:3:stuck:EINVAL", "failing:layout-prune:16:stuck:EINVAL",
         "failing:layout-prune:17:stuck:EIO", "failing:layout-prune:19:stuck:EINVAL",
         "others:ram-to-devdax:5:between:grow", "others:none-to-devdax:1:between:grow",
         "others:shrink:5:killed-after:unbind", "others:ram-to-none:5:between:bind-ram")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """In one sentence, without the usage."""
        self.exit(2, f"prove: {message.removeprefix('argument ')}\n")


def above_zero(kind):
    def parse(text):
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"'{text}' is not above 0")
        return value
    parse.__name__ = "number"  # as the parser calls what is none
    return parse


def parse_operation(text):
    names = [one.name for one in OPERATIONS]
    if text not in names:
        raise argparse.ArgumentTypeError(f"there is no operation '{text}' on {KERNEL}; there are "
                                         f"{', '.join(names)}")
    return text


def form_of(way):
    """For a person, how many may be joined, and as a pattern."""
    text, most, pattern = FORMS[way]
    if way == "others":
        module = importlib.import_module(way)
        whens, actions = module.WHENS, module.ACTIONS
        text = text.format(whens=", ".join(whens), actions=", ".join(actions))
        pattern = pattern.replace("{whens}", "|".join(whens)).replace("{actions}", "|".join(actions))
    return text, most, pattern


def parse_only(text):
    """(way, operation, point) of a point that there may be."""
    def refuse(reason):
        raise argparse.ArgumentTypeError(f"'{text}': {reason}")

    way, name, point = (text.split(":", 2) + ["", ""])[:3]
    if way not in WAYS:
        refuse(f"give WAY:OPERATION:POINT, for example killing:grow:3:before:worker; WAY is one of "
               f"{', '.join(WAYS)}")
    parse_operation(name)
    form, most, pattern = form_of(way)
    parts = point.split("+")
    for at, one in enumerate(parts):
        match = re.fullmatch(pattern, one)
        if not match:
            refuse(f"'{one}' is no point of the way {way}: give {form}")
        name_of_errno = match.groupdict().get("errno")
        if name_of_errno and not hasattr(errno, name_of_errno):
            refuse(f"there is no errno {name_of_errno}: give one as EIO")
        if at > 0 and FIRST_ONLY.fullmatch(one):
            refuse(f"'{one}' can only be the first of what is joined")
    if most and len(parts) > most:
        refuse(f"a point of the way {way} is joined of no more than {most}")
    return way, name, point


def impossible(way, reference, point):
    """Why an operation whose reference this is has no such point; None when it has."""
    number, what, *_ = point.split("+")[0].split(":")
    number, of_calls = int(number), way == "calls" and what != "fails"
    there = reference.calls if of_calls else reference.writes
    kind = "system calls that change anything" if of_calls else "writes"
    if number > len(there):
        return f"it makes {len(there)} {kind}: there is no number {number}"
    if what == "part" and not there[number - 1].path.endswith("/size"):
        return f"write {number} is none of a size, but of {there[number - 1].path}: nothing else has parts"
    return None


def arguments():
    # no abbreviations: tests/sim/proof/prove looks for the first three
    parser = Parser(description=__doc__, prog="prove", allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                    usage="tests/sim/proof/prove [OPTION...]")
    parser.add_argument("--kernel", choices=("6.1", "6.12"), help="whose manners to imitate (6.12)")
    parser.add_argument("--build", metavar="DIR", help="what to run (build/gcc)")
    parser.add_argument("--not-idle", action="store_true",
                        help="the machine's regions are not, so that drivers take what comes")
    parser.add_argument("--all", action="store_true", help="all points of all operations")
    parser.add_argument("--quick", action="store_false", dest="all",
                        help="some points of each operation (the default)")
    parser.add_argument("--part", type=above_zero(int), default=1, metavar="NUMBER",
                        help="only every so many-th operation")
    parser.add_argument("--most", type=above_zero(int), default=2, metavar="NUMBER",
                        help="of things that happen at one point: 2; more are killed at calls only")
    parser.add_argument("--way", action="append", choices=WAYS, help="only these ways")
    parser.add_argument("--operation", action="append", type=parse_operation, metavar="NAME",
                        help="only these")
    parser.add_argument("--only", type=parse_only, metavar="WAY:OPERATION:POINT", help="only this point; "
                        "prints what daxd has said, what was written, and what it has come to")
    parser.add_argument("--seed", type=int, help="which points --quick takes, and which operations "
                        "--part")
    parser.add_argument("--valgrind", action="store_true",
                        help="daxd and workers under it, in the ways that see no system calls")
    parser.add_argument("--bystander", action="store_true",
                        help="somebody else has a device without a driver beside")
    parser.add_argument("--seconds", type=above_zero(float), help="begin nothing after so long")
    args = parser.parse_args()
    if args.valgrind and ("calls" in (args.way or ()) or (args.only and args.only[0] == "calls")):
        parser.error("--valgrind makes system calls of its own: it cannot be had with the way calls")
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
                  f"    tests/sim/proof/prove --kernel {KERNEL} {self.ground_words()}"
                  f"--only '{row.way}:{operation.name}:{point}'\n"
                  + "".join(f"    | {line}\n" for line in
                            self.ground.journal().splitlines()[-12:]), flush=True)
            self.ground.recover()
            return "violation", []

    def ground_words(self):
        """The options that say on what machine it is."""
        return "--not-idle " * self.args.not_idle + "--bystander " * self.args.bystander

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
        def try_it():
            came = module.try_point(self.ground, operation, reference, point)
            self.ground.end()
            return came

        result, more = self.guarded(row, operation, point, try_it)
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
        """Returns why there is no such point; None when it was tried."""
        way, name, point = self.args.only
        module, operation = importlib.import_module(way), find(name)
        if hasattr(module, "begin"):
            module.begin(self.ground)
        row = Row(way, name)
        self.rows.append(row)
        reference = self.guarded(row, operation, "reference",
                                 lambda: self.find_reference(module, operation))
        if isinstance(reference, tuple):
            return None
        reason = impossible(way, reference, point)
        if reason:
            return reason
        result, _ = self.guarded(row, operation, point, lambda: self.try_only(
            module, operation, reference, point))
        row.tried = row.known = int(result != NOTHING)
        row.seconds = time.monotonic() - row.begin
        print(self.ground.journal())
        print("\n".join(f"{w.number} {w.path} {w.value} {w.errno} {w.effect}"
                        for w in self.ground.sim.writes()[-40:]))
        print(f"{way}:{name}:{point} on {KERNEL} has come to: {result}")
        return None

    def try_only(self, module, operation, reference, point):
        """How many writes there are after the first of two things, nobody knows before."""
        try:
            return module.try_point(self.ground, operation, reference, point)
        except TimeoutError as error:
            if "+" not in point:
                raise
            sys.exit(refusal(f"--only: '{':'.join(self.args.only)}' on {KERNEL}: there is no such "
                             f"write after the first: {error}"))

    def run(self):
        for number, way in enumerate(self.args.way):
            for operation in part(self.args.part, self.args.seed + number):
                if not self.args.operation or operation.name in self.args.operation:
                    self.run_operation(way, operation)

    def interrupted(self, *_):
        """^C: the table so far. No exception, which could be lost; who runs, ends with this process."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        threading.excepthook = lambda *_: None  # of those who wait for what is ended
        if self.rows and not self.rows[-1].seconds:
            self.rows[-1].seconds = time.monotonic() - self.rows[-1].begin
            print(self.rows[-1].text())
        self.sum_up()
        print("interrupted", flush=True)
        os._exit(130)

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
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, prover.interrupted)
    if args.only:
        reason = prover.run_only()
        if reason:
            sys.exit(refusal(f"--only: '{':'.join(args.only)}' on {KERNEL}: {reason}"))
    else:
        prover.run()
    prover.sum_up()
    if any(row.violations for row in prover.rows):
        sys.exit(1)
    if not any(row.tried for row in prover.rows):
        sys.exit(refusal("no point was tried: nothing is shown"))


def refusal(sentence):
    """Says so; returns the exit status."""
    print(f"prove: {sentence}", file=sys.stderr)
    return 2


main()
