"""The rows of the audit chain, as they are. What they must satisfy is in `ops/audit`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from sqlalchemy import func, insert, select

from fairlead.ops.state.schema import events
from fairlead.ops.state.store import Store


class EventRow(msgspec.Struct, frozen=True):
    """One event as stored: `details` is the text that was hashed."""

    sequence: int
    at: float
    actor: str
    action: str
    subject: str
    why: str
    details: str
    previous: str
    hash: str


_EVENT = [events.c[name] for name in EventRow.__struct_fields__]


class Chain(Store):
    """Table `events`."""

    def append_event(self, row: EventRow) -> None:
        """Add one line; its sequence must be new."""
        with self._writing() as connection:
            connection.execute(insert(events).values(**{n: getattr(row, n) for n in EventRow.__struct_fields__}))

    def last_event(self) -> EventRow | None:
        """The newest line, or None. Inside a transaction no other process can add one behind it."""
        found = self.event_rows(last=1)
        return found[0] if found else None

    def event_row(self, sequence: int) -> EventRow | None:
        """The line of that number, or None."""
        with self._reading() as connection:
            row = connection.execute(select(*_EVENT).where(events.c.sequence == sequence)).first()
            return EventRow(*row) if row else None

    def event_rows(self, last: int | None = None) -> list[EventRow]:
        """Lines in order, or only the `last` ones."""
        query = select(*_EVENT).order_by(events.c.sequence.desc())
        with self._reading() as connection:
            found = connection.execute(query if last is None else query.limit(last))
            return [EventRow(*row) for row in found][::-1]

    def each_event(self, batch: int = 1000) -> Iterator[EventRow]:
        """All lines in order, `batch` rows in memory at a time."""
        after: int | None = None
        while True:
            query = select(*_EVENT).order_by(events.c.sequence).limit(batch)
            with self._reading() as connection:
                rows = connection.execute(query if after is None else query.where(events.c.sequence > after)).all()
            yield from (EventRow(*row) for row in rows)
            if len(rows) < batch:
                return
            after = rows[-1].sequence

    def count_events(self) -> int:
        """How many lines there are."""
        with self._reading() as connection:
            return int(connection.execute(select(func.count()).select_from(events)).scalar_one())
