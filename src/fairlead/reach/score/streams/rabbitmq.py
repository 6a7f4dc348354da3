"""RabbitMQ: a durable queue is consumed with a bounded prefetch, answers are published with publisher confirms.

A message is made one by its message_id; one without it is known by its content, so that it is the same when it is
delivered again. Published messages are persistent and mandatory: a queue that is not there is an error, not a loss.

Sources: rabbitmq.com/docs/confirms, /docs/consumer-prefetch, /docs/maxlength.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Sequence
from time import monotonic
from typing import Any

import aio_pika
from aio_pika import exceptions as faults

from fairlead.contract.errors import RemoteError
from fairlead.contract.streams import Address, Message, Outgoing, Reading
from fairlead.reach.score.streams import tls

_TIMEOUT_S = 10.0
_MORE_S = 0.002
_LONGEST_ID = 255
_LEAST_LINGER = 8
"""Messages of a batch from which no more are waited for."""


class RabbitMQ:
    """Addresses: amqp://user:password@host:5672/queue, amqps:// with TLS. Options: vhost (/); of a sink maxlen."""

    name = "rabbitmq"

    def source(self, address: Address, reading: Reading) -> RabbitSource:
        address.known("vhost", *tls.OPTIONS)
        return RabbitSource(address, reading)

    def sink(self, address: Address, *, bound: int = 0) -> RabbitSink:
        address.known("vhost", "maxlen", *tls.OPTIONS)
        return RabbitSink(address, int(address.number("maxlen", bound)))


@contextlib.contextmanager
def _said(address: Address) -> Any:
    """What the client raises as RemoteError."""
    try:
        yield
    except (faults.AMQPError, OSError, TimeoutError, RuntimeError, asyncio.CancelledError) as failed:
        task = asyncio.current_task()
        if isinstance(failed, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        # aiormq cancels what waits for an answer when its connection ends.
        raise RemoteError(f"{address}: {type(failed).__name__}: {str(failed)[:200]}") from failed


async def _connected(address: Address) -> Any:
    # What it logs of a connection that fails is raised as well, and said once.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    host, port = address.hosts[0]
    secure = address.scheme == "amqps"
    secured = tls.context_of(address, secure)
    with _said(address):
        return await aio_pika.connect(
            host=host, port=port or (5671 if secure else 5672), login=address.user or "guest",
            password=address.password or "guest", virtualhost=address.options.get("vhost", "/"), ssl=secure,
            ssl_context=secured,
            timeout=_TIMEOUT_S,
        )  # fmt: skip


async def _queue(connection: Any, channel: Any, name: str, arguments: dict[str, Any]) -> Any:
    """The queue as it is, else made durable; and the channel, a new one where the first did not survive the asking."""
    try:
        return channel, await channel.declare_queue(name, passive=True)
    except faults.ChannelClosed:
        channel = await connection.channel(publisher_confirms=True)
        return channel, await channel.declare_queue(name, durable=True, arguments=arguments)


async def _closed(connection: Any) -> None:
    if connection is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(connection.close(), _TIMEOUT_S)


class RabbitSource:
    """See `Source`."""

    def __init__(self, address: Address, reading: Reading) -> None:
        self._address, self._reading = address, reading
        self._connection: Any = None
        self._channel: Any = None
        self._queue: Any = None
        self._come: asyncio.Queue[Any] = asyncio.Queue()

    async def open(self) -> None:
        self._connection = await _connected(self._address)
        with _said(self._address):
            channel = await self._connection.channel(publisher_confirms=True)
            self._channel, self._queue = await _queue(self._connection, channel, self._address.name, {})
            # One batch in work and one on its way; the broker sends no more than this unacknowledged.
            await self._channel.set_qos(prefetch_count=min(65_535, 2 * self._reading.most))
            self._come = asyncio.Queue()
            # The consumer that ends, as with its connection, is known by this.
            self._connection.close_callbacks.add(self._ended)
            self._channel.close_callbacks.add(self._ended)
            await self._queue.consume(self._come.put, no_ack=False)

    def _ended(self, *_: Any) -> None:
        self._come.put_nowait(None)

    async def take(self, wait_s: float) -> list[Message]:
        found: list[Any] = []
        with contextlib.suppress(TimeoutError):
            found.append(await asyncio.wait_for(self._come.get(), wait_s))
            until = monotonic() + _MORE_S
            while len(found) < self._reading.most:
                if not self._come.empty():
                    found.append(self._come.get_nowait())
                    continue
                left = until - monotonic()
                if left <= 0 or len(found) >= _LEAST_LINGER:
                    break
                found.append(await asyncio.wait_for(self._come.get(), left))
        if any(one is None for one in found):
            raise RemoteError(f"{self._address}: the connection ended")
        return [_message(one) for one in found]

    async def done(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        with _said(self._address):
            # They came in the order of their tags, and nothing before them is open.
            await messages[-1].token.ack(multiple=True)

    async def lag(self) -> int | None:
        with _said(self._address):
            told = await self._channel.declare_queue(self._address.name, passive=True)
        return int(told.declaration_result.message_count) + self._come.qsize()

    async def close(self) -> None:
        await _closed(self._connection)
        self._connection = None


def _message(one: Any) -> Message:
    id = one.message_id or "sha256-" + hashlib.sha256(one.body).hexdigest()[:40]
    return Message(str(id), one.body, one, again=bool(one.redelivered))


def short(id: str) -> str:
    """The id as a message_id can be, of 255 bytes: a longer one as its beginning and a hash, so that none are alike.

    >>> short("order-7"), len(short("order-7" * 100))
    ('order-7', 228)
    """
    held = id.encode()
    if len(held) <= _LONGEST_ID:
        return id
    return f"{held[:180].decode('utf-8', 'ignore')} sha256-{hashlib.sha256(held).hexdigest()[:40]}"


class RabbitSink:
    """See `Sink`. bound is of a queue that is made here; the oldest go then."""

    largest = 16 << 20
    # What RabbitMQ 4 takes unless told otherwise; earlier ones take more.

    def __init__(self, address: Address, bound: int) -> None:
        self._address, self._bound = address, bound
        self._connection: Any = None
        self._channel: Any = None

    async def open(self) -> None:
        self._connection = await _connected(self._address)
        arguments = {"x-max-length": self._bound, "x-overflow": "drop-head"} if self._bound else {}
        with _said(self._address):
            channel = await self._connection.channel(publisher_confirms=True)
            self._channel, _ = await _queue(self._connection, channel, self._address.name, arguments)

    async def put(self, messages: Sequence[Outgoing]) -> None:
        exchange = self._channel.default_exchange
        with _said(self._address):
            await asyncio.gather(*[self._publish(exchange, one) for one in messages])

    async def _publish(self, exchange: Any, one: Outgoing) -> None:
        said = aio_pika.Message(
            one.body, headers=dict(one.headers), message_id=short(one.id), content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )  # fmt: skip
        await exchange.publish(said, routing_key=self._address.name, mandatory=True, timeout=_TIMEOUT_S)

    async def close(self) -> None:
        await _closed(self._connection)
        self._connection = None
