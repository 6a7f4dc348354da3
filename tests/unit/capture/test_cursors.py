"""The collector's cursor: read back as it was written; a damaged one is told of with its cure."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fairlead.contract.errors import StateError
from fairlead.runtime.capture.cursor import FILE, Cursor, Progress, read_cursor, write_cursor

COUNTS = st.integers(0, 1 << 50)
CURSORS = st.builds(
    Cursor, rows=COUNTS, labels=COUNTS, shadows=COUNTS,
    segments=st.dictionaries(
        st.text(max_size=12),
        st.builds(Progress, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.booleans()), max_size=3,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("worker")


@given(cursor=CURSORS)
def test_a_cursor_is_read_back(folder: Path, cursor: Cursor) -> None:
    write_cursor(folder, cursor)
    assert read_cursor(folder) == cursor


BROKEN = [
    b'{"rows":"\xff"}', b"[" * 9000, b'{"format":2}', b'{"format":2,"new":1}', b'{"rows":-', b'{"":true}', b'{"row":3}',
    b'{"segments":{"a":{"off":3}}}',
]  # fmt: skip


@given(raw=st.one_of(st.binary(max_size=40), st.sampled_from(BROKEN)))
def test_a_damaged_cursor_is_told_of(folder: Path, raw: bytes) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        said = json.loads(raw)
        assume(not (isinstance(said, dict) and said.keys() <= {"rows", "labels", "shadows", "segments"}))
    (folder / FILE).write_bytes(raw)
    with pytest.raises(StateError, match=FILE.replace(".", r"\.")):
        read_cursor(folder)


def test_the_cure_is_said(folder: Path) -> None:
    (folder / FILE).write_bytes(b"\0\0")
    with pytest.raises(StateError, match="from a backup"):
        read_cursor(folder)
