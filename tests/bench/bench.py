# SPDX-License-Identifier: LGPL-2.1-or-later
"""What daxd costs: the time of a layout and of calls against the bare writes to sysfs, its memory, and
what it does while nothing is to be done. No test: it prints figures, which mean something only
against each other.

`./check --bench` runs it. Needs dax_hmem.region_idle=Y, bench-floor, bench-bare and bench-client in
/usr/local/bin, a first region of at least 512 MiB, and time: DAXD_COUNT devices (256), DAXD_ROUNDS rounds (3), DAXD_IDLE
seconds (60).
"""

from truth import *

COUNT = int(os.environ.get("DAXD_COUNT", "256"))
ROUNDS = int(os.environ.get("DAXD_ROUNDS", "3"))
IDLE = int(os.environ.get("DAXD_IDLE", "60"))
BY_DAXCTL = min(COUNT, 32)
SIZE = 2 * MIB
REGION_ID = region_at(REGIONS[0])
FOLDER = os.path.dirname(os.path.realpath(device(f"dax{REGION_ID}.0")))
LAYOUT_FILE = "/run/bench.json"
NAMES = "/run/daxd/names"


def silence_daxctl():
    """Debian's daxctl has a rule for udev that runs daxctl, which refuses its options, beside every new
    device: it takes a processor longer than all that is measured here."""
    os.makedirs("/etc/udev/rules.d", exist_ok=True)
    os.symlink("/dev/null", "/etc/udev/rules.d/90-daxctl-device.rules")
    run("udevadm", "control", "--reload")


def microseconds(*command):
    return int(run(*command, timeout=900))


def without_daxd():
    """It would take its share of the processors for the events."""
    run("systemctl", "stop", "daxd.service")
    run("systemctl", "mask", "--runtime", "daxd.service")
    settle()


def let_root_be_daxd():
    """On the bus, for bench-bare."""
    with open("/etc/dbus-1/system.d/bench.conf", "w") as file:
        file.write('<busconfig><policy user="root"><allow own="org.daxd1"/></policy></busconfig>')
    run("busctl", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "ReloadConfig")


def floor(*change):
    return microseconds("bench-floor", FOLDER, "make", COUNT, SIZE, *change)


def by_layout():
    return microseconds("bench-client", "apply", LAYOUT_FILE)


def by_calls(label, verb="create"):
    return microseconds("bench-client", verb, object_path("region", REGION_ID), COUNT, SIZE,
                        *([label] if label else []))


def by_nothing():
    """What the bus alone takes of as many calls."""
    return microseconds("bench-client", "ping", COUNT)


