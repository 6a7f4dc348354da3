"""Decisions, recorded before they are acted upon and after, so that a pass cut short is taken up where it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, insert, select, update

from fairlead.contract.errors import StateError
from fairlead.contract.events import Decision
from fairlead.ops.state.encoding import from_text, to_text
from fairlead.ops.state.rows import DecisionRow
from fairlead.ops.state.schema import decisions
from fairlead.ops.state.store import Store, next_position


class Decisions(Store):
    """Table `decisions`."""

    def plan(self, decision: Decision) -> bool:
        """Record what is to be done; False if that id is known already, whatever became of it."""
        with self._writing() as connection:
            if connection.execute(select(decisions.c.id).where(decisions.c.id == decision.id)).first():
                return False
            row = {"id": decision.id, "position": next_position(connection, decisions), "model": decision.model}
            rest = {"state": "planned", "attempts": 0, "outcome": "", "details": "{}", "body": to_text(decision)}
            connection.execute(insert(decisions).values(**row, **rest))
            return True

    def start(self, id: str, at: float | None = None) -> DecisionRow:
        """Acting begins, perhaps again. Raises StateError if it is not planned or is finished."""
        now = self._clock() if at is None else at
        with self._writing() as connection:
            pending = update(decisions).where(decisions.c.id == id, decisions.c.state != "finished")
            values = {"state": "started", "attempts": decisions.c.attempts + 1, "started_at": now}
            if not connection.execute(pending.values(**values)).rowcount:
                raise StateError(f"decision {id} cannot be started: it is not planned, or finished already")
            return self._row(id)

    def finish(
        self, id: str, outcome: str, details: Mapping[str, Any] | None = None, at: float | None = None
    ) -> DecisionRow:
        """Acting is over. One that is finished stays as it is. Raises StateError if it was never planned."""
        now = self._clock() if at is None else at
        with self._writing() as connection:
            pending = update(decisions).where(decisions.c.id == id, decisions.c.state != "finished")
            values = {
                "state": "finished",
                "finished_at": now,
                "outcome": outcome,
                "details": to_text(dict(details or {})),
            }
            connection.execute(pending.values(**values))
            return self._row(id)

    def finished(self, id: str) -> bool:
        """Whether acting upon that decision is over, however it ended."""
        query = select(decisions.c.id).where(decisions.c.id == id, decisions.c.state == "finished")
        with self._reading() as connection:
            return connection.execute(query).first() is not None

    def unfinished(self, model: str | None = None) -> list[DecisionRow]:
        """Planned or started and not finished, in the order they were planned."""
        query = select(decisions).where(decisions.c.state != "finished").order_by(decisions.c.position)
        if model is not None:
            query = query.where(decisions.c.model == model)
        with self._reading() as connection:
            return [_decision(row) for row in connection.execute(query)]

    def decisions(self, model: str | None = None, last: int = 50) -> list[DecisionRow]:
        """The `last` decisions in the order they were planned."""
        query = select(decisions).order_by(decisions.c.position.desc()).limit(last)
        if model is not None:
            query = query.where(decisions.c.model == model)
        with self._reading() as connection:
            return [_decision(row) for row in connection.execute(query)][::-1]

    def _row(self, id: str) -> DecisionRow:
        with self._reading() as connection:
            row = connection.execute(select(decisions).where(decisions.c.id == id)).first()
        if row is None:
            raise StateError(f"decision {id} was never planned")
        return _decision(row)


def _decision(row: Row[Any]) -> DecisionRow:
    return DecisionRow(
        decision=from_text(row.body, Decision),
        state=row.state,
        attempts=row.attempts,
        started_at=row.started_at,
        finished_at=row.finished_at,
        outcome=row.outcome,
        details=from_text(row.details, dict[str, Any]),
    )
