"""Google Cloud Storage, by Google's own library (extra `gcp`).

Who asks is where Google's tools look for it: GOOGLE_APPLICATION_CREDENTIALS, workload identity, `gcloud auth`. Larger
objects go up as up to 32 parts under `.fairlead-uploads`, which GCS then composes at one instant; whoever puts the same
bytes again finds which parts are there, by their CRC32C. (A resumable session could go on only by its address, which
lets anyone write who holds it.)
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import google_crc32c
import requests
import urllib3.exceptions
from google.api_core import exceptions as failures
from google.api_core.retry import Retry
from google.auth import exceptions as unauthorised
from google.cloud import storage

from fairlead.contract.errors import FairleadError, ObjectDamaged, ObjectExists, StoreFailed, UsageError
from fairlead.contract.stores import LIST_LIMIT, Facts, Stored, StoreTerms
from fairlead.ops.stores.checking import Bytes
from fairlead.ops.stores.remote import META, UPLOADS, RemoteStore, words

MOST_PARTS = 32
_CHUNK = 4 << 20
_BROKEN = (
    requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError, ConnectionError, TimeoutError,
)  # fmt: skip


class GoogleStore(RemoteStore):
    """Port `store`, `gs`."""

    def __init__(self, place: str, shown: str, terms: StoreTerms) -> None:
        super().__init__(place, shown, terms)
        if terms.encrypt not in ("", "kms") or (terms.encrypt and not terms.key):
            raise UsageError(f"{self.address}: GCS encrypts by kms, with a key's name as key, not {terms.encrypt!r}")
        with self._told(""):
            self._client: Any = storage.Client()
        self._bucket = self._client.bucket(self.bucket)
        again = Retry(initial=0.2, maximum=5.0, timeout=terms.timeout_s * terms.attempts, predicate=_over_soon)
        self._how: dict[str, Any] = {"timeout": (min(terms.timeout_s, 10.0), terms.timeout_s), "retry": again}

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def _write(self, name: str, source: Bytes, digest: str, if_absent: bool) -> str:
        if if_absent and self._about(name) is not None:
            raise ObjectExists(f"{self._said(name)} is there already")
        blob = self._bucket.blob(self._key(name), kms_key_name=self.terms.key or None)
        blob.metadata = {META: digest}
        fresh = {"if_generation_match": 0} if if_absent else {}
        if source.size <= self.terms.part_bytes:
            body = source.part(0, source.size)
            blob.upload_from_string(body, "application/octet-stream", checksum="crc32c", **fresh, **self._how)
            return str(blob.generation)
        parts = self._send_parts(f"{name}\0{digest}", source)
        blob.content_type = "application/octet-stream"
        blob.compose(parts, **fresh, **self._how)
        for part in parts:
            with suppress(failures.NotFound):
                part.delete(**self._how)
        return str(blob.generation)

    def _send_parts(self, whole: str, source: Bytes) -> list[Any]:
        stem = self._key(f"{UPLOADS}/{hashlib.sha256(whole.encode()).hexdigest()[:32]}/")
        size = max(self.terms.part_bytes, -(-source.size // MOST_PARTS))
        listed = self._client.list_blobs(self._bucket, prefix=stem, max_results=MOST_PARTS, **self._how)
        there = {part.name: (part.size, part.crc32c) for part in listed}
        parts = []
        for number, start in enumerate(range(0, source.size, size)):
            count = min(size, source.size - start)
            # Of its size, too: parts may have been cut otherwise before.
            part = self._bucket.blob(f"{stem}{number:02d}-{size}", kms_key_name=self.terms.key or None)
            if part.name not in there or there[part.name] != (count, _crc32c(source, start, count)):
                part.upload_from_file(
                    io.BufferedReader(_Part(source, start, count), _CHUNK), size=count, checksum="crc32c",
                    content_type="application/octet-stream", **self._how,
                )  # fmt: skip
            parts.append(part)
        return parts

    def _about(self, name: str) -> Stored | None:
        found = self._bucket.get_blob(self._key(name), **self._how)
        return None if found is None else _stored(name, found)

    def _facts(self, name: str) -> Facts | None:
        found = self._bucket.get_blob(self._key(name), **self._how)
        if found is None:
            return None
        key = str(found.kms_key_name or "")
        return Facts(found.updated.timestamp() if found.updated else 0.0, "kms" if key else "", key)

    def _open(self, name: str, start: int, about: Stored) -> Iterator[bytes]:
        blob = self._bucket.blob(self._key(name))
        for at in range(start, about.bytes, _CHUNK):
            end = min(at + _CHUNK, about.bytes) - 1
            # The hash of all of it is held at the end; a part has none of its own.
            yield blob.download_as_bytes(
                start=at, end=end, if_generation_match=int(about.etag), checksum=None, raw_download=True, **self._how
            )

    def _page(self, prefix: str, after: str, limit: int) -> Iterator[Stored]:
        pages = self._client.list_blobs(
            self._bucket, prefix=self._key(prefix) or None, start_offset=self._key(after) if after else None,
            page_size=min(LIST_LIMIT, limit + 1), fields="items(name,size,generation,metadata),nextPageToken",
            **self._how,
        )  # fmt: skip
        for found in pages:
            yield _stored(self._name(found.name), found)

    def _remove(self, name: str) -> bool:
        try:
            self._bucket.blob(self._key(name)).delete(**self._how)
        except failures.NotFound:
            return False
        return True

    def _failure(self, error: Exception, name: str) -> FairleadError | None:
        said = self._said(name)
        if isinstance(error, failures.PreconditionFailed):
            return ObjectExists(f"{said} is there already, or was written anew meanwhile")
        if isinstance(error, failures.Forbidden | failures.Unauthorized):
            return StoreFailed(f"{said}: access is refused; docs/how-to/object-stores.md has the role that is needed")
        if isinstance(error, failures.NotFound):
            return StoreFailed(f"{self.address}: there is no bucket {self.bucket}, or no such object any more")
        if isinstance(error, unauthorised.GoogleAuthError):
            return StoreFailed(f"{self.address}: no credentials for it in the environment")
        if isinstance(error, failures.GoogleAPICallError):
            return StoreFailed(f"{said}: {words(type(error).__name__, int(error.code or 0))}")
        if isinstance(error, (*_BROKEN, failures.RetryError)):
            return StoreFailed(f"{said}: the store does not answer ({type(error).__name__})")
        if "checksum" in type(error).__name__.lower() or type(error).__name__ == "DataCorruption":
            return ObjectDamaged(f"{said}: its bytes were changed on the way")
        return None

    def _passing(self, error: Exception) -> bool:
        return isinstance(error, (*_BROKEN, failures.RetryError))


class _Part(io.RawIOBase):
    """Some bytes of a source, as a file that can be read again from any place."""

    def __init__(self, source: Bytes, start: int, count: int) -> None:
        self._source, self._start, self._count, self._at = source, start, count, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + {0: 0, 1: self._at, 2: self._count}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        body = self._source.part(self._start + self._at, min(len(buffer), self._count - self._at))
        buffer[: len(body)] = body
        self._at += len(body)
        return len(body)


def _over_soon(error: BaseException) -> bool:
    kinds = (failures.TooManyRequests, failures.InternalServerError, failures.BadGateway, failures.ServiceUnavailable)
    return isinstance(error, (*kinds, failures.GatewayTimeout, *_BROKEN))


def _crc32c(source: Bytes, start: int, count: int) -> str:
    digest: Any = google_crc32c.Checksum()  # type: ignore[no-untyped-call,unused-ignore]
    for block in source.blocks(start, count):
        digest.update(block)
    return base64.b64encode(digest.digest()).decode()


def _stored(name: str, found: Any) -> Stored:
    return Stored(name, int(found.size or 0), str(found.generation or ""), (found.metadata or {}).get(META, ""))
