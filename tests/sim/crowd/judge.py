# SPDX-License-Identifier: LGPL-2.1-or-later
"""What has to be true of daxd whenever nobody waits for it, and in the end."""

import os
import re
from collections import Counter

from control import Control
from harness import Failure, managed_objects, wait_until
from processes import measure
from system import RUN, System, said

MANAGER, REGION, DEVICE, JOB = (f"org.daxd1.{face}"
                                for face in ("Manager", "Region", "Device", "Job"))
MODES = {"device_dax": "devdax", "kmem": "system-ram", None: "none"}
# daxd keeps so many; more of them are for busy moments, and end.
WORKERS = 4
# What a worker keeps open of what it was last at. All else it has from its beginning on.
KEPT = Counter({"a region": 2, "a device": 1, "/run/daxd/names": 1})


def overlaps(ranges):
    """The first range that begins within another."""
    end = 0
    for start, size in sorted(ranges):
        if start < end:
            return [start, size]
        end = start + size
    return None


class Judge:
    """Starts the system, looks at it, and remembers what was wrong."""

    def __init__(self, bus, wrapper=()):
        self.sim, self.system = Control(), System(bus)
        self.system.start_bus()
        self.system.start_workers(wrapper=wrapper)
        self.system.start_daxd(wrapper=wrapper)
        self.system.wait_layouts()
        self.faults, self.moments, self.usage, self.least = [], 0, [], {}

    def expect(self, condition, complaint):
        if not condition and complaint not in self.faults:
            self.faults.append(complaint)
            print(f"  {complaint}", flush=True)

    def region_ids(self):
        return [region["id"] for region in self.sim.state()["regions"]]

    @staticmethod
    def jobs(objects):
        return [path for path, faces in objects.items() if JOB in faces]

    # --- what is ----------------------------------------------------------------------------------

    def quiet_moment(self):
        self.moments += 1
        # what those have asked for who have left is still done
        wait_until(lambda: not self.jobs(managed_objects()), 60, "the jobs to end")
        writes = self.sim.count()
        objects = managed_objects()
        state = self.sim.state()
        unasked = [(write.path, write.value) for write in self.sim.writes(writes)]
        self.expect(not unasked, f"without a job there are writes: {unasked}")
        for region in state["regions"]:
            self.check_sums(region)
            self.check_shown(region, objects)
        records = os.listdir("/run/daxd/transactions")
        self.expect(not records, f"records are left: {records}")
        self.expect(not state["leaks"], f"memory has leaked: {state['leaks']}")
        self.check_files()

    def check_sums(self, region):
        """The kernel's side: no seed is left, and devices and holes are all of the region."""
        name, devices = f"region {region['id']}", region["devices"]
        ranges = [extent for device in devices for extent in device["ranges"]]
        used = sum(size for _, size in ranges)
        self.expect(used + region["available"] == region["size"],
                    f"{name}: {used} used + {region['available']} free is not {region['size']}")
        self.expect(not overlaps(ranges), f"{name}: ranges overlap at {overlaps(ranges)}")
        seeds = [device["name"] for device in devices
                 if device["size"] == 0 and not device["name"].endswith(".0")]
        self.expect(not seeds, f"{name}: empty devices are left: {seeds}")

    def check_shown(self, region, objects):
        """daxd's side of the same."""
        path = f"/org/daxd1/region/{region['id']}"
        shown = objects[path][REGION]
        free = sum(size for _, size in shown["FreeExtents"])
        self.expect(shown["AvailableSize"] == region["available"] == free,
                    f"{path}: AvailableSize is {shown['AvailableSize']}, FreeExtents are {free}, "
                    f"the kernel has {region['available']}")
        self.expect(shown["State"] == "unmanaged",
                    f"{path}: {shown['State']}: {shown['StateReason']}")
        ours = {faces[DEVICE]["Name"]: (faces[DEVICE]["Size"], faces[DEVICE]["Mode"],
                                        [[start, size] for start, size in faces[DEVICE]["Ranges"]])
                for faces in objects.values()
                if DEVICE in faces and faces[DEVICE]["Region"] == path}
        real = {device["name"]: (device["size"], MODES[device["driver"]],
                                 [[start - region["start"], size]
                                  for start, size in device["ranges"]])
                for device in region["devices"] if device["size"]}
        for name in ours.keys() | real.keys():
            self.expect(ours.get(name) == real.get(name),
                        f"daxd shows {name} as {ours.get(name)}, it is {real.get(name)}")

    # --- what it takes ----------------------------------------------------------------------------

    @staticmethod
    def workers(usage):
        return [process for process in usage if process.startswith("daxd-worker ")]

    def excess(self):
        """What is open and was not at an earlier quiet moment, as text; notes the usage."""
        usage = measure()
        self.usage[self.moments - 1:] = [usage]
        workers, excess = self.workers(usage), []
        if len(workers) > WORKERS:
            return f"there are {len(workers)} workers"
        for process, (files, _) in usage.items():
            if process not in workers:
                files["a socket"] -= len(workers)
            more = files - (self.least.setdefault(process, files) | KEPT)
            excess += [f"{process} has {what} open {files[what]} times" for what in more]
        return "; ".join(excess)

    def check_files(self):
        """Soon nothing more is open than was before: what an event has somebody read is read."""
        try:
            wait_until(lambda: not self.excess(), 30, "")
        except Failure:
            self.expect(False, f"at quiet moment {self.moments} {self.excess()}")
        for process, (files, _) in self.usage[-1].items():
            self.least[process] = self.least.get(process, files) & files

    def check_memory(self, limits_kib):
        """Against the first half of the quiet moments: by then everything has been done."""
        first_half = self.usage[:(len(self.usage) + 1) // 2]
        for process, (_, last) in self.usage[-1].items():
            sizes = [usage[process].kib for usage in first_half if process in usage]
            if not sizes:
                continue
            print(f"  {process}: {sizes[0]}, at most {max(sizes)}, at last {last} KiB")
            if limits_kib:
                self.expect(last <= max(sizes) + limits_kib[process.split()[0]],
                            f"{process}: {max(sizes)} KiB became {last}")

    # --- the end ----------------------------------------------------------------------------------

    def hear(self, told, inexcusable):
        """What the clients have to tell."""
        answers = sum(count for *_, count in told["outcomes"])
        print(f"  {told['calls']} calls, {answers} answers, {told['left']} have left; the longest "
              f"waited {told['longest'] / 1000:.0f} ms")
        self.expect(told["calls"] == answers + told["left"], "replies are lost")
        for method, answer, count in sorted(told["outcomes"]):
            print(f"    {count:6} {method}: {answer.removeprefix('org.daxd1.Error.')}")
            self.expect(answer not in inexcusable, f"{method} was answered with {answer}, {count} "
                        "times")

    def end(self, limits_kib):
        if self.usage:
            self.check_memory(limits_kib)
        daxd = self.system.daxd
        self.system.stop_daxd()
        self.expect(daxd.returncode == 0, f"daxd ended with status {daxd.returncode}")
        # they end by themselves then; what they have leaked is told at the very end
        wait_until(lambda: not measure(), 60, "the workers to end")
        for name in ("daxd", "worker"):
            complaints = [line for line in said(name).splitlines()
                          if re.search("Sanitizer|runtime error|==[0-9]+==|assert", line)]
            self.expect(not complaints, f"{RUN}/{name}.log: " + "\n".join(complaints[:40]))

    def verdict(self):
        print(f"{self.moments} quiet moments, {len(self.faults)} faults", flush=True)
        return 1 if self.faults else 0
