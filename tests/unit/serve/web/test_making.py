"""Work in pieces: in the order asked, each once for all who wait, and no failure stops the next."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from fairlead.runtime.serve.web.making import Making, Steps, at_once


def count(told: list[str], name: str, pieces: int, fails: bool = False) -> Steps[str]:
    for _ in range(pieces):
        yield
    if fails:
        raise ValueError(name)
    told.append(f"made {name}")
    return name


def test_one_after_the_other_and_failures_stop_nothing() -> None:
    told: list[str] = []

    def falls(name: str) -> None:
        told.append(f"fell {name}")
        raise ValueError(name)

    async def run() -> None:
        making = Making()
        assert making.add("a", lambda: count(told, "a", 3), partial(falls, "a"))
        assert making.add("b", lambda: count(told, "b", 3, fails=True), partial(told.append, "b over"))
        assert making.add("a", lambda: count(told, "never", 3), partial(told.append, "a over"))
        over = asyncio.get_running_loop().create_future()
        assert making.add("c", lambda: count(told, "c", 3), partial(over.set_result, None))
        await asyncio.wait_for(over, 5)

    asyncio.run(run())
    assert told == ["made a", "fell a", "a over", "b over", "made c"]


def test_without_a_loop_it_is_done_at_once() -> None:
    told: list[str] = []
    assert not Making().add("a", lambda: count(told, "a", 3), lambda: None)
    assert at_once(count(told, "a", 3)) == "a"
    with pytest.raises(ValueError, match="b"):
        at_once(count(told, "b", 3, fails=True))
