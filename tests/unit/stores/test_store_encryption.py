"""What a store is told to encrypt by reaches it with every way of writing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.ports.object_stores import moto

from fairlead.contract.errors import UsageError
from fairlead.contract.stores import StoreTerms
from fairlead.ops.stores import store_of


@pytest.mark.verified(
    "stores",
    "Amazon S3, server-side encryption",
    how="emulated",
    by="moto's server: SSE-S3 and SSE-KMS of small objects and of parts, as it tells them",
)
def test_s3_is_told_by_what_to_encrypt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    with moto() as (port, environ):
        for name, value in {**environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}.items():
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="kept")
        key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
        for kind, own in (("AES256", ""), ("aws:kms", key)):
            store = store_of("s3://kept/x", StoreTerms(part_bytes=5 << 20, encrypt=kind, key=own))
            store.put("small", b"x")
            store.put("large", os.urandom((5 << 20) + 1))
            for name in ("small", "large"):
                head = s3.head_object(Bucket="kept", Key=f"x/{name}")
                assert head["ServerSideEncryption"] == kind
                assert head.get("SSEKMSKeyId", "") == own
            assert len(store.read("large")) == (5 << 20) + 1


@pytest.mark.parametrize(
    ("address", "terms"),
    [
        ("s3://b/x", StoreTerms(encrypt="scope", key="k")),
        ("hdfs://h:1/x", StoreTerms(encrypt="AES256")),
    ],
)
def test_what_a_store_does_not_encrypt_by_is_said(address: str, terms: StoreTerms) -> None:
    with pytest.raises(UsageError, match="encrypts by"):
        store_of(address, terms)
