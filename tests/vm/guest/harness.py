# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the suites in the guest share: judging, and looking at the machine.

A suite imports this, marks functions with @test and ends with main(). Each test gives one line,
`ok NAME` or `FAIL NAME: REASON`; tests/vm/run reads them. A test fails by any exception; fail(),
require() and equal() raise one with a reason that can be read.

    from harness import *

    @test
    def a_device_can_be_made():
        region = object_path("region", region_at(REGIONS[0]))
        path = call(region, "org.daxd1.Region", "CreateDevice", "ta{sv}", 64 * MIB, {"label": "x"})
        equal(get(path, "org.daxd1.Device", "Size"), 64 * MIB, "Size")

    main()

Every module and every process costs a good part of a second under emulation. So imports are few,
and what can be read from a file is not asked of a program.
"""

import json
import mmap
import os
import re
import subprocess
import sys
import time
import traceback
from collections import namedtuple

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# 1 when this suite runs for the first time on this disk, one higher after each reboot.
BOOT = int(os.environ.get("DAXD_BOOT", "1"))
KERNEL = os.environ.get("DAXD_KERNEL", "")
# The tests to run, by their names with commas between; all when there are none.
ONLY = [name for name in os.environ.get("DAXD_ONLY", "").split(",") if name]
# A directory whose files the runner brings to the host.
RESULTS = os.environ.get("DAXD_RESULTS", "/tmp")

Extent = namedtuple("Extent", "start size")
# The regions that the runner was asked for.
REGIONS = [Extent(*(int(n, 0) for n in text.split("+")))
           for text in os.environ.get("DAXD_REGIONS", "").split(",") if text]

BUS = "/sys/bus/dax"
MEMORY = "/sys/devices/system/memory"
DAXD = "org.daxd1"
STATUS_REBOOT = 75
STATUS_POWER_CUT = 76

# --- judging ----------------------------------------------------------------------------------


class Failure(Exception):
    """A test did not get what it wants. Its text is the reason."""


def fail(reason):
    raise Failure(reason)


def require(condition, reason):
    if not condition:
        raise Failure(reason)


def equal(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what} is {got!r}, not {wanted!r}")


def say(text):
    """A line of diagnostics, which cannot be taken for a result."""
    for line in str(text).splitlines():
        print("  " + line, flush=True)


_tests = []
_failed = 0


def test(function):
    """Marks a function for main(), which runs them in the order of the file."""
    _tests.append(function)
    return function


def after(prepare):
    """Makes a mark like @test, for tests that begin with prepare()."""
    def mark(function):
        def prepared():
            prepare()
            function()
        prepared.__name__ = function.__name__
        return test(prepared)
    return mark


def check(name, function, *args):
    """Runs one test now and prints its line. Returns whether it went well."""
    global _failed
    try:
        function(*args)
    except Exception as error:
        _failed += 1
        if isinstance(error, (Failure, DBusError)):
            # The place in the suite is what a reader needs, not the one in here.
            for frame in traceback.extract_tb(error.__traceback__):
                if frame.filename != __file__:
                    say(f"{os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}")
        else:
            say(traceback.format_exc())
        first, _, rest = str(error).partition("\n")
        say(rest)
        print(f"FAIL {name}: {first or type(error).__name__}", flush=True)
        return False
    print(f"ok {name}", flush=True)
    return True


def main(then=None):
    """Runs the marked tests and leaves, or goes on by `then`: reboot, or power_cut."""
    for function in _tests:
        if not ONLY or function.__name__ in ONLY:
            check(function.__name__, function)
    if then:
        then()
    sys.exit(1 if _failed else 0)


def reboot():
    """Leaves, and asks the runner to run this suite again after a reboot of the same disk, with
    BOOT one higher. What is printed before still counts. Keep state in /var/tmp."""
    sys.exit(STATUS_REBOOT)


def power_cut():
    """The same without an orderly end: the machine is switched off as it is, and what was not
    synced is lost. There is no journal of such a boot."""
    sys.exit(STATUS_POWER_CUT)


def wait_until(predicate, timeout, what):
    """Asks again and again; for what no event tells. Returns what the predicate returned."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            fail(f"after {timeout} s still waiting for {what}")
        time.sleep(0.05)


# --- programs and files -----------------------------------------------------------------------


