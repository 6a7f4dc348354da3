"""Rows that were sent to executors do not stay on the disk, however the search ends."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from fairlead.lab.train.distributed.spark_trials import SparkHands
from fairlead.runtime.native.scratch import sweep


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


class Taking:
    """What of a session is used before the first fold."""

    def addArtifacts(self, *paths: str, file: bool) -> None:
        assert file
        assert all(Path(path).is_file() for path in paths)


class Refusing:
    def addArtifacts(self, *paths: str, file: bool) -> None:
        raise ConnectionError(*paths)


def hands(session: Any) -> SparkHands:
    return SparkHands(session, {"rows": [1, 2, 3]}, 0, slots=1)  # type: ignore[arg-type]


def test_rows_of_a_search_that_was_killed_go_at_the_next_start(here: Path) -> None:
    killed = hands(Taking())
    (folder,) = here.iterdir()
    sweep()
    assert len(list(folder.iterdir())) == 1, "its owner lives"
    # As the kernel does with what a process had that was killed.
    killed._scratch.close(remove=False)
    with hands(Taking()):
        assert not folder.exists()
        assert len(list(here.iterdir())) == 1
    assert not list(here.iterdir())


def test_rows_that_no_session_took_go_at_once(here: Path) -> None:
    with pytest.raises(ConnectionError):
        hands(Refusing())
    assert not list(here.iterdir())
