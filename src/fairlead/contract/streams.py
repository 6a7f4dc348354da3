"""Streams: what a message is, where streams lie, and the port `broker` behind which they are read and written."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

import msgspec

from fairlead.contract.errors import UsageError

SHAPE = "scheme://[user:${PASSWORD}@]host[:port]/name[?option=value]"
LONGEST_SECRET = 64 * 1024
_PLAIN = "a secret has no place in an address, which other users of the machine can list; write a reference"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Address(msgspec.Struct, frozen=True):
    """Where a stream lies. hosts: (name, port), port 0 where none is given. options: what follows the question mark,
    without secrets, which are `password`, `token`, and of others `secrets`, by their names."""

    scheme: str
    hosts: tuple[tuple[str, int], ...]
    name: str
    user: str = ""
    password: str = ""
    options: dict[str, str] = {}
    token: str = ""
    secrets: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Address({self})"

    def __str__(self) -> str:
        """As it may be shown: without user, password and options."""
        return f"{self.scheme}://{self.servers()}/{self.name}"

    def servers(self, port: int = 0) -> str:
        """The hosts as "host:port,host:port". port: of those that have none."""
        return ",".join(f"{host}:{own or port}" if own or port else host for host, own in self.hosts)

    def number(self, option: str, default: float, least: float = 0.0) -> float:
        """An option that is a number. Raises UsageError."""
        text = self.options.get(option)
        try:
            value = default if text is None else float(text)
        except ValueError:
            value = float("nan")
        if not value >= least or value == float("inf"):
            raise UsageError(f"{self}: option {option}={text} is no number of at least {least:g}.")
        return value

    def known(self, *options: str) -> None:
        """Raises UsageError for an option that is none of these."""
        odd = sorted(set(self.options) - set(options))
        if odd:
            raise UsageError(f"{self}: unknown option {odd[0]!r}. Known: {', '.join(sorted(options)) or 'none'}.")


def address_of(text: str, environment: Mapping[str, str] = os.environ) -> Address:
    """Parse an address. A password is `${NAME}` of the environment, or `?password=` with env:NAME or file:PATH, so that
    no secret is written where processes are listed; likewise `token`, and options that end in `.password`. Raises
    UsageError, which shows none of them."""
    scheme, split, rest = text.partition("://")
    netloc, _, path = rest.partition("/")
    name, _, query = path.partition("?")
    login, at, places = netloc.rpartition("@")
    shown = f"{scheme}://{places}/{name}"
    name = unquote(name)
    if not split or not scheme.isalnum() or not places:
        raise UsageError(f"{shown if split else 'the address of the stream'} is no address of a stream: {SHAPE}.")
    if not _NAME.fullmatch(name):
        raise UsageError(f"{shown}: the stream needs a name of letters, digits and . _ : - after the host: {SHAPE}.")
    user, _, password = login.partition(":") if at else ("", "", "")
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=64))
    except ValueError:
        raise UsageError(f"{shown}: what follows the question mark is not option=value&option=value.") from None
    hosts = tuple(_host(one, shown) for one in places.split(","))
    if password and not _VARIABLE.fullmatch(unquote(password)):
        raise UsageError(f"{shown}: {_PLAIN} in its place, as {scheme}://user:${{PASSWORD}}@{places}/{name}.")
    user, password = (_filled(unquote(part), environment, shown) for part in (user, password))
    hidden = {one: _secret(one, options.pop(one), environment, shown) for one in list(options) if _is_secret(one)}
    password, token = hidden.pop("password", password), hidden.pop("token", "")
    return Address(scheme.lower(), hosts, name, user or options.pop("user", ""), password, options, token, hidden)


def _host(text: str, shown: str) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?", text)
    if found is None or int(found[2] or 0) > 65535:
        raise UsageError(f"{shown}: a host is written as name:port.")
    return found[1].strip("[]"), int(found[2] or 0)


def _is_secret(option: str) -> bool:
    return option in ("password", "token") or option.endswith((".password", ".pem"))


def _secret(option: str, reference: str, environment: Mapping[str, str], shown: str) -> str:
    kind, split, name = reference.partition(":")
    if not split or kind not in ("env", "file"):
        raise UsageError(f"{shown}: {_PLAIN} for {option}: {option}=env:NAME or {option}=file:PATH.")
    if kind == "env":
        found = environment.get(name, "")
    else:
        try:
            found = Path(name).read_text(encoding="utf-8")[:LONGEST_SECRET].strip()
        except (OSError, UnicodeError) as failed:
            raise UsageError(f"{shown}: the file of {option} cannot be read: {type(failed).__name__}.") from None
    if not found:
        where = f"the environment has no {name}" if kind == "env" else f"the file {name} is empty"
        raise UsageError(f"{shown}: {where}, which {option} asks for.")
    return found


def _filled(text: str, environment: Mapping[str, str], shown: str) -> str:
    for name in _VARIABLE.findall(text):
        if name not in environment:
            raise UsageError(f"{shown}: the environment has no {name}, which the address asks for.")
    return _VARIABLE.sub(lambda found: environment[found[1]], text)


class Message(msgspec.Struct):
    """One message as it was taken. id: the same whenever it is delivered, and of no other message of the stream.

    key: the broker's own partition key, carried on. token: what the source needs to acknowledge it. lost: why there
    is no body to answer; "" where there is one. again: whether the broker says that it was delivered before.
    """

    id: str
    body: bytes
    token: Any = None
    key: bytes | None = None
    lost: str = ""
    again: bool = False


class Outgoing(msgspec.Struct, frozen=True):
    """One message to publish. id: of the message that it answers."""

    id: str
    body: bytes
    headers: dict[str, str]
    key: bytes | None = None


class Reading(msgspec.Struct, frozen=True):
    """How a source is read. group: those who share its messages; consumer: who of them this is, the same again after a
    restart. most: messages that may be unacknowledged."""

    group: str
    consumer: str
    most: int


class Source(Protocol):
    """A stream that is read. Everything raises RemoteError when the broker does not do its part; the source is then
    closed and opened anew, and what was not acknowledged comes again."""

    async def open(self) -> None:
        """Connect; make the group of readers where it is missing, from the oldest message on."""

    async def take(self, wait_s: float) -> list[Message]:
        """What is there, at most `Reading.most`; waits so long for the first message, and hardly for more."""

    async def done(self, messages: Sequence[Message]) -> None:
        """Acknowledge all that the last `take` gave."""

    async def lag(self) -> int | None:
        """Messages that are not acknowledged yet, delivered or not; None where the broker cannot say."""

    async def close(self) -> None:
        """Let go; what was taken and not acknowledged is given back where the broker can be told. Never raises."""


class Sink(Protocol):
    """A stream that is written. Errors as for `Source`."""

    largest: int
    """Bytes of a body that it takes, once it is open; 0 where that is not known."""

    async def open(self) -> None:
        """Connect; make the stream where it is missing."""

    async def put(self, messages: Sequence[Outgoing]) -> None:
        """Publish all; returns when the broker has confirmed every one."""

    async def close(self) -> None:
        """Let go. Never raises."""


class Broker(Protocol):
    """Port `broker`, by the scheme of its addresses. Building connects to nothing; raises UsageError for options that
    are unknown and MissingExtra for a library that is not there."""

    name: str

    def source(self, address: Address, reading: Reading) -> Source:
        """A stream to read."""

    def sink(self, address: Address, *, bound: int = 0) -> Sink:
        """A stream to write. bound: messages that it keeps, the newest, where the broker can be told; 0: all."""


class StreamStatus(msgspec.Struct, omit_defaults=True):
    """What a running stream says of itself in `run/stream-<instance>.json`. All times in seconds since the epoch.

    source, answers, dead: as they may be shown. since: its start; seen: when this was written; moved: when it last
    acknowledged a batch, or began; lag: as of `Source.lag`. up: whether brokers are reached and messages answered;
    why: not, where it is not. refused: dead letters. again: messages delivered more than once.
    """

    pid: int
    instance: str
    model: str
    source: str
    answers: str
    dead: str
    group: str
    since: float
    seen: float
    moved: float
    answered: int = 0
    refused: int = 0
    again: int = 0
    lag: int | None = None
    up: bool = False
    why: str = ""
    broker: int = 0
    waited: int = 0
    rate: float = 0.0
