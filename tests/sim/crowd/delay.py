#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether memory that is slow to go offline in one region delays devices in another. What waits for
no lock of the kernel's, which is all that is done to devices without a driver, is timed by turns
beside such an OfflineMemory and without: it takes no longer, and all of it is over while the memory
is still going offline.

Devdax mode is what both kernels let wait for the lock that offlining holds, where a driver takes a
device and where it lets go. That has to wait, but for no more than the offlining takes; meanwhile
daxd answers, and goes on in other regions.

    tests/sim/crowd/delay.py [--build DIR] [--kernel 6.1]
"""

import contextlib
import operator
import statistics
import subprocess
import time

from enter import enter, parser

REGIONS = ("512M@0x100000000", "512M@0x140000000", "512M@0x180000000")
ROUNDS, COUNT, SECONDS = 9, 10, 60
# Whatever else the machine does can make it seem longer, but hardly each time.
TRIES = 3
SIZE = 1 << 21
# How many times longer it may take beside the other: more than chance makes of what is equal.
LIMIT = 2


def inside(args):
    """What only is there inside is imported there."""
    import common
    from harness import Call, call, get, managed_objects, object_path, refused, require, say, \
        wait_until
    from system import System

    region, resized_region = (object_path("region", number) for number in (1, 2))
    block = common.FIRST.start // common.BLOCK

    def begin(verb, *words):
        """Starts what does something again and again, and prints how long each took."""
        return subprocess.Popen([args.build.resolve() / "tests/bench/bench-scale-client", verb,
                                 *map(str, words)], stdout=subprocess.PIPE, text=True)

    def end(client):
        output, _ = client.communicate(timeout=120)
        require(client.returncode == 0, f"the client ended with status {client.returncode}")
        return statistics.median(int(line) / 1000 for line in output.split())

    def median(*words):
        """Of so many, in milliseconds."""
        return end(begin(*words))

    def jobs():
        return {path: faces["org.daxd1.Job"] for path, faces in managed_objects().items()
                if "org.daxd1.Job" in faces}

    def is_going_offline():
        return common.state_of(block) == "going-offline"

    @contextlib.contextmanager
    def offlining():
        """Somebody takes memory offline all the while, and gives up then."""
        pending = Call(memory, "org.daxd1.Device", "OfflineMemory", "a{sv}", {})
        wait_until(is_going_offline, 60, "offlining")
        yield
        require(is_going_offline(), "the memory was offline already")
        job = next(path for path, job in jobs().items() if job["Operation"] == "OfflineMemory")
        call(job, "org.daxd1.Job", "Cancel", "a{sv}", {})
        refused("Cancelled", pending.result)

    def compare(what, *words):
        alone, beside = [], []
        median(*words)
        for _ in range(ROUNDS):
            alone.append(median(*words))
            with offlining():
                beside.append(median(*words))
        ratio = statistics.median(map(operator.truediv, beside, alone))
        say(f"{what}: median {statistics.median(alone):.2f} ms alone, "
            f"{statistics.median(beside):.2f} ms beside memory going offline: {ratio:.2f} times")
        return ratio

    def no_delay(what, *words):
        require(any(compare(what, *words) <= LIMIT for _ in range(TRIES)), f"{what} is delayed")

    def wait_for_the_lock():
        """A device is bound, and unbound: once the memory does not go offline any more."""
        alone = median("calls", region, COUNT, SIZE, "devdax")
        start = time.monotonic()
        with offlining():
            client = begin("calls", region, 1, SIZE, "devdax")
            wait_until(lambda: any("bind " in job["StepName"] for job in jobs().values()), 60,
                       "the other device to be bound")
            require(get(region, "org.daxd1.Region", "State") == "unmanaged", "the region's state")
            median("calls", resized_region, COUNT, SIZE, "none")
            require(client.poll() is None, "the other device is bound already")
        own = (time.monotonic() - start) * 1000
        took = end(client)
        say(f"a devdax device: median {alone:.2f} ms alone, {took:.2f} ms beside memory going "
            f"offline for {own:.2f} ms")
        require(took <= LIMIT * (alone + own), "the device waits for more than the lock")

    System().start()
    memory = call(object_path("region", 0), "org.daxd1.Region", "CreateDevice", "ta{sv}",
                  common.BLOCK, {"mode": "system-ram"})
    common.sim.block(block, seconds=SECONDS)
    no_delay("create and destroy", "calls", region, COUNT, SIZE, "none")
    resized = call(resized_region, "org.daxd1.Region", "CreateDevice", "ta{sv}", SIZE,
                   {"mode": "none"})
    no_delay("resize", "resizes", resized, COUNT, 2 * SIZE, SIZE)
    wait_for_the_lock()


def main():
    args = parser(__doc__).parse_args()
    if not args.inside:
        enter(args, REGIONS)
    inside(args)


if __name__ == "__main__":
    main()
