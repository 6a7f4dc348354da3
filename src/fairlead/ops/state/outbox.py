"""Messages and their way to channels. The rules are in `ops/alerts`; here is only what is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import func, insert, select, update

from fairlead.ops.state.rows import DeliveryRow, MessageRow
from fairlead.ops.state.schema import deliveries, findings, messages
from fairlead.ops.state.store import Store, next_position

_MESSAGE = [messages.c[name] for name in MessageRow.__struct_fields__]
_DELIVERY = [deliveries.c[name] for name in DeliveryRow.__struct_fields__]


class OutboxTables(Store):
    """Tables `messages` and `deliveries`."""

    def add_message(self, message: MessageRow) -> bool:
        """Keep a message; False if that id is known already."""
        with self._writing() as connection:
            if connection.execute(select(messages.c.id).where(messages.c.id == message.id)).first():
                return False
            row: dict[str, Any] = {name: getattr(message, name) for name in MessageRow.__struct_fields__}
            connection.execute(insert(messages).values(**row, position=next_position(connection, messages)))
            return True

    def messages(
        self,
        last: int | None = None,
        *,
        state: str | None = None,
        finding: str | None = None,
        incident: str | None = None,
    ) -> list[MessageRow]:
        """Messages in the order they were made, or only the `last` ones."""
        query = select(*_MESSAGE).order_by(messages.c.position.desc())
        if state is not None:
            query = query.where(messages.c.state == state)
        if finding is not None:
            query = query.where(messages.c.finding == finding)
        if incident is not None:
            query = query.where(messages.c.incident == incident)
        with self._reading() as connection:
            found = connection.execute(query if last is None else query.limit(last))
            return [MessageRow(*row) for row in found][::-1]

    def message(self, id: str) -> MessageRow | None:
        """The message of that id, or None."""
        with self._reading() as connection:
            row = connection.execute(select(*_MESSAGE).where(messages.c.id == id)).first()
            return MessageRow(*row) if row else None

    def released_since(self, at: float, *, severity: str | None = None, but: Sequence[str] = ()) -> int:
        """How many messages went out to channels after `at`, or of these only those of a severity. but: kinds that are
        not counted."""
        query = select(func.count()).select_from(messages).where(messages.c.released_at > at)
        if but:
            query = query.where(messages.c.kind.not_in(but))
        if severity is not None:
            query = query.where(messages.c.severity == severity)
        with self._reading() as connection:
            return int(connection.execute(query).scalar_one())

    def release_message(self, id: str, channels: Iterable[str], at: float) -> None:
        """Hand a message to channels: one delivery each, due at once."""
        with self._writing() as connection:
            connection.execute(update(messages).where(messages.c.id == id).values(state="released", released_at=at))
            for channel in channels:
                row = {"message": id, "channel": channel, "state": "waiting", "attempts": 0, "due_at": at, "error": ""}
                connection.execute(insert(deliveries).values(**row))

    def merge_messages(self, ids: Iterable[str], into: str) -> None:
        """These will not go out by themselves: the digest `into` speaks for them."""
        with self._writing() as connection:
            chosen = update(messages).where(messages.c.id.in_(list(ids)))
            connection.execute(chosen.values(state="merged", merged_into=into))

    def deliveries(self, *, state: str | None = None, due_by: float | None = None) -> list[DeliveryRow]:
        """Deliveries in the order of their messages."""
        query = select(*_DELIVERY).join(messages, messages.c.id == deliveries.c.message).order_by(messages.c.position)
        if state is not None:
            query = query.where(deliveries.c.state == state)
        if due_by is not None:
            query = query.where(deliveries.c.due_at <= due_by)
        with self._reading() as connection:
            return [DeliveryRow(*row) for row in connection.execute(query)]

    def put_delivery(self, row: DeliveryRow, *, attempts_were: int | None = None) -> bool:
        """Record how a delivery stands. With `attempts_were`, only if nobody tried it since: False if so."""
        where = [deliveries.c.message == row.message, deliveries.c.channel == row.channel]
        if attempts_were is not None:
            where += [deliveries.c.attempts == attempts_were, deliveries.c.state == "waiting"]
        values = {name: getattr(row, name) for name in ("state", "attempts", "due_at", "done_at", "error")}
        with self._writing() as connection:
            return bool(connection.execute(update(deliveries).where(*where).values(**values)).rowcount)

    def findings_to_clear(self) -> list[str]:
        """Ids of closed findings that were told of, and whose end was not."""
        told = select(messages.c.finding).where(messages.c.kind == "notice")
        cleared = select(messages.c.finding).where(messages.c.kind == "all_clear")
        query = select(findings.c.id).where(findings.c.state == "closed", findings.c.id.in_(told))
        with self._reading() as connection:
            return list(
                connection.execute(query.where(findings.c.id.not_in(cleared)).order_by(findings.c.id)).scalars()
            )

    def last_message_at(self, finding: str) -> float | None:
        """When the newest message about a finding or an incident was made, or None."""
        about = (messages.c.finding == finding) | (messages.c.incident == finding)
        with self._reading() as connection:
            return cast(
                "float | None", connection.execute(select(func.max(messages.c.created_at)).where(about)).scalar()
            )
