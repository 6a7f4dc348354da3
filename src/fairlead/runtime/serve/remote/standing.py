"""How a server stands with the control plane that it follows, as a small file in `run/`, and as metrics."""

from __future__ import annotations

from pathlib import Path

import msgspec

from fairlead.runtime.serve.observing.page import Family, Page
from fairlead.runtime.serve.routes import write_atomic

FILE = "routes-source.json"
MOST_BYTES = 1 << 16

FAMILIES: dict[str, Family] = {
    "fairlead_routes_source_reachable": Family(
        "gauge", "1 while the control plane answers, 0 while its last good routes are obeyed without it."
    ),
    "fairlead_routes_source_refused": Family(
        "gauge", "1 while what the control plane sends does not hold, or is older than what is obeyed."
    ),
    "fairlead_routes_source_reached_timestamp_seconds": Family(
        "gauge", "When the control plane last answered, since the epoch; to about fifteen seconds."
    ),
    "fairlead_routes_source_epoch": Family("gauge", "Epoch of the routes that are obeyed."),
}


class Standing(msgspec.Struct, frozen=True):
    """refused, unreachable: why, "" while all is well. reached: seconds since the epoch, 0 never."""

    reachable: bool = False
    reached: float = 0.0
    epoch: int = 0
    generation: int = 0
    refused: str = ""
    unreachable: str = ""


def tell(run: Path, standing: Standing) -> None:
    """Replace the file."""
    write_atomic(run / FILE, msgspec.json.encode(standing), mode=0o644)


def standing_in(run: Path) -> Standing | None:
    """What was told last; None where nobody follows or nothing can be read."""
    try:
        with (Path(run) / FILE).open("rb") as file:
            return msgspec.json.decode(file.read(MOST_BYTES), type=Standing)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def add_standing(page: Page, run: Path) -> None:
    """Its gauges, where this home follows anybody."""
    found = standing_in(run)
    if found is None:
        return
    page.add("fairlead_routes_source_reachable", (), float(found.reachable))
    page.add("fairlead_routes_source_refused", (), float(bool(found.refused)))
    page.add("fairlead_routes_source_reached_timestamp_seconds", (), found.reached)
    page.add("fairlead_routes_source_epoch", (), found.epoch)
