"""Definitions of the target: labels of two of them are never mixed, and a switch starts a new reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import TableRead
from fairlead.contract.signature import Signature
from fairlead.ops.flow.gathering import TRAIN
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    from fairlead.ops.flow.tracker import Tracker


def switched(ws: Workspace, signature: Signature) -> bool:
    """Whether the project means something else by its target than a model learned."""
    return bool(ws.settings.model.definition != signature.definition)


def as_defined_now(ws: Workspace, signature: Signature, labels: Any = ()) -> Signature:
    """A champion's signature with the target as the project defines it. labels: texts that may be new classes of it."""
    if not switched(ws, signature):
        return signature
    classes = signature.classes
    if signature.task == "classification":
        classes = (*classes, *sorted({str(label) for label in labels if label is not None} - set(classes)))
    return msgspec.structs.replace(signature, definition=ws.settings.model.definition, classes=classes)


def table_is_older(ws: Workspace, champion: str, signature: Signature, tables: Mapping[str, TableRead]) -> bool:
    """Whether the training table is the one that a model of another definition learned from: its truth means that."""
    if not switched(ws, signature):
        return False
    before = ws.load(champion).manifest.lineage.tables.get(TRAIN)
    now = tables.get(TRAIN)
    return before is not None and now is not None and before.hash == now.hash


def refuse_without_rows(ws: Workspace, signature: Signature, rows: int) -> None:
    """Raises UsageError where nothing can be learned of the new definition yet."""
    if rows:
        return
    now = ws.settings.model.definition
    raise UsageError(
        f"the target's definition is {now!r} now, and there is no row of it to learn from: the training table is the "
        f"one that was learned from as {signature.definition!r}, and no label says {now!r}. Send labels with "
        f'"definition": "{now}", or give [data] train a table whose {ws.settings.model.target} means it.'
    )


def start_over(ws: Workspace, tracker: Tracker, champion: str, at: float) -> bool:
    """Where a model of another definition has taken over: its own promise, the old one kept. Within the caller's
    transaction; returns whether it was so.
    """
    from fairlead.ops.flow.closing import first_promise

    if not tracker.champion or tracker.promise is None:
        return False
    before = ws.load(tracker.champion).signature.definition
    after = ws.load(champion).signature.definition
    if before == after:
        return False
    ws.state.put(f"promise-before:{ws.model}:{before}:{at:.0f}", msgspec.json.encode(tracker.promise))
    tracker.promise = first_promise(ws, champion)
    return True
