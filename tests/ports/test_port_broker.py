"""Port `broker`: one suite for all, against real brokers; for Kafka against librdkafka's own mock of a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.ports.brokers import SERVERS, Server, within

from fairlead.contract.errors import RemoteError, UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.streams import Message, Outgoing, Reading, Sink, Source, address_of

pytestmark = pytest.mark.long


def proven(name: str) -> Any:
    """A broker as a parameter, with what its tests show of it."""
    marks = {
        "redis": pytest.mark.verified("streams", "Redis Streams", how="run", by="redis-server: read, written, gone"),
        "nats": pytest.mark.verified("streams", "NATS JetStream", how="run", by="nats-server: read, written, gone"),
        "rabbitmq": pytest.mark.verified("streams", "RabbitMQ", how="run", by="rabbitmq-server: read, written, gone"),
        "kafka": pytest.mark.verified("streams", "Kafka", how="emulated", by="librdkafka's mock cluster of 3 brokers"),
    }
    return pytest.param(name, marks=marks[name])


@pytest.fixture(scope="module", params=[proven(name) for name in SERVERS])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running broker."""
    with SERVERS[request.param](tmp_path_factory.mktemp(request.param) / "broker") as one:
        yield one


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A stream of its own for each test."""
    return "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]


def source_of(server: Server, name: str, most: int = 50, options: str = "") -> Source:
    address = address_of(server.address(name) + options)
    source: Source = variant("broker", address.scheme)().source(address, Reading(f"of-{name}", "one", most))
    return source


def sink_of(server: Server, name: str, bound: int = 0) -> Sink:
    address = address_of(server.address(name))
    sink: Sink = variant("broker", address.scheme)().sink(address, bound=bound)
    return sink


async def opened(what: Any, then: Callable[[Any], Awaitable[Any]]) -> Any:
    await what.open()
    try:
        return await then(what)
    finally:
        await what.close()


async def taken(source: Source, count: int, acknowledge: bool = True) -> list[Message]:
    """At least so many, or what comes in 30 s."""
    found: list[Message] = []
    until = asyncio.get_running_loop().time() + 30
    while len(found) < count and asyncio.get_running_loop().time() < until:
        got = await source.take(0.5)
        found += got
        if acknowledge and got:
            await source.done(got)
    return found


def outgoing(ids: Sequence[str]) -> list[Outgoing]:
    return [Outgoing(id, f"answer of {id} \xe9".encode(), {"reason": f"because {id}"}) for id in ids]


def test_messages_come_whole_and_are_gone_once_acknowledged(server: Server, name: str) -> None:
    sent = [(f"m{n}", bytes([0, 255, 10, n])) for n in range(120)]
    server.fill(name, sent)

    async def read(source: Source) -> tuple[list[Message], int | None]:
        return await taken(source, 120), await source.lag()

    found, left = within(lambda: opened(source_of(server, name), read))
    assert sorted((one.id, one.body) for one in found) == sorted(sent)
    assert left == 0
    assert within(lambda: opened(source_of(server, name), lambda source: source.take(1.0))) == []


def test_what_was_not_acknowledged_comes_again_as_the_same(server: Server, name: str) -> None:
    server.fill(name, [("", f"body {n}".encode()) for n in range(30)])

    async def first(source: Source) -> list[Message]:
        got = await taken(source, 1, acknowledge=False)
        assert await source.lag() == 30 or got
        return got

    async def then(source: Source) -> list[Message]:
        return await taken(source, 30)

    before = within(lambda: opened(source_of(server, name), first))
    after = within(lambda: opened(source_of(server, name), then))
    assert before
    assert {(one.id, one.body) for one in before} <= {(one.id, one.body) for one in after}
    assert len({one.id for one in after}) == 30


def test_no_more_are_taken_than_may_be_in_flight(server: Server, name: str) -> None:
    server.fill(name, [(f"m{n}", b"{}") for n in range(100)])

    async def read(source: Source) -> list[int]:
        sizes, total = [], 0
        while total < 100:
            got = await source.take(5.0)
            sizes.append(len(got))
            total += len(got)
            await source.done(got)
        return sizes

    assert max(within(lambda: opened(source_of(server, name, most=7), read))) <= 7


def test_lag_is_what_nobody_acknowledged(server: Server, name: str) -> None:
    server.fill(name, [(f"m{n}", b"{}") for n in range(40)])

    async def read(source: Source) -> list[int | None]:
        got = await taken(source, 1, acknowledge=False)
        at_first = await source.lag()
        await source.done(got)
        await taken(source, 40 - len(got))
        return [at_first, await source.lag()]

    first, last = within(lambda: opened(source_of(server, name, most=10), read))
    assert first is not None
    # A broker that counts what waits, and not what it has given out, is up to a batch behind.
    assert 20 <= first <= 40
    assert last == 0


def test_what_is_put_lies_there_confirmed_with_its_headers(server: Server, name: str) -> None:
    ids = [f"k{n}" for n in range(300)]
    within(lambda: opened(sink_of(server, name), lambda sink: sink.put(outgoing(ids))))
    found = server.all_of(name)
    assert {one.id: one.body for one in found} == {id: f"answer of {id} \xe9".encode() for id in ids}
    assert all(one.headers["reason"] == f"because {one.id}" for one in found)


def test_a_key_is_appended_once_where_the_broker_can_tell(server: Server, name: str) -> None:
    async def twice(sink: Sink) -> None:
        await sink.put(outgoing(["a", "b"]))
        await sink.put(outgoing(["b", "c"]))

    within(lambda: opened(sink_of(server, name), twice))
    came = sorted(one.id for one in server.all_of(name))
    tells = type(server).__name__ in ("Redis", "Nats")
    assert came == (["a", "b", "c"] if tells else ["a", "b", "b", "c"])


def test_a_bounded_stream_keeps_the_newest(server: Server, name: str) -> None:
    if type(server).__name__ == "KafkaMock":
        pytest.skip("what a topic keeps is said by the topic")
    within(
        lambda: opened(sink_of(server, name, bound=200), lambda sink: sink.put(outgoing([str(n) for n in range(900)])))
    )
    kept = [int(one.id) for one in server.all_of(name)]
    # Redis trims by whole blocks of a hundred entries.
    assert 200 <= len(kept) <= 300
    assert max(kept) == 899


def test_a_broker_that_goes_away_is_an_error_and_not_a_wait(server: Server, tmp_path: Path) -> None:
    if not server.restarts:
        pytest.skip("the mock cannot be stopped")
    other = type(server)(tmp_path / "other")
    other.start()
    try:
        other.fill("rows", [("a", b"{}")])

        async def gone() -> None:
            source, sink = source_of(other, "rows"), sink_of(other, "out")
            try:
                await source.open()
                await sink.open()
                await source.done(await taken(source, 1, acknowledge=False))
                other.kill()
                with pytest.raises(RemoteError):
                    await sink.put(outgoing(["a"]))
                with pytest.raises(RemoteError):
                    await taken(source, 1, acknowledge=False)
            finally:
                await source.close()
                await sink.close()
            for one in (source_of(other, "rows"), sink_of(other, "out")):
                with pytest.raises(RemoteError):
                    await one.open()
                await one.close()

        within(gone)
    finally:
        other.kill()


def test_an_answer_that_could_not_be_appended_is_not_taken_for_one_that_was(server: Server, name: str) -> None:
    """The mark of a key must never be there without its entry: the answer would be lost with the next try."""
    if type(server).__name__ != "Redis":
        pytest.skip("marks are of Redis")
    with server.client() as client:  # type: ignore[attr-defined]
        client.set(name, "no stream")
        with pytest.raises(RemoteError, match="WRONGTYPE"):
            within(lambda: opened(sink_of(server, name), lambda sink: sink.put(outgoing(["a", "b"]))))
        client.delete(name)
    within(lambda: opened(sink_of(server, name), lambda sink: sink.put(outgoing(["a", "b"]))))
    assert [one.id for one in server.all_of(name)] == ["a", "b"]


def test_an_id_of_any_length_is_published_and_stays_one(server: Server, name: str) -> None:
    """One broker's key may be longer than what another takes for an id: such a message would stop the stream."""
    ids = ["\xe9" * 200, "\xe9" * 200 + "b", "x" * 255, "x" * 256]
    within(lambda: opened(sink_of(server, name), lambda sink: sink.put(outgoing(ids))))
    found = {one.body: one.id for one in server.all_of(name)}
    assert len(found) == len(set(found.values())) == len(ids)
    assert found[outgoing(["x" * 255])[0].body] == "x" * 255


