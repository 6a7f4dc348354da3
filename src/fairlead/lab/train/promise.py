"""The reference a candidate is sealed with: what its rows looked like, and how well it did on rows it had not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import msgspec
import numpy as np

from fairlead.contract.estimation import Estimation
from fairlead.contract.profile import Bins, HeldOut, Hours, Profile, Reference
from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.stats.bins import bins_for, score_bins
from fairlead.lab.stats.estimating import TASKS, learn_estimation
from fairlead.lab.stats.hours import hours_of
from fairlead.lab.stats.loss import loss_clip, losses
from fairlead.lab.stats.measures import Floats, metrics
from fairlead.lab.stats.order import order_of
from fairlead.lab.stats.pinball import errors_of
from fairlead.lab.stats.profiling import profile
from fairlead.lab.stats.ranking import ranking_metrics
from fairlead.lab.stats.spans import Span, covered, spans_of, window_length
from fairlead.lab.stats.tensors import with_histories, with_moments
from fairlead.lab.stats.unusual import unusual_limits
from fairlead.lab.train.folding import FEWEST_ROWS, Fold
from fairlead.lab.train.material import Material

DAY_S = 86_400.0
MOST_BLOCKS = 400
BLOCK_ROWS = 500
WINDOWS = 16
FEWEST_WINDOWS = 8
MOST_FITS = 8
LEAST_ESTIMATED = 30
"""Rows of a window that an estimate is made of."""

Answer = Callable[[Fold], Floats]
"""Scores of a fold's judged rows by the chosen way of learning, fitted on its other rows."""


