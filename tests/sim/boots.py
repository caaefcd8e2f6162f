#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a suite of the guest's kind on the imitated machine, and reboots that when the suite asks.

    tests/sim/run --bare --layout FILE python3 tests/sim/boots.py SUITE

The exit status is that of the suite's last run.
"""

import os
import subprocess
import sys

from control import Control
from harness import STATUS_REBOOT
from system import System

BOOTS_MAX = 10


def main():
    system, sim = System(), Control()
    system.start()
    for boot in range(1, BOOTS_MAX + 1):
        status = subprocess.run([sys.executable, *sys.argv[1:]], check=False,
                                env={**os.environ, "DAXD_BOOT": str(boot)}).returncode
        if status != STATUS_REBOOT:
            return status
        system.reboot(sim, reversed_ids=True)
    sys.exit(f"boots.py: still not at its end after {BOOTS_MAX} boots")


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)
