# SPDX-License-Identifier: LGPL-2.1-or-later
"""Point 2, at writes: SIGKILL before each write and after it, of daxd, of the worker, of both, also
in the middle of going back and of recovery.

A point is "N:WHEN:WHOM", the Nth write of the operation, before or after, and daxd, worker or both;
or two of these joined by "+", where the second counts from the first."""

import time

import judge
from ground import Ground
from trial import Trial

WHENS = ("before", "after")
WHOM = ("both", "daxd", "worker")


def points(reference):
    return [f"{number}:{when}:{whom}" for number in range(1, len(reference.writes) + 1)
            for when in WHENS for whom in WHOM]


def try_point(ground: Ground, operation, reference, point):
    trial = Trial(ground, operation, reference)
    first, *rest = point.split("+")
    stop, pending, count = stop_at(ground, first), None, 0
    for text, after in zip((first, *rest), (*rest, None)):
        whom = text.split(":")[2]
        if pending is None:
            pending = trial.start()
        elif ground.system.daxd is None:
            ground.wait_workers_gone()
            ground.start_daxd(wait=False)
        writer = ground.sim.wait(stop, timeout=60)
        count = ground.sim.count()
        following = after and stop_at(ground, after)  # before anybody goes on
        if whom != "worker":
            ground.kill_daxd()
        if whom != "daxd":
            ground.kill(writer.pid)
            ground.wait_gone(writer.pid)
        ground.sim.clear(stop)
        stop = following
        killed = whom != "worker"
    error = settle(ground, pending, killed)
    writes = ground.sim.count() - count
    result = trial.judge(error, ground.restarted, hopeless="+" in point)
    trial.again(result)
    return result, follow_ups(point, writes)


def stop_at(ground, text):
    """Where the writes from now on stop."""
    number, when, _ = text.split(":")
    return ground.sim.stop(after=when == "after", nth=int(number))


def settle(ground, pending, killed, bound=None):
    """Waits for what comes, and returns the reply: of a daxd that was killed it may have come before,
    or is LOST. `bound`: a device that somebody else has bound."""
    ground.restarted = ground.system.daxd is None or not ground.is_alive()
    if ground.restarted:
        ground.stop_all()
        judge.check_secret(ground, bound)  # udev has let others in by now
        ground.restart()
        return pending.reply()
    error = pending.reply()
    deadline = time.monotonic() + 10
    while killed and time.monotonic() < deadline and ground.worker_pids():
        time.sleep(0.01)
    return error


def follow_ups(point, writes):
    """The next worker after the first, while the same daxd goes back. Where daxd was killed, what
    follows is tried by calls.py, of which writes are some."""
    if "+" in point or not point.endswith("worker"):
        return []
    return [f"{point}+{number}:{when}:worker" for number in range(1, writes + 1)
            for when in WHENS]
