"""How far back to train: all rows, or only the recent ones of a changed world.

After an abrupt change "all rows so far" may never recover, while recent rows
alone throw away what still holds; so the newest labelled window is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np

SPANS: tuple[int | None, ...] = (None, 16, 4)
ERRORS = 2.0


class Choice(msgspec.Struct, frozen=True):
    """first, last: windows to fit on, both included; the newest is among them. span: None for all, else how many.

    losses: mean loss of each contender on the newest window, by span (0: all). why: in words.
    """

    first: int
    last: int
    span: int | None
    losses: dict[int, float]
    why: str


def pick(
    windows: int,
    fit: Callable[[int, int], Any],
    score: Callable[[Any, int], np.ndarray],
    *,
    spans: Sequence[int | None] = SPANS,
    errors: float = ERRORS,
) -> Choice:
    """The windows to refit on, of labelled windows 0 .. windows - 1 in time order.

    fit(first, last): a model of the rows of these windows, both included. score(model, index): per-row losses (n,)
    on that window, rows in the same order each time. Contenders see everything but the newest window and are scored
    on it; the longest span is kept unless a shorter one beats it by `errors` standard errors of the paired
    differences. The caller then refits on the choice, which includes the newest window.
    """
    newest = windows - 1
    firsts: dict[int, int | None] = {}
    for span in spans:
        firsts.setdefault(0 if span is None else max(newest - span, 0), span)
    order = sorted(firsts)
    if newest < 1 or len(order) == 1:
        return Choice(0, max(newest, 0), None, {}, "all rows: there are too few windows to choose from")
    losses = {first: np.asarray(score(fit(first, newest - 1), newest), dtype=np.float64) for first in order}
    best = order[0]
    for first in order[1:]:
        if _beats(losses[first], losses[best], errors):
            best = first
    means = {firsts[f] or 0: float(losses[f].mean()) if losses[f].size else 0.0 for f in order}
    span = firsts[best]
    named = "all rows" if span is None else f"the last {span} windows"
    told = ", ".join(f"{'all' if s == 0 else f'last {s}'} {m:.4f}" for s, m in means.items())
    # Refitting takes the newest window in; the span stays as long as it was.
    start = 0 if span is None else max(newest - span + 1, 0)
    return Choice(start, newest, span, means, f"{named} (loss on the newest window: {told})")


def _beats(shorter: np.ndarray, longer: np.ndarray, errors: float) -> bool:
    gain = longer - shorter
    if gain.size < 2:
        return False
    return bool(gain.mean() > errors * gain.std(ddof=1) / np.sqrt(gain.size) and gain.mean() > 0)
