# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the two suites about regions that do not come up idle have in common."""

from main_layout import *


def layout_state():
    run("systemctl", "start", "daxd-layouts.target")
    await_daxd()  # the target does not wait for ever
    shown = get_all(reg(REGIONS[0]), REGION)
    return shown["State"], shown["StateReason"]


def require_applied():
    """The devices of layouts/main.json are there, with links, and lie where they lay before."""
    shown = {p["Label"]: p for p in agree().values() if p["Region"] == reg(REGIONS[0])}
    equal({label: p["Size"] for label, p in shown.items()}, SIZES, "sizes")
    equal((shown["tier2"]["OnlineBlocks"], shown["tier2"]["Movable"]), (2, True),
          "online blocks of tier2, and movable")
    settle()
    equal(sorted(os.listdir("/dev/dax/by-name")), sorted(SIZES), "links")
    require_places()
