"""Labels that disagree in blocks: by who sent them, when they arrived, a range of keys, or a source column.

Poisoned feedback comes from somewhere. A block's labels are compared with what the same answers cost on all other
rows of the window, so that a block of hard rows is none of doubtful labels; and with how much other blocks of its kind
differ from each other, so that everyday differences are none either. What disagrees up to the end of the window may be
a change of the world and is not held against the labels. Pure: the watcher and the guard of retraining ask alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.ops.monitor.seen import Rows

FEWEST = 30
"""Rows of a block, and outside of it, from which it is judged."""
RUNS = 10
MOST = 24
"""Different values up to which a column is taken for a source, and callers are told apart one by one."""
ENOUGH = 5
"""Blocks of one kind from which they say by themselves how much such blocks differ."""
FLOOR = 0.05
"""Loss above what is expected, from which it matters: a twentieth of the largest possible."""
RISE = 0.5
"""The same as a part of the loss that is expected."""
GRID = 10
USUAL_FREEDOM = 3.0
"""Degrees of freedom of a deviation that earlier windows told."""
TIME, KEY, CALLER = "arrival", "key", "caller"
SENDERS = {names.CALLER: CALLER, names.LABEL_CALLER: "sender"}
"""Who asked for the row, and who sent its label."""


class Block(msgspec.Struct, frozen=True):
    """A block of labels. excess with [low, high]: mean loss above what the same answers cost elsewhere, in [0, 1].

    p: that a usual block disagrees as much, times the blocks that were tested. usual: what was known of how much such
    blocks differ; without, it can only inform. lasts: it goes on to the end, and may be a change of the world.
    """

    by: str
    name: str
    rows: int
    excess: float
    low: float
    high: float
    expected: float
    p: float
    suspicious: bool
    usual: bool = True
    lasts: bool = False


class Doubt(NamedTuple):
    """blocks: all that were judged, the most doubtful first. left_out: (n,) rows not to learn from; why: in words."""

    blocks: tuple[Block, ...]
    left_out: np.ndarray
    why: str


def doubtful_labels(
    losses: np.ndarray,
    scores: np.ndarray,
    kinds: Mapping[str, np.ndarray],
    *,
    allowed: float = 0.01,
    usual: Mapping[str, float] | None = None,
) -> Doubt:
    """Which blocks of labels disagree with the model's answers as no usual block does.

    losses: (n,) in [0, 1], of each labelled row. scores: (n, outputs), what was answered. kinds: kind -> (n,) the block
    of each row as text, "" for none; see `kinds_of`. allowed: chance of any suspicious block where none is. usual:
    deviation of blocks of a kind from each other, as earlier windows knew it. At most 24 blocks of a kind are judged.
    """
    n = len(losses)
    tested = [(kind, name, np.flatnonzero(cells == name)) for kind, cells in kinds.items() for name in _names(cells)]
    tested = [(kind, name, rows) for kind, name, rows in tested if FEWEST <= len(rows) <= n - FEWEST]
    if n < 2 * FEWEST or not tested:
        return Doubt((), np.zeros(n, dtype=bool), "")
    cells, sums, squares, counts = by_answer(losses, scores)
    told = [(kind, name, rows, *_excess(losses, cells, (sums, squares, counts), rows)) for kind, name, rows in tested]
    known = usual or {}
    blocks: list[tuple[Block, np.ndarray]] = []
    for kind, name, rows, excess, error, expected in told:
        others, measured = _others(told, kind, name), (excess, error, expected)
        made = _block(kind, name, rows, measured, others, known.get(kind), len(told), allowed)
        blocks.append((made, rows))
    blocks = _without_the_end(blocks)
    blocks.sort(key=lambda pair: (not pair[0].suspicious, pair[0].p, -pair[0].excess, pair[0].by, pair[0].name))
    left_out = np.zeros(n, dtype=bool)
    for block, rows in blocks:
        if block.suspicious:
            left_out[rows] = True
    found = tuple(block for block, _ in blocks)
    return Doubt(found, left_out, in_words(found, int(left_out.sum())))


def kinds_of(rows: Rows, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """Blocks of labelled rows: ten runs by arrival of the labels, ten ranges of keys, callers, and source columns.

    chosen: numbers of the labelled rows. Source columns are those passed through, or features, whose names say so.
    """
    from fairlead.lab.train.suspects.blocks import SOURCE_NAME

    found: dict[str, np.ndarray] = {}
    arrived = rows.times if rows.arrived is None else rows.arrived
    if len(chosen) >= RUNS * FEWEST:
        found[TIME] = _runs(np.argsort(arrived[chosen], kind="stable"), len(chosen))
    keys = rows.passed.get(names.KEY)
    if keys is not None and len(chosen) >= RUNS * FEWEST:
        told = [str(key) for key in keys[chosen]]
        # Keys that are counted up have their numbers in order.
        order = sorted(range(len(told)), key=lambda at: (len(told[at]), told[at]))
        if len(set(told)) >= RUNS:
            found[KEY] = _runs(np.asarray(order, dtype=np.int64), len(chosen))
    sources: dict[str, Any] = {name: cells for name, cells in rows.columns.items() if SOURCE_NAME.search(name)}
    for name, cells in rows.passed.items():
        plain = name.removeprefix(names.PASSED_IN)
        if name in SENDERS or (plain != name and SOURCE_NAME.search(plain)):
            sources[SENDERS.get(name, plain)] = cells
    for name, cells in sources.items():
        if getattr(cells, "ndim", 1) != 1:
            continue
        told = ["" if cell is None or cell != cell else str(cell) for cell in cells[chosen]]
        if len(set(told) - {""}) >= 2:
            found[name] = np.array(told, dtype=object)
    return found


def in_words(blocks: Sequence[Block], rows: int) -> str:
    """Why rows are left out; "" where none are."""
    named = [f"{block.by} {block.name} ({block.rows} labels, loss {block.expected + block.excess:.2f} where"
             f" {block.expected:.2f} is usual)" for block in blocks if block.suspicious]  # fmt: skip
    return f"{rows} labels disagree in blocks: {'; '.join(named[:5])}" if named else ""


def _names(cells: np.ndarray) -> list[str]:
    values, counts = np.unique(cells[cells != ""].astype(str), return_counts=True)
    largest = np.argsort(-counts, kind="stable")[:MOST]
    return sorted(str(values[at]) for at in largest)


def _runs(order: np.ndarray, n: int) -> np.ndarray:
    found = np.empty(n, dtype=object)
    for number, rows in enumerate(np.array_split(order, RUNS), start=1):
        found[rows] = f"{number:02} of {RUNS}"
    return found


def by_answer(losses: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The cell of each row among rows answered alike, and sums of losses, of their squares and of rows by cell."""
    told = scores.max(axis=1) if scores.shape[1] > 2 else scores[:, -1]
    edges = np.unique(np.nanquantile(told, np.linspace(0, 1, GRID + 1)[1:-1]))
    cells = np.searchsorted(edges, told, side="right")
    size = len(edges) + 1
    return (
        cells,
        np.bincount(cells, weights=losses, minlength=size),
        np.bincount(cells, weights=losses**2, minlength=size),
        np.bincount(cells, minlength=size).astype(np.float64),
    )


