"""`train`: from a table to a candidate with everything known about how it was chosen."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from msgspec.structs import replace as replace_settings

from fairlead.contract.decisions import Decisions
from fairlead.contract.learning import Learning
from fairlead.contract.scale import Scale
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED
from fairlead.contract.warm import WarmStart
from fairlead.lab.stats.blocks import Block, group_blocks
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.ranking import whole_codes
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.deciding import Settled, settle, with_signature
from fairlead.lab.train.distributed.sessions import Hands, hands_for
from fairlead.lab.train.fit_time import Forecast, forecast, told
from fairlead.lab.train.fitting import fit, learner_of, scores_of
from fairlead.lab.train.folding import Fold, folds_of
from fairlead.lab.train.growing import learning_curve
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.material import Material, material_of, split_holdout
from fairlead.lab.train.mitigated import able_learners, as_settled, mitigated, searched_on, unmitigated, with_evidence
from fairlead.lab.train.nested import nested
from fairlead.lab.train.promise import reference_of
from fairlead.lab.train.provenance import config_hash, data_hash, lineage_of, versions
from fairlead.lab.train.recorded import Trial
from fairlead.lab.train.search import Entry, Say, answers_of, leaderboard, learners_for, search
from fairlead.lab.train.transferring import Transferred, beginning

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.compile import Candidate
    from fairlead.lab.train.out_of_core.large import Large
    from fairlead.lab.train.warm.start import Start as Older


AFTER_SEARCH: dict[str, Any] = {
    "calibrate": "auto", "costs": {}, "threshold": None, "abstain": {}, "choose": "best", "nested": False,
    "parallel": 1, "engine": "local",
}  # fmt: skip
"""Settings of `[train]`, at their defaults, that a search does not depend on."""


@dataclass(frozen=True)
class Training:
    """What a training found.

    candidate: ready to be sealed, fitted on all rows but those kept for judging. holdout: those, as they came.
    leaderboard: best first, see `search.leaderboard`. metrics: of the chosen one, means over folds.
    folds: a line a fold of the chosen one: rows, event time from which it was judged, every metric.
    cut_short: `[train] seconds` ended the search before `[train] trials`. unlabelled: rows without a truth, left out.
    decisions: calibration, threshold and abstention with their evidence; None where the task has none.
    searched: every trial of the search as plain data, in order; see `search.Found`.
    forecast: how long it was thought to take, and what it took; None where that was not asked.
    learning: the learning curve, where `[evaluate] learning_s` gives it time.
    scale: what became of a table larger than memory. warm: how going on from another model compares with this.
    """

    candidate: Candidate
    leaderboard: tuple[dict[str, Any], ...]
    metrics: dict[str, float]
    folds: tuple[dict[str, Any], ...]
    holdout: pd.DataFrame
    seconds: float
    cut_short: bool
    trials: int
    unlabelled: int
    decisions: Decisions | None = None
    searched: tuple[dict[str, Any], ...] = ()
    learning: Learning | None = None
    forecast: Forecast | None = None
    scale: Scale | None = None
    warm: WarmStart | None = None


def train(
    frame: Any,
    settings: Settings,
    *,
    home: Path | str | None = None,
    root: Path | str | None = None,
    progress: Say | None = None,
    parent: str = "",
    trial: Trial | None = None,
    large: Large | None = None,
    transferred: Transferred | None = None,
    older: Older | None = None,
) -> Training:
    """Search, cross-validate, choose, fit: the candidate that `settings` ask for, from the rows of a table.

    frame: pandas frame or anything `open_table` takes, with the target. home: where an interrupted search is kept
    and found again. root: the project's folder, for its Git commit and `[train] entrypoint`. progress:
    called with a text and `done` in [0, 1]. parent: bundle that this one is to replace. trial: made
    instead of a search (with settings from `recorded.without_search`). transferred: the network that one learner begins
    with, see `transferring`. large: the table larger than memory of which `frame` is the sample. older: a sealed
    model that is gone on from where that is better than training anew.
    Raises InputInvalid for rows that cannot be learned from, ConfigInvalid, UnknownPlugin, MissingExtra, and
    RemoteError where `[train] engine` does not do its part.
    """
    with hands_for(settings) as hands:
        return _train(
            frame, settings, hands, home=home, root=root, progress=progress, parent=parent, trial=trial, large=large,
            transferred=transferred, older=older,
        )  # fmt: skip


def _train(
    frame: Any,
    settings: Settings,
    hands: Hands | None,
    *,
    home: Path | str | None,
    root: Path | str | None,
    progress: Say | None,
    parent: str,
    trial: Trial | None,
    large: Large | None,
    transferred: Transferred | None,
    older: Older | None,
) -> Training:
    from fairlead.lab.train.adopting import train_by_entrypoint

    started = time.perf_counter()
    say = progress or (lambda *words, **more: None)
    folder = None if root is None else Path(root)
    if settings.model.task == "forecasting":
        from fairlead.lab.train.forecasting.training import refuse, train_forecasts

        refuse(large=large is not None, older=older is not None)
        return train_forecasts(
            frame, settings, home=home, root=folder, say=say, parent=parent, trial=trial, hands=hands
        )
    say("reading rows", done=0.0)
    data = data_hash(frame)
    everything = material_of(frame, settings, None if large is None else large.signature)
    everything = replace(
        everything, terms=replace(everything.terms.watched(home, say, folder), transferred=transferred)
    )
    if large is None:
        learn_rows, kept_rows = split_holdout(everything, settings.data.holdout, settings.train.seed)
    else:
        learn_rows, kept_rows = large.split(everything)
    if everything.signature.task in UNSUPERVISED:
        from fairlead.lab.train.untaught_training import train_without_truth

        return train_without_truth(
            everything, (learn_rows, kept_rows), settings, started=started, data=data, home=home, root=folder, say=say,
            parent=parent, trial=trial, hands=hands,
        )  # fmt: skip
    material = everything.take(learn_rows)
    rules = settings.train
    if older is not None:
        from fairlead.lab.train.warm.going_on import going_on, require_able
        from fairlead.lab.train.warm.start import require_alike

        require_able(older, settings)
        require_alike(older, material.signature, settings)
    dealt = 1 if material.times is not None or rules.entrypoint else rules.repeats
    every = Bench(material, folds_of(material, rules.folds, rules.seed, dealt), dealt)
    bench = every.first()
    if settings.train.entrypoint:
        chosen = train_by_entrypoint(bench, settings, folder, say, data=data, parent=parent)
    else:
        usual = () if large is None else large.learners
        chosen = _by_search(
            every, settings, home, folder, say, data=data, parent=parent, trial=trial, usual=usual, hands=hands
        )
    warm: WarmStart | None = None
    judging: Sequence[Fold] = bench.folds
    if older is not None:
        only = None if trial is None else trial.parameters
        chosen, warm, judging = going_on(older, chosen, bench, settings, say, only)
    scale = None
    if large is not None:
        from fairlead.lab.train.out_of_core.learning_all import learn_from_all

        candidate, scale = learn_from_all(large, chosen.candidate, chosen.settled, bench, settings, say)
        chosen = chosen._replace(candidate=candidate)
    judged = Bench(with_signature(chosen.material, chosen.settled.signature), judging)
    folds = fold_lines(judged, chosen.settled.answers)
    return Training(
        candidate=chosen.candidate,
        leaderboard=chosen.leaderboard,
        metrics=mean_metrics(folds),
        folds=folds,
        holdout=everything.source.iloc[kept_rows].reset_index(drop=True),
        seconds=time.perf_counter() - started,
        cut_short=chosen.cut_short,
        trials=chosen.trials,
        unlabelled=everything.unlabelled if large is None else large.index.rows - large.index.labelled,
        decisions=chosen.settled.found,
        searched=chosen.searched,
        forecast=chosen.ahead,
        scale=scale,
        warm=warm,
        learning=_learning(chosen, bench, settings, say),
    )


def _learning(chosen: Chosen, bench: Bench, settings: Settings, say: Say) -> Learning | None:
    seconds = settings.evaluate.learning_s
    if not seconds or settings.train.entrypoint:
        return None
    say(f"learning curve, for at most {seconds:g} s", done=0.95)
    lineage, material = chosen.candidate.lineage, bench.material
    fold = bench.folds[-1]
    block: Block = block_rows(len(fold.judge), None if material.times is None else material.times[fold.judge],
                              settings.monitor.window)  # fmt: skip
    if material.clusters is not None:
        block = group_blocks(whole_codes(material.clusters[fold.judge]), int(block))
    return learning_curve(
        material, fold, lineage.learner, lineage.parameters, seconds=seconds, seed=settings.train.seed, block=block
    )


class Chosen(NamedTuple):
    """What one way of learning came to. material: the rows it learned from; settled: see `deciding.settle`."""

    candidate: Candidate
    leaderboard: tuple[dict[str, Any], ...]
    material: Material
    settled: Settled
    cut_short: bool
    trials: int
    searched: tuple[dict[str, Any], ...] = ()
    ahead: Forecast | None = None


def _by_search(
    every: Bench,
    settings: Settings,
    home: Path | str | None,
    root: Path | None,
    say: Say,
    *,
    data: str,
    parent: str,
    trial: Trial | None,
    usual: tuple[str, ...] = (),
    hands: Hands | None = None,
) -> Chosen:
    from fairlead.lab.compile import Candidate

    rules, material = settings.train, every.material
    begun = material.terms.transferred
    journal = Journal(_folder(home, data if begun is None else f"{data}/{begun.digest()}", settings))
    learners = beginning(learners_for(rules.learners or usual, material.signature, trial), begun, material.signature)
    learners, tried = able_learners(learners, rules.learners, material), searched_on(every)
    ahead = forecast(tried, learners, trials=rules.trials, seed=rules.seed) if journal.empty and trial is None else None
    if ahead is not None:
        say(told(ahead, rules.seconds), done=0.0)
    started = time.perf_counter()
    found = search(
        tried,
        learners,
        trials=rules.trials,
        seconds=rules.seconds,
        seed=rules.seed,
        journal=journal,
        say=say,
        prune=rules.prune,
        parallel=rules.parallel,
        hands=hands,
    )
    best = found.chosen(rules.choose)
    honest = nested(tried, best, rules, say, hands) if rules.nested else None
    say(f"fitting {best.name} on all {material.rows:,} rows", done=0.9)
    bench = every.first()
    plain = answers_of(tried.first(), best, rules.seed)
    settled = settled_for(bench, mitigated(bench, best, rules.seed, plain), as_settled(settings)).with_search(honest)
    pipeline = fit(material, best.name, best.parameters, rules.seed)
    if rules.mitigate is not None:
        before = unmitigated(bench, best, rules.seed, plain)
        settled = replace(
            settled, found=with_evidence(settled.found, material, settings, before, settled.answers, pipeline)
        )
    answer = _answer(material, best, rules.seed)
    reference = reference_of(
        with_signature(material, settled.signature), settings.monitor.window,
        lambda fold: settled.answered(answer(fold)), settled.answers,
    )  # fmt: skip
    candidate = Candidate(
        pipeline=pipeline,
        signature=settled.signature,
        lineage=lineage_of(material, settings, best.name, best.parameters, data=data, root=root, parent=parent),
        reference=reference,
        columns=material.columns,
        name=settings.model.name,
        calibration=settled.calibration,
    )
    board = leaderboard(found, material.signature, rules.choose)
    ahead = None if ahead is None else replace_settings(ahead, took=round(time.perf_counter() - started, 3))
    return Chosen(candidate, board, material, settled, found.cut_short, found.trials, found.made, ahead)


def settled_for(bench: Bench, answers: Floats, settings: Settings) -> Settled:
    """Calibration, threshold and abstention from out-of-fold answers, (rows, outputs), of the chosen way."""
    material = bench.material
    block: Block = block_rows(material.rows, material.times, settings.monitor.window)
    if material.clusters is not None:
        block = group_blocks(material.clusters, int(block))
    return settle(material, bench.folds, answers, settings.train, block)


def _folder(home: Path | str | None, data: str, settings: Settings) -> Path | None:
    """Where this very search is kept: other data, configuration or versions are another search.

    What is settled after a search makes it no other: new costs, say, take seconds and no new search.
    """
    if home is None:
        return None
    rules = replace_settings(settings.train, **AFTER_SEARCH)
    settings = replace_settings(settings, train=rules)
    key = hashlib.sha256("/".join([data, config_hash(settings), *versions().values()]).encode()).hexdigest()
    return Path(home) / "searches" / key[:32]


def _answer(material: Material, entry: Entry, seed: int) -> Any:
    def answer(fold: Fold) -> Floats:
        if material.signature.task == "classification" and len(set(material.truth[fold.fit])) < 2:
            return Bench(material, (fold,)).answers(0, learner_of(entry.name), entry.parameters, seed)
        fitted = fit(material, entry.name, entry.parameters, seed, fold.fit)
        return scores_of(fitted, material.frame.iloc[fold.judge], material.signature)

    return answer


def fold_lines(bench: Bench, answers: Floats) -> tuple[dict[str, Any], ...]:
    """Every metric of each fold. answers: (rows, outputs), NaN where no fold judged."""
    material = bench.material
    lines = []
    for number, fold in enumerate(bench.folds, start=1):
        line: dict[str, Any] = {"fold": number, "learned": len(fold.fit), "judged": len(fold.judge)}
        if material.times is not None:
            line["judged_from"] = float(material.times[fold.judge[0]])
        line["metrics"] = bench.metrics(number - 1, answers[fold.judge])
        lines.append(line)
    return tuple(lines)


def mean_metrics(folds: tuple[dict[str, Any], ...]) -> dict[str, float]:
    """Each metric's mean over the folds that have it."""
    names = dict.fromkeys(name for line in folds for name in line["metrics"])
    return {n: float(np.mean([line["metrics"][n] for line in folds if n in line["metrics"]])) for n in names}
