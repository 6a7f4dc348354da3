"""Two folded sides to a drift report."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np

from fairlead.contract.profile import Profile
from fairlead.contract.signature import Signature
from fairlead.lab.stats.decision_rates import decision_names, decision_rates, decision_score, positive_of
from fairlead.lab.stats.permuting import jointly
from fairlead.lab.tables.drift.judging import (
    ALPHA,
    FLOOR,
    PARTS,
    Sides,
    judge_columns,
    judge_pairs,
    judge_pairs_against,
)
from fairlead.lab.tables.drift.report import DriftReport, Moved, Pair, Rate, Together
from fairlead.lab.tables.drift.together import Spread, judge_together

RATE_FLOOR = 0.02
"""Least change of the share of a decision that matters."""

FEW_ROWS = 100
"""Fewer than these show large movements alone, which the headline must not pass over."""


def drift_report(
    before: Sequence[Profile],
    now: Sequence[Profile],
    *,
    source: str,
    reference: str,
    started: float,
    signature: Signature | None = None,
    left_out: Mapping[str, str] | None = None,
    lacking: Sequence[str] = (),
    surplus: Sequence[str] = (),
    notes: Sequence[str] = (),
    whole: Profile | None = None,
    independent: bool = False,
    spread: tuple[Spread, Spread] | None = None,
    seed: int = 0,
) -> DriftReport:
    """What moved from the blocks of the reference to those of the rows.

    whole: of the reference, where its blocks are without correlations. independent: rows are known to be drawn one by
    one, so that few of them say something, too. signature: of the model whose scores both hold, for decisions.
    started: by `time.perf_counter`. spread: rows all over the reference and the rows, to be told apart by all columns.
    Columns that either side lacks are not among those compared. Raises ShapeMismatch for blocks in different bins.
    """
    before, now = _shared(before, now)
    sides = Sides(before, now, seed, independent=independent)
    columns = judge_columns(sides)
    pairs, tried = judge_pairs(sides)
    if not tried and whole is not None:
        pairs, tried = judge_pairs_against(_shared([whole], now)[0][0], now, seed)
    scored = all(p.scores for p in (*before, *now))
    scores = judge_columns(sides, "scores", PARTS["outputs"] / 2) if scored else ()
    if signature is not None and len(signature.classes) == 2:
        # Of two classes one's probability is the other's turned over.
        scores = tuple(m for m in scores if m.name == positive_of(signature))
    rates = judge_decisions(sides, signature) if scored and signature is not None else ()
    together, why = judge_together(*spread, sides.whole_before.columns, seed) if spread is not None else (None, "")
    if why:
        notes = (*notes, f"All columns together are not judged: {why}.")
    verdicts = [m.moved for m in (*columns, *scores)] + [p.moved for p in pairs] + [r.moved for r in rates]
    verdicts.append(together is not None and together.moved)
    return DriftReport(
        source=source, reference=reference, rows=sides.whole_now.rows, reference_rows=sides.whole_before.rows,
        moved=any(verdicts),
        headline=headline(columns, pairs, scores, rates, together, sides.enough, lacking, sides.whole_now.rows),
        columns=columns, pairs=pairs, pairs_tried=tried, scores=scores, decisions=rates, together=together,
        left_out=dict(left_out or {}), lacking=tuple(lacking), surplus=tuple(surplus), notes=tuple(notes),
        blocks=len(sides.now), other_blocks=len(sides.before), alpha=ALPHA, floor=FLOOR,
        seconds=round(time.perf_counter() - started, 3),
    )  # fmt: skip


def headline(
    columns: Sequence[Moved], pairs: Sequence[Pair], scores: Sequence[Moved], rates: Sequence[Rate],
    together: Together | None, enough: bool, lacking: Sequence[str] = (), rows: int = FEW_ROWS,
) -> str:  # fmt: skip
    """The outcome in one sentence, and in another which columns are not there to be compared."""
    gone = f" {len(lacking)} of the reference's columns are missing: {', '.join(lacking[:5])}" if lacking else ""
    if len(lacking) == 1:
        gone = f" One of the reference's columns is missing: {lacking[0]}"
    gone += ", ..." if len(lacking) > 5 else "." if lacking else ""
    if not enough:
        return f"Too few rows to say whether anything moved.{gone}"
    told = []
    parts: tuple[tuple[str, list[bool]], ...] = (
        ("columns", [m.moved for m in columns]), ("scores", [m.moved for m in scores]),
        ("correlations", [p.moved for p in pairs]), ("decisions", [r.moved for r in rates]),
    )  # fmt: skip
    for what, found in parts:
        if any(found):
            of = f" of {len(found)}" if what != "correlations" else ""
            told.append(f"{sum(found)}{of} {what}")
    if together is not None and together.moved and not any(m.moved for m in columns):
        told.append("all columns together")
    if told:
        return f"Moved: {', '.join(told)}.{gone}"
    if rows < FEW_ROWS:
        return f"Nothing moved beyond what {rows:,} row{'s' if rows != 1 else ''} may show by chance.{gone}"
    return f"Nothing moved that matters.{gone}"


def judge_decisions(sides: Sides, signature: Signature) -> tuple[Rate, ...]:
    """Shares of decisions before and now, from histograms of scores on both sides."""
    from scipy.special import ndtr

    names = decision_names(signature)
    if not names:
        return ()
    deciding = decision_score(signature)
    columns = [next((s for s in b.scores if s.bins.name == deciding), None) for b in sides.blocks]
    kept = [c for c in columns if c is not None]
    if len(kept) != len(columns):
        return ()
    rows = np.asarray([sum(c.counts) for c in kept], dtype=np.float64)
    shares = decision_rates(kept, signature)
    split = len(sides.before)
    made = shares * rows[:, None]
    before, now = (made[a:b].sum(axis=0) / max(rows[a:b].sum(), 1.0) for a, b in ((0, split), (split, None)))
    joint = np.ones(len(names))
    lows, highs = np.full(len(names), -1.0), np.full(len(names), 1.0)
    if sides.deals is not None:
        there, here = sides.deals, 1.0 - sides.deals
        apart = (there @ made) / (there @ rows)[:, None] - (here @ made) / (here @ rows)[:, None]
        joint = jointly(np.abs(apart))
        drawn = [
            (w @ made[part]) / np.maximum(w @ rows[part], 1.0)[:, None]
            for w, part in zip(sides.drawn, (slice(0, split), slice(split, None)), strict=True)
        ]
        lows, highs = np.quantile(drawn[1] - drawn[0], [0.025, 0.975], axis=0)
    elif sides.drawing:
        share = np.clip((before * rows[:split].sum() + now * rows[split:].sum()) / rows.sum(), 0.0, 1.0)
        spread = np.sqrt(share * (1.0 - share) * (1.0 / rows[:split].sum() + 1.0 / rows[split:].sum()))
        lows, highs = now - before - 1.96 * spread, now - before + 1.96 * spread
        joint = np.minimum(2.0 * ndtr(-np.abs(now - before) / np.maximum(spread, 1e-12)) * len(names), 1.0)
    alpha = ALPHA * PARTS["outputs"] / 2
    return tuple(
        Rate(name, float(b), float(n), float(lo), float(hi), float(p), bool(p <= alpha and abs(n - b) >= RATE_FLOOR))
        for name, b, n, lo, hi, p in zip(names, before, now, lows, highs, joint, strict=True)
    )


def _shared(before: Sequence[Profile], now: Sequence[Profile]) -> tuple[list[Profile], list[Profile]]:
    """Both sides with the columns alone that both have; the gram matrix stays where all numeric columns do."""
    import msgspec

    names = [{c.bins.name for c in side[0].columns} for side in (before, now)]
    both = names[0] & names[1]
    found = []
    for side, own in zip((before, now), names, strict=True):
        if own == both:
            found.append(list(side))
            continue
        columns = [tuple(c for c in p.columns if c.bins.name in both) for p in side]
        found.append([
            msgspec.structs.replace(p, columns=kept, gram=_gram(p, both)) for p, kept in zip(side, columns, strict=True)
        ])  # fmt: skip
    return found[0], found[1]


def _gram(profile: Profile, kept: set[str]) -> tuple[tuple[float, ...], ...]:
    from fairlead.lab.stats.correlations import names_of

    if not profile.gram:
        return ()
    at = [i for i, name in enumerate(names_of(profile)) if name in kept]
    return tuple(tuple(profile.gram[i][j] for j in at) for i in at)
