# SPDX-License-Identifier: LGPL-2.1-or-later
"""What whoever tries daxd meets: programs of the system work on the imitated machine, with a bus, daxd
and its workers there, the runner leaves as its command does, and who mistypes what the proof is to try
is told so.

    test_run.py BUILD KERNEL
"""

import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from harness import *

BUILD, MANNERS = sys.argv[1:]
HERE = Path(__file__).parent
LAYOUT = HERE.parent.parent / "systemd/examples/tiers.json"


def machine(*words, idle=True):
    options = ("--region-idle", "--layout", LAYOUT) if idle else ()
    return attempt(HERE / "run", "--build", BUILD, "--kernel", MANNERS, *options, *words)


def printed(*words, **options):
    result = machine(*words, **options)
    equal((result.returncode, result.stderr), (0, ""), f"the end of {command_line(words)}")
    return result.stdout


def split(listed):
    """[[(device, mode), ...] for each region]"""
    return [sorted((device["chardev"], device["mode"]) for device in region.get("devices", []))
            for region in sorted(listed, key=lambda region: region["id"])]


TIERS = [[("dax0.0", "devdax"), ("dax0.1", "system-ram"), ("dax0.2", "devdax")], []]


@test
def daxdctl_and_daxctl_list_the_same():
    ours = json.loads(printed("daxdctl", "list", "-RDu"))
    equal(split(ours), TIERS, "what daxdctl lists")
    equal([(region["size"], region["start"], region["state"]) for region in ours],
          [("1024.00 MiB (1073.74 MB)", "0x100000000", "in-sync"),
           ("512.00 MiB (536.87 MB)", "0x150000000", "unmanaged")], "its regions")
    equal([device["label"] for device in ours[0]["devices"]], ["cache", "tier2", "spare"], "labels")
    equal(split(json.loads(printed("daxctl", "list", "-RDu"))), TIERS, "what daxctl lists")


@test
def who_lists_one_device_is_told_how():
    result = machine("daxdctl", "list", "cache")
    equal((result.returncode, result.stderr),
          (2, "daxdctl: 'cache' is one too many for list; for one device give -d cache\n"),
          "what comes of it")


@test
def busctl_shows_what_there_is():
    tree = printed("busctl", "tree", "--list", "org.daxd1").split()
    for path in ("/org/daxd1/device/dax0_2e2", "/org/daxd1/region/1", "/org/daxd1/layout/tiers"):
        require(path in tree, f"{path} is not in {tree}")
    equal(printed("busctl", "get-property", "org.daxd1", "/org/daxd1/region/0",
                  "org.daxd1.Region", "Size"), f"t {GIB}\n", "the size of the first region")


@test
def the_manual_of_the_build_is_there():
    for page in ("client/daxdctl.1", "daxd.8"):
        if Path(BUILD, page).exists():
            section, name = page[-1], Path(page).name
            equal(printed("cat", f"/usr/share/man/man{section}/{name}"), Path(BUILD, page).read_text(),
                  name)


@test
def regions_that_are_not_idle_are_as_the_kernel_leaves_them():
    mode = "devdax" if MANNERS == "6.1" else "system-ram"
    equal(split(json.loads(printed("daxdctl", "list", "-RDu", idle=False))),
          [[("dax0.0", mode)], [("dax1.0", mode)]], "what daxdctl lists")


@test
def new_memory_is_as_the_command_line_has_it():
    """Not only from the start: also when the machine has rebooted."""
    look = ("import glob; print({open(path).read().strip() for path in"
            " glob.glob('/sys/devices/system/memory/memory3[2-9]/state')},"
            " open('/sys/devices/system/memory/auto_online_blocks').read().strip())")
    again = (f"import sys; sys.path.append('{HERE}'); from control import Control;"
             f" Control().reboot(); {look}")
    wanted = {"offline": "{'offline'} offline\n", "online_movable": "{'online'} online_movable\n"}
    for word, state in wanted.items():
        if MANNERS == "6.1":  # its regions go to device_dax
            state = f"set() {word}\n"
        equal(printed("--bare", "--memhp-default-state", word, "python3", "-c",
                      f"{look}; {again}", idle=False), state * 2, word)


@test
def the_exit_status_and_what_is_said_of_errors_come_through():
    result = machine("daxdctl", "destroy-device", "dax7.7")
    require(result.returncode not in (0, 127) and "dax7.7" in result.stderr,
            f"exit status {result.returncode}, {result.stderr!r}")
    equal(machine("no-such-program").returncode, 127, "the exit status of a program that is not there")
    equal(machine("--", "sh", "-c", "kill -KILL $$").returncode, 137, "the status of one that was killed")


@test
def the_examples_for_tests_run_as_they_are_printed():
    text = (HERE / "README.md").read_text()
    killing, failing = re.findall(r"^    import (?:.*\n(?:    .*\n|\n(?=    ))*)", text, re.M)
    for example, wanted in ((killing, r"2 \S+/device_dax/bind dax0.0 4\n3 \S+/dax0.0/size 0 0\n"),
                            (failing, r"org.daxd1.Error.*\n(?:.*\n)*2 \S+ dax0.0 12\n3 \S+/size 0 0\n")):
        told = printed("--bare", "--region-idle", "python3", "-c", textwrap.dedent(example), idle=False)
        require(re.search(wanted, told), f"it prints {told!r}")


@test
def regions_are_given_as_people_write_sizes():
    listed = json.loads(printed("--regions", "256m@0x100000000,CXL,node=2", "--regions", "2097152@8589934592",
                                "--", "daxdctl", "list", "-R", idle=False))
    equal([(region["start"], region["size"], region["target_node"]) for region in listed],
          [(0x100000000, 256 * MIB, 2), (0x200000000, 2 * MIB, 0)], "the regions")


