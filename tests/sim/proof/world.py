# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daxd that is started anew finds: the writes that have taken effect since the beginning, which
is always the same, files, and how much is wiped. Where two points leave the same, what follows is the
same as well."""

import glob
import os
import re

FOLDERS = ("/run/daxd", "/var/lib/daxd")
# Numbers that another run gives other values: the kernel's of each life of a device, and the time in
# the name of a record.
LIFE = re.compile(r'(?<="identity":)\d+|(?<=DAXD=)\d+|\b\d+(?=-0x)|(?<=transactions/)\d+')


def files():
    for top in FOLDERS:
        for folder, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = f"{folder}/{name}"
                if os.path.islink(path):
                    yield f"{path} -> {os.readlink(path)}"
                elif os.path.isfile(path):
                    with open(path, encoding="utf-8", errors="replace") as file:
                        yield f"{path}: {file.read()}"


def nodes():
    for path in sorted(glob.glob("/dev/dax*")):
        state = os.stat(path)
        yield f"{path} {state.st_mode:o} {state.st_uid} {state.st_gid}"


def world(trial, wiped):
    """As a text that is the same where the world is. `wiped`: how many times memory has been."""
    writes = (f"{write.path} {write.value}" for write in trial.writes() if write.effect)
    text = "\n".join([trial.operation.name, f"{wiped}", *writes, *files(), *nodes()])
    lives = {}
    return LIFE.sub(lambda life: f"life {lives.setdefault(life.group(), len(lives))}", text)
