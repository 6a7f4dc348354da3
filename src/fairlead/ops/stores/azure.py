"""Azure Blob Storage, by Azure's own library (extra `azure`).

Which account, and who asks, are where Azure's tools look for them: AZURE_STORAGE_CONNECTION_STRING, or
AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, or what DefaultAzureCredential finds (a managed
identity, `az login`). Larger objects are staged block by block and committed: a block is named by the hash of its
bytes, so whoever puts the same bytes again finds which are there.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from typing import Any

from azure.core import MatchConditions
from azure.core import exceptions as failures
from azure.storage.blob import BlobBlock, BlobServiceClient

from fairlead.contract.errors import FairleadError, ObjectDamaged, ObjectExists, StoreFailed, UsageError
from fairlead.contract.stores import LIST_LIMIT, Facts, Stored, StoreTerms
from fairlead.ops.stores.checking import Bytes
from fairlead.ops.stores.remote import META, RemoteStore, words

MOST_BLOCKS = 50_000
_CHUNK = 4 << 20


class AzureStore(RemoteStore):
    """Port `store`, `az`."""

    def __init__(self, place: str, shown: str, terms: StoreTerms) -> None:
        container, _, rest = place.partition("/")
        container, _, host = container.partition("@")
        super().__init__(f"{container}/{rest}", shown, terms)
        if terms.encrypt not in ("", "scope") or (terms.encrypt and not terms.key):
            raise UsageError(f"{self.address}: Azure encrypts by a scope, with its name as key, not {terms.encrypt!r}")
        self._scope = {"encryption_scope": terms.key} if terms.encrypt else {}
        try:
            with self._told(""):
                self._service = _service(host, terms, self.address)
                self._container: Any = self._service.get_container_client(container)
        except ValueError:
            raise UsageError(f"{self.address}: is no container of Azure, as az://container@host/folder.") from None

    def close(self) -> None:
        """Let go of connections."""
        self._service.close()

    def _write(self, name: str, source: Bytes, digest: str, if_absent: bool) -> str:
        blob, told = self._container.get_blob_client(self._key(name)), {META: digest}
        if source.size <= self.terms.part_bytes:
            done = blob.upload_blob(
                source.part(0, source.size), length=source.size, overwrite=not if_absent, metadata=told,
                validate_content=True, **self._scope,
            )  # fmt: skip
            return str(done["etag"]).strip('"')
        if if_absent and self._about(name) is not None:
            raise ObjectExists(f"{self._said(name)} is there already")
        size = max(self.terms.part_bytes, -(-source.size // MOST_BLOCKS))
        there = self._staged(blob)
        blocks = []
        for number, start in enumerate(range(0, source.size, size)):
            body = source.part(start, size)
            block = _block(number, body)
            if there.get(block) != len(body):
                blob.stage_block(block, body, length=len(body), validate_content=True, **self._scope)
            blocks.append(BlobBlock(block))
        fresh = {"etag": "*", "match_condition": MatchConditions.IfMissing} if if_absent else {}
        done = blob.commit_block_list(blocks, metadata=told, **fresh, **self._scope)
        return str(done["etag"]).strip('"')

    def _staged(self, blob: Any) -> dict[str, int]:
        try:
            _, staged = blob.get_block_list("all")
        except failures.ResourceNotFoundError:
            return {}
        return {block.id: block.size for block in staged}

    def _about(self, name: str) -> Stored | None:
        try:
            found = self._container.get_blob_client(self._key(name)).get_blob_properties()
        except failures.ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise
            return None
        return _stored(name, found)

    def _facts(self, name: str) -> Facts | None:
        try:
            found = self._container.get_blob_client(self._key(name)).get_blob_properties()
        except failures.ResourceNotFoundError as error:
            if _code(error) == "ContainerNotFound":
                raise
            return None
        scope = str(found.encryption_scope or "")
        return Facts(found.last_modified.timestamp(), "scope" if scope else "", scope)

    def _open(self, name: str, start: int, about: Stored) -> Iterator[bytes]:
        blob = self._container.get_blob_client(self._key(name))
        for at in range(start, about.bytes, _CHUNK):
            count = min(_CHUNK, about.bytes - at)
            unchanged = {"etag": f'"{about.etag}"', "match_condition": MatchConditions.IfNotModified}
            yield blob.download_blob(offset=at, length=count, **unchanged).readall()

    def _page(self, prefix: str, after: str, limit: int) -> Iterator[Stored]:
        # Azure begins at the first name of a prefix: to go on behind `after` is to be told those before it again.
        pages = self._container.list_blobs(
            name_starts_with=self._key(prefix) or None, include=["metadata"], results_per_page=min(LIST_LIMIT, limit)
        )
        for found in pages:
            yield _stored(self._name(found.name), found)

    def _remove(self, name: str) -> bool:
        try:
            self._container.get_blob_client(self._key(name)).delete_blob()
        except failures.ResourceNotFoundError:
            return False
        return True

    def _failure(self, error: Exception, name: str) -> FairleadError | None:
        said = self._said(name)
        code, status = _code(error), int(getattr(error, "status_code", 0) or 0)
        if isinstance(error, failures.ResourceExistsError):
            return ObjectExists(f"{said} is there already")
        if isinstance(error, failures.ResourceModifiedError):
            return ObjectDamaged(f"{said}: it was written anew while it was read; read it again")
        if isinstance(error, failures.ClientAuthenticationError) or status in (401, 403):
            return StoreFailed(f"{said}: access is refused ({code or 'no credentials that hold'}); "
                               "docs/how-to/object-stores.md has the role that is needed")  # fmt: skip
        if code == "ContainerNotFound":
            return StoreFailed(f"{self.address}: there is no container {self.bucket}")
        if code == "Md5Mismatch":
            return ObjectDamaged(f"{said}: its bytes were changed on the way")
        if isinstance(error, failures.HttpResponseError):
            return StoreFailed(f"{said}: {words(code, status)}")
        if isinstance(error, failures.AzureError):
            return StoreFailed(f"{said}: the store does not answer ({type(error).__name__})")
        return None

    def _passing(self, error: Exception) -> bool:
        kinds = (failures.ServiceRequestError, failures.ServiceResponseError, failures.IncompleteReadError)
        return isinstance(error, kinds)


def _service(host: str, terms: StoreTerms, shown: str) -> BlobServiceClient:
    how: dict[str, Any] = {
        "max_single_put_size": max(terms.part_bytes, 4 << 20), "connection_timeout": min(terms.timeout_s, 10.0),
        "read_timeout": terms.timeout_s, "retry_total": terms.attempts - 1, "retry_backoff_factor": 0.2,
    }  # fmt: skip
    if said := os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        try:
            return BlobServiceClient.from_connection_string(said, **how)
        except ValueError:
            raise StoreFailed(f"{shown}: AZURE_STORAGE_CONNECTION_STRING is no connection string") from None
    account = os.environ.get("AZURE_STORAGE_ACCOUNT") or os.environ.get("AZURE_STORAGE_ACCOUNT_NAME")
    if not account and not host:
        raise StoreFailed(f"{shown}: no account: set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING")
    url = f"https://{host.replace('.dfs.', '.blob.') if host else f'{account}.blob.core.windows.net'}"
    key = os.environ.get("AZURE_STORAGE_KEY") or os.environ.get("AZURE_STORAGE_ACCOUNT_KEY")
    token = os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    if key or token:
        return BlobServiceClient(url, credential=key or token, **how)
    from azure.identity import DefaultAzureCredential

    return BlobServiceClient(url, credential=DefaultAzureCredential(), **how)


def _block(number: int, body: bytes) -> str:
    return base64.b64encode(f"{number:05d}-{hashlib.sha256(body).hexdigest()[:40]}".encode()).decode()


def _stored(name: str, found: Any) -> Stored:
    return Stored(name, found.size, str(found.etag).strip('"'), (found.metadata or {}).get(META, ""))


def _code(error: Exception) -> str:
    code = getattr(error, "error_code", "") or ""
    return str(getattr(code, "value", code))
