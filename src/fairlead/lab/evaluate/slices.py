"""Sub-populations: those the project names, and those found to be surely worse among all that were looked at.

Found ones are bins and categories of single columns and of pairs of columns. Thousands are looked at, so the worst
one always looks bad: the interval of each is widened until the largest deviation among all of them would stay inside
in 95 of 100 samples. On rows whose loss has nothing to do with their columns, none is reported but by that chance.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.lab.evaluate.expressions import rows_of
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.evaluate.searching import Candidates, Search, biased, candidates_of, searched, spread_out
from fairlead.lab.stats.blocks import Block, block_of
from fairlead.lab.stats.further import further_metrics
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.measures import Floats, Ints, class_codes, metrics, positive_index

MOST_ROWS = 20_000


class Slice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Rows that a rule holds for. rule: in the language of `[evaluate] slices`, so that it can be named there.

    loss: their mean loss; rest: that of all other rows; difference: loss less rest. Of found ones the intervals hold
    for all that were looked at, at once. expected: the loss that the model's own probabilities lead to expect there
    (binary): where it is as large, the rows are hard and not misjudged.
    """

    rule: str
    rows: int
    loss: Interval
    rest: float
    difference: Interval
    metrics: dict[str, float] = {}
    expected: float | None = None


class Mistaken(msgspec.Struct, frozen=True):
    """Rows on which answers are surely off on the whole.

    said: mean of the answers (probability of the event; beyond two classes of the likeliest; a number). happened: mean
    of the truth there. off: happened less said, its interval holding for all that were looked at, at once.
    """

    rule: str
    rows: int
    said: float
    happened: float
    off: Interval


class Slices(msgspec.Struct, frozen=True, omit_defaults=True):
    """named: by the project, in its order. found: surely worse than the rest, worst first, at most 8.

    mistaken: where answers are surely too large or too small on the whole, farthest off first, at most 8.
    tried: how many were looked at (0: no search). smallest: rows that one had to have; searched: rows that
    the search went over, of more than 20,000 as many drawn at random. worst: the mean loss of the
    worst of all that were looked at, its interval holding for all of them at once.
    """

    named: tuple[Slice, ...] = ()
    found: tuple[Slice, ...] = ()
    tried: int = 0
    smallest: int = 0
    worst: Interval | None = None
    worst_rule: str = ""
    mistaken: tuple[Mistaken, ...] = ()
    searched: int = 0


def slices_of(judged: Judged, named: tuple[str, ...], *, find: bool, smallest: int, seed: int) -> Slices:
    """Both kinds, of the judged rows. Raises ConfigInvalid for a rule that does not fit these rows."""
    told = tuple(_named(judged, rule, seed) for rule in named)
    if not find or judged.rows < 4 * smallest:
        return Slices(named=told)
    rng = np.random.default_rng([seed, 5])
    chosen = np.arange(judged.rows)
    if judged.rows > MOST_ROWS:
        # In their order, so that neighbours in time stay neighbours.
        chosen = np.sort(rng.choice(judged.rows, MOST_ROWS, replace=False))
    candidates = candidates_of(judged, chosen, smallest)
    block = block_of(judged.block, chosen, judged.rows)
    candidates = spread_out(candidates, block)
    if not candidates.rules:
        return Slices(named=told, smallest=smallest)
    search = searched(candidates, judged.loss[chosen], block, seed)
    found = tuple(_told(judged, candidates.rules[s], search, s, candidates, chosen) for s in search.kept)
    mistaken = _mistaken(judged, candidates, chosen, block, seed)
    worst_rule = candidates.rules[search.worst_at]
    return Slices(told, found, len(candidates.rules), smallest, search.worst, worst_rule, mistaken, len(chosen))


def _mistaken(judged: Judged, candidates: Candidates, chosen: Ints, block: Block, seed: int) -> tuple[Mistaken, ...]:
    said, happened = _said(judged, chosen)
    kept, mean, reach = biased(candidates, happened - said, block, seed)
    found = []
    for s in kept:
        rows = candidates.rows[[s]].indices
        off = Interval(float(mean[s]), float(mean[s] - reach[s]), float(mean[s] + reach[s]))
        found.append(
            Mistaken(candidates.rules[s], len(rows), float(said[rows].mean()), float(happened[rows].mean()), off)
        )
    return tuple(found)


def _said(judged: Judged, chosen: Ints) -> tuple[Floats, Floats]:
    """What was said of each chosen row and what happened, as numbers."""
    scores, signature = judged.scores[chosen], judged.signature
    if signature.task == "regression":
        return scores[:, 0], np.asarray(judged.truth[chosen], dtype=np.float64)
    codes = class_codes(judged.truth[chosen], signature.classes)
    if len(signature.classes) == 2:
        column = positive_index(signature)
        return scores[:, column], (codes == column).astype(np.float64)
    return scores.max(axis=1), (codes == scores.argmax(axis=1)).astype(np.float64)


def _named(judged: Judged, rule: str, seed: int) -> Slice:
    rows = rows_of(rule, judged.source)
    count = int(rows.sum())
    if not count or count == judged.rows:
        nothing = Interval(float(judged.loss.mean()), 0.0, 1.0)
        return Slice(rule, count, nothing, float(judged.loss.mean()), Interval(0.0, -1.0, 1.0))
    # Neighbours in time stay neighbours within the slice.
    block, others = _blocks(judged.block, rows)
    loss = bootstrap(judged.loss[rows], seed=seed, block=block)
    rest = bootstrap(judged.loss[~rows], seed=seed + 1, block=others)
    value = loss.value - rest.value
    below = float(np.hypot(loss.value - loss.low, rest.high - rest.value))
    above = float(np.hypot(loss.high - loss.value, rest.value - rest.low))
    apart = Interval(value, value - below, value + above)
    return Slice(rule, count, loss, rest.value, apart, _metrics(judged, rows), _expected(judged, rows))


def _blocks(block: Block, rows: np.ndarray) -> tuple[Block, Block]:
    """What is drawn together within a slice and in the rest."""
    inside = block_of(block, np.flatnonzero(rows), len(rows))
    if isinstance(block, np.ndarray):
        return inside, block_of(block, np.flatnonzero(~rows), len(rows))
    assert isinstance(inside, int)
    return inside, max(1, block - inside)


def _told(judged: Judged, rule: str, search: Search, at: int, candidates: Candidates, chosen: Ints) -> Slice:
    rows = np.zeros(judged.rows, dtype=bool)
    rows[chosen[candidates.rows[[at]].indices]] = True
    value, reach = float(search.mean[at]), float(search.mean_reach[at])
    apart, apart_reach = float(search.difference[at]), float(search.difference_reach[at])
    return Slice(
        rule,
        int(rows.sum()),
        Interval(value, max(value - reach, 0.0), min(value + reach, 1.0)),
        float(search.rest[at]),
        Interval(apart, apart - apart_reach, apart + apart_reach),
        _metrics(judged, rows),
        _expected(judged, rows),
    )


def _metrics(judged: Judged, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> dict[str, float]:
    given = (judged.signature.task, judged.truth[rows], judged.scores[rows], judged.signature)
    return metrics(*given) | further_metrics(*given)


def _expected(judged: Judged, rows: np.ndarray[Any, np.dtype[np.bool_]]) -> float | None:
    if judged.signature.task != "classification" or len(judged.signature.classes) != 2:
        return None
    said = judged.scores[rows, 1]
    return float((said * (1 - said)).mean())
