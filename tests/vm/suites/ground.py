# SPDX-License-Identifier: LGPL-2.1-or-later
"""The ground that the other suites stand on: the guest itself, without daxd.

What the kernel made of the regions depends on its release and on dax_hmem.region_idle; this suite
says which is which, so that a kernel that behaves otherwise is noticed here first.
"""

from harness import *

IDLE = "dax_hmem.region_idle=Y" in read("/proc/cmdline").split()
STAMP = "/var/tmp/ground"


@test
def kernel_is_the_one_asked_for():
    require(os.uname().release.startswith(KERNEL + "."), f"this is {os.uname().release}")


@test
def root_became_writable():
    options = next(line.split()[3] for line in read("/proc/mounts").splitlines()
                   if line.split()[1] == "/")
    require("rw" in options.split(","), f"/ is mounted {options}")
    equal(unit_state("systemd-remount-fs.service"), "active", "systemd-remount-fs.service")


@test
def no_unit_failed():
    state = attempt("systemctl", "is-system-running").stdout.strip()
    if state != "running":
        fail(f"the system is {state}\n{run('systemctl', '--failed', '--no-legend', '--plain')}")


@test
def boot_is_no_first_boot():
    log = run("journalctl", "-b", "-o", "cat", "-u", "init.scope", "-u", "systemd-firstboot")
    require("First Boot" not in log or "skipped" in log, "systemd took this for a first boot")


@test
def regions_are_where_they_were_asked_for():
    found = regions()
    equal(len(found), len(REGIONS), "the number of regions")
    for extent in REGIONS:
        region = region_at(extent)
        equal(int(read(found[region] + "size")), extent.size, f"size of region {region}")
        equal(int(read(found[region] + "align")), 2 * MIB, f"align of region {region}")
        equal(int(read(found[region] + "available_size")), extent.size if IDLE else 0,
              f"available_size of region {region}")


@test
def first_devices_are_as_the_kernel_makes_them():
    for extent in REGIONS:
        name = f"dax{region_at(extent)}.0"
        equal(device_ranges(name), [] if IDLE else [extent], f"ranges of {name}")
        wanted = None if IDLE else "device_dax" if KERNEL == "6.1" else "kmem"
        equal(driver(name), wanted, f"driver of {name}")
        require(int(read(device(name, "target_node"))) >= 0, f"{name} has no node")


@test
def memory_is_online_only_where_kmem_took_it():
    equal(block_size(), 128 * MIB, "block size")
    equal(read(f"{MEMORY}/auto_online_blocks"), "offline" if KERNEL == "6.1" else "online",
          "auto_online_blocks")
    for extent in REGIONS:
        states = [block.state for block in memory_blocks(*extent)]
        kmem = driver(f"dax{region_at(extent)}.0") == "kmem"
        equal(states, ["online"] * (extent.size // block_size()) if kmem else [],
              f"blocks at {extent.start:#x}")


@test
def daxctl_agrees():
    listed = {region["id"]: region for region in daxctl_list()}
    for extent in REGIONS:
        name = f"dax{region_at(extent)}.0"
        region = listed[region_at(extent)]
        equal(region["size"], extent.size, "daxctl's size of the region")
        # An idle device has size 0, and daxctl shows none of those.
        equal([dev["chardev"] for dev in region.get("devices", [])], [] if IDLE else [name],
              "daxctl's devices")


def device_memory_can_be_written_and_read():
    name = f"dax{region_at(REGIONS[0])}.0"
    if IDLE:
        write(device(name, "size"), 4 * MIB)
        write("/sys/bus/dax/drivers/device_dax/bind", name)
    with Node(name) as node:
        node.fill(b"ground", size=4 * MIB)
        equal(node.find(b"dground"), 5, "where the pattern is found")
        equal(node.read(0, 6), b"ground", "what is read back")
    if IDLE:
        write("/sys/bus/dax/drivers/device_dax/unbind", name)
        write(device(name, "size"), 0)


# A default boot of 6.12 has no device in devdax mode, and taking one out of kmem may leak it.
if IDLE or KERNEL == "6.1":
    test(device_memory_can_be_written_and_read)


@test
def bus_and_polkit_answer():
    equal(unit_state("dbus.service"), "active", "dbus.service")
    version = get("/org/freedesktop/PolicyKit1/Authority",
                  "org.freedesktop.PolicyKit1.Authority", "BackendVersion",
                  service="org.freedesktop.PolicyKit1")
    require(version, "polkit has no version")
    equal(unit_state("polkit.service"), "active", "polkit.service")


@test
def bus_errors_come_with_name_and_message():
    error = refused("org.freedesktop.DBus.Error.ServiceUnknown", call, "/", "a.b", "C",
                    service="org.example.nobody")
    require("org.example.nobody" in error.message, f"the message is '{error.message}'")


@test
def signals_are_seen():
    bus = {"service": "org.freedesktop.DBus"}
    with Signals("org.freedesktop.DBus") as signals:
        # Each has a connection of its own, whose name comes and goes.
        calls = [Call("/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId", **bus)
                 for _ in range(2)]
        ids = {pending.result() for pending in calls}
        equal(len(ids), 1, "the number of different ids of the bus")
        signal = signals.wait("NameOwnerChanged", "/org/freedesktop/DBus")
        equal(len(signal["args"]), 3, "the number of arguments")


@test
def arguments_and_results_are_translated():
    bus = {"service": "org.freedesktop.DBus"}
    equal(call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s",
               "org.freedesktop.DBus", **bus), True, "NameHasOwner")
    equal(value_words("a{sv}", {"size": 5, "all": True, "label": "x", "ranges": [(0, 2)]}),
          "4 size t 5 all b true label s x ranges a(tt) 1 0 2".split(), "busctl's words")
    equal(single_types("ta{sv}a(tt)(su)as"), ["t", "a{sv}", "a(tt)", "(su)", "as"], "types")
    equal(object_path("device", "dax0.1"), "/org/daxd1/device/dax0_2e1", "path of dax0.1")
    equal(object_path("region", 0), "/org/daxd1/region/0", "path of region 0")


@test
def alice_has_no_rights():
    equal(as_alice("id", "-u").stdout.strip(), "1000", "alice's uid")
    require(as_alice("cat", device(devices()[0], "resource")).returncode, "alice reads resource")
    require(as_alice("cat", f"/dev/{devices()[0]}").returncode, "alice reads the device")


@test
def the_disk_survives_a_reboot():
    if BOOT == 1:
        require(not os.path.exists(STAMP), "a fresh disk has the stamp of an earlier boot")
        with open(STAMP, "w") as f:
            f.write(read("/proc/sys/kernel/random/boot_id"))
    else:
        require(read(STAMP) != read("/proc/sys/kernel/random/boot_id"), "this is the same boot")
    require(not os.path.exists("/run/ground"), "/run survived")
    open("/run/ground", "w").close()


if __name__ == "__main__":
    say(f"boot {BOOT}: " + run("systemd-analyze", "time").splitlines()[0])
    main()
