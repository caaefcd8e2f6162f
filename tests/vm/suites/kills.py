# SPDX-License-Identifier: LGPL-2.1-or-later
"""daxd and its workers are killed in turns, at random moments in the middle of transactions: each is
whole or undone afterwards, and nothing else has changed.

Needs dax_hmem.region_idle=Y. DAXD_KILLS says how often (30), DAXD_SEED repeats a run. A transaction
that has ended before anybody is killed does not count: there is another one.
"""

import grp
import random
import signal

from truth import *

FIRST, SECOND = REGIONS[:2]
KILLS = int(os.environ.get("DAXD_KILLS", "30"))
SEED = int(os.environ.get("DAXD_SEED", "0")) or int.from_bytes(os.urandom(3), "little")
chance = random.Random(SEED)

TRIES = 40
RECORDS = "/run/daxd/transactions"

UNITS = {"16M": 16 * MIB, "32M": 32 * MIB, "128M": BLOCK, "2M": 2 * MIB}
OPEN = {"group": "alice", "mode": "0640"}
PLAIN = [{"name": f"p{i}", "size": "16M", **({"access": OPEN} if i % 2 else {})} for i in range(10)]
RAM = [{"name": f"r{i}", "size": "128M", "mode": "system-ram"} for i in range(2)]
LAYOUTS = {"mixed": layout(FIRST, *PLAIN, *RAM, prune="idle"),
           "large": layout(FIRST, *({**entry, "size": "32M"} for entry in PLAIN[2:]), *RAM,
                           {"name": "q", "size": "2M", "align": 4096, "access": OPEN},
                           prune="idle")}

# --- pictures: {label: all that a transaction could have changed of the device}


def whole(ranges, mode="devdax", align=2 * MIB, memmap=False, access=(0o600, 0, 0)):
    """A device as it is when all went well: its memory blocks are online and movable."""
    blocks = sum(size for _, size in ranges) // BLOCK if mode == "system-ram" else 0
    return {"ranges": ranges, "mode": mode, "align": align, "memmap": memmap, "access": access,
            "blocks": [("online", "Movable")] * blocks}


def pictured(name, shown):
    status = os.stat(f"/dev/{name}")
    return {"ranges": shown["Ranges"], "mode": shown["Mode"], "align": shown["Align"],
            "memmap": shown["MemmapOnMemory"],
            "access": (status.st_mode & 0o777, status.st_uid, status.st_gid),
            "blocks": [(block.state, block.zones[0]) for extent in device_ranges(name)
                       for block in memory_blocks(*extent)]}


def picture():
    """Of daxd's devices, after daxd, daxctl and the kernel have been found to agree."""
    shown = {name: p for name, p in agree().items() if name != foreign.name}
    settle()
    names = {p["Label"]: f"/dev/{name}" for name, p in shown.items()}
    equal({label: os.path.realpath(f"/dev/dax/by-name/{label}")
           for label in os.listdir("/dev/dax/by-name")}, names, "links")
    return {p["Label"]: pictured(name, p) for name, p in shown.items()}


def planned(text):
    """The picture that a layout gives, as PlanLayout has it, and the plan."""
    plan = json.loads(ask(ROOT, "PlanLayout", text))
    wanted = {}
    for entry in plan["devices"]:
        after = entry["after"]
        if after and entry["label"]:
            equal(after.get("online_memblocks"), after.get("total_memblocks"), "blocks online")
            access = after.get("access")
            wanted[entry["label"]] = whole(
                [[r["offset"], r["size"]] for r in after["ranges"]], after["mode"], after["align"],
                after.get("memmap_on_memory", False),
                (int(access["mode"], 8), 0, grp.getgrnam(access["group"]).gr_gid) if access
                else (0o600, 0, 0))
    return wanted, plan


def size_of(device):
    return sum(size for _, size in device["ranges"])


def sizes(picture_):
    return {label: (size_of(device), device["mode"]) for label, device in picture_.items()}


