"""Named bytes: states of detectors, cursors."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, insert, select, update

from fairlead.ops.state.schema import documents
from fairlead.ops.state.store import Store

# Made once: a watcher asks for documents twenty times a window.
_GET = select(documents.c.body).where(documents.c.name == bindparam("asked"))
_CHANGE = update(documents).where(documents.c.name == bindparam("asked")).values(body=bindparam("given"))
_ADD = insert(documents)


class Documents(Store):
    """Table `documents`."""

    def get(self, name: str) -> bytes | None:
        """The bytes last put under that name, or None."""
        with self._reading() as connection:
            return connection.execute(_GET, {"asked": name}).scalar()

    def put(self, name: str, body: bytes) -> None:
        """Keep these bytes under that name."""
        with self._writing() as connection:
            if not connection.execute(_CHANGE, {"asked": name, "given": body}).rowcount:
                connection.execute(_ADD, {"name": name, "body": body})

    def drop(self, name: str) -> None:
        """Forget that name; nothing happens if it is not there."""
        with self._writing() as connection:
            connection.execute(delete(documents).where(documents.c.name == name))

    def names(self, prefix: str = "") -> list[str]:
        """Names that begin with `prefix`, sorted."""
        query = select(documents.c.name).where(documents.c.name.startswith(prefix, autoescape=True))
        with self._reading() as connection:
            return list(connection.execute(query.order_by(documents.c.name)).scalars())
