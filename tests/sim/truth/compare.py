#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Compares what a real kernel and the imitation said to the same operations.

    compare.py KERNEL.trace IMITATION.trace     the first differences of each script, and how many
    compare.py --show TRACE                     a trace for reading

What counts is the result of each operation, what was read, what it changed in the state, and the
uevents, for each subsystem in their order. Not compared is what nobody promises: device numbers,
and which of two subsystems spoke first; nor the coming and going of a NUMA node that has ordinary
memory as well in the guest, and so never went there. The one thing that the imitation is excused
from is refusing to map a node: its nodes are files, and a file system is not asked.
"""

import argparse
import json
import re
import sys

import traces

# Operations shown before one that differs.
CONTEXT = 6


def load(path):
    """The head, and {script: [record of an operation, ...]}; the first is the reset."""
    head, scripts = {}, {}
    for record in traces.records(path):
        if "script" in record:
            records = scripts.setdefault(record["script"], [])
        elif "op" in record:
            records.append(record)
        else:
            head = record
    return head, scripts


def without_numbers(value):
    """What was read, without device numbers."""
    return re.sub(r"\b(MAJOR|MINOR)=\d+", r"\1=", value) if isinstance(value, str) else value


def by_subsystem(events):
    return {name: [event for event in events if event.split()[0] == name]
            for name in {event.split()[0] for event in events}}


def nodes_of(scripts):
    return {event.split()[2] for records in scripts.values() for record in records
            for event in record.get("events", []) if event.startswith("node ")}


def without_other_nodes(scripts, nodes):
    """Forgets the events of NUMA nodes that are none of these."""
    for records in scripts.values():
        for record in records:
            record["events"] = [event for event in record.get("events", [])
                                if not event.startswith("node ") or event.split()[2] in nodes]


def is_excused(kernel, imitation):
    return (kernel["op"].split()[0] == "mmap"
            and (kernel["result"], imitation["result"]) == ("EINVAL", "ok"))


def differences(kernel, imitation):
    """[(what, the kernel's, the imitation's)] of one operation."""
    found = []
    if kernel["result"] != imitation["result"] and not is_excused(kernel, imitation):
        found.append(("result", kernel["result"], imitation["result"]))
    values = [without_numbers(record.get("value")) for record in (kernel, imitation)]
    if values[0] != values[1]:
        found.append(("read", *values))
    events = [record.get("events", []) for record in (kernel, imitation)]
    if by_subsystem(events[0]) != by_subsystem(events[1]):
        found.append(("uevents", *events))
    changed = [record.get("changed", {}) for record in (kernel, imitation)]
    for key in sorted({*changed[0], *changed[1]}):
        values = [side.get(key, "(no change)") for side in changed]
        if values[0] != values[1]:
            found.append((key, *values))
    return found


def print_difference(name, records, at, found):
    print(f"\n{name}, operation {at}: {records[at]['op']}")
    for record in records[max(1, at - CONTEXT):at]:
        print(f"    after  {record['op']} -> {record['result']}")
    for what, real, imitated in found:
        print(f"  {what}:\n    kernel     {real!r}\n    imitation  {imitated!r}")


def compare_script(name, kernel, imitation, limit):
    """Prints the first differences, and returns how many operations differ."""
    count = 0
    for at, (one, other) in enumerate(zip(kernel, imitation)):
        if one["op"] != other["op"]:
            print(f"\n{name}: operation {at} is '{one['op']}' there and '{other['op']}' here")
            return count + 1
        if found := differences(one, other):
            count += 1
            if count <= limit:
                print_difference(name, kernel, at, found)
    if len(kernel) != len(imitation):
        print(f"\n{name}: {len(kernel)} operations there and {len(imitation)} here")
        count += 1
    return count


def compare(kernel_path, imitation_path, limit):
    """Returns how many operations there were, and how many differ."""
    (head, kernel), (other, imitation) = load(kernel_path), load(imitation_path)
    for key in ("block_size", "regions"):
        if head[key] != other[key]:
            print(f"{key}: {head[key]} there and {other[key]} here")
            return 0, 1
    without_other_nodes(imitation, nodes_of(kernel))
    operations = differing = faulty = 0
    for name, records in kernel.items():
        count = compare_script(name, records, imitation.get(name, []), limit)
        operations += len(records) - 1
        differing += count
        faulty += count > 0
    seed = f", seed {head['seed']}" if "seed" in head else ""
    print(f"{head['kernel']}, {traces.name_of(kernel_path)}{seed}: "
          f"{operations} operations in {len(kernel)} scripts, "
          f"{differing} differences in {faulty} scripts")
    return operations, differing


def show(path):
    head, scripts = load(path)
    print(json.dumps(head))
    for name, records in scripts.items():
        print(f"== {name}")
        for record in records[1:]:
            words = [record["op"], "->", record["result"]]
            if "value" in record:
                words.append(f"= {record['value']!r}")
            words += [f"[{key}: {value}]" for key, value in record.get("changed", {}).items()]
            words += [f"<{event}>" for event in record.get("events", [])]
            print(" ".join(words))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--limit", type=int, default=1, help="differences shown of each script")
    parser.add_argument("traces", nargs="+")
    args = parser.parse_args()
    if args.show:
        for path in args.traces:
            show(path)
        return 0
    if len(args.traces) != 2:
        parser.error("give a kernel's trace and an imitation's")
    operations, differing = compare(*args.traces, args.limit)
    return 1 if differing or not operations else 0


if __name__ == "__main__":
    sys.exit(main())