# Words of the runner, and what is said of them.
MISTAKES = (
    (("--regions", "foo"), "'foo': give SIZE@START"), (("--regions", "1G"), "'1G': give SIZE@START"),
    (("--regions", "1X@0x100000000"), "'1X@0x100000000': give SIZE@START"),
    (("--regions", "1G@0x100000000,bogus"), "'bogus' is none of hmem, cxl, pmem, node=N"),
    (("--regions", "1G@0x100000000,node=x"), "'node=x' is none of"),
    (("--regions", "1G@0x100000000,node=1024"), "a node below 1024"),
    (("--regions", "1G@0x100000000,serial=0x10000000000000000"), "within 64 bits"),
    (("--regions", "0@0x100000000"), "above 0"), (("--regions", "3M@0x100000000"), "multiples of 2M"),
    (("--regions", "2M@0x100001000"), "multiples of 2M"), (("--regions", "2M@0"), "from 512M"),
    (("--regions", "16777216T@2G"), "'16777216T@2G': give SIZE@START"),
    (("--regions", "16777216T@0x80000000"), "within 64 bits"),
    (("--regions", "1G@0x100000000") * 2, "overlap"),
    (("--layout", "/nonexistent"), "'/nonexistent' is no file"), (("--layout", __file__), ".json"),
    (("--kernel", "5.10"), "choose from '6.1', '6.12'"), (("--bogus",), "--bogus"), ((), "say what to run"))


@test
def a_mistake_is_told_in_one_sentence():
    for words, wanted in MISTAKES:
        result = attempt(HERE / "run", "--build", BUILD, *words, *["true"] * bool(words))
        equal((result.returncode, result.stdout, result.stderr.count("\n")), (2, "", 1),
              f"what came of {words}, which says {result.stderr!r}")
        require(wanted in result.stderr, f"{words} is answered by {result.stderr!r}")


def started(*words, program="run"):
    """The runner, when it has come to its first words, and is about to start a machine."""
    process = subprocess.Popen([HERE / program, "--build", BUILD, *words], start_new_session=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and "_ctypes" not in read(f"/proc/{process.pid}/maps"):
        time.sleep(0.001)
    return process


def interrupted(process):
    """The exit status and what is said, when all at this terminal are told of ^C."""
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    return process.returncode, said


@test
def an_interrupt_ends_it_whenever_it_comes():
    for step in range(20):
        process = started("sleep", "60")
        time.sleep(step * 0.02)
        equal(interrupted(process), (130, ""), f"what came of it after {step * 20} ms")


@test
def an_interrupt_is_for_the_command():
    process = started("sh", "-c", "trap 'daxdctl list -R >/dev/null && exit 3' INT; echo; sleep 60 & wait")
    equal(process.stdout.readline(), "\n", "what the command says")
    equal(interrupted(process), (3, ""), "what the command made of it")


def prove(*words):
    return attempt(HERE / "proof/prove", "--build", BUILD, *words)


# Words of the proof, and what is said of them.
WRONG = (
    (("--operation", "nosuch"), "there are create, create-plain,"), (("--seconds", "0"), "not above 0"),
    (("--most", "0"), "not above 0"), (("--part", "0"), "not above 0"), (("--kernel",), "needs a value"),
    (("--kernel=5",), "choose from '6.1', '6.12'"), (("--part", "1000", "--seed", "999", "--way", "killing"), "no point was tried"),
    (("--only", "create"), "give WAY:OPERATION:POINT"), (("--only", "foo:create:1"), "one of failing, killing"),
    (("--only", "killing:nosuch:1:before:worker"), "there are create,"),
    (("--only", "killing:create:1:worker"), "'1:worker' is no point of the way killing: give N:WHEN:WHOM"),
    (("--only", "killing:create:99:before:worker"), "there is no number 99"),
    (("--only", "failing:create:1:fail:EFOO"), "there is no errno EFOO"),
    (("--only", "failing:create:1:fail:EIO+1:stuck:EIO"), "can only be the first"),
    (("--only", "others:create:1:between:nap"), "WHAT one of resize,"))


@test
def the_proof_refuses_what_it_cannot_try():
    for words, wanted in WRONG:
        result = prove(*words)
        equal((result.returncode, result.stderr.count("\n")), (2, 1),
              f"what came of {words}, which says {result.stderr!r}")
        require(wanted in result.stderr and "VIOLATION" not in result.stdout,
                f"{words} is answered by {result.stderr!r}")


@test
def the_proof_tells_what_a_point_has_come_to():
    result = prove(f"--kernel={MANNERS}", "--only", "killing:create:1:before:worker")
    equal((result.returncode, result.stderr), (0, ""), "the end of it")
    require(f"killing:create:1:before:worker on {MANNERS} has come to: before\n" in result.stdout and
            "1 points, 0 violations" in result.stdout, f"it says {result.stdout!r}")


@test
def an_interrupted_proof_shows_what_it_has_tried():
    process = started("--all", "--way", "killing", "--operation", "label", "--operation", "layout",
                      program="proof/prove")
    require(process.stdout.readline().startswith("seed "), "it says no seed")
    require(process.stdout.readline().startswith("killing  label "), "the first operation has no row")
    os.killpg(process.pid, signal.SIGINT)
    told, said = process.communicate(timeout=30)
    equal((process.returncode, said), (130, ""), "what came of it")
    require(re.search("^killing on 6.12: [1-9][0-9]* points, 0 violations", told, re.M), f"it tells {told!r}")


main()
