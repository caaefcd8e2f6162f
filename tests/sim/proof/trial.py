# SPDX-License-Identifier: LGPL-2.1-or-later
"""One operation at one point, from the beginning to the judgement."""

import threading

import judge
from ground import BYSTANDER, MARK, REGION, outcome, spots
from harness import managed_objects
from judge import Violation, need
from operations import prepare

BEFORE, WANTED, GIVEN_UP = "before", "wanted", "given up"
NOTHING = "nothing happened"  # at this point: it is not counted
NO_REPLY = ("org.freedesktop.DBus.Error.NoReply",)
LOST = "no reply"  # of a daxd that was killed


class Trial:
    """What there was before, and how the operation is called. `reference`: what comes of it when
    nothing interferes."""

    def __init__(self, ground, operation, reference=None):
        if ground.bystander and "dax0.0" in operation.others:
            operation = operation._replace(others=(*operation.others, BYSTANDER))
        self.ground, self.operation, self.reference = ground, operation, reference
        ground.begin(operation.region)
        prepare(operation)
        self.held = self.fill_own()
        self.before = self.picture()
        self.do = operation.do()
        self.count = ground.sim.count()

    def fill_own(self):
        """What the operation's devices hold, that can be opened: returns where."""
        places = [place for region in self.ground.sim.state()["regions"]
                  for device in region["devices"] for place in device["ranges"]
                  if device["driver"] == "device_dax" and device["name"] not in self.operation.others]
        for place in places:
            self.ground.mark(*place, self.ground.own)
        return [at for place in places for at in spots(*place)]

    def keeps_own(self):
        """Where it still is: not where it is the system's memory, which only the imitation leaves alone."""
        lent = [place for region in self.ground.sim.state()["regions"]
                for device in region["devices"] for place in device["ranges"]
                if device["driver"] == "kmem"]
        return [at for at in self.held if self.ground.sim.find(at, MARK, self.ground.own) is not None
                and not any(start <= at < start + size for start, size in lent)]

    def picture(self):
        return judge.picture(self.ground, lambda name, _: name not in self.operation.others)

    def writes(self):
        """Those since the operation began."""
        return self.ground.sim.writes(self.count)

    def run(self):
        return outcome(self.do)[1]

    def start(self):
        """Calls it in the background."""
        return Pending(self.do)

    # --- the judgement ---------------------------------------------------------------------------

    def failure(self):
        """Why daxd says that the operation's region has failed; None when it does not."""
        for faces in managed_objects().values():
            region = faces.get(REGION)
            if region and region["Id"] == self.operation.region and region["State"] == "failed":
                return region["StateReason"]
        return None

    def judge(self, error, restarted=False, hopeless=False):
        """What it has come to: as it was, as wanted, or, where it is `hopeless` to go back, a failure
        that is told. Anything else is a violation. `restarted`: a new daxd may have gone on."""
        ground = self.ground
        judge.check_alive(ground)
        need(restarted or error is not LOST, "no reply, and daxd was not killed")
        reason = self.failure() if restarted else \
            error.message if error and getattr(error, "short", "") == "RollbackFailed" else None
        now = self.picture()
        if reason:
            need(hopeless, f"given up, and nothing was in the way: {reason}")
            need(error is not None, f"success, and then given up: {reason}")
            judge.check_told(self, reason)
            result = GIVEN_UP
        else:
            result = self.compare(now, error)
        judge.check_others(ground, now, self.before)
        self.check_own(result, error)
        judge.check_bus(ground)
        judge.check_secret(ground, others=self.operation.others if result == WANTED else None)
        judge.check_leaks(ground)
        judge.check_leftovers(ground, bool(reason), hopeless=hopeless)
        return result

    def check_own(self, result, error):
        """What a device held and does not lose by the operation it never loses; nor does it lose the
        rest by what is undone, unless the error says so."""
        kept, told = self.keeps_own(), "lost" in getattr(error, "message", "")
        wanted = self.reference.kept if result != BEFORE or told or error is LOST else self.held
        gone = [at for at in wanted if at not in kept]
        need(not gone, f"what a device held is gone, at {gone}")

    def compare(self, now, error):
        if error is LOST:
            if now.own == self.reference.wanted.own:
                return WANTED
            need(now.own == self.before.own, "neither as before nor as wanted:\n" +
                 judge.difference(now.own, self.before.own))
            return BEFORE
        if error is None:
            need(now.own == self.reference.wanted.own, "success, but not as wanted:\n" +
                 judge.difference(now.own, self.reference.wanted.own))
            return WANTED
        judge.check_error(error)
        need(now.own == self.before.own, f"after '{error}' not as before:\n" +
             judge.difference(now.own, self.before.own))
        return BEFORE

    def again(self, result):
        """What was undone can be done now, and a layout that is applied has nothing to do."""
        if result == GIVEN_UP or (result == WANTED and not self.operation.forward):
            return
        count = self.ground.sim.count()
        error = outcome(self.operation.do())[1]
        need(error is None, f"once more, undisturbed: {error}")
        now = self.picture()
        need(now.own == self.reference.wanted.own, "once more, undisturbed, not as wanted:\n" +
             judge.difference(now.own, self.reference.wanted.own))
        if result == WANTED:
            writes = self.ground.sim.writes(count)
            need(not writes, f"nothing was to be done, and this was written: {writes}")
        judge.check_leftovers(self.ground)
        judge.check_secret(self.ground, others=self.operation.others)


class Pending:
    """A call under way."""

    def __init__(self, function):
        self.error = None
        self.thread = threading.Thread(target=self.call, args=(function,), daemon=True)
        self.thread.start()

    def call(self, function):
        try:
            self.error = outcome(function)[1]
        except Exception as error:  # judged as any other
            self.error = error

    def is_over(self):
        return not self.thread.is_alive()

    def result(self, timeout=60):
        self.thread.join(timeout)
        if self.thread.is_alive():
            raise Violation(f"no reply within {timeout} s")
        return self.error

    def reply(self):
        """The same, or LOST."""
        error = self.result()
        return LOST if getattr(error, "name", "") in NO_REPLY else error


class Reference:
    """The operation without interference: what is wanted, and what is written for it."""

    def __init__(self, ground, operation):
        trial = Trial(ground, operation)
        error = self.operate(trial)
        need(error is None, f"undisturbed: {error}")
        self.wanted = trial.picture()
        self.kept = trial.keeps_own()
        self.before = trial.before
        self.writes = trial.writes()
        judge.check_others(ground, self.wanted, self.before)
        judge.check_leftovers(ground)
        judge.check_bus(ground)
        judge.check_secret(ground)
        need(self.wanted.own != self.before.own, "it changes nothing")
        taken = judge.readable(self.wanted) - judge.readable(self.before)
        need(not taken or any(ground.had_owner(*place) for place in taken),
             f"what becomes readable had no owner before: {taken}")

    def operate(self, trial):
        return trial.run()
