# SPDX-License-Identifier: LGPL-2.1-or-later
"""Point 2, at system calls: SIGKILL before each one that changes anything, files and messages
included, of its caller, or of daxd and all workers at once; also in the recovery.

A point is "N:WHOM", the Nth such call since the operation began, and caller or all; or two of these
joined by "+", where the second counts from the first."""

import os
import shutil

import trial as trials
from killing import settle
from trial import Trial
from watch import Watch
from world import world

WHOM = ("caller", "all")
TIMEOUT = 20
seen = set()  # the worlds whose recoveries have been killed


def begin(ground):
    """Puts the helper where everybody may run it."""
    if not ground.watch:
        ground.watch = Watch(shutil.copy(os.environ["DAXD_WATCHED"], "/usr/libexec"))


class Reference(trials.Reference):
    """Also with the system calls that there are."""

    def operate(self, trial):
        trial.ground.watch.arm()
        error = trial.run()
        self.calls = trial.ground.watch.disarm()
        return error


def points(reference):
    return [f"{call.number}:{whom}" for call in reference.calls for whom in WHOM]


def kill_at(ground, number, whom):
    """Prepares it: the caller waits meanwhile, so its call does not happen."""
    def act(call):
        victims = [call.pid]
        if whom == "all":
            victims += ground.worker_pids() + [ground.system.daxd.pid]
        ground.kill(*victims)
    ground.watch.arm(number, act)


def try_point(ground, operation, reference, point):
    trial = Trial(ground, operation, reference)
    pending, killed, restarted, left = None, False, False, None
    for text in point.split("+"):
        number, whom = text.split(":")
        kill_at(ground, int(number), whom)
        if pending is None:
            pending = trial.start()
        elif killed:
            ground.wait_workers_gone()
            ground.system.daxd = None
            ground.start_daxd(wait=False)
            restarted = True
        if not ground.watch.happened.wait(TIMEOUT):
            killed = False  # it went another way this time: fewer calls
            break
        killed = whom == "all" or died(ground)
        if killed:
            ground.kill_daxd()
        if whom == "all" and "+" not in point:
            ground.wait_workers_gone()
            left = world(trial, wipes(ground.watch.calls))
    ground.watch.arm()
    error = settle(ground, pending, killed)
    if restarted and not ground.restarted:  # what has an answer is the death of the first daxd
        ground.restarted, error = True, None
    calls = ground.watch.disarm()
    result = trial.judge(error, ground.restarted)
    trial.again(result)
    return result, follow_ups(point, calls, left)


def wipes(calls):
    """Memory is let go when it has been wiped."""
    return sum(call.name == "munmap" for call in calls)


def died(ground):
    """Whether it was daxd that was killed; a moment passes until that can be seen."""
    call = next(c for c in ground.watch.calls if c.number == ground.watch.target)
    if call.pid != ground.system.daxd.pid:
        return False
    ground.system.daxd.wait(10)
    return True


def follow_ups(point, calls, left):
    """Once more in the recovery from a world that is new."""
    if left is None or left in seen:
        return []
    seen.add(left)
    return [f"{point}+{call.number}:all" for call in calls]