def layout_sizes(text):
    return {entry["name"]: (UNITS[entry["size"]], entry.get("mode", "devdax"))
            for entry in json.loads(text)["devices"]}


def hole(before, size):
    """The first free place on a boundary of that size, if there is one: where things lie is for the
    test to say, so that it knows what there has to be."""
    taken = [device["ranges"] for device in before.values()]
    taken = [range_ for ranges in taken for range_ in ranges] + [[foreign_offset, foreign_size]]
    return next(([offset, size] for offset in range(0, FIRST.size, size)
                 if all(offset + size <= start or start + length <= offset
                        for start, length in taken)), None)


# --- changes: what is called, with which target, method, arguments and options, what is wanted


def apply_layout(before):
    name = chance.choice(sorted(LAYOUTS))
    wanted, plan = planned(LAYOUTS[name])
    if "refusal" in plan:
        return destroy_device(before)
    call_ = (ROOT, "ApplyLayout", LAYOUTS[name], {"expect": plan["digest"]})
    return f"layout {name}", call_, wanted


def create_device(before):
    label = f"c{len(before)}"
    mode = chance.choice(("devdax", "system-ram"))
    ranges = [hole(before, BLOCK)]
    if label in before or not ranges[0]:
        return destroy_device(before)
    return (f"create {mode}",
            (reg(FIRST), "CreateDevice", BLOCK, {"label": label, "mode": mode, "ranges": ranges}),
            {**before, label: whole(ranges, mode)})


def destroy_device(before):
    label = chance.choice(sorted(before))
    wanted = {other: device for other, device in before.items() if other != label}
    return f"destroy {label}", (label, "Destroy", {"force": True}), wanted


def resize(before):
    """Longer by one more range, or shorter."""
    label = chance.choice(sorted(label for label in before if before[label]["mode"] == "devdax"))
    ranges = before[label]["ranges"]
    more = hole(before, chance.choice((8, 32)) * MIB) if len(ranges) == 1 else None
    ranges = [*ranges, more] if more else [[ranges[0][0], 2 * MIB]]
    size = sum(size for _, size in ranges)
    return (f"resize {label} to {size}", (label, "Reconfigure", {"size": size, "ranges": ranges}),
            {**before, label: {**before[label], "ranges": ranges}})


def set_mode(before):
    labels = sorted(label for label in before if size_of(before[label]) == BLOCK)
    if not labels:
        return create_device(before)
    label = chance.choice(labels)
    device = before[label]
    mode = "devdax" if device["mode"] == "system-ram" else "system-ram"
    return (f"{label} to {mode}", (label, "SetMode", mode, {"force": True}),
            {**before, label: {**device, **{key: whole(device["ranges"], mode)[key]
                                            for key in ("mode", "blocks")}}})


def start(call_):
    """Starts it: a path or a label, a method, arguments, and options."""
    target, method, *args, options = call_
    path = target if target.startswith("/") else ask(ROOT, "GetDevice", target)
    return begin(path, method, *args, **options)


# --- killing


def has_record(pid):
    """Whether a worker is at a transaction: with the steps it is given the record, to add to it."""
    try:
        files = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return False
    return any(re.fullmatch(f"{RECORDS}/.*json", file) for file in files)


def send(number, pids):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # a child that was there to read only


def kill(who):
    """Kills who is in the middle of a transaction; returns whether there was somebody. They are
    stopped first, so that nothing comes to its end in between."""
    pids = daxd_pids(who)
    send(signal.SIGSTOP, pids)
    victims = [pid for pid in pids
               if (has_record(pid) if who == "daxd-worker" else os.listdir(RECORDS))]
    send(signal.SIGKILL, victims)
    send(signal.SIGCONT, set(pids) - set(victims))
    return bool(victims)


foreign = None
now = {}  # the picture that was seen last
foreign_offset, foreign_size = 992 * MIB, 32 * MIB
onlining = read(f"{MEMORY}/auto_online_blocks")


