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


def case(name, error, words, path, method, *args, **options):
    """A call that is refused with `error` (or one of several) and a message that holds `words`."""
    def refusal():
        with Unchanged():
            writes = Writes()
            got = refused(error, ask, path() if callable(path) else path, method, *args, **options)
            for word in words:
                word = word() if callable(word) else word
                require(word in got.message, f"'{word}' is not in the message: {got.message}")
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
            errors = error if isinstance(error, tuple) else (error,)
            equal((got["error"].removeprefix("org.daxd1.Error.") in errors, plan["steps"]),
                  (True, []), f"whether {got} is {error}, and steps")
            for word in words:
                require(word in got["message"], f"'{word}' is not in {got['message']}")
    refusal.__name__ = "plan of a layout: " + name
    test(refusal)


@test
def some_devices_are_there():
    names["taken"] = create(FIRST, 64 * MIB, label="taken")
    names["ram"] = create(FIRST, BLOCK, mode="system-ram", label="ram")
    agree()


# --- sizes
create_case("create misaligned", "InvalidSize", ["3145728", "2097152", "4194304"], 3 * MIB)
create_case("create too large", "NoSpace", [str(2 * GIB)], 2 * GIB)
create_case("create enormous", ("NoSpace", "InvalidSize"), [str((1 << 64) - 2 * MIB)],
            (1 << 64) - 2 * MIB)
create_case("create zero", "InvalidSize", ["0"], 0)
create_case("create zero and not all", "InvalidSize", ["0"], 0, all=False)
create_case("create all with a size", ("InvalidSize", INVALID_ARGS), [str(2 * MIB)], 2 * MIB,
            all=True)
case("resize misaligned", "InvalidSize",
     [lambda: names["taken"], "3145728", "2 MiB", "use 2097152 or 4194304"],
     taken, "Resize", 3 * MIB)
case("resize zero", "InvalidSize", [lambda: names["taken"], "Destroy"], taken, "Resize", 0)
case("resize too large", "NoSpace", [lambda: names["taken"], str(2 * GIB)], taken, "Resize",
     2 * GIB)
case("resize system-ram to part of a block", ("MemoryBlockAlign", "InvalidSize"),
     [lambda: names["ram"], str(64 * MIB), str(BLOCK)], ram, "Resize", 64 * MIB, force=True)
create_case("system-ram of half a block", ("MemoryBlockAlign", "InvalidSize"),
            [str(64 * MIB), str(BLOCK)], 64 * MIB, mode="system-ram")
case("shrinking online memory without force", "MemoryOnline", [lambda: names["ram"], "force"],
     ram, "SetMode", "devdax")

# --- alignment
create_case("align unsupported", "InvalidAlign", ["8192", "4096"], 2 * MIB, align=8192)
create_case("align zero", "InvalidAlign", ["0"], 2 * MIB, align=0)
create_case("align above the size", ("InvalidAlign", "InvalidSize"), [str(GIB)], 2 * MIB, align=GIB)
case("reconfigure to an align that does not fit", ("InvalidAlign", "InvalidSize"), [str(GIB)],
     taken, "Reconfigure", align=GIB)

# --- ranges
create_case("ranges overlap", "InvalidRange", ["536870912"], 6 * MIB,
            ranges=[(512 * MIB, 4 * MIB), (514 * MIB, 2 * MIB)])
create_case("ranges of another device", ("InvalidRange", "NoSpace"), ["taken"], 2 * MIB,
            ranges=[(2 * MIB, 2 * MIB)])
create_case("range outside of the region", "InvalidRange", [str(GIB)], 2 * MIB,
            ranges=[(GIB, 2 * MIB)])
create_case("range over the end", "InvalidRange", [str(GIB - 2 * MIB)], 4 * MIB,
            ranges=[(GIB - 2 * MIB, 4 * MIB)])
create_case("range beyond 64 bits", "InvalidRange", [], 2 * MIB,
            ranges=[((1 << 64) - 2 * MIB, 4 * MIB)])
create_case("range misaligned", ("InvalidRange", "InvalidAlign"), [str(512 * MIB + 4096)], 2 * MIB,
            ranges=[(512 * MIB + 4096, 2 * MIB)])
create_case("range of size 0", "InvalidRange", [], 2 * MIB, ranges=[(512 * MIB, 0)])
create_case("no ranges", ("InvalidRange", "InvalidSize"), [], 0, ranges=[])
create_case("ranges and another size", ("InvalidRange", "InvalidSize"), [str(4 * MIB)], 4 * MIB,
            ranges=[(512 * MIB, 2 * MIB)])
