"""A rollout as the deciding rule sees it: both variants on the same labelled rows since it began."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fairlead.contract import records as names
from fairlead.ops.flow.forecasts import blocks_of, label_delay, means_of, repeated
from fairlead.ops.flow.situation import Trial
from fairlead.ops.flow.tracker import Tracker, watermark
from fairlead.ops.flow.view import View, read_view
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import window_spec
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rollout import RolloutVerdict, in_random_order, judge, judge_two, ratio_mismatch
from fairlead.ops.state import Intent

MOST_LOOKS = 1000
"""Days of evidence that a verdict uses; a rollout ends long before."""


def trial_of(ws: Workspace, intent: Intent, tracker: Tracker) -> Trial | None:
    """The rollout in progress with its verdict so far; None when there is none, or a shadow that only listens."""
    rollout = intent.rollout
    challenger = next((v for v in intent.variants if v.name == "challenger"), None)
    champion = next((v for v in intent.variants if v.name == "champion"), None)
    watched = ws.state.windows(ws.model)
    if rollout is None or challenger is None or champion is None or not watched:
        return None
    # A model fitted on old rows is on trial since there were answers, not since its rows ended.
    started = max(rollout.started_event, watched[0].start)
    evidence = gathered(ws, champion.bundle, challenger.bundle, started, tracker)
    verdict, floor = verdict_on(evidence, ws.settings.rollout.max_loss, (champion.weight, challenger.weight))
    mismatch = ""
    if not challenger.shadow:
        shares = (champion.weight, challenger.weight)
        counts = assigned(ws, (champion.bundle, challenger.bundle), started, rollout.started_wall)
        check = ratio_mismatch(counts, shares)
        mismatch = check.why if check.mismatch else ""
    return Trial(
        bundle=challenger.bundle,
        version=challenger.version,
        started_at=started,
        verdict=verdict,
        floor_holds=floor,
        mismatch=mismatch,
    )


class Losses(NamedTuple):
    """Of labelled rows (of forecasts: blocks of them), each (n,): losses of champion, challenger and the best constant
    (a forecast's newest value), NaN where a model neither answered nor can be asked, as its tensors are hidden; and
    whether the challenger answered."""

    old: np.ndarray
    new: np.ndarray
    constant: np.ndarray
    tried: np.ndarray


def gathered(ws: Workspace, champion: str, challenger: str, since: float, tracker: Tracker) -> Losses | None:
    """The evidence since a rollout began, in the order of looks; None without any."""
    parts = []
    for number, (start, end) in enumerate(looks(ws, since, tracker)):
        found = losses_between(ws, champion, challenger, start, end)
        if found is not None:
            parts.append([in_random_order(values, seed=number) for values in found])
    return Losses(*map(np.concatenate, zip(*parts, strict=True))) if parts else None


def verdict_on(
    evidence: Losses | None, max_loss: float, weights: tuple[float, float]
) -> tuple[RolloutVerdict | None, bool | None]:
    """The verdict, None without evidence, and whether the challenger beats a constant.

    Both are compared row by row; where rows have the answer of one alone, those of either side. weights: of champion
    and challenger in the routes.
    """
    if evidence is None:
        return None, None
    old, new, constant, tried = evidence
    gains = (constant - new)[np.isfinite(new) & np.isfinite(constant)]
    floor = bool(gains.mean() > 0) if len(gains) else None
    if np.isfinite(old).all() and np.isfinite(new).all():
        return judge(new - old, max_loss), floor
    tried = tried.astype(bool)
    ours, theirs = old[~tried & np.isfinite(old)], new[tried & np.isfinite(new)]
    if not len(ours) or not len(theirs):
        return None, floor
    ratio = max(1, round(max(weights) / min(weights))) if min(weights) > 0 else None
    return judge_two(ours, theirs, max_loss, ratio=ratio), floor


def looks(ws: Workspace, since: float, tracker: Tracker) -> list[tuple[float, float]]:
    """Intervals since the rollout began whose labels are due: days, or what is shorter; windows without event time.
    Of forecasts whole blocks, days or longer.

    Their bounds do not depend on when one looks, so neither does the order of the evidence.
    """
    spec = window_spec(ws.settings)
    if not spec.timed:
        scored = [w for w in ws.state.windows(ws.model) if w.state == "scored" and w.end > since]
        return [(max(w.start, since), w.end) for w in scored]
    step = min(DAY, spec.seconds)
    signature = ws.load(tracker.champion).signature
    if signature.task == "forecasting":
        block = signature.horizon * signature.step
        step = block * max(1, round(step / block))
    due = watermark(tracker, ws.settings, ws.clock()) - label_delay(ws.settings, signature)
    found: list[tuple[float, float]] = []
    start = since
    while len(found) < MOST_LOOKS:
        end = (np.floor(start / step) + 1) * step
        if end > due:
            break
        found.append((start, float(end)))
        start = float(end)
    return found


def losses_between(ws: Workspace, champion: str, challenger: str, start: float, end: float) -> Losses | None:
    """Losses on the labelled rows of an interval, None without any.

    Remembered while the process lives: what was due is judged once.
    """
    cache = _losses_of(ws)
    key = (champion, challenger, start, end)
    if key not in cache:
        if len(cache) > 512:
            cache.clear()
        cache[key] = _losses_between(ws, champion, challenger, start, end)
    return cache[key]


@lru_cache(maxsize=4)
def _losses_of(ws: Workspace) -> dict[tuple[str, str, float, float], Losses | None]:
    return {}


def _losses_between(ws: Workspace, champion: str, challenger: str, start: float, end: float) -> Losses | None:
    from fairlead.lab.stats import class_codes, constant_scores, losses
    from fairlead.runtime.capture import Records

    model = ws.load(champion)
    signature, clip = model.signature, model.reference.loss_clip
    view = read_view(Records(ws.home.root, ws.model), start, end, signature)
    chosen = np.flatnonzero(view.labelled)
    if not len(chosen) or signature.task == "clustering":
        # Of groups no row is right or wrong, so no trial is decided by them: a person ends it.
        return None
    truth = view.labels[chosen]
    if signature.task == "forecasting":
        return _forecast_losses(ws, view, chosen, (champion, challenger))
    known = class_codes(truth, signature.classes) if signature.task == "classification" else truth.astype(np.float64)
    constant = constant_scores(signature.task, known, len(chosen), len(signature.classes), signature.quantile)
    if signature.task == "anomaly":
        constant = np.full((len(chosen), 1), signature.threshold)  # what flags nothing
    asked = []
    for bundle in (champion, challenger):
        scores = view.scores(ws.load(bundle))[chosen]
        told = np.isfinite(scores).all(axis=1)
        values = np.full(len(chosen), np.nan)
        if told.any():
            values[told] = losses(signature.task, truth[told], scores[told], signature, clip)
        asked.append(values)
    tried = view.bundles[chosen] == challenger
    return Losses(asked[0], asked[1], losses(signature.task, truth, constant, signature, clip), tried)


def _forecast_losses(ws: Workspace, view: View, chosen: np.ndarray, bundles: tuple[str, str]) -> Losses | None:
    """Losses of blocks of forecasts, on the rows that both models can be asked; None where there is none of those."""
    from fairlead.lab.stats import losses

    signature, clip = view.signature, ws.load(bundles[0]).reference.loss_clip
    both = [view.scores(ws.load(bundle))[chosen] for bundle in bundles]
    told = np.isfinite(np.hstack(both)).all(axis=1)
    rows = chosen[told]
    if not len(rows):
        return None
    truth, constant = view.labels[rows], repeated(view, rows)
    blocks = blocks_of(view.times[rows], signature)
    old, new = (means_of(losses("forecasting", truth, scores[told], signature, clip), blocks) for scores in both)
    naive = means_of(losses("forecasting", truth, constant, signature, clip), blocks)
    if not np.isfinite(constant).all():
        naive = np.full(len(old), np.nan)
    return Losses(old, new, naive, np.ones(len(old)))


def assigned(ws: Workspace, bundles: tuple[str, str], since: float, since_wall: float) -> tuple[int, int]:
    """Requests (or sticky keys, where callers keep their variant) that each of two bundles answered since then.

    Reads from event time `since` on and counts what arrived after `since_wall`.
    """
    import pyarrow.compute as pc

    from fairlead.runtime.capture import Records

    unit = unit_of(ws)
    records = Records(ws.home.root, ws.model)
    table = records.columns(since, None, [names.ARRIVED, names.BUNDLE, names.REQUEST, unit])
    table = table.filter(pc.greater_equal(table.column(names.ARRIVED), since_wall))
    counted = unit if unit in table.schema.names else names.REQUEST
    counts = []
    for bundle in bundles:
        rows = table.filter(pc.equal(table.column(names.BUNDLE), bundle))
        counts.append(len(pc.unique(rows.column(counted))) if rows.num_rows else 0)
    return counts[0], counts[1]


def unit_of(ws: Workspace) -> str:
    """The column whose distinct values are what assignment drew: the same caller meets the same variant each time."""
    settings = ws.settings
    sticky = settings.sticky
    if sticky is None:
        return names.REQUEST
    intent = ws.state.intent(ws.model)
    champion = next((v.bundle for v in intent.variants if v.name == "champion"), None) if intent else None
    signature = ws.load(champion).signature if champion is not None else None
    if sticky == settings.model.id or (signature is not None and sticky == signature.row_key):
        return names.KEY
    feature = signature is not None and sticky in signature.names
    return (names.FEATURE_IN if feature else names.PASSED_IN) + sticky
