# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scripts of this folder share that start the imitated machine themselves, and go on in it."""

import argparse
import os
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent.parent


def parser(doc):
    """One that knows what to run, and whether this is inside already."""
    made = argparse.ArgumentParser(description=doc,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--build", type=Path, default=TOP / "build/gcc", metavar="DIR",
                      help="what to run (build/gcc)")
    made.add_argument("--kernel", choices=("6.1", "6.12"), default="6.12")
    made.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return made


def enter(args, regions, *options, more=(), idle=True):
    """Runs this script again on a machine with these regions, with the arguments that it has and
    `more`. `options` are the machine's; unless it is `idle` it has onlined its regions on 6.12."""
    words = [TOP / "tests/sim/run", "--bare", *["--region-idle"] * idle, "--build", args.build,
             "--kernel", args.kernel, *options]
    for region in regions:
        words += ["--regions", region]
    words += [sys.executable, *sys.argv, *more, "--inside"]
    os.execv(words[0], [str(word) for word in words])
