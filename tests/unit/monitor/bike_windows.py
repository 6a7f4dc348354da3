"""The bike table as weeks that are watched: a reference as training seals it, and windows with faults planted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pandas as pd
from tests.conftest import real_table

from fairlead.contract.events import Finding, Window
from fairlead.contract.profile import Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile
from fairlead.lab.stats.order import order_of
from fairlead.ops.monitor import calibrate, look
from fairlead.ops.monitor.seen import Rows, Seen
from fairlead.ops.monitor.windows import window_spec

DAY = 86_400.0
MEASURED = ("temp", "atemp", "hum", "windspeed")
Change = Callable[[dict[str, Any], np.ndarray], tuple[dict[str, Any], np.ndarray]]


def signature_of(frame: pd.DataFrame) -> Signature:
    coded = [Column(n, "category", categories=tuple(sorted(set(frame[n])))) for n in ("season", "weathersit")]
    return Signature("regression", (*coded, *(Column(n, "number") for n in MEASURED)), target="cnt")


@dataclass
class Watched:
    """Weeks of a table, one after the other, as the flow has them looked at."""

    columns: dict[str, Any]
    times: np.ndarray
    signature: Signature
    settings: Settings
    reference: Reference
    memories: dict[str, Any] = field(default_factory=dict)

    def window(self, index: int) -> tuple[dict[str, Any], np.ndarray, float, float]:
        start, end = window_spec(self.settings).bounds(index)
        here = (self.times >= start) & (self.times < end)
        return {n: v[here].copy() for n, v in self.columns.items()}, self.times[here], start, end

    def look(self, index: int, change: Change | None = None, **more: Any) -> list[Finding]:
        columns, times, start, end = self.window(index)
        if change is not None:
            columns, times = change(columns, times)
        folded = profile(columns, [c.bins for c in self.reference.profile.columns], start=start, end=end, gram=False)
        window = Window(model="bike", index=index, start=start, end=end, rows=len(times), state="closed")
        seen = Seen(
            window, folded, self.reference, calibrate(self.reference, self.settings), self.settings, self.signature,
            rows=Rows(columns, times), **more,
        )  # fmt: skip
        found = look("inputs", seen, self.memories)
        self.memories = found.memories
        # As the state database and `--json` take them.
        return [msgspec.json.decode(msgspec.json.encode(f), type=Finding) for f in found.findings]


def bike(window: str = "7d", trained: int = 13_000) -> Watched:
    """The first `trained` hours are the reference; weeks after them are to be looked at."""
    frame = pd.read_csv(real_table("bike-sharing-hour.csv"))
    for name in ("season", "weathersit"):
        frame[name] = frame[name].astype(str)
    times = (
        pd.to_datetime(frame["dteday"]).to_numpy("datetime64[s]").astype(np.float64) + 3600.0 * frame["hr"].to_numpy()
    )
    signature = signature_of(frame)
    columns = {
        c.name: frame[c.name].to_numpy(float if c.numeric else object) for c in signature.columns
    }  # fmt: skip
    settings = Settings(
        model=ModelSettings(name="bike", task="regression", target="cnt", time="at"),
        monitor=MonitorSettings(window=window),
    )
    past = {n: v[:trained] for n, v in columns.items()}
    bins = bins_for(past, signature)
    days = np.floor(times[:trained] / DAY)
    blocks = []
    for day in np.unique(days):
        here = days == day
        blocks.append(
            profile({n: v[here] for n, v in past.items()}, bins, start=day * DAY, end=(day + 1) * DAY - 1, gram=False)
        )
    whole = profile(past, bins, start=times[0], end=times[trained - 1], gram=False)
    reference = Reference(whole, tuple(blocks[-400:]), order=order_of(past, times[:trained]))
    return Watched(columns, times, signature, settings, reference)


def first_window(watched: Watched, trained: int = 13_000) -> int:
    return window_spec(watched.settings).index(float(watched.times[trained])) + 1
