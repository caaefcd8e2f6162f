# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel says to raw operations on the dax bus: the traces with which the imitation is
compared. Nothing is judged here, but that every operation came back.

Started by tests/sim/truth/run, without daxd, and with persistent memory behind the regions. The
scripts that spoil the machine come last, each with a boot for itself. DAXD_TRUTH_COUNT, _SEED and
_LENGTH are for the generated operations, DAXD_TRUTH_SECONDS is what they and all else may take. Where
DAXD_TRUTH_BOOT is "default", it is only told what the boot has left.
"""

import ctypes
import select
import signal
from collections import Counter
from errno import errorcode

from harness import *

PROGRAM = "/usr/local/lib/daxd-tests/sim-truth"
# What tests/sim/truth/run has told the kernel: idle, not-idle, or nothing (default).
MANNER = os.environ.get("DAXD_TRUTH_BOOT", "idle")
# The one that takes every device of these regions.
DRIVER = "device_dax" if MANNER == "idle" or KERNEL == "6.1" else "kmem"
COUNT = int(os.environ.get("DAXD_TRUTH_COUNT", "0"))
SEED = os.environ.get("DAXD_TRUTH_SEED", "1")
LENGTH = os.environ.get("DAXD_TRUTH_LENGTH", "40")
LAST_COUNT = 150
# What somebody else takes and gives back, piece by piece.
HOLES, HOLE = 64, 2 * MIB
SECONDS = int(os.environ["DAXD_TRUTH_SECONDS"])


def scripts(folder):
    return sorted(f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".ops"))


# What each boot ends with: a script, or a generated sequence.
LAST = [*scripts(f"{PROGRAM}/scripts/last"), None]


def operations(name, *arguments):
    """Runs operations; their trace goes to the results."""
    begun = time.monotonic()
    # A file: what hangs in the kernel would keep a pipe open, and its reader with it.
    output = f"{RESULTS}/{name}.log"
    status = attempt("sh", "-c", f'exec python3 {PROGRAM}/operations.py "$@" >{output} 2>&1', "sh",
                     "--out", f"{RESULTS}/{name}.trace", *arguments, timeout=SECONDS).returncode
    say(read(output))
    say(f"{name}: {time.monotonic() - begun:.1f} s")
    require(status == 0, f"exit status {status}")


@test
def nobody_else_writes():
    # udev sets owners and modes of nodes, and starts daxctl's units.
    run("systemctl", "stop", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket",
        "systemd-udevd.service")
    require(not os.path.exists("/usr/libexec/daxd"), "daxd is installed in this guest")


def make_static_region():
    [namespace] = [n for n in os.listdir("/sys/bus/nd/devices") if n.startswith("namespace")]
    run("ndctl", "create-namespace", "-f", "-e", namespace, "-m", "devdax", "--map=mem")


if BOOT == 1:
    @test
    def boot_is_told():
        operations("boot", "--boot")


if MANNER == "default":
    main()


if BOOT == 1:
    @test
    def scripts_run():
        operations("scripts", *scripts(f"{PROGRAM}/scripts"))

    @test
    def generated_operations_run():
        if COUNT:
            operations("generated", "--generate", COUNT, "--seed", SEED, "--length", LENGTH)

    @test
    def scripts_of_a_static_region_run():
        make_static_region()
        operations("static", *scripts(f"{PROGRAM}/scripts/static"))


# --- what depends on the moment, and so can be in no script


def outcome(fd, text):
    """What a write gives."""
    number = errno_of(os.write, fd, text.encode())
    return errorcode[number] if number else "ok"


def fresh_machine():
    import machine
    import operations

    equal(operations.reset(), [], "what could not be reset")
    return machine.Machine()


def tell(what, name, seen):
    """How often it was what it is about; a line of the form that ./check shows."""
    say(f"{what}: {name} seen {seen[name]} of {sum(seen.values())} times, {dict(seen)}")


def in_child(function, *args):
    """Starts a process for it."""
    child = os.fork()
    if child == 0:
        try:
            function(*args)
        finally:
            os._exit(0)
    return child


def make_and_remove(machine, count, taken, tried):
    """Makes a device and removes it when somebody has had his try at it: a byte on the pipe."""
    os.close(tried)  # that is his end
    name, folder = machine.kernel_name("r0.1"), machine.regions[0].folder
    for _ in range(count):
        write(f"{folder}/create", 1)
        os.read(taken, 1)
        write(f"{folder}/delete", name)


def come_first_on_one_processor(child):
    """Whoever is woken by what the child does goes on before it, and not only once it waits."""
    for pid in (0, child):
        os.sched_setaffinity(pid, {0})
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def bind_at_add_comes_too_early():
    """`add` is sent before the kernel is done with a device."""
    from machine import Uevents, parse_kernel

    count, seen = 200, Counter()
    machine = fresh_machine()
    socket = Uevents(machine).socket
    taken, tried = os.pipe()
    child = in_child(make_and_remove, machine, count, taken, tried)
    come_first_on_one_processor(child)
    bind = os.open(f"{BUS}/drivers/{DRIVER}/bind", os.O_WRONLY)
    while sum(seen.values()) < count and select.select([socket], [], [], 20)[0]:
        event = parse_kernel(socket.recv(1 << 16))
        if (event.get("SUBSYSTEM"), event.get("ACTION")) == ("dax", "add"):
            seen[outcome(bind, os.path.basename(event["DEVPATH"]))] += 1
            os.write(tried, b".")
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.sched_setaffinity(0, range(os.cpu_count()))
    os.close(tried)
    os.waitpid(child, 0)
    tell("bind at add", "EAGAIN", seen)
    equal(sum(seen.values()), count, "binds")
    require("EAGAIN" in seen and set(seen) <= {"ENXIO", "EAGAIN"}, f"bind at add gave {dict(seen)}")


def leave_holes(machine):
    """So many of them that it takes long to take all, with the lock held. Returns their size."""
    write(f"{machine.regions[0].folder}/create", 1)
    for i in range(HOLES):
        start = machine.regions[0].start + (2 * i + 1) * HOLE
        write(f"{machine.folder('r0.1')}/mapping", f"{start:#x}-{start + HOLE - 1:#x}")
    return HOLES * HOLE


def resize_for_ever(machine, size):
    fd = os.open(f"{machine.folder('r0.0')}/size", os.O_WRONLY)
    while True:
        os.write(fd, str(size).encode())
        os.write(fd, b"0")


def outcomes_among_signals(machine, call, path, flags, *arguments):
    """What comes of a system call of libc's, done for some seconds while somebody else resizes a
    device and signals come. Python's own would try again after EINTR."""
    function = getattr(ctypes.CDLL(None, use_errno=True), call)
    function.restype = ctypes.c_ssize_t
    child = in_child(resize_for_ever, machine, leave_holes(machine))
    fd = os.open(path, flags)
    seen = Counter()
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    until = time.monotonic() + 5
    while time.monotonic() < until:
        seen["ok" if function(fd, *arguments) > 0 else errorcode[ctypes.get_errno()]] += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.close(fd)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    write(f"{machine.folder('r0.0')}/size", 0)
    tell(f"{call} of {os.path.basename(path)} among signals", "EINTR", seen)
    return set(seen)


def reads_are_interrupted():
    machine = fresh_machine()
    seen = outcomes_among_signals(machine, "pread", f"{machine.folder('r0')}/available_size",
                                  os.O_RDONLY, ctypes.create_string_buffer(64), 64, 0)
    equal(seen, {"ok"} if KERNEL == "6.1" else {"ok", "EINTR"}, "what reading gave")


def writes_are_not_interrupted():
    """Not even where all regions have one lock, and somebody has it."""
    machine = fresh_machine()
    seen = outcomes_among_signals(machine, "write", f"{machine.folder('r1.0')}/size", os.O_WRONLY,
                                  b"0", 1)
    equal(seen, {"ok"}, "what writing gave")


if BOOT == 1:
    sys.path.append(PROGRAM)
    test(bind_at_add_comes_too_early)
    test(reads_are_interrupted)
    test(writes_are_not_interrupted)


@test
def last_script_runs():
    path = LAST[BOOT - 1]
    if path:
        operations(f"last-{os.path.basename(path)[:-4]}", path)
    elif COUNT:
        operations("last-generated", "--generate", LAST_COUNT, "--length", LAST_COUNT, "--leave",
                   "--seed", SEED)


main(reboot if BOOT < len(LAST) else None)
