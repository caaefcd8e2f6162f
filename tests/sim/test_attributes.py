# SPDX-License-Identifier: LGPL-2.1-or-later
"""Regions and devices: what their attributes show, take and refuse. Needs --bare --region-idle."""

from errno import *
from common import *


@clean_test
def an_idle_region_is_empty():
    path = regions()[0]
    equal(read(path + "id"), "0", "id")
    equal(int(read(path + "size")), FIRST.size, "size")
    equal(int(read(path + "align")), 2 * MIB, "align")
    equal(int(read(path + "available_size")), FIRST.size, "available_size")
    equal(read(path + "seed"), "", "seed")
    equal(read(path + "create"), "", "create")
    equal(device_size("dax0.0"), 0, "size of the first device")
    equal(driver("dax0.0"), None, "its driver")
    equal(int(read(device("dax0.0", "resource")), 16), FIRST.start, "its resource")


@clean_test
def create_hands_out_the_lowest_free_id():
    equal([create(), create(), create()], ["dax0.1", "dax0.2", "dax0.3"], "names")
    delete("dax0.2")
    equal(create(), "dax0.2", "the next name")
    for value in ("0", "2", "-1", "x", "1 1"):
        equal(errno_of(write, REGION + "create", value), EINVAL, f"errno of create={value}")
    write(REGION + "create", "0x1\n")
    equal(read(REGION + "create"), "dax0.4", "the youngest")


@clean_test
def create_is_refused_when_nothing_is_left():
    resize("dax0.0", FIRST.size)
    equal(read(REGION + "available_size"), "0", "available_size")
    equal(errno_of(write, REGION + "create", 1), ENOSPC, "errno")


@clean_test
def seed_is_the_first_and_youngest_the_last():
    first, second = create(), create()
    equal((read(REGION + "seed"), read(REGION + "create")), (first, second), "seed, youngest")
    delete(second)
    equal((read(REGION + "seed"), read(REGION + "create")), (first, ""), "after the last has gone")
    resize(first, 2 * MIB)
    bind("device_dax", first)
    equal(read(REGION + "seed"), "", "seed after it was bound")
    third = create()
    equal((read(REGION + "seed"), read(REGION + "create")), (third, third), "seed, youngest")
    resize(third, 2 * MIB)
    bind("device_dax", third)
    equal(read(REGION + "create"), third, "the youngest, bound")


@clean_test
def delete_takes_only_what_is_empty_and_free():
    name = create()
    for wrong, errno in (("dax0.0", EBUSY), ("dax0.77", ENXIO), ("dax1.0", ENXIO), ("", None),
                         ("dax0.01", ENXIO), ("x", ENXIO)):
        if errno:
            equal(errno_of(write, REGION + "delete", wrong), errno, f"errno of delete={wrong}")
    resize(name, 2 * MIB)
    equal(errno_of(delete, name), EBUSY, "errno with a size")
    bind("device_dax", name)
    equal(errno_of(delete, name), EBUSY, "errno while it is bound")
    unbind("device_dax", name)
    resize(name, 0)
    delete(name)
    require(name not in devices(), "it is still there")


@clean_test
def what_is_wrong_with_a_size_has_an_order():
    name = create()
    for value, errno in (("x", EINVAL), ("4M", EINVAL), ("", None), ("-1", EINVAL),
                         (1 << 64, ERANGE), (3 * MIB, EINVAL), (4096, EINVAL),
                         (FIRST.size + 1, EINVAL), (FIRST.size + 2 * MIB, ENOSPC)):
        if errno:
            equal(errno_of(resize, name, value), errno, f"errno of size={value}")
    resize(name, "0x400000\n")
    equal(device_size(name), 4 * MIB, "size")
    resize(name, 4 * MIB)
    bind("device_dax", name)
    for value, errno in ((3 * MIB, EINVAL), (4 * MIB, EBUSY), (FIRST.size * 2, EBUSY), (0, EBUSY)):
        equal(errno_of(resize, name, value), errno, f"errno of size={value} while it is bound")


@clean_test
def growing_takes_the_first_holes():
    a, b, c = (create(2 * MIB) for _ in range(3))
    equal([device_ranges(n) for n in (a, b, c)],
          [[(FIRST.start + i * 2 * MIB, 2 * MIB)] for i in range(3)], "ranges")
    resize(a, 0)
    # The hole before, though there is room behind.
    resize(c, 6 * MIB)
    equal(device_ranges(c), [(FIRST.start + 4 * MIB, 2 * MIB), (FIRST.start, 2 * MIB),
                             (FIRST.start + 6 * MIB, 2 * MIB)], "ranges of the one that grew")
    equal([int(read(device(c, f"mapping{i}/page_offset")), 16) for i in range(3)],
          [0, 512, 1024], "page offsets")
    # From the last range backwards.
    resize(c, 4 * MIB)
    equal(len(device_ranges(c)), 2, "ranges after it shrank")
    resize(c, 0)
    equal(device_ranges(c), [], "ranges of an empty device")
    resize(b, 2 * MIB)
    resize(b, FIRST.size)
    equal(device_ranges(b), [(FIRST.start + 2 * MIB, 2 * MIB), (FIRST.start, 2 * MIB),
                             (FIRST.start + 4 * MIB, FIRST.size - 4 * MIB)], "ranges")


