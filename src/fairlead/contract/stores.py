"""Port `store`: where complete files lie under names, on a disk, in a bucket, on Hadoop.

A store keeps objects. A name is there whole or not at all, whoever looks and whenever its writer dies; what is read
is what was written, by its sha256, or it is not handed out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Protocol

import msgspec
from msgspec import Meta

from fairlead.contract.errors import UsageError

LIST_LIMIT = 1000
READ_LIMIT = 64 << 20
NAME_BYTES = 900
RESERVED = ".fairlead-"
# Hadoop takes no colon, and its DataNodes read a percent sign twice.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\:%\ud800-\udfff]")


class Stored(msgspec.Struct, frozen=True):
    """One object. etag: changes whenever the object is written anew, "" where a store has none.

    sha256: of its bytes, in hex; "" where it is not known: an object that somebody else put there, and in listings of
    stores that tell it only when asked for one object (`stat`).
    """

    name: str
    bytes: int
    etag: str = ""
    sha256: str = ""


class Facts(msgspec.Struct, frozen=True):
    """How an object lies in its store. at: when it was written, seconds since the epoch by the store's own clock.

    encrypt, key: what the store says it encrypts it by, in the words of StoreTerms; "" where it says nothing.
    """

    at: float
    encrypt: str = ""
    key: str = ""


class StoreTerms(msgspec.Struct, frozen=True):
    """How a store is spoken to. part_bytes: what is larger goes up in parts of that size, and goes on where it was
    after a kill. timeout_s: how long one call may take. attempts: how often a call is made before it counts as failed.

    encrypt: what the store is told to encrypt by: "" (as the bucket says), "AES256" or "aws:kms" of S3, "scope" of
    Azure, "kms" of GCS. key: name of that key or scope, "" for the bucket's own.
    """

    part_bytes: int = 8 << 20
    timeout_s: float = 30.0
    attempts: int = 4
    encrypt: str = ""
    key: str = ""


class StoresSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[stores]` of the project file."""

    bundles: str = ""
    records: str = ""
    part_mb: Annotated[int, Meta(ge=1, le=1024)] = 8
    timeout_s: Annotated[float, Meta(gt=0.0)] = 30.0
    attempts: Annotated[int, Meta(ge=1, le=20)] = 4
    encrypt: Literal["", "AES256", "aws:kms", "scope", "kms"] = ""
    key: str = ""

    @property
    def terms(self) -> StoreTerms:
        """How all stores of the project are spoken to."""
        return StoreTerms(self.part_mb << 20, self.timeout_s, self.attempts, self.encrypt, self.key)


class BackupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[backup]` of the project file: what is promised of backups, which `doctor` holds them to."""

    to: str = ""
    every: str = ""
    verify: str = ""


DOC: dict[str, str] = {
    "backup.to": "where backups go, which `fairlead doctor` then expects there: a folder, s3://, az://, gs:// or hdfs://",
    "backup.every": "doctor complains when the newest backup is older than this, as 1h or 1d; empty: twice its --every",
    "backup.verify": "doctor complains when none was brought back and checked (--verify) for so long; empty: never",
    "stores.bundles": "where bundles lie besides: s3://, az://, gs://, hdfs:// or a folder; the home keeps copies",
    "stores.records": "where the collector sends records and labels, which stay here until they are there",
    "stores.part_mb": "what is larger goes up in parts of so many MB, and goes on after a kill",
    "stores.timeout_s": "seconds that one call to a store may take",
    "stores.attempts": "how often a call to a store is made before it counts as failed",
    "stores.encrypt": "what a store encrypts by: AES256, aws:kms (S3), scope (Azure), kms (GCS); empty: as it is set",
    "stores.key": "KMS key or encryption scope for stores.encrypt; empty: the bucket's own",
}


class Store(Protocol):
    """Objects under one address. Methods raise StoreFailed when the store does not do its part, and may be called
    from several threads. Names: `check_name`.
    """

    address: str  # as it may be shown: no secrets

    def put(self, name: str, what: Path | bytes, *, sha256: str = "", if_absent: bool = False) -> Stored:
        """Write an object, in place of one of that name; visible at once and whole when this returns.

        what: a file that nobody changes meanwhile, or bytes. sha256: what the caller knows its hash to be, checked on
        the way. if_absent: raises ObjectExists rather than replace. An upload that was cut short is taken up where it
        stopped when the same bytes are put again. Raises ObjectDamaged if the bytes are not of that hash.
        """

    def get(self, name: str, to: Path, *, sha256: str = "") -> Stored:
        """Fetch an object into a file, which appears whole. Raises ObjectNotFound, and ObjectDamaged if what came is
        not of the hash it was stored with, or not of `sha256`."""

    def read(self, name: str, *, limit: int = READ_LIMIT, sha256: str = "") -> bytes:
        """An object of at most `limit` bytes, checked as in `get`. Raises ObjectTooLarge for a larger one."""

    def stat(self, name: str) -> Stored | None:
        """What is known of an object without reading it, None where there is none."""

    def facts(self, name: str) -> Facts | None:
        """How an object lies there, as the store tells it; None where there is none."""

    def list(self, prefix: str = "", *, after: str = "", limit: int = LIST_LIMIT) -> tuple[Stored, ...]:
        """The first `limit` objects whose names begin with `prefix` and sort after `after`, by name.

        What is being uploaded is not among them. `walk` goes through all.
        """

    def delete(self, name: str) -> bool:
        """Remove an object; False where there was none."""

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""

    def close(self) -> None:
        """Let go of connections."""


def check_name(name: str) -> str:
    """The name itself, if it can be one in every store: parts between single slashes, none of them `.` or `..`, none
    that begins with `.fairlead-`, no control characters, backslash, colon or percent sign, at most 900 bytes. Raises
    UsageError."""
    if not fits(name):
        raise UsageError(
            f"{name[:80]!r} cannot be a name in a store: parts between single slashes, none of them '.', '..' or "
            f"beginning with {RESERVED!r}, no control characters, none of \\ : %, at most {NAME_BYTES} bytes."
        )
    return name


def fits(name: str) -> bool:
    """Whether it is such a name. Others may have put objects of other names beside ours, which no listing gives."""
    parts = name.split("/")
    unfit = any(part in ("", ".", "..") or part.startswith(RESERVED) for part in parts)
    return not (unfit or _UNFIT.search(name) or len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES)


def walk(store: Store, prefix: str = "", *, page: int = LIST_LIMIT) -> Iterator[Stored]:
    """Every object whose name begins with `prefix`, in order, a page in memory at a time."""
    after = ""
    while found := store.list(prefix, after=after, limit=page):
        yield from found
        after = found[-1].name
        if len(found) < page:
            return
