# SPDX-License-Identifier: LGPL-2.1-or-later
"""daxd and its workers are killed at random moments in the middle of transactions: each is whole or
undone afterwards, and nothing else has changed.

Needs dax_hmem.region_idle=Y. DAXD_KILLS says how often (30), DAXD_SEED repeats a run.
"""

import random

from truth import *

FIRST, SECOND = REGIONS[:2]
KILLS = int(os.environ.get("DAXD_KILLS", "30"))
SEED = int(os.environ.get("DAXD_SEED", "0")) or int.from_bytes(os.urandom(3), "little")
chance = random.Random(SEED)

PLAIN = [{"name": f"p{i}", "size": "16M"} for i in range(10)]
RAM = [{"name": f"r{i}", "size": "128M", "mode": "system-ram"} for i in range(2)]
LAYOUTS = {"mixed": layout(FIRST, *PLAIN, *RAM, prune="idle"),
           "large": layout(FIRST, *({**entry, "size": "32M"} for entry in PLAIN[2:]), *RAM,
                           {"name": "q", "size": "2M", "align": 4096}, prune="idle")}


def picture():
    """What transactions change: {label: (size, mode, ranges, online blocks)}, of daxd's devices."""
    return {p["Label"] or name: (p["Size"], p["Mode"], p["Ranges"], p["OnlineBlocks"])
            for name, p in agree().items() if name != foreign.name}


def sizes(pictured):
    return {label: value[:2] for label, value in pictured.items()}


def layout_sizes(text):
    units = {"16M": 16 * MIB, "32M": 32 * MIB, "128M": BLOCK, "2M": 2 * MIB}
    return {entry["name"]: (units[entry["size"]], entry.get("mode", "devdax"))
            for entry in json.loads(text)["devices"]}


def apply_layout(before):
    name = chance.choice(sorted(LAYOUTS))
    # Whose memory is online is not pruned.
    stay = {label: value[:2] for label, value in before.items() if value[3]}
    wanted = {**stay, **layout_sizes(LAYOUTS[name])}
    return f"layout {name}", (ROOT, "ApplyLayout", LAYOUTS[name]), wanted


def create_device(before):
    label = f"c{len(before)}"
    mode = chance.choice(("devdax", "system-ram"))
    if label in before:
        return destroy_device(before, label)
    return (f"create {mode}", (reg(FIRST), "CreateDevice", BLOCK, {"label": label, "mode": mode}),
            {**sizes(before), label: (BLOCK, mode)})


def destroy_device(before, label=None):
    label = label or chance.choice(sorted(before))
    wanted = sizes(before)
    del wanted[label]
    return f"destroy {label}", (label, "Destroy", {"force": True}), wanted


def resize(before):
    label = chance.choice(sorted(label for label in before if before[label][1] == "devdax"))
    size = chance.choice((2, 24, 40)) * MIB
    return (f"resize {label} to {size}", (label, "Resize", size),
            {**sizes(before), label: (size, "devdax")})


def set_mode(before):
    labels = sorted(label for label in before if before[label][0] % BLOCK == 0)
    if not labels:
        return create_device(before)
    label = chance.choice(labels)
    mode = "devdax" if before[label][1] == "system-ram" else "system-ram"
    return (f"{label} to {mode}", (label, "SetMode", mode, {"force": True}),
            {**sizes(before), label: (before[label][0], mode)})


def start(call_):
    """Starts it: a path or a label, a method, arguments, and options if the last is a dictionary."""
    target, method, *args = call_
    options = args.pop() if args and isinstance(args[-1], dict) else {}
    path = target if target.startswith("/") else ask(ROOT, "GetDevice", target)
    return begin(path, method, *args, **options)


def kill_somebody():
    """Returns who it was."""
    who = chance.choice(("daxd", "daxd-worker"))
    pids = daxd_pids(who)
    if not pids:
        return f"{who} was not running"
    os.kill(chance.choice(pids), signal.SIGKILL)
    return who


foreign = None
onlining = read(f"{MEMORY}/auto_online_blocks")


def require_whole_or_undone(before, wanted, happened):
    after = picture()
    if after == before or sizes(after) == wanted:
        return
    fail(f"neither whole nor undone after {happened}\nbefore: {before}\nwanted: {wanted}\n"
         f"after:  {after}")


def one_kill(number):
    before = picture()
    changes = [apply_layout, apply_layout, create_device, set_mode, resize, destroy_device]
    what, change, wanted = chance.choice(changes if len(before) > 5 else [apply_layout])(before)
    writes = Writes()
    call_ = start(change)
    # Not before the transaction has begun: the first write, or it does nothing.
    while call_.pending() and not select.select([writes.fd], [], [], 0.02)[0]:
        pass
    writes.close()
    time.sleep(chance.random() ** 2 * 1.2)
    happened = f"{what}, {kill_somebody()}" + ("" if call_.pending() else " (it had ended)")
    try:
        call_.result()
        answer = "done"
    except DBusError as error:
        answer = error.short
    await_daxd()
    say(f"{number}: {happened}: {answer}")
    require_whole_or_undone(before, wanted, happened)
    foreign.require_untouched()
    equal(read(f"{MEMORY}/auto_online_blocks"), onlining, "auto_online_blocks")
    require_sound()
    if answer == "done":
        equal(sizes(picture()), wanted, f"what there is after {happened}, which was answered")


def prepare():
    global foreign
    say(f"seed {SEED}")
    ready()
    foreign = Foreign(FIRST, 992 * MIB, 32 * MIB, bind=True)
    os.open(f"/dev/{foreign.name}", os.O_RDWR)  # held, or it would be pruned as well
    ask(ROOT, "Refresh")
    apply(LAYOUTS["mixed"])


def end():
    for text in (LAYOUTS["mixed"], LAYOUTS["large"]):
        for name in members(region_at(FIRST)):
            if name != foreign.name and device_size(name):
                ask(dev(name), "Destroy", force=True)
        apply(text)
        equal(sizes(picture()), layout_sizes(text), "what the layout made")
        equal(apply(text)["steps"], [], "steps of applying it again")
        foreign.require_untouched()
    restarts = run("systemctl", "show", "-P", "NRestarts", "daxd.service").strip()
    say(f"daxd was started again {restarts} times")
    require_sound()


if check("prepare", prepare):
    for number in range(KILLS):
        check(f"kill {number + 1}", one_kill, number + 1)
    check("end", end)
main()
