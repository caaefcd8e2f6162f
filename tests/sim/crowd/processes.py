# SPDX-License-Identifier: LGPL-2.1-or-later
"""What daxd and its workers have open and in memory."""

import os
import re
from collections import Counter, namedtuple

Usage = namedtuple("Usage", "files kib")


def what_is(file):
    """Of one that is open: its path, but which region, device or socket it is does not matter."""
    path = os.readlink(file)
    if re.search("/dax[0-9]+[.][0-9]+( [(]deleted[)])?$", path):
        return "a device"
    if path.startswith("/sys/devices/") and path != "/sys/devices/system/memory":
        return "a region"
    return re.sub("^socket:.*", "a socket", path)


def measure():
    """{process: its Usage}, and nothing of programs that are just ending."""
    found = {}
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/status", encoding="utf-8") as file:
                size = re.search(r"RssAnon:\s*(\d+)", file.read())
            names = [os.path.basename(word).decode() for word in words]
            program = next((name for name in names if name in ("daxd", "daxd-worker")), None)
            if program and size and "systemd-socket-activate" not in names[0]:
                files = Counter(what_is(file.path) for file in os.scandir(f"/proc/{pid}/fd"))
                found[f"{program} {pid}"] = Usage(files, int(size[1]))
        except OSError:
            continue
    return found
