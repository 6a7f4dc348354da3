"""`evaluate`: everything known about a sealed bundle from rows with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fairlead.contract.settings import GateSettings, Settings
from fairlead.contract.signature import UNSUPERVISED
from fairlead.lab.evaluate.comparing import against_baselines, against_champion, by_window, importances
from fairlead.lab.evaluate.curves import curves_of
from fairlead.lab.evaluate.evidence import Report
from fairlead.lab.evaluate.fairness import disparities
from fairlead.lab.evaluate.forecasting.judging import evaluate_forecasts
from fairlead.lab.evaluate.ranking import ranked_rows, with_ranking
from fairlead.lab.evaluate.reliability import reliability
from fairlead.lab.evaluate.robustness import robustness_of
from fairlead.lab.evaluate.rows import Judged, judged_rows
from fairlead.lab.evaluate.slices import slices_of
from fairlead.lab.evaluate.untaught import evaluate_untaught
from fairlead.lab.stats.blocks import block_size
from fairlead.lab.stats.intervals import bootstrap, metric_intervals
from fairlead.lab.stats.measures import Floats

if TYPE_CHECKING:
    from fairlead.runtime.bundle import Model

MANY_ROWS = 50_000
DRAWS, DRAWS_OF_MANY = 1000, 200


def evaluate(
    model: Model,
    frame: Any,
    settings: Settings,
    *,
    champion: Model | None = None,
    times: Floats | None = None,
    parity: dict[str, Any] | None = None,
    leaderboard: Sequence[dict[str, Any]] | None = None,
    members: Any = None,
    files: Mapping[str, bytes] | None = None,
    known: Any = None,
) -> Report:
    """Judge the sealed model itself on labelled rows it has not seen.

    frame: rows with features and target; times: their event times (n,), else from the project's time columns.
    champion: answers the same rows, and differences are taken row by row. parity: the bundle's certificate;
    leaderboard: of its training, to be shown. members: rows it learned from, for what its losses give away;
    files: of the bundle, verified, for attacks that follow its gradient;
    known: all of them, with target and item, for what is popular in a ranking.
    Intervals are 95 % percentile bootstraps, with time in blocks of a window (`spans.block_rows`). Deterministic for
    `[train] seed`. Raises InputInvalid, ColumnMissing, CellInvalid.
    """
    if model.signature.task in UNSUPERVISED:
        return evaluate_untaught(
            model, frame, settings, champion=champion, times=times, parity=parity, leaderboard=leaderboard,
            switched_off=switched_off(settings.gate),
        )  # fmt: skip
    if model.signature.task == "forecasting":
        return evaluate_forecasts(
            model, frame, settings, champion=champion, parity=parity, leaderboard=leaderboard,
            switched_off=switched_off(settings.gate),
        )  # fmt: skip
    judged = judged_rows(model, frame, settings, times)
    seed, signature = settings.train.seed, judged.signature
    draws = DRAWS_OF_MANY if judged.rows > MANY_ROWS else DRAWS
    report = Report(
        model=settings.model.name,
        bundle=model.id,
        task=signature.task,
        target=signature.target,
        rows=judged.rows,
        metrics=metric_intervals(
            signature.task,
            judged.truth,
            judged.scores,
            signature,
            draws=draws,
            seed=seed,
            block=judged.block,
            further=True,
        ),
        loss=bootstrap(judged.loss, seed=seed, draws=draws, block=judged.block),
        baselines=against_baselines(judged, seed),
        learner=model.manifest.lineage.learner,
        classes=signature.classes,
        positive=signature.positive,
        threshold=signature.threshold,
        quantile=signature.quantile,
        start=0.0 if judged.times is None else float(judged.times[0]),
        end=0.0 if judged.times is None else float(judged.times[-1]),
        block=block_size(judged.rows, judged.block),
        champion=None if champion is None else against_champion(judged, champion, seed),
        curves=curves_of(judged.truth, judged.scores, signature),
        importance=importances(judged, seed),
        windows=by_window(judged, settings.monitor.window),
        reliability=reliability(judged.truth, judged.scores, signature, judged.block),
        slices=slices_of(
            judged,
            settings.evaluate.slices,
            find=settings.evaluate.find_slices,
            smallest=settings.evaluate.slice_rows,
            seed=seed,
        ),
        robustness=robustness_of(judged, settings, members, files) if settings.evaluate.robustness else None,
        fairness=disparities(judged, settings.model.sensitive, seed),
        parity=parity,
        leaderboard=tuple(leaderboard or ()),
        notes=tuple(_notes(judged, model)),
        switched_off=switched_off(settings.gate),
    )
    ranked = ranked_rows(judged, settings.gate, draws=draws, seed=seed)
    return report if ranked is None else with_ranking(report, ranked, champion, known, settings.monitor.window)


def switched_off(rules: GateSettings) -> tuple[str, ...]:
    """The checks that the project has switched off, by their names in `[gate]`."""
    off = {
        "min": rules.min is False,
        "beats": rules.beats is False,
        "no_worse_than": rules.no_worse_than is False,
        "groups": rules.groups is False,
        "behaviour": not rules.behaviour,
        "parity": not rules.parity,
    }
    return tuple(name for name, is_off in off.items() if is_off)


def _notes(judged: Judged, model: Model) -> list[str]:
    told = []
    if judged.unlabelled:
        told.append(f"{judged.unlabelled:,} rows without a truth were left out.")
    lineage = model.manifest.lineage
    if judged.times is not None and lineage.trained_to and float(judged.times[0]) <= lineage.trained_to:
        told.append(
            "Some of these rows are no newer than the newest row the model learned from; it may have seen them."
        )
    if judged.times is None:
        told.append("The rows carry no time: nothing here says how the model holds up as time goes on.")
    unknown = set(judged.truth.tolist()) - set(judged.signature.classes) if judged.signature.classes else set()
    if unknown:
        told.append(f"{len(unknown)} classes among these rows are new to the model and counted as wrong.")
    return told
