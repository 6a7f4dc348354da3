"""What should be served, and the number of the routes published from it."""

from __future__ import annotations

from sqlalchemy import select

from fairlead.ops.state.encoding import from_text, to_text
from fairlead.ops.state.rows import Intent
from fairlead.ops.state.schema import counters, intents
from fairlead.ops.state.store import Store, put

_GENERATION = "routes.generation"


class Intents(Store):
    """Tables `intents` and `counters`."""

    def set_intent(self, intent: Intent) -> None:
        """What should be served for `intent.model` from now on."""
        with self._writing() as connection:
            values = {"since": intent.since, "hold": intent.hold, "body": to_text(intent)}
            put(connection, intents, {"model": intent.model}, values)

    def intent(self, model: str) -> Intent | None:
        """What should be served for a model; None if it was never deployed."""
        with self._reading() as connection:
            body = connection.execute(select(intents.c.body).where(intents.c.model == model)).scalar()
            return None if body is None else from_text(body, Intent)

    def models(self) -> list[str]:
        """Names of all models that have an intent, sorted."""
        with self._reading() as connection:
            return list(connection.execute(select(intents.c.model).order_by(intents.c.model)).scalars())

    def generation(self) -> int:
        """The last number that `next_generation` gave; 0 before the first."""
        with self._reading() as connection:
            found = connection.execute(select(counters.c.value).where(counters.c.name == _GENERATION)).scalar()
            return int(found or 0)

    def next_generation(self) -> int:
        """A number larger than all before, over all processes."""
        with self._writing() as connection:
            value = self.generation() + 1
            put(connection, counters, {"name": _GENERATION}, {"value": value})
            return value
