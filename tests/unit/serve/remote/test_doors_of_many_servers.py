"""Routes by URL where there are many servers, and where what lies on a volume is damaged or left over."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.serve.remote.test_routes_by_url import HEAD, TOKEN, Control, control, follower

from fairlead.contract.errors import FairleadError, StateError, UsageError
from fairlead.runtime.serve import read
from fairlead.runtime.serve.remote.handing_out import AT_ONCE
from fairlead.runtime.serve.remote.source import Source

__all__ = ["control"]


@pytest.fixture
def many(control: Control) -> Iterator[list[Source]]:
    """More servers than the door serves at once, each of which keeps its connection as a follower does."""
    with ExitStack() as stack:
        made = [Source(control.url, TOKEN) for _ in range(AT_ONCE + 20)]
        for one in made:
            stack.callback(one.close)
        yield made


def test_servers_that_keep_their_connections_leave_room_for_all_others(many: list[Source]) -> None:
    for _ in range(2):
        for one in many:
            assert one.get("", io.BytesIO(), 1 << 20).status == 200


def test_what_a_killed_fetch_left_goes_when_another_begins(control: Control, tmp_path: Path) -> None:
    one = follower(tmp_path / "replica", control)
    left = one.home / "bundles" / f".fetch-{'0' * 16}-99" / "model"
    left.mkdir(parents=True)
    (left / "tail.onnx").write_bytes(b"half of it")
    one.begin()
    assert not list((one.home / "bundles").glob(".fetch-*"))
    assert one.once()


@pytest.mark.parametrize(
    "data", [b'{"generation": "\xff"}', b"\xff\xfe", b"[", b"", b'{"generation":1,"default":"\xc3"}']
)
def test_damaged_routes_are_said_to_be_damaged(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_bytes(data)
    with pytest.raises(StateError, match="cannot be read"):
        read(tmp_path / "routes.json")


@given(st.binary(max_size=60))
def test_whatever_lies_in_the_place_of_routes_is_told_in_our_words(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "whatever-routes.json"
    path.write_bytes(data)
    with pytest.raises(FairleadError):
        read(path)


@pytest.mark.parametrize("body", [b'[{"instance": "\xff"}]', b"[[[[", b"{}", b"\xff"])
def test_a_lease_that_is_none_is_answered_so(control: Control, body: bytes) -> None:
    assert httpx.post(control.url.replace("/routes", "/lease"), content=body, headers=HEAD).status_code == 400


@pytest.mark.parametrize(
    "url", ["https://host:99999/routes", "https://host:x/routes", "https://[::1/routes", "https:///routes"]
)
def test_an_address_of_routes_that_is_none_is_refused_in_words(url: str) -> None:
    with pytest.raises(UsageError, match="routes"):
        Source(url, TOKEN)
