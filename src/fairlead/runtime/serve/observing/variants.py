"""How many requests each version of a model answered and how many it failed, read from the live counters of all slots.

What was wrong with a request itself is not among them: such errors are counted without a variant.
"""

from __future__ import annotations

from pathlib import Path

from fairlead.runtime.serve.counters import Counters, read_slot

SHADOWS = "shadows"
Counts = dict[str, tuple[int, int]]
"""By version: requests, and those of them that it failed."""


def answered_by_version(run: Path, model: str) -> dict[str, Counts]:
    """By file of counters: what each version of `model` was asked there since its server started.

    A server that starts anew begins at 0 in a file of the same name. A shadow's rows count as its requests.
    """
    found: dict[str, Counts] = {}
    for path in sorted(Path(run).glob("counters-*.bin")):
        counts: Counts = {}
        for series, cells in read_slot(path).items():
            if series[0] == "requests" and series[1] == model and series[3]:
                version, failed = series[2], not series[5].startswith("2")
            elif series[0] == SHADOWS and series[1] == model:
                version, failed = series[2], series[4] == "failed"
            else:
                continue
            requests, errors = counts.get(version, (0, 0))
            number = int(cells[0])
            counts[version] = requests + number, errors + (number if failed else 0)
        if counts:
            found[path.name] = counts
    return found


def count_shadow(counters: Counters, model: str, version: str, variant: str, failed: bool) -> None:
    """A request was mirrored to a shadow; nobody is told of it, and what it failed would else be known to nobody."""
    at = counters.index((SHADOWS, model, version, variant, "failed" if failed else "answered"))
    counters.cells[at] += 1
