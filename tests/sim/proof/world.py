# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a daxd that is started anew finds: the kernel's state, files, what is in the memory, and what
systemd has kept. Where two points leave the same, what follows is the same as well."""

import glob
import json
import os
import re

FOLDERS = ("/run/daxd", "/var/lib/daxd")
# What is there for others: no daxd reads it.
UNREAD = ("/run/daxd/tried",)
# Of the state: what nobody can read.
COUNTERS = ("writes", "events")
# Numbers that another run gives other values: the kernel's of each life of a device, and the time in
# the name of a record.
LIFE = re.compile(r'(?<="identity":)\d+|(?<="inode": )\d+|(?<=DAXD=)\d+|\b\d+(?=-0x)|'
                  r'(?<=create-)\d+')
TIME = re.compile(r"(?<=/transactions/)\d+")


def files():
    """Of those whose writing has not come to its end, nobody reads more than that they are there."""
    for top in FOLDERS:
        for folder, folders, names in os.walk(top):
            folders.sort()
            yield f"{folder} {owner(os.stat(folder))}"
            for name in sorted(names):
                path = f"{folder}/{name}"
                shown = TIME.sub("", path)
                if path in UNREAD:
                    continue
                if path.endswith(".new"):
                    yield shown
                elif os.path.islink(path):
                    yield f"{shown} -> {os.readlink(path)}"
                elif os.path.isfile(path):
                    with open(path, encoding="utf-8", errors="replace") as file:
                        yield f"{shown} {owner(os.fstat(file.fileno()))}: {file.read()}"


def owner(state):
    """And what others may do."""
    return f"{state.st_mode:o} {state.st_uid} {state.st_gid}"


def nodes():
    for path in sorted(glob.glob("/dev/dax*")):
        yield f"{path} {owner(os.stat(path))}"


def world(name, state, marks, kept):
    """Of the operation with that name, as a text that is the same where the world is. `marks`: where
    memory is not wiped. `kept`: how far the files that systemd keeps have been read."""
    kernel = json.dumps({key: value for key, value in state.items() if key not in COUNTERS})
    text = "\n".join([name, kernel, repr(marks), repr(kept), *files(), *nodes()])
    lives = {}
    return LIFE.sub(lambda life: f"life {lives.setdefault(life.group(), len(lives))}", text)


class Worlds:
    """Those whose recoveries have been tried or are going to be, and those of which all is known that
    a kill in the recovery would leave."""

    def __init__(self):
        self.known, self.awaited, self.explored, self.survived = set(), {}, set(), set()

    def reach(self, point, left):
        """A point has left one; None: somebody lives who knows more. Who was to leave another one
        leaves that to who comes to it again."""
        awaited = self.awaited.pop(point, None)
        if awaited != left:
            self.known.discard(awaited)
        if left is not None:
            self.known.add(left)

    def explore(self, left):
        """Whether nobody has done so yet."""
        if left in self.explored:
            return False
        if left is not None:
            self.explored.add(left)
        return True

    def follow_ups(self, point, seen):
        """Kills right before a call, of all and of its caller alone, once for each world that is new
        there. Who survives knows more than the world tells, but nothing that he had not done in it."""
        new = []
        for call, text in seen:
            if text not in self.known:
                self.known.add(text)
                new.append(f"{point}+{call.number}:all")
                self.awaited[new[-1]] = text
            if (call.who, text) not in self.survived:
                self.survived.add((call.who, text))
                new.append(f"{point}+{call.number}:caller")
        return new
