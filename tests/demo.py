# SPDX-License-Identifier: LGPL-2.1-or-later
"""What ./demo shows on the imitated machine or in the guest: a layout at boot, a device by hand, and a
reboot.

Needs empty regions (dax_hmem.region_idle=Y) and systemd/examples/tiers.json for the first.
"""

import signal

from harness import *

signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback for who has seen enough

FIRST, SECOND = REGIONS[:2]
REMEMBERED = "/var/tmp/demo.places"
LABELS = ["cache", "tier2", "spare"]
# There systemd and udev are missing.
IMITATED = "DAXSIM_CONTROL" in os.environ


def headline(text):
    print(f"\n\n{text}\n{'=' * len(text)}", flush=True)


def show(*command, fails=False):
    """Runs a command as a person would, and shows it with its output."""
    print(f"\n# {command_line(command)}", flush=True)
    result = attempt(*command, timeout=120)
    for text in (result.stdout, result.stderr):
        if text.strip():
            print(text.rstrip("\n"), flush=True)
    equal(result.returncode != 0, fails, "whether it failed")


def path_of(label):
    return call("/org/daxd1", "org.daxd1.Manager", "GetDevice", "sa{sv}", label, {})


def properties(label, *names):
    return ("busctl", "get-property", "org.daxd1", path_of(label), "org.daxd1.Device", *names)


def places():
    """Where the devices of the layout lie."""
    return {label: get(path_of(label), "org.daxd1.Device", "Ranges") for label in LABELS}


def the_layout_was_applied():
    region = region_at(FIRST)
    if BOOT == 1:
        headline("This machine has just booted with this layout in /etc/daxd/layouts.d")
        print("\n" + read("/etc/daxd/layouts.d/tiers.json"), flush=True)
        headline("So this is how its regions are split")
        show("daxdctl", "list", "-RDu")
        if not IMITATED:
            show("ls", "-l", "/dev/dax/by-name/")
        show("busctl", "tree", "--no-pager", "org.daxd1")
    else:
        headline("After the reboot")
        if region != 0:
            print("\nThe kernel has numbered the regions another way this time. The layout says at which "
                  "address\nits region begins, so its devices are where they were.", flush=True)
        show("daxdctl", "list", "-RDu", "-r", region)
    for label in LABELS:
        show(*properties(label, "Label", "Mode", "Size", "Ranges"))


def a_device_can_be_made_resized_and_removed():
    region = region_at(SECOND)
    headline("The second region has no layout. A device is made there")
    show("daxdctl", "create-device", "-r", region, "-s", "128M", "--label", "scratch", "-u")
    show(*properties("scratch", "Name", "Size", "Ranges"))
    headline("It becomes larger, and then memory of the system")
    show("busctl", "call", "org.daxd1", path_of("scratch"), "org.daxd1.Device", "Resize", "ta{sv}",
         256 * MIB, 0)
    show("daxdctl", "reconfigure-device", "scratch", "-m", "system-ram", "-u")
    headline("What cannot be done is refused with the reason")
    show("daxdctl", "reconfigure-device", "scratch", "-s", "100M", fails=True)
    headline("It goes again")
    show("daxdctl", "destroy-device", "scratch", "--force")
    show("daxdctl", "list", "-RDu", "-r", region)


def the_devices_lie_where_they_lay():
    before, now = json.loads(read(REMEMBERED)), places()
    headline("Offset and size in the region, before the reboot and now")
    print()
    for label in LABELS:
        print(f"{label:8} {before[label]!s:30} {now[label]}", flush=True)
    equal(now, before, "where the devices of the layout lie")


if not IMITATED:
    # daxd may still be busy when the last service of the boot has started.
    run("systemctl", "start", "daxd-layouts.target")
check("the layout was applied", the_layout_was_applied)
if BOOT == 1:
    check("a device was made, changed and removed", a_device_can_be_made_resized_and_removed)
    with open(REMEMBERED, "w") as f:
        json.dump(places(), f)
    headline("Now it reboots")
    reboot()
check("the devices lie where they lay before the reboot", the_devices_lie_where_they_lay)
main()
