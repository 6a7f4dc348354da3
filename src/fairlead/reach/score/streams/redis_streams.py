"""Redis Streams: a consumer group is read, answers are appended once a key.

An entry has a field `body`, and may have `key`, which then is what makes it one message; without it that is the
stream's name with the entry's id. A consumer first gets again what it had and never acknowledged, then what others
left unacknowledged for `claim_s`, then what is new.

Sources: redis.io/docs/latest/develop/data-types/streams, XREADGROUP, XAUTOCLAIM, XINFO GROUPS.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from time import monotonic
from typing import Any

import redis.asyncio as aio
from redis import exceptions as faults
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from fairlead.contract.errors import RemoteError
from fairlead.contract.streams import Address, Message, Outgoing, Reading
from fairlead.reach.score.streams import tls

_TIMEOUT_S = 10.0
_APPEND = """
local at, appended = 3, 0
for number = 2, #KEYS do
  local size = tonumber(ARGV[at])
  if ARGV[1] == '0' or redis.call('EXISTS', KEYS[number]) == 0 then
    if ARGV[2] == '0' then redis.call('XADD', KEYS[1], '*', unpack(ARGV, at + 1, at + size))
    else redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', unpack(ARGV, at + 1, at + size)) end
    if ARGV[1] ~= '0' then redis.call('SET', KEYS[number], '1', 'EX', ARGV[1]) end
    appended = appended + 1
  end
  at = at + size + 1
end
return appended
"""
"""Appends each message unless its key was appended lately. A script that fails stops where it is and takes nothing
back, so the mark follows its entry: what is missing then is appended twice, and never not at all."""


class RedisStreams:
    """Addresses: redis://host:6379/stream, rediss:// with TLS. Options: db; of a source claim_s (60); of a sink
    dedup_s (120: seconds for which a key is appended once; 0: as often as it comes) and maxlen."""

    name = "redis"

    def source(self, address: Address, reading: Reading) -> RedisSource:
        address.known("db", "claim_s", *tls.OPTIONS)
        return RedisSource(address, reading, address.number("claim_s", 60.0, 1.0))

    def sink(self, address: Address, *, bound: int = 0) -> RedisSink:
        address.known("db", "dedup_s", "maxlen", *tls.OPTIONS)
        return RedisSink(address, int(address.number("dedup_s", 120.0)), int(address.number("maxlen", bound)))


def _client(address: Address) -> aio.Redis:
    host, port = address.hosts[0]
    secure = address.scheme == "rediss"
    # Its own options are paths; what they hold is looked at here, where it can be said what is wrong.
    tls.context_of(address, secure)
    own = {"ssl_ca_certs": "ca", "ssl_certfile": "cert", "ssl_keyfile": "key"}
    certified: dict[str, Any] = {name: address.options.get(option) for name, option in own.items()} if secure else {}
    return aio.Redis(
        host=host, port=port or 6379, db=int(address.number("db", 0)), username=address.user or None,
        password=address.password or None, ssl=secure, socket_connect_timeout=_TIMEOUT_S,
        socket_timeout=_TIMEOUT_S, retry=Retry(NoBackoff(), 0), health_check_interval=0, **certified,
    )  # fmt: skip


@contextlib.contextmanager
def _said(address: Address) -> Any:
    """What the client raises as RemoteError."""
    try:
        yield
    except (faults.RedisError, OSError, TimeoutError) as failed:
        raise RemoteError(f"{address}: {type(failed).__name__}: {str(failed)[:200]}") from failed


class RedisSource:
    """See `Source`. claim_s: seconds after which another consumer's unacknowledged messages are taken over."""

    def __init__(self, address: Address, reading: Reading, claim_s: float) -> None:
        self._address, self._reading, self._claim_ms = address, reading, int(claim_s * 1000)
        self._redis: aio.Redis | None = None
        self._mine: str | None = "0"
        self._claimed = 0.0

    async def open(self) -> None:
        self._redis, self._mine, self._claimed = _client(self._address), "0", 0.0
        with _said(self._address):
            try:
                await self._redis.xgroup_create(self._address.name, self._reading.group, "0", mkstream=True)
            except faults.ResponseError as known:
                if not str(known).startswith("BUSYGROUP"):
                    raise

    async def take(self, wait_s: float) -> list[Message]:
        with _said(self._address):
            if self._mine is not None:
                entries = await self._read(self._mine, None)
                # Acknowledged ones are gone from this list, so going on after the last one ends it.
                self._mine = entries[-1][0].decode() if entries else None
                if entries:
                    return await self._messages(entries, again=True)
            if monotonic() - self._claimed >= self._claim_ms / 2000:
                entries = await self._left_by_others()
                if entries:
                    return await self._messages(entries, again=True)
                self._claimed = monotonic()
            return await self._messages(await self._read(">", max(1, int(wait_s * 1000))))

    async def _read(self, after: str, block: int | None) -> list[Any]:
        assert self._redis is not None
        who = self._reading
        found: Any = await self._redis.xreadgroup(
            who.group, who.consumer, {self._address.name: after}, count=who.most, block=block
        )
        if isinstance(found, dict):
            found = [(name, entries) for name, pages in found.items() for entries in pages]
        return list(found[0][1]) if found else []

    async def _left_by_others(self) -> list[Any]:
        assert self._redis is not None
        who = self._reading
        found: Any = await self._redis.xautoclaim(
            self._address.name, who.group, who.consumer, self._claim_ms, "0-0", count=who.most
        )
        return list(found[1])

    async def _messages(self, entries: Sequence[Any], again: bool = False) -> list[Message]:
        """Entries as messages; those that were deleted meanwhile have no fields and are acknowledged as they are."""
        gone = [entry for entry, fields in entries if not fields]
        if gone:
            assert self._redis is not None
            await self._redis.xack(self._address.name, self._reading.group, *gone)
        return [_message(self._address.name, entry, fields, again) for entry, fields in entries if fields]

    async def done(self, messages: Sequence[Message]) -> None:
        assert self._redis is not None
        with _said(self._address):
            await self._redis.xack(self._address.name, self._reading.group, *[one.token for one in messages])

    async def lag(self) -> int | None:
        assert self._redis is not None
        with _said(self._address):
            groups: Any = await self._redis.xinfo_groups(self._address.name)
        wanted = self._reading.group.encode()
        one = next((group for group in groups if group["name"] in (wanted, self._reading.group)), None)
        if one is None or one.get("lag") is None:
            return None
        return int(one["lag"]) + int(one["pending"])

    async def close(self) -> None:
        if self._redis is not None:
            with contextlib.suppress(Exception):
                await self._redis.aclose()
            self._redis = None


