"""`evaluate --engine`: a sealed bundle judged on rows that an engine reads where they lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import UsageError
from fairlead.ops.flow import making
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    from fairlead.lab.evaluate import Report
    from fairlead.lab.evaluate.elsewhere import Elsewhere
    from fairlead.lab.tables.engines import Engine


def judge_on_engine(
    ws: Workspace, bundle: str, engine: Engine, source: Any = None, *,
    say: Callable[..., None] = lambda *words, **more: None,
) -> tuple[making.Judged, Elsewhere]:  # fmt: skip
    """As `making.judge`: the same gate, page and attestation, with metrics and losses of all rows of the source.

    source: what the engine takes; None: the rows kept for judging. Raises UsageError for what is judged only here.
    """
    from fairlead.lab.evaluate.elsewhere import judge_elsewhere, with_all_rows
    from fairlead.runtime.bundle.native_model import NativeModel

    remembered = making.kept(ws, bundle)
    if source is None and remembered is None:
        raise UsageError("this bundle was not trained here: give rows to judge it on with --data.")
    if source is not None and ws.settings.data.prepare:
        raise UsageError("[data] prepare is run on whole tables, here: judge these rows with --engine local.")
    answering = making.champion_bundle(ws)
    rival = answering if answering and answering != bundle else None
    model, champion = ws.load(bundle), None if rival is None else ws.load(rival)
    if isinstance(model, NativeModel) or isinstance(champion, NativeModel):
        raise UsageError("a model that runs its own code in a process of its own is judged with --engine local.")
    assert source is not None or remembered is not None
    rows = making.kept_rows(ws, remembered.holdout) if source is None and remembered is not None else source
    frame, found = judge_elsewhere(
        engine, model, ws.store.path(bundle), ws.trusted, rows, ws.settings, say=say,
        champion=None if champion is None or rival is None else (champion, ws.store.path(rival)),
    )  # fmt: skip
    told = []

    def of_all(report: Report) -> Report:
        made, what = with_all_rows(report, found)
        told.append(what)
        return made

    say("judging what does not add up on a sample", done=0.85)
    judged = making.judge(ws, bundle, frame=rows if source is None else frame, of_all=of_all)
    return judged, told[0]
