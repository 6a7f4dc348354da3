"""Why a model answers as it does: rows explained by the sealed bundle, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import BundleRefused, UsageError
from fairlead.runtime.explain.explaining import INDEPENDENT

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace
    from fairlead.runtime.explain import Explainable

Answer = dict[str, Any]

MOST_ROWS = 10_000
"""Rows of one call."""

MOST_COUNTERFACTUALS = 100
"""Rows of one call for counterfactuals."""


def explain(
    ws: Workspace, rows: Any, bundle: str | None, method: str, most: int, html: str | Path | None = None
) -> Answer:
    """See `Project.explain`."""
    if not 0 < most <= MOST_ROWS:
        raise UsageError(f"from 1 to {MOST_ROWS:,} rows can be explained at once, not {most}")
    explainable = opened(ws, bundle)
    columns, given = rows_for(ws, explainable, rows, most)
    found = explainable.explain_columns(columns, method=method)
    answers = explainable.model.answers(explainable.model.score_columns(columns))
    answer = {
        "bundle": explainable.model.id,
        "rows": len(found.margins),
        "given": given,
        "predictions": answers,
        "values": values_of(explainable, columns),
        **found.answer(),
    }
    if html is not None:
        from fairlead.lab.evaluate.explaining.page import render_rows, write_page

        answer["html"] = str(write_page(render_rows(answer, explainable.model.manifest.name), html))
    return answer


def explain_model(
    ws: Workspace, bundle: str | None, data: Any, html: str | Path | None, progress: Callable[..., None] | None
) -> Answer:
    """See `Project.explain_model`."""
    import msgspec

    from fairlead.lab.evaluate.explaining.page import render_whole, write_page
    from fairlead.lab.evaluate.explaining.whole import explained

    explainable = opened(ws, bundle)
    columns = table_for(ws, explainable, data)
    found = explained(explainable, columns, ws.settings.train.seed, progress=progress)
    whole = found.overall
    sizes = {name: {e.column: e.size.value for e in effects} for name, effects in whole.effects.items()}
    answer: Answer = {
        "bundle": found.bundle,
        "method": whole.method,
        "exact": whole.exact,
        "said": whole.said,
        "scale": whole.scale,
        "of": list(whole.effects),
        "rows": whole.rows,
        "background": {"rows": whole.background, "kind": INDEPENDENT},
        "baseline": alone(whole.baseline),
        "attributions": alone(sizes),
        **msgspec.to_builtins({"effects": whole.effects, "dependence": found.dependence}),
        "surrogate": msgspec.to_builtins(found.surrogate),
        "residual": whole.residual,
        "notes": list(found.notes),
    }
    if html is not None:
        answer["html"] = str(write_page(render_whole(found, explainable.model), html))
    return answer


def counterfactuals(ws: Workspace, rows: Any, wanted: str, bundle: str | None, most: int) -> Answer:
    """See `Project.counterfactuals`."""
    import msgspec

    from fairlead.lab.evaluate.explaining.counterfactuals import counterfactuals as search
    from fairlead.lab.evaluate.explaining.steps import rules_of

    if not 0 < most <= MOST_COUNTERFACTUALS:
        raise UsageError(f"counterfactuals of 1 to {MOST_COUNTERFACTUALS} rows can be asked at once, not of {most}")
    explainable = opened(ws, bundle)
    model, rules = explainable.model, ws.settings.explain
    columns, given = rows_for(ws, explainable, rows, most)
    sensitive = [name for name in ws.settings.model.sensitive if name in model.signature.names]
    kept = rules_of({*rules.immutable, *sensitive}, rules.increase, rules.decrease)
    like = real_rows(ws, explainable)
    found = []
    count = len(next(iter(columns.values())))
    for at in range(count):
        row = {name: values[at] for name, values in columns.items()}
        found.append(msgspec.to_builtins(search(model, row, wanted, kept, rules.most_changes, like)))
    return {
        "bundle": model.id,
        "rows": count,
        "given": given,
        "method": "beam search over plausible values of training",
        "immutable": sorted(kept.immutable),
        "predictions": model.answers(model.score_columns(columns)),
        "counterfactuals": found,
    }


def real_rows(ws: Workspace, explainable: Explainable) -> dict[str, Any] | None:
    """The rows that the bundle was judged on, where this home still has them."""
    from fairlead.ops.flow import making

    if making.kept(ws, explainable.model.id) is None:
        return None
    try:
        return table_for(ws, explainable, None)
    except UsageError:
        return None


def alone(said: dict[str, Any]) -> Any:
    """What is said of the only output, else by output."""
    return next(iter(said.values())) if len(said) == 1 else said


def table_for(ws: Workspace, explainable: Explainable, data: Any) -> dict[str, Any]:
    """Rows to explain a model over: those given, else those it was judged on, else the training table."""
    from fairlead.lab.tables import columns_of
    from fairlead.ops.flow import making

    remembered = None if data is not None else making.kept(ws, explainable.model.id)
    frame = making.training_frame(ws, data) if remembered is None else making.kept_rows(ws, remembered.holdout)
    signature = explainable.model.signature
    columns: dict[str, Any] = columns_of(frame, signature, zone=signature.timezone, invalid="missing")
    return columns


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