def promised_spans(spans: list[Span]) -> list[Span]:
    """The newest windows to judge on: half of all, at most 16; 8 where that leaves two windows to learn from.

    Windows far back would be judged by models that had seen little and promise less than this model holds.
    """
    count = len(spans)
    if count < 3:
        return []
    wanted = min(WINDOWS, max(count // 2, min(FEWEST_WINDOWS, count - 2)))
    return spans[count - wanted :]


def held_out_answers(material: Material, spans: list[Span], answer: Answer, folded: Floats) -> Floats:
    """Out-of-sample scores of every row that has any, (rows, outputs), else NaN.

    With time: each group of promised windows by what was learned from all rows before it (at most 8 fits), older
    rows by their fold. Without: by their fold.
    """
    table = folded.copy()
    if material.times is None or not spans:
        return table
    size = -(-len(spans) // MOST_FITS)
    for at in range(0, len(spans), size):
        group = spans[at : at + size]
        first, last = group[0].first, group[-1].last
        if first >= FEWEST_ROWS:
            table[first:last] = answer(Fold(np.arange(first), np.arange(first, last)))
    return table


def reference_of(material: Material, window: str, answer: Answer, folded: Floats) -> Reference:
    """The reference. folded: out-of-sample scores from the folds, (rows, outputs), NaN where no fold judged.

    Score histograms and losses come from out-of-sample answers alone.
    """
    material = replace(material, columns=dict(with_histories(material.columns, material.signature)))
    every = spans_of(material.rows, material.times, window)
    promised = promised_spans(every) if material.times is not None else every
    answers = held_out_answers(material, promised, answer, folded)
    judged = np.asarray(np.isfinite(answers).all(axis=1))
    kept = [s for s in promised or every if judged[s.first : s.last].all()]
    if material.signature.task in UNSUPERVISED:
        # Of a clustering nothing is promised; of anomalies what is known of windows with labels.
        known = np.isfinite(material.truth) if material.signature.task == "anomaly" else np.zeros(len(judged), bool)
        kept = [s for s in kept if known[s.first : s.last].all()]
    clip = 1.0
    if material.signature.task == "regression":
        rows = np.concatenate([np.arange(s.first, s.last) for s in kept]) if kept else np.flatnonzero(judged)
        clip = loss_clip(errors_of(material.truth[rows], answers[rows, 0], material.signature))
    elif material.signature.task == "forecasting":
        clip = loss_clip(np.abs(material.truth - answers)[judged].mean(axis=1))
    bins = bins_for(material.columns, material.signature)
    scored = score_bins(material.signature, answers[judged])
    # Windows are put together from blocks: longer ones could not show how small windows vary.
    length = min(window_length(window, False)[0], BLOCK_ROWS)
    whole = _profile(material, bins, scored, answers, judged)
    return Reference(
        profile=whole,
        blocks=_blocks(material, bins, scored, answers, judged, length),
        held_out=tuple(_held_out(material, s, answers, clip) for s in kept),
        loss_clip=clip,
        hours=_hours(material, window, (bins, scored), answers, judged),
        order=order_of(material.columns, material.times),
        estimation=estimation_of(material, (bins, scored), answers, judged, kept, clip, every),
        unusual=unusual_limits(material.columns, material.signature, whole),
    )


def _hours(
    material: Material, window: str, bins: tuple[tuple[Bins, ...], tuple[Bins, ...]], answers: Floats,
    judged: np.ndarray,
) -> Hours | None:  # fmt: skip
    """Hours of the rows with out-of-sample scores, where windows are shorter than a day; else None."""
    times = material.times
    if times is None or len(times) < 2:
        return None
    count, seconds = window_length(window, timed=True)
    lasts = count * float(times[-1] - times[0]) / len(times) if count else seconds
    if lasts >= DAY_S:
        return None
    rows = np.flatnonzero(judged)
    columns = {name: values[rows] for name, values in material.columns.items()}
    return hours_of(columns, bins[0], answers[rows], bins[1], times[rows])


def estimation_of(
    material: Material,
    bins: tuple[tuple[Bins, ...], tuple[Bins, ...]],
    answers: Floats,
    judged: np.ndarray,
    kept: list[Span],
    clip: float,
    every: list[Span],
) -> Estimation | None:
    """How performance will be estimated before labels come; None where nothing can teach it. every: windows that the
    rows fill; what the inputs of those before the held-out ones let expect is usual, too."""
    rows = np.flatnonzero(judged)
    if material.signature.task not in TASKS or not len(rows):
        return None
    columns = with_moments({n: v[rows] for n, v in material.columns.items()}, [b.name for b in bins[0]])
    windows = [np.searchsorted(rows, np.arange(s.first, s.last)) for s in kept]
    oldest = min((s.first for s in kept), default=0)
    earlier = [
        (s.start, s.end, np.searchsorted(rows, np.arange(s.first, s.last)))
        for s in every
        if s.last <= oldest and s.last - s.first >= LEAST_ESTIMATED and judged[s.first : s.last].all()
    ]
    return learn_estimation(
        material.signature, columns, material.truth[rows], answers[rows], bins, windows, clip, earlier
    )


def _held_out(material: Material, span: Span, answers: Floats, clip: float) -> HeldOut:
    rows = slice(span.first, span.last)
    signature, truth, scores = material.signature, material.truth[rows], answers[rows]
    clusters = material.clusters
    order = {} if clusters is None else ranking_metrics(truth, scores, clusters[rows], signature)
    return HeldOut(
        start=span.start,
        end=span.end,
        rows=span.last - span.first,
        loss=float(losses(signature.task, truth, scores, signature, clip).mean()),
        metrics=metrics(signature.task, truth, scores, signature) | order,
    )


def _profile(
    material: Material, bins: tuple[Bins, ...], scored: tuple[Bins, ...], answers: Floats, judged: np.ndarray
) -> Profile:
    start, end = covered(material.times, 0, material.rows)
    whole = profile(material.columns, bins, start=start, end=end)
    chosen = {name: values[judged] for name, values in material.columns.items()}
    with_scores = profile(chosen, bins, scores=answers[judged], score_bins=scored, gram=False)
    return msgspec.structs.replace(whole, scores=with_scores.scores)


def _blocks(
    material: Material,
    bins: tuple[Bins, ...],
    scored: tuple[Bins, ...],
    answers: Floats,
    judged: np.ndarray,
    length: int,
) -> tuple[Profile, ...]:
    """Profiles of the newest days (`length` rows without time), of rows with out-of-sample scores."""
    rows = np.flatnonzero(judged)
    if not len(rows):
        return ()
    if material.times is None:
        count = max(len(rows) // length, 1)
        block = np.minimum(np.arange(len(rows)) // length, count - 1)
    else:
        block = np.floor(material.times[rows] / DAY_S).astype(np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), len(rows)]
    pieces = list(pairwise(cuts))[-MOST_BLOCKS:]
    made = []
    for a, b in pieces:
        part = rows[a:b]
        start, end = covered(material.times, int(part[0]), int(part[-1]) + 1)
        columns = {name: values[part] for name, values in material.columns.items()}
        made.append(profile(columns, bins, scores=answers[part], score_bins=scored, start=start, end=end, gram=False))
    return tuple(made)
