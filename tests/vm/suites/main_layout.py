# SPDX-License-Identifier: LGPL-2.1-or-later
"""What layouts/main.json makes of the first region, and that it stays in its place: before the
reboot the file gets one more entry, in front of all others. First fit would put this one onto the
memory of tier2, and that one onto the memory of cache."""

from truth import *

FILE = "/etc/daxd/layouts.d/main.json"
PLACES = "/var/tmp/places"
ANOTHER = {"name": "another", "size": "128M", "mode": "system-ram"}

SIZES = {"cache": 64 * MIB, "tier2": 2 * BLOCK}
if ANOTHER in json.loads(read(FILE))["devices"]:
    SIZES["another"] = BLOCK
SIZES["spare"] = REGIONS[0].size - sum(SIZES.values())
MODES = {label: "system-ram" if label in ("tier2", "another") else "devdax" for label in SIZES}


def require_places():
    """The devices lie where they lay before the reboot, as far as they are as large as then. Where
    there was none before, nothing is remembered."""
    places = {p["Label"]: p["Ranges"] for p in agree().values() if p["Region"] == reg(REGIONS[0])}
    equal(sorted(places), sorted(SIZES), "labels")
    if os.path.exists(PLACES):
        before = json.loads(read(PLACES))
        require_same({label: before[label] for label in ("cache", "tier2")}, places, "ranges")
    with open(PLACES, "w") as file:
        json.dump(places, file)


def reboot_with_another():
    """For main(): goes on after a reboot, once."""
    if BOOT == 1:
        text = json.loads(read(FILE))
        text["devices"].insert(0, ANOTHER)
        write(FILE, json.dumps(text))
        reboot()
