# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the suites ask daxd."""

import select
import signal

from harness import *

ROOT = "/org/daxd1"
MANAGER, REGION, DEVICE, LAYOUT, JOB = (f"org.daxd1.{name}" for name in
                                        ("Manager", "Region", "Device", "Layout", "Job"))
DENIED = ("org.freedesktop.DBus.Error.AccessDenied",
          "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired")
INVALID_ARGS = "org.freedesktop.DBus.Error.InvalidArgs"
UNKNOWN_OBJECT = "org.freedesktop.DBus.Error.UnknownObject"

# Arguments before the options; what is not listed has none.
ARGUMENTS = {"GetDevice": "s", "GetRegion": "u", "PlanLayout": "s", "ApplyLayout": "s",
             "SetLayout": "ss", "RemoveLayout": "s", "CreateDevice": "t", "Resize": "t",
             "SetMode": "s", "OnlineMemory": "s", "SetLabel": "s"}

BLOCK = 128 * MIB

# --- asking -----------------------------------------------------------------------------------


def interface_of(path):
    kind = path[len(ROOT) + 1:].partition("/")[0]
    return f"org.daxd1.{kind.capitalize()}" if kind else MANAGER


def arguments(method, args, options):
    """Signature and values of a call. Options are keywords: memmap_on_memory=True."""
    signature = ARGUMENTS.get(method, "")
    return (signature + "a{sv}", *args, {k.replace("_", "-"): v for k, v in options.items()})


def ask(path, method, *args, user=None, **options):
    """Calls a method of daxd's at `path`, or of the Manager: ask(ROOT, "Describe")."""
    return call(path, interface_of(path), method, *arguments(method, args, options), user=user)


def dev(name):
    return object_path("device", name)


def reg(extent):
    return object_path("region", region_at(extent))


def name_of(path):
    """The name that an object path holds."""
    return re.sub("_([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), path.rpartition("/")[2])


def create(extent, size, **options):
    """CreateDevice; returns the kernel's name of the device."""
    return name_of(ask(reg(extent), "CreateDevice", size, **options))


def layout(extent, *entries, **more):
    """The text of a layout for the region at `extent`."""
    return json.dumps({"version": 1, "region": {"start": hex(extent.start), "size": extent.size},
                       "devices": list(entries), **more})


def apply(text, **options):
    return json.loads(ask(ROOT, "ApplyLayout", text, **options))


def begin(path, method, *args, **options):
    """The same as ask(), not waited for: a Call, with pending() and result()."""
    return Call(path, interface_of(path), method, *arguments(method, args, options))


def daxd_pids(name="daxd"):
    """Processes of daxd, or of its workers (`daxd-worker`), by the name of the program."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name:
                found.append(int(pid))
        except OSError:
            pass  # a kernel thread, or it ended
    return found


def answers():
    """Whether daxd is on the bus and has settled what it had to: no job is left."""
    try:
        objects = managed_objects()
    except (DBusError, Failure):
        return False
    return not any(JOB in interfaces for interfaces in objects.values())


def await_daxd(timeout=60):
    wait_until(answers, timeout, "daxd to answer without a job")


def job_of(signals, tag):
    """The path of the job with this tag."""
    added = signals.wait("InterfacesAdded",
                         has=lambda args: args[1].get(JOB, {}).get("Tag") == tag)
    return added["args"][0]
