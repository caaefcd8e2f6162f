# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the suites find out whether daxd did what it says: the kernel's state, which is read here by
other code than daxd's, daxctl's list beside it, daxd's files, and other people who interfere."""

from daxd import *

STATE_FOLDERS = ("/etc/daxd", "/var/lib/daxd", "/run/daxd")

# --- the kernel's state ------------------------------------------------------------------------


def members(region_id):
    """The devices of a region, also the empty ones."""
    return [name for name in devices() if name.startswith(f"dax{region_id}.")]


def optional(path):
    try:
        return read(path)
    except OSError as error:
        return f"errno {error.errno}"


def device_state(name):
    return (os.stat(os.path.realpath(device(name))).st_ino, driver(name),
            [tuple(extent) for extent in device_ranges(name)],
            *(optional(device(name, a)) for a in ("size", "align", "memmap_on_memory")))


def kernel_state():
    """All that a transaction could have changed: {what: value}. Not to be asked for while one runs:
    who reads mapping0 while its device shrinks locks the kernel up, on 6.1 for ever."""
    state = {"auto_online_blocks": read(f"{MEMORY}/auto_online_blocks")}
    for name in devices():
        state[name] = device_state(name)
    for extent in REGIONS:
        for block in memory_blocks(*extent):
            state[block.name] = (block.state, *block.zones[:block.state == "online"])
    for region_id, path in regions().items():
        state[f"region {region_id}"] = tuple(optional(path + a) for a in
                                             ("available_size", "seed", "create"))
    return state


def file_state():
    """daxd's files: {path: (mode, owner, content)}."""
    state = {}
    for top in STATE_FOLDERS:
        for folder, _, names in os.walk(top):
            for path in [folder, *(f"{folder}/{name}" for name in names)]:
                status = os.lstat(path)
                state[path] = (oct(status.st_mode), status.st_uid, status.st_gid,
                               read(path) if os.path.isfile(path) else "")
    return state


def logged(job):
    """The fields of the line that the journal has of a job, given as its path."""
    run("journalctl", "--sync")
    lines = journal("daxd.service", "-o", "json", f"DAXD_JOB={job.rpartition('/')[2]}").splitlines()
    equal(len(lines), 1, f"number of lines about {job}")
    return json.loads(lines[0])


def difference(before, after):
    return {key: (before.get(key), after.get(key)) for key in sorted({*before, *after})
            if before.get(key) != after.get(key)}


class Foreign:
    """Somebody else who makes a device, by plain sysfs: what is in it is nobody's but his."""

    def __init__(self, extent, offset, size, bind=False):
        folder = regions()[region_at(extent)]
        before = set(devices())
        write(folder + "create", 1)
        [self.name] = set(devices()) - before
        write(device(self.name, "mapping"),
              f"{extent.start + offset:x}-{extent.start + offset + size - 1:x}")
        if bind:  # not by new_id, which would bind bystanders as well
            write(f"{BUS}/drivers/device_dax/bind", self.name)
        self.state = device_state(self.name)

    def require_untouched(self):
        require(self.name in devices(), f"the foreign device {self.name} is gone")
        equal(device_state(self.name), self.state, f"the foreign device {self.name}")

    def destroy(self):
        folder = os.path.dirname(os.path.realpath(device(self.name)))
        if driver(self.name):
            write(f"{BUS}/drivers/{driver(self.name)}/unbind", self.name)
        write(device(self.name, "size"), 0)
        write(f"{folder}/dax_region/delete", self.name)


class Unchanged:
    """Requires that what the block does leaves the kernel and daxd's files, `but` these, as they
    were."""

    def __init__(self, *but):
        self.but = but

    def state(self):
        state = {**kernel_state(), **file_state()}
        return {key: state[key] for key in state if key not in self.but}

    def __enter__(self):
        self.before = self.state()

    def __exit__(self, kind, *_):
        if kind is None:
            equal(difference(self.before, self.state()), {}, "what changed (before, after)")