def require_one_of(pictures, happened):
    global now
    now = picture()
    if now in pictures:
        return
    for picture_ in pictures:
        say(f"it differs by (before, after): {difference(picture_, now)}")
    fail(f"neither whole nor undone after {happened}")


def try_to_kill(who):
    """Returns whether somebody was killed in the middle of the transaction that is begun here."""
    before = now
    changes = [apply_layout, apply_layout, create_device, set_mode, resize, destroy_device]
    what, change, wanted = chance.choice(changes if len(before) > 5 else [apply_layout])(before)
    # Each device takes at least so many that are seen here; there may be nothing to do, too.
    count = chance.randint(1, 2 * max(1, len(difference(before, wanted))))
    writes = Writes()
    call_ = start(change)
    while call_.pending() and count > 0:
        if select.select([writes.fd], [], [], 0.02)[0]:
            count -= len(writes.seen())
    writes.close()
    time.sleep(chance.random() * 0.1)
    hit = kill(who)
    happened = f"{what}, {who if hit else 'nobody'} killed"
    try:
        call_.result()
        answer, ends = "done", [wanted]
    except DBusError as error:
        answer, ends = error.short, [before] if error.short == "RolledBack" else [before, wanted]
    await_daxd()
    say(f"{happened}: {answer}")
    require_one_of(ends, f"{happened}, {answer}")
    foreign.require_untouched()
    equal(read(f"{MEMORY}/auto_online_blocks"), onlining, "auto_online_blocks")
    require_sound()
    return hit


def one_kill(who):
    require(any(try_to_kill(who) for _ in range(TRIES)), f"{who} was not hit in {TRIES} tries")


def prepare():
    global foreign, now
    say(f"seed {SEED}")
    ready()
    clean()
    foreign = Foreign(FIRST, foreign_offset, foreign_size, bind=True)
    os.open(f"/dev/{foreign.name}", os.O_RDWR)  # held, or it would be pruned as well
    ask(ROOT, "Refresh")
    apply(LAYOUTS["mixed"])
    now = picture()


def witnesses():
    """What the daxd of now has of what systemd keeps: {region's witness: how far it has been read}."""
    folder, found = f"/proc/{pid_of('daxd.service')}", {}
    for fd in os.listdir(f"{folder}/fd"):
        if os.readlink(f"{folder}/fd/{fd}").startswith("/memfd:daxd-witness"):
            found[os.stat(f"{folder}/fd/{fd}").st_ino] = read(f"{folder}/fdinfo/{fd}").split()[1]
    return found


def what_tells_of_a_create_is_kept():
    before = witnesses()
    equal(list(before.values()), ["1"], "how far witnesses have been read, once devices were made")
    old = pid_of("daxd.service")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: pid_of("daxd.service") not in (old, 0), 30, "another daxd")
    await_daxd()
    equal(witnesses(), before, "witnesses after daxd was killed")


def end():
    for text in (LAYOUTS["mixed"], LAYOUTS["large"]):
        for name in members(region_at(FIRST)):
            if name != foreign.name and device_size(name):
                ask(dev(name), "Destroy", force=True)
        wanted, _ = planned(text)
        apply(text)
        require_one_of([wanted], "applying a layout undisturbed")
        equal(sizes(now), layout_sizes(text), "what the layout made")
        equal(apply(text)["steps"], [], "steps of applying it again")
        foreign.require_untouched()
    restarts = run("systemctl", "show", "-P", "NRestarts", "daxd.service").strip()
    say(f"daxd was started again {restarts} times")
    require_sound()


if check("prepare", prepare):
    check("what_tells_of_a_create_is_kept", what_tells_of_a_create_is_kept)
    for number in range(KILLS):
        check(f"kill {number + 1}", one_kill, ("daxd", "daxd-worker")[number % 2])
    check("end", end)
main()