def attempt(*command, user=None, stdin=None, timeout=60, env=None):
    """Runs a program; returns its result with returncode, stdout and stderr as text."""
    try:
        return subprocess.run([str(word) for word in command], input=stdin, text=True,
                              capture_output=True, timeout=timeout, check=False,
                              env={**os.environ, **env} if env else None, **identity(user))
    except subprocess.TimeoutExpired:
        fail(f"{command_line(command)}: no end after {timeout} s")


def identity(user):
    """What subprocess needs to run something as that user."""
    if user is None:
        return {}
    return {"user": user, "group": user, "extra_groups": [], "cwd": "/"}


def run(*command, **options):
    """Runs a program that has to succeed, and returns its output."""
    result = attempt(*command, **options)
    if result.returncode:
        fail(f"{command_line(command)}: exit status {result.returncode}\n"
             f"{result.stdout}{result.stderr}")
    return result.stdout


def as_alice(*command, **options):
    """Runs a program as a user without rights; like attempt()."""
    return attempt(*command, user="alice", **options)


def command_line(command):
    return " ".join(str(word) for word in command)


def read(path):
    """What a file, mostly an attribute, holds; without the line's end."""
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().rstrip("\n")


def write(path, value):
    """Writes an attribute in one write(2). The kernel's errno comes as an OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    try:
        os.write(fd, str(value).encode())
    finally:
        os.close(fd)


def errno_of(function, *args):
    """The errno that a call fails with, 0 when it does not."""
    try:
        function(*args)
    except OSError as error:
        return error.errno
    return 0


def settle():
    """Waits until udev has dealt with what has happened so far."""
    run("udevadm", "settle", "--timeout=60")


def journal(unit, *options):
    """The messages of a unit since the boot."""
    return run("journalctl", "-b", "-o", "cat", "--no-pager", "-u", unit, *options)


def unit_state(unit):
    return attempt("systemctl", "is-active", unit).stdout.strip()


def pid_of(unit):
    """The main process of a service, 0 when there is none."""
    return int(run("systemctl", "show", "-P", "MainPID", unit))


# --- dax devices and memory -------------------------------------------------------------------


def devices():
    """Names of all dax devices."""
    return sorted(os.listdir(f"{BUS}/devices"),
                  key=lambda name: [int(n) for n in name[3:].split(".")])


def device(name, attribute=""):
    """The path of a device's attribute."""
    return f"{BUS}/devices/{name}/{attribute}"


def device_size(name):
    return int(read(device(name, "size")))


def device_ranges(name):
    """Its ranges in page-offset order: as mappings are numbered."""
    mappings = [entry for entry in os.listdir(device(name)) if re.fullmatch("mapping[0-9]+", entry)]
    ranges = []
    for entry in sorted(mappings, key=lambda entry: int(entry[len("mapping"):])):
        start = int(read(device(name, f"{entry}/start")), 16)
        end = int(read(device(name, f"{entry}/end")), 16)
        ranges.append(Extent(start, end - start + 1))
    return ranges


def driver(name):
    """`device_dax`, `kmem`, or None."""
    try:
        return os.path.basename(os.readlink(device(name, "driver")))
    except FileNotFoundError:
        return None


def dax_region(name, attribute=""):
    """The path of an attribute of the region that a device belongs to."""
    parent = os.path.dirname(os.path.realpath(device(name)))
    return f"{parent}/dax_region/{attribute}"


def regions():
    """The regions that the kernel shows: {id: path of the attributes}."""
    return {int(read(dax_region(name, "id"))): dax_region(name)
            for name in devices() if name.endswith(".0")}


def region_at(extent):
    """The id of the region that lies at one of REGIONS; ids change from boot to boot. Instance 0
    can never be deleted, and its `resource` is inside: where its first range starts, or with size
    0 where the region starts."""
    for region_id in regions():
        resource = int(read(device(f"dax{region_id}.0", "resource")), 0)
        if extent.start <= resource < extent.start + extent.size:
            return region_id
    return fail(f"there is no region at {extent.start:#x}")


def block_size():
    return int(read(f"{MEMORY}/block_size_bytes"), 16)


Block = namedtuple("Block", "name start state zones")


