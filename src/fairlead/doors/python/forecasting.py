"""Long tables at the door of a model that forecasts: the newest values of every series in, what came true in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.signature import Signature
from fairlead.ops.flow import Workspace

if TYPE_CHECKING:
    import pandas as pd

Rows = list[dict[str, Any]]


def forecasting(ws: Workspace) -> Signature | None:
    """The signature of the champion, where it forecasts."""
    from fairlead.ops.flow import making

    if ws.settings.model.task != "forecasting":
        return None
    bundle = making.champion_bundle(ws)
    return None if bundle is None else ws.load(bundle).signature


def asked_of(ws: Workspace, rows: Any, signature: Signature) -> tuple[Rows, bool]:
    """Rows of requests, and whether they were made from a long table: one a series, from its newest value on."""
    from fairlead.doors.python.serving import records_of
    from fairlead.reach.score.forecasts import is_long, requests_of

    frame = _table_of(ws, rows)
    if frame is None or not is_long(signature, frame.columns):
        return records_of(ws, rows), False
    return requests_of(frame, signature, ws.settings), True


def told_of(ws: Workspace, labels: Any, signature: Signature) -> Iterator[dict[str, Any]] | None:
    """Items of feedback from a long table of values that came; None for labels that are items already.

    Every origin that may have been asked since the model learned gets what is known of its steps.
    """
    from fairlead.lab.tables.series import geometry_of_signature
    from fairlead.lab.tables.series_now import known_truths

    frame = _table_of(ws, labels)
    model = ws.settings.model
    if frame is None or "label" in frame.columns or not {model.target, *model.time_columns} <= set(frame.columns):
        return None
    found = known_truths(frame, model, geometry_of_signature(signature, model), _earliest(ws, signature))
    return _items(found, signature)


def _items(found: Any, signature: Signature) -> Iterator[dict[str, Any]]:
    for name, origin, steps in zip(found.names.tolist(), found.origins.tolist(), found.truth.tolist(), strict=True):
        item: dict[str, Any] = {"time": origin, "label": [None if step != step else step for step in steps]}
        if signature.series is not None:
            item["key"] = name
        yield item


def _table_of(ws: Workspace, rows: Any) -> pd.DataFrame | None:
    """A table given as a path, an address or a frame; None for rows in another form."""
    from fairlead.lab.tables.reading import Reading

    if hasattr(rows, "iloc"):
        found: pd.DataFrame = rows
        return found
    if not isinstance(rows, str):
        return None
    data = ws.settings.data
    return Reading(data, home=ws.home.root).open(rows, query=data.query).frame()


def _earliest(ws: Workspace, signature: Signature) -> float:
    """The first origin on record here, or the last that the model learned from, whichever is earlier."""
    from fairlead.contract import records as names
    from fairlead.runtime.bundle.forecasts import ORIGIN
    from fairlead.runtime.capture import Records

    learned = next((c.high for c in signature.columns if c.name == ORIGIN), None)
    times = Records(ws.home.root, ws.model).columns(None, None, [names.TIME]).column(names.TIME).to_numpy()
    # What was asked a moment ago need not be collected yet, and a model of today may be asked about yesterday.
    return min([-np.inf if learned is None else learned, *([float(times.min())] if len(times) else [])])
