# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who has memory, what makes others wait, and who waits: pages that cannot be moved or never will,
and operations in processes of their own, which get signals."""

import ctypes
import errno
import json
import mmap
import os
import re
import select
import signal
import threading
import time

from machine import MEMORY, is_imitation, read

PAGE = 4096
LIMIT_SECONDS = 20
# Who is not over after these looks at him waits for something.
LOOKS, LOOK_SECONDS = 200, 0.01
ARRIVAL_LOOKS = 20
SET_MEMPOLICY = 238  # of x86_64
MPOL_DEFAULT, MPOL_BIND = 0, 2
PR_SET_PDEATHSIG = 1
NODES_MAX = 64
# Of a page in /proc/self/pagemap.
ENTRY_SIZE, FRAME_MASK = 8, (1 << 55) - 1

libc = ctypes.CDLL(None, use_errno=True)
libc.write.restype = ctypes.c_ssize_t


def write_once(fd, data):
    """One write(2), also when that gives EINTR: os.write() would try again."""
    written = libc.write(fd, data, len(data))
    if written < 0:
        raise OSError(ctypes.get_errno(), "write")
    return written


def await_that(predicate, what):
    until = time.monotonic() + LIMIT_SECONDS
    while not predicate():
        if time.monotonic() > until:
            raise RuntimeError(f"after {LIMIT_SECONDS} s still not: {what}")
        time.sleep(0.01)


# --- pages ------------------------------------------------------------------------------------


def use(machine, block, size, text):
    """A process has so much memory, puts the text at the start of each page, and ends. The block
    must be the only one of its node that is online, and in the zone Movable."""
    if is_imitation():
        from control import Control  # there is one in the imitation only

        with Control() as sim:
            number = int(machine.block_name(block).removeprefix("memory"))
            sim.fill(number * machine.block_size, size, text.decode().ljust(PAGE))
        return
    child = os.fork()
    if child == 0:
        try:
            fill_own_memory(machine, block, size, text)
            os._exit(0)
        finally:
            os._exit(1)
    if status := os.waitpid(child, 0)[1]:
        raise RuntimeError(f"who was to have the memory ended with status {status}")


def fill_own_memory(machine, block, size, text):
    die_with_parent()
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    take_from_node_of(machine, block)
    for at in range(0, size, PAGE):
        memory[at:at + len(text)] = text


def pin(machine, block):
    """A page of the block stays where it is until release(), and the kernel tries to move it without
    end. It must be the only block of its node that is online, and in the zone Movable, where no
    memory of the kernel's own can come to lie meanwhile."""
    return Imitated(machine, block, pinned=True) if is_imitation() else Pin(machine, block)


def occupy(machine, block):
    """A page of the block is the kernel's own until release(), and the kernel does not even try. It
    must be the only block of its node that is online, and not in the zone Movable."""
    if is_imitation():
        return Imitated(machine, block, offline_errno=errno.EBUSY)
    return Occupation(machine, block)


class Imitated:
    def __init__(self, machine, block, **trouble):
        from control import Control  # there is one in the imitation only

        self.sim = Control()
        self.sim.block(int(machine.block_name(block).removeprefix("memory")), **trouble)

    def release(self):
        self.sim.calm()
        self.sim.close()


def take_from_node_of(machine, block):
    """From now on this thread's memory is taken from the node of a block only."""
    [node] = [int(entry[4:]) for entry in os.listdir(machine.folder(block))
              if re.fullmatch("node[0-9]+", entry)]
    # The kernel takes a moment until it lets processes have memory of a node that is new.
    await_that(lambda: set_policy(MPOL_BIND, 1 << node), f"memory of node {node}")


class Occupation:
    """What is written to a pipe lies there in pages that nobody but the kernel has."""

    def __init__(self, machine, block):
        self.pipe = os.pipe()
        threading.Thread(target=self.write, args=(machine, block), daemon=True).start()
        if not select.select([self.pipe[0]], [], [], LIMIT_SECONDS)[0]:
            raise RuntimeError("nothing was written to a pipe")

    def write(self, machine, block):
        """Never returns: to end, or to take memory from elsewhere again, the kernel may need some of
        its own for this thread, which would be of that node, and stay there."""
        page, for_ever = bytes(PAGE), threading.Lock()
        for_ever.acquire()
        take_from_node_of(machine, block)
        write_once(self.pipe[1], page)
        for_ever.acquire()

    def release(self):
        for fd in self.pipe:
            os.close(fd)


class Pin:
    """A pipe holds it."""

    def __init__(self, machine, block):
        self.pipe = os.pipe()
        self.memory = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        take_from_node_of(machine, block)
        self.memory[0] = 1
        set_policy(MPOL_DEFAULT, 0)
        self.hold_page(int(machine.block_name(block).removeprefix("memory")))

    def hold_page(self, number):
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
            entry = os.pread(pagemap.fileno(), ENTRY_SIZE, address // PAGE * ENTRY_SIZE)
        place = (int.from_bytes(entry, "little") & FRAME_MASK) * PAGE
        if place // int(read(f"{MEMORY}/block_size_bytes"), 16) != number:
            raise RuntimeError(f"the page lies at {place:#x}, not in memory{number}")
        vector = (ctypes.c_size_t * 2)(address, PAGE)
        if libc.vmsplice(self.pipe[1], vector, 1, 0) != PAGE:
            raise RuntimeError("vmsplice")

    def release(self):
        for fd in self.pipe:
            os.close(fd)
        self.memory.close()


def set_policy(mode, nodes):
    mask = ctypes.c_ulong(nodes)
    return libc.syscall(SET_MEMPOLICY, mode, ctypes.byref(mask) if nodes else None,
                        ctypes.c_ulong(NODES_MAX if nodes else 0)) == 0


# --- processes --------------------------------------------------------------------------------


def die_with_parent():
    """A process that nobody awaits any more must not keep the machine waiting."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Writer:
    """An operation in a process of its own; `do` gives (result, what was read)."""

    def __init__(self, do, words):
        self.outcome, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with_parent()
                signal.signal(signal.SIGUSR1, lambda *_: None)
                os.write(theirs, json.dumps(do(words)).encode())
            finally:
                os._exit(0)
        os.close(theirs)

    def is_over(self, seconds=0):
        return bool(select.select([self.outcome], [], [], seconds)[0])

    def is_soon_over(self, looks=LOOKS):
        """Within some looks, not within a time: a machine that is busy stands still for a while."""
        return any(self.is_over(LOOK_SECONDS) for _ in range(looks))

    def is_waiting(self):
        """Whether it sleeps in read(2) or write(2)."""
        return read(f"/proc/{self.pid}/syscall").startswith(("0 ", "1 "))

    def await_that(self, predicate, what):
        await_that(lambda: self.is_over() or predicate(), what)

    def await_arrival(self):
        """Until it is over, or waits where it has to. At the first look it may sleep on its way there,
        as while the imitation is about to take what is written."""
        self.await_that(self.is_waiting, "it waits")
        self.is_soon_over(ARRIVAL_LOOKS)

    def send(self, name):
        os.kill(self.pid, signal.Signals[name])

    def end(self):
        """What was read, else the result; the name of the signal that has ended it."""
        with open(self.outcome, encoding="utf-8") as outcome:
            text = outcome.read()
        status = os.waitpid(self.pid, 0)[1]
        if os.WIFSIGNALED(status):
            return signal.Signals(os.WTERMSIG(status)).name
        result, value = json.loads(text)
        return result if value is None else value