class Writes:
    """Who writes to the attributes of dax devices, regions, drivers or memory blocks is seen here,
    as long as the files exist: inotify works on sysfs for writes from user space."""

    IN_MODIFY = 2

    def __init__(self):
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        folders = [os.path.realpath(device(name)) for name in devices()]
        folders += [path.rstrip("/") for path in regions().values()]
        folders += [f"{BUS}/drivers/{name}" for name in os.listdir(f"{BUS}/drivers")]
        folders += [MEMORY, *(f"{MEMORY}/{block.name}" for extent in REGIONS
                              for block in memory_blocks(*extent))]
        self.folders = {libc.inotify_add_watch(self.fd, path.encode(), self.IN_MODIFY): path
                        for path in folders}
        require(-1 not in self.folders, "inotify_add_watch failed")

    def seen(self):
        """The files written since the last call."""
        files = []
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            data = b""
        while data:
            watch, length = (int.from_bytes(data[at:at + 4], "little") for at in (0, 12))
            name = data[16:16 + length].rstrip(b"\0").decode()
            files.append(f"{self.folders[watch]}/{name}")
            data = data[16 + length:]
        return files

    def wait(self, name, count=1, timeout=30):
        """Waits until files whose paths end so have been written so often."""
        while count > 0:
            require(select.select([self.fd], [], [], timeout)[0], f"nobody wrote {name}")
            count -= sum(path.endswith(name) for path in self.seen())

    def close(self):
        os.close(self.fd)


def ready():
    """Waits until the boot's last events have reached daxd: layouts tried, nothing to do."""
    settle()
    run("systemctl", "start", "daxd-layouts.target")
    wait_until(lambda: all(reg(extent) in managed_objects() for extent in REGIONS), 30, "regions")
    await_daxd()


def clean(*extents):
    """Destroys every device of these regions, or of all, whoever made it."""
    names = [name for extent in extents or REGIONS for name in members(region_at(extent))]
    if any(device_size(name) for name in names):
        ask(ROOT, "Refresh")
    for name in names:
        if device_size(name):
            ask(dev(name), "Destroy", force=True)
        elif not name.endswith(".0"):
            write(dax_region(name, "delete"), name)


clean_test = after(clean)


def leaked():
    """Memory blocks of regions whose device is not bound to kmem: the leak until reboot."""
    held = [extent for name in devices() if driver(name) == "kmem"
            for extent in device_ranges(name)]
    return [block.name for extent in REGIONS for block in memory_blocks(*extent)
            if not any(start <= block.start and block.start + BLOCK <= start + size
                       for start, size in held)]


def require_sound():
    """No leak, no seed left behind, no record, no kernel complaint."""
    equal(leaked(), [], "leaked memory blocks")
    left = [name for name in devices() if not name.endswith(".0") and not device_size(name)]
    equal(left, [], "empty devices left behind")
    equal(os.listdir("/run/daxd/transactions"), [], "records of transactions")
    log = run("dmesg")
    for complaint in ("cannot be hotremoved", "BUG:", "WARNING:"):
        require(complaint not in log, f"the kernel says '{complaint}'")


# --- agreement --------------------------------------------------------------------------------


def complement(extent, taken):
    """The holes as (offset, size), in order."""
    holes, at = [], extent.start
    for start, size in sorted(taken):
        if start > at:
            holes.append([at - extent.start, start - at])
        at = start + size
    end = extent.start + extent.size
    return holes + ([[at - extent.start, end - at]] if at < end else [])


def require_same(wanted, got, what):
    """Compares the keys of `wanted`."""
    equal({key: got.get(key) for key in wanted}, wanted, what)


def agree():
    """Requires daxd, daxctl and the kernel to say the same of everything. Returns the properties of
    the devices by name."""
    objects = managed_objects()
    listed = {region["id"]: region for region in daxctl_list()}
    shown = {}
    for extent in REGIONS:
        region_id = region_at(extent)
        agree_on_region(extent, region_id, objects[object_path("region", region_id)][REGION],
                        listed[region_id])
        by_daxctl = {d["chardev"]: d for d in listed[region_id].get("devices", [])}
        for name in members(region_id):
            if device_size(name):
                shown[name] = objects.pop(dev(name), {}).get(DEVICE)
                require(shown[name], f"there is no object for {name}")
                agree_on_device(extent, region_id, name, shown[name], by_daxctl[name])
    more = [path for path, interfaces in objects.items()
            if DEVICE in interfaces and name_of(path) not in devices()]
    equal(more, [], "objects of devices that do not exist")
    return shown


