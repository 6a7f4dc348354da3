"""With `once` a stream ends with an error where a broker, or a model, does not come; without, it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.ports.brokers import Redis, free_ports

from fairlead.contract.errors import FairleadError, RemoteError
from fairlead.contract.plugins import variant
from fairlead.contract.ports import Request
from fairlead.contract.streams import Reading, address_of
from fairlead.reach.score.streams.desk import Desk, NotNow, Plane
from fairlead.reach.score.streams.running import Running
from fairlead.reach.score.streams.telling import Tally
from fairlead.runtime.serve.worker import Worker

pytest.importorskip("redis", reason="redis (extra streams) is not installed: make test-deps")


class Unasked:
    """A data plane that no message reaches."""

    def answer(self, requests: Sequence[Request]) -> None:
        raise AssertionError(requests)


def running(port: int, plane: Plane, said: list[str], once: bool = True) -> Running:
    places = [address_of(f"redis://127.0.0.1:{port}/{name}") for name in ("rows", "answers", "answers.dead")]
    broker = variant("broker", "redis")()
    return Running(
        broker.source(places[0], Reading("group", "one", 10)), broker.sink(places[1]), broker.sink(places[2]),
        Desk(plane, "unheard-of"), Tally(), said.append, once=once, patience_s=0.3,
    )  # fmt: skip


def test_a_broker_that_never_comes_is_given_up() -> None:
    said: list[str] = []
    with pytest.raises(RemoteError, match=r"given up after \d tries.*redis://127.*Without --once a stream waits"):
        asyncio.run(asyncio.wait_for(running(free_ports(1)[0], Unasked(), said).run(), 30))
    assert all("trying again in" in line for line in said)


def test_a_standing_stream_goes_on_waiting() -> None:
    said: list[str] = []

    async def stopped() -> None:
        one = running(free_ports(1)[0], Unasked(), said, once=False)
        told = one._say

        def say(line: str) -> None:
            told(line)
            if len(said) == 4:  # By then more than 0.3 s are over.
                one.stop.set()

        one._say = say
        await asyncio.wait_for(one.run(), 30)

    asyncio.run(stopped())
    assert len(said) == 4


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    with Redis(tmp_path / "redis") as one:
        yield one


@pytest.mark.long
def test_a_model_that_never_comes_is_given_up(redis: Redis, worker: Worker) -> None:
    redis.fill("rows", [("a", b"{}")])
    asked = running(redis.port, worker.plane, [])
    with pytest.raises(
        NotNow, match=r"given up after .*no such model.*Is a model deployed.*Without --once a stream waits"
    ) as given:
        asyncio.run(asyncio.wait_for(asked.run(), 30))
    assert isinstance(given.value, FairleadError)
    assert redis.all_of("answers") == redis.all_of("answers.dead") == []