create_case("ranges without a size", "InvalidSize", [str(2 * MIB)], 0,
            ranges=[(512 * MIB, 2 * MIB)])
create_case("system-ram ranges off the blocks", ("MemoryBlockAlign", "InvalidRange"), [str(BLOCK)],
            BLOCK, mode="system-ram", ranges=[(512 * MIB + 2 * MIB, BLOCK)])

# --- options
create_case("unknown option", INVALID_ARGS, ["colour"], 2 * MIB, colour="blue")
create_case("option of a wrong type", INVALID_ARGS, ["label"], 2 * MIB, label=5)
create_case("option of another method", INVALID_ARGS, ["dry-run"], 2 * MIB, dry_run=True)
create_case("unknown mode", "InvalidMode", ["famfs", "devdax", "system-ram"], 2 * MIB, mode="famfs")
create_case("empty mode", "InvalidMode", ["devdax"], 2 * MIB, mode="")
create_case("unknown policy", (INVALID_ARGS, "InvalidMode"), ["sideways", "movable"], BLOCK,
            mode="system-ram", online="sideways")
create_case("policy for devdax", (INVALID_ARGS, "InvalidMode"), ["online"], 2 * MIB,
            online="movable")
case("SetMode unknown", "InvalidMode", ["ram", "system-ram"], taken, "SetMode", "ram")
case("OnlineMemory unknown", (INVALID_ARGS, "InvalidMode"), ["upwards", "movable", "kernel"],
     ram, "OnlineMemory", "upwards")
case("OnlineMemory of devdax", ("InvalidMode", "NotSupported"), [lambda: names["taken"], "devdax"],
     taken, "OnlineMemory", "movable")
case("OfflineMemory of devdax", ("InvalidMode", "NotSupported"), [lambda: names["taken"], "devdax"],
     taken, "OfflineMemory")
for method in ("Destroy", "GetHolders", "OfflineMemory", "Reconfigure"):
    case(f"{method} with an unknown option", INVALID_ARGS, ["x-y"], taken, method, x_y=1)
for method in ("Describe", "Refresh", "Reload", "Reconcile"):
    case(f"{method} with an unknown option", INVALID_ARGS, ["x-y"], ROOT, method, x_y=1)

# --- labels
for what, label in {"slash": "a/b", "newline": "a\nb", "escape": "a\x1b[31m", "upper case": "Abc",
                    "device": "dax0.1", "device number": "0.1", "all": "all", "dots": "..",
                    "dash first": "-a", "too long": "a" * 64, "space": "a b", "umlaut": "\u00e4",
                    "bidirectional": "a\u202eb", "percent": "a%sb", "quote": 'a"b'}.items():
    create_case(f"label: {what}", "InvalidLabel", [], 2 * MIB, label=label)
case("SetLabel invalid", "InvalidLabel", ["a/b"], ram, "SetLabel", "a/b")
create_case("label taken", "LabelInUse", ["taken", lambda: names["taken"]], 2 * MIB, label="taken")
case("SetLabel taken", "LabelInUse", ["taken", lambda: names["taken"]], ram, "SetLabel", "taken")
case("label taken in another region", "LabelInUse", ["taken"], lambda: reg(SECOND), "CreateDevice",
     2 * MIB, label="taken")

# --- who is not there
case("GetDevice unknown", "NoSuchDevice", ["dax9.9"], ROOT, "GetDevice", "dax9.9")
case("GetDevice empty", "NoSuchDevice", [], ROOT, "GetDevice", "")
case("GetRegion unknown", "NoSuchRegion", ["4711"], ROOT, "GetRegion", 4711)
case("object unknown", UNKNOWN_OBJECT, [], dev("dax9.9"), "Destroy")
case("layout unknown", UNKNOWN_OBJECT, [], object_path("layout", "nobody"), "GetContent")
case("wrong incarnation", "NoSuchDevice", [lambda: names["taken"]], taken, "Destroy",
     incarnation=1)

# --- layouts
layout_case("no JSON", "InvalidLayout", [], "size: big")
layout_case("empty", "InvalidLayout", [], "")
layout_case("single quotes", "InvalidLayout", [], layout(SECOND, ENTRY).replace('"', "'"))
layout_case("NaN", "InvalidLayout", [], layout(SECOND, {"name": "e", "size": float("nan")}))
layout_case("trailing text", "InvalidLayout", [], layout(SECOND, ENTRY) + "x")
layout_case("unknown key", "InvalidLayout", ["colour"], layout(SECOND, ENTRY, colour="blue"))
layout_case("unknown device key", "InvalidLayout", ["devices[0]", "colour"],
            layout(SECOND, {**ENTRY, "colour": 1}))
