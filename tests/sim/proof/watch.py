# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who is asked before each system call of daxd and its workers that changes anything, and may kill
the caller instead; see watched.c."""

import array
import contextlib
import errno
import fcntl
import os
import select
import socket
import struct
import threading
from collections import namedtuple

SOCKET = "/run/daxsim/watch"
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")
NOTIF_RECV = 3 << 30 | NOTIFICATION.size << 16 | ord("!") << 8 | 0
NOTIF_SEND = 3 << 30 | RESPONSE.size << 16 | ord("!") << 8 | 1
CONTINUE = 1
CALLS = {0: "read", 1: "write", 18: "pwrite64", 20: "writev", 296: "pwritev", 328: "pwritev2",
         40: "sendfile", 44: "sendto",
         46: "sendmsg", 307: "sendmmsg", 77: "ftruncate", 316: "renameat2", 264: "renameat",
         263: "unlinkat", 258: "mkdirat", 265: "linkat", 266: "symlinkat", 259: "mknodat",
         91: "fchmod", 268: "fchmodat", 93: "fchown", 260: "fchownat", 190: "fsetxattr",
         257: "openat", 2: "open", 82: "rename", 87: "unlink", 83: "mkdir", 86: "link",
         88: "symlink", 84: "rmdir", 90: "chmod", 92: "chown", 11: "munmap"}

# Those by which a node's memory is wiped, and which argument says where it is.
WIPES = {"munmap": 0, "read": 1}

Call = namedtuple("Call", "number pid who name on")


class Count:
    """The calls since it was armed, as far as it has come. `number`: at this one act(call) is run;
    each(call), at all of them. Both in the thread of the watch, while the caller waits."""

    def __init__(self, number, act, each):
        self.number, self.act, self.each = number, act, each
        self.calls, self.happened = [], threading.Event()


class Watch:
    """Tells what is called, in counts that follow each other."""

    def __init__(self, helper):
        self.wrapper = (helper, SOCKET)
        self.now = self.error = None
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(16)
        self.poll = select.epoll()
        self.poll.register(self.listener.fileno(), select.EPOLLIN)
        threading.Thread(target=self.serve, daemon=True).start()

    # --- for tests -------------------------------------------------------------------------------

    def arm(self, number=None, act=None, each=None):
        """Begins a new count, from 1. act() may do so as well: nobody's call comes between."""
        self.now = Count(number, act, each)
        return self.now

    def disarm(self):
        """Ends it. What has gone wrong in act() or each() is raised here."""
        self.now, error, self.error = None, self.error, None
        if error:
            raise error

    # --- the thread ------------------------------------------------------------------------------

    def serve(self):
        """Whatever goes wrong: who calls must not wait for ever."""
        while True:
            for fd, events in self.poll.poll():
                try:
                    self.deal_with(fd, events)
                except Exception as error:
                    self.error = self.error or error

    def deal_with(self, fd, events):
        if fd == self.listener.fileno():
            self.accept()
        elif events & select.EPOLLIN:
            self.ask(fd)
        else:  # nobody is left who could call
            self.poll.unregister(fd)
            os.close(fd)

    def accept(self):
        connection, _ = self.listener.accept()
        with connection:
            _, ancillary, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(4))
        for _, _, data in ancillary:
            fd = array.array("i", data[:4])[0]
            self.poll.register(fd, select.EPOLLIN)

    def ask(self, fd):
        buffer = bytearray(NOTIFICATION.size)
        try:
            fcntl.ioctl(fd, NOTIF_RECV, buffer)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):
                return
            raise
        number, pid, _, call, _, _, *arguments = NOTIFICATION.unpack(buffer)
        try:
            self.count(pid, call, arguments)
        finally:
            with contextlib.suppress(FileNotFoundError):  # the caller is dead
                fcntl.ioctl(fd, NOTIF_SEND, bytearray(RESPONSE.pack(number, 0, 0, CONTINUE)))

    def count(self, pid, call, arguments):
        now = self.now
        if not now or (CALLS.get(call) in ("write", "writev") and arguments[0] == 2):
            return
        name = CALLS.get(call, str(call))
        if name in WIPES and not is_of_node(pid, arguments[WIPES[name]]):
            return
        who = who_is(pid)
        if who is None:  # killed by somebody else meanwhile: it makes no calls any more
            return
        noted = Call(len(now.calls) + 1, pid, who, name, place_of(pid, name, arguments))
        now.calls.append(noted)
        if now.each:
            now.each(noted)
        if noted.number == now.number:
            now.act(noted)
            now.happened.set()


def who_is(pid):
    """The name of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def place_of(pid, name, arguments):
    """What a call is about, for people."""
    at_first = name in ("write", "pwrite64", "writev", "sendmsg", "sendto", "sendfile", "ftruncate", "fchmod",
                        "fchown")
    if at_first:
        try:
            return os.readlink(f"/proc/{pid}/fd/{arguments[0] & 0xffffffff}")
        except OSError:
            return ""
    if name.endswith(("at", "at2")):
        return text_at(pid, arguments[2 if name == "symlinkat" else 1])
    return text_at(pid, arguments[0]) if name not in WIPES else "memory of a node"


def text_at(pid, address):
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            return memory.read(256).split(b"\0")[0].decode(errors="replace")
    except (OSError, ValueError):
        return ""


def is_of_node(pid, address):
    """What is there is a device's memory: it is wiped, or that comes to its end."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
            for line in maps:
                first, last = (int(edge, 16) for edge in line.split()[0].split("-"))
                if first <= address < last:
                    return "/dev/dax" in line
    except OSError:
        pass
    return False
