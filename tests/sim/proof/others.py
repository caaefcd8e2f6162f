# SPDX-License-Identifier: LGPL-2.1-or-later
"""Point 3: another agent acts between two writes, or between a kill and the restart.

A point is "N:WHEN:WHAT": WHAT, one of ACTIONS, happens before the Nth write of the operation. WHEN is
between (nothing else happens), after (once the write has taken effect), killed and killed-after (the
same, and daxd and its worker are killed there first), undoing (the Nth write fails, and it happens
before the first write of the way back), recovering (they are killed at the Nth write, and it happens
before the first write of the next daxd)."""

import re
import threading

import judge
from failing import faults_of, prepare_fault
from ground import DEVICES, MANAGER, ROOT, get_text, parent_of, put, raw_bind, raw_create, \
    raw_unbind
from harness import MIB, REGIONS, call
from judge import need
from killing import settle
from trial import BEFORE, GIVEN_UP, LOST, NOTHING, WANTED, Trial

GONE = "gone"
WHENS = ("between", "after", "killed", "killed-after", "undoing", "recovering")
KILLED = ("killed", "killed-after")
NAME = re.compile(r"dax\d+\.\d+")


class Agent:
    """Somebody else. What he has made is his, and must stay as he has left it; so must what of others
    he has changed on the way: what he binds by its id, his new_id catches bystanders for."""

    def __init__(self, trial, stop):
        self.trial, self.sim = trial, trial.ground.sim
        self.made, self.written, self.target = set(), [], self.find_target(stop)
        self.others = trial.before.others  # as they are to be
        self.first = f"dax{trial.operation.region}.0"

    def devices(self):
        return {d["name"]: d for r in self.sim.state()["regions"] for d in r["devices"]}

    def find_target(self, stop):
        """The device that the write is about, else the last one of the transaction's region."""
        others = self.trial.operation.others
        for name in NAME.findall(stop.path) + NAME.findall(stop.value):
            if name not in others and name in self.devices():
                return name
        mine = [name for name in self.devices() if name not in others and
                name.startswith(f"dax{self.trial.operation.region}.")]
        return mine[-1] if mine else None

    def adopt(self, name):
        """It is his, and what he writes there."""
        device = self.devices()[name]
        self.made.add(device["inode"])
        for place in device["ranges"]:
            self.trial.ground.mark(*place, self.trial.ground.others)
            self.written.append(place)

    def act(self, what):
        """Does it, as far as the kernel lets him and there is a device to do it to. Returns whether
        he has done anything."""
        if not self.target and what not in WITHOUT_TARGET:
            return False
        before, others = self.devices(), self.find_others()
        try:
            ACTIONS[what](self)
        except OSError:
            pass
        changed = {entry[:2]: entry for entry in self.find_others() if entry not in others}
        self.others = [changed.get(entry[:2], entry) for entry in self.others]
        return what == "gone" or self.devices() != before

    def find_others(self):
        """What of others was there before the operation."""
        return judge.picture(self.trial.ground,
                             lambda name, _: name not in self.trial.operation.others).others

    # --- what he can do --------------------------------------------------------------------------

    def free(self):
        raw_unbind(self.target)

    def resize(self):
        self.free()
        put(f"{DEVICES}/{self.target}/size", 2 * MIB)

    def grow(self):
        self.free()
        put(f"{DEVICES}/{self.target}/size",
            self.devices()[self.target]["size"] + 32 * MIB)

    def empty(self):
        self.free()
        put(f"{DEVICES}/{self.target}/size", 0)

    def bind(self):
        raw_bind(self.target, "device_dax")

    def bind_ram(self):
        self.free()
        raw_bind(self.target, "kmem")

    def delete(self):
        self.empty()
        put(f"{parent_of(self.target)}/dax_region/delete", self.target)

    def replace(self):
        """The target's name is another device's then."""
        self.delete()
        self.create()

    def create(self):
        self.adopt(raw_create(self.first, 2 * MIB, "device_dax"))

    def seed(self):
        create = f"{parent_of(self.first)}/dax_region/create"
        put(create, 1)
        self.adopt(get_text(create))

    def grab(self):
        """Takes all that is free."""
        folder = parent_of(self.first)
        free = int(get_text(f"{folder}/dax_region/available_size"))
        if free:
            self.adopt(raw_create(self.first, free, "device_dax"))

    def end_region(self):
        self.sim.remove_region(self.trial.operation.region, for_good=False)


ACTIONS = {"resize": Agent.resize, "grow": Agent.grow, "empty": Agent.empty, "unbind": Agent.free,
           "bind": Agent.bind, "bind-ram": Agent.bind_ram, "delete": Agent.delete,
           "replace": Agent.replace, "create": Agent.create, "seed": Agent.seed,
           "grab": Agent.grab, "gone": Agent.end_region}