layout_case("repeated key", "InvalidLayout", ["size"],
            layout(SECOND, ENTRY).replace('"size": "2M"', '"size": "2M", "size": "4M"'))
layout_case("repeated name", "InvalidLayout", ["devices[1]"], layout(SECOND, ENTRY, ENTRY))
layout_case("above 2^64", "InvalidLayout", ["devices[0].size", "2^64"],
            layout(SECOND, {"name": "e", "size": (1 << 64) + 1}))
layout_case("wrong type", "InvalidLayout", ["devices[0].mode"], layout(SECOND, {**ENTRY, "mode": 1}))
layout_case("unknown mode", "InvalidLayout", ["famfs", "devdax"],
            layout(SECOND, {**ENTRY, "mode": "famfs"}))
layout_case("no version", "InvalidLayout", ["version"],
            layout(SECOND, ENTRY).replace('"version": 1, ', ""))
layout_case("another version", "InvalidLayout", ["version", "2"], layout(SECOND, ENTRY, version=2))
layout_case("no region", "InvalidLayout", ["region"], '{"version": 1, "devices": []}')
layout_case("two rests", "InvalidLayout", ["rest"],
            layout(SECOND, {"name": "a", "size": "rest"}, {"name": "b", "size": "rest"}))
layout_case("unknown group", "InvalidLayout", ["nobodys"],
            layout(SECOND, {**ENTRY, "access": {"group": "nobodys"}}))
layout_case("name of a device", "InvalidLayout", ["dax0.1"],
            layout(SECOND, {"name": "dax0.1", "size": "2M"}))
refusal_case("name taken in another region", "LabelInUse", ["taken"],
            layout(SECOND, {"name": "taken", "size": "2M"}))
refusal_case("does not fit", "NoSpace", [str(GIB), str(SECOND.size)],
             layout(SECOND, {"name": "big", "size": "1G"}))
refusal_case("sum does not fit", "NoSpace", [str(SECOND.size)],
            layout(SECOND, {"name": "a", "size": "60%"}, {"name": "b", "size": "60%"}))
refusal_case("rounded to nothing", ("InvalidSize", "MemoryBlockAlign"), ["e"],
            layout(SECOND, {"name": "e", "size": "1M"}))
layout_case("fits no region", "NoSuchRegion", ["0x900000000"], layout(Extent(9 << 32, GIB), ENTRY))
layout_case("fits several regions", "AmbiguousLayout", [],
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
    error = refused("NoSuchDevice", ask, dev(name), "Resize", 2 * MIB)
    require(name in error.message, error.message)
    refused(UNKNOWN_OBJECT, ask, dev(name), "Resize", 2 * MIB)
    agree()


@test
def full_region():
    clean(SECOND)
    name = create(SECOND, 0, all=True)
    with Unchanged():
        for options in ({}, {"all": True}):
            error = refused("NoSpace", create, SECOND, 0 if options else 2 * MIB, **options)
            require(reg(SECOND)[-1] in error.message, error.message)
        refused("NoSpace", ask, dev(name), "Resize", GIB)


@test
def space_in_pieces():
    """System RAM needs whole blocks: half blocks are enough in sum only."""
    clean(SECOND)
    for i in range(4):
        create(SECOND, 64 * MIB, ranges=[(i * BLOCK + 32 * MIB, 64 * MIB)])
    with Unchanged():
        error = refused("Fragmented", create, SECOND, BLOCK, mode="system-ram")
        require(str(BLOCK) in error.message, error.message)


@test
def static_region():
    [namespace] = [n for n in os.listdir("/sys/bus/nd/devices") if n.startswith("namespace")]
    run("ndctl", "create-namespace", "-f", "-e", namespace, "-m", "devdax", "--map=mem")
    settle()
    ask(ROOT, "Refresh")
    pmem = next(i for i, path in regions().items() if not os.path.exists(path + "create"))
    path, name = object_path("region", pmem), f"dax{pmem}.0"
    require_same({"Static": True, "Kind": "pmem"}, get_all(path, REGION), "the region")
    with Unchanged():
        for result in (refused("StaticRegion", ask, path, "CreateDevice", 2 * MIB),
                       refused("StaticRegion", ask, dev(name), "Resize", 2 * MIB),
                       refused("StaticRegion", ask, dev(name), "Destroy")):
            require("ndctl" in result.message or "static" in result.message, result.message)


@test
def daxd_is_alive_and_everything_is_as_before():
    equal(sorted(p["Label"] for p in agree().values() if p["Label"]), ["ram", "taken"], "labels")
    require_sound()
    clean()


ready()
main()