def _excess(
    losses: np.ndarray, cells: np.ndarray, every: tuple[np.ndarray, np.ndarray, np.ndarray], rows: np.ndarray
) -> tuple[float, float, float]:
    """Mean loss of a block above that of other rows answered alike, its error by chance, and what was expected."""
    sums, squares, counts = every
    size = len(counts)
    own = np.bincount(cells[rows], minlength=size).astype(np.float64)
    rest = counts - own
    rest_sums = sums - np.bincount(cells[rows], weights=losses[rows], minlength=size)
    rest_squares = squares - np.bincount(cells[rows], weights=losses[rows] ** 2, minlength=size)
    overall = rest_sums.sum() / max(rest.sum(), 1.0)
    mean = np.where(rest >= 5, rest_sums / np.maximum(rest, 1.0), overall)
    whole = max(rest_squares.sum() / max(rest.sum(), 1.0) - overall**2, 1e-6)
    variance = np.where(rest >= 5, np.maximum(rest_squares / np.maximum(rest, 1.0) - mean**2, 1e-6), whole)
    k = len(rows)
    expected = float((own * mean).sum() / k)
    chance = float((own * variance).sum() / k**2 + (own**2 * variance / np.maximum(rest, 1.0)).sum() / k**2)
    return float(losses[rows].mean()) - expected, math.sqrt(chance), expected


def _others(told: Sequence[Any], kind: str, name: str) -> list[tuple[float, float]]:
    """(excess, error by chance) of the other blocks of a kind; neighbours in time or among keys are left out, as a
    stretch of wrong labels seldom ends where a run does, and would hide itself."""
    found = [one for one in told if one[0] == kind and one[1] != name]
    if kind in (TIME, KEY):
        found = [one for one in found if abs(int(one[1][:2]) - int(name[:2])) > 1]
    return [(one[3], one[4]) for one in found]


def _block(
    kind: str, name: str, rows: np.ndarray, measured: tuple[float, float, float],
    others: Sequence[tuple[float, float]], usual: float | None, tests: int, allowed: float,
) -> Block:  # fmt: skip
    """By how other blocks of its kind differ, chance included: the t statistic of one more value like these."""
    from fairlead.lab.stats.quantiles import student

    excess, error, expected = measured
    count, centre = len(others), 0.0
    if count >= ENOUGH - 1:
        values = np.array([one[0] for one in others])
        chance = float(np.mean([one[1] ** 2 for one in others]))
        centre, freedom = float(values.mean()), float(count - 1)
        # A block of fewer rows than the others varies more by chance than they do.
        spread = float(values.var(ddof=1)) * (1.0 + 1.0 / count) + max(error**2 - chance, 0.0)
        wide = math.sqrt(max(spread, error**2))
    else:
        freedom = float(len(rows) - 1) if usual is None else USUAL_FREEDOM
        wide = math.sqrt(error**2 + (usual or 0.0) ** 2)
    p = min(_above((excess - centre) / max(wide, 1e-12), freedom) * tests, 1.0)
    half = student(0.975, freedom) * wide
    matters = excess - centre >= max(FLOOR, RISE * expected)
    return Block(
        kind, name, len(rows), excess, excess - half, excess + half, expected, p, bool(p <= allowed and matters),
        count >= ENOUGH - 1 or usual is not None,
    )  # fmt: skip


def _above(t: float, freedom: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(freedom, -t))


def _without_the_end(blocks: list[tuple[Block, np.ndarray]]) -> list[tuple[Block, np.ndarray]]:
    """A run of time that disagrees and is followed by none that agrees is not held against its labels."""
    runs = sorted(block.name for block, _ in blocks if block.by == TIME)
    bad = {block.name for block, _ in blocks if block.by == TIME and block.suspicious}
    ending: set[str] = set()
    for name in reversed(runs):
        if name not in bad:
            break
        ending.add(name)
    found = []
    for block, rows in blocks:
        lasts = block.by == TIME and block.name in ending
        keeps = block.suspicious and not lasts and block.usual
        found.append((msgspec.structs.replace(block, lasts=lasts, suspicious=keeps), rows))
    return found
