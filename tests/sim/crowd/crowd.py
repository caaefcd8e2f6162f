#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A crowd of clients (client.c) at daxd on the imitated machine, and whether all is well: each call
has a reply, and whenever nobody waits for one, every region's devices and holes make up the region,
daxd shows what the kernel has, nothing of a transaction is left, and no process has anything open
that it had not before; in the end none has much more in memory than in the first half. Then daxd is
ended, and neither it nor a worker has leaked what sanitizers or valgrind can see.

    tests/sim/crowd/crowd.py                      64 clients, 8 regions, a minute
    tests/sim/crowd/crowd.py --seconds 10 --seed 7
    tests/sim/crowd/crowd.py --not-idle           where devdax devices are bound by new_id, on 6.12
    tests/sim/crowd/crowd.py --mixed              regions of both kinds: new_id catches others' devices
    tests/sim/crowd/crowd.py --build build/clang  with sanitizers
    tests/sim/crowd/crowd.py --valgrind --seconds 20 --clients 16
"""

import json
import random
import subprocess
import sys

from enter import enter, parser

REGION_SIZE = 1 << 30
STARTS = [(number + 1) * (4 << 30) for number in range(16)]
# For what the kernel refuses although nobody else is at work there is no excuse.
INEXCUSABLE = ("org.daxd1.Error.Kernel", "org.daxd1.Error.RolledBack",
               "org.daxd1.Error.RollbackFailed", "org.freedesktop.DBus.Error.NoReply",
               "org.freedesktop.DBus.Error.Timeout", "org.freedesktop.DBus.Error.Disconnected",
               "org.freedesktop.DBus.Error.ServiceUnknown",
               "org.freedesktop.DBus.Error.NameHasNoOwner")
# What may be in memory more in the end than in the first half; daxd's depends on what there is.
GROWTH_KIB = {"daxd": 512, "daxd-worker": 128}


def arguments():
    words = parser(__doc__)
    words.add_argument("--bus", choices=("dbus-daemon", "dbus-broker"), default="dbus-daemon")
    words.add_argument("--clients", type=int, default=64)
    words.add_argument("--regions", type=int, default=8)
    words.add_argument("--seconds", type=int, default=60)
    words.add_argument("--pause", type=int, default=3, help="seconds between pauses")
    words.add_argument("--timeout", type=int, default=60, help="seconds until a reply is lost")
    words.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    words.add_argument("--not-idle", action="store_true",
                       help="the regions are such as a kernel takes for ordinary memory")
    words.add_argument("--mixed", action="store_true",
                       help="every other region is such a one, whatever the rest is")
    words.add_argument("--valgrind", action="store_true", help="daxd and its workers under it")
    return words.parse_args()


def has_sanitizers(build):
    """They keep what was freed."""
    with open(build / "meson-info/intro-buildoptions.json", encoding="utf-8") as file:
        return any(option["name"] == "b_sanitize" and option["value"] not in ("none", [])
                   for option in json.load(file))


def empty_regions():
    """Of what the kernel has made of them."""
    import common
    for block in common.blocks():
        common.set_state(block, "offline")
    for region in common.sim.state()["regions"]:
        for device in region["devices"]:
            if device["driver"]:
                common.unbind(device["driver"], device["name"])
            common.resize(device["name"], 0)


def inside(args):
    """What only is there inside is imported there."""
    from judge import Judge
    from system import VALGRIND
    wrapper = VALGRIND if args.valgrind else ()
    if args.not_idle or args.mixed:
        empty_regions()
    judge = Judge(args.bus, wrapper)
    print(f"seed {args.seed}", flush=True)
    client = subprocess.Popen(
        [str(word) for word in (args.build.resolve() / "tests/sim/crowd/crowd-client", args.seed,
                                args.clients, args.seconds, args.pause, args.timeout,
                                REGION_SIZE, *judge.region_ids())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        for line in client.stdout:
            if line != "quiet\n":
                judge.hear(json.loads(line), INEXCUSABLE)
                continue
            judge.quiet_moment()
            client.stdin.write("go on\n")
            client.stdin.flush()
    finally:
        client.kill()
    judge.expect(client.wait() == 0, f"the clients ended with status {client.returncode}")
    judge.end(None if args.valgrind or has_sanitizers(args.build) else GROWTH_KIB)
    return judge.verdict()


def main():
    args = arguments()
    if not args.inside:
        enter(args, [f"{REGION_SIZE}@{start:#x}{',cxl' * (args.mixed and number % 2)}"
                     for number, start in enumerate(STARTS[:args.regions])],
              "--bus", args.bus, more=("--seed", args.seed), idle=not args.not_idle)
    sys.exit(inside(args))


if __name__ == "__main__":
    main()
