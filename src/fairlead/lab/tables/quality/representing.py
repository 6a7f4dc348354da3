"""Whether one table stands for another: shares of values and of groups, and whether a model can tell them apart.

Every share that differs is judged together with all others: exact tests, their
levels divided by how many there are (Bonferroni), and an effect floor beside
significance, so that copies of one table, shuffled and cut in two, raise an alarm
in at most 5 of 100 pairs, whatever the number of columns.
"""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.signature import Column
from fairlead.lab.tables.cells import _texts
from fairlead.lab.tables.parsing import plain
from fairlead.lab.tables.quality.domain import Domain, told_apart
from fairlead.lab.tables.quality.looking import Look
from fairlead.lab.tables.quality.report import Issue, Severity
from fairlead.lab.tables.quality.suggesting import exclude
from fairlead.lab.tables.quality.watching import floats_of

ALPHA = 0.05
FLOOR, RATIO = 0.01, 1.25  # a share must differ by so much, and be so many times the other
_BINS, _WORDS = 10, 30
_PAIR_COLUMNS, _PAIR_BINS = 15, 4
_MOST_COLUMNS = 200
_SHOWN, _PAIRS = 30, 15
TOLD = 12  # as issues; the others are in `Representation.cells`
_OTHERS, _MISSING = "(others)", "(missing)"


class Cell(msgspec.Struct, frozen=True):
    """A group of rows and its share of each table. low, high: of `other - share`, multiplicity included.

    columns, values: what makes the group, one column or two. p: of no difference, times the number of tests.
    how: what this table does to the group: lacks, underrepresents or overrepresents it.
    """

    columns: tuple[str, ...]
    values: tuple[str, ...]
    count: int
    other_count: int
    share: float
    other: float
    low: float
    high: float
    p: float
    how: str


class Representation(msgspec.Struct, frozen=True):
    """How a table (of training, say) stands for another (of production).

    lacking: columns that only the other has; surplus: that only this one has; rekinded: with another kind, as
    {column: [here, there]}. cells: groups whose share differs, the largest difference first, `tests` in all. domain:
    how well a model tells rows of the two apart. stands: nothing of all this was found.
    """

    rows: int
    other_rows: int
    lacking: tuple[str, ...]
    surplus: tuple[str, ...]
    rekinded: dict[str, tuple[str, str]]
    cells: tuple[Cell, ...]
    tests: int
    domain: Domain | None
    stands: bool


def represent(
    here: Look, there: Look, *, domain: bool = True, seed: int = 0, ignored: frozenset[str] = frozenset()
) -> Representation:
    """Compare two looks; rows are taken as drawn one by one. Kinds are those of `here`.

    Keys, event times and texts are left out, for they differ of themselves; the target is compared where both have it.
    ignored: further columns that are not compared, and not missed.
    """
    names = [n for n in _shared(here, there) if n not in ignored]
    coded = {n: _coded(here, there, n) for n in names[:_MOST_COLUMNS]}
    pairs = list(combinations([n for n in coded if n != here.target][:_PAIR_COLUMNS], 2))
    coarse = {n: _coarse(*coded[n]) for n in {n for pair in pairs for n in pair}}
    tests = sum(len(words) for _, _, words in coded.values())
    tests += sum(len(coarse[a][2]) * len(coarse[b][2]) for a, b in pairs)
    cells: list[Cell] = []
    ratios: dict[str, np.ndarray] = {}
    for name, (a, b, words) in coded.items():
        cells += _cells((name,), [(w,) for w in words], _counts(a, len(words)), _counts(b, len(words)), tests)
    for name, (a, b, words) in coarse.items():
        ratios[name] = _ratio(_counts(a, len(words)), _counts(b, len(words)))
    for one, two in pairs:
        cells += _pair(one, two, coarse, ratios, tests)
    cells.sort(key=lambda c: (len(c.columns), -abs(c.other - c.share), c.columns, c.values))
    lacking = tuple(n for n in there.facts if n not in here.facts)
    out = {here.key, *here.time, *here.excluded, *ignored}
    surplus = tuple(n for n in here.facts if n not in there.facts and n not in out and n != here.target)
    rekinded: dict[str, tuple[str, str]] = {
        n: (here.column(n).kind, there.column(n).kind) for n in names if _rekinded(here, there, n)
    }
    found = told_apart(here, there, [n for n in coded if n != here.target], coded, seed) if domain and coded else None
    stands = not (cells or surplus or rekinded) and (found is None or not found.apart)
    shown = [c for c in cells if len(c.columns) == 1][:_SHOWN] + [c for c in cells if len(c.columns) == 2][:_PAIRS]
    return Representation(
        here.rows, there.rows, lacking, surplus, rekinded, tuple(shown), tests, found, stands
    )  # fmt: skip


