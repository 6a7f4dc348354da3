"""Recording and verifying: the effects around `chain` and `head`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import AuditBroken, StateError
from fairlead.contract.events import Event
from fairlead.contract.ports import Clock
from fairlead.ops.audit.chain import GENESIS, AuditReport, event_of, line, walk
from fairlead.ops.audit.head import Head, HeadFile, Signer
from fairlead.ops.audit.redaction import clean, clean_text
from fairlead.ops.state.chain import EventRow
from fairlead.ops.state.encoding import to_text
from fairlead.ops.state.state import State


class Audit:
    """The audit log of a home.

    head: file of the signed head, beside the database. key: the home's seal key; without it events are
    chained but the head does not move. trusted: further public keys (hex) whose heads are accepted.
    clock: wall time, whatever clock the loop runs by.
    """

    def __init__(
        self,
        state: State,
        *,
        head: Path | None = None,
        key: Signer | None = None,
        trusted: Sequence[str] = (),
        clock: Clock = time.time,
    ) -> None:
        self._state = state
        self._clock = clock
        self._head = HeadFile(head, key, trusted) if head is not None else None
        self._signs = self._head is not None and key is not None

    def record(
        self, actor: str, action: str, subject: str, why: str = "", details: Mapping[str, Any] | None = None
    ) -> Event:
        """Add one event, in the transaction that this thread is in or in one of its own.

        Secrets are hidden (`redaction`); the head follows once the transaction has committed.
        """
        with self._state.transaction():
            before = self._state.last_event()
            if self._signs and self._head is not None and not self._head.exists:
                before = self._begin_head(before)
            row = self._append(before, actor, action, subject, why, dict(details or {}))
            if self._signs:
                self._state.after_commit(self._publish)
        return event_of(row)

    def events(self, last: int | None = None) -> list[Event]:
        """Events in order, or only the `last` ones."""
        return [event_of(row) for row in self._state.event_rows(last)]

    def verify(self, *, strict: bool = False) -> AuditReport:
        """Follow the whole chain and compare its end with the signed head. strict: raise AuditBroken if it breaks."""
        report = self._report()
        if strict and not report.ok:
            raise AuditBroken(report.why)
        return report

    def _report(self) -> AuditReport:
        # The head is read first: the chain may grow meanwhile, and must then only be longer than it says.
        anchor = None
        if self._head is not None:
            try:
                anchor = self._head.read()
            except AuditBroken as broken:
                return AuditReport(False, self._state.count_events(), None, str(broken))
            if anchor is None and self._state.last_event() is not None and not self._head.exists:
                return AuditReport(False, self._state.count_events(), None, "the head of the audit log is missing")
        return walk(self._state.each_event(), (anchor.count, anchor.hash) if anchor else None)

    def _append(
        self, before: EventRow | None, actor: str, action: str, subject: str, why: str, details: dict[str, Any]
    ) -> EventRow:
        row = line(
            sequence=before.sequence + 1 if before else 1,
            at=float(self._clock()),
            actor=clean_text(actor),
            action=clean_text(action),
            subject=clean_text(subject),
            why=clean_text(why),
            details=to_text(clean(msgspec.to_builtins(details, str_keys=True))),
            previous=before.hash if before else GENESIS,
        )
        self._state.append_event(row)
        return row

    def _begin_head(self, before: EventRow | None) -> EventRow | None:
        """No head: an empty chain starts with one, so that from now on a missing head means that it was removed."""
        assert self._head is not None
        if before is None:
            self._head.advance(Head(0, GENESIS, float(self._clock())))
            return None
        why = f"no signed head was found behind {before.sequence} events: lines cut off before now cannot be noticed"
        return self._append(before, "fairlead", "audit.anchored", "audit log", why, {"events": before.sequence})

    def _publish(self) -> None:
        """Move the head to the newest line, unless the chain no longer holds what the head vouched for."""
        assert self._head is not None
        newest = self._state.last_event()
        try:
            known = self._head.read()
            if newest is None or (known is not None and not self._contains(known)):
                return
            self._head.advance(Head(newest.sequence, newest.hash, float(self._clock())))
        except (StateError, OSError):
            # The event is committed, so its author must not hear of a failure. A head that does not verify is left
            # for `verify` to tell; one that lags (disk full) is still true and moves with the next event.
            return

    def _contains(self, head: Head) -> bool:
        if head.count == 0:
            return True
        row = self._state.event_row(head.count)
        return row is not None and row.hash == head.hash
