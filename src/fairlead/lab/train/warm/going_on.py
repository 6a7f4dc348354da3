"""Going on from a sealed model beside training anew: both judged out of fold on rows the older model never saw."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import Interval
from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import Settings
from fairlead.contract.warm import WarmStart
from fairlead.lab.stats.intervals import resamples
from fairlead.lab.stats.loss import loss_clip, losses
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.bench import SELECTED_BY, Bench
from fairlead.lab.train.deciding import with_signature
from fairlead.lab.train.estimators.sealed_preparation import SealedPreparation
from fairlead.lab.train.fitting import learner_of, scores_of
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.growing import DRAWS, interval_of
from fairlead.lab.train.material import Material
from fairlead.lab.train.promise import reference_of
from fairlead.lab.train.terms import signs_of
from fairlead.lab.train.warm.held import Held
from fairlead.lab.train.warm.start import FEWEST_FAIR, Start, fair_folds, fair_rows, new_categories, require_alike

if TYPE_CHECKING:
    from fairlead.lab.train.search import Say
    from fairlead.lab.train.training import Chosen


def require_able(start: Start, settings: Settings) -> None:
    """Raises UsageError where this kind of model, or what `[train]` asks of every fit, cannot be gone on with."""
    if start.lineage.learner not in names("warm"):
        able = ", ".join(names("warm"))
        raise UsageError(f"{start.name} is a {start.lineage.learner}, which cannot be gone on from; these can: {able}.")
    rules = settings.train
    asked = {"augment": rules.augment, "mitigate": rules.mitigate, "quantile": rules.quantile,
             "entrypoint": rules.entrypoint}  # fmt: skip
    for key, value in asked.items():
        if value:
            raise UsageError(
                f"[train] {key} cannot be asked of a model that goes on from another. Take one of them out."
            )


class _Way(NamedTuple):
    """Going on with these parameters. answers: (rows, outputs), NaN where no fold judged; scores: of the folds."""

    parameters: dict[str, Any]
    answers: Floats
    scores: list[float]


def going_on(
    start: Start, chosen: Chosen, bench: Bench, settings: Settings, say: Say, only: Mapping[str, Any] | None = None
) -> tuple[Chosen, WarmStart, Sequence[Fold]]:
    """What was chosen anew, or the model that goes on where that has the lower out-of-fold loss; how they compare; and
    the folds that judged it.

    Both are judged on the same folds, of rows that the older model has not learned from. bench: what was learned from
    anew; only: parameters recorded of one that went on, which is then made without comparing.
    Raises UsageError where it cannot be gone on from.
    """
    material = bench.material
    require_alike(start, material.signature, settings)
    fair, why = fair_rows(material, start)
    folds = fair_folds(material, fair, settings.train.folds, settings.train.seed)
    told = WarmStart(start.bundle, start.name, start.lineage.learner, False, "", rows=int(fair.sum()), fair=why)
    if not folds or not _tellable(material, folds):
        return chosen, msgspec.structs.replace(told, says=_untold(told)), bench.folds
    judged = Bench(material, folds)
    with tempfile.TemporaryDirectory(prefix="fairlead-warm-") as folder:
        fitting = _Fitting(start, material, settings, Path(folder))
        tries = [dict(only)] if only is not None else fitting.tries()
        ways = []
        for at, parameters in enumerate(tries):
            say(f"going on from {start.name}, {at + 1} of {len(tries)}", done=0.92)
            ways.append(fitting.judged(judged, parameters))
        best = min(ways, key=lambda way: float(np.mean(way.scores)))
        told = _compared(told, best, chosen, judged, settings)
        if not told.chosen and only is None:
            return chosen, told, bench.folds
        say(f"fitting {start.lineage.learner} on from {start.name}", done=0.95)
        made = _made(fitting, best, chosen, judged, fair, settings)
    says = "; ".join([told.says, *cautions(start, material)])
    return made, msgspec.structs.replace(told, chosen=True, says=says), folds


def _untold(told: WarmStart) -> str:
    if not told.fair:
        return (
            f"trained anew: which rows {told.name} learned from is not known, so no comparison would be fair to either"
        )
    few = f"{told.rows:,} rows {told.fair}, too few to say whether going on from {told.name} is better"
    return f"trained anew: {few} ({FEWEST_FAIR} are needed, and every class in every fold)"


def _tellable(material: Material, folds: Sequence[Fold]) -> bool:
    if material.signature.task != "classification":
        return True
    whole = set(material.signature.classes)
    return all(set(material.truth[fold.fit]) == whole for fold in folds)


class _Fitting:
    """Fits that go on from one model, on rows prepared as its own were."""

    def __init__(self, start: Start, material: Material, settings: Settings, folder: Path) -> None:
        self.start, self.material, self.seed = start, material, settings.train.seed
        self.prepared = SealedPreparation(start.front)
        self.features = self.prepared.transform(material.frame)
        self._way = variant("warm", start.lineage.learner)()
        self._learner = learner_of(start.lineage.learner)
        self._signs = signs_of(self.prepared, material.frame, material.signature, material.terms)
        self._folder = folder

    def tries(self) -> list[dict[str, Any]]:
        return [dict(one) for one in self._way.tries(self.start.lineage.parameters)]

    def fit(self, parameters: Mapping[str, Any], rows: Ints | None = None) -> Any:
        """The estimator after these rows (None: all) but those that settings leave out."""
        material = self.material
        rows = material.learned(np.arange(material.rows) if rows is None else rows)
        assert rows is not None
        classes = material.signature.classes
        truth = material.codes()[rows] if classes else material.truth[rows]
        estimator = self._learner.build(material.signature.task, parameters, self.seed)
        if self._signs is not None:
            estimator = self._learner.constrain(estimator, self._signs)
        stream = Held(self.features[rows], truth.astype(np.float64), material.fit_weights(rows), self._folder)
        with few_threads(len(rows)):
            return self._way.fit(estimator, self.start.sealed, stream, classes)

    def answers(self, parameters: Mapping[str, Any], fold: Fold) -> Floats:
        return scores_of(self.fit(parameters, fold.fit), self.features[fold.judge], self.material.signature)

    def judged(self, bench: Bench, parameters: dict[str, Any]) -> _Way:
        parts = [self.answers(parameters, fold) for fold in bench.folds]
        scores = [bench.score(at, part) for at, part in enumerate(parts)]
        return _Way(parameters, bench.whole(parts), scores)


def _compared(told: WarmStart, best: _Way, chosen: Chosen, bench: Bench, settings: Settings) -> WarmStart:
    """Both on the same folds. A tie goes to training anew, which owes nothing to older rows."""
    material, lineage = bench.material, chosen.candidate.lineage
    learner = learner_of(lineage.learner)
    parts = [bench.answers(at, learner, lineage.parameters, settings.train.seed) for at in range(len(bench.folds))]
    anew = float(np.mean([bench.score(at, part) for at, part in enumerate(parts)]))
    warm, metric = float(np.mean(best.scores)), SELECTED_BY[material.signature.task]
    rows = np.sort(np.concatenate([fold.judge for fold in bench.folds]))
    gain = _gain(material, rows, best.answers, bench.whole(parts), settings)
    better = warm < anew
    said = (
        f"{'gone on from' if better else 'trained anew, not on from'} {told.name}: out of fold, on {len(rows):,} rows "
        f"that {told.fair}, {metric} is {warm:.4f} going on ({told.learner}) and {anew:.4f} anew ({lineage.learner}); "
        f"the mean loss is {_sided(gain)} going on"
    )
    return msgspec.structs.replace(
        told, parameters=best.parameters, rows=len(rows), metric=metric, warm=warm, anew=anew, gain=gain, chosen=better,
        says=said,
    )  # fmt: skip


def _sided(gain: Interval) -> str:
    if gain.value < 0:
        return f"{-gain.value:.4f} higher ({-gain.high:.4f} to {-gain.low:.4f})"
    return f"{gain.value:.4f} lower ({gain.low:.4f} to {gain.high:.4f})"


def _gain(material: Material, rows: Ints, warm: Floats, anew: Floats, settings: Settings) -> Interval:
    task, signature, truth = material.signature.task, material.signature, material.truth[rows]
    clip = 1.0
    if task == "regression":
        clip = loss_clip(np.abs(anew[rows, 0] - truth.astype(np.float64)))
    apart = losses(task, truth, anew[rows], signature, clip) - losses(task, truth, warm[rows], signature, clip)
    times = None if material.times is None else material.times[rows]
    weights = resamples(len(rows), DRAWS, settings.train.seed, block_rows(len(rows), times, settings.monitor.window))
    drawn = np.concatenate([w @ apart / w.sum(axis=1) for w in weights])
    return interval_of(float(apart.mean()), drawn)


def _made(fitting: _Fitting, best: _Way, chosen: Chosen, bench: Bench, fair: np.ndarray, settings: Settings) -> Chosen:
    """As the search's outcome, of the model that goes on: settled and promised by fair rows alone."""
    from sklearn.pipeline import Pipeline

    from fairlead.lab.train.training import settled_for

    material, start = fitting.material, fitting.start
    settled = settled_for(bench, best.answers, settings)

    def answer(fold: Fold) -> Floats:
        if not fair[fold.judge].all():
            # The older model has seen them: what it says of them promises nothing.
            return np.full((len(fold.judge), len(material.signature.outputs)), np.nan)
        return settled.answered(fitting.answers(best.parameters, fold))

    reference = reference_of(
        with_signature(material, settled.signature), settings.monitor.window, answer, settled.answers
    )
    lineage = msgspec.structs.replace(
        chosen.candidate.lineage, learner=start.lineage.learner, parameters=best.parameters, parent=start.bundle,
        warm_start=start.bundle, preparation=start.lineage.preparation,
    )  # fmt: skip
    candidate = replace(
        chosen.candidate,
        pipeline=Pipeline([("preparation", fitting.prepared), ("model", fitting.fit(best.parameters))]),
        signature=settled.signature, lineage=lineage, reference=reference, calibration=settled.calibration,
    )  # fmt: skip
    return chosen._replace(candidate=candidate, settled=settled, leaderboard=_board(chosen, best, start))


def _board(chosen: Chosen, best: _Way, start: Start) -> tuple[dict[str, Any], ...]:
    """The leaderboard with the model that goes on first; its score is of other folds, as its name says."""
    scores = np.array(best.scores)
    std = float(scores.std(ddof=1)) if len(scores) > 1 else 0.0
    metric = chosen.leaderboard[0]["metric"] if chosen.leaderboard else ""
    first = {
        "name": f"{start.lineage.learner} from {start.name}", "metric": metric, "score": float(scores.mean()),
        "std": std, "se": std / float(np.sqrt(len(scores))), "folds": scores.tolist(), "parameters": best.parameters,
        "trials": 1, "seconds": 0.0, "baseline": False, "chosen": True, "simplest_within_one_se": False,
    }  # fmt: skip
    return (first, *({**row, "chosen": False} for row in chosen.leaderboard))


def cautions(start: Start, material: Material) -> list[str]:
    """What a reader should know of a model that went on, in words."""
    return [
        f"{name} has {count:,} categories that {start.name} never saw, and that are as unseen to this one"
        for name, count in new_categories(start, material.signature).items()
    ]
