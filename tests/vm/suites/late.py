# SPDX-License-Identifier: LGPL-2.1-or-later
"""A region that appears after boot, goes, and comes again.

Needs dax_hmem.region_idle=Y modprobe.blacklist=dax_hmem and layouts/main.json.
"""

from truth import *

FIRST, SECOND = REGIONS[:2]
LABELS = ["cache", "spare", "tier2"]


def labels():
    return sorted(interfaces[DEVICE]["Label"] for interfaces in managed_objects().values()
                  if DEVICE in interfaces)


def state():
    return get(object_path("layout", "main"), LAYOUT, "State")


@test
def machine_without_dax_pays_nothing():
    equal(devices() if os.path.isdir(f"{BUS}/devices") else [], [], "devices")
    equal(unit_state("daxd.service"), "inactive", "daxd.service")
    equal(daxd_pids("daxd-worker"), [], "workers")


@test
def layout_without_its_region_is_pending():
    equal(state(), "pending", "State")  # the call has started daxd
    require_same({"Region": "/", "Source": "/etc/daxd/layouts.d/main.json"},
                 get_all(object_path("layout", "main"), LAYOUT), "the layout")
    equal(labels(), [], "labels")
    equal(json.loads(ask(ROOT, "Describe") or "[]") and
          [path for path in managed_objects() if "/region/" in path], [], "regions")


@test
def layouts_target_does_not_wait_for_it_without_end():
    run("systemctl", "start", "daxd-layouts.target", timeout=45)
    equal(unit_state("daxd-layouts.target"), "active", "daxd-layouts.target")


@test
def region_that_appears_gets_its_layout():
    with Signals() as signals:
        run("modprobe", "dax_hmem")
        signals.wait("InterfacesAdded", has=lambda args: REGION in args[1], timeout=30)
        wait_until(lambda: state() == "in-sync", 60, "the layout to be in-sync")
    equal(labels(), LABELS, "labels")
    agree()
    require_sound()
    settle()
    equal(sorted(os.listdir("/dev/dax/by-name")), LABELS, "links")


def remove_regions():
    for name in [n for n in devices() if device_size(n)]:
        ask(dev(name), "SetMode", "none", force=True)
    run("modprobe", "-r", "dax_hmem")
    wait_until(lambda: not devices(), 20, "the kernel to have no device")


@test
def region_that_goes_takes_its_objects_along():
    remove_regions()
    wait_until(lambda: not any(REGION in interfaces or DEVICE in interfaces
                               for interfaces in managed_objects().values()), 20, "no objects")
    equal(state(), "pending", "State")
    settle()
    left = os.listdir("/dev/dax/by-name") if os.path.isdir("/dev/dax/by-name") else []
    equal(left, [], "links")


@test
def region_that_comes_again_is_a_fresh_one():
    run("modprobe", "dax_hmem")
    wait_until(lambda: state() == "in-sync", 60, "the layout to be in-sync")
    equal(labels(), LABELS, "labels")
    agree()
    require_sound()


# --- drivers that have to be told whom to take


def require_bystander_left_alone(driver_, change):
    """A device of others that the driver has once been told of, and does not have any more, as
    `daxctl disable-device` leaves it. Whenever the driver is told of another, it takes both."""
    folder = f"{BUS}/drivers/{driver_}"
    onlining = read(f"{MEMORY}/auto_online_blocks")
    write(f"{MEMORY}/auto_online_blocks", "offline")
    bystander = Foreign(SECOND, 256 * MIB, 2 * BLOCK)
    write(f"{folder}/new_id", bystander.name)
    equal(driver(bystander.name), driver_, "driver that was told of the bystander")
    write(f"{folder}/unbind", bystander.name)
    writes = Writes()
    change()
    require(f"{folder}/new_id" in writes.seen(), f"{driver_} did not have to be told: no test")
    bystander.require_untouched()
    equal(memory_blocks(SECOND.start + 256 * MIB, 2 * BLOCK), [], "blocks of the bystander")
    write(f"{folder}/remove_id", bystander.name)
    bystander.destroy()
    write(f"{MEMORY}/auto_online_blocks", onlining)
    agree()
    require_sound()


@test
def bystander_is_left_alone_where_regions_are_idle():
    require_bystander_left_alone("kmem", lambda: create(SECOND, BLOCK, mode="system-ram"))
    clean()


@test
def bystander_is_left_alone_where_regions_are_not_idle():
    """6.12 has kmem take what comes there, and device_dax has to be told."""
    remove_regions()
    onlining = read(f"{MEMORY}/auto_online_blocks")
    write(f"{MEMORY}/auto_online_blocks", "offline")
    run("modprobe", "dax_hmem", "region_idle=N")
    wait_until(lambda: state() == "in-sync", 60, "the layout to be in-sync")
    write(f"{MEMORY}/auto_online_blocks", onlining)
    name = f"dax{region_at(SECOND)}.0"
    ask(dev(name), "Reconfigure", mode="none", size=BLOCK)
    told, mode = ("device_dax", "devdax") if KERNEL == "6.12" else ("kmem", "system-ram")
    require_bystander_left_alone(told, lambda: ask(dev(name), "SetMode", mode))


main()