def issues_of(found: Representation, here: Look, there: str = "the other table") -> list[Issue]:
    """The same as issues of `here`, for the report."""
    told: list[Issue] = []
    for name in found.surplus:
        told.append(Issue("absent_there", "problem", f"{there} lacks this column: a model would wait for it", name,
                          count=found.other_rows, of=found.other_rows,
                          suggestions=(exclude(name, f"not in {there}"),)))  # fmt: skip
    for name, (a, b) in found.rekinded.items():
        told.append(Issue("another_kind", "problem", f"{a} here, {b} in {there}", name, count=found.other_rows,
                          of=found.other_rows))  # fmt: skip
    for cell in _worst(found.cells):
        severity: Severity = "problem" if cell.how == "lacks" and cell.other >= 0.05 else "warning"
        group = " and ".join(f"{c} = {v}" for c, v in zip(cell.columns, cell.values, strict=True))
        told.append(Issue(
            "not_represented" if cell.how == "lacks" else cell.how, severity,
            f"{group}: {cell.share:.1%} of rows here, {cell.other:.1%} in {there} (difference {cell.low:+.1%} to "
            f"{cell.high:+.1%})", cell.columns[0], columns=cell.columns[1:], count=cell.count, of=found.rows,
            exact=here.whole, evidence={"share": cell.share, "other": cell.other, "low": cell.low, "high": cell.high,
                                        "p": cell.p},
        ))  # fmt: skip
    if found.domain is not None and found.domain.apart:
        d = found.domain
        top = ", ".join(f"{n} ({gain:.2f})" for n, gain in list(d.importance.items())[:3] if gain > 0.005)
        told.append(Issue(
            "told_apart", "problem" if d.low >= 0.8 else "warning",
            f"a model tells rows of the two apart: AUC {d.value:.3f} [{d.low:.3f}, {d.high:.3f}], most by {top}",
            count=d.rows, of=found.rows, exact=d.rows == found.rows,
            evidence={"auc": d.value, "low": d.low, "high": d.high, "importance": d.importance},
        ))  # fmt: skip
    return told