def agree_on_region(extent, region_id, shown, listed):
    path = regions()[region_id]
    names = members(region_id)
    holes = complement(extent, [r for name in names for r in device_ranges(name)])
    require_same({"Id": region_id, "Kind": "hmem", "Path": listed["path"], "Size": listed["size"],
                  "Align": listed["align"], "AvailableSize": listed.get("available_size", 0),
                  "FreeExtents": holes, "LargestFreeExtent": max((s for _, s in holes), default=0),
                  "TargetNode": int(read(device(names[0], "target_node"))), "Static": False,
                  "NumaNode": int(read(device(names[0], "numa_node"))),
                  "Seed": read(path + "seed").strip(), "Youngest": read(path + "create").strip(),
                  "EmptyDevices": [name for name in names if not device_size(name)]},
                 shown, f"region {region_id}")


def agree_on_device(extent, region_id, name, shown, listed):
    ranges = device_ranges(name)
    blocks = [block for r in ranges for block in memory_blocks(*r)
              if r.start <= block.start and block.start + BLOCK <= r.start + r.size]
    online = [block for block in blocks if block.state == "online"]
    mode = {"device_dax": "devdax", "kmem": "system-ram", None: "none"}[driver(name)]
    memmap = optional(device(name, "memmap_on_memory")) == "1"
    require_same({"Name": name, "Id": int(name.split(".")[1]), "Size": device_size(name),
                  "Region": object_path("region", region_id), "DevNode": f"/dev/{name}",
                  "Align": int(read(device(name, "align"))), "Mode": mode, "Tainted": False,
                  "TargetNode": int(read(device(name, "target_node"))),
                  "NumaNode": int(read(device(name, "numa_node"))),
                  "Ranges": [[r.start - extent.start, r.size] for r in ranges],
                  "MemmapOnMemory": memmap, "OnlineBlocks": len(online),
                  "TotalBlocks": len(blocks) if mode == "system-ram" else 0,
                  "Movable": bool(online) and all(b.zones[0] == "Movable" for b in online)},
                 shown, name)

    wanted = {"size": shown["Size"], "align": shown["Align"], "target_node": shown["TargetNode"]}
    wanted.update({"state": "disabled"} if mode == "none" else {"mode": mode})
    # daxctl counts the blocks of one range only.
    if mode == "system-ram" and len(ranges) == 1:
        wanted.update(online_memblocks=len(online), total_memblocks=len(blocks))
    require_same(wanted, listed, f"{name} in daxctl's list")
    equal({(m["page_offset"] * 4096, m["start"], m["size"]) for m in listed["mappings"]},
          {(sum(r.size for r in ranges[:i]), *r) for i, r in enumerate(ranges)},
          f"mappings of {name} in daxctl's list")


class Pinned:
    """A page of movable memory inside `extents` that cannot move while the block runs, because a
    pipe holds it: the kernel tries to offline its block without end."""

    def __init__(self, *extents):
        self.extents = extents

    def __enter__(self):
        import ctypes
        self.memory = mmap.mmap(-1, 32 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        for offset in range(0, 32 * MIB, 4096):
            self.memory[offset] = 1
        with open("/proc/self/pagemap", "rb") as pagemap:
            pagemap.seek(start // 4096 * 8)
            entries = pagemap.read(32 * MIB // 4096 * 8)
        for i in range(0, len(entries), 8):
            at = (int.from_bytes(entries[i:i + 8], "little") & (1 << 55) - 1) * 4096
            if any(extent.start <= at < extent.start + extent.size for extent in self.extents):
                break
        else:
            fail("no page of this process came from the device's memory")
        self.pipe = os.pipe()
        vector = (ctypes.c_size_t * 2)(start + i // 8 * 4096, 4096)
        equal(ctypes.CDLL(None).vmsplice(self.pipe[1], vector, 1, 0), 4096, "vmsplice's answer")
        return self

    def __exit__(self, *_):
        for fd in self.pipe:
            os.close(fd)
