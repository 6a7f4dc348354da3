"""Rows of series as material to learn from, and which of them may be learned from before others are judged."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.settings import Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.tables.series import Geometry, SeriesRows, geometry_of_signature, is_asked, series_rows
from fairlead.lab.train.folding import Fold, folds_of
from fairlead.lab.train.material import Material
from fairlead.lab.train.terms import terms_of
from fairlead.runtime.bundle.forecasts import HISTORY, ORIGIN

if TYPE_CHECKING:
    import pandas as pd

SLACK = 0.2
"""Share of a step by which a due time may pass an origin: months differ in length."""
NAME = "series"


@dataclass(frozen=True)
class SeriesMaterial(Material):
    """Rows of series. truth: (n, horizon); times: of the origins; seasons: after which the series repeat themselves."""

    seasons: tuple[int, ...] = ()

    def take(self, rows: Ints) -> SeriesMaterial:
        """See Material."""
        taken = super().take(rows)
        return SeriesMaterial(**{one.name: getattr(taken, one.name) for one in fields(taken)}, seasons=self.seasons)


def forecast_material(frame: Any, settings: Settings, signature: Signature | None = None) -> SeriesMaterial:
    """The rows of a long table, or of rows that were asked, that can be learned from; see `lab.tables.series`.

    signature: of the model that these rows are for, when it is known already. `source` holds the series (where there
    is one) and the origin of each row. Raises InputInvalid, ColumnMissing, CellInvalid, ConfigInvalid.
    """
    return material_from(rows_of(frame, settings, signature), settings, signature)


def rows_of(frame: Any, settings: Settings, signature: Signature | None = None) -> SeriesRows:
    """The rows of a table; of the shape that a signature states, where there is one."""
    from fairlead.lab.tables import open_table

    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    geometry = None if signature is None else geometry_of_signature(signature, settings.model)
    return series_rows(source, settings.model, geometry=geometry)


def material_from(rows: SeriesRows, settings: Settings, signature: Signature | None = None) -> SeriesMaterial:
    """The same as material."""
    import pandas as pd

    from fairlead.lab.tables import frame_of

    signature = signature or signature_from(rows, settings)
    columns = {HISTORY: rows.history.reshape(rows.rows, -1), ORIGIN: rows.origins}
    source: pd.DataFrame = pd.DataFrame({ORIGIN: rows.origins})
    if rows.names is not None:
        source[NAME] = rows.names
    return SeriesMaterial(
        signature=signature,
        source=source,
        frame=frame_of(columns, signature),
        columns=columns,
        truth=rows.truth,
        times=rows.origins,
        unlabelled=rows.incomplete,
        terms=terms_of(settings, signature),
        preparing=settings.preparation,
        seasons=rows.geometry.seasons,
    )


def signature_from(rows: SeriesRows, settings: Settings) -> Signature:
    """The signature of a model of these rows."""
    model, geometry = settings.model, rows.geometry
    shape = (geometry.lags, 1 + len(geometry.covariates))
    history = Column(
        HISTORY, "tensor", nullable=False, low=float(rows.history.min()), high=float(rows.history.max()),
        dtype="float64", shape=shape,
    )  # fmt: skip
    low, high = float(rows.origins.min()), float(rows.origins.max())
    return Signature(
        task="forecasting",
        columns=(history, Column(ORIGIN, "time", nullable=False, low=low, high=high)),
        target=model.target,
        time=(ORIGIN,),
        sticky=settings.rollout.sticky_by or model.series,
        # The encoding leaves out defaults by identity: a "v1" that was written must seal as one that was not.
        definition=sys.intern(model.definition),
        timezone=sys.intern(model.timezone),
        horizon=geometry.horizon,
        step=geometry.step.seconds,
        series=model.series,
    )


def seasons_for(material: Material) -> tuple[int, ...]:
    """After how many steps the series of a material repeat themselves."""
    return material.seasons if isinstance(material, SeriesMaterial) else ()


def due_before(times: Floats, signature: Signature, start: float) -> np.ndarray:
    """Which rows' truths have all come by `start`, (n,): those that may be learned from before that is judged."""
    return np.asarray(times + (signature.horizon - SLACK) * signature.step <= start)


def honest_folds(material: Material, count: int, seed: int) -> tuple[Fold, ...]:
    """Rolling origins: each run of rows is judged by what was learned from rows whose truth was whole before it.

    Raises InputInvalid when there are too few rows.
    """
    assert material.times is not None
    found = []
    for fold in folds_of(material, count, seed):
        fit = before(material, fold.fit, fold.judge)
        if len(fit):
            found.append(Fold(fit, fold.judge))
    return tuple(found)


def before(material: Material, rows: Ints, judged: Ints) -> Ints:
    """Those of `rows` whose truth was whole when the first of `judged` was asked."""
    assert material.times is not None
    due = due_before(material.times[rows], material.signature, float(material.times[judged[0]]))
    return np.asarray(rows[due], dtype=np.int64)


def kept_for_judging(frame: pd.DataFrame, settings: Settings, geometry: Geometry, start: float) -> pd.DataFrame:
    """The rows of a table that give the origins from `start` on, the values before them included."""
    if is_asked(frame):
        from fairlead.lab.tables import columns_of

        column = Column(ORIGIN, "time")
        times = columns_of(frame, Signature("forecasting", (column,)), zone=settings.model.timezone)[ORIGIN]
    else:
        from fairlead.lab.tables import event_times

        times = event_times(frame, settings.model.time_columns, settings.model.timezone)
        start -= (geometry.lags - 1 + SLACK) * geometry.step.seconds
    return frame.iloc[np.flatnonzero(times >= start)].reset_index(drop=True)
