"""Registered versions of models and the names that point at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, delete, func, insert, select

from fairlead.contract.errors import VersionNotFound
from fairlead.ops.state.encoding import from_text, to_text
from fairlead.ops.state.rows import VersionRow
from fairlead.ops.state.schema import aliases, versions
from fairlead.ops.state.store import Store, put


class Versions(Store):
    """Tables `versions` and `aliases`."""

    def add_version(
        self, model: str, bundle: str, *, at: float, verdict: str = "", details: Mapping[str, Any] | None = None
    ) -> int:
        """The number of this bundle among the versions of `model`; a bundle known already keeps its row as it is."""
        with self._writing() as connection:
            mine = versions.c.model == model
            known = connection.execute(select(versions.c.number).where(mine, versions.c.bundle == bundle)).scalar()
            if known is not None:
                return int(known)
            number = (
                int(connection.execute(select(func.coalesce(func.max(versions.c.number), 0)).where(mine)).scalar_one())
                + 1
            )
            row = {"model": model, "number": number, "bundle": bundle, "at": at, "verdict": verdict}
            connection.execute(insert(versions).values(**row, details=to_text(dict(details or {}))))
            return number

    def versions(self, model: str) -> list[VersionRow]:
        """All versions of a model, oldest first."""
        with self._reading() as connection:
            found = connection.execute(select(versions).where(versions.c.model == model).order_by(versions.c.number))
            return [_version(row) for row in found]

    def version(self, model: str, number: int | None = None) -> VersionRow:
        """That version, or the latest. Raises VersionNotFound, naming those that exist."""
        known = self.versions(model)
        for row in reversed(known):
            if number is None or row.number == number:
                return row
        if not known:
            raise VersionNotFound(f"no version of {model!r} is registered yet: run `fairlead register` first.")
        have = ", ".join(str(row.number) for row in known)
        raise VersionNotFound(f"version {number} of {model!r} is not registered. Registered: {have}.")

    def find_bundle(self, bundle: str) -> VersionRow | None:
        """The version that this bundle is (the oldest, should several models have it), or None."""
        with self._reading() as connection:
            found = connection.execute(
                select(versions).where(versions.c.bundle == bundle).order_by(versions.c.at, versions.c.model).limit(1)
            ).first()
            return _version(found) if found else None

    def set_alias(self, model: str, name: str, number: int) -> None:
        """Point `name` at a version. Raises VersionNotFound."""
        with self._writing() as connection:
            self.version(model, number)
            put(connection, aliases, {"model": model, "name": name}, {"number": number})

    def drop_alias(self, model: str, name: str) -> None:
        """Remove a name; nothing happens if it is not there."""
        with self._writing() as connection:
            connection.execute(delete(aliases).where(aliases.c.model == model, aliases.c.name == name))

    def aliases(self, model: str) -> dict[str, int]:
        """Names and the version numbers they point at."""
        with self._reading() as connection:
            found = connection.execute(
                select(aliases.c.name, aliases.c.number).where(aliases.c.model == model).order_by(aliases.c.name)
            )
            return {row.name: row.number for row in found}


def _version(row: Row[Any]) -> VersionRow:
    details = from_text(row.details, dict[str, Any])
    return VersionRow(row.model, row.number, row.bundle, row.at, row.verdict, details)
