"""A folder of an export whose writer was killed between two renames, or while it wrote aside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fairlead.reach.export.exported import take_up


def dead() -> int:
    """A number that was a process'."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def folder(path: Path, text: str) -> Path:
    path.mkdir()
    (path / "template.yaml").write_text(text)
    return path


def test_the_folder_before_comes_back_where_none_took_its_place(tmp_path: Path) -> None:
    gone = dead()
    folder(tmp_path / f".out.old-{gone}", "before")
    folder(tmp_path / f".out.new-{gone}", "half")
    take_up(tmp_path / "out")
    assert (tmp_path / "out" / "template.yaml").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_took_its_place_stays_and_what_others_write_is_left_alone(tmp_path: Path) -> None:
    folder(tmp_path / "out", "now")
    folder(tmp_path / f".out.old-{dead()}", "before")
    parent = folder(tmp_path / f".out.new-{os.getppid()}", "being written")
    others = [folder(tmp_path / name, "x") for name in (f".outer.old-{dead()}", ".out.old-", ".out.new-x", "out.old-1")]
    take_up(tmp_path / "out")
    assert (tmp_path / "out" / "template.yaml").read_text() == "now"
    assert {path.name for path in tmp_path.iterdir()} == {"out", parent.name, *(one.name for one in others)}


def test_nothing_happens_where_nothing_was(tmp_path: Path) -> None:
    take_up(tmp_path / "nowhere" / "out")
    assert list(tmp_path.iterdir()) == []
