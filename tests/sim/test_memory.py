# SPDX-License-Identifier: LGPL-2.1-or-later
"""Device nodes, what is in the memory, regions of all kinds, and reboots. Needs --bare
--region-idle."""

import signal
import stat

from errno import *
from common import *

SECRET = b"somebody's secret"


def devdax(size=4 * MIB):
    name = create(size)
    bind("device_dax", name)
    return name


@clean_test
def a_node_looks_like_a_device():
    name = devdax()
    status = os.stat(f"/dev/{name}")
    require(stat.S_ISCHR(status.st_mode), "it is no character device")
    equal(f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}", read(device(name, "dev")),
          "dev")
    equal((oct(status.st_mode & 0o7777), status.st_uid, status.st_size), ("0o600", 0, 0), "status")
    equal(os.path.realpath(f"/sys/dev/char/{read(device(name, 'dev'))}"),
          os.path.realpath(device(name)), "/sys/dev/char")
    os.chmod(f"/dev/{name}", 0o660)
    os.chown(f"/dev/{name}", 0, 7)
    status = os.stat(f"/dev/{name}")
    equal((oct(status.st_mode & 0o7777), status.st_gid), ("0o660", 7), "status")
    unbind("device_dax", name)
    equal(os.stat(f"/dev/{name}").st_gid, 7, "group after unbinding")


@clean_test
def only_what_is_bound_opens():
    name = create(2 * MIB)
    equal(errno_of(os.open, f"/dev/{name}", os.O_RDWR), ENXIO, "errno")
    bind("device_dax", name)
    os.close(os.open(f"/dev/{name}", os.O_RDWR))
    delete_path = f"/dev/{name}"
    unbind("device_dax", name)
    resize(name, 0)
    delete(name)
    require(not os.path.exists(delete_path), "the node is still there")


@clean_test
def the_module_counts_its_users():
    refcnt = "/sys/module/device_dax/refcnt"
    name = devdax()
    equal(read(refcnt), "0", "users")
    with Node(name) as node:
        equal(read(refcnt), "2", "users")
        os.close(node.fd)
        equal(read(refcnt), "2", "users: a mapping is one")
        node.fd = os.open("/dev/null", os.O_RDONLY)
        require(f"/dev/{name}" in read("/proc/self/maps"), "maps do not name the node")
    wait_until(lambda: read(refcnt) == "0", 60, "the last user to be gone")


@clean_test
def memory_survives_its_owners():
    name = devdax()
    with Node(name) as node:
        node.fill(SECRET)
    unbind("device_dax", name)
    resize(name, 0)
    delete(name)
    other = create()
    add_mapping(other, FIRST.start + 2 * MIB, 2 * MIB)
    add_mapping(other, FIRST.start, 2 * MIB)
    bind("device_dax", other)
    with Node(other) as node:
        require(node.find(SECRET) >= 0, "the memory was cleared")
        equal(node.read(2 * MIB, len(SECRET)), SECRET, "what the second range begins with")
        node.fill(b"\0")
    equal(sim.find(FIRST.start, FIRST.size, SECRET.decode()), None, "the secret after wiping")


@clean_test
def memory_is_shared_by_who_maps_it():
    name = devdax()
    with Node(name) as one, Node(name) as two:
        one.map[4096:4100] = b"here"
        equal(two.read(4096, 4), b"here", "what the other sees")


@clean_test
def memory_of_the_system_is_the_same_memory():
    name = devdax(BLOCK)
    with Node(name) as node:
        node.fill(SECRET, size=MIB)
    unbind("device_dax", name)
    to_kmem(name)
    equal(sim.find(FIRST.start, BLOCK, SECRET.decode()), FIRST.start, "where it is")
    sim.fill(FIRST.start, BLOCK, "page of a process ")
    unbind("kmem", name)
    bind("device_dax", name)
    with Node(name) as node:
        equal((node.find(SECRET), node.find(b"page of a process")), (-1, 0), "what is in it")


@clean_test
def mappings_end_with_the_driver():
    name = devdax()
    ours, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        node = Node(name)
        node.map[0:5] = b"first"
        theirs.send(b"x")
        theirs.recv(1)
        node.map[0:6] = b"second"
        os._exit(0)
    ours.recv(1)
    unbind("device_dax", name)
    equal(sim.find(FIRST.start, MIB, "first"), FIRST.start, "what was written before")
    ours.send(b"x")
    equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), -signal.SIGBUS, "how it ended")
    equal(sim.find(FIRST.start, MIB, "second"), None, "what was written behind the driver's back")


@clean_test
def iomem_tells_who_has_what():
    name = devdax()
    lines = read("/proc/iomem").splitlines()
    start, end = FIRST.start, FIRST.start + FIRST.size - 1
    named = KERNEL == "6.1"
    require("  " * named + f"{start:08x}-{end:08x} : Soft Reserved" in lines, f"no region in {lines}")
    equal(f"{start:08x}-{end:08x} : hmem.0" in lines, named, "whether it has a name")
    require(any(line.strip() == f"{start:08x}-{start + 4 * MIB - 1:08x} : {name}"
                for line in lines), f"no device in {lines}")


