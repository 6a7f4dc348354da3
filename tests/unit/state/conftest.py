"""Every test of state runs over both databases: SQLite in a file, and a real PostgreSQL (part of the long tests)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports import postgres_server

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)]


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgres_server.Server]:
    """One server for the session."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(params=BOTH)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty state may be made: a path, or the address of a database."""
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    server: postgres_server.Server = request.getfixturevalue("postgres")
    return server.database()
