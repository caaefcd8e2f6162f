#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whether what a client calls without waiting is done in that order, although the bus has to be asked
first who he is: once for all of it. daxd is made to find many calls at once.

    tests/sim/crowd/order.py [--build DIR] [--kernel 6.1]
"""

import signal
import subprocess

from enter import enter, parser

# Of bench-client's calls 100 are on their way at once.
REGION, COUNT, AT_ONCE = "1G@0x100000000", 200, 100


def inside(args):
    """What only is there inside is imported there."""
    from harness import equal, managed_objects
    from system import System

    system = System()
    system.start()
    with subprocess.Popen(["dbus-monitor", "--system", "--profile"], stdout=subprocess.PIPE,
                          text=True) as monitor:
        while "NameLost" not in monitor.stdout.readline():
            pass  # from here on it hears everything
        system.daxd.send_signal(signal.SIGSTOP)
        with subprocess.Popen([args.build.resolve() / "tests/bench/bench-client", "flood",
                               "/org/daxd1/region/0", str(COUNT), str(1 << 21), "b"],
                              stdout=subprocess.DEVNULL) as client:
            for _ in range(AT_ONCE):
                while "CreateDevice" not in monitor.stdout.readline():
                    pass
            system.daxd.send_signal(signal.SIGCONT)
            questions = 0
            while "Finished" not in (line := monitor.stdout.readline()):
                questions += "GetConnectionUnixUser" in line
            monitor.terminate()
        equal(client.returncode, 0, "the client's status")
    equal(questions, 1, "how often the bus is asked who calls")
    devices = [faces["org.daxd1.Device"] for faces in managed_objects().values()
               if "org.daxd1.Device" in faces]
    devices.sort(key=lambda device: device["Ranges"])
    equal([device["Label"] for device in devices], [f"b{i:03}" for i in range(COUNT)],
          "the labels in the order of their places")


def main():
    args = parser(__doc__).parse_args()
    if not args.inside:
        enter(args, [REGION])
    inside(args)


if __name__ == "__main__":
    main()
