"""API keys: who was given one, what it may do, until when."""

from __future__ import annotations

from sqlalchemy import Row, insert, select, update

from fairlead.contract.routes import Key
from fairlead.ops.state.encoding import from_text, to_text
from fairlead.ops.state.rows import KeyRow
from fairlead.ops.state.schema import keys
from fairlead.ops.state.store import Store


class Keys(Store):
    """Table `keys`. Nothing here is secret: a hash of 256 random bits gives nothing away."""

    def add_key(self, key: Key, *, at: float) -> None:
        """Keep a key that was just made."""
        with self._writing() as connection:
            row = {"id": key.id, "name": key.name, "hash": key.hash, "created_at": at, "expires": key.expires}
            connection.execute(insert(keys).values(**row, revoked_at=None, body=to_text(key)))

    def api_keys(self) -> list[KeyRow]:
        """All that were ever made, oldest first."""
        with self._reading() as connection:
            found = connection.execute(select(keys).order_by(keys.c.created_at, keys.c.id))
            return [_key(row) for row in found]

    def revoke_key(self, id: str, *, at: float) -> None:
        """From now on it opens nothing; one that is revoked already stays as it is."""
        with self._writing() as connection:
            connection.execute(update(keys).where(keys.c.id == id, keys.c.revoked_at.is_(None)).values(revoked_at=at))

    def expire_key(self, id: str, *, at: float) -> None:
        """Let it end then."""
        with self._writing() as connection:
            connection.execute(update(keys).where(keys.c.id == id).values(expires=at))


def _key(row: Row[tuple[object, ...]]) -> KeyRow:
    key = from_text(row.body, Key)
    return KeyRow(key, row.created_at, row.expires, row.revoked_at)
