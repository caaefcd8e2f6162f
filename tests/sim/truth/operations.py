#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does scripts of raw operations on the dax bus of this machine, and writes down what came of each.

An operation is a line of words: a verb, what it is done to, and values. A word is taken as it is,
but for these:
    r0 r0.1 r0/b3       a region, a device, a memory block; see machine.py
    4M                  as a value: decimal bytes
    @r0+4M @r0+4M-1     an address, in hexadecimal
    ''                  nothing
    \\n \\x00            escapes as in Python; a blank is \\x20
The verbs:
    create REGION [VALUE]               delete REGION VALUE
    send REGION [VALUE]                 create by sendfile(2); and how far the file is read then
    size|align|memmap DEVICE VALUE      map DEVICE OFFSET SIZE, mapping DEVICE VALUE
    bind|unbind|new_id|remove_id DRIVER VALUE
    state BLOCK VALUE                   auto VALUE
    uevent DEVICE VALUE                 write FOLDER FILE VALUE
    read|mode FOLDER FILE               list FOLDER
    open|hold|drop DEVICE [r]           once, keep open, let go
    mmap DEVICE OFFSET SIZE [private]   once, without touching it
    keep DEVICE SIZE, touch DEVICE      keep mapped; read its first byte
    fill DEVICE OFFSET SIZE TEXT        the text at the start of each page
    peek DEVICE OFFSET                  the text that is there
    use BLOCK SIZE TEXT                 a process has memory of the block, the text at the start of
                                        each page, and ends; see waiting.py
    find DEVICE SIZE TEXT               of so many pages, how many begin with the text: none, some
                                        or most
    iomem REGION, refcnt MODULE, reset, look
    pin|occupy BLOCK, unpin             a page of it cannot move, or is the kernel's; see waiting.py
    interrupt SIGNAL OPERATION...       in another process, which gets the signal when the block
                                        with the pinned page goes offline
    meanwhile BLOCK SIGNAL|- OPERATION... [/ SIGNAL|- OPERATION...]...
                                        the same, one after the other, beside an endless offlining of
                                        the block, which gets a signal at last
A line that begins with # is a comment.