# --- regions ----------------------------------------------------------------------------------


@clean_test
def regions_appear_and_go():
    equal(sim.add_region("256M@0x200000000"), 2, "its id")
    equal(device_size("dax2.0"), 0, "size of its first device")
    with Events() as events:
        resize("dax2.0", 2 * MIB)
        bind("device_dax", "dax2.0")
        fd = os.open("/dev/dax2.0", os.O_RDWR)
        sim.remove_region(2)
        equal([(e["ACTION"], e["SUBSYSTEM"]) for e in events.seen()],
              [("bind", "dax"), ("unbind", "dax"), ("remove", "dax"), ("remove", "platform")],
              "events")
    os.close(fd)
    require("dax2.0" not in devices(), "its device is still there")
    equal(sim.add_region("256M@0x240000000"), 2, "the id of another")
    for start in (0x200000000, 0x240000000):
        equal(errno_of(sim.add_region, f"256M@{start:#x}"), 0 if start == 0x200000000 else EEXIST,
              f"errno of a region at {start:#x}")
    for region_id in (2, 3):
        sim.remove_region(region_id, for_good=True)


@clean_test
def a_cxl_region_has_its_shape():
    sim.add_region("256M@0x200000000,cxl,node=1,serial=0x42,serial=7")
    try:
        path = os.path.dirname(os.path.realpath(device("dax2.0")))
        require(path.endswith("ACPI0017:00/root0/decoder0.2/region2/dax_region2"), path)
        equal(os.path.basename(os.readlink(f"{path}/subsystem")), "cxl", "subsystem")
        equal(int(read(f"{path}/../resource"), 16), 0x200000000, "resource")
        for index, serial in ((0, 0x42), (1, 7)):
            decoder = read(f"{path}/../target{index}")
            equal(int(read(f"/sys/bus/cxl/devices/{decoder}/../uport/serial"), 16), serial,
                  "serial")
        require(not os.path.exists(f"{path}/../target2"), "there is a third target")
        equal(driver("dax2.0"), "device_dax" if KERNEL == "6.1" else "kmem", "driver")
        [region] = [r for r in daxctl_list() if r["id"] == 2]
        equal((region["size"], region["path"]), (256 * MIB, path.removeprefix("/sys/devices")),
              "what daxctl says")
    finally:
        sim.remove_region(2, for_good=True)


@clean_test
def a_static_region_cannot_be_changed():
    sim.add_region("256M@0x200000000,pmem")
    try:
        equal(sorted(os.listdir(regions()[2])), ["align", "id", "size"], "attributes of the region")
        equal(driver("dax2.0"), "device_dax", "driver")
        unbind("device_dax", "dax2.0")
        require(not os.path.exists(device("dax2.0", "mapping")), "it has an attribute `mapping`")
        equal(errno_of(resize, "dax2.0", 0), EACCES, "errno of a size")
        equal(device_ranges("dax2.0"), [(0x200000000, 256 * MIB)], "ranges")
        bind("device_dax", "dax2.0")
    finally:
        sim.remove_region(2, for_good=True)


@clean_test
def a_region_without_a_node_is_refused_by_kmem():
    sim.add_region("256M@0x200000000,node=-1")
    try:
        resize("dax2.0", BLOCK)
        require(not os.path.exists(device("dax2.0", "target_node")), "it has a target_node")
        new_id("kmem", "dax2.0")
        equal(errno_of(bind, "kmem", "dax2.0"), EINVAL, "errno")
        remove_id("kmem", "dax2.0")
    finally:
        sim.remove_region(2, for_good=True)


@clean_test
def a_reboot_forgets_all_but_the_memory():
    name = devdax()
    with Node(name) as node:
        node.fill(SECRET, size=MIB)
    inode = os.stat(os.path.realpath(device("dax0.0"))).st_ino
    sim.fail(EIO, times=0)
    sim.reboot(reversed_ids=True)
    equal(devices(), ["dax0.0", "dax1.0"], "devices")
    equal((region_at(FIRST), region_at(SECOND)), (1, 0), "ids of the regions")
    require(os.stat(os.path.realpath(device("dax0.0"))).st_ino != inode, "the inode is the same")
    require(int(read("/sys/kernel/uevent_seqnum")) < 1100, "events were not counted anew")
    equal(sim.find(FIRST.start, MIB, SECRET.decode()), FIRST.start, "where the secret is")
    sim.fill(FIRST.start, MIB, "\0")
    equal(create(), "dax0.1", "the first new device")


@clean_test
def a_reboot_takes_everything_from_its_driver():
    names = [create(BLOCK), create(BLOCK)]
    to_kmem(names[0])
    bind("device_dax", names[1])
    set_state(FIRST.start // BLOCK, "online_movable")
    sim.reboot()
    equal([n for d in ("kmem", "device_dax") for n in os.listdir(f"{DRIVERS}/{d}")
           if n.startswith("dax")], [], "devices of the drivers")
    equal((blocks(), devices()), ([], ["dax0.0", "dax1.0"]), "blocks, devices")


main()