def by_bare(function):
    """The same calls to a daemon that does no more than it must: see bare.c."""
    with subprocess.Popen(["bench-bare", FOLDER, str(REGION_ID), str(COUNT), str(SIZE)],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            equal(process.stdout.readline(), "ready\n", "what bench-bare says")
            return function()
        finally:
            process.kill()


def by_daxctl():
    start = time.monotonic()
    for _ in range(BY_DAXCTL):
        run("daxctl", "create-device", "-r", REGION_ID, "-s", SIZE)
    return int((time.monotonic() - start) * 1e6 * COUNT / BY_DAXCTL)


WAYS = {"floor": floor,
        "floor with change": lambda: floor("change"),
        "floor, read back and named": lambda: floor("name"),
        "bare daemon, one ApplyLayout": lambda: by_bare(by_layout),
        "bare daemon, CreateDevice calls": lambda: by_bare(lambda: by_calls("")),
        "bare daemon, many at once": lambda: by_bare(lambda: by_calls("", "flood")),
        "one ApplyLayout": by_layout,
        "CreateDevice calls": lambda: by_calls(""),
        "CreateDevice calls, labelled": lambda: by_calls("b"),
        "CreateDevice calls, many at once": lambda: by_calls("", "flood"),
        "calls that do nothing": by_nothing,
        "daxctl create-device": by_daxctl}
AGAINST = {"floor, read back and named": "floor with change",
           "bare daemon, one ApplyLayout": "floor with change",
           "bare daemon, CreateDevice calls": "floor", "bare daemon, many at once": "floor",
           "one ApplyLayout": "floor with change", "CreateDevice calls": "floor",
           "CreateDevice calls, labelled": "floor with change", "daxctl create-device": "floor",
           "CreateDevice calls, many at once": "floor", "calls that do nothing": "floor"}


def begin_clean():
    """An empty region, udev done, and daxd knows it."""
    spent = microseconds("bench-floor", FOLDER, "destroy")
    settle()
    for name in os.listdir(NAMES):
        os.unlink(f"{NAMES}/{name}")
    run("systemctl", "unmask", "--runtime", "daxd.service")
    run("systemctl", "start", "daxd.service")
    ask(ROOT, "Refresh")
    await_daxd()
    equal(members(REGION_ID), [f"dax{REGION_ID}.0"], "devices of the region")
    return spent


def status(pid):
    """The figures of /proc/PID/status."""
    return {key: int(value.split()[0]) for key, _, value in
            (line.partition(":") for line in read(f"/proc/{pid}/status").splitlines())
            if value.split() and value.split()[0].isdigit()}


def processes():
    return [("daxd", pid) for pid in daxd_pids()] + \
           [("daxd-worker", pid) for pid in daxd_pids("daxd-worker")]


# Whose processor time is told apart.
WHO = {"daxd": "daxd", "bench-bare": "daxd", "daxd-worker": "worker", "dbus-daemon": "bus", "systemd-journal": "journal",
       "systemd-udevd": "udev", "(udev-worker)": "udev"}
TICK = os.sysconf("SC_CLK_TCK")


def processor_time():
    """{who: seconds} since the boot, with the children that have ended, and `all`."""
    spent = dict.fromkeys(WHO.values(), 0)
    user, nice, system, idle, iowait, *interrupts = map(
        int, read("/proc/stat").splitlines()[0].split()[1:])
    for pid in filter(str.isdigit, os.listdir("/proc")):
        stat = optional(f"/proc/{pid}/stat")
        name, _, fields = stat.partition("(")[2].rpartition(")")
        if name in WHO:
            spent[WHO[name]] += sum(map(int, fields.split()[11:15]))
    spent["all"] = user + nice + system + sum(interrupts[:2])
    return {who: ticks / TICK for who, ticks in spent.items()}


def row(*cells, widths=(34, 12, 12, 12, 12)):
    say("".join(f"{cell:>{width}}" for cell, width in zip(cells, widths)))


figures = {"seconds": {way: [] for way in WAYS}, "processors": {way: [] for way in WAYS}}


def measure_time():
    with open(LAYOUT_FILE, "w") as file:
        file.write(layout(REGIONS[0], *({"name": f"b{i:03}", "size": SIZE, "wipe": False}
                                        for i in range(COUNT))))
    for number in range(ROUNDS):
        order = list(WAYS)
        for way in order if number % 2 == 0 else reversed(order):
            begin_clean()
            if way.startswith(("floor", "bare")):
                without_daxd()
            before = processor_time()
            figures["seconds"][way].append(WAYS[way]() / 1e6)
            after = processor_time()
            figures["processors"][way].append({who: after[who] - before[who] for who in after})
            made = [name for name in members(REGION_ID) if driver(name) == "device_dax"]
            wanted = BY_DAXCTL if way.startswith("daxctl") else \
                0 if way.endswith("nothing") else COUNT
            equal(len(made), wanted, f"devices made: {way}")
            say(f"round {number + 1}: {way}: {figures['seconds'][way][-1]:.2f} s")
    row(f"{COUNT} devices", "best, s", "per device", "ratio", "worst ratio")
    for way, seconds in figures["seconds"].items():
        base = figures["seconds"].get(AGAINST.get(way), seconds)
        row(way, f"{min(seconds):.2f}", f"{min(seconds) / COUNT * 1000:.1f} ms",
            f"{min(seconds) / min(base):.2f}", f"{max(s / b for s, b in zip(seconds, base)):.2f}")


def show_processors():
    """Of the best rounds. Under emulation this is what all the rest comes from."""
    widths = (34, *[9] * 6)
    row("processor seconds", *figures["processors"]["floor"][0], widths=widths)
    for way, spent in figures["processors"].items():
        seconds = figures["seconds"][way]
        row(way, *(f"{s:.2f}" for s in spent[seconds.index(min(seconds))].values()), widths=widths)


def measure_memory():
    begin_clean()
    by_layout()
    settle()
    await_daxd()
    row(f"with {COUNT} devices, KiB", "VmRSS", "RssAnon", "RssFile", "VmHWM")
    figures["memory"] = []
    for name, pid in processes():
        numbers = status(pid)
        figures["memory"].append((name, numbers))
        row(f"{name} {pid}", *(numbers[key] for key in ("VmRSS", "RssAnon", "RssFile", "VmHWM")))


def measure_idleness():
    watchdog = run("systemctl", "show", "-P", "WatchdogUSec", "daxd.service").strip()
    keys = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    before = {pid: status(pid) for _, pid in processes()}
    time.sleep(IDLE)
    row(f"switches in {IDLE} s idle", "voluntary", "forced")
    figures["switches"] = []
    for name, pid in processes():
        switches = [status(pid)[key] - before[pid][key] for key in keys]
        figures["switches"].append((name, *switches))
        row(f"{name} {pid}", *switches)
    say(f"watchdog: {watchdog}")


check("daxctl is silent", silence_daxctl)
check("root may have the name", let_root_be_daxd)
check("time", measure_time)
check("processors", show_processors)
check("memory", measure_memory)
check("idleness", measure_idleness)
check("end", begin_clean)
with open(f"{RESULTS}/bench.json", "w") as file:
    json.dump(figures, file, indent=1)
main()
