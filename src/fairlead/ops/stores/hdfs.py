"""HDFS by WebHDFS (extra `clouds`): files under their names, the hash an attribute of the file.

A file is written under a name of its own in `.fairlead-uploads`, gets its hash as an attribute, and is renamed, which
a NameNode does at one instant. A writer that was killed left the beginning of its bytes there: whoever puts them again
goes on behind it, after reading it back. When a DataNode dies under a write, it is made again, whole.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator

from fairlead.contract.errors import FairleadError, ObjectDamaged, ObjectExists, StoreFailed, UsageError
from fairlead.contract.stores import RESERVED, Facts, Stored, StoreTerms
from fairlead.lab.tables.webhdfs import Hadoop
from fairlead.ops.stores.checking import Bytes
from fairlead.ops.stores.remote import META, PAUSE_S, UPLOADS, RemoteStore

HELD = ("AlreadyBeingCreatedException", "RecoveryInProgressException")
_STALE_S = 24 * 3600.0


class HdfsStore(RemoteStore):
    """Port `store`, `hdfs`."""

    def __init__(self, place: str, shown: str, terms: StoreTerms) -> None:
        super().__init__(place, shown.partition("?")[0], terms)
        if terms.encrypt:
            raise UsageError(f"{self.address}: HDFS encrypts by zones of the cluster, not by {terms.encrypt!r}")
        self._hadoop = Hadoop(place, timeout_s=terms.timeout_s, attempts=terms.attempts)
        self._root = self._hadoop.path
        self._swept = False

    def close(self) -> None:
        """Let go of connections."""
        self._hadoop.close()

    def _write(self, name: str, source: Bytes, digest: str, if_absent: bool) -> str:
        if if_absent and self._about(name) is not None:
            raise ObjectExists(f"{self._said(name)} is there already")
        self._sweep()
        # Begun where another writer of these bytes may have begun; what fails is made anew, elsewhere.
        stem = hashlib.sha256(f"{name}\0{digest}".encode()).hexdigest()[:32]
        target, aside = self._path(name), self._path(f"{UPLOADS}/{stem}")
        for attempt in range(1, self.terms.attempts + 1):
            try:
                self._send(aside, source)
                self._hadoop.note(aside, META, digest)
                self._hadoop.make_folder(target.rpartition("/")[0] or "/")
                self._hadoop.rename(aside, target, replace=not if_absent)
                break
            except Exception as error:
                again = self._hadoop.passing(error) or isinstance(error, ObjectDamaged | FileNotFoundError)
                if attempt == self.terms.attempts or not again:
                    raise
                # A DataNode closes what a killed writer left a moment later; from then on it can be gone on with.
                if getattr(error, "kind", "") not in HELD or attempt + 1 == self.terms.attempts:
                    aside = self._path(f"{UPLOADS}/{stem}-{secrets.token_hex(4)}")
                time.sleep(PAUSE_S * 2**attempt)
        return str(self._hadoop.info(target)["etag"])

    def _send(self, aside: str, source: Bytes) -> None:
        there = self._beginning(aside, source)
        if there == 0:
            self._hadoop.create(aside, _Body(source, 0))
        elif there < source.size:
            self._hadoop.append(aside, _Body(source, there))
        found = self._size(aside)
        if found != source.size:
            raise ObjectDamaged(f"{self.address}: {found or 0:,} of {source.size:,} bytes arrived")

    def _size(self, path: str) -> int | None:
        try:
            return int(self._hadoop.info(path)["size"])
        except FileNotFoundError:
            return None

    def _beginning(self, aside: str, source: Bytes) -> int:
        """How many bytes of the source lie there already, read back; 0 if what lies there is something else."""
        if not 0 < (self._size(aside) or 0) <= source.size:
            return 0
        there, here, count = hashlib.sha256(), hashlib.sha256(), 0
        for block in self._hadoop.blocks(aside):
            there.update(block)
            count += len(block)
        for block in source.blocks(0, count):
            here.update(block)
        return count if there.digest() == here.digest() else 0

    def _about(self, name: str) -> Stored | None:
        try:
            about = self._hadoop.info(self._path(name))
            if about["type"] != "file":
                return None
            return Stored(name, about["size"], about["etag"], self._hadoop.noted(self._path(name), META))
        except FileNotFoundError:
            return None

    def _facts(self, name: str) -> Facts | None:
        try:
            about = self._hadoop.info(self._path(name))
        except FileNotFoundError:
            return None
        return Facts(about["mtime"] / 1000) if about["type"] == "file" else None

    def _open(self, name: str, start: int, about: Stored) -> Iterator[bytes]:
        if start and self._hadoop.info(self._path(name))["etag"] != about.etag:
            raise ObjectDamaged(f"{self._said(name)}: it was written anew while it was read; read it again")
        yield from self._hadoop.part(self._path(name), start)

    def _page(self, prefix: str, after: str, limit: int) -> Iterator[Stored]:
        # Down from the folder that the prefix names, so that its neighbours are not looked at.
        return self._below(f"{prefix.rpartition('/')[0]}/" if "/" in prefix else "", prefix, after)

    def _below(self, inner: str, prefix: str, after: str) -> Iterator[Stored]:
        try:
            found = self._hadoop.listing(self._path(inner.rstrip("/")))
        except FileNotFoundError:
            return
        keyed = {one["name"] + "/" * (one["type"] == "directory"): one for one in found if one["name"]}
        for own in sorted(keyed):
            name = inner + own
            if own.startswith(RESERVED):
                continue
            if not own.endswith("/"):
                if name.startswith(prefix):
                    yield Stored(name, keyed[own]["size"], keyed[own]["etag"])
            elif (name.startswith(prefix) or prefix.startswith(name)) and name >= after[: len(name)]:
                yield from self._below(name, prefix, after)

    def _remove(self, name: str) -> bool:
        return self._hadoop.remove(self._path(name))

    def _sweep(self) -> None:
        """Once a process: what writers left a day ago and nobody took up."""
        if self._swept:
            return
        self._swept = True
        try:
            for left in self._hadoop.listing(self._path(UPLOADS)):
                if time.time() - left["mtime"] / 1000 > _STALE_S:
                    self._hadoop.remove(self._path(f"{UPLOADS}/{left['name']}"))
        except FileNotFoundError:
            return

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}".rstrip("/") or "/"

    def _failure(self, error: Exception, name: str) -> FairleadError | None:
        said = self._said(name)
        if isinstance(error, FileExistsError):
            return ObjectExists(f"{said} is there already")
        if isinstance(error, PermissionError):
            return StoreFailed(f"{said}: access is refused: to which user does Hadoop give it?")
        if isinstance(error, ConnectionError) or type(error).__module__.startswith("requests"):
            return StoreFailed(f"{said}: Hadoop does not answer ({type(error).__name__})")
        if isinstance(error, OSError):
            return StoreFailed(f"{said}: Hadoop says {error}")
        return None

    def _passing(self, error: Exception) -> bool:
        return self._hadoop.passing(error)


class _Body:
    """The bytes of a source from `start` on, sent with their number before them."""

    def __init__(self, source: Bytes, start: int) -> None:
        self._source, self._start = source, start

    def __len__(self) -> int:
        return self._source.size - self._start

    def __iter__(self) -> Iterator[bytes]:
        return self._source.blocks(self._start)
