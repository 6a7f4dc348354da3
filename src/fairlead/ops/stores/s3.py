"""S3 and what speaks its protocol, by botocore (extra `clouds`).

Endpoint, region and credentials are where AWS' own tools look for them: AWS_ENDPOINT_URL, AWS_PROFILE, the instance's
role. Small objects are one PutObject. Larger ones are a multipart upload, whose id lies in a note in the bucket for as
long as it lasts, so that whoever puts the same bytes again goes on with the parts that are there.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import botocore.exceptions as failures
import botocore.session
import msgspec
from botocore.config import Config
from botocore.response import StreamingBody

from fairlead.contract.errors import FairleadError, ObjectDamaged, ObjectExists, StoreFailed, UsageError
from fairlead.contract.stores import Facts, Stored, StoreTerms
from fairlead.ops.stores.checking import BLOCK, Bytes
from fairlead.ops.stores.remote import META, UPLOADS, RemoteStore, words

SMALLEST_PART = 5 << 20
MOST_PARTS = 10_000
_ABSENT = ("404", "NoSuchKey", "NotFound")
_CHANGED = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
_REFUSED = ("403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "Forbidden")
_WRONG = ("BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch")


class Upload(msgspec.Struct, frozen=True):
    """The note of a multipart upload that is under way."""

    name: str
    upload: str
    sha256: str
    part_bytes: int


class S3Store(RemoteStore):
    """Port `store`, `s3`."""

    def __init__(self, place: str, shown: str, terms: StoreTerms) -> None:
        super().__init__(place, shown, terms)
        if terms.encrypt not in ("", "AES256", "aws:kms"):
            raise UsageError(f"{shown}: S3 encrypts by AES256 or aws:kms, not by {terms.encrypt!r}")
        self._encrypt = {"ServerSideEncryption": terms.encrypt} if terms.encrypt else {}
        if terms.encrypt == "aws:kms" and terms.key:
            self._encrypt["SSEKMSKeyId"] = terms.key
        settings = Config(
            connect_timeout=min(terms.timeout_s, 10.0), read_timeout=terms.timeout_s,
            retries={"total_max_attempts": terms.attempts, "mode": "standard"},
            request_checksum_calculation="when_required", response_checksum_validation="when_required",
        )  # fmt: skip
        with self._told(""):
            self._s3: Any = botocore.session.get_session().create_client("s3", config=settings)

    def close(self) -> None:
        """Let go of connections."""
        self._s3.close()

    def _write(self, name: str, source: Bytes, digest: str, if_absent: bool) -> str:
        fresh = {"IfNoneMatch": "*"} if if_absent else {}
        if source.size <= max(self.terms.part_bytes, SMALLEST_PART):
            body = source.part(0, source.size)
            put = self._s3.put_object(
                Bucket=self.bucket, Key=self._key(name), Body=body, Metadata={META: digest},
                ChecksumSHA256=_in_64(hashlib.sha256(body).digest()), **self._encrypt, **fresh,
            )  # fmt: skip
            return str(put["ETag"]).strip('"')
        if if_absent and self._about(name) is not None:
            raise ObjectExists(f"{self._said(name)} is there already")
        size = max(self.terms.part_bytes, SMALLEST_PART, -(-source.size // MOST_PARTS))
        note = self._key(f"{UPLOADS}/{hashlib.sha256(name.encode()).hexdigest()}")
        try:
            etag = self._in_parts(self._begun(name, note, digest, size), source, fresh)
        except failures.ClientError as error:
            if _code(error) != "NoSuchUpload":
                raise
            # Whoever put the same bytes beside us was first, or an answer of ours was lost on the way.
            there = self._about(name)
            if there is not None and there.sha256 == digest:
                etag = there.etag
            else:
                # Ended by a rule of the bucket, or by hand: begun anew.
                self._s3.delete_object(Bucket=self.bucket, Key=note)
                etag = self._in_parts(self._begun(name, note, digest, size), source, fresh)
        self._s3.delete_object(Bucket=self.bucket, Key=note)
        return etag

    def _in_parts(self, upload: Upload, source: Bytes, fresh: dict[str, str]) -> str:
        parts = self._send_parts(upload.name, upload, source)
        done = self._s3.complete_multipart_upload(
            Bucket=self.bucket, Key=self._key(upload.name), UploadId=upload.upload, MultipartUpload={"Parts": parts},
            **fresh,
        )  # fmt: skip
        return str(done["ETag"]).strip('"')

    def _begun(self, name: str, note: str, digest: str, size: int) -> Upload:
        """The upload that is to go on: the one of the note if it is of these bytes, else a new one."""
        with suppress(self._s3.exceptions.NoSuchKey, msgspec.MsgspecError, UnicodeError):
            said = self._s3.get_object(Bucket=self.bucket, Key=note)["Body"].read(1 << 16)
            known = msgspec.json.decode(said, type=Upload)
            if (known.name, known.sha256, known.part_bytes) == (name, digest, size):
                return known
            with suppress(self._s3.exceptions.NoSuchUpload):
                self._s3.abort_multipart_upload(Bucket=self.bucket, Key=self._key(known.name), UploadId=known.upload)
        made = self._s3.create_multipart_upload(
            Bucket=self.bucket, Key=self._key(name), Metadata={META: digest}, ChecksumAlgorithm="SHA256",
            ChecksumType="COMPOSITE", **self._encrypt,
        )  # fmt: skip
        upload = Upload(name, made["UploadId"], digest, size)
        self._s3.put_object(Bucket=self.bucket, Key=note, Body=msgspec.json.encode(upload), **self._encrypt)
        return upload

    def _send_parts(self, name: str, upload: Upload, source: Bytes) -> list[dict[str, Any]]:
        where = {"Bucket": self.bucket, "Key": self._key(name), "UploadId": upload.upload}
        there = {part["PartNumber"]: part for part in self._parts(where)}
        parts = []
        for number, start in enumerate(range(0, source.size, upload.part_bytes), 1):
            body = source.part(start, upload.part_bytes)
            checksum = _in_64(hashlib.sha256(body).digest())
            known = there.get(number)
            # A store that keeps no SHA-256 of parts tells them by their MD5.
            if known is None or not _same(known, body, checksum):
                known = self._s3.upload_part(**where, PartNumber=number, Body=body, ChecksumSHA256=checksum)
            parts.append({"PartNumber": number, "ETag": known["ETag"], "ChecksumSHA256": checksum})
        return parts

    def _parts(self, where: dict[str, Any]) -> Iterator[dict[str, Any]]:
        marker = 0
        while True:
            page = self._s3.list_parts(**where, PartNumberMarker=marker, MaxParts=1000)
            yield from page.get("Parts", [])
            if not page.get("IsTruncated"):
                return
            marker = int(page["NextPartNumberMarker"])

    def _about(self, name: str) -> Stored | None:
        try:
            head = self._s3.head_object(Bucket=self.bucket, Key=self._key(name))
        except failures.ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        known = head.get("Metadata", {}).get(META, "")
        return Stored(name, head["ContentLength"], str(head["ETag"]).strip('"'), known)

    def _facts(self, name: str) -> Facts | None:
        try:
            head = self._s3.head_object(Bucket=self.bucket, Key=self._key(name))
        except failures.ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise
        said = str(head.get("ServerSideEncryption", ""))
        return Facts(head["LastModified"].timestamp(), said, str(head.get("SSEKMSKeyId", "")))

    def _open(self, name: str, start: int, about: Stored) -> Iterator[bytes]:
        part = {"Range": f"bytes={start}-"} if start else {}
        got = self._s3.get_object(Bucket=self.bucket, Key=self._key(name), IfMatch=f'"{about.etag}"', **part)
        body: StreamingBody = got["Body"]
        with body:
            yield from body.iter_chunks(BLOCK)

    def _page(self, prefix: str, after: str, limit: int) -> Iterator[Stored]:
        start = {"StartAfter": self._key(after)} if after else {}
        token: dict[str, str] = {}
        while True:
            page = self._s3.list_objects_v2(
                Bucket=self.bucket, Prefix=self._key(prefix), MaxKeys=min(1000, limit), **start, **token
            )
            for found in page.get("Contents", []):
                yield Stored(self._name(found["Key"]), found["Size"], str(found["ETag"]).strip('"'))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _remove(self, name: str) -> bool:
        self._s3.delete_object(Bucket=self.bucket, Key=self._key(name))
        return True

    def _failure(self, error: Exception, name: str) -> FairleadError | None:
        if isinstance(error, failures.ClientError):
            return self._answered(error, self._said(name))
        if isinstance(error, failures.NoCredentialsError | failures.PartialCredentialsError):
            return StoreFailed(f"{self.address}: no credentials for it in the environment")
        if isinstance(error, failures.NoRegionError):
            return StoreFailed(f"{self.address}: no region: set AWS_DEFAULT_REGION")
        if isinstance(error, failures.BotoCoreError):
            return StoreFailed(f"{self._said(name)}: the store does not answer ({type(error).__name__})")
        return None

    def _answered(self, error: failures.ClientError, said: str) -> FairleadError:
        code, status = _code(error), int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        if code == "NoSuchBucket":
            return StoreFailed(f"{self.address}: there is no bucket {self.bucket}")
        if code in _CHANGED:
            if error.operation_name == "GetObject":
                return ObjectDamaged(f"{said}: it was written anew while it was read; read it again")
            return ObjectExists(f"{said} is there already")
        if code == "RequestTimeTooSkewed":
            return StoreFailed(f"{said}: this machine's clock is minutes off, so the store refuses: let chrony set it")
        if code in _REFUSED:
            return StoreFailed(f"{said}: access is refused to {error.operation_name}; docs/how-to/object-stores.md "
                               "has the policy that is needed")  # fmt: skip
        if code in _WRONG:
            return ObjectDamaged(f"{said}: its bytes were changed on the way ({code})")
        return StoreFailed(f"{said}: {words(code, status)} to {error.operation_name}")

    def _passing(self, error: Exception) -> bool:
        # Of HTTP clients only what a stream that breaks raises; answers with a code are answers.
        kinds = (failures.ResponseStreamingError, failures.IncompleteReadError, failures.HTTPClientError)
        return isinstance(error, (*kinds, ConnectionError, TimeoutError))


def _code(error: failures.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _in_64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _same(known: dict[str, Any], body: bytes, checksum: str) -> bool:
    if known["Size"] != len(body):
        return False
    if "ChecksumSHA256" in known:
        return bool(known["ChecksumSHA256"] == checksum)
    return bool(str(known["ETag"]).strip('"') == hashlib.md5(body, usedforsecurity=False).hexdigest())
