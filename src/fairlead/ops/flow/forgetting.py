"""Forgetting a person: who that is in records, the tombstone in the audit log, and what still holds rows."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fairlead.contract import records as names
from fairlead.contract.errors import FairleadError, UsageError
from fairlead.ops.flow.copies import let_go
from fairlead.ops.flow.workspace import Workspace

STAYS = (
    "windows and profiles that were folded before keep their sums, which hold no row; models trained on the rows stay "
    "as they are; backups of before, older versions that a bucket keeps, and copies made elsewhere are not reached"
)
_NOTED = "forgotten/"


def forget(
    ws: Workspace,
    key: str,
    *,
    column: str | None = None,
    request: bool = False,
    every_model: bool = False,
    wait_s: float = 30.0,
) -> dict[str, Any]:
    """Erase the rows of one person and their labels, lines set aside that hold them, and fetched tables; in
    `[stores] records`, too, where that is set.

    Raises UsageError for a column that no record has.
    """
    from fairlead.runtime.capture import forget as erase

    if not key:
        raise UsageError("say whom to forget: the value of the key column, or a request id with --request.")
    away = _fetched(ws)
    columns = (names.REQUEST,) if request else _columns(ws, column)
    values = (key,) if request else forms_of(key, bytes.fromhex(ws.redact_key))
    copies = let_go(ws.home.root, values)
    done = erase(ws.home.root, values, columns=columns, model="" if every_model else ws.model, wait_s=wait_s)
    bury(ws)
    learned = _learned(ws)
    away = away or _sent(ws)
    where = None if request else column or ws.settings.model.id or ws.settings.model.series
    return {
        "forgotten": done.id,
        "done": done.done and not away,
        "records": done.records,
        "labels": done.labels,
        "files": done.files,
        "lines_set_aside": copies.lines,
        "fetched_copies": copies.fetched,
        "learning_rows": learned,
        "waits_for": list(done.waiting),
        "unreadable": list(done.damaged),
        "store_waits": away,
        "other_homes": list(_others(ws, done.id)),
        "tables": [] if where is None else list(_tables_with(ws.home.tables, where, values)),
        "stays": STAYS,
    }


def _fetched(ws: Workspace) -> str:
    """Rows that lie in `[stores] records` alone are brought here first; why that could not be done."""
    try:
        if ws.mirror is not None:
            ws.mirror.pull()
    except FairleadError as failure:
        return str(failure)
    return ""


def _sent(ws: Workspace) -> str:
    """Files that lost rows replace those in `[stores] records`; why that could not be done. The collector goes on."""
    try:
        if ws.mirror is not None:
            ws.mirror.push()
    except FairleadError as failure:
        return str(failure)
    return ""


def _learned(ws: Workspace) -> int:
    """Rows that a model which learns label by label kept of them."""
    from fairlead.ops.flow.online import forget_here

    return forget_here(ws)


def _others(ws: Workspace, id: str) -> Iterator[str]:
    """Instances of other homes whose rows were erased here: one whose segment is still open would send them again."""
    from fairlead.runtime.capture.forgotten import entries

    ours = {path.name for path in ws.home.spool.glob("*") if path.is_dir()}
    named = {worker.partition("/")[0] for one in entries(ws.home.root) if one.id == id for worker in one.workers}
    yield from sorted(named - ours)


def forms_of(key: str, redact_key: bytes) -> tuple[str, ...]:
    """How a value may stand in records: as it was sent, as the number it is, and each of them redacted."""
    from fairlead.runtime.capture import redact
    from fairlead.runtime.wire.checks import text_of

    forms = [key]
    with contextlib.suppress(ValueError, OverflowError):
        forms.append(text_of(float(key)) or key)
    return tuple(dict.fromkeys([*forms, *(redact(form, redact_key) for form in forms)]))


def bury(ws: Workspace) -> None:
    """A tombstone in the audit log for every request to forget that is done and has none: counts, never the value."""
    from fairlead.runtime.capture.forgotten import entries

    for entry in entries(ws.home.root):
        name = f"{_NOTED}{entry.id}"
        if not entry.done or ws.state.get(name) is not None:
            continue
        with ws.state.transaction():
            # Asked again within the transaction: a watcher may bury the same one.
            if ws.state.get(name) is None:
                ws.state.put(name, b"")
                about = {"records": entry.records, "labels": entry.labels, "files": entry.files}
                why = "asked to be erased from spool, records and labels"
                ws.audit.record(ws.actor, "records.forgotten", f"{entry.model or 'every model'} {entry.id}", why, about)


def _columns(ws: Workspace, column: str | None) -> tuple[str, ...]:
    """Where records hold a column of the user's: the key has a place of its own."""
    own = ws.settings.model.id or ws.settings.model.series  # as `Signature.row_key` has it
    if column is None and own is None:
        raise UsageError("this model has no id column, so say which one: --column NAME, or --request for a request id.")
    if column is None or column == own:
        return (names.KEY,)
    known, tensors = _known(ws)
    columns = (names.FEATURE_IN + column, names.PASSED_IN + column)
    if tensors & set(columns):
        raise UsageError(f"{column!r} holds tensors, which name nobody: say whom by another column, or --request.")
    if known and not known & set(columns):
        plain = sorted(name.partition(".")[2] for name in known)
        near = difflib.get_close_matches(column, plain, n=1)
        cure = f"Did you mean {near[0]!r}?" if near else f"Recorded: {', '.join(plain[:20])}."
        raise UsageError(f"no record has a column {column!r}. {cure}")
    return columns


def _known(ws: Workspace) -> tuple[set[str], set[str]]:
    """Features and pass-through columns of the records there are, and which of them hold tensors."""
    from fairlead.runtime.capture import collect, layout
    from fairlead.runtime.capture.files import open_file
    from fairlead.runtime.capture.tensors import others

    collect(ws.home.root)
    found: set[str] = set()
    tensors: set[str] = set()
    for piece in layout.pieces(layout.records_folder(ws.home.root, ws.model)):
        fields = open_file(piece.path).schema_arrow
        found.update(fields.names)
        tensors.update(set(fields.names) - set(others(fields)))
    return {name for name in found if name.startswith((names.FEATURE_IN, names.PASSED_IN))}, tensors


def _tables_with(folder: Path, column: str, values: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Training tables of the home that hold such rows, with how many."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    from fairlead.runtime.wire.checks import text_of

    wanted = set(values)
    for path in sorted(folder.glob("*/rows.parquet")):
        if column not in pq.read_schema(path).names:
            continue
        counts = pc.value_counts(pq.read_table(path, columns=[column]).column(column)).to_pylist()
        rows = sum(one["counts"] for one in counts if text_of(one["values"]) in wanted)
        if rows:
            yield {"table": path.parent.name, "rows": rows}
