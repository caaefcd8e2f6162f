# SPDX-License-Identifier: LGPL-2.1-or-later
"""daxd comes into a system that runs, and nothing is done by hand but systemd-sysusers and
`systemctl daemon-reload`.

Needs --into /srv/daxd, dax_hmem.region_idle=Y and layouts/main.json.
"""

from truth import *

TREE = "/srv/daxd"


@test
def nothing_of_it_is_there():
    require(devices(), "there is no dax device")
    for command in (("getent", "passwd", "daxd"), ("systemctl", "cat", "daxd.service")):
        require(attempt(*command).returncode, f"{command_line(command)} finds something")


@test
def files_are_copied_and_two_commands_given():
    for folder in os.listdir(TREE):
        run("cp", "-r", f"{TREE}/{folder}/.", f"/{folder}/")  # /lib is a link
    run("systemd-sysusers")
    run("systemctl", "daemon-reload")


@test
def the_first_call_is_answered():
    paths = managed_objects()
    for extent in REGIONS:
        require(reg(extent) in paths, f"there is no object for the region at {extent.start:#x}")
    equal(as_alice("daxdctl", "list", "-R").returncode, 0, "the exit status of alice's daxdctl")


@test
def the_layout_is_applied():
    run("systemctl", "start", "daxd-layouts.target")
    await_daxd()
    equal(get(object_path("layout", "main"), LAYOUT, "State"), "in-sync", "State")
    agree()
    require_sound()
    settle()
    equal(sorted(os.listdir("/dev/dax/by-name")), ["cache", "spare", "tier2"], "links")


@test
def a_device_can_be_made_and_removed():
    name = create(REGIONS[1], 64 * MIB, label="scratch")
    agree()
    settle()
    equal(os.path.realpath("/dev/dax/by-name/scratch"), f"/dev/{name}", "the link")
    ask(dev(name), "Destroy")
    agree()


main()
