"""What a home keeps of tables beside records goes when a person is forgotten."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fairlead.ops.flow.copies import LetGo, let_go


def lines(home: Path) -> list[str]:
    return [
        msgspec.json.decode(line)["text"]
        for path in sorted((home / "tables" / "set-aside").glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    aside = tmp_path / "tables" / "set-aside"
    aside.mkdir(parents=True)
    kept = ["c-17,x,1,1", "c-1,x,1", 'c-170,"c-17",3', "no,key"]
    told = [msgspec.json.encode({"line": n, "why": "ragged", "text": text}) for n, text in enumerate(kept)]
    (aside / "a.jsonl").write_bytes(b"\n".join(told) + b"\n")
    (aside / "b.jsonl").write_bytes(told[0] + b"\n")
    for name in ("0a", "0b"):
        (tmp_path / "fetched" / name).mkdir(parents=True)
        (tmp_path / "fetched" / name / "table.csv").write_text("id\nc-17\n")
    (tmp_path / "fetched" / "note.json").write_text("{}")
    return tmp_path


def test_lines_that_hold_the_value_go_and_others_stay(home: Path) -> None:
    assert let_go(home, ("c-17", "hash")) == LetGo(3, 2)
    assert lines(home) == ["c-1,x,1", "no,key"]
    assert not (home / "tables" / "set-aside" / "b.jsonl").exists()
    assert list((home / "fetched").iterdir()) == []
    assert not list(home.rglob(".new-*"))


def test_asked_again_nothing_is_left_to_do(home: Path) -> None:
    let_go(home, ("c-17",))
    assert let_go(home, ("c-17",)) == LetGo()


def test_a_home_without_copies_has_nothing_to_let_go(tmp_path: Path) -> None:
    assert let_go(tmp_path, ("c-17",)) == LetGo()


def test_a_value_is_no_pattern(home: Path) -> None:
    assert let_go(home, ("c.17",)).lines == 0
    assert len(lines(home)) == 5
