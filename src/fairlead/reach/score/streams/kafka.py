"""Kafka by librdkafka: a consumer group whose offsets are committed after the answers are confirmed.

A message is made one by its header `id`, else by topic, partition and offset. Its key is carried on, so answers keep
their partition; without one it is the id. The producer is idempotent: its own retries do not double a message.

Sources: docs.confluent.io/platform/current/clients/confluent-kafka-python, librdkafka's CONFIGURATION.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Any

import confluent_kafka as ck

from fairlead.contract.errors import RemoteError, UsageError
from fairlead.contract.streams import Address, Message, Outgoing, Reading

_TIMEOUT_S = 10.0
_DELIVERY_S = 30.0
_MORE_S = 0.005
_QUEUE_KB = 16_384
_LARGEST = 1_000_000
"""Of librdkafka, unless message.max.bytes says otherwise; a topic may take less."""
_HEADROOM = 4096
"""For key, headers and frame."""


class Kafka:
    """Addresses: kafka://host1:9092,host2:9092/topic. Options with a dot are librdkafka's, as security.protocol; user
    and password are sasl.username and sasl.password."""

    name = "kafka"

    def source(self, address: Address, reading: Reading) -> KafkaSource:
        return KafkaSource(address, reading, _options(address))

    def sink(self, address: Address, *, bound: int = 0) -> KafkaSink:
        """bound: what a topic keeps is said by the topic."""
        return KafkaSink(address, _options(address))


def _options(address: Address) -> dict[str, Any]:
    own = {name: value for name, value in address.options.items() if "." in name}
    address.known(*own)
    own |= address.secrets
    told: dict[str, Any] = {"bootstrap.servers": address.servers(9092), "client.id": "fairlead-stream"}
    told |= {"reconnect.backoff.ms": 100, "reconnect.backoff.max.ms": 5000, "log_level": 0}
    if address.user:
        told |= {"sasl.username": address.user, "sasl.password": address.password, "sasl.mechanism": "PLAIN"}
    return told | own


class _Side:
    """A client whose calls wait, on a thread of its own."""

    def __init__(self, address: Address, options: dict[str, Any]) -> None:
        self._address, self._options = address, options
        self._pool: ThreadPoolExecutor | None = None
        self._down = ""
        self._client: Any = None

    def _heard(self, error: Any) -> None:
        """librdkafka says what is wrong beside its calls."""
        if error.code() == ck.KafkaError._ALL_BROKERS_DOWN or error.fatal():
            self._down = str(error.str())[:200]

    def _begin(self) -> None:
        self._pool, self._down = ThreadPoolExecutor(1, thread_name_prefix="fairlead-kafka"), ""

    async def _end(self, how: Callable[[Any], Any]) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self._call(lambda: how(client)), _TIMEOUT_S)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None

    async def _call(self, what: Callable[[], Any]) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, what)
        except ck.KafkaException as failed:
            raise RemoteError(f"{self._address}: {str(failed)[:300]}") from failed

    def _made(self, kind: Callable[[dict[str, Any]], Any]) -> Any:
        """A client. Raises UsageError for options that librdkafka does not take: no waiting makes them right."""
        try:
            return kind(self._options)
        except ck.KafkaException as failed:
            if failed.args[0].code() != ck.KafkaError._INVALID_ARG:
                raise
            raise UsageError(f"{self._address}: {str(failed.args[0].str())[:300]}.") from None

    def _check(self) -> None:
        """Raises RemoteError where no broker is reached."""
        if self._down:
            told, self._down = self._down, ""
            raise RemoteError(f"{self._address}: {told}")

    def _reach(self) -> None:
        found = self._client.list_topics(self._address.name, timeout=_TIMEOUT_S)
        topic = found.topics.get(self._address.name)
        if topic is None or topic.error is not None:
            raise ck.KafkaException(topic.error if topic else f"no topic {self._address.name}")


class KafkaSource(_Side):
    """See `Source`."""

    def __init__(self, address: Address, reading: Reading, options: dict[str, Any]) -> None:
        # After a kill, nobody else gets its partitions before its session has ended; the library's default is 45 s.
        usual = {"queued.max.messages.kbytes": _QUEUE_KB, "auto.offset.reset": "earliest", "session.timeout.ms": 10_000}
        # Whatever the address says: what is read counts as read only once it was answered.
        own = {"enable.auto.commit": False, "group.id": reading.group, "error_cb": self._heard}
        super().__init__(address, usual | options | own)
        self._most = reading.most
        self._asker: Any = None

    async def open(self) -> None:
        def opened() -> None:
            self._client = self._made(ck.Consumer)
            self._reach()
            self._client.subscribe([self._address.name])
            # Questions would wait behind the fetches of the one that reads, half a second each.
            self._asker = self._made(ck.Consumer)

        self._begin()
        await self._call(opened)

    async def take(self, wait_s: float) -> list[Message]:
        def taken() -> list[Any]:
            found: list[Any] = self._client.consume(1, wait_s)
            return found + self._client.consume(self._most - 1, _MORE_S) if found and self._most > 1 else found

        found = await self._call(taken)
        messages = []
        for one in found:
            if one.error() is not None:
                raise RemoteError(f"{self._address}: {str(one.error())[:200]}")
            messages.append(_message(one))
        if not messages:
            self._check()
        return messages

    async def done(self, messages: Sequence[Message]) -> None:
        ends: dict[int, int] = {}
        for one in messages:
            partition, offset = one.token
            ends[partition] = max(offset + 1, ends.get(partition, 0))
        offsets = [ck.TopicPartition(self._address.name, at, offset) for at, offset in ends.items()]
        for told in await self._call(lambda: self._client.commit(offsets=offsets, asynchronous=False)):
            if told.error is not None:
                raise RemoteError(f"{self._address}: not committed: {str(told.error)[:200]}")

    async def lag(self) -> int | None:
        behind: int = await self._call(self._lag)
        return behind

    def _lag(self) -> int:
        """Of the whole group, as other brokers count it: also of partitions that others read, or nobody yet."""
        parts = self._asker.list_topics(self._address.name, timeout=_TIMEOUT_S).topics[self._address.name].partitions
        behind = 0
        asked = [ck.TopicPartition(self._address.name, at) for at in parts]
        for told in self._asker.committed(asked, timeout=_TIMEOUT_S):
            low, high = self._asker.get_watermark_offsets(told, timeout=_TIMEOUT_S)
            behind += max(0, high - (told.offset if told.offset >= 0 else low))
        return behind

    async def close(self) -> None:
        asker, self._asker = self._asker, None

        def ended(client: Any) -> None:
            client.close()
            if asker is not None:
                asker.close()

        await self._end(ended)


def _message(one: Any) -> Message:
    given = next((value for name, value in one.headers() or () if name == "id" and value), None)
    id = given.decode("utf-8", "replace") if given else f"{one.topic()}-{one.partition()}-{one.offset()}"
    body = one.value()
    lost = "" if body is not None else "the message has no value"
    return Message(id, body or b"", (one.partition(), one.offset()), one.key(), lost)


class KafkaSink(_Side):
    """See `Sink`."""

    def __init__(self, address: Address, options: dict[str, Any]) -> None:
        self.largest = int(options.get("message.max.bytes", _LARGEST)) - _HEADROOM
        own = {"enable.idempotence": True, "delivery.timeout.ms": int(_DELIVERY_S * 1000), "linger.ms": 1}
        super().__init__(address, options | own | {"error_cb": self._heard})

    async def open(self) -> None:
        def opened() -> None:
            self._client = self._made(ck.Producer)
            self._reach()

        self._begin()
        await self._call(opened)

    async def put(self, messages: Sequence[Outgoing]) -> None:
        await self._call(lambda: self._put(messages))

    def _put(self, messages: Sequence[Outgoing]) -> None:
        failed: list[Any] = []
        confirmed = 0

        def told(error: Any, _: Any) -> None:
            nonlocal confirmed
            confirmed += 1
            if error is not None:
                failed.append(error)

        for one in messages:
            headers = [("id", one.id.encode()), *((name, value.encode()) for name, value in one.headers.items())]
            while True:
                try:
                    self._client.produce(
                        self._address.name, one.body, one.key or one.id.encode(), headers=headers, on_delivery=told
                    )
                    break
                except BufferError:
                    self._client.poll(0.1)
        until = monotonic() + _DELIVERY_S + 1
        while confirmed < len(messages) and monotonic() < until:
            self._client.poll(0.1)
        if failed or confirmed < len(messages):
            raise RemoteError(f"{self._address}: {str(failed[0])[:200] if failed else 'answers were not confirmed'}")

    async def close(self) -> None:
        def ended(client: Any) -> None:
            client.purge()
            client.flush(1)

        await self._end(ended)
