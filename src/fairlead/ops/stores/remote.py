"""What stores across a network have in common: names, hashes, reads that go on where they broke off.

A store of a cloud gives six small parts (`_write`, `_about`, `_open`, `_page`, `_remove`, `_failure`); what is promised
of the port is kept here, once.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fairlead.contract.errors import FairleadError, ObjectNotFound, StoreFailed, UsageError
from fairlead.contract.stores import LIST_LIMIT, READ_LIMIT, RESERVED, Facts, Stored, StoreTerms, check_name, fits
from fairlead.ops.stores.checking import Bytes, Checked

META = "sha256"
UPLOADS = f"{RESERVED}uploads"
PAUSE_S = 0.2


class RemoteStore(ABC):
    """Port `store`, but for what differs from cloud to cloud."""

    def __init__(self, place: str, shown: str, terms: StoreTerms) -> None:
        bucket, _, prefix = place.partition("/")
        if not bucket:
            raise UsageError(f"{shown}: says no bucket, container or host.")
        self.address, self.terms = shown.rstrip("/"), terms
        self.bucket, self.prefix = bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def put(self, name: str, what: Path | bytes, *, sha256: str = "", if_absent: bool = False) -> Stored:
        """As the port says; what is larger than a part goes up in parts and goes on after a kill."""
        check_name(name)
        source = Bytes(what)
        digest = source.checked(sha256, self._said(name))
        with self._told(name):
            return Stored(name, source.size, self._write(name, source, digest, if_absent), digest)

    def get(self, name: str, to: Path, *, sha256: str = "") -> Stored:
        """As the port says; a connection that breaks is taken up at the byte where it broke."""
        about = self._must(name)
        return Checked(self._said(name), (about.sha256,), sha256).fetch(self._blocks(name, about), to, about)

    def read(self, name: str, *, limit: int = READ_LIMIT, sha256: str = "") -> bytes:
        """As the port says."""
        about = self._must(name)
        return Checked(self._said(name), (about.sha256,), sha256).read(self._blocks(name, about), about.bytes, limit)

    def stat(self, name: str) -> Stored | None:
        """As the port says."""
        check_name(name)
        with self._told(name):
            return self._about(name)

    def facts(self, name: str) -> Facts | None:
        """As the port says."""
        check_name(name)
        with self._told(name):
            return self._facts(name)

    def list(self, prefix: str = "", *, after: str = "", limit: int = LIST_LIMIT) -> tuple[Stored, ...]:
        """As the port says; never more than `limit` and one page of the store are in memory."""
        found: list[Stored] = []
        with self._told(prefix):
            for stored in self._page(prefix, after, limit):
                if stored.name > after and fits(stored.name):
                    found.append(stored)
                if len(found) >= limit:
                    break
        return tuple(found)

    def delete(self, name: str) -> bool:
        """As the port says."""
        check_name(name)
        with self._told(name):
            return self._about(name) is not None and self._remove(name)

    def exists(self, name: str) -> bool:
        """As the port says."""
        return self.stat(name) is not None

    @abstractmethod
    def close(self) -> None:
        """As the port says."""

    @abstractmethod
    def _write(self, name: str, source: Bytes, digest: str, if_absent: bool) -> str:
        """Write an object whole and return its etag."""

    @abstractmethod
    def _about(self, name: str) -> Stored | None:
        """What is known of an object."""

    @abstractmethod
    def _facts(self, name: str) -> Facts | None:
        """How an object lies there."""

    @abstractmethod
    def _open(self, name: str, start: int, about: Stored) -> Iterator[bytes]:
        """Its bytes from `start` on, of the very version that `about` describes."""

    @abstractmethod
    def _page(self, prefix: str, after: str, limit: int) -> Iterator[Stored]:
        """Objects in order, from `after` or before; a page is asked for when it is needed."""

    @abstractmethod
    def _remove(self, name: str) -> bool:
        """Remove an object that was there a moment ago."""

    @abstractmethod
    def _failure(self, error: Exception, name: str) -> FairleadError | None:
        """What a library's error means, in our words; None for what is a fault of ours."""

    @abstractmethod
    def _passing(self, error: Exception) -> bool:
        """Whether a read that ended so may go on by another connection."""

    def _must(self, name: str) -> Stored:
        about = self.stat(name)
        if about is None:
            raise ObjectNotFound(f"there is no {self._said(name)}")
        return about

    def _blocks(self, name: str, about: Stored) -> Iterator[bytes]:
        done, failed = 0, 0
        while done < about.bytes:
            try:
                with self._told(name, passing=True):
                    for block in self._open(name, done, about):
                        done, failed = done + len(block), 0
                        yield block
                    if done < about.bytes:
                        raise EOFError
            except _Passing as passed:
                failed += 1
                if failed >= self.terms.attempts:
                    raise StoreFailed(f"{self._said(name)}: the connection broke {failed} times in a row at byte "
                                      f"{done:,} of {about.bytes:,}") from passed  # fmt: skip
                time.sleep(PAUSE_S * 2**failed)

    @contextmanager
    def _told(self, name: str, *, passing: bool = False) -> Iterator[None]:
        try:
            yield
        except FairleadError:
            raise
        except Exception as error:
            if passing and (isinstance(error, EOFError) or self._passing(error)):
                raise _Passing from error
            told = self._failure(error, name)
            if told is None:
                raise
            # What a library says may hold keys and signed addresses.
            raise told from None

    def _key(self, name: str) -> str:
        return self.prefix + name

    def _name(self, key: str) -> str:
        return key[len(self.prefix) :]

    def _said(self, name: str) -> str:
        return f"{self.address}/{name}" if name else self.address


class _Passing(Exception):
    """A read broke off and may go on."""


def words(code: Any, status: int) -> str:
    """What a store's answer means when it is none of the usual ones."""
    return f"the store answered {code or 'an error'}" + (f" ({status})" if status else "")
