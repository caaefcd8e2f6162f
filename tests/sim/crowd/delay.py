#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether memory that is slow to go offline in one region delays devices in another: a CreateDevice
with its Destroy there, by turns beside such an OfflineMemory and without. The devices stay without a
driver: both kernels let a bind wait for the lock that offlining holds. It fails when they do not all
come and go while the memory is still going offline; how long they take is only printed.

    tests/sim/crowd/delay.py [--build DIR] [--kernel 6.1]
"""

import statistics
import subprocess

from enter import enter, parser

REGIONS = ("512M@0x100000000", "512M@0x140000000")
ROUNDS, COUNT, SECONDS = 5, 20, 60


def inside(args):
    """What only is there inside is imported there."""
    import common
    from harness import Call, call, object_path, refused, require, say, wait_until
    from system import System
    client = args.build.resolve() / "tests/bench/bench-scale-client"

    def measure():
        done = subprocess.run([client, "calls", object_path("region", 1), str(COUNT),
                               str(1 << 21), "none"],
                              check=True, stdout=subprocess.PIPE, text=True)
        return [int(line) for line in done.stdout.split()]

    def measure_beside_offlining():
        pending = Call(path, "org.daxd1.Device", "OfflineMemory", "a{sv}", {})
        wait_until(lambda: common.state_of(block) == "going-offline", 60, "offlining")
        times = measure()
        require(common.state_of(block) == "going-offline", "the memory was offline already")
        job = next(path for path, faces in common.managed_objects().items()
                   if "org.daxd1.Job" in faces)
        call(job, "org.daxd1.Job", "Cancel", "a{sv}", {})
        refused("Cancelled", pending.result)
        return times

    System().start()
    path = call(object_path("region", 0), "org.daxd1.Region", "CreateDevice", "ta{sv}",
                common.BLOCK, {"mode": "system-ram"})
    block = common.FIRST.start // common.BLOCK
    common.sim.block(block, seconds=SECONDS)
    alone, beside = [], []
    measure()
    for _ in range(ROUNDS):
        alone += measure()
        beside += measure_beside_offlining()
    for name, times in (("alone", alone), ("beside offlining", beside)):
        say(f"{name}: median {statistics.median(times) / 1000:.2f} ms, "
            f"longest {max(times) / 1000:.2f} ms")


def main():
    args = parser(__doc__).parse_args()
    if not args.inside:
        enter(args, REGIONS)
    inside(args)


if __name__ == "__main__":
    main()
