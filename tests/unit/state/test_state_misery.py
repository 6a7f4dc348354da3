"""What SQLite says of a disk, in words that name the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.contract.errors import StateError
from fairlead.ops.state import State


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    with State.open(tmp_path / "state.db") as state:
        state.put("x", b"before")
        with state.backend.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # as many as there are
        with pytest.raises(StateError, match=r"disk of the home is full\. Make room"):
            state.put("x", bytes(1 << 20))
        assert state.get("x") == b"before"


@pytest.mark.parametrize("damage", ["beginning", "all of it"])
def test_a_state_that_is_damaged(tmp_path: Path, damage: str) -> None:
    with State.open(tmp_path / "state.db") as state:
        state.put("x", b"before")
    with (tmp_path / "state.db").open("r+b") as file:
        file.seek(0 if damage == "all of it" else 100)
        file.write(b"\xa5" * 4000)
    with pytest.raises(StateError, match=r"is damaged .*bring back its newest backup"):
        State.open(tmp_path / "state.db")