def memory_blocks(start, size):
    """The memory blocks that the kernel knows inside a physical range, by address."""
    length = block_size()
    blocks = []
    for number in range(start // length, -(-(start + size) // length)):
        path = f"{MEMORY}/memory{number}"
        if os.path.isdir(path):
            blocks.append(Block(f"memory{number}", number * length, read(f"{path}/state"),
                                read(f"{path}/valid_zones").split()))
    return blocks


def daxctl_list():
    """What `daxctl list -RDM` says, always as a list of regions."""
    listed = json.loads(run("daxctl", "list", "-RDM") or "[]")
    return listed if isinstance(listed, list) else [listed]


class Node:
    """The memory of a device in devdax mode, through its node:

        with Node("dax0.1") as node:
            node.fill(b"secret")
    """

    def __init__(self, name, user_path=None):
        self.fd = os.open(user_path or f"/dev/{name}", os.O_RDWR)
        try:
            self.size = device_size(name)
            self.map = mmap.mmap(self.fd, self.size)
        except BaseException:
            os.close(self.fd)
            raise

    def fill(self, pattern, offset=0, size=None):
        """Writes the pattern again and again, over all of the device or a part."""
        size = self.size - offset if size is None else size
        chunk = pattern * (MIB // len(pattern) + 1)
        for at in range(offset, offset + size, MIB):
            end = min(at + MIB, offset + size)
            self.map[at:end] = chunk[:end - at]

    def find(self, pattern):
        """The offset of the pattern's first appearance, -1 when it is nowhere."""
        for at in range(0, self.size, MIB):  # bytes know a quicker way than mmap does
            found = self.map[at:at + MIB + len(pattern) - 1].find(pattern)
            if found >= 0:
                return at + found
        return -1

    def read(self, offset, size):
        return self.map[offset:offset + size]

    def close(self):
        self.map.close()
        os.close(self.fd)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


# --- D-Bus ------------------------------------------------------------------------------------


class DBusError(Exception):
    """A call was answered with an error: its name, and its message."""

    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message

    @property
    def short(self):
        """`NoSpace` for `org.daxd1.Error.NoSpace`; other names whole."""
        return self.name.removeprefix("org.daxd1.Error.")


def object_path(kind, name):
    """/org/daxd1/device/dax0_2e1 for a device: names as sd_bus_path_encode(3) does, but the
    numbers of regions and jobs as they are."""
    if isinstance(name, int):
        return f"/org/daxd1/{kind}/{name}"
    encoded = "".join(c if c.isascii() and (c.isalpha() or c.isdigit() and i) else f"_{ord(c):02x}"
                      for i, c in enumerate(name))
    return f"/org/daxd1/{kind}/{encoded or '_'}"


def call(path, interface, method, signature="", *args, **options):
    """Calls a method. Returns nothing, one value, or a list of values; an error is raised as
    DBusError. Arguments are Python values as the signature says; a variant is guessed by its
    value (bool b, int t, str s, list of pairs a(tt)) or given as (signature, value). Options:
    user, timeout, service."""
    return Call(path, interface, method, signature, *args, **options).result()


class Call:
    """A call under way, for who wants to do something else meanwhile; see call()."""

    def __init__(self, path, interface, method, signature="", *args, user=None, timeout=120,
                 service=DAXD):
        words = [signature, *busctl_words(signature, args)] if signature else []
        self.process = Busctl(user, timeout, "call", "--", service, path, interface, method, *words)

    def pending(self):
        return self.process.pending()

    def result(self):
        return decode_result(self.process.output())


def get(path, interface, name, user=None, service=DAXD):
    """The value of a property."""
    return decode_property(
        Busctl(user, 60, "get-property", "--", service, path, interface, name).output())


def get_all(path, interface, user=None, service=DAXD):
    """All properties of an interface: {name: value}."""
    return call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", interface,
                user=user, service=service)


def managed_objects(user=None):
    """{path: {interface: {property: value}}} of all that daxd shows."""
    return call("/org/daxd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", user=user)


def refused(error, function, *args, **options):
    """Requires a call to fail with this error (`NoSpace`, or a whole name), or with one of a tuple;
    returns it."""
    try:
        value = function(*args, **options)
    except DBusError as got:
        if got.short not in (error if isinstance(error, tuple) else (error,)):
            fail(f"the error is {got}, not {error}")
        return got
    return fail(f"the call gave {value!r} instead of the error {error}")


class Signals:
    """The signals of a service while the block runs, in the order of the bus:

        with Signals() as signals:
            call(...)
            added = signals.wait("InterfacesAdded")

    Each is a dict with path, interface, member, args, and the second in which it was read.
    """

    def __init__(self, service=DAXD):
        self.seen = []
        self.tail = b""
        self.process = subprocess.Popen(
            ["busctl", "--system", "--json=short", "monitor", "--match",
             f"type='signal',sender='{service}'"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        # What it says once the bus has made it a monitor.
        if b"Monitoring" not in (line := self.process.stderr.readline()):
            fail(f"busctl monitor: {line.decode().strip()}")
        os.set_blocking(self.process.stdout.fileno(), False)

    def take(self):
        """All signals so far."""
        while data := self.process.stdout.read():
            *lines, self.tail = (self.tail + data).split(b"\n")
            for message in map(json.loads, lines):
                self.seen.append({"path": message["path"], "interface": message["interface"],
                                  "member": message["member"],
                                  "args": without_types(message["payload"]["data"])})
        return self.seen

    def wait(self, member, path=None, has=lambda args: True, timeout=30):
        """The first signal of this name, of this object if one is given, and for which
        has(its arguments) is true."""
        def found():
            return next((s for s in self.take() if s["member"] == member
                         and path in (None, s["path"]) and has(s["args"])), None)
        try:
            return wait_until(found, timeout, f"the signal {member} of {path or 'an object'}")
        except Failure:
            say(json.dumps(self.seen, indent=1))
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Busctl:
    """A running busctl."""

    def __init__(self, user, timeout, *words):
        self.words = words
        self.limit = timeout + 30
        # busctl keeps the name of an error to itself, except in its debug output.
        self.process = subprocess.Popen(
            ["busctl", "--system", "--json=short", f"--timeout={timeout}",
             "--allow-interactive-authorization=no", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "SYSTEMD_LOG_LEVEL": "debug"}, **identity(user))

    def pending(self):
        return self.process.poll() is None

    def output(self):
        """Waits for its end, and returns what it printed."""
        try:
            out, err = self.process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            fail(f"busctl {command_line(self.words)}: no end after {self.limit} s")
        if self.process.returncode == 0:
            return out
        errors = re.findall(r"^Got message type=error .*? error-name=(\S+) error-message=(.*)$",
                            err, re.M)
        if not errors:
            fail(f"busctl {command_line(self.words)}: {err.strip()}")
        raise DBusError(*errors[-1])


def decode_result(text):
    """What a method returned: nothing, one value, or a list of them."""
    if not text.strip():
        return None
    values = without_types(json.loads(text)["data"])
    return values[0] if len(values) == 1 else values


def decode_property(text):
    return without_types(json.loads(text)["data"])


def without_types(data):
    """Takes the {"type":, "data":} of variants away, at any depth."""
    if isinstance(data, dict):
        if data.keys() == {"type", "data"}:
            return without_types(data["data"])
        return {key: without_types(value) for key, value in data.items()}
    if isinstance(data, list):
        return [without_types(value) for value in data]
    return data


def single_types(signature):
    """Splits a signature into complete types: `ta{sv}` into `t` and `a{sv}`."""
    types, start, depth = [], 0, 0
    for i, c in enumerate(signature):
        depth += (c in "({") - (c in ")}")
        if depth == 0 and c != "a":
            types.append(signature[start:i + 1])
            start = i + 1
    return types


def busctl_words(signature, args):
    """Arguments in busctl's manner, one word for each basic value."""
    types = single_types(signature)
    if len(types) != len(args):
        raise TypeError(f"signature '{signature}' with {len(args)} arguments")
    return [word for kind, value in zip(types, args) for word in value_words(kind, value)]


def value_words(kind, value):
    if kind == "v":
        kind, value = value if isinstance(value, tuple) else (guess(value), value)
        return [kind, *value_words(kind, value)]
    if kind[0] == "a":
        entry = kind[1:]
        items = value.items() if isinstance(value, dict) else value
        if entry[0] == "{":
            # A dictionary's entry is written like a structure.
            entry = f"({entry[1:-1]})"
        return [str(len(value)), *(word for item in items for word in value_words(entry, item))]
    if kind[0] == "(":
        return busctl_words(kind[1:-1], value)
    if kind == "b":
        return ["true" if value else "false"]
    return [str(value)]


def guess(value):
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int):
        return "t"
    if isinstance(value, str):
        return "s"
    if isinstance(value, list):
        return "a(tt)"
    raise TypeError(f"no D-Bus type for {value!r}; use (signature, value)")
