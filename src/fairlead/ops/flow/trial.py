"""A rollout as the deciding rule sees it: both variants on the same labelled rows since it began."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec
import numpy as np

from fairlead.contract import records as names
from fairlead.contract.errors import BundleNotFound, BundleRefused
from fairlead.contract.routes import Variant
from fairlead.ops.flow import rolling
from fairlead.ops.flow.counting import counted
from fairlead.ops.flow.forecasts import blocks_of, label_delay, means_of, repeated
from fairlead.ops.flow.holding import said, stands_of
from fairlead.ops.flow.situation import Trial
from fairlead.ops.flow.tallying import tally_of
from fairlead.ops.flow.tracker import Tracker, watermark
from fairlead.ops.flow.valued import Values, values_of
from fairlead.ops.flow.view import View, read_view
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import window_spec
from fairlead.ops.monitor.windows import DAY
from fairlead.ops.rollout import RolloutVerdict, in_random_order, judge, judge_two, ratio_mismatch
from fairlead.ops.rollout.fixed import judge_fixed, judge_values_fixed
from fairlead.ops.rollout.guardrails import Guardrail
from fairlead.ops.rollout.shares import bandit_shares, moved, next_share
from fairlead.ops.rollout.values import judge_values
from fairlead.ops.rollout.ways import judged_by
from fairlead.ops.state import Intent

MOST_LOOKS = 1000
"""Days of evidence that a verdict uses; a rollout ends long before."""


ALPHA = 0.05
"""How often a rollout ends in a wrong verdict of either kind, all of its challengers together."""


def trial_of(ws: Workspace, intent: Intent, tracker: Tracker) -> Trial | None:
    """The rollout in progress with its verdict so far; of several challengers the first. None when there is none."""
    return next(iter(trials_of(ws, intent, tracker)), None)


def trials_of(ws: Workspace, intent: Intent, tracker: Tracker) -> list[Trial]:
    """Every challenger of the rollout in progress, each with its verdict so far and how its guardrails stand."""
    rollout = intent.rollout
    tried = rolling.challengers(intent)
    champion = next((v for v in intent.variants if v.name == "champion"), None)
    first = ws.state.first_window(ws.model)
    if rollout is None or not tried or champion is None or first is None:
        return []
    broken = [(one, why) for one in tried if (why := refused(ws, one.bundle))]
    if broken:
        # It could not be judged, and must not keep the champion from being watched.
        way = rolling.way_of(rollout)
        return [
            Trial(
                bundle=one.bundle, version=one.version, started_at=rollout.started_event, mode=way.mode,
                guardrails=(why,), until=way.until,
            )
            for one, why in broken
        ]  # fmt: skip
    # A model fitted on old rows is on trial since there were answers, not since its rows ended.
    started = max(rollout.started_event, first.start)
    stages, way = rolling.stages_of(rollout), rolling.way_of(rollout)
    now = stages[-1] if stages else rolling.Stage(rollout.started_wall, started, {})
    tally = tally_of(ws, now, unit_of(ws)).follow(ws)
    stands = stands_of(ws, champion, tried, tally, counted(ws), max(len(stages), 1), chosen=way.mode == "pilot")
    mismatch = ""
    answering = [v for v in intent.variants if not v.shadow]
    # While another split is being published, requests are split in either way.
    if way.mode != "pilot" and len(answering) > 1 and not now.until:
        counts = [tally.of(v.bundle).units for v in answering]
        check = ratio_mismatch(counts, [v.weight for v in answering])
        mismatch = check.why if check.mismatch else ""
    # What was begun with several errs as one: who has gone since gives nothing back.
    began = max(len(tried), *(len(one.weights) - 1 for one in stages[:1]), 1)
    judged = judged_of(ws, intent, tracker, started, ALPHA / began)
    weights = bandit_weights(ws, intent, judged) if way.mode == "bandit" else None
    grown = grown_to(ws, tried, judged, stands) if way.mode == "canary" else None
    found = []
    for one in tried:
        verdict, floor = judged.verdicts[one.version], judged.floors.get(one.version)
        found.append(
            Trial(
                bundle=one.bundle, version=one.version, started_at=started, verdict=verdict, floor_holds=floor,
                mismatch=mismatch, guardrails=said(stands[one.version]), stands=stands[one.version], mode=way.mode,
                weight=one.weight, next_weight=grown, weights=weights, until=way.until,
                over=0.0 < way.until <= ws.clock(),
            )
        )  # fmt: skip
    return found


def refused(ws: Workspace, bundle: str) -> str:
    """Why a bundle that was sound when its trial began cannot be loaded any more; "" while it can."""
    try:
        ws.load(bundle)
    except (BundleRefused, BundleNotFound) as error:
        return f"its bundle cannot be loaded any more: {error}"
    return ""


def grown_to(
    ws: Workspace, tried: Sequence[Variant], judged: Judged, stands: Mapping[int, Sequence[Guardrail]]
) -> float | None:
    """The share that the evidence allows each challenger of a canary now; None where it stays."""
    verdicts = [verdict for one in tried if (verdict := judged.verdicts[one.version]) is not None]
    if len(verdicts) < len(tried):
        return None
    settings = ws.settings.rollout
    share = sum(one.weight for one in tried)
    step = next_share(verdicts, [stands[one.version] for one in tried], share, settings.steps, settings.max_loss)
    return None if step is None else step / len(tried)


class Judged(NamedTuple):
    """Verdicts and floors by version of challenger, and what each variant brought row by row (n, k), larger is better,
    champion first; None where that is not known of all. counts: how often each was met."""

    verdicts: dict[int, RolloutVerdict | None]
    floors: dict[int, bool | None]
    outcomes: np.ndarray | None
    counts: list[int]


def judged_of(ws: Workspace, intent: Intent, tracker: Tracker, started: float, alpha: float) -> Judged:
    """The verdicts so far by the objective of the project, each with error `alpha`."""
    champion = next(v for v in intent.variants if v.name == "champion")
    tried = rolling.challengers(intent)
    mode = rolling.way_of(intent.rollout).mode if intent.rollout is not None else "canary"
    if judged_by(mode, ws.settings.rollout.objective) == "value" and not any(v.shadow for v in tried):
        return _judged_by_value(ws, intent, tracker, started, alpha)
    verdicts: dict[int, RolloutVerdict | None] = {}
    floors: dict[int, bool | None] = {}
    columns: list[np.ndarray] = []
    for one in tried:
        evidence = gathered(ws, champion.bundle, one.bundle, started, tracker)
        if evidence is not None and _is_pilot(intent):
            evidence = of_cohort(evidence)
        verdicts[one.version], floors[one.version] = verdict_on(
            evidence, ws.settings.rollout.max_loss, (champion.weight, one.weight), alpha, planned(ws, intent)
        )
        if evidence is not None:
            columns += [-evidence.old, -evidence.new] if not columns else [-evidence.new]
    whole = len(columns) == len(tried) + 1 and len({len(one) for one in columns}) == 1
    table = np.column_stack(columns) if whole else None
    if table is not None and not np.isfinite(table).all():
        table = None
    # Both models were asked about every row, whoever answered it.
    return Judged(verdicts, floors, table, [len(table)] * table.shape[1] if table is not None else [])


def _is_pilot(intent: Intent) -> bool:
    return intent.rollout is not None and rolling.way_of(intent.rollout).mode == "pilot"


def of_cohort(evidence: Losses) -> Losses | None:
    """The rows that the challenger answered: those of its cohort."""
    tried = evidence.tried.astype(bool)
    return Losses(*(values[tried] for values in evidence)) if tried.any() else None


def planned(ws: Workspace, intent: Intent) -> tuple[int, int] | None:
    """Of design "fixed": the rows and the looks that were planned when the rollout began; None where one may always
    look."""
    rows = int(intent.rollout.details.get("rows", 0)) if intent.rollout is not None else 0
    return (rows, ws.settings.rollout.looks) if ws.settings.rollout.design == "fixed" and rows > 0 else None


def _judged_by_value(ws: Workspace, intent: Intent, tracker: Tracker, started: float, alpha: float) -> Judged:
    from fairlead.lab.stats.propensity import variant_scores

    assert intent.rollout is not None
    settings, variants = ws.settings.rollout, list(intent.variants)
    stages = rolling.stages_of(intent.rollout)
    redrawn = rolling.way_of(intent.rollout).mode == "bandit"
    seen = values_of(
        ws, [v.bundle for v in variants], [v.version for v in variants], stages, looks(ws, started, tracker),
        unit_of(ws), redrawn,
    )  # fmt: skip
    verdicts: dict[int, RolloutVerdict | None] = {}
    for arm, one in enumerate(variants):
        if one.name != "champion":
            verdicts[one.version] = _verdict_on_values(ws, intent, seen, arm, alpha) if len(seen.values) else None
    sign = 1.0 if settings.better == "higher" else -1.0
    outcomes = sign * variant_scores(seen.values, seen.arms, seen.shares) if len(seen.values) else None
    counts = [int((seen.arms == arm).sum()) for arm in range(len(variants))]
    return Judged(verdicts, {}, outcomes, counts)


def _verdict_on_values(ws: Workspace, intent: Intent, seen: Values, arm: int, alpha: float) -> RolloutVerdict:
    settings, plan = ws.settings.rollout, planned(ws, intent)
    if plan is not None:
        return judge_values_fixed(
            seen.values, seen.arms, seen.shares, settings.max_loss, *plan, alpha, arm=arm, better=settings.better
        )
    return judge_values(
        seen.values, seen.arms, seen.shares, settings.max_loss, alpha, arm=arm, better=settings.better,
        bounds=settings.value_range,
    )  # fmt: skip


def bandit_weights(ws: Workspace, intent: Intent, judged: Judged) -> dict[int, float] | None:
    """Shares by what was brought so far, by version; None while they stay as they are."""
    if judged.outcomes is None:
        return None
    now = [v.weight for v in intent.variants]
    seed = len(judged.outcomes)
    wanted = bandit_shares(judged.outcomes, judged.counts, ws.settings.rollout.explore, seed)
    if not moved(now, wanted):
        return None
    return {v.version: weight for v, weight in zip(intent.variants, wanted, strict=True)}


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
    evidence: Losses | None,
    max_loss: float,
    weights: tuple[float, float],
    alpha: float = ALPHA,
    planned: tuple[int, int] | None = None,
) -> tuple[RolloutVerdict | None, bool | None]:
    """The verdict, None without evidence, and whether the challenger beats a constant.

    Both are compared row by row; where rows have the answer of one alone, those of either side. weights: of champion
    and challenger in the routes. planned: rows and looks of a comparison of that design.
    """
    if evidence is None:
        return None, None
    old, new, constant, tried = evidence
    gains = (constant - new)[np.isfinite(new) & np.isfinite(constant)]
    floor = bool(gains.mean() > 0) if len(gains) else None
    if np.isfinite(old).all() and np.isfinite(new).all():
        if planned is not None:
            return judge_fixed(new - old, max_loss, *planned, alpha), floor
        return judge(new - old, max_loss, alpha), floor
    tried = tried.astype(bool)
    ours, theirs = old[~tried & np.isfinite(old)], new[tried & np.isfinite(new)]
    if not len(ours) or not len(theirs):
        return None, floor
    ratio = max(1, round(max(weights) / min(weights))) if min(weights) > 0 else None
    return judge_two(ours, theirs, max_loss, alpha, ratio=ratio), floor


def looks(ws: Workspace, since: float, tracker: Tracker) -> list[tuple[float, float]]:
    """Intervals since the rollout began whose labels are due: days, or what is shorter; windows without event time.
    Of forecasts whole blocks, days or longer.

    Their bounds do not depend on when one looks, so neither does the order of the evidence.
    """
    spec = window_spec(ws.settings)
    if not spec.timed:
        scored = [w for w in ws.state.windows_since(ws.model, since) if w.state == "scored"]
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
    # Both are judged by the same truth: that of the challenger's definition of the target, which is the newer one.
    newer = ws.load(challenger).signature
    if newer.classes != signature.classes:
        return None  # They answer different questions: a person decides between them.
    signature = msgspec.structs.replace(signature, definition=newer.definition)
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


def unit_of(ws: Workspace) -> str:
    """The column whose distinct values are what assignment drew: the same caller meets the same variant each time."""
    settings = ws.settings
    intent = ws.state.intent(ws.model)
    pilot = rolling.way_of(intent.rollout).column if intent is not None and intent.rollout is not None else ""
    sticky = pilot or settings.sticky
    if sticky is None:
        return names.REQUEST
    champion = next((v.bundle for v in intent.variants if v.name == "champion"), None) if intent else None
    signature = ws.load(champion).signature if champion is not None else None
    if sticky == settings.model.id or (signature is not None and sticky == signature.row_key):
        return names.KEY
    feature = signature is not None and sticky in signature.names
    return (names.FEATURE_IN if feature else names.PASSED_IN) + sticky
