# SPDX-License-Identifier: LGPL-2.1-or-later
"""Point 1: each write fails, in each way that it can, also those of the rollback.

A point is "N:HOW[:ERRNO]", the Nth write of the operation, or two of these joined by "+", where the
second counts from the first. HOW is fail (without effect), after (with effect), part (with half of
it), skip (success without effect), or stuck (this attribute fails from then on)."""

import errno
import fnmatch

from trial import NOTHING, Trial

# What the kernel can give; ENODEV is an attribute's that goes.
ERRNOS = {
    "*/size": "EINVAL EBUSY ENOSPC ENOMEM ENXIO ENODEV EINTR",
    "*/align": "EINVAL EBUSY ENXIO ENODEV EINTR",
    "*/mapping": "EINVAL EBUSY ENOMEM ENXIO ENODEV EINTR",
    "*/memmap_on_memory": "EBUSY EOPNOTSUPP ENODEV EINTR",
    "*/dax_region/create": "EINVAL ENOSPC ENOMEM ENODEV EINTR",
    "*/dax_region/delete": "EBUSY ENXIO EINVAL ENODEV EINTR",
    "*/bind": "EIO EBUSY EINVAL ENODEV ENXIO ENOMEM EAGAIN EINTR",
    "*/unbind": "EIO EBUSY ENODEV",
    "*/new_id": "EINVAL ENOMEM EIO",
    "*/remove_id": "ENODEV EIO",
    "*/state": "EBUSY EINVAL EINTR ENOMEM EAGAIN ENODEV EIO",
    "*/auto_online_blocks": "EINVAL EIO",
    "*/uevent": "EINVAL ENOMEM ENODEV EIO",
}


def errnos_of(path):
    return next((words.split() for pattern, words in ERRNOS.items()
                 if fnmatch.fnmatch(path, pattern)), ["EIO"])


def faults_of(number, path):
    names = errnos_of(path)
    # which ids a driver has the kernel shows nowhere: there is nothing to read back
    skip = [] if path.endswith("/remove_id") else [f"{number}:skip"]
    part = [f"{number}:part:ENOMEM"] if path.endswith("/size") else []
    return [*(f"{number}:fail:{name}" for name in names),
            f"{number}:after:{names[0]}", f"{number}:after:EINTR", *skip, *part,
            f"{number}:stuck:{names[0]}"]


def prepare_fault(sim, text, base, path=None):
    """Prepares one; `base` is how many writes from now on are before those that it counts."""
    number, how, *name = text.split(":")
    nth, error = base + int(number), getattr(errno, name[0]) if name else None
    if how == "fail":
        sim.fail(error, nth=nth)
    elif how == "after":
        sim.fail_after(error, nth=nth)
    elif how == "part":
        sim.fail_partly(error, nth=nth)
    elif how == "skip":
        sim.skip(nth=nth)
    elif how == "stuck":
        sim.fail(error, path=path.path, nth=path.nth, times=0)
    else:
        raise ValueError(text)
    return nth


class Place:
    """The attribute of the Nth write, and the how-manieth write to it that is."""

    def __init__(self, writes, number):
        self.path = writes[number - 1].path
        self.nth = sum(write.path == self.path for write in writes[:number])


def points(reference):
    return [fault for number, write in enumerate(reference.writes, 1)
            for fault in faults_of(number, write.path)]


def try_point(ground, operation, reference, point):
    """Returns what it has come to, and the points that come of it: those in the rollback."""
    trial = Trial(ground, operation, reference)
    base = 0
    for text in point.split("+"):
        stuck = ":stuck:" in text and Place(reference.writes, int(text.split(":")[0]))
        base = prepare_fault(ground.sim, text, base, stuck)
    error = trial.run()
    writes = trial.writes()
    ground.sim.clear()
    result = trial.judge(error, hopeless="+" in point or ":stuck:" in point or
                         is_contradiction(point, reference))
    trial.again(result)
    return result if len(writes) >= base else NOTHING, follow_ups(point, writes, base)


def is_contradiction(point, reference):
    """The kernel says that it has made no device, and one is there: no kernel does so, and who has made
    it nobody can tell."""
    number, how, _ = f"{point}::".split(":", 2)
    return how == "after" and reference.writes[int(number) - 1].path.endswith("/create")


def follow_ups(point, writes, at):
    """A second failure: one at each write that comes after the first. Of the many first ones, those
    by which all that can be different is met: an error without effect, with it and with half of it,
    and success without."""
    number, how, *name = point.split(":", 2) if "+" not in point else ("", "", "")
    usual = how in ("fail", "after") and name == [errnos_of(writes[at - 1].path)[0]]
    if not usual and how not in ("skip", "part"):
        return []
    return [f"{point}+{fault}" for offset, write in enumerate(writes[at:], 1)
            for fault in faults_of(offset, write.path) if ":stuck:" not in fault]
