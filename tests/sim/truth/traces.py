# SPDX-License-Identifier: LGPL-2.1-or-later
"""Traces as files: a JSON object on each line. Those that are kept are compressed."""

import json
import lzma
from pathlib import Path


def records(path):
    """The objects of a trace, in order."""
    opener = lzma.open if Path(path).suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as f:
        for line in f:
            yield json.loads(line)


def name_of(path):
    """`scripts` for scripts.trace and scripts.trace.xz."""
    return Path(path).name.split(".trace")[0]


def keep(path, folder):
    """Compresses a trace into a folder."""
    with lzma.open(Path(folder) / f"{name_of(path)}.trace.xz", "wt", preset=9,
                   encoding="utf-8") as f:
        f.write(Path(path).read_text(encoding="utf-8"))
