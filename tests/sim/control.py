# SPDX-License-Identifier: LGPL-2.1-or-later
"""How tests talk to daxsim: to prepare what writes to its attributes meet with, to let regions and
memory misbehave, and to look at everything without touching it.

    sim = Control()
    sim.fail(errno.ENOSPC, path="*/size", nth=2)    # the second write of a size from now on
    with sim.stopped(path="*/drivers/kmem/bind") as stop:
        ...                                         # starts what writes, in another process
        writer = stop.wait()                        # it has come to the write: Stop(pid=..., ...)
        os.kill(writer.pid, signal.SIGKILL)         # or anything else
        stop.release(writer)                        # goes on; or errno=..., or skip=True

Paths are patterns of fnmatch(3) over the whole path, as "/sys/devices/platform/hmem.0/dax0.0/size"
or "/sys/bus/dax/drivers/kmem/bind": links are resolved. A write is known by its number, from 1.
"""

import contextlib
import errno as errnos
import json
import os
import socket
from collections import namedtuple

Stop = namedtuple("Stop", "number fault pid path value after")
Write = namedtuple("Write", "number pid path value done effect errno begin end")


class Control:
    """A connection. One that waits does not answer: threads have one each."""

    def __init__(self, path=None):
        self.path = path or os.environ["DAXSIM_CONTROL"]
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(self.path)
        self.stream = self.socket.makefile("rw", encoding="utf-8", errors="surrogateescape")

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, what, **details):
        """One request. A refusal is an OSError."""
        request = {"do": what}
        request.update((key.replace("_", "-"), value) for key, value in details.items()
                       if value is not None)
        self.stream.write(json.dumps(request) + "\n")
        self.stream.flush()
        answer = json.loads(self.stream.readline())
        if answer["errno"]:
            raise OSError(answer["errno"], f"{os.strerror(answer['errno'])}: {request}")
        return answer

    # --- faults: what comes of the nth write that matches, and of `times` in all (0: for ever) ---

    def fault(self, action, path=None, value=None, nth=1, times=1, errno=None, signal=None):
        """Prepares something; returns its id. The others here are its short forms.

        action: fail, skip, fail-after, fail-partly, stop, stop-after. signal, for stops: which signals let
        the write go on: none, fatal (the default: those that end the writer), any. Where it has not
        taken effect yet it fails with EINTR then.
        """
        return self.ask("fault", action=action, path=path, value=value, nth=nth, times=times,
                        errno=errno, signal=signal)["id"]

    def fail(self, errno, **when):
        """An error, without effect; EINTR as well."""
        return self.fault("fail", errno=errno, **when)

    def skip(self, **when):
        """Success, without effect."""
        return self.fault("skip", **when)

    def fail_after(self, errno, **when):
        """It takes effect, and there is an error."""
        return self.fault("fail-after", errno=errno, **when)

    def fail_partly(self, errno, **when):
        """A size goes half of its way, and there is an error: the kernel does not go back."""
        return self.fault("fail-partly", errno=errno, **when)

    def stop(self, after=False, **when):
        """It stops before it takes effect, or once it has."""
        return self.fault("stop-after" if after else "stop", **when)

    def clear(self, fault=None):
        """Takes a fault back, or all. Writes that it has stopped go on."""
        self.ask("clear", id=fault)

    def wait(self, fault=None, timeout=30):
        """Waits until a write has stopped, and returns it: each one once."""
        try:
            answer = self.ask("await", id=fault, usec=int(timeout * 1e6))
        except OSError as error:
            if error.errno == errnos.ETIMEDOUT:
                raise TimeoutError(f"no write has stopped within {timeout} s") from None
            raise
        return Stop(*(answer[field] for field in Stop._fields))

    def release(self, stop, errno=None, skip=None):
        """Lets a stopped write go on: as it is, or to an error, or (before it) without effect."""
        self.ask("release", number=stop.number, errno=errno, skip=skip)

    @contextlib.contextmanager
    def stopped(self, after=False, **when):
        """A stop as a context, with wait() and release(); taken back at its end."""
        fault = self.stop(after, **when)
        try:
            yield _Stopped(self, fault)
        finally:
            self.clear(fault)

    # --- looking ---------------------------------------------------------------------------------

    def count(self):
        """How many writes there were."""
        return self.ask("count")["writes"]

    def writes(self, since=0):
        """The writes behind number `since`, as far as they are remembered (65536 of them)."""
        return [Write(*(note[field] for field in Write._fields))
                for note in self.ask("log", **{"from": since + 1})["writes"]]

    def state(self):
        """Everything: regions with their devices, memory blocks, leaks."""
        return self.ask("state")["state"]

    # --- memory ----------------------------------------------------------------------------------

    def block(self, number, offline_errno=None, online_errno=None, seconds=None, pinned=None):
        """What comes of it when the memory block is brought offline or online: an error; success
        after some time, unless a signal ends it; `pinned`: it takes for ever, as when a page cannot
        be moved. Without any of these: as usual."""
        self.ask("block", number=number, offline_errno=offline_errno, online_errno=online_errno,
                 usec=int(seconds * 1e6) if seconds else None, pinned=pinned)

    def calm(self):
        """All blocks do as usual."""
        self.ask("block")

    def fill(self, start, size, pattern):
        """Writes a text into the memory at a physical address again and again."""
        self.ask("fill", start=start, size=size, pattern=pattern)

    def find(self, start, size, pattern):
        """The physical address where the text is; None when it is nowhere."""
        return self.ask("find", start=start, size=size, pattern=pattern).get("where")

    # --- the machine -----------------------------------------------------------------------------

    def add_region(self, region):
        """A region appears: "1G@0x200000000,cxl,node=2,serial=0x42". Returns its id."""
        return self.ask("region-add", region=region)["id"]

    def remove_region(self, region_id, for_good=False):
        """A region goes, with its devices; at a reboot it is back, unless for_good."""
        self.ask("region-remove", id=region_id, for_good=for_good)

    def reboot(self, reversed_ids=False):
        """The kernel's side of a reboot: all that it forgets is forgotten, also faults. Processes
        and /run are for System.reboot() of system.py."""
        self.ask("reboot", reversed=reversed_ids)


class _Stopped:
    def __init__(self, control, fault):
        self.control, self.fault = control, fault

    def wait(self, timeout=30):
        return self.control.wait(self.fault, timeout)

    def release(self, stop, **how):
        self.control.release(stop, **how)
