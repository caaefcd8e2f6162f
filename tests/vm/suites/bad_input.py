# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot be done is refused by name, with what was attempted, the value and what to do, before
anything is written: the kernel and daxd's files are as before.

Needs dax_hmem.region_idle=Y and --pmem 256M@0x180000000 for a static region.
"""

from truth import *

FIRST, SECOND = REGIONS[:2]
ENTRY = {"name": "e", "size": "2M"}
names = {}


def region():
    return reg(FIRST)


def taken():
    return dev(names["taken"])


def ram():
    return dev(names["ram"])


def require_words(words, message):
    for word in words:
        word = word() if callable(word) else word
        require(word in message, f"'{word}' is not in the message: {message}")


def case(name, error, words, path, method, *args, **options):
    """A call that is refused with `error` and a message that holds `words`: what was attempted, the
    value, why, and what to do."""
    def refusal():
        with Unchanged():
            writes = Writes()
            got = refused(error, ask, path() if callable(path) else path, method, *args, **options)
            require_words(words, got.message)
            equal(writes.seen(), [], "files written")
            writes.close()
    refusal.__name__ = name
    test(refusal)


def create_case(name, error, words, size, **options):
    case(name, error, words, region, "CreateDevice", size, **options)


def layout_case(name, error, words, text):
    case(f"layout: {name}", error, words, ROOT, "ApplyLayout", text)
    case(f"plan of a layout: {name}", error, words, ROOT, "PlanLayout", text)


def refusal_case(name, error, words, text):
    """A layout that is right in itself: the plan of it is no error, it tells why."""
    case(f"layout: {name}", error, words, ROOT, "ApplyLayout", text)

    def refusal():
        with Unchanged():
            plan = json.loads(ask(ROOT, "PlanLayout", text))
            got = plan["refusal"]
            equal((got["error"], plan["steps"]), (error, []), "the refusal's error, and steps")
            require_words(words, got["message"])
    refusal.__name__ = "plan of a layout: " + name
    test(refusal)


@test
def some_devices_are_there():
    names["taken"] = create(FIRST, 64 * MIB, label="taken")
    names["ram"] = create(FIRST, BLOCK, mode="system-ram", label="ram")
    agree()


# --- sizes
ZERO = ["cannot create a device of 0 bytes", "above 0", "all that is available"]
create_case("create misaligned", "InvalidSize",
            ["cannot create", "3145728", "not a multiple of the 2 MiB alignment",
             "use 2097152 or 4194304"], 3 * MIB)
create_case("create too large", "NoSpace",
            ["cannot create", str(2 * GIB), f"has {FIRST.size} in all"], 2 * GIB)
create_case("create enormous", "NoSpace",
            ["cannot create", str((1 << 64) - 2 * MIB), f"has {FIRST.size} in all"],
            (1 << 64) - 2 * MIB)
create_case("create zero", "InvalidSize", ZERO, 0)
create_case("create zero and not all", "InvalidSize", ZERO, 0, all=False)
create_case("create all with a size", "InvalidSize",
            ["cannot create", str(2 * MIB), "everything", "give the size 0"], 2 * MIB, all=True)
case("resize misaligned", "InvalidSize",
     ["cannot resize", lambda: names["taken"], "3145728", "2 MiB", "use 2097152 or 4194304"],
     taken, "Resize", 3 * MIB)
case("resize zero", "InvalidSize",
     ["cannot resize", lambda: names["taken"], "to 0 bytes", "use Destroy"], taken, "Resize", 0)
case("resize too large", "NoSpace",
     ["cannot resize", lambda: names["taken"], str(2 * GIB), f"has {FIRST.size} in all"],
     taken, "Resize", 2 * GIB)
case("resize system-ram to part of a block", "MemoryBlockAlign",
     ["cannot resize", lambda: names["ram"], str(64 * MIB), "128 MiB memory blocks",
      f"use {BLOCK}"], ram, "Resize", 64 * MIB, force=True)
create_case("system-ram of half a block", "MemoryBlockAlign",
            ["cannot create", str(64 * MIB), "128 MiB memory blocks", f"use {BLOCK}"], 64 * MIB,
            mode="system-ram")
case("shrinking online memory without force", "MemoryOnline",
     ["cannot change", lambda: names["ram"], "1 of its 1 memory blocks", "offline first", "force"],
     ram, "SetMode", "devdax")

# --- alignment
ALIGNS = "offers 4096 2097152 1073741824"
create_case("align unsupported", "InvalidAlign", ["cannot align", "8192", ALIGNS], 2 * MIB,
            align=8192)
create_case("align zero", "InvalidAlign", ["cannot align", "to 0:", ALIGNS], 2 * MIB, align=0)
create_case("align above the size", "InvalidSize",
            ["cannot create", str(2 * MIB), "the 1 GiB alignment", f"use {GIB}"], 2 * MIB,
            align=GIB)
case("reconfigure to an align that does not fit", "InvalidAlign",
     ["cannot align", lambda: names["taken"], str(GIB), str(64 * MIB), "does not fit"],
     taken, "Reconfigure", align=GIB)

# --- ranges
create_case("ranges overlap", "InvalidRange",
            ["cannot take the range 538968064+2097152", "overlaps the range 536870912+4194304",
             "give ranges that do not"],
            6 * MIB, ranges=[(512 * MIB, 4 * MIB), (514 * MIB, 2 * MIB)])
create_case("ranges of another device", "InvalidRange",
            ["cannot place", "2097152+2097152",
             lambda: "{} (taken) has part of it, {}+{}".format(
                 names["taken"], *get(taken(), DEVICE, "Ranges")[0]),
             "FreeExtents", "daxdctl list -R"], 2 * MIB,
            ranges=[(2 * MIB, 2 * MIB)])
create_case("range outside of the region", "InvalidRange",
            ["cannot place", f"{GIB}+2097152", f"ends at {GIB}"], 2 * MIB, ranges=[(GIB, 2 * MIB)])
create_case("range over the end", "InvalidRange",
            ["cannot place", f"{GIB - 2 * MIB}+4194304", f"ends at {GIB}"], 4 * MIB,
            ranges=[(GIB - 2 * MIB, 4 * MIB)])
create_case("range beyond 64 bits", "InvalidRange",
            ["cannot take the range", f"{(1 << 64) - 2 * MIB}+4194304",
             "give an offset in the region"], 2 * MIB, ranges=[((1 << 64) - 2 * MIB, 4 * MIB)])
create_case("range misaligned", "InvalidRange",
            ["cannot place", f"{512 * MIB + 4096}+2097152", "multiples of 2 MiB"], 2 * MIB,
            ranges=[(512 * MIB + 4096, 2 * MIB)])
create_case("range of size 0", "InvalidRange",
            ["cannot take the range", f"{512 * MIB}+0", "a size above 0"], 2 * MIB,
            ranges=[(512 * MIB, 0)])
create_case("no ranges", "InvalidSize", ZERO, 0, ranges=[])
create_case("ranges and another size", "InvalidSize",
            ["cannot create", str(4 * MIB), f"its ranges are {2 * MIB} together"], 4 * MIB,
            ranges=[(512 * MIB, 2 * MIB)])
create_case("ranges without a size", "InvalidSize",
            ["cannot create", f"its ranges are {2 * MIB} together", "give that as its size"], 0,
            ranges=[(512 * MIB, 2 * MIB)])
create_case("system-ram ranges off the blocks", "MemoryBlockAlign",
            ["system-ram", "whole memory block", str(BLOCK), "on a block boundary"], BLOCK,
            mode="system-ram", ranges=[(512 * MIB + 2 * MIB, BLOCK)])

# --- options
MODES, KNOWN = "use devdax, system-ram or none", "Features lists what there is"
create_case("unknown option", INVALID_ARGS, ["no option 'colour'", KNOWN], 2 * MIB, colour="blue")
create_case("option of a wrong type", INVALID_ARGS, ["'label'", "type s, not t"], 2 * MIB, label=5)
create_case("option of another method", INVALID_ARGS, ["no option 'dry-run'", KNOWN], 2 * MIB,
            dry_run=True)
create_case("unknown mode", "InvalidMode", ["cannot take the mode 'famfs'", MODES], 2 * MIB,
            mode="famfs")
create_case("empty mode", "InvalidMode", ["cannot take the mode ''", MODES], 2 * MIB, mode="")
create_case("unknown policy", "InvalidMode",
            ["online 'sideways'", "use movable, kernel or offline"], BLOCK, mode="system-ram",
            online="sideways")
create_case("policy for devdax", "InvalidMode",
            ["cannot bring memory of a devdax device online", "only system-ram"], 2 * MIB,
            online="movable")
create_case("memmap-on-memory where it is not switched on", "NotSupported",
            ["cannot set memmap-on-memory", "does not offer it",
             "memory_hotplug.memmap_on_memory=Y"], BLOCK, mode="system-ram", memmap_on_memory=True)
case("SetMode unknown", "InvalidMode", ["cannot take the mode 'ram'", MODES], taken, "SetMode",
     "ram")
case("OnlineMemory unknown", "InvalidMode", ["the policy 'upwards'", "use movable or kernel"],
     ram, "OnlineMemory", "upwards")
for method, *policy in (("OnlineMemory", "movable"), ("OfflineMemory",)):
    case(f"{method} of devdax", "InvalidMode",
         ["cannot bring memory", lambda: names["taken"], "it is devdax", "SetMode"], taken, method,
         *policy)
for method in ("Destroy", "GetHolders", "OfflineMemory", "Reconfigure"):
    case(f"{method} with an unknown option", INVALID_ARGS, ["no option 'x-y'", KNOWN], taken,
         method, x_y=1)
for method in ("Describe", "Refresh", "Reload", "Reconcile"):
    case(f"{method} with an unknown option", INVALID_ARGS, ["no option 'x-y'", KNOWN], ROOT,
         method, x_y=1)

# --- labels
RULE = ["up to 63 of a-z, 0-9, '.', '_' and '-'", "beginning with a letter or digit",
        "nothing that reads as a device's name or 'all'"]
for what, label, *shown in (("slash", "a/b"), ("newline", "a\nb", r"a\x0ab"),
                            ("escape", "a\x1b[31m", r"a\x1b[31m"), ("upper case", "Abc"),
                            ("device", "dax0.1"), ("device number", "0.1"), ("all", "all"),
                            ("dots", ".."), ("dash first", "-a"), ("too long", "a" * 64),
                            ("space", "a b"), ("umlaut", "\u00e4"),
                            ("bidirectional", "a\u202eb", r"a\xe2\x80\xaeb"),
                            ("percent", "a%sb"), ("quote", 'a"b')):
    create_case(f"label: {what}", "InvalidLabel",
                [f"cannot take the label '{(shown or [label])[0]}'", *RULE], 2 * MIB, label=label)
case("SetLabel invalid", "InvalidLabel", ["cannot take the label 'a/b'", *RULE], ram, "SetLabel",
     "a/b")
IN_USE = ["cannot label the new device taken", lambda: f"{names['taken']} has this label",
          "use another"]
create_case("label taken", "LabelInUse", IN_USE, 2 * MIB, label="taken")
case("SetLabel taken", "LabelInUse",
     [lambda: f"cannot label {names['ram']} taken", *IN_USE[1:]], ram, "SetLabel", "taken")
case("label taken in another region", "LabelInUse", IN_USE, lambda: reg(SECOND), "CreateDevice",
     2 * MIB, label="taken")

# --- who is not there
DEVICES = "'daxdctl list' or GetManagedObjects shows the devices"
case("GetDevice unknown", "NoSuchDevice", ["cannot get 'dax9.9'", "no device has", DEVICES], ROOT,
     "GetDevice", "dax9.9")
case("GetDevice empty", "NoSuchDevice", ["cannot get ''", "no device has", DEVICES], ROOT,
     "GetDevice", "")
case("GetRegion unknown", "NoSuchRegion",
     ["cannot get region 4711", "'daxdctl list -R' or GetManagedObjects shows the regions"], ROOT,
     "GetRegion", 4711)
case("object unknown", UNKNOWN_OBJECT, [dev("dax9.9")], dev("dax9.9"), "Destroy")
case("layout unknown", UNKNOWN_OBJECT, ["nobody"], object_path("layout", "nobody"), "GetContent")
case("wrong incarnation", "NoSuchDevice",
     [lambda: f"cannot call Destroy of {names['taken']}", "incarnation 1 is not there any more",
      "means another", lambda: f"incarnation {get(taken(), DEVICE, 'Incarnation')}", DEVICES],
     taken, "Destroy", incarnation=1)


# --- layouts
def bad_layout_case(name, where, expected, text):
    """What is no layout: told are the place in it, and what was expected there."""
    layout_case(name, "InvalidLayout", ["cannot read the layout: " + where, expected], text)


bad_layout_case("no JSON", "line 1, column 1:", "expected '{', found 's'", "size: big")
bad_layout_case("empty", "line 1, column 1:", "expected '{', found the end of the text", "")
bad_layout_case("single quotes", "line 1, column 2:", "expected a key in double quotes, found '''",
                layout(SECOND, ENTRY).replace('"', "'"))
bad_layout_case("NaN", "line 1, column ", "devices[0].size: expected a value, found 'N'",
                layout(SECOND, {"name": "e", "size": float("nan")}))
bad_layout_case("trailing text", "line 1, column ", "expected nothing more, found 'x'",
                layout(SECOND, ENTRY) + "x")
bad_layout_case("unknown key", "colour:",
                "expected one of: version, region, enforce, prune, devices",
                layout(SECOND, ENTRY, colour="blue"))
bad_layout_case("unknown device key", "devices[0].colour:",
                "expected one of: name, size, align, mode, online, memmap-on-memory, ranges, "
                "access, wipe", layout(SECOND, {**ENTRY, "colour": 1}))
bad_layout_case("repeated key", "line 1, column ", "devices[0].size: this key stands here twice",
                layout(SECOND, ENTRY).replace('"size": "2M"', '"size": "2M", "size": "4M"'))
bad_layout_case("repeated name", "devices[1].name:", 'the name "e" is that of devices[0] already',
                layout(SECOND, ENTRY, ENTRY))
bad_layout_case("above 2^64", "line 1, column ",
                "devices[0].size: the number 18446744073709551617 is above 2^64 - 1",
                layout(SECOND, {"name": "e", "size": (1 << 64) + 1}))
bad_layout_case("wrong type", "devices[0].mode:",
                'expected "devdax", "system-ram" or "none", found 1',
                layout(SECOND, {**ENTRY, "mode": 1}))
bad_layout_case("unknown mode", "devices[0].mode:",
                'expected "devdax", "system-ram" or "none", found "famfs"',
                layout(SECOND, {**ENTRY, "mode": "famfs"}))
bad_layout_case("no version", "", 'the key "version" is missing',
                layout(SECOND, ENTRY).replace('"version": 1, ', ""))
bad_layout_case("another version", "version:", "expected 1, the version of layouts",
                layout(SECOND, ENTRY, version=2))
bad_layout_case("no region", "", 'the key "region" is missing', '{"version": 1, "devices": []}')
bad_layout_case("two rests", "devices[1].size:", 'only one device can have the "rest"',
                layout(SECOND, {"name": "a", "size": "rest"}, {"name": "b", "size": "rest"}))
bad_layout_case("unknown group", "devices[0].access.group:",
                'expected a group that there is here, found "nobodys"',
                layout(SECOND, {**ENTRY, "access": {"group": "nobodys"}}))
bad_layout_case("name of a device", "devices[0].name:", 'nor reads as a device, found "dax0.1"',
                layout(SECOND, {"name": "dax0.1", "size": "2M"}))
refusal_case("name taken in another region", "LabelInUse",
             ["cannot label", "taken", "of another region has this label"],
             layout(SECOND, {"name": "taken", "size": "2M"}))
refusal_case("does not fit", "NoSpace",
             ["cannot apply", f"need {GIB} bytes", f"the region has {SECOND.size}",
              'make the devices smaller, "big" first'],
             layout(SECOND, {"name": "big", "size": "1G"}))
refusal_case("sum does not fit", "NoSpace",
             ["cannot apply", f"the region has {SECOND.size}",
              'make the devices smaller, "b" first'],
             layout(SECOND, {"name": "a", "size": "60%"}, {"name": "b", "size": "60%"}))
refusal_case("rounded to nothing", "InvalidSize",
             ["cannot apply", f'nothing is left of the {MIB} bytes of device "e"',
              "multiples of 2 MiB", "make it at least so large"],
             layout(SECOND, {"name": "e", "size": "1M"}))
layout_case("fits no region", "NoSuchRegion",
            ["cannot apply the layout", "start 0x900000000", f"size {GIB}", "daxdctl list -R"],
            layout(Extent(9 << 32, GIB), ENTRY))
layout_case("fits several regions", "AmbiguousLayout",
            ["the layout is not applied", "its region keys (kind)",
             lambda: " and ".join(f"region {region_at(extent)}" for extent in REGIONS),
             "add keys, such as start and size"],
            json.dumps({"version": 1, "region": {"kind": "hmem"}, "devices": [ENTRY]}))


@test
def layout_of_more_than_a_mebibyte():
    with Unchanged():
        # In one word of a command line there is no room for it: read by daxd from its folder.
        path = "/run/daxd/layouts.d/large.json"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(layout(SECOND, ENTRY) + " " * MIB)
        ask(ROOT, "Reload")
        equal(get(reg(SECOND), REGION, "State"), "unmanaged", "State of the region")
        require("large.json" in journal("daxd.service"), "the journal does not name the file")
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
        ask(ROOT, "Reload")


@test
def bad_files_do_no_harm():
    """In the folder: what is wrong with each is said, and the good one beside them counts."""
    folder = "/run/daxd/layouts.d"
    os.makedirs(folder)
    files = {"a-broken": "{", "b-writable": layout(FIRST), "c-twin": layout(FIRST),
             "d-twin": layout(FIRST), "z-good": layout(SECOND, ENTRY)}
    for name, text in files.items():
        with open(f"{folder}/{name}.json", "w") as file:
            file.write(text)
    os.chmod(f"{folder}/b-writable.json", 0o666)
    os.symlink("/dev/zero", f"{folder}/e-zero.json")
    os.mkfifo(f"{folder}/f-fifo.json")
    before = kernel_state()
    ask(ROOT, "Reload")
    log = journal("daxd.service")
    for name in ("a-broken", "b-writable", "e-zero", "f-fifo"):
        require(f"{name}.json" in log, f"the journal says nothing of {name}.json")
    equal(get(reg(SECOND), REGION, "Layout"), "z-good", "Layout of the second region")
    wait_until(lambda: get(reg(SECOND), REGION, "State") == "in-sync", 30, "z-good to be applied")
    equal([(p["Label"], p["Size"], p["Mode"]) for p in agree().values()
           if p["Region"] == reg(SECOND)], [("e", 2 * MIB, "devdax")], "devices of z-good")
    # Two for one region: it is left alone.
    equal(get(object_path("layout", "c-twin"), LAYOUT, "State"), "failed", "State of c-twin")
    ask(ROOT, "Reconcile")
    equal([value for key, value in difference(before, kernel_state()).items()
           if key.startswith(f"dax{region_at(FIRST)}.")], [], "what changed in the first region")
    for name in os.listdir(folder):
        os.unlink(f"{folder}/{name}")
    os.rmdir(folder)
    ask(ROOT, "Reload")


@test
def device_that_vanished():
    """A foreign agent emptied it, which no event tells."""
    clean(SECOND)
    name = create(SECOND, 4 * MIB, mode="none")
    write(device(name, "size"), 0)
    with Unchanged("/run/daxd/owners"):  # there daxd notes whose the memory was
        writes = Writes()
        error = refused("NoSuchDevice", ask, dev(name), "Resize", 2 * MIB)
        equal(writes.seen(), [], "files written")
        writes.close()
    require_words([f"cannot change {name}", "not there any more", DEVICES], error.message)
    with Unchanged():
        error = refused(UNKNOWN_OBJECT, ask, dev(name), "Resize", 2 * MIB)
        require_words([dev(name)], error.message)
        error = refused("NoSuchDevice", ask, ROOT, "GetDevice", name)
        require_words([f"cannot get '{name}'", "empty (size 0)", DEVICES], error.message)
    agree()


# --- regions that have nothing to give
def second():
    return reg(SECOND)


@test
def a_region_is_full():
    clean(SECOND)
    names["whole"] = create(SECOND, 0, all=True)


case("create in a full region", "NoSpace",
     [lambda: f"cannot give a new device {2 * MIB} bytes of region {region_at(SECOND)}",
      f"lacks {2 * MIB} more", "make the device smaller or free some first"],
     second, "CreateDevice", 2 * MIB)
case("create all in a full region", "NoSpace",
     [lambda: f"cannot create a device in region {region_at(SECOND)}: it is full",
      "make another device smaller or destroy one first"], second, "CreateDevice", 0, all=True)
case("resize in a full region", "NoSpace",
     [lambda: f"cannot resize {names['whole']} to {GIB} bytes", f"has {SECOND.size} in all"],
     lambda: dev(names["whole"]), "Resize", GIB)


@test
def a_region_is_free_in_pieces():
    """System RAM needs whole blocks: half blocks are enough in sum only."""
    clean(SECOND)
    for i in range(4):
        create(SECOND, 64 * MIB, ranges=[(i * BLOCK + 32 * MIB, 64 * MIB)])


case("create where space is in pieces", "Fragmented",
     [f"cannot give a new device {BLOCK} bytes", "enough is free but not in pieces of 128 MiB",
      "make the device smaller or move others first"], second, "CreateDevice", BLOCK,
     mode="system-ram")


@test
def a_region_is_static():
    [namespace] = [n for n in os.listdir("/sys/bus/nd/devices") if n.startswith("namespace")]
    run("ndctl", "create-namespace", "-f", "-e", namespace, "-m", "devdax", "--map=mem")
    settle()
    ask(ROOT, "Refresh")
    pmem = next(i for i, path in regions().items() if not os.path.exists(path + "create"))
    require_same({"Static": True, "Kind": "pmem"}, get_all(object_path("region", pmem), REGION),
                 "the region")
    names["pmem"] = pmem


STATIC = [lambda: f"region {names['pmem']}: it is static", "(pmem)",
          "ndctl makes its namespace anew"]
case("create in a static region", "StaticRegion", STATIC,
     lambda: object_path("region", names["pmem"]), "CreateDevice", 2 * MIB)


def static():
    return dev(f"dax{names['pmem']}.0")


for method, *size in (("Resize", 2 * MIB), ("Destroy",)):
    case(f"{method} in a static region", "StaticRegion", STATIC, static, method, *size)
case("Reconfigure in a static region", "StaticRegion", STATIC, static, "Reconfigure", mode="none",
     align=4096)
case("SetMode unknown in a static region", "InvalidMode", ["cannot take the mode 'famfs'", MODES],
     static, "SetMode", "famfs")
refusal_case("splits a static region", "StaticRegion",
             ["cannot apply", STATIC[0], "neither made, resized, realigned nor removed",
              "let one device have all of it"],
             json.dumps({"version": 1, "region": {"kind": "pmem"}, "devices": [ENTRY]}))


@test
def of_a_static_region_just_the_mode_can_be_changed():
    before, name = kernel_state(), name_of(static())
    for mode, bound_to in (("none", None), ("devdax", "device_dax")):
        ask(static(), "SetMode", mode)
        equal((driver(name), get(static(), DEVICE, "Mode")), (bound_to, mode), f"{name} as {mode}")
    equal(difference(before, kernel_state()), {}, "what changed (before, after)")


@test
def daxd_is_alive_and_everything_is_as_before():
    equal(sorted(p["Label"] for p in agree().values() if p["Label"]), ["ram", "taken"], "labels")
    require_sound()
    clean()


ready()
main()