def _worst(cells: tuple[Cell, ...]) -> list[Cell]:
    """Those that are told as issues: the largest differences, a third of them of pairs where there are such."""
    single, pairs = ([c for c in cells if len(c.columns) == n] for n in (1, 2))
    return single[: TOLD - min(len(pairs), TOLD // 3)] + pairs[: TOLD // 3]


def _shared(here: Look, there: Look) -> list[str]:
    out = {here.key, *here.ids, *here.time[:1], *here.excluded}
    kinds = {"number", "integer", "category", "boolean", "time"}
    return [c.name for c in here.schema.columns
            if c.name in there.facts and c.name not in out and c.kind in kinds and c.role != "empty"]  # fmt: skip


def _rekinded(here: Look, there: Look, name: str) -> bool:
    a, b = here.column(name), there.column(name)
    if b.role == "empty" or a.kind == b.kind:
        return False
    # Few rows decide between codes, flags, integers and numbers; records hold codes as texts.
    amounts = {"number", "integer"}
    alike = amounts | {"boolean"} if a.kind != "category" else {"category", "boolean", "text", "integer"}
    return not (a.kind in alike and b.kind in alike)


Coded = tuple[np.ndarray, np.ndarray, list[str]]


def _coded(here: Look, there: Look, name: str) -> Coded:
    """Both tables' rows as codes into the same groups: bins of equal weight in both together, or words."""
    facts = here.column(name)
    if facts.kind in {"number", "integer", "time"}:
        a, b = here.floats(name), floats_of(there.sample.column(name), facts.kind == "time")
        return _binned(a, b, _BINS, time=facts.kind == "time")
    column = Column(name, "category", coded=facts.coded)
    found = []
    for look in (here, there):
        array = _texts(plain(look.sample.column(name)), column)[0]
        found.append((array.indices.fill_null(-1).to_numpy(zero_copy_only=False), array.dictionary.to_pylist()))
    counts: dict[str, int] = {}
    for codes, words in found:
        for word, n in zip(words, np.bincount(codes[codes >= 0], minlength=len(words)).tolist(), strict=True):
            counts[word] = counts.get(word, 0) + n
    kept = sorted(counts, key=lambda w: (-counts[w], w))[:_WORDS]
    words = [*kept, *([_OTHERS] if len(counts) > len(kept) else []), _MISSING]
    place = {w: i for i, w in enumerate(kept)}
    coded = [
        np.array([*(place.get(w, len(kept)) for w in own), len(words) - 1], dtype=np.int64)[codes]
        for codes, own in found
    ]
    return coded[0], coded[1], words


def _binned(a: np.ndarray, b: np.ndarray, bins: int, *, time: bool) -> Coded:
    both = np.concatenate([a, b])
    both = both[~np.isnan(both)]
    if not len(both):
        return np.zeros(len(a), dtype=np.int64), np.zeros(len(b), dtype=np.int64), [_MISSING]
    levels = np.unique(both)
    if len(levels) <= bins:
        edges, words = levels[1:], [_word(v, time) for v in levels]
    else:
        # Of equal weight where values repeat little; a value that makes up more than a bin is one by itself.
        edges = np.unique(np.quantile(both, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
        edges = edges[edges > levels[0]]
        ends = [levels[0], *edges, levels[-1]]
        words = [f"{_word(x, time)} to {_word(y, time)}" for x, y in pairwise(ends)]
    words.append(_MISSING)
    coded = [np.where(np.isnan(v), len(words) - 1, np.searchsorted(edges, v, "right")).astype(np.int64) for v in (a, b)]
    return coded[0], coded[1], words


def _word(value: float, time: bool) -> str:
    if not time:
        return f"{value:.4g}"
    return str(np.datetime64(int(value), "s"))[:10]


def _coarse(a: np.ndarray, b: np.ndarray, words: list[str]) -> Coded:
    """The same in at most four groups and the missing: neighbours together for numbers, the rarer words as others."""
    present = len(words) - 1
    if present <= _PAIR_BINS:
        return a, b, words
    if " to " in words[0]:
        to = np.arange(present) * _PAIR_BINS // present
        said = [f"{words[np.flatnonzero(to == g)[0]].split(' to ')[0]} to "
                f"{words[np.flatnonzero(to == g)[-1]].split(' to ')[1]}" for g in range(_PAIR_BINS)]  # fmt: skip
    elif all(_is_number(w) for w in words[:-1]):
        to = np.arange(present) * _PAIR_BINS // present
        said = [f"{words[np.flatnonzero(to == g)[0]]} to {words[np.flatnonzero(to == g)[-1]]}"
                for g in range(_PAIR_BINS)]  # fmt: skip
    else:
        to = np.minimum(np.arange(present), _PAIR_BINS - 1)
        said = [*words[: _PAIR_BINS - 1], _OTHERS]
    map_ = np.append(to, _PAIR_BINS)
    return map_[a], map_[b], [*said, _MISSING]


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _counts(codes: np.ndarray, groups: int) -> np.ndarray:
    return np.bincount(codes, minlength=groups)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(((b + 0.5) / (b.sum() + 1)) / ((a + 0.5) / (a.sum() + 1)))


def _pair(one: str, two: str, coarse: dict[str, Coded], ratios: dict[str, np.ndarray], tests: int) -> list[Cell]:
    (a1, b1, words1), (a2, b2, words2) = coarse[one], coarse[two]
    size = len(words1) * len(words2)
    a, b = _counts(a1 * len(words2) + a2, size), _counts(b1 * len(words2) + b2, size)
    values = [(x, y) for x in words1 for y in words2]
    # What the shares of its columns explain is told by them already.
    explained = np.outer(ratios[one], ratios[two]).ravel()
    beyond = np.abs(np.log(_ratio(a, b) / explained)) >= np.log(1.5)
    # Where one side hardly has the value at all, every pair with it differs, and says no more.
    gone = [np.abs(np.log(ratios[n])) >= np.log(3.0) for n in (one, two)]
    beyond &= ~np.logical_or.outer(gone[0], gone[1]).ravel()
    return _cells((one, two), values, a, b, tests, beyond)


def _cells(
    columns: tuple[str, ...],
    values: list[Any],
    a: np.ndarray,
    b: np.ndarray,
    tests: int,
    allowed: np.ndarray | None = None,
) -> list[Cell]:
    n, m = int(a.sum()), int(b.sum())
    p = np.minimum(_exact(a, b, n, m) * tests, 1.0)
    found = []
    for i in np.flatnonzero((p < ALPHA) & (True if allowed is None else allowed)):
        share, other = a[i] / n, b[i] / m
        more, less = max(share, other), min(share, other)
        if more - less < FLOOR or more < RATIO * less:
            continue
        low, high = newcombe(int(a[i]), n, int(b[i]), m, ALPHA / tests)
        how = "overrepresented" if share > other else "lacks" if share < 0.1 * other else "underrepresented"
        found.append(Cell(columns, tuple(values[i]), int(a[i]), int(b[i]), float(share), float(other), low, high,
                          float(p[i]), how))  # fmt: skip
    return found


def _exact(a: np.ndarray, b: np.ndarray, n: int, m: int) -> np.ndarray:
    """Two-sided p of equal shares given both counts' sum: twice the smaller tail of the hypergeometric law (Fisher)."""
    from scipy.stats import hypergeom

    both = a + b
    low, high = hypergeom.cdf(a, n + m, both, n), hypergeom.sf(a - 1, n + m, both, n)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(low, high)))


def newcombe(k1: int, n1: int, k2: int, n2: int, alpha: float) -> tuple[float, float]:
    """Interval of p2 - p1 at level 1 - alpha. Source: Newcombe, Interval estimation for the difference (1998), 10.

    >>> low, high = newcombe(56, 70, 48, 80, 0.05)
    >>> round(low, 4), round(high, 4)
    (-0.3339, -0.0524)
    """
    from statistics import NormalDist

    z = NormalDist().inv_cdf(1 - max(alpha, 1e-15) / 2)
    (p1, l1, u1), (p2, l2, u2) = _wilson(k1, n1, z), _wilson(k2, n2, z)
    d = p2 - p1
    return (
        float(d - np.sqrt((p2 - l2) ** 2 + (u1 - p1) ** 2)),
        float(d + np.sqrt((u2 - p2) ** 2 + (p1 - l1) ** 2)),
    )


def _wilson(k: int, n: int, z: float) -> tuple[float, float, float]:
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return p, float(centre - half), float(centre + half)
