"""Gaps between groups of rows in a mean, with intervals that hold for all pairs of groups at once."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.evidence import Interval
from fairlead.contract.signature import Signature
from fairlead.lab.stats.blocks import Block, block_codes, every_row
from fairlead.lab.stats.measures import Floats, Ints, class_codes, decisions, positive_index

SMALL_GROUP = 30
MOST_GROUPS = 12
LEVEL = 0.95
_DRAWS = 4000


class GroupRate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One group: rows, how many of them the rate is of, the rate with its interval (None: there are none).

    counted: large enough (30 rows that the rate is of) to be compared.
    """

    group: str
    rows: int
    of: int
    rate: Interval | None = None
    counted: bool = False


class Disparity(msgspec.Struct, frozen=True, omit_defaults=True):
    """The largest difference between groups in one measure of fairness.

    column: a sensitive column, or two joined by " x ". gap: None with fewer than two groups large enough. Its
    interval holds with 95 % for the largest of all pairs at once. between: the two farthest groups, higher first.
    small: groups too small to compare, about which nothing is claimed.
    """

    column: str
    measure: str
    gap: Interval | None
    between: tuple[str, ...] = ()
    groups: tuple[GroupRate, ...] = ()
    small: tuple[str, ...] = ()


def measured(signature: Signature, truth: np.ndarray, scores: Floats, loss: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Per measure what is averaged (n,) and over which rows (n,) of 0 and 1."""
    every = np.ones(len(loss))
    found = {"mean_loss": (loss, every)}
    if signature.task == "regression":
        found["mean_error"] = (scores[:, 0] - np.asarray(truth, dtype=np.float64), every)
    if signature.task != "classification":
        return found
    codes, decided = class_codes(truth, signature.classes), decisions(scores, signature)
    found["accuracy"] = ((codes == decided).astype(np.float64), every)
    if len(signature.classes) == 2:
        positive = positive_index(signature)
        true, said = (codes == positive).astype(np.float64), (decided == positive).astype(np.float64)
        found |= {
            "demographic_parity": (said, every),
            "equal_opportunity": (said, true),
            "false_positive_rate": (said, 1.0 - true),
            "predictive_parity": (true, said),
            "calibration": (scores[:, positive] - true, every),
        }
    return found


def disparity(
    column: str,
    measure: str,
    names: list[str],
    codes: Ints,
    what: Floats,
    among: Floats,
    *,
    block: Block = 1,
    seed: int = 0,
    level: float = LEVEL,
    smallest: int = SMALL_GROUP,
) -> Disparity:
    """The largest gap between groups of the mean of `what` among the rows where `among` is 1.

    names: of the groups; codes: each row's group (n,). block: neighbours in time that count as one observation.
    The interval is simultaneous: the joint distribution of all pairs' differences, each divided by its standard
    error, gives one critical value, so that the largest of many gaps is not mistaken for evidence.
    Source: Tukey's studentised range, generalised to unequal and dependent groups (Hothorn, Bretz and Westfall, 2008).
    """
    rows = np.bincount(codes, minlength=len(names))
    among_rows = np.bincount(codes, weights=among, minlength=len(names))
    counted = [g for g in range(len(names)) if among_rows[g] >= smallest]
    means, cover, blocks = _means(what, among, codes, len(names), block)
    spread = np.sqrt(np.diagonal(cover))
    half = _student(blocks, block) * spread
    bounds = (0.0, 1.0) if _is_share(what) else (-np.inf, np.inf)
    groups = tuple(
        GroupRate(
            name, int(rows[g]), int(among_rows[g]),
            Interval(float(means[g]), float(max(means[g] - half[g], bounds[0])),
                     float(min(means[g] + half[g], bounds[1]))) if among_rows[g] > 0 else None,
            g in counted,
        )
        for g, name in enumerate(names)
    )  # fmt: skip
    small = tuple(names[g] for g in range(len(names)) if g not in counted and rows[g] > 0)
    if len(counted) < 2:
        return Disparity(column, measure, None, groups=groups, small=small)
    pairs = np.array(list(combinations(counted, 2)))
    gaps = np.abs(means[pairs[:, 0]] - means[pairs[:, 1]])
    errors = np.sqrt(
        np.maximum(spread[pairs[:, 0]] ** 2 + spread[pairs[:, 1]] ** 2 - 2 * cover[pairs[:, 0], pairs[:, 1]], 1e-300)
    )
    reach = _critical(cover, pairs, errors, blocks, block, seed, level) * errors
    top = int(gaps.argmax())
    high, low = sorted(pairs[top], key=lambda g: -means[g])
    gap = Interval(float(gaps[top]), float(max((gaps - reach).max(), 0.0)), float((gaps + reach).max()))
    if _is_share(what):
        gap = msgspec.structs.replace(gap, high=min(gap.high, 1.0))
    return Disparity(column, measure, gap, (names[high], names[low]), groups, small)


def odds_disparity(
    column: str, names: list[str], codes: Ints, parts: dict[str, tuple[Floats, Floats]], block: Block, seed: int
) -> Disparity:
    """The larger of the gaps of true and of false positive rates; each at half of the doubt allowed."""
    level = 1 - (1 - LEVEL) / 2
    both = [
        disparity(column, m, names, codes, *parts[m], block=block, seed=seed, level=level)
        for m in ("equal_opportunity", "false_positive_rate")
    ]
    known = [d for d in both if d.gap is not None]
    small = tuple(dict.fromkeys(name for d in both for name in d.small))
    if len(known) < 2:
        return Disparity(column, "equalised_odds", None, small=small)
    larger = max(known, key=lambda d: d.gap.value if d.gap else 0.0)
    gaps = [d.gap for d in known if d.gap is not None]
    gap = Interval(max(g.value for g in gaps), max(g.low for g in gaps), max(g.high for g in gaps))
    return Disparity(column, "equalised_odds", gap, larger.between, (), small)


def _means(
    what: Floats, among: Floats, codes: Ints, groups: int, block: Block
) -> tuple[Floats, np.ndarray[Any, np.dtype[np.float64]], int]:
    """Means of the groups, the covariance of these means, and how many independent observations it rests on."""
    n = len(what)
    size = np.maximum(np.bincount(codes, weights=among, minlength=groups), 1e-300)
    means = np.bincount(codes, weights=among * what, minlength=groups) / size
    influence = among * (what - means[codes]) / size[codes]
    blocks = block_codes(n, block)
    count = int(blocks.max()) + 1
    table = np.zeros((count, groups))
    np.add.at(table, (blocks, codes), influence)
    cover = table.T @ table * (count / max(count - 1, 1))
    if _is_share(what):
        # A group in which it always (or never) happened seems sure; two more of each kind keep it honest.
        # Source: Agresti and Coull (1998).
        shrunk = (means * size + 2) / (size + 4)
        least = shrunk * (1 - shrunk) / (size + 4)
        short = np.maximum(least - np.diagonal(cover), 0.0)
        cover = cover + np.diag(short)
    return means, cover, count


def _is_share(what: Floats) -> bool:
    return bool(np.all((what == 0) | (what == 1)))


def _student(blocks: int, block: Block) -> float:
    from fairlead.lab.stats.quantiles import normal, student

    return normal(0.975) if block == 1 else student(0.975, max(blocks - 1, 1))


def _critical(cover: Floats, pairs: Ints, errors: Floats, blocks: int, block: Block, seed: int, level: float) -> float:
    """The quantile of the largest studentised difference, by draws from the joint normal (few blocks: Student's)."""
    random = np.random.default_rng([seed, 11])
    values, vectors = np.linalg.eigh(cover)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = random.standard_normal((_DRAWS, len(cover))) @ root.T
    if not every_row(block):
        freedom = max(blocks - 1, 1)
        drawn *= np.sqrt(freedom / random.chisquare(freedom, _DRAWS))[:, None]
    largest = (np.abs(drawn[:, pairs[:, 0]] - drawn[:, pairs[:, 1]]) / errors).max(axis=1)
    return float(np.quantile(largest, level))


def groups_of(series: Any) -> tuple[list[str], Ints]:
    """Values as text and each row's group; numbers of many values in quarters, rare values together."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series) and series.nunique() > MOST_GROUPS:
        cut = pd.qcut(series, 4, duplicates="drop").astype(str)
        series = cut.where(series.notna(), "missing")
    texts = series.astype(object).where(series.notna(), "missing").astype(str)
    frequent = list(texts.value_counts().index[:MOST_GROUPS])
    texts = texts.where(texts.isin(frequent), "others")
    codes, names = pd.factorize(texts, sort=True)
    return [str(n) for n in names], codes.astype(np.int64)


def crossed(first: tuple[list[str], Ints], second: tuple[list[str], Ints]) -> tuple[list[str], Ints]:
    """The groups that two groupings, as of `groups_of`, make together."""
    wide = len(second[0])
    both = first[1] * wide + second[1]
    cells, codes = np.unique(both, return_inverse=True)
    return [f"{first[0][c // wide]}, {second[0][c % wide]}" for c in cells], codes.reshape(-1).astype(np.int64)
