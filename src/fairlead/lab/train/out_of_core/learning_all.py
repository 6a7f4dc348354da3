"""What the sample chose, learned from every row: features to the disk, the fit, and every kept row to judge."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.errors import UnknownPlugin
from fairlead.contract.evidence import Interval
from fairlead.contract.plugins import variant
from fairlead.contract.profile import Profile
from fairlead.contract.scale import Scale
from fairlead.contract.settings import Settings
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.profiling import Profiler
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fitting import learner_of, scores_of
from fairlead.lab.train.out_of_core.cost import Cost, cost_of_sample
from fairlead.lab.train.out_of_core.judging import Answer, Judged, judge
from fairlead.lab.train.out_of_core.large import Large, Say, Stretch, weights_in
from fairlead.lab.train.out_of_core.stored import Stored, require_space
from fairlead.lab.train.preparing.dropping import drops
from fairlead.lab.train.stopping import parted, with_best_rounds
from fairlead.lab.train.terms import fit_weights, signs_of

if TYPE_CHECKING:
    from fairlead.lab.compile import Candidate
    from fairlead.lab.train.deciding import Settled

COST_SECONDS = 60.0
"""For the points that say what a sample costs."""


def learn_from_all(
    large: Large, candidate: Candidate, settled: Settled, bench: Bench, settings: Settings, say: Say
) -> tuple[Candidate, Scale]:
    """The candidate fitted on every row that is not kept for judging, where its learner can; else as it is.

    bench: of the sample's rows to learn from. Either way its reference counts every row, and the kept rows judge it.
    """
    started = time.perf_counter()
    if hasattr(candidate.pipeline, "named_steps"):
        prepared, sampled = candidate.pipeline.named_steps["preparation"], candidate.pipeline.named_steps["model"]
        width = prepared.transform(bench.material.frame.iloc[:1]).shape[1]
    way, why = _way(large, candidate, bench, settings, width)
    lineage, rows = candidate.lineage, large.index.parts
    require_space(large.folder, int(rows[1].sum() + (rows[0].sum() if way else 0)) * 8 * (width + 2))
    say("preparing every row, last of four passes", done=0.92)
    passed = _passed(large, candidate, prepared, width, settings, keep_learned=way is not None)
    signature = candidate.signature

    def answering(model: Any) -> Answer:
        return lambda features: settled.answered(scores_of(model, features, signature))

    model, cost = sampled, Cost((), None)
    if way is not None:
        say(f"fitting {lineage.learner} on all {passed.learned.rows:,} rows", done=0.94)
        model = _fitted(way, passed.learned, candidate, bench, prepared, settings)
        candidate = replace(candidate, pipeline=_with_model(candidate.pipeline, prepared, model))
    else:
        say("learning curve of the sample", done=0.94)
        cost = _cost(bench, candidate, int(rows[0].sum()), settings)
    say(f"judging on all {passed.kept.rows:,} rows kept back", done=0.97)
    clip = candidate.reference.loss_clip
    found = judge(
        passed.kept, signature, answering(model), clip, large.index.timed, answering(sampled) if way else None
    )
    learned = int(rows[0].sum()) if way is not None else bench.material.rows
    scale = _scale(large, learned, way, why, found, cost, time.perf_counter() - started)
    lineage = msgspec.structs.replace(
        lineage, rows=learned, trained_from=passed.start, trained_to=passed.end,
        out_of_core={"rows": large.index.labelled, "way": scale.way, **large.plan._asdict()},
    )  # fmt: skip
    profile = msgspec.structs.replace(passed.profile, scores=candidate.reference.profile.scores)
    reference = msgspec.structs.replace(candidate.reference, profile=profile)
    return replace(candidate, lineage=lineage, reference=reference), scale


def _with_model(pipeline: Any, prepared: Any, model: Any) -> Any:
    from sklearn.pipeline import Pipeline

    return Pipeline([("preparation", prepared), ("model", model)])


def _way(large: Large, candidate: Candidate, bench: Bench, settings: Settings, width: int) -> tuple[Any, str]:
    """How the learner takes every row, or None and why it does not."""
    name, terms = candidate.lineage.learner, bench.material.terms
    asked: dict[str, Any] = {
        "[train] augment makes rows of neighbours": terms.augment,
        "[train] mitigate weighs groups against each other": settings.train.mitigate,
        "a quantile is learned from all rows at once": settings.train.quantile,
        "[preparation] leaves rows out by how far they are from all others": drops(
            candidate.signature, settings.preparation
        ),
    }
    for why, present in asked.items():
        if present:
            return None, why
    try:
        way = variant("streamed", name)()
    except UnknownPlugin:
        return None, f"{name} learns from rows in memory alone"
    outputs = len(candidate.signature.classes) or 1
    why = way.refuses(int(large.index.parts[0].sum()), width, outputs, large.memory)
    return (None, why) if why else (way, "")


@dataclass(frozen=True)
class _Passed:
    """What the last pass left: features on the disk, the profile of every row learned from, the times it spans."""

    learned: Stored
    kept: Stored
    profile: Profile
    start: float
    end: float


def _passed(
    large: Large, candidate: Candidate, prepared: Any, width: int, settings: Settings, keep_learned: bool
) -> _Passed:
    weight = settings.train.weight
    learned = Stored(large.folder / "learned", width, weight is not None and keep_learned)
    kept = Stored(large.folder / "kept", width, False)
    profiler = Profiler([column.bins for column in candidate.reference.profile.columns])
    start, end = np.inf, -np.inf
    with learned, kept:
        for stretch in large.stretches():
            for part, held in ((learned, False), (kept, True)):
                chosen = (stretch.codes >= 0) & (stretch.held == held)
                if not chosen.any():
                    continue
                columns, truth = _columns(stretch, chosen, candidate, settings)
                if not held:
                    profiler.add(columns)
                    if stretch.times is not None:
                        start, end = min(start, stretch.times[chosen].min()), max(end, stretch.times[chosen].max())
                    if not keep_learned:
                        continue
                features = prepared.transform(_frame(columns, candidate))
                own = weights_in(stretch.part(chosen), weight) if part.weighted else None
                part.add(features, truth, own)
    start, end = (float(start), float(end)) if np.isfinite(start) else (0.0, 0.0)
    return _Passed(learned, kept, profiler.finish(start=start, end=end), start, end)


def _columns(
    stretch: Stretch, chosen: np.ndarray, candidate: Candidate, settings: Settings
) -> tuple[dict[str, Any], Floats]:
    from fairlead.lab.tables import columns_of, target_of

    rows, signature = stretch.part(chosen), candidate.signature
    columns: dict[str, Any] = columns_of(rows, signature, zone=settings.model.timezone, invalid="missing")
    truth = stretch.codes[chosen].astype(np.float64) if signature.classes else target_of(rows, signature)
    return columns, np.asarray(truth, dtype=np.float64)


def _frame(columns: dict[str, Any], candidate: Candidate) -> Any:
    from fairlead.lab.tables import frame_of

    return frame_of(columns, candidate.signature)


def _fitted(way: Any, rows: Stored, candidate: Candidate, bench: Bench, prepared: Any, settings: Settings) -> Any:
    material, lineage, seed = bench.material, candidate.lineage, settings.train.seed
    signature, terms, learner = material.signature, material.terms, learner_of(candidate.lineage.learner)
    classes: Sequence[str] = signature.classes
    signs = signs_of(prepared, material.frame, signature, terms)

    def built(parameters: Any) -> Any:
        estimator = learner.build(signature.task, parameters, seed)
        return estimator if signs is None else learner.constrain(estimator, signs)

    parameters = dict(lineage.parameters)
    if terms.patience and hasattr(learner, "seek_rounds"):
        # How many rounds are worth it is found on the sample.
        features, truth = prepared.transform(material.frame), material.truth
        aims = truth.astype(str) if classes else truth.astype(np.float64)
        parts = parted(features, aims, material.fit_weights(), bool(classes), material.times is not None, seed)
        parameters = with_best_rounds(learner, built(parameters), parameters, parts, bool(classes), terms.patience)
    _weigh(rows, classes, terms)
    with few_threads(rows.rows):
        return way.fit(built(parameters), rows, classes)


def _weigh(rows: Stored, classes: Sequence[str], terms: Any) -> None:
    """Weights as `terms.fit_weights` gives them to rows in memory: a mean of 1, times those of their classes."""
    sums, total = np.zeros(max(len(classes), 1)), 0.0
    for part in rows.parts():
        own = np.ones(len(part.truth)) if part.weights is None else part.weights
        codes = part.truth.astype(np.int64) if classes else np.zeros(len(own), np.int64)
        sums += np.bincount(codes, weights=own, minlength=len(sums))
        total += float(own.sum())
    if rows.weighted:
        rows.scale = rows.rows / total if total > 0 else 1.0
    if terms.class_weight is None or not classes:
        return
    # One row a class with the weight of all its rows gives a class the share that it has among all rows.
    own = sums * rows.scale
    if terms.class_weight == "balanced":
        there = own > 0
        rows.weighing = np.divide(own.sum(), there.sum() * own, out=np.zeros_like(own), where=there)
    else:
        rows.weighing = fit_weights(np.array(list(classes)), None, terms)


def _cost(bench: Bench, candidate: Candidate, rows: int, settings: Settings) -> Cost:
    material, fold = bench.material, bench.folds[-1]
    times = None if material.times is None else material.times[fold.judge]
    return cost_of_sample(
        material, fold, candidate.lineage.learner, candidate.lineage.parameters, rows=rows,
        seconds=min(COST_SECONDS, settings.train.seconds), seed=settings.train.seed,
        block=block_rows(len(fold.judge), times, settings.monitor.window),
    )  # fmt: skip


def _scale(large: Large, learned: int, way: Any, why: str, found: Judged, cost: Cost, seconds: float) -> Scale:
    gain = found.gain if way is not None else cost.gain
    scale = Scale(
        rows=large.index.labelled,
        needed_mb=large.size.needed >> 20,
        memory_mb=large.memory >> 20,
        sample=len(large.frame),
        learned=learned,
        way="the sample" if way is None else "every row",
        how="" if way is None else way.how,
        says="",
        judged=found.rows,
        loss=found.loss,
        metrics=found.metrics,
        why=why,
        gain=gain,
        points=cost.points,
        seconds=round(seconds, 3),
    )
    return msgspec.structs.replace(scale, says=said(scale))


def said(scale: Scale) -> str:
    """What became of a large table, in two sentences."""
    of = f"{scale.rows:,} rows would take about {scale.needed_mb:,} MB, and there were {scale.memory_mb:,} MB"
    if scale.way == "every row":
        first = f"{of}: learned from all {scale.learned:,} that are not kept for judging, by {scale.how}"
        then = "" if scale.gain is None else f"beside the sample of {scale.sample:,} alone, that {_moved(scale.gain)}"
    else:
        first = f"{of}: learned from a sample of {scale.learned:,} rows, as {scale.why}"
        then = "what the other rows would add is not known"
        if scale.gain is not None:
            then = f"all rows are expected to take {_spread(scale.gain)} off the mean loss"
    end = f"on {scale.judged:,} rows kept back the mean loss is {_spread(scale.loss)}"
    return "; ".join(part for part in (first, then, end) if part)


def _moved(gain: Interval) -> str:
    if gain.low > 0:
        return f"took {_spread(gain)} off the mean loss"
    if gain.high < 0:
        return f"put {_spread(Interval(-gain.value, -gain.high, -gain.low))} onto the mean loss"
    return f"changed the mean loss by {-gain.value:.5f} ({-gain.high:.5f} to {-gain.low:.5f})"


def _spread(found: Interval) -> str:
    return f"{found.value:.5f} ({found.low:.5f} to {found.high:.5f})"
