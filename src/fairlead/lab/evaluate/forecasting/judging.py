"""`evaluate` for forecasts.

Every origin of the judged rows is answered by the sealed model, which saw none of them; the truth of each is whole.
Neighbouring origins share almost all of their truths, so intervals draw blocks of a season of origins, and never less
than a horizon. The baselines repeat the last season (one for each season that the history holds) or the last value;
the best of them comes first, which is the one that the gate asks to be beaten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.contract.evidence import Interval
from fairlead.contract.settings import Settings
from fairlead.lab.evaluate.comparing import by_window, importances
from fairlead.lab.evaluate.evidence import Comparison, Report
from fairlead.lab.evaluate.forecasting.evidence import Forecasts
from fairlead.lab.evaluate.forecasting.telling import series_errors, shown_of, step_errors
from fairlead.lab.evaluate.rows import Judged
from fairlead.lab.stats.forecasts import forecast_losses, forecast_metrics, season_changes, seasonal_naive
from fairlead.lab.stats.intervals import bootstrap, percentile, resamples
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.spans import FEWEST_BLOCKS
from fairlead.lab.tables.series import SeriesRows
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.runtime.bundle import Model

MANY_ROWS = 20_000
DRAWS, DRAWS_OF_MANY = 1000, 200


@dataclass(frozen=True)
class Asked:
    """The judged rows. scores: (n, horizon) of the sealed model; scale: (n,) what its series changes in a season."""

    rows: SeriesRows
    judged: Judged
    scale: Floats
    draws: int
    block: int

    @property
    def values(self) -> Floats:
        """The series' own values of every history, (n, lags)."""
        return self.rows.history[:, :, 0]


def evaluate_forecasts(
    model: Model,
    frame: Any,
    settings: Settings,
    *,
    champion: Model | None,
    parity: dict[str, Any] | None,
    leaderboard: Sequence[dict[str, Any]] | None,
    switched_off: tuple[str, ...],
) -> Report:
    """See `judging.evaluate`. frame: a long table, or rows that are histories and origins with lists as truths."""
    asked = asked_of(model, frame, settings)
    rows, judged, seed = asked.rows, asked.judged, settings.train.seed
    baselines, naive = against_naive(asked, seed)
    compared = None if champion is None else against(asked, champion, frame, settings, seed)
    best = int(naive[0])
    repeated = seasonal_naive(asked.values, rows.geometry.horizon, best)
    return Report(
        model=settings.model.name,
        bundle=model.id,
        task="forecasting",
        target=judged.signature.target,
        rows=rows.rows,
        metrics=intervals(asked, judged.scores, seed),
        loss=bootstrap(judged.loss, seed=seed, draws=asked.draws, block=asked.block),
        baselines=baselines,
        learner=model.manifest.lineage.learner,
        start=float(rows.origins[0]),
        end=float(rows.origins[-1]),
        block=asked.block,
        champion=compared,
        importance=importances(judged, seed),
        windows=by_window(judged, settings.monitor.window),
        forecasts=Forecasts(
            horizon=rows.geometry.horizon,
            every=rows.geometry.step.said,
            season=best,
            origins=rows.rows,
            series=1 if rows.names is None else len(set(rows.names.tolist())),
            steps=step_errors(rows, judged.scores, repeated, asked.draws, asked.block, seed),
            shown=shown_of(rows, judged.scores),
            worst=series_errors(rows, judged.scores, asked.scale),
        ),
        parity=parity,
        leaderboard=tuple(leaderboard or ()),
        notes=tuple(_notes(asked, model, champion is not None and compared is None)),
        switched_off=switched_off,
    )  # fmt: skip


def asked_of(model: Model, frame: Any, settings: Settings) -> Asked:
    """The rows of a frame answered. Raises InputInvalid where none can be judged."""
    rows = rows_for(model, frame, settings)
    columns = {HISTORY: rows.history.reshape(rows.rows, -1), ORIGIN: rows.origins}
    scores = np.asarray(model.score_columns(columns), dtype=np.float64)
    clip = model.reference.loss_clip
    judged = Judged(
        model=model,
        signature=model.signature,
        source=_sources(rows),
        columns=columns,
        truth=rows.truth,
        times=rows.origins,
        scores=scores,
        loss=forecast_losses(rows.truth, scores, clip),
        clip=clip,
        block=block_of(rows),
        unlabelled=rows.incomplete,
    )
    draws = DRAWS_OF_MANY if rows.rows > MANY_ROWS else DRAWS
    return Asked(rows, judged, scale_of(rows), draws, block_of(rows))


def rows_for(model: Model, frame: Any, settings: Settings) -> SeriesRows:
    """The rows of a frame in the shape that a model takes, with the seasons it was trained by."""
    from dataclasses import replace

    from fairlead.lab.tables import open_table
    from fairlead.lab.tables.series import geometry_of_signature, series_rows

    signature = model.signature
    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    geometry = geometry_of_signature(signature, settings.model)
    sealed = model.manifest.lineage.preparation.get("seasons") or ()
    seasons = tuple(int(season) for season in sealed if 1 <= int(season) <= geometry.lags)
    return series_rows(source, settings.model, geometry=replace(geometry, seasons=seasons or geometry.seasons))