WITHOUT_TARGET = ("create", "seed", "grab", "gone")


def points(reference):
    # between two writes it does not matter after which one it is: after is the last one's
    last = len(reference.writes)
    return [f"{number}:{when}:{what}" for number in range(1, last + 1)
            for when in WHENS if when != "after" or number == last for what in ACTIONS]


def try_point(ground, operation, reference, point):
    trial = Trial(ground, operation, reference)
    number, when, what = point.split(":")
    pending, stop = come_to(ground, trial, reference, int(number), when)
    if not stop:  # there was nothing to write on the way back
        trial.judge(settle(ground, pending, False), when == "recovering")
        return NOTHING, []
    agent = Agent(trial, stop)
    if when in KILLED:
        kill_both(ground, stop)
    acted = agent.act(what)
    his = things_of(ground, agent)
    ground.sim.clear()
    bound = agent.target if what == "bind" else None
    error = settle(ground, pending, when in KILLED, bound)
    if when == "recovering":
        ground.wait_recovered()
    result = judge_both(trial, agent, his, error, what, bound)
    return result if acted else NOTHING, []


def come_to(ground, trial, reference, number, when):
    """Begins, and returns the call under way and where it stopped; None: it came to its end."""
    if when == "undoing":
        prepare_fault(ground.sim, faults_of(number, reference.writes[number - 1].path)[0], 0)
    fault = ground.sim.stop(nth=number + (when == "undoing"), after=when in ("after", "killed-after"))
    pending = trial.start()
    if when == "undoing":
        return pending, first_stop(ground, fault, pending.is_over)
    stop = ground.sim.wait(fault, timeout=60)
    if when != "recovering":
        return pending, stop
    kill_both(ground, stop)
    ground.sim.clear()
    ground.wait_workers_gone()
    fault = ground.sim.stop()
    ground.start_daxd(wait=False)
    recovered = threading.Thread(target=ground.wait_recovered)
    recovered.start()
    return pending, first_stop(ground, fault, lambda: not recovered.is_alive())


def kill_both(ground, stop):
    ground.kill_daxd()
    ground.kill(stop.pid)
    ground.wait_gone(stop.pid)


def first_stop(ground, fault, is_over):
    """Where it stopped, unless all is over before that."""
    while True:
        over = is_over()
        try:
            return ground.sim.wait(fault, timeout=0 if over else 0.05)
        except TimeoutError:
            if over:
                return None


def things_of(ground, agent):
    return {d["inode"]: {**d, "open": 0} for r in ground.sim.state()["regions"]
            for d in r["devices"] if d["inode"] in agent.made}


def judge_both(trial, agent, his, error, what, bound):
    """As wanted, as before, or told; and what is the other's is as he has left it."""
    ground, restarted = trial.ground, trial.ground.restarted
    judge.check_alive(ground)
    need(things_of(ground, agent) == his, "what another agent has made was changed: "
         f"{things_of(ground, agent)}, not {his}")
    call(ROOT, MANAGER, "Refresh", "a{sv}", {})
    judge.check_bus(ground)
    judge.check_secret(ground, bound)
    judge.check_contents(ground, agent.written)
    if what != "gone":  # a region that goes leaks what is online
        judge.check_leaks(ground)
    need(restarted or error is not LOST, "no reply, and daxd was not killed")
    error = None if error is LOST else error
    if error:
        judge.check_error(error)
    now = judge.picture(ground, lambda name, device: name not in trial.operation.others and
                        device["inode"] not in agent.made)
    gone = REGIONS[trial.operation.region].start if what == "gone" else None
    now = judge.Picture(now.own, [entry for entry in now.others if entry[1] not in agent.made])
    judge.check_others(ground, now, judge.Picture(
        trial.before.own, [entry for entry in agent.others if entry[2] != gone]))
    if gone:
        need(error or restarted, "success, and the region is gone")
        result = GONE
    else:
        result = classify(trial, now, error, restarted)
    judge.check_leftovers(ground, result in (GIVEN_UP, GONE), alone=False)
    return result


def classify(trial, now, error, restarted):
    reason = trial.failure() if restarted else \
        error.message if error and error.short == "RollbackFailed" else None
    if reason:
        judge.check_told(trial, reason)
        return GIVEN_UP
    if now.own == trial.reference.wanted.own and not error:
        return WANTED
    if now.own == trial.before.own and (error or restarted):
        return BEFORE
    what = "success" if not error and not restarted else f"'{error}'" if error else "recovery"
    need(False, f"after {what} neither as before nor as wanted:\n  before:\n" +
         judge.difference(now.own, trial.before.own) + "\n  wanted:\n" +
         judge.difference(now.own, trial.reference.wanted.own))
    return None
