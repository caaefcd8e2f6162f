# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the kernel says to raw operations on the dax bus: the traces with which the imitation is
compared. Nothing is judged here, but that every operation came back.

Started by tests/sim/truth/run, without daxd, and with persistent memory behind the regions. The scripts that spoil the machine come last, each
with a boot for itself. DAXD_TRUTH_COUNT, _SEED, _LENGTH are for the generated operations.
"""

from harness import *

PROGRAM = "/usr/local/lib/daxd-tests/sim-truth"
COUNT = int(os.environ.get("DAXD_TRUTH_COUNT", "0"))
SEED = os.environ.get("DAXD_TRUTH_SEED", "1")
LENGTH = os.environ.get("DAXD_TRUTH_LENGTH", "40")
SECONDS = 1800


def scripts(folder):
    return sorted(f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".ops"))


LAST = scripts(f"{PROGRAM}/scripts/last")


def operations(name, *arguments):
    """Runs operations; their trace goes to the results."""
    begun = time.monotonic()
    result = attempt("python3", f"{PROGRAM}/operations.py", "--out", f"{RESULTS}/{name}.trace",
                     *arguments, timeout=SECONDS)
    say(result.stdout + result.stderr)
    say(f"{name}: {time.monotonic() - begun:.1f} s")
    require(result.returncode == 0, f"exit status {result.returncode}")


@test
def nobody_else_writes():
    # udev sets owners and modes of nodes, and starts daxctl's units.
    run("systemctl", "stop", "systemd-udevd-kernel.socket", "systemd-udevd-control.socket",
        "systemd-udevd.service")
    require(not os.path.exists("/usr/libexec/daxd"), "daxd is installed in this guest")


def make_static_region():
    namespaces = [name for name in os.listdir("/sys/bus/nd/devices") if name.startswith("namespace")]
    run("ndctl", "create-namespace", "-f", "-e", namespaces[0], "-m", "devdax", "--map=mem")


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


@test
def last_script_runs():
    path = LAST[BOOT - 1]
    operations(f"last-{os.path.basename(path)[:-4]}", path)


main(reboot if BOOT < len(LAST) else None)