def _message(stream: str, entry: bytes, fields: dict[bytes, bytes], again: bool) -> Message:
    key, body = fields.get(b"key"), fields.get(b"body")
    id = key.decode("utf-8", "replace") if key else f"{stream}-{entry.decode()}"
    if body is not None:
        return Message(id, body, entry, again=again)
    raw = b"\n".join(name + b": " + value for name, value in fields.items())
    return Message(id, raw, entry, lost="the entry has no field `body`", again=again)


class RedisSink:
    """See `Sink`. dedup_s: seconds for which a key is appended once. maxlen: entries kept, about; 0: all."""

    largest = 512 << 20

    def __init__(self, address: Address, dedup_s: int, maxlen: int) -> None:
        self._address, self._dedup_s, self._maxlen = address, dedup_s, maxlen
        self._redis: aio.Redis | None = None
        self._append: Any = None

    async def open(self) -> None:
        self._redis = _client(self._address)
        with _said(self._address):
            self._append = await self._redis.script_load(_APPEND)

    async def put(self, messages: Sequence[Outgoing]) -> None:
        assert self._redis is not None
        stream = self._address.name
        keys, given = [stream], list[Any]()
        for one in messages:
            mark = hashlib.sha256(one.id.encode()).hexdigest()[:32]
            keys.append(f"fairlead:once:{stream}:{mark}")
            fields = ["key", one.id, "body", one.body]
            for name, value in one.headers.items():
                fields += [name, value]
            given += [len(fields), *fields]
        with _said(self._address):
            await self._redis.evalsha(self._append, len(keys), *keys, self._dedup_s, self._maxlen, *given)

    async def close(self) -> None:
        if self._redis is not None:
            with contextlib.suppress(Exception):
                await self._redis.aclose()
            self._redis = None
