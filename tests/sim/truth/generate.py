# SPDX-License-Identifier: LGPL-2.1-or-later
"""Operations drawn at random, from a seed and from the state that the machine is in.

What a machine is asked here, it always answers in the same way. So some things are not asked:
    - Memory is put online into the zone Movable only. In Normal a page may be pinned at any moment,
      and whether offlining works then is chance.
    - kmem is not unbound over online memory, and gets no `mapping` while bound: both spoil the
      machine until it is rebooted. With `leave` the first is done as well.
    - A first device is not bound to device_dax with a range that begins at an odd place: that
      fails, and then every later bind of it does. It cannot be deleted, so all later sequences
      would suffer.
    - Devices are not held open over operations.
"""

import random

MIB = 1 << 20
PAGE = 4096
NONSENSE = ["''", "x", "-1", "1x", "0x", "\\n", "18446744073709551616", "\\x201", "\\xff", "0.5",
            "r9.9", "r0", "999999999999999999999", "1\\n\\n", "a-b", "%s%n"]


class Generator:
    """One sequence."""

    def __init__(self, seed, number, machine, leave=False):
        self.random = random.Random(f"{seed}-{number}")
        self.block_size = machine.block_size
        self.sizes = [region.size for region in machine.regions]
        self.leave = leave
        # Each sequence has a bent of its own, and reaches other states by it.
        self.weights = [(verb, weight * self.random.choice((0.3, 1, 1, 3)))
                        for verb, weight in WEIGHTS.items()]
        # What was written where, and the ranges with which devices were bound.
        self.filled = {}
        self.bound = {}
        # Devices that kmem has been told of.
        self.ids = set()
        self.unit = self.random.choice((2 * MIB, 2 * MIB, 64 * MIB, self.block_size))
        self.state = {}
        self.opening = []
        if leave or self.chance(0.4):
            self.opening = self.with_system_ram()
        elif self.chance(0.2):
            self.opening = self.with_failed_probe()

    def with_system_ram(self):
        """A way to memory blocks, which chance alone seldom finds."""
        region = self.region()
        count = self.random.randint(1, self.sizes[region] // self.block_size)
        return [f"size r{region}.0 {count * self.block_size}", f"new_id kmem r{region}.0"]

    def with_failed_probe(self):
        """A way to a device that device_dax will not take again."""
        region = self.region()
        place = self.aligned(self.sizes[region] // 2) + self.pick(4096, MIB)
        device = f"r{region}.1"
        return [f"create r{region}", f"map {device} {place:#x} 2M", f"bind device_dax {device}",
                f"size {device} 0", f"size {device} {2 * self.unit}"]

    def next(self, state):
        """The next operation, given what Machine.state() said."""
        self.state = state
        self.follow()
        if self.opening:
            return self.opening.pop(0)
        verbs, weights = zip(*self.weights)
        while True:
            verb = self.random.choices(verbs, weights)[0]
            line = getattr(self, verb)()
            if line:
                return line

    def follow(self):
        """Memory that was online is anybody's. A device that got a `mapping` while bound does not
        have the new part in its node."""
        if "online" in [self.state[f"{block} state"] for block in self.blocks()]:
            self.filled.clear()
        for device in self.devices():
            if self.driver_of(device) != "device_dax":
                self.bound.pop(device, None)
            else:
                self.bound.setdefault(device, self.state[f"{device} ranges"])

    def has_whole_node(self, device):
        return self.bound.get(device) == self.state[f"{device} ranges"]

    def ranges(self, device):
        """(region, start, size, page offset) of each."""
        for text in self.state[f"{device} ranges"].split():
            region, start, size = text.split(":")[1].split("+")
            size, offset = size.split("@")
            yield region, int(start, 0), int(size, 0), int(offset, 0)

    # --- what there is

    def pick(self, *values):
        return self.random.choice(values)

    def chance(self, share):
        return self.random.random() < share

    def region(self):
        return self.random.randrange(len(self.sizes))

    def devices(self):
        return sorted(key.split()[0] for key in self.state if key.endswith(" driver"))

    def blocks(self):
        return sorted(key.split()[0] for key in self.state if key.endswith(" valid_zones"))

    def device(self, wanted=lambda device: True):
        """A device, one that is wanted if there is any."""
        devices = self.devices()
        return self.random.choice([d for d in devices if wanted(d)] or devices)

    def driver_of(self, device):
        return self.state[f"{device} driver"]

    def size_of(self, device):
        return int(self.state[f"{device} size"])

    def is_idle(self, device):
        return not self.driver_of(device)

    def is_ready(self, device):
        return self.is_idle(device) and self.size_of(device) > 0

    def has_online_memory(self, device):
        """Whether a block is online in which any of its ranges lies."""
        for region, start, size, _ in self.ranges(device):
            first, last = start // self.block_size, (start + size - 1) // self.block_size
            for number in range(first, last + 1):
                if self.state.get(f"{region}/b{number} state") not in (None, "offline"):
                    return True
        return False

    def is_lasting_fault(self, device):
        """Whether device_dax must not be bound to it."""
        return (device.endswith(".0") and self.is_idle(device)
                and any(start % (2 * MIB) for _, start, _, _ in self.ranges(device)))

    # --- values

    def aligned(self, limit):
        """A multiple of this sequence's unit, up to the limit; sometimes of 2 MiB."""
        unit = self.unit if self.chance(0.8) else 2 * MIB
        return self.random.randint(0, max(1, limit // unit)) * unit

    def nonsense(self):
        return self.random.choice(NONSENSE)

    def number(self, value):
        """A number, written in one of the ways that there are."""
        return self.pick(str(value), str(value), f"{value:#x}", f"{value}\\n")

    # --- operations

    def create(self):
        value = "1" if self.chance(0.9) else self.pick("0", "2", "1\\n", self.nonsense())
        return f"create r{self.region()} {value}"

    def delete(self):
        device = self.device(lambda d: self.is_idle(d) and (not self.size_of(d) or self.chance(0.1))
                             and not d.endswith(".0"))
        region = device.split(".")[0] if self.chance(0.95) else f"r{self.region()}"
        value = device if self.chance(0.9) else self.pick("r0.17", self.nonsense())
        return f"delete {region} {value}"

    def size(self):
        device = self.device(self.is_idle if self.chance(0.95) else lambda d: True)
        region = device.split(".")[0]
        now, free = self.size_of(device), int(self.state[f"{region} available_size"])
        kind = self.random.random()
        if kind < 0.15:
            value = 0
        elif kind < 0.5:
            value = now + self.aligned(free)
        elif kind < 0.7:
            value = self.aligned(now)
        elif kind < 0.8:
            value = now + free
        elif kind < 0.85:
            value = now + free + self.pick(2 * MIB, self.unit, 4096)
        elif kind < 0.92:
            value = now + self.pick(0, MIB, 4096, 1, 3 * MIB)
        else:
            return f"size {device} {self.pick(self.nonsense(), '9223372036854775808')}"
        return f"size {device} {self.number(value)}"

    def align(self):
        value = self.pick("4096", "2M", "2M", "1G", self.pick("0", "1", "8192", self.nonsense()))
        return f"align {self.device(self.is_idle)} {value}"

    def map(self):
        device = self.device(lambda d: self.driver_of(d) != "kmem")
        if self.driver_of(device) == "kmem":
            return None
        limit = self.sizes[int(device[1:].split(".")[0])]
        start, size = self.aligned(limit), self.aligned(limit // self.pick(2, 8, 32))
        if self.chance(0.1):
            start += self.pick(4096, MIB, 3 * MIB)
        if self.chance(0.1):
            size += self.pick(4096, MIB, -2 * MIB)
        if self.chance(0.05):
            return f"mapping {device} {self.nonsense()}"
        return f"map {device} {start:#x} {size:#x}"

    def bind(self):
        driver = self.pick("device_dax", "kmem")
        if driver == "kmem" and self.ids and self.chance(0.8):
            device = self.device(lambda d: self.is_ready(d) and d in self.ids)
        else:
            device = self.device(self.is_ready if self.chance(0.8) else lambda d: True)
            if driver == "kmem" and self.chance(0.7):
                return None
        if driver == "device_dax" and self.is_lasting_fault(device):
            return None
        return f"bind {driver} {device if self.chance(0.97) else self.nonsense()}"

    def unbind(self):
        device = self.device(lambda d: not self.is_idle(d))
        driver = self.driver_of(device)
        if not driver and self.chance(0.9):
            return None
        if self.chance(0.05):
            driver = self.pick("device_dax", "kmem")
        if driver == self.driver_of(device) == "kmem" and self.has_online_memory(device):
            if not self.leave or self.chance(0.8):
                return None
        return (f"unbind {driver or 'device_dax'} "
                f"{device if self.chance(0.97) else self.nonsense()}")

    def new_id(self):
        driver = self.pick("device_dax", "kmem", "kmem", "kmem")
        device = self.device(self.is_ready) if self.chance(0.9) else self.pick("r0.9", "r1.3")
        if self.chance(0.05):
            return f"new_id {driver} {self.nonsense()}"
        if driver == "kmem":
            self.ids.add(device)
        elif any(map(self.is_lasting_fault, self.devices())):
            return None  # it tries all that there are
        return f"new_id {driver} {device}"

    def remove_id(self):
        value = self.device() if self.chance(0.9) else self.pick("r0.9", self.nonsense())
        driver = self.pick("device_dax", "kmem", "kmem")
        if driver == "kmem":
            self.ids.discard(value)
        return f"remove_id {driver} {value}"

    def memmap(self):
        device = self.device()
        if f"{device} memmap_on_memory" not in self.state and self.chance(0.9):
            return None
        return f"memmap {device} {self.pick('0', '1', 'y', 'n', self.nonsense())}"

    def block(self):
        blocks = self.blocks()
        if not blocks:
            return None
        value = self.pick("online_movable", "online_movable", "offline", "offline",
                          self.pick("offline\\n", self.nonsense()))
        return f"state {self.random.choice(blocks)} {value}"

    def all_offline(self):
        """What opens the way for unbinding."""
        online = [b for b in self.blocks() if self.state[f"{b} state"] == "online"]
        return f"state {self.random.choice(online)} offline" if online else None

    def auto(self):
        value = self.pick("offline", "online_movable", self.nonsense())
        return f"auto {value}"

    def open(self):
        return f"open {self.device()} {self.pick('', 'r')}".strip()

    def memory(self):
        """A text that is found again by whoever has the place later."""
        device = self.device(self.has_whole_node)
        if not self.has_whole_node(device) or int(self.state[f"{device} align"]) > 2 * MIB:
            return None
        found = [(offset * PAGE + place - start, text)
                 for region, start, size, offset in self.ranges(device)
                 for (where, place), text in self.filled.items()
                 if where == region and start <= place < start + size]
        if found and self.chance(0.7):
            return f"peek {device} {self.random.choice(found)[0]:#x}"
        region, start, _, _ = next(self.ranges(device))
        text = f"{self.random.randrange(1 << 32):08x}"
        self.filled[region, start] = text
        return f"fill {device} 0 2M {text}"

    def uevent(self):
        return f"uevent {self.device()} {self.pick('change', 'add', 'remove', self.nonsense())}"

    def iomem(self):
        return f"iomem r{self.region()}"


WEIGHTS = {"create": 10, "delete": 9, "size": 26, "align": 4, "map": 12, "bind": 14, "unbind": 12,
           "new_id": 8, "remove_id": 3, "memmap": 2, "block": 14, "all_offline": 6, "auto": 2,
           "open": 2, "memory": 4, "uevent": 1, "iomem": 3}
