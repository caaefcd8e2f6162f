# SPDX-License-Identifier: LGPL-2.1-or-later
"""Point 2, at system calls: SIGKILL before each one that changes anything, files and messages
included, of its caller, or of daxd and all workers at once; also in the middle of going back and of
recovery.

A point is "N:WHOM", the Nth such call since the operation began, and caller or all; or "N:fails", its
Nth write, where nobody is killed first; or several of these joined by "+", where each counts from the
kill before. When all are dead, what follows depends on nothing but the world that they have left
(world.py). So a later kill is tried once for each world that it can leave."""

import os
import shutil

import trial as trials
from control import Control
from failing import faults_of, prepare_fault
from killing import settle
from trial import NOTHING, Trial
from watch import WIPES, Watch
from world import Worlds, world

WHOM = ("caller", "all")
QUIET = 5  # seconds without a call: it has come to its end
worlds = Worlds()


def begin(ground):
    """Puts the helper where everybody may run it."""
    if not ground.watch:
        ground.watch = Watch(shutil.copy(os.environ["DAXD_WATCHED"], "/usr/libexec"))


class Reference(trials.Reference):
    """Also with the system calls that there are."""

    def operate(self, trial):
        count = trial.ground.watch.arm()
        error = trial.run()
        trial.ground.watch.disarm()
        self.calls = count.calls
        return error


def points(reference):
    return [f"{call.number}:{whom}" for call in reference.calls for whom in WHOM] + \
        [f"{number}:fails" for number in range(1, len(reference.writes) + 1)]


class Kills:
    """Those of a point. After the last one it notes which worlds another would leave."""

    def __init__(self, trial, point, writes):
        self.trial, self.ground, self.sim = trial, trial.ground, Control()
        self.kills = [(int(number), whom) for number, _, whom in
                      (text.partition(":") for text in point.split("+"))]
        self.are_most = len(self.kills) >= self.ground.most
        if self.kills[0][1] == "fails":
            number, _ = self.kills.pop(0)
            prepare_fault(self.ground.sim, faults_of(number, writes[number - 1].path)[0], 0)
        # where all are dead, there is nothing to be seen before daxd is started again
        self.looks = not self.are_most and (not self.kills or self.kills[-1][1] != "all")
        self.counts, self.seen = [], []
        self.wiped, self.marks = None, ()
        self.arm()

    def arm(self):
        """The next one."""
        if len(self.counts) < len(self.kills):
            number, whom = self.kills[len(self.counts)]
            self.counts.append(self.ground.watch.arm(number, lambda call: self.kill(call, whom)))
        else:
            self.counts.append(self.ground.watch.arm(each=self.look))

    def kill(self, call, whom):
        """Of who waits meanwhile: the call does not happen."""
        self.ground.kill(call.pid, *(self.ground.pids() if whom == "all" else ()))
        self.arm()

    def look(self, call):
        if self.looks:
            self.seen.append((call, self.world()))

    def world(self):
        """The memory is looked at again when more of it may have been wiped."""
        wiped = sum(call.name in WIPES for count in self.counts for call in count.calls)
        if wiped != self.wiped:
            self.wiped, self.marks = wiped, self.ground.marks(self.sim)
        return world(self.trial.operation.name, self.sim.state(), self.marks,
                     self.ground.system.notify.positions())

    def happen(self, at):
        """Waits for a kill. Returns the call, None when it went another way this time: fewer calls."""
        count, number = self.counts[at], -1
        while number < len(count.calls):
            number = len(count.calls)
            if count.happened.wait(QUIET):
                return count.calls[count.number - 1]
        self.ground.watch.arm()
        return None


def try_point(ground, operation, reference, point):
    trial = Trial(ground, operation, reference)
    kills = Kills(trial, point, reference.writes)
    pending, killed, restarted, left, call = trial.start(), False, False, None, True
    for at, (_, whom) in enumerate(kills.kills):
        if killed:
            ground.wait_workers_gone()
            ground.start_daxd(wait=False)
            restarted = True
        call = kills.happen(at)
        killed = call and (whom == "all" or call.who == "daxd")
        if killed:
            ground.kill_daxd()
        if not call:
            break
    if killed and kills.kills[-1][1] == "all":
        ground.wait_workers_gone()
        left = kills.world()
    worlds.reach(point, left)
    kills.looks = not kills.are_most and worlds.explore(left)
    error = settle(ground, pending, killed)
    if restarted and not ground.restarted:  # the reply, if there was one, was of the first daxd
        ground.wait_recovered()
    ground.watch.disarm()
    ground.sim.clear()
    result = trial.judge(error, ground.restarted, hopeless="+" in point)
    trial.again(result)
    return result if call else NOTHING, worlds.follow_ups(point, kills.seen)
