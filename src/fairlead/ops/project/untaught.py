"""What `init` finds for a clustering or an anomaly detection, which need no target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from fairlead.contract.errors import ColumnMissing, UsageError
from fairlead.contract.signature import UNSUPERVISED

if TYPE_CHECKING:
    from fairlead.lab.tables import Schema

CURE = "Name the column to predict with --target, or say --task clustering (groups) or --task anomaly (outliers)."


def is_untaught(target: str | None, task: str | None) -> bool:
    """Whether this is such a task. Raises UsageError where there is neither a target nor a task that needs none."""
    if task in UNSUPERVISED:
        return True
    if not target:
        raise UsageError(CURE if task is None else f"a {task} learns from a target. {CURE}")
    return False


def look(table: Any, target: str | None, task: str, id: str | None, time: str | Sequence[str] | None) -> Schema:
    """The schema of a table whose target, if it has one, is for judging alone; positive: its value of an anomaly.

    Nothing leaks such a target: a column that tells anomalies well is what should be learned from.
    """
    from fairlead.lab.tables import infer

    schema = infer(table, None, id, time)
    schema = msgspec.structs.replace(schema, task=None, why={**schema.why, "task": "as given"})
    if target is None:
        return schema
    if target not in schema.names:
        raise ColumnMissing([target], schema.names)
    told = infer(table, target, id, time, roles=False)
    columns = tuple(
        msgspec.structs.replace(c, role="target", why="as given; judges, and is not learned from")
        if c.name == target
        else c
        for c in schema.columns
    )
    positive = told.positive if task == "anomaly" else None
    if task == "anomaly" and len(told.classes) != 2:
        found = f"{len(told.classes)} values" if told.classes else "numbers"
        raise UsageError(f"column {target!r} holds {found}; what judges an anomaly detection has two.")
    why = {**schema.why, **({"positive": told.why.get("positive", "")} if positive else {})}
    key = None if schema.key == target else schema.key
    return msgspec.structs.replace(schema, columns=columns, target=target, positive=positive, key=key, why=why)


def name_of(source: str) -> str:
    """What a model is called after its table: the file's name without its ending."""
    path = urlsplit(source).path if "://" in source else source
    return PurePath(path).name.split(".")[0] or "model"