@clean_test
def the_last_range_grows_in_place():
    a = create(2 * MIB)
    resize(a, 6 * MIB)
    equal(device_ranges(a), [(FIRST.start, 6 * MIB)], "ranges")
    resize(a, 4 * MIB)
    equal(device_ranges(a), [(FIRST.start, 4 * MIB)], "ranges after it shrank")


@clean_test
def mappings_keep_the_order_of_writing():
    name = create()
    for offset in (8, 2, 4):
        add_mapping(name, FIRST.start + offset * MIB, 2 * MIB)
    equal(device_ranges(name), [(FIRST.start + o * MIB, 2 * MIB) for o in (8, 2, 4)], "ranges")
    equal(int(read(device(name, "resource")), 16), FIRST.start + 8 * MIB, "resource")
    write(device(name, "mapping"), f"0x{FIRST.start:x}-0x{FIRST.start + 2 * MIB - 1:x}\n")
    equal(device_size(name), 8 * MIB, "size")
    resize(name, 4 * MIB)
    equal(device_ranges(name), [(FIRST.start + o * MIB, 2 * MIB) for o in (8, 2)], "ranges")


@clean_test
def what_is_wrong_with_a_mapping():
    name = create()
    start, end = FIRST.start, FIRST.start + FIRST.size
    add_mapping(name, start, 4 * MIB)
    for at in (start, start + 2 * MIB, end, start - 2 * MIB):
        equal(errno_of(add_mapping, name, at, 2 * MIB), ENOMEM, f"errno at {at:#x}")
    equal(errno_of(add_mapping, name, start + 4 * MIB, FIRST.size), ENOMEM, "errno beyond the end")
    for text in ("x", "1-", "-1", "100000000", "1-2-3", f"{start}+2"):
        equal(errno_of(write, device(name, "mapping"), text), EINVAL, f"errno of '{text}'")
    misaligned = errno_of(add_mapping, name, start + 8 * MIB, MIB)
    equal(misaligned, ENXIO if KERNEL == "6.1" else 0, "errno of a misaligned length")
    equal(device_size(name), 4 * MIB, "size")


@clean_test
def a_mapping_is_taken_while_a_driver_is_bound():
    name = create(2 * MIB)
    bind("device_dax", name)
    add_mapping(name, FIRST.start + 8 * MIB, 2 * MIB)
    equal(device_size(name), 4 * MIB, "size")


@clean_test
def align_is_checked_against_the_ranges():
    name = create(6 * MIB)
    for value, errno in ((4096, 0), (2 * MIB, 0), (GIB, EINVAL), (8192, EINVAL), ("x", ENXIO),
                         (0, EINVAL)):
        equal(errno_of(write, device(name, "align"), value), errno, f"errno of align={value}")
    write(device(name, "align"), 4096)
    equal(errno_of(resize, name, 4096), EINVAL, "errno of a size of one page")
    bind("device_dax", name)
    equal(errno_of(write, device(name, "align"), 4096), EBUSY, "errno while it is bound")
    equal(errno_of(write, device(name, "align"), 3), EINVAL, "errno of nonsense")
    other = create()
    write(device(other, "align"), GIB)
    equal(errno_of(resize, other, 2 * MIB), EINVAL, "errno of a size below the alignment")


@clean_test
def memmap_on_memory_needs_a_kernel_that_can():
    path = device(create(), "memmap_on_memory")
    equal(os.path.exists(path), KERNEL != "6.1", "whether there is such an attribute")
    if KERNEL == "6.1":
        return
    equal(errno_of(write, path, 1), EOPNOTSUPP, "errno of 1")
    equal(errno_of(write, path, "?"), EINVAL, "errno of nonsense")
    write(path, 0)
    equal(read(path), "0", "memmap_on_memory")


@clean_test
def the_number_of_folders_counts_devices():
    parent = os.path.dirname(REGION.rstrip("/"))
    before = os.stat(parent).st_nlink
    create()
    equal(os.stat(parent).st_nlink, before + 1, "links of the region's device")


@clean_test
def what_has_gone_is_never_met_again():
    name = create()
    path = os.path.realpath(device(name))
    folder = os.open(path, os.O_PATH | os.O_DIRECTORY)
    size = os.open("size", os.O_RDONLY, dir_fd=folder)
    inode = os.fstat(folder).st_ino
    equal(inode, next(e.inode() for e in os.scandir(os.path.dirname(path)) if e.name == name),
          "the number in the listing")
    delete(name)
    equal(create(), name, "the name of the next")
    require(os.stat(path).st_ino != inode, "it has the inode number of its predecessor")
    equal(errno_of(os.stat, "size", dir_fd=folder), ENOENT, "errno of an attribute of the old one")
    equal(errno_of(os.pread, size, 16, 0), ENODEV, "errno of reading an attribute of the old one")
    os.close(size)
    os.close(folder)


@clean_test
def permissions_are_those_of_sysfs():
    name = create()
    equal(errno_of(open, device(name, "resource"), "w"), EACCES, "errno of writing resource")
    equal(errno_of(open, device(name, "mapping"), "r"), EACCES, "errno of reading mapping")
    nobody = attempt("setpriv", "--reuid=65534", "--clear-groups", "cat", device(name, "resource"))
    require("Permission denied" in nobody.stderr, f"nobody reads it: {nobody}")
    equal(os.stat(device(name, "size")).st_size, 4096, "size of an attribute's file")


main()
