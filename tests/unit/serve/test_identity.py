"""Request ids that the server makes."""

from __future__ import annotations

import uuid

import pytest

from fairlead.runtime.serve.identity import Ids, usable


def test_ids_are_uuids_of_version_7_in_order_and_never_twice() -> None:
    ids, made = Ids(), []
    for millisecond in range(20):
        ids.tick(1_800_000_000.0 + millisecond / 1000)
        made += [ids.new() for _ in range(700)]
    assert len(set(made)) == len(made)
    read = [uuid.UUID(one) for one in made]
    assert [str(one) for one in read] == made
    assert {(one.version, one.variant) for one in read} == {(7, uuid.RFC_4122)}
    assert [one.int >> 80 for one in read] == sorted(one.int >> 80 for one in read)
    for start in range(0, len(read), 700):
        block = [one.int for one in read[start : start + 700]]
        assert block == list(range(block[0], block[0] + 700))


def test_ids_within_one_millisecond_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = Ids()
    ids.tick(5.0)
    first = ids.new()
    ids.tick(5.0)
    assert int(ids.new()[-12:], 16) == int(first[-12:], 16) + 1
    monkeypatch.setattr(ids, "_count", 0xFFFF)
    assert ids.new().endswith("-000000010000")
    assert usable(first)
