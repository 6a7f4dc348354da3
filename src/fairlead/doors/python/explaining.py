"""Why a model answers as it does: rows explained by the sealed bundle, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import BundleRefused, UsageError

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace
    from fairlead.runtime.explain import Explainable

Answer = dict[str, Any]

MOST_ROWS = 10_000
"""Rows of one call."""


def explain(ws: Workspace, rows: Any, bundle: str | None, method: str, most: int) -> Answer:
    """See `Project.explain`."""
    if not 0 < most <= MOST_ROWS:
        raise UsageError(f"from 1 to {MOST_ROWS:,} rows can be explained at once, not {most}")
    explainable = opened(ws, bundle)
    columns, given = rows_for(ws, explainable, rows, most)
    found = explainable.explain_columns(columns, method=method)
    answers = explainable.model.answers(explainable.model.score_columns(columns))
    return {
        "bundle": explainable.model.id,
        "rows": len(found.margins),
        "given": given,
        "predictions": answers,
        "values": values_of(explainable, columns),
        **found.answer(),
    }


def opened(ws: Workspace, reference: str | None) -> Explainable:
    """The named bundle, else the champion, else the latest. Raises BundleNotFound, BundleRefused, NotOffered."""
    from fairlead.ops.flow import making
    from fairlead.runtime.explain import load

    chosen = making.resolve_bundle(ws, reference) if reference else making.champion_bundle(ws)
    identity = chosen or making.resolve_bundle(ws, None)
    try:
        return load(ws.store.path(identity), ws.trusted)
    except BundleRefused as refusal:
        raise BundleRefused(f"bundle {identity[:12]} is refused: {refusal}") from refusal


def rows_for(ws: Workspace, explainable: Explainable, source: Any, most: int) -> tuple[dict[str, Any], int]:
    """(the first `most` rows in the columns form, how many were given). source: JSON text, a table's path, a DataFrame,
    or a list of dicts. Columns the model does not take are left out."""
    from fairlead.lab.tables import columns_of
    from fairlead.ops.flow import making
    from fairlead.runtime.bundle.cells import columns_of_rows, rows_from

    signature = explainable.model.signature
    if isinstance(source, str) and source.lstrip()[:1] in ("{", "["):
        source = _json(source)
    if isinstance(source, dict):
        source = [source]
    if isinstance(source, list):
        if not source or not all(isinstance(row, dict) for row in source):
            raise UsageError("rows as JSON are an object of column: value, or a list of such objects.")
        wanted = {*signature.names, *signature.passthrough}
        kept = [{name: cell for name, cell in row.items() if name in wanted} for row in source[:most]]
        return columns_of_rows(rows_from(kept, signature), signature), len(source)
    frame = making.training_frame(ws, str(source) if isinstance(source, Path) else source)
    columns = columns_of(frame.iloc[:most], signature, zone=signature.timezone, invalid="missing")
    return columns, len(frame)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as why:
        raise UsageError(f"the row looks like JSON and is none: {why}") from None


def values_of(explainable: Explainable, columns: dict[str, Any]) -> list[Answer]:
    """The rows as the model took them, tensors left out."""
    from fairlead.runtime.bundle.cells import outside

    kept = [column for column in explainable.model.signature.columns if column.kind != "tensor"]
    listed = [[None if cell != cell else cell for cell in columns[column.name].tolist()] for column in kept]
    return [
        {column.name: outside(cell, column) for column, cell in zip(kept, row, strict=True)}
        for row in zip(*listed, strict=True)
    ]
