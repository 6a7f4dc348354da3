"""The chain itself, without effects: how a line is hashed and what makes a sequence of lines hold.

Each line carries the hash of the line before it, so changing, removing, reordering or inserting a line breaks the
chain at that place (Schneier and Kelsey, Secure Audit Logs, 1999). Cutting off its end does not: see `head`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from fairlead.contract.errors import AuditBroken
from fairlead.contract.events import Event
from fairlead.ops.state.chain import EventRow
from fairlead.ops.state.encoding import from_text, to_text

GENESIS = "0" * 64


class AuditReport(msgspec.Struct, frozen=True):
    """Whether the log is as it was written. first_bad: sequence of the first line that does not hold, None if all do.

    anchored: whether a signed head vouched for its end, too.
    """

    ok: bool
    events: int
    first_bad: int | None
    why: str
    anchored: bool = False


def hash_of(row: EventRow) -> str:
    """sha256 over all fields but `hash` in canonical JSON, `details` as the text that is stored."""
    fields = [row.sequence, row.at, row.actor, row.action, row.subject, row.why, row.details, row.previous]
    return hashlib.sha256(to_text(fields).encode()).hexdigest()


def line(
    sequence: int, at: float, actor: str, action: str, subject: str, why: str, details: str, previous: str
) -> EventRow:
    """The line with its hash."""
    bare = EventRow(sequence, at, actor, action, subject, why, details, previous, "")
    return msgspec.structs.replace(bare, hash=hash_of(bare))


def event_of(row: EventRow) -> Event:
    """The line as the noun that others use. Raises AuditBroken if its details cannot be read."""
    try:
        details = from_text(row.details, dict[str, Any])
    except (TypeError, ValueError) as error:
        raise AuditBroken(f"event {row.sequence} of the audit log cannot be read: it was changed") from error
    return Event(
        sequence=row.sequence,
        at=row.at,
        actor=row.actor,
        action=row.action,
        subject=row.subject,
        why=row.why,
        details=details,
        previous=row.previous,
        hash=row.hash,
    )


def walk(rows: Iterable[EventRow], anchor: tuple[int, str] | None = None) -> AuditReport:
    """Follow the chain from its first line. anchor: a (sequence, hash) that it must contain; (0, GENESIS) is empty."""
    sequence, previous = 0, GENESIS
    for row in rows:
        wrong = _fault(row, sequence + 1, previous)
        if wrong is None and anchor and row.sequence == anchor[0] and row.hash != anchor[1]:
            wrong = "it is not the line that the signed head vouches for"
        if wrong:
            return AuditReport(False, sequence, sequence + 1, f"event {sequence + 1}: {wrong}")
        sequence, previous = row.sequence, row.hash
    if anchor and sequence < anchor[0]:
        why = f"event {sequence + 1}: missing; the signed head vouches for {anchor[0]}, so the end was cut off"
        return AuditReport(False, sequence, sequence + 1, why)
    return AuditReport(True, sequence, None, "every line follows from the one before", anchored=anchor is not None)


def _fault(row: EventRow, expected: int, previous: str) -> str | None:
    if row.sequence != expected:
        return f"missing; the next line is {row.sequence}"
    if row.previous != previous:
        return "it does not follow from the line before"
    try:
        return None if row.hash == hash_of(row) else "its content was changed after it was written"
    except (TypeError, ValueError):
        return "it cannot be read"
