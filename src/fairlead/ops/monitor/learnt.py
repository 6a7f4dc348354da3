"""Rows that the champion learned from, and stretches of them as long as a window: what is usual of checks that need
rows and not counts alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from fairlead.ops.monitor.windows import window_spec

if TYPE_CHECKING:
    from fairlead.ops.monitor.seen import Seen

MOST_ROWS = 120_000
"""Rows that are kept at hand of what was learned from: every so many of them, in their order. Of 400 days each holds
300 of them, and a tenth of a day enough to be told from another."""

MOST_STRETCHES = 400
MOST_HELD = 128
FEWEST_STRETCHES = 8
LEAST_ROWS = 30
PARTS = 8
"""Pieces that a window is cut into, which are dealt to folds: neighbours are never on both sides."""


@dataclass(frozen=True)
class Learnt:
    """Rows of a bundle's training, in time order. columns: columns form, (n,) each, features and what slices name.

    times: (n,) event times, ascending, or row numbers where there is no time (`timed` False). share: of all rows.
    held: what was worked out of them for windows of one length, at most `MOST_HELD` things.
    """

    columns: Mapping[str, np.ndarray]
    times: np.ndarray
    timed: bool
    share: float = 1.0
    bundle: str = ""
    held: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.times)


class Stretches(NamedTuple):
    """Rows of what was learned from, and after them those of the window, both thinned alike.

    columns: columns form of all. stretch: (n,) which stretch a row belongs to, -1 of rows in none, `stretches` (how
    many there are) of the window. piece: (n,) pieces of stretches, for folds and intervals. rows: how many of them
    were learned from. of: what they were cut from, and into pieces of which length.
    """

    columns: dict[str, np.ndarray]
    stretch: np.ndarray
    piece: np.ndarray
    stretches: int
    rows: int
    of: tuple[Learnt, float]

    def once(self, what: Hashable, make: Callable[[], Any]) -> Any:
        """Something that depends on the rows learned from and the length of stretches alone, made the first time."""
        held, length = self.of[0].held, self.of[1]
        if held.get("length") != length or len(held) > MOST_HELD:
            held.clear()
            held["length"] = length
        if what not in held:
            held[what] = make()
        return held[what]

    def thinned(self, most: int) -> Stretches:
        """Every so many of the rows of both, so that at most `most` were learned from."""
        step = -(-self.rows // most)
        if step <= 1:
            return self
        kept = np.concatenate([np.arange(0, self.rows, step), np.arange(self.rows, len(self.stretch), step)])
        columns = {name: cells[kept] for name, cells in self.columns.items()}
        rows = -(-self.rows // step)
        return Stretches(columns, self.stretch[kept], self.piece[kept], self.stretches, rows, self.of)


def stretches_of(seen: Seen, names: Sequence[str] | None = None) -> Stretches | None:
    """What a window can be compared with; None where rows are not at hand, or fill fewer than 8 stretches.

    names: columns that are wanted; None: all that both sides have.
    """
    learnt, rows = seen.learnt, seen.rows
    if learnt is None or rows is None or learnt.rows < LEAST_ROWS or not len(rows.times):
        return None
    wanted = [n for n in (learnt.columns if names is None else names) if n in learnt.columns and n in rows.columns]
    if not wanted:
        return None
    step = max(round(1.0 / learnt.share), -(-len(rows.times) // MOST_ROWS), 1)
    chosen = np.argsort(rows.times, kind="stable")[::step]
    if len(chosen) < LEAST_ROWS:
        # Thinned as the reference is, a small window would be too few rows; all of them are sure, or surer.
        chosen = np.argsort(rows.times, kind="stable")[-max(len(chosen), LEAST_ROWS * 4) :]
    if len(chosen) < LEAST_ROWS:
        return None
    span = seen.window.end - seen.window.start
    timed = learnt.timed and span > 0 and window_spec(seen.settings).timed
    length = float(span if timed else len(chosen))
    stretch, piece = _cut(learnt, length, timed)
    count = int(stretch.max(initial=-1)) + 1
    if count < FEWEST_STRETCHES:
        return None
    own = np.minimum(np.arange(len(chosen)) * PARTS // len(chosen), PARTS - 1)
    return Stretches(
        {n: np.concatenate([learnt.columns[n], rows.columns[n][chosen]]) for n in wanted},
        np.concatenate([stretch, np.full(len(chosen), count)]),
        np.concatenate([piece, int(piece.max()) + 1 + own]),
        count,
        learnt.rows,
        (learnt, length),
    )


def _cut(learnt: Learnt, length: float, timed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Stretch and piece of each row, stretches as disjoint as windows are, the last ending with the newest row.

    length: of a stretch, in seconds (`timed`) or in rows.
    """
    at = learnt.times[-1] - learnt.times if timed else np.arange(learnt.rows)[::-1].astype(np.float64)
    back = np.floor(at / max(length, 1e-9)).astype(np.int64)
    piece = np.floor(at / max(length / PARTS, 1e-9)).astype(np.int64)
    last = int(back.max())
    # The oldest stretch is rarely a whole one.
    stretch = last - 1 - back
    sizes = np.bincount(np.maximum(stretch, 0), minlength=max(last, 1))
    sizes[0] -= int((stretch < 0).sum())
    usable = np.flatnonzero(sizes >= LEAST_ROWS)
    kept = usable[-MOST_STRETCHES:]
    renumbered = np.full(max(last, 1), -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    found = np.where(stretch >= 0, renumbered[np.maximum(stretch, 0)], -1)
    return found, int(piece.max()) - piece


@dataclass(frozen=True)
class Usual:
    """What quiet stretches and windows showed, and the limit that follows. provisional: a guess, for information."""

    values: np.ndarray
    limit: float
    provisional: bool
    why: str = ""
    excluded: int = 0

    def p(self, value: float) -> float:
        """How often quiet ones go as far: (1 + those that did) / (1 + all)."""
        beyond = 1.0 + self.excluded + float((self.values >= value).sum())
        return beyond / (1.0 + self.excluded + len(self.values))

    @property
    def severity(self) -> Literal["info", "warning"]:
        """What a finding may be at most."""
        return "info" if self.provisional else "warning"


MOST_REMEMBERED = 512


def usual_of(values: np.ndarray, seen: Seen, allowed: float) -> Usual:
    """The limit that a quiet window exceeds with probability `allowed` at most, of stretches; and, where these are too
    few, of windows lived through, which the check's memory holds (`remembered`).
    """
    from fairlead.ops.monitor.budget import quiet_limit, values_needed
    from fairlead.ops.monitor.calibration import guess as guessed

    every = np.asarray(values, dtype=np.float64)
    every = every[np.isfinite(every)]
    limit, excluded = quiet_limit(every.tolist(), allowed), 0
    if limit is None:
        memory = _memory_of(seen)
        every, excluded = np.concatenate([every, memory.values[np.isfinite(memory.values)]]), memory.excluded
        # Windows that spoke count as going further than all others: leaving them out would make the limit narrower.
        limit = quiet_limit([*every.tolist(), *[np.inf] * excluded], allowed)
    if limit is not None and np.isfinite(limit):
        told = f"calibrated on {len(every)} stretches as long as the window"
        return Usual(every, limit, False, told, excluded)
    centre, spread = float(np.median(every)), max(float(every.std()), 1e-9)
    guess = centre + spread * guessed((every - centre) / spread, float(len(every)), min(max(allowed, 1e-6), 0.5))
    needed = values_needed(allowed)
    why = f"calibrating: {len(every)} of the {needed} stretches that the budget asks for are known"
    return Usual(every, guess, True, why, excluded)


class _Memory(NamedTuple):
    values: np.ndarray
    excluded: int


def _memory_of(seen: Seen) -> _Memory:
    memory = seen.memory if isinstance(seen.memory, dict) and seen.memory.get("bundle") == seen.window.bundle else {}
    return _Memory(np.asarray(memory.get("largest", ()), dtype=np.float64), int(memory.get("excluded", 0)))


def remembered(seen: Seen, value: float, quiet: bool) -> dict[str, object]:
    """The check's memory with this window, for `Seen.keep`: values of the champion's quiet windows, newest last,
    bounded, and how many spoke.
    """
    memory = _memory_of(seen)
    values = memory.values.tolist()
    if quiet and np.isfinite(value):
        values.append(float(value))
    return {
        "bundle": seen.window.bundle, "largest": values[-MOST_REMEMBERED:], "excluded": memory.excluded + (not quiet)
    }  # fmt: skip
