# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the units keep daxd and daxd-worker from, and what they leave them: this file runs itself in
copies of the two units.

Needs dax_hmem.region_idle=Y and layouts/main.json.
"""

import ctypes
import socket

from harness import *

ALLOWED = "allowed"


# --- inside the units -------------------------------------------------------------------------


def opened(path, flags=os.O_WRONLY):
    return lambda: os.close(os.open(path, flags))


def created(path):
    def attempt_it():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(path)
    return attempt_it


def in_libc(function, *args):
    def attempt_it():
        libc = ctypes.CDLL(None, use_errno=True)
        if getattr(libc, function)(*args) < 0:
            raise OSError(ctypes.get_errno(), function)
    return attempt_it


def renamed():
    os.rename("/run/daxd/names", "/run/daxd/names.old")
    os.rename("/run/daxd/names.old", "/run/daxd/names")


PROBES = {
    "write to a driver of dax": opened("/sys/bus/dax/drivers/kmem/bind"),
    "write to auto_online_blocks": opened(f"{MEMORY}/auto_online_blocks"),
    "write to the rest of /sys": opened("/sys/module/printk/parameters/time"),
    "write to /proc/sys": opened("/proc/sys/kernel/sysrq"),
    "write to /etc": created("/etc/sandbox-probe"),
    "write to /usr": created("/usr/sandbox-probe"),
    "write to /run": created("/run/sandbox-probe"),
    "write to /run/daxd": created("/run/daxd/sandbox-probe"),
    "write to /run/daxd/names": created("/run/daxd/names/sandbox-probe"),
    "move /run/daxd/names away": renamed,
    "write to /var/lib/daxd": created("/var/lib/daxd/sandbox-probe"),
    "open a disk": opened("/dev/vda", os.O_RDONLY),
    "open a dax device": opened("/dev/dax/by-name/cache", os.O_RDWR),
    "read /proc/iomem": lambda: require(re.search(r"[1-9a-f].*System RAM", read("/proc/iomem")),
                                        "no addresses"),
    "make an internet socket": lambda: socket.socket(socket.AF_INET).close(),
    "make a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15).close(),
    "become root": lambda: os.setuid(0),
    "become alice": lambda: os.setuid(1000),
    "load a module": in_libc("syscall", 175, None, 0, b""),
    "mount": in_libc("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    "make a user namespace": in_libc("unshare", 0x10000000),
    "make memory executable": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close(),
}


def probe():
    """{what: "allowed", or how it failed}"""
    found = {}
    for what, function in PROBES.items():
        try:
            function()
            found[what] = ALLOWED
        except Exception as error:
            found[what] = str(error)
    return found


# --- outside ----------------------------------------------------------------------------------


def probed(unit):
    """Runs this file in a copy of the unit that differs in nothing but what it runs."""
    other = ("ExecStart=", "Type=", "BusName=", "WatchdogSec=", "Restart=", "RestartSec=",
             "StandardInput=", "StandardOutput=", "Before=daxd.service")
    # Without what the unit would start or wait for.
    lines = [line for line in run("systemctl", "cat", unit).splitlines()
             if not line.startswith(other) and not line.startswith(("#", "Wants="))]
    service = lines.index("[Service]") + 1
    result = "/run/sandbox-probe.json"
    lines[service:service] = ["Type=oneshot", f"ExecStart=/usr/bin/python3 -B {__file__} --inside",
                              f"StandardOutput=truncate:{result}"]
    with open("/run/systemd/system/sandbox-probe.service", "w") as f:
        f.write("\n".join(lines) + "\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "start", "sandbox-probe.service")
    found = json.loads(read(result))
    for what, outcome in found.items():
        say(f"{unit}: {what}: {outcome}")
    return found


def expect(unit, *allowed):
    found = probed(unit)
    equal(sorted(what for what, outcome in found.items() if outcome == ALLOWED), sorted(allowed),
          "what is allowed")


@test
def daxd_can_do_what_it_needs_and_no_more():
    expect("daxd.service", "write to /run/daxd", "write to /var/lib/daxd", "make a netlink socket")


@test
def worker_can_do_what_it_needs_and_no_more():
    expect("daxd-worker@.service", "write to a driver of dax", "write to auto_online_blocks",
           "write to /run/daxd", "write to /run/daxd/names", "move /run/daxd/names away",
           "open a dax device", "read /proc/iomem")


@test
def units_are_in_order():
    log = run("journalctl", "-b", "-o", "cat", "--no-pager", "_PID=1")
    require("ordering cycle" not in log, "systemd found an ordering cycle")
    units = ("daxd.service", "daxd-worker.socket", "daxd-layouts.service", "daxd-layouts.target")
    said = attempt("systemd-analyze", "verify", "--man=no", *units).stderr
    equal([line for line in said.splitlines() if "daxd" in line], [], "what systemd-analyze says")
    for name in ("daxd.service", "daxd-worker.socket"):
        equal(unit_state(name), "active", name)


@test
def nobody_but_daxd_gets_a_worker():
    said = as_alice("python3", "-c", "import socket; socket.socket(socket.AF_UNIX, "
                    "socket.SOCK_SEQPACKET).connect('/run/daxd/worker')").stderr
    require("PermissionError" in said, f"alice gets: {said}")


@test
def the_bus_lets_nobody_else_have_the_name():
    for user in (None, "alice"):
        refused("org.freedesktop.DBus.Error.AccessDenied", call, "/org/freedesktop/DBus",
                "org.freedesktop.DBus", "RequestName", "su", "org.daxd1", 0, user=user,
                service="org.freedesktop.DBus")


@test
def polkit_knows_the_actions():
    known = [line for line in run("pkaction").splitlines() if line.startswith("org.daxd1.")]
    equal(len(known), 6, "the number of actions")


@test
def journal_explains_the_messages():
    run("journalctl", "--update-catalog")
    equal(run("journalctl", "--list-catalog").count(" daxd:"), 13, "entries in the catalog")


if __name__ == "__main__":
    if "--inside" in sys.argv:
        print(json.dumps(probe()))
        sys.exit(0)
    main()