def test_a_group_that_reads_another_subject_is_refused(server: Server, name: str) -> None:
    if type(server).__name__ != "Nats":
        pytest.skip("a stream of several subjects is of NATS")
    _two_subjects(server, name)

    def source(subject: str) -> Source:
        address = address_of(server.address(subject))
        found: Source = variant("broker", "nats")().source(address, Reading("everyone", "one", 5))
        return found

    found = within(lambda: opened(source(f"{name}.b"), lambda reader: taken(reader, 1)))
    assert [one.body for one in found] == [b"of b"]
    with pytest.raises(UsageError, match=rf"{name}\.b.*--group"):
        within(lambda: opened(source(f"{name}.a"), lambda reader: taken(reader, 1)))


def test_what_is_asked_of_a_reader_later_holds_too(server: Server, name: str) -> None:
    if type(server).__name__ != "Nats":
        pytest.skip("what readers may do is kept by NATS alone")
    server.fill(name, [(f"m{n}", b"{}") for n in range(40)])

    async def told(source: Source) -> Any:
        return (await source._pull.consumer_info()).config  # type: ignore[attr-defined]

    within(lambda: opened(source_of(server, name, most=2), told))
    later = within(lambda: opened(source_of(server, name, most=10, options="?ack_wait_s=77"), told))
    assert (later.ack_wait, later.max_ack_pending) == (77.0, 20)
    # Others of the group may have asked for more, and what was not asked for stays.
    least = within(lambda: opened(source_of(server, name, most=1), told))
    assert (least.ack_wait, least.max_ack_pending) == (77.0, 20)


def _two_subjects(server: Server, stream: str) -> None:
    """A stream of subjects a and b, each with a message."""

    async def made() -> None:
        nc = await server.client()  # type: ignore[attr-defined]
        try:
            js = nc.jetstream(timeout=30)
            await js.add_stream(name=stream, subjects=[f"{stream}.a", f"{stream}.b"])
            for one in "ab":
                await js.publish(f"{stream}.{one}", f"of {one}".encode())
        finally:
            await nc.close()

    within(made)
