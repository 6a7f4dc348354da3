"""Definitions of the target: labels of two of them are never mixed, and a switch starts a new reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import UsageError
from fairlead.contract.evidence import Manifest, TableRead
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


def table_is_older(ws: Workspace, tables: Mapping[str, TableRead]) -> bool:
    """Whether the training table was learned from as another definition alone, so that its truth means that.

    A version that learned from the very same content says so; a table whose content changed is taken for what the
    project says now.
    """
    now = tables.get(TRAIN)
    if now is None or not now.hash:
        return False
    learned = set()
    for row in ws.state.versions(ws.model):
        found = _learned_from(ws.store.path(row.bundle))
        if found is not None and found[0] == now.hash:
            learned.add(found[1])
    return bool(learned) and ws.settings.model.definition not in learned


def _learned_from(bundle: Path) -> tuple[str, str] | None:
    """The training table's hash and the target's definition of a bundle of our store; None where it names no table."""
    try:
        manifest = msgspec.json.decode((bundle / "manifest.json").read_bytes(), type=Manifest)
        signature = msgspec.json.decode((bundle / "signature.json").read_bytes(), type=Signature)
    except (OSError, msgspec.MsgspecError):
        return None
    table = manifest.lineage.tables.get(TRAIN)
    return None if table is None else (table.hash, signature.definition)


def refuse_without_rows(ws: Workspace, rows: int) -> None:
    """Raises UsageError where nothing can be learned of the new definition yet."""
    if rows:
        return
    now = ws.settings.model.definition
    raise UsageError(
        f"the target's definition is {now!r} now, and there is no row of it to learn from: the training table is the "
        f"one that was learned from as another, and no label says {now!r}. Send labels with "
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
