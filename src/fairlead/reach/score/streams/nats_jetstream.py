"""NATS JetStream: a durable pull consumer is read, answers are published with their key as Nats-Msg-Id.

The name of an address is a subject. A message is made one by its header Nats-Msg-Id, else by stream and sequence. The
stream of an output drops what comes with the same Nats-Msg-Id within its window of duplicates (two minutes by default).

Sources: docs.nats.io/nats-concepts/jetstream/consumers, .../jetstream/streams (duplicate window, max ack pending).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import nats
from nats import errors as faults
from nats.js import api
from nats.js.errors import NotFoundError

from fairlead.contract.errors import RemoteError, UsageError
from fairlead.contract.streams import Address, Message, Outgoing, Reading
from fairlead.reach.score.streams import tls

_TIMEOUT_S = 10.0
_HEADROOM = 4096
_MORE_S = 0.004
"""How long messages are waited for that may come together with the first: a request for more than there are is
answered by the server only once its time is over."""


class NatsJetStream:
    """Addresses: nats://host:4222/subject, tls:// with TLS. Options: stream; of a source ack_wait_s (30), after which
    what was not acknowledged comes again; of a sink dedup_s (120), for a stream that is made here."""

    name = "nats"

    def source(self, address: Address, reading: Reading) -> NatsSource:
        address.known("stream", "ack_wait_s", *tls.OPTIONS)
        return NatsSource(address, reading, address.number("ack_wait_s", 30.0, 0.1))

    def sink(self, address: Address, *, bound: int = 0) -> NatsSink:
        address.known("stream", "dedup_s", "maxlen", *tls.OPTIONS)
        return NatsSink(address, address.number("dedup_s", 120.0, 0.1), int(address.number("maxlen", bound)))


@contextlib.contextmanager
def _said(address: Address) -> Any:
    """What the client raises as RemoteError."""
    try:
        yield
    except (faults.Error, OSError, TimeoutError, EOFError) as failed:
        raise RemoteError(f"{address}: {type(failed).__name__}: {str(failed)[:200]}") from failed


async def _quiet(_: Exception) -> None:
    """Whatever is wrong is raised by the next call."""


async def _connected(address: Address, ended: asyncio.Event) -> Any:
    scheme = "tls" if address.scheme == "tls" else "nats"
    servers = [f"{scheme}://{one}" for one in address.servers(4222).split(",")]
    login: dict[str, Any] = {"user": address.user, "password": address.password} if address.user else {}
    login |= {"token": address.token} if address.token else {}
    secured = tls.context_of(address, scheme == "tls")
    login |= {"tls": secured} if secured is not None else {}

    async def closed() -> None:
        ended.set()

    with _said(address):
        # Who reads begins anew after a failure, and says so; the client trying again by itself would hide it. Without
        # a bound of its own tries it would connect for ever.
        return await nats.connect(
            servers, allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0.05,
            connect_timeout=_TIMEOUT_S, error_cb=_quiet, closed_cb=closed, disconnected_cb=closed,
            name="fairlead stream", **login,
        )  # fmt: skip


async def _stream(address: Address, js: Any, config: dict[str, Any]) -> str:
    """The stream that holds the subject, made where there is none."""
    told = address.options.get("stream")
    if told:
        return told
    with contextlib.suppress(NotFoundError):
        return str(await js.find_stream_name_by_subject(address.name))
    name = re.sub(r"[^A-Za-z0-9_-]", "_", address.name)
    await js.add_stream(name=name, subjects=[address.name], **config)
    return name


async def _closed(nc: Any) -> None:
    if nc is not None:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(nc.close(), _TIMEOUT_S)


class NatsSource:
    """See `Source`. ack_wait_s: after which the server delivers again what was not acknowledged."""

    def __init__(self, address: Address, reading: Reading, ack_wait_s: float) -> None:
        self._address, self._reading, self._ack_wait_s = address, reading, ack_wait_s
        self._nc: Any = None
        self._pull: Any = None
        self._ended = asyncio.Event()
        self._held: dict[str, Any] = {}
        self._stream = ""

    async def open(self) -> None:
        who = self._reading
        self._ended = asyncio.Event()
        self._nc = await _connected(self._address, self._ended)
        js = self._nc.jetstream(timeout=_TIMEOUT_S)
        with _said(self._address):
            self._stream = await _stream(self._address, js, {})
            durable = re.sub(r"[^A-Za-z0-9_-]", "_", who.group)
            config = api.ConsumerConfig(
                ack_policy=api.AckPolicy.EXPLICIT, ack_wait=self._ack_wait_s, max_ack_pending=2 * who.most,
                deliver_policy=api.DeliverPolicy.ALL, filter_subject=self._address.name,
            )  # fmt: skip
            self._pull = await js.pull_subscribe(self._address.name, durable, stream=self._stream, config=config)
            await self._agree(js, config)

    async def _agree(self, js: Any, wanted: Any) -> None:
        """A reader that was made before stays as it was made, unless told: what is asked for now is to hold.

        Raises UsageError for one of another subject, whose messages would be answered here.
        """
        kept = (await self._pull.consumer_info()).config
        subject = kept.filter_subject
        if subject and subject != self._address.name and not set("*>") & set(subject):
            raise UsageError(
                f"{self._address}: the group {self._reading.group!r} reads {subject} of stream {self._stream}, not "
                f"{self._address.name}: give this one a --group of its own."
            )
        changed: dict[str, Any] = {}
        if "ack_wait_s" in self._address.options and kept.ack_wait != wanted.ack_wait:
            changed["ack_wait"] = wanted.ack_wait
        if 0 < (kept.max_ack_pending or 0) < wanted.max_ack_pending:
            changed["max_ack_pending"] = wanted.max_ack_pending
        if changed:
            await js.add_consumer(self._stream, config=kept.evolve(**changed))

    async def take(self, wait_s: float) -> list[Message]:
        with _said(self._address):
            try:
                got = await self._pull.fetch(1, timeout=wait_s)
            except TimeoutError:
                self._alive()
                return []
            if self._reading.most > 1:
                with contextlib.suppress(TimeoutError):
                    got += await self._pull.fetch(self._reading.most - 1, timeout=_MORE_S)
        taken = [self._message(one) for one in got]
        self._held = {one.id: one.token for one in taken}
        return taken

    def _alive(self) -> None:
        """A connection that has ended lets nobody know who waits for messages."""
        if self._ended.is_set() or not self._nc.is_connected:
            raise RemoteError(f"{self._address}: the connection ended")

    def _message(self, one: Any) -> Message:
        given = (one.headers or {}).get("Nats-Msg-Id")
        meta = one.metadata
        return Message(given or f"{self._stream}-{meta.sequence.stream}", one.data, one, again=meta.num_delivered > 1)

    async def done(self, messages: Sequence[Message]) -> None:
        with _said(self._address):
            for one in messages[:-1]:
                await one.token.ack()
            if messages:
                # They are worked through in order, so this is answered once all are; flushing alone says only that
                # they came, and the lag would still count them.
                await messages[-1].token.ack_sync(_TIMEOUT_S)
        self._held = {}

    async def lag(self) -> int | None:
        with _said(self._address):
            info = await self._pull.consumer_info()
        return int(info.num_pending or 0) + int(info.num_ack_pending or 0)

    async def close(self) -> None:
        if self._nc is not None and self._nc.is_connected:
            with contextlib.suppress(Exception):
                for message in self._held.values():
                    await message.nak()
                await self._nc.flush(1)
        self._held = {}
        await _closed(self._nc)
        self._nc = None


class NatsSink:
    """See `Sink`. dedup_s and bound are of a stream that is made here; one that is there keeps its own."""

    def __init__(self, address: Address, dedup_s: float, bound: int) -> None:
        self._address, self._dedup_s, self._bound = address, dedup_s, bound
        self._nc: Any = None
        self._js: Any = None
        self._ended = asyncio.Event()
        self._stream = ""
        self.largest = 0

    async def open(self) -> None:
        self._ended = asyncio.Event()
        self._nc = await _connected(self._address, self._ended)
        # The server counts headers in.
        self.largest = max(0, int(self._nc.max_payload) - _HEADROOM)
        self._js = self._nc.jetstream(timeout=_TIMEOUT_S)
        config: dict[str, Any] = {"duplicate_window": self._dedup_s}
        if self._bound:
            config |= {"max_msgs": self._bound, "discard": api.DiscardPolicy.OLD}
        with _said(self._address):
            self._stream = await _stream(self._address, self._js, config)

    async def put(self, messages: Sequence[Outgoing]) -> None:
        all_of: asyncio.Future[Any] = asyncio.gather(*[self._publish(one) for one in messages])
        ended: asyncio.Future[Any] = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait({all_of, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not all_of.done():
                # A publisher is not told that its connection ended: it would wait for its confirmation in vain.
                raise RemoteError(f"{self._address}: the connection ended")
            with _said(self._address):
                await all_of
        finally:
            ended.cancel()
            if not all_of.done():
                all_of.cancel()
                await asyncio.gather(all_of, return_exceptions=True)

    async def _publish(self, one: Outgoing) -> None:
        headers = {name: _plain(value) for name, value in one.headers.items()} | {"Nats-Msg-Id": marked(one.id)}
        await self._js.publish(self._address.name, one.body, stream=self._stream, headers=headers, timeout=_TIMEOUT_S)

    async def close(self) -> None:
        await _closed(self._nc)
        self._nc = None


def marked(id: str) -> str:
    """The mark by which the broker knows an answer: the id where that is one line, else that line and a hash, so that
    no two messages share one.

    >>> marked("order-7"), marked("order\\n7")
    ('order-7', 'order 7 sha256-70f395f1bf0e2278')
    """
    line = _plain(id)
    if id and line == id:
        return id
    return f"{line[:200]} sha256-{hashlib.sha256(id.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}".strip()


def _plain(text: str) -> str:
    """Text as a header can carry it: one line."""
    return " ".join(text.split())
