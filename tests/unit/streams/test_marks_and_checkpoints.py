"""By what answers are told apart: marks of NATS that no two messages share, numbers that mean one batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.engines import EngineSettings
from fairlead.contract.errors import UsageError
from fairlead.contract.streams import Message
from fairlead.reach.score.streams.spark_files import FileStreaming, Folders, batched, lines_of
from fairlead.reach.score.streams.telling import Tally

IDS = st.text(st.one_of(st.sampled_from("ab \t\n\r\u2028\x85"), st.characters(codec="utf-8")), max_size=8)


@given(st.lists(IDS, unique=True, min_size=1, max_size=6))
def test_a_mark_is_one_line_and_of_one_message_alone(ids: list[str]) -> None:
    """The broker drops what comes with a mark that it knows: two messages of one mark are one answer too few."""
    pytest.importorskip("nats")
    from fairlead.reach.score.streams.nats_jetstream import marked

    marks = [marked(id) for id in ids]
    assert len(set(marks)) == len(ids)
    for id, mark in zip(ids, marks, strict=True):
        assert len(mark.splitlines()) == 1
        assert mark == mark.strip() != ""
        assert marked(id) == mark
    assert marked("order-7") == "order-7"


def test_answers_without_their_checkpoint_are_not_gone_on_with(tmp_path: Path) -> None:
    """Spark would count batches from nought again, and files that come would be taken for answered."""
    folders = Folders(tmp_path, tmp_path / "answers", tmp_path / "dead")
    folders.answers.mkdir()
    (folders.answers / "batch-000000000003.jsonl").write_text("{}\n")
    nobody: Any = None
    running = FileStreaming(folders, EngineSettings(), nobody, Tally(), lambda text: None, once=True)
    with pytest.raises(UsageError, match="_checkpoint"):
        running.run()


@pytest.mark.parametrize("name", ["in[1]", "in*", "a{b,c}", "wh?t", "back\\slash"])
def test_a_folder_that_spark_takes_for_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    """In its batches each file would come once for each file of the folder."""
    (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="for a pattern"):
        Folders(tmp_path / name, tmp_path / "answers", tmp_path / "dead")
    (tmp_path / "a b").mkdir()
    Folders(tmp_path / "a b", tmp_path / "answers", tmp_path / "dead")


@given(st.lists(st.binary(max_size=20), max_size=5), st.integers(1, 4))
def test_every_line_that_is_not_blank_is_one_message_of_its_own(bodies: list[bytes], most: int) -> None:
    files = [{"path": f"file:/in/{at}.jsonl", "content": body} for at, body in enumerate(bodies)]
    found = [one for batch in batched(lines_of(iter(files)), most) for one in batch]
    assert all(isinstance(one, Message) for one in found)
    assert [one.body for one in found] == [line for body in bodies for line in body.split(b"\n") if line.strip()]
    assert len({one.id for one in found}) == len(found)