The trace is a JSON object on each line. The first tells of the machine; {"script": NAME} begins a
script; each operation has the words, the result (`ok`, the name of an errno, HANG), what was read,
what has changed in the state, and the uevents since the last one.
"""

import argparse
import json
import mmap
import os
import re
import select
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

import traces
from generate import Generator
from machine import (BUS, MEMORY, Machine, Uevents, attribute, device_names, errno_name,
                     is_imitation, link_name, parse_bytes, read, write)
from waiting import Writer, die_with_parent, occupy, pin, use, write_once

# What an operation may take before it counts as hanging; emulated machines are slow.
LIMIT_SECONDS = 60
PAGE = 4096
# The script that is not begun by a reset.
BOOT = "boot"
OFFLINE_ATTEMPTS = 20


class Executor:
    """Does operations in a process of its own, which may hang."""

    def __init__(self, machine):
        self.machine = machine
        self.held = {}
        self.kept = {}
        self.pins = []
        self.pinned = None  # a block
        self.ids = set()

    def do(self, words):
        """Returns (result, what was read)."""
        verb = getattr(self, "do_" + words[0], None)
        try:
            return "ok", verb(*words[1:])
        except OSError as error:
            return errno_name(error), None

    def write_to(self, folder, name, value):
        path = f"{self.machine.folder(folder)}/{name}"
        # Apart from the write: what cannot be opened says another thing.
        fd = os.open(path, os.O_WRONLY)
        try:
            data = self.machine.expand(value).encode("latin-1")
            written = write_once(fd, data)
        finally:
            os.close(fd)
        return None if written == len(data) else f"{written} of {len(data)} bytes"

    def node(self, name):
        return f"/dev/{self.machine.kernel_name(name)}"

    # --- attributes

    def do_create(self, region, value="1"):
        return self.write_to(region, "create", value)

    def do_send(self, region, value="1"):
        """As the worker does it; see daemon/worker/witness.h."""
        path = f"{self.machine.folder(region)}/create"
        witness, fd = os.memfd_create("witness"), os.open(path, os.O_RDWR)
        try:
            os.pwrite(witness, self.machine.expand(value).encode("latin-1"), 0)
            result = "taken"
            try:
                os.sendfile(fd, witness, None, 1)
            except OSError as error:
                result = errno_name(error)
            return f"{result}, read to {os.lseek(witness, 0, os.SEEK_CUR)}"
        finally:
            os.close(witness)
            os.close(fd)

    def do_delete(self, region, value):
        return self.write_to(region, "delete", value)

    def do_size(self, device, value):
        return self.write_to(device, "size", value)

    def do_align(self, device, value):
        return self.write_to(device, "align", value)

    def do_memmap(self, device, value):
        return self.write_to(device, "memmap_on_memory", value)

    def do_map(self, device, offset, size):
        region = device.split(".")[0]
        start = self.machine.regions[int(region[1:])].start + parse_bytes(offset)
        return self.do_mapping(device, f"{start:#x}-{start + parse_bytes(size) - 1:#x}")

    def do_mapping(self, device, value):
        return self.write_to(device, "mapping", value)

    def do_bind(self, driver, value):
        return self.write_to(driver, "bind", value)

    def do_unbind(self, driver, value):
        return self.write_to(driver, "unbind", value)

    def do_new_id(self, driver, value):
        self.ids.add((driver, value))
        return self.write_to(driver, "new_id", value)

    def do_remove_id(self, driver, value):
        return self.write_to(driver, "remove_id", value)

    def do_state(self, block, value):
        return self.write_to(block, "state", value)

    def do_auto(self, value):
        return self.write_to("memory", "auto_online_blocks", value)

    def do_uevent(self, device, value):
        return self.write_to(device, "uevent", value)

    def do_write(self, folder, name, value):
        return self.write_to(folder, name, value)

    def do_read(self, folder, name):
        return self.machine.relative_text(read(f"{self.machine.folder(folder)}/{name}"))

    def do_mode(self, folder, name):
        return f"{os.stat(f'{self.machine.folder(folder)}/{name}').st_mode & 0o7777:04o}"

    def do_list(self, folder):
        return " ".join(sorted(map(self.machine.relative_name,
                                   os.listdir(self.machine.folder(folder)))))

    def do_iomem(self, region):
        return self.machine.iomem(int(region[1:]))

    def do_refcnt(self, module):
        return read(f"/sys/module/{module}/refcnt")

    # --- nodes

    def do_open(self, device, how=""):
        os.close(os.open(self.node(device), os.O_RDONLY if how == "r" else os.O_RDWR))

    def do_hold(self, device):
        self.held[device] = os.open(self.node(device), os.O_RDWR)

    def do_drop(self, device):
        if device in self.kept:
            self.kept.pop(device).close()
        if device in self.held:
            os.close(self.held.pop(device))

    def mapped(self, device, offset, size, flags=mmap.MAP_SHARED):
        fd = os.open(self.node(device), os.O_RDWR)
        try:
            return mmap.mmap(fd, parse_bytes(size), flags=flags, offset=parse_bytes(offset))
        finally:
            os.close(fd)

    def do_mmap(self, device, offset, size, how=""):
        self.mapped(device, offset, size,
                    mmap.MAP_PRIVATE if how == "private" else mmap.MAP_SHARED).close()

    def do_keep(self, device, size):
        self.kept[device] = self.mapped(device, "0", size)

    def do_touch(self, device):
        """In a process of its own: a mapping that was revoked kills who touches it."""
        if device not in self.kept:
            return "it is not mapped"
        pid = os.fork()
        if pid == 0:
            self.kept[device][0]
            os._exit(0)
        status = os.waitpid(pid, 0)[1]
        return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "ok"

    def do_fill(self, device, offset, size, text):
        with self.mapped(device, offset, size) as memory:
            for at in range(0, len(memory), PAGE):
                memory[at:at + len(text) + 1] = text.encode() + b"\0"

    def do_peek(self, device, offset):
        align = int(attribute(f"{self.machine.folder(device)}/align"))
        at = parse_bytes(offset)
        with self.mapped(device, str(at - at % align), str(align)) as memory:
            return memory[at % align:at % align + 32].split(b"\0")[0].decode("latin-1")

    def do_find(self, device, size, text):
        """Not exactly: some of the pages that somebody gave back others have had since."""
        wanted, word = parse_bytes(size) // PAGE, text.encode()
        length = attribute(f"{self.machine.folder(device)}/size")
        with self.mapped(device, "0", length) as memory:
            found = sum(memory[at:at + len(word)] == word for at in range(0, len(memory), PAGE))
        if found in range(wanted - wanted // 8, wanted + 1):
            return "most"
        return f"some: {found}" if found else "none"

    # --- who has memory, and who waits

    def do_use(self, block, size, text):
        use(self.machine, block, parse_bytes(size), text.encode())

    def do_pin(self, block):
        self.pins.append(pin(self.machine, block))
        self.pinned = block

    def do_occupy(self, block):
        self.pins.append(occupy(self.machine, block))

    def do_unpin(self):
        while self.pins:
            self.pins.pop().release()

    def offlining(self, block, words):
        """An operation that is within the endless attempt. A signal before that would be lost: the
        kernel starts it anew."""
        state = f"{self.machine.folder(block)}/state"
        writer = Writer(self.do, words)
        writer.await_that(lambda: read(state) == "going-offline", "the block goes offline")
        return writer

    def do_interrupt(self, name, *words):
        writer = self.offlining(self.pinned, words)
        writer.send(name)
        return writer.end()

    def do_meanwhile(self, block, *words):
        offlining = self.offlining(block, ["state", block, "offline"])
        others, waited = [], []
        for name, *operation in split(words, "/"):
            others.append(Writer(self.do, operation))
            others[-1].await_arrival()
            if name != "-":
                others[-1].send(name)
            waited.append("" if others[-1].is_soon_over() else "at last ")
        offlining.send("SIGUSR1")
        results = [how + other.end() for how, other in zip(waited, others)]
        return "; ".join([*results, f"offline {offlining.end()}"])

    def do_look(self):
        """Nothing; the state is always told."""

    # --- back to the beginning

    def do_reset(self):
        self.do_unpin()
        for device in [*self.kept, *self.held]:
            self.do_drop(device)
        for driver, value in self.ids:
            self.do(["remove_id", driver, value])
        self.ids.clear()
        return reset()


def reset():
    """Every device that is not static empty and unbound, only the first ones left. Works without a
    Machine, whose making needs this. Returns what it could not do."""
    faults = []

    def attempt(path, text):
        try:
            write(path, text)
        except OSError as error:
            faults.append(f"{os.path.basename(path)} {text}: {errno_name(error)}")

    attempt(f"{MEMORY}/auto_online_blocks", "offline")
    for name in reversed(device_names()):
        folder = f"{BUS}/devices/{name}"
        region = os.path.dirname(os.path.realpath(folder)) + "/dax_region"
        if not os.path.exists(f"{region}/create"):
            continue
        driver = link_name(f"{folder}/driver")
        if driver == "kmem":
            for block in device_blocks(folder):
                offline(block, faults)
        if driver:
            attempt(f"{BUS}/drivers/{driver}/unbind", name)
        for driver in ("device_dax", "kmem"):
            attempt(f"{BUS}/drivers/{driver}/remove_id", name)
        attempt(f"{folder}/size", "0")
        attempt(f"{folder}/align", read(f"{region}/align"))
        if os.path.exists(f"{folder}/memmap_on_memory"):
            attempt(f"{folder}/memmap_on_memory", "0")
        if not name.endswith(".0"):
            attempt(f"{region}/delete", name)
    return faults


def device_blocks(folder):
    """The memory blocks inside the ranges of a device."""
    length = int(read(f"{MEMORY}/block_size_bytes"), 16)
    for entry in os.listdir(folder):
        if re.fullmatch("mapping[0-9]+", entry):
            start, end = (int(read(f"{folder}/{entry}/{name}"), 0) for name in ("start", "end"))
            for number in range(start // length, end // length + 1):
                path = f"{MEMORY}/memory{number}"
                if os.path.isdir(path):
                    yield path


def offline(block, faults):
    """Pages may be pinned for a moment."""
    for _ in range(OFFLINE_ATTEMPTS):
        if read(f"{block}/state") == "offline":
            return
        try:
            write(f"{block}/state", "offline")
        except OSError:
            time.sleep(0.05)
    faults.append(f"{block} stays online")


def split(words, mark):
    """The words between marks."""
    groups = [[]]
    for word in words:
        if word == mark:
            groups.append([])
        else:
            groups[-1].append(word)
    return groups


class Hang(Exception):
    """An operation did not come back. What this machine says from now on is worth nothing."""


class Session:
    """Does operations one by one, and writes the trace."""

    def __init__(self, machine, trace):
        self.trace = trace
        self.machine = machine
        self.count = 0
        self.state = {}
        self.link, theirs = socket.socketpair()
        self.child = os.fork()
        if self.child == 0:
            self.link.close()
            die_with_parent()
            try:
                serve(machine, theirs.makefile("rw"))
                os._exit(0)
            except BaseException:  # it must not go on as its parent
                traceback.print_exc()
                os._exit(1)
        theirs.close()
        self.stream = self.link.makefile("rw")

    def write(self, record):
        self.trace.write(json.dumps(record) + "\n")
        self.trace.flush()

    def begin(self, script):
        """Starts each script from the same state; what the reset did is no part of the trace. The
        one that shows what a boot has left must be the first."""
        self.write({"script": script})
        self.state = {}
        self.ask("look" if script == BOOT else "reset")

    def do(self, line):
        self.count += 1
        self.ask(line)

    def ask(self, line):
        self.stream.write(line + "\n")
        self.stream.flush()
        if not select.select([self.link], [], [], LIMIT_SECONDS)[0]:
            self.write({"op": line, "result": "HANG"})
            raise Hang(line)
        answer = self.stream.readline()
        if not answer:
            raise RuntimeError(f"the process that does the operations ended at '{line}'")
        record = json.loads(answer)
        state = record.pop("state")
        record["changed"] = {key: state.get(key) for key in sorted({*state, *self.state})
                             if state.get(key) != self.state.get(key)}
        self.state = state
        self.write({"op": line, **record})

    def close(self):
        self.link.shutdown(socket.SHUT_RDWR)
        self.stream.close()
        self.link.close()
        os.waitpid(self.child, 0)

    def kill(self):
        os.kill(self.child, signal.SIGKILL)


def serve(machine, stream):
    """The other process: an operation on each line, its outcome as JSON."""
    executor, uevents = Executor(machine), Uevents(machine)
    uevents.take()
    for line in stream:
        words = line.split()
        result, value = executor.do(words)
        record = {"result": result}
        if words[0] == "reset":
            # How many steps it takes is the machine's own affair.
            uevents.take()
            if value:
                record["faults"] = value
        else:
            if value is not None:
                record["value"] = value
            record["events"] = uevents.take()
        record["state"] = machine.state()
        stream.write(json.dumps(record) + "\n")
        stream.flush()


# --- scripts ----------------------------------------------------------------------------------


def script_lines(path):
    """The operations of a script."""
    for line in read(path).splitlines():
        line = line.strip()
        if line and not line.startswith("#"):
            yield line


def run_scripts(session, paths):
    for path in paths:
        session.begin(path.stem)
        for line in script_lines(path):
            session.do(line)


def run_generated(session, seed, count, length, leave):
    """Sequences from a seed; each depends on the seed and its own number only, and on what the
    machine has answered."""
    number, until = 0, session.count + count
    while session.count < until:
        session.begin(f"seed-{seed}-{number}")
        generator = Generator(seed, number, session.machine, leave)
        for _ in range(min(length, until - session.count)):
            session.do(generator.next(session.state))
        number += 1


def replay(session, path):
    """The same operations as in a trace, whatever comes of them."""
    for record in traces.records(path):
        if "script" in record:
            session.begin(record["script"])
        elif record.get("op") not in (None, "reset", "look"):
            session.do(record["op"])


def boot_lines(n_regions):
    """What is asked of a machine that has just booted, beside its state."""
    return [line for i in range(n_regions)
            for line in (f"iomem r{i}", f"list r{i}", f"list r{i}.0")]


def run_boot(session):
    session.begin(BOOT)
    for line in boot_lines(len(session.machine.regions)):
        session.do(line)


def is_of_boot(path):
    """Whether a trace shows what a boot has left."""
    return any(record.get("script") == BOOT for record in traces.records(path))


def describe(machine, args):
    head = {"kernel": os.uname().release, "imitation": is_imitation(),
            "block_size": machine.block_size,
            "regions": [region.size for region in machine.regions]}
    return {**head, "seed": args.seed} if args.generate else head


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="where the trace goes")
    parser.add_argument("--replay", metavar="TRACE", help="the operations of this trace")
    parser.add_argument("--generate", type=int, default=0, metavar="COUNT",
                        help="so many generated operations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--length", type=int, default=40, help="of a generated sequence")
    parser.add_argument("--boot", action="store_true", help="what the boot has left, first")
    parser.add_argument("--leave", action="store_true",
                        help="generate what cannot be undone as well; the machine is spoilt then")
    parser.add_argument("scripts", nargs="*", type=Path)
    return parser.parse_args()


def main():
    args = parse_arguments()
    boot = args.boot or (args.replay and is_of_boot(args.replay))
    faults = [] if boot else reset()
    machine = Machine()
    if faults:
        print(f"reset: {faults}", file=sys.stderr)
    with open(args.out, "w", encoding="utf-8") as trace:
        session = Session(machine, trace)
        session.write(describe(machine, args))
        try:
            if args.boot:
                run_boot(session)
            if args.replay:
                replay(session, args.replay)
            run_scripts(session, args.scripts)
            if args.generate:
                run_generated(session, args.seed, args.generate, args.length, args.leave)
        except Hang as hang:
            session.kill()
            print(f"'{hang}' did not come back in {LIMIT_SECONDS} s", file=sys.stderr)
            return 1
        print(f"{session.count} operations")
        session.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