def _sources(rows: SeriesRows) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({ORIGIN: rows.origins, **({} if rows.names is None else {"series": rows.names})})


def block_of(rows: SeriesRows) -> int:
    """Rows that are drawn together: those of the longest season, or of a horizon if that is longer; never fewer than
    eight blocks.
    """
    geometry = rows.geometry
    each = rows.rows / max(len(np.unique(rows.origins)), 1)
    steps = max([geometry.horizon, *geometry.seasons])
    return max(1, min(round(each * steps), rows.rows // FEWEST_BLOCKS))


def scale_of(rows: SeriesRows) -> Floats:
    """The mean change from one season to the next of each row's series, (n,), within the judged histories."""
    seasons = rows.geometry.seasons
    changes = season_changes(rows.history[:, :, 0], seasons[0] if seasons else 1)
    if rows.names is None:
        return np.full(rows.rows, changes.mean())
    _, codes = np.unique(rows.names.astype(str), return_inverse=True)
    means = np.bincount(codes, weights=changes) / np.bincount(codes)
    return np.asarray(means[codes])


def intervals(asked: Asked, scores: Floats, seed: int) -> dict[str, Interval]:
    """Every metric with its interval."""
    truth = asked.rows.truth
    values = _metrics(asked, scores)
    drawn: dict[str, list[Floats]] = {name: [] for name in values}
    for weights in resamples(len(truth), asked.draws, seed, asked.block):
        for name, found in forecast_metrics(truth, scores, weights, asked.scale).items():
            if name in drawn:
                drawn[name].append(found)
    return {name: percentile(value, np.concatenate(drawn[name])) for name, value in values.items()}


def _metrics(asked: Asked, scores: Floats) -> dict[str, float]:
    found = forecast_metrics(asked.rows.truth, scores, np.ones((1, len(scores))), asked.scale)
    return {name: float(value[0]) for name, value in found.items() if np.isfinite(value[0])}


def against_naive(asked: Asked, seed: int) -> tuple[tuple[Comparison, ...], tuple[int, ...]]:
    """What needs no learning, the best first, and by how many steps each looks back."""
    geometry = asked.rows.geometry
    ways = [(f"seasonal_naive_{season}", season) for season in geometry.seasons] + [("last_value", 1)]
    found = [
        (_compared(asked, name, seasonal_naive(asked.values, geometry.horizon, season), seed), season)
        for name, season in ways
    ]
    found.sort(key=lambda one: one[0].loss)
    return tuple(one for one, _ in found), tuple(season for _, season in found)


def _compared(asked: Asked, name: str, scores: Floats, seed: int) -> Comparison:
    judged = asked.judged
    theirs = forecast_losses(judged.truth, scores, judged.clip)
    difference = bootstrap(judged.loss - theirs, seed=seed, draws=asked.draws, block=asked.block)
    return Comparison(name, _metrics(asked, scores), float(theirs.mean()), difference)


def against(asked: Asked, champion: Model, frame: Any, settings: Settings, seed: int) -> Comparison | None:
    """The champion at the origins that both can answer; None where they answer other questions, or share none.

    Losses by the champion's clip, since its promise is what is in force.
    """
    ours, theirs = asked.judged.signature, champion.signature
    if theirs.task != "forecasting" or theirs.horizon != ours.horizon or abs(theirs.step - ours.step) > 1e-6:
        return None
    try:
        other = asked_of(champion, frame, settings)
    except InputInvalid:
        return None
    mine, its = _keys(asked.rows), _keys(other.rows)
    place = {key: at for at, key in enumerate(its)}
    both = [(at, place[key]) for at, key in enumerate(mine) if key in place]
    if not both:
        return None
    own, their = (np.array(side) for side in zip(*both, strict=True))
    clip = champion.reference.loss_clip
    truth = asked.rows.truth[own]
    lost = forecast_losses(truth, other.judged.scores[their], clip)
    difference = bootstrap(
        forecast_losses(truth, asked.judged.scores[own], clip) - lost,
        seed=seed, draws=asked.draws, block=min(asked.block, max(len(own) // FEWEST_BLOCKS, 1)),
    )  # fmt: skip
    metrics = forecast_metrics(truth, other.judged.scores[their], np.ones((1, len(own))), asked.scale[own])
    told = {name: float(value[0]) for name, value in metrics.items() if np.isfinite(value[0])}
    return Comparison("champion", told, float(lost.mean()), difference)


def _keys(rows: SeriesRows) -> list[tuple[float, str]]:
    names = [""] * rows.rows if rows.names is None else rows.names.tolist()
    return list(zip(rows.origins.tolist(), names, strict=True))


def _notes(asked: Asked, model: Model, other_question: bool) -> list[str]:
    told = [f"{note[:1].upper()}{note[1:]}." for note in asked.rows.notes]
    if asked.rows.incomplete:
        told.append(f"{asked.rows.incomplete:,} origins whose truth is not whole were left out.")
    lineage = model.manifest.lineage
    if lineage.trained_to and float(asked.rows.origins[0]) <= lineage.trained_to:
        told.append("Some of these origins are no newer than the newest the model learned from; it may have seen them.")
    if other_question:
        told.append(
            "The model now in use answers other steps or shares no origin with this one: they are not compared."
        )
    return told
