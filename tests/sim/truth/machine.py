# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine with dax regions, real or imitated: its names, its state, its uevents.

Names are relative, so that two machines can be compared: region `r0` is the one that lies lowest,
`r0.1` is its device with instance 1, `r0/b3` the memory block that is the fourth from the region's
start, `r0+4M` a place. What the kernel calls them changes from boot to boot.

Nothing here may be asked for while an attribute is being written: who reads mappingN/* of a device
that shrinks locks the kernel up.
"""

import errno
import os
import re
import select
import socket
import time

BUS = "/sys/bus/dax"
MEMORY = "/sys/devices/system/memory"
NETLINK_KOBJECT_UEVENT = 15
# The kernel's own group, and the one in which udev passes on what it has dealt with.
KERNEL_GROUP, UDEV_GROUP = 1, 2
UDEV_MAGIC = b"libudev\0"
UDEV_PROPERTIES_OFFSET = 16
FENCE_SECONDS = 50
# By this an event is known that was caused to find out whether all earlier ones have come.
FENCE = "fe9ce000-0000-4000-8000-000000000000"

# Properties of a uevent that are written down.
TOLD_PROPERTIES = ("DEVNAME", "DRIVER", "MODALIAS", "SYNTH_UUID", "SYNTH_ARG_A")

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().rstrip("\n")


def write(path, text):
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode("latin-1"))
    finally:
        os.close(fd)


def parse_bytes(text):
    """`0x1000`, `12`, `4M`, `4M-1`, `1M+4K`."""
    total, sign = 0, 1
    for word in re.findall(r"[+-]|[^+-]+", text):
        if word in "+-":
            sign = 1 if word == "+" else -1
            continue
        match = re.fullmatch(r"(0x[0-9a-f]+|[0-9]+)([KMG]?)", word)
        if not match:
            raise ValueError(f"'{text}' is no number of bytes")
        total += sign * int(match[1], 0) * UNITS[match[2]]
    return total


def is_imitation():
    """Whether /sys is something else than the kernel's own."""
    kinds = [line.split()[2] for line in read("/proc/self/mounts").splitlines()
             if line.split()[1] == "/sys"]
    return kinds[-1:] != ["sysfs"]


class Region:
    """Where a region lies, and the folder of its attributes."""

    def __init__(self, number, folder):
        self.id = number
        self.folder = folder
        self.start = int(read(f"{BUS}/devices/dax{number}.0/resource"), 0)
        self.size = int(read(f"{folder}/size"))


class Machine:
    """Region ids and places are taken down once, when every first device is empty: only then does
    its `resource` tell where the region starts."""

    def __init__(self):
        self.block_size = int(read(f"{MEMORY}/block_size_bytes"), 16)
        self.regions = sorted((Region(number, region_folder(number)) for number in region_ids()),
                              key=lambda region: region.start)
        self.index = {region.id: i for i, region in enumerate(self.regions)}

    # --- names

    def kernel_name(self, name):
        """`dax3.1` for `r0.1`."""
        match = re.fullmatch(r"r(\d+)\.(\d+)", name)
        return f"dax{self.regions[int(match[1])].id}.{match[2]}"

    def relative_name(self, name):
        """`r0.1` for `dax3.1`, `r0/b3` for `memory35`; any other text as it is."""
        if match := re.fullmatch(r"dax(\d+)\.(\d+)", name):
            if int(match[1]) in self.index:
                return f"r{self.index[int(match[1])]}.{match[2]}"
        if match := re.fullmatch(r"memory(\d+)", name):
            for i, region in enumerate(self.regions):
                if int(match[1]) in self.block_numbers(region):
                    return f"r{i}/b{int(match[1]) - region.start // self.block_size}"
        return name

    def relative_text(self, text):
        """A text with names of devices in it, or an address alone."""
        if re.fullmatch("0x[0-9a-f]+", text) and int(text, 16) >= self.regions[0].start:
            return self.place(int(text, 16))
        return re.sub(r"\bdax\d+\.\d+\b", lambda match: self.relative_name(match[0]), text)

    def place(self, address):
        """`r0+0x1000` for an address in a region."""
        for i, region in enumerate(self.regions):
            if region.start <= address < region.start + region.size:
                return f"r{i}+{address - region.start:#x}"
        return f"outside+{address:#x}"

    def expand(self, text):
        """What is to be written: names of the kernel for relative ones, `@r0+4M-1` as an address in
        hexadecimal, `4M` as decimal bytes, and escapes of Python. '' is nothing at all."""
        if text == "''":
            return ""
        if re.fullmatch(r"[0-9]+[KMG]", text):
            return str(parse_bytes(text))
        text = text.encode("latin-1").decode("unicode_escape")
        text = re.sub(r"@r(\d+)\+([0-9a-zA-Z]+(?:-1)?)",
                      lambda m: f"{self.regions[int(m[1])].start + parse_bytes(m[2]):x}", text)
        return re.sub(r"\br(\d+)\.(\d+)\b",
                      lambda m: self.kernel_name(m[0]) if int(m[1]) < len(self.regions) else m[0],
                      text)

    def block_numbers(self, region):
        """The blocks that lie in a region, also in part."""
        return range(region.start // self.block_size,
                     -(-(region.start + region.size) // self.block_size))

    def block_name(self, name):
        match = re.fullmatch(r"r(\d+)/b(\d+)", name)
        region = self.regions[int(match[1])]
        return f"memory{region.start // self.block_size + int(match[2])}"

    def folder(self, name):
        """The folder of a region (`r0`), a device (`r0.1`), a block (`r0/b3`), a driver, `memory`,
        or the `bus`."""
        if re.fullmatch(r"r\d+", name):
            return self.regions[int(name[1:])].folder
        if re.fullmatch(r"r\d+\.\d+", name):
            return f"{BUS}/devices/{self.kernel_name(name)}"
        if "/b" in name:
            return f"{MEMORY}/{self.block_name(name)}"
        if name == "memory":
            return MEMORY
        if name == "bus":
            return BUS
        return f"{BUS}/drivers/{name}"

    # --- state

    def state(self):
        """All that operations can change: {what: value}."""
        state = {"auto_online_blocks": read(f"{MEMORY}/auto_online_blocks")}
        for i, region in enumerate(self.regions):
            for name in ("available_size", "seed", "create"):
                value = attribute(f"{region.folder}/{name}")
                if value != "ENOENT":  # as in a static region
                    state[f"r{i} {name}"] = self.relative_name(value)
        for name in device_names():
            self.add_device(state, name)
        for i, region in enumerate(self.regions):
            self.add_blocks(state, i, region)
        return state

    def add_device(self, state, name):
        folder, key = f"{BUS}/devices/{name}", self.relative_name(name)
        for name in ("size", "align", "memmap_on_memory"):
            value = attribute(f"{folder}/{name}")
            if value != "ENOENT":
                state[f"{key} {name}"] = value
        state[f"{key} driver"] = link_name(f"{folder}/driver")
        state[f"{key} resource"] = self.place_text(attribute(f"{folder}/resource"))
        state[f"{key} ranges"] = " ".join(self.ranges(folder))

    def place_text(self, text):
        return self.place(int(text, 0)) if text.startswith("0x") else text

    def ranges(self, folder):
        """Each mapping as NUMBER:PLACE+SIZE@PAGE-OFFSET, ordered by number."""
        numbers = sorted(int(entry[7:]) for entry in os.listdir(folder)
                         if re.fullmatch("mapping[0-9]+", entry))
        for number in numbers:
            path = f"{folder}/mapping{number}"
            start, end, offset = (attribute(f"{path}/{name}")
                                  for name in ("start", "end", "page_offset"))
            try:
                size = int(end, 0) - int(start, 0) + 1
                yield f"{number}:{self.place(int(start, 0))}+{size:#x}@{int(offset, 0):#x}"
            except ValueError:
                yield f"{number}:{start},{end},{offset}"

    def add_blocks(self, state, i, region):
        for number in self.block_numbers(region):
            path = f"{MEMORY}/memory{number}"
            if os.path.isdir(path):
                key = f"r{i}/b{number - region.start // self.block_size}"
                state[f"{key} state"] = attribute(f"{path}/state")
                state[f"{key} valid_zones"] = attribute(f"{path}/valid_zones")

    # --- /proc/iomem

    def iomem(self, i):
        """The lines inside a region, indented as they are."""
        region, lines = self.regions[i], []
        for line in read("/proc/iomem").splitlines():
            match = re.fullmatch(r"( *)([0-9a-f]+)-([0-9a-f]+) : (.*)", line)
            start, end = int(match[2], 16), int(match[3], 16)
            if region.start <= start and end < region.start + region.size:
                lines.append(f"{match[1]}{start - region.start:#x}+{end - start + 1:#x} "
                             f"{self.relative_name(match[4])}")
        return lines


def attribute(path):
    """What an attribute reads as, or the name of the errno."""
    try:
        return read(path)
    except OSError as error:
        return errno_name(error)


def errno_name(error):
    return errno.errorcode.get(error.errno, str(error.errno))


def link_name(path):
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return ""


def device_names():
    return sorted(os.listdir(f"{BUS}/devices"),
                  key=lambda name: [int(n) for n in name[3:].split(".")])


def region_ids():
    return sorted({int(name[3:].split(".")[0]) for name in device_names()})


def region_folder(number):
    parent = os.path.dirname(os.path.realpath(f"{BUS}/devices/dax{number}.0"))
    return f"{parent}/dax_region"


class Uevents:
    """The uevents of the subsystems dax, memory and node: `SUBSYSTEM ACTION NAME KEY=VALUE...`"""

    def __init__(self, machine):
        self.machine = machine
        self.seen = []
        imitation = is_imitation()
        self.parse = parse_udev if imitation else parse_kernel
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC,
                                    NETLINK_KOBJECT_UEVENT)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.socket.bind((0, UDEV_GROUP if imitation else KERNEL_GROUP))
        self.socket.setblocking(False)

    def pull(self, timeout):
        """Takes what has come; waits so long for something."""
        if not select.select([self.socket], [], [], timeout)[0]:
            return False
        while True:
            try:
                properties = self.parse(self.socket.recv(1 << 16))
            except BlockingIOError:
                return True
            if properties.get("SUBSYSTEM") in ("dax", "memory", "node"):
                self.seen.append(self.describe(properties))

    def describe(self, properties):
        name = properties["DEVPATH"].rsplit("/", 1)[1]
        words = [properties["SUBSYSTEM"], properties["ACTION"], self.machine.relative_name(name)]
        for key in TOLD_PROPERTIES:
            if key in properties:
                value = properties[key].removeprefix("/dev/")
                words.append(f"{key}={self.machine.relative_name(value)}")
        return " ".join(words)

    def take(self):
        """All events of what has been done so far. They come in order: with the one that is caused
        here, all earlier ones have come."""
        self.pull(0)
        before = len(self.seen)
        write(f"{self.machine.folder('r0.0')}/uevent", f"change {FENCE}")
        until = time.monotonic() + FENCE_SECONDS
        while not any(FENCE in event for event in self.seen[before:]):
            left = until - time.monotonic()
            if left <= 0:
                self.seen.append("the uevent that was asked for did not come")
                break
            self.pull(left)
        events, self.seen = self.seen, []
        return [event for event in events if FENCE not in event]


def parse_kernel(message):
    return properties_of(message.split(b"\0")[1:])


def parse_udev(message):
    if not message.startswith(UDEV_MAGIC):
        return {}
    at = UDEV_PROPERTIES_OFFSET
    offset = int.from_bytes(message[at:at + 4], "little")
    return properties_of(message[offset:].split(b"\0"))


def properties_of(words):
    return dict(word.decode(errors="replace").split("=", 1) for word in words if b"=" in word)
