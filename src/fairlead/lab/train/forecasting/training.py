"""`train` for forecasts: search over regressors of the catalogue, cross-validate by rolling origins, choose, fit."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import InputInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.stats.measures import Floats
from fairlead.lab.train.distributed.sessions import Hands
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.forecasting.bench import ForecastBench
from fairlead.lab.train.forecasting.fitting import fit_forecaster
from fairlead.lab.train.forecasting.rows import before, honest_folds, kept_for_judging, material_from, rows_of
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.material import Material, split_holdout
from fairlead.lab.train.promise import reference_of
from fairlead.lab.train.provenance import data_hash, lineage_of
from fairlead.lab.train.recorded import Trial
from fairlead.lab.train.search import Say, answers_of, leaderboard, learners_for, search

if TYPE_CHECKING:
    from fairlead.lab.tables.series import SeriesRows
    from fairlead.lab.train.training import Training


def train_forecasts(
    frame: Any,
    settings: Settings,
    *,
    home: Path | str | None,
    root: Path | None,
    say: Say,
    parent: str,
    trial: Trial | None = None,
    hands: Hands | None = None,
) -> Training:
    """See `training.train`. frame: a long table (a row a value), or rows that are histories and origins."""
    from fairlead.lab.compile import Candidate
    from fairlead.lab.tables import open_table
    from fairlead.lab.train.training import Training, _folder, fold_lines, mean_metrics

    started = time.perf_counter()
    rules = settings.train
    say("reading rows", done=0.0)
    data = data_hash(frame)
    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    rows = rows_of(source, settings)
    everything = material_from(rows, settings)
    everything = replace(everything, terms=everything.terms.watched(home, say))
    learn_rows, kept_rows = split_holdout(everything, settings.data.holdout, rules.seed)
    material = everything.take(before(everything, learn_rows, kept_rows))
    bench = ForecastBench(material, folds_for(material, rules.folds, rules.seed))
    found = search(
        bench,
        learners_for(rules.learners, material.signature, trial),
        trials=rules.trials,
        seconds=rules.seconds,
        seed=rules.seed,
        journal=Journal(_folder(home, data, settings)),
        say=say,
        prune=rules.prune,
        parallel=rules.parallel,
        hands=hands,
    )
    best = found.chosen(rules.choose)
    say(f"fitting {best.name} on all {material.rows:,} rows", done=0.9)
    answers = answers_of(bench, best, rules.seed)
    lineage = lineage_of(
        material, settings, best.name, best.parameters, data=data, root=root, parent=parent, preparation=said(rows)
    )
    candidate = Candidate(
        pipeline=fit_forecaster(material, best.name, best.parameters, rules.seed),
        signature=material.signature,
        lineage=lineage,
        reference=reference_of(material, settings.monitor.window, _folded(answers), answers),
        columns=material.columns,
        name=settings.model.name,
    )
    lines = fold_lines(bench, answers)
    start = float(rows.origins[kept_rows[0]])
    return Training(
        candidate=candidate,
        leaderboard=leaderboard(found, material.signature, rules.choose),
        metrics=mean_metrics(lines),
        folds=lines,
        holdout=kept_for_judging(source, settings, rows.geometry, start),
        seconds=time.perf_counter() - started,
        cut_short=found.cut_short,
        trials=found.trials,
        unlabelled=everything.unlabelled,
        searched=found.made,
    )


def refuse(*, large: bool, older: bool) -> None:
    """Raises InputInvalid for what forecasts are not learned from."""
    if large:
        raise InputInvalid(
            "the table is larger than memory, and a sample of rows is no series. Learn from the newest rows, or raise "
            "[train] memory_mb."
        )
    if older:
        raise InputInvalid("forecasts are always learned anew: leave --from out.")


def folds_for(material: Material, count: int, seed: int) -> tuple[Fold, ...]:
    """Raises InputInvalid where no fold has anything to learn from."""
    folds = honest_folds(material, count, seed)
    if not folds:
        raise InputInvalid(
            f"{material.rows:,} origins are too few: no forecast of {material.signature.horizon} steps was whole "
            "before another began. Bring more rows, or set [model] horizon or [train] folds lower."
        )
    return folds


def _folded(answers: Floats) -> Any:
    """What the folds answered, which were judged by rolling origins already: no fit is made for the promise alone."""

    def answer(fold: Fold) -> Floats:
        return answers[fold.judge]

    return answer


def said(rows: SeriesRows) -> dict[str, Any]:
    """What was done to the series, in words; part of the candidate's lineage."""
    geometry = rows.geometry
    told: dict[str, Any] = {
        "history": f"the newest {geometry.lags} values as shares of the mean of their sizes, the value at the step's "
        "own place in seasons before, changes to the step and the season before",
        "calendar": "hour, weekday, month and the like (UTC) of the step that is forecast",
        "seasons": list(geometry.seasons),
        "every": geometry.step.said,
    }
    if geometry.covariates:
        told["covariates"] = "the newest value of each"
    if rows.notes:
        told["cautions"] = list(rows.notes)
    return told
