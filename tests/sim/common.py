# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of daxsim itself share: short words for raw writes. Judging is the guest's
harness: what runs here is judged as it is there."""

import ctypes
import select
import socket

from control import Control
from harness import *

FIRST, SECOND = (REGIONS + [None, None])[:2]
BLOCK = 128 * MIB
DRIVERS = f"{BUS}/drivers"
REGION = regions()[0]

sim = Control()
libc = ctypes.CDLL(None, use_errno=True)


def write(path, value):
    """Writes an attribute in one write(2), also when that gives EINTR."""
    fd = os.open(path, os.O_WRONLY)
    try:
        write_once(fd, str(value).encode())
    finally:
        os.close(fd)


def write_once(fd, value):
    if libc.write(fd, value, len(value)) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def errno_of(function, *args, **options):
    """The errno that a call fails with, 0 when it does not."""
    try:
        function(*args, **options)
    except OSError as error:
        return error.errno
    return 0


def create(size=0, region=0):
    """A new device; returns its name."""
    path = regions()[region]
    write(path + "create", 1)
    name = read(path + "create")
    if size:
        resize(name, size)
    return name


def delete(name):
    write(dax_region(name, "delete"), name)


def resize(name, size):
    write(device(name, "size"), size)


def add_mapping(name, start, size):
    write(device(name, "mapping"), f"{start:x}-{start + size - 1:x}")


def bind(to, name):
    write(f"{DRIVERS}/{to}/bind", name)


def unbind(of, name):
    write(f"{DRIVERS}/{of}/unbind", name)


def new_id(to, name):
    write(f"{DRIVERS}/{to}/new_id", name)


def remove_id(of, name):
    write(f"{DRIVERS}/{of}/remove_id", name)


def to_kmem(name):
    """Binds it to kmem, whichever driver would take it, and leaves no id behind."""
    new_id("kmem", name)
    remove_id("kmem", name)


def state_of(block):
    return read(f"{MEMORY}/memory{block}/state")


def set_state(block, word):
    write(f"{MEMORY}/memory{block}/state", word)


def blocks():
    """Numbers of all memory blocks but those of ordinary memory."""
    return [block["number"] for block in sim.state()["blocks"]]


def clean():
    """As after a boot: also what has leaked."""
    sim.reboot()
    write(f"{MEMORY}/auto_online_blocks", "offline")


clean_test = after(clean)


def check_logs():
    """Requires that no sanitizer has said anything."""
    for name in os.listdir("/run/daxsim"):
        if name.endswith(".log"):
            text = read(f"/run/daxsim/{name}")
            for complaint in ("Sanitizer", "runtime error"):
                require(complaint not in text, f"{name} says:\n{text}")


class Events:
    """Events as the kernel sends them, while the block runs."""

    NETLINK_KOBJECT_UEVENT = 15

    def __enter__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, self.NETLINK_KOBJECT_UEVENT)
        self.socket.bind((0, 1))
        self.socket.setblocking(False)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def seen(self):
        """Those since the last call. They are there once the write is over."""
        events = []
        while True:
            try:
                message, (sender, _) = self.socket.recvfrom(8192)
            except BlockingIOError:
                return events
            if sender == 0:  # of this machine's own kernel, which sends to all namespaces
                continue
            _, *pairs = message.rstrip(b"\0").split(b"\0")
            events.append(dict(pair.decode().split("=", 1) for pair in pairs))


class Monitor:
    """libudev's monitor of what udev says of dax devices and memory."""

    def __enter__(self):
        self.lib = ctypes.CDLL("libudev.so.1")
        for name in ("udev_new", "udev_monitor_new_from_netlink", "udev_monitor_receive_device"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.udev = ctypes.c_void_p(self.lib.udev_new())
        self.monitor = ctypes.c_void_p(self.lib.udev_monitor_new_from_netlink(self.udev, b"udev"))
        for subsystem in (b"dax", b"memory"):
            self.lib.udev_monitor_filter_add_match_subsystem_devtype(self.monitor, subsystem, None)
        self.lib.udev_monitor_enable_receiving(self.monitor)
        self.fd = self.lib.udev_monitor_get_fd(self.monitor)
        return self

    def __exit__(self, *_):
        self.lib.udev_monitor_unref(self.monitor)
        self.lib.udev_unref(self.udev)

    def next(self, timeout=10):
        """(action, subsystem, name) of the next event."""
        require(select.select([self.fd], [], [], timeout)[0], "libudev hears nothing")
        event = ctypes.c_void_p(self.lib.udev_monitor_receive_device(self.monitor))
        require(event, "libudev takes it for nothing")
        values = []
        for what in ("action", "subsystem", "sysname"):
            get_value = getattr(self.lib, f"udev_device_get_{what}")
            get_value.restype = ctypes.c_char_p
            values.append((get_value(event) or b"").decode())
        self.lib.udev_device_unref(event)
        return tuple(values)
