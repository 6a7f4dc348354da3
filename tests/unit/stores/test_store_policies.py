"""The written policies: of every call that is made and no other, enough for all of it, and each part needed."""

from __future__ import annotations

import ast
import json
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import ROOT
from tests.ports.object_stores import moto

from fairlead.contract.errors import StoreFailed
from fairlead.contract.stores import StoreTerms
from fairlead.ops.stores import policies, store_of

TERMS = StoreTerms(part_bytes=5 << 20, timeout_s=10.0, attempts=1)


def calls_in(module: str, known: dict[str, str]) -> set[str]:
    """Which methods of a cloud's client a store calls, of those that could be ones."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / "src/fairlead/ops/stores" / module).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if owner == "self._s3" or node.func.attr in known:
                found.add(node.func.attr)
    return found - {"close"}


@pytest.mark.parametrize(
    ("module", "known"),
    [("s3.py", policies.S3_CALLS), ("azure.py", policies.AZURE_CALLS), ("google.py", policies.GCS_CALLS)],
)
def test_policies_are_of_the_calls_that_are_made(module: str, known: dict[str, str]) -> None:
    assert calls_in(module, known) == set(known)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Callable[[dict[str, Any]], None]]:
    """An S3 that enforces IAM: call it with a policy to be who it is given to from then on."""
    with moto() as (port, environ), pytest.MonkeyPatch.context() as patch:
        endpoint = f"http://127.0.0.1:{port}"
        for name, value in {**environ, "AWS_ENDPOINT_URL": endpoint}.items():
            patch.setenv(name, value)
        import boto3

        boto3.client("s3").create_bucket(Bucket="kept")
        iam = boto3.client("iam")
        iam.create_user(UserName="fairlead")
        key = iam.create_access_key(UserName="fairlead")["AccessKey"]

        def enforce(free_calls: str) -> None:
            request = urllib.request.Request(
                f"{endpoint}/moto-api/reset-auth", free_calls.encode(), {"Content-Type": "text/plain"}, method="POST"
            )
            urllib.request.urlopen(request, timeout=10).close()

        def become(policy: dict[str, Any]) -> None:
            enforce("1000")
            for statement in policy["Statement"]:
                # moto refuses whatever has a condition, as it knows no s3:prefix.
                statement.pop("Condition", None)
            iam.put_user_policy(UserName="fairlead", PolicyName="store", PolicyDocument=json.dumps(policy))
            patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
            patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
            enforce("0")

        yield become
        enforce("1000")


def use_all(store: Any, folder: Path) -> None:
    """Everything that a store does: small and large, begun anew over what another upload left."""
    store.put("small", b"x")
    large = os.urandom((5 << 20) + 1)
    left = store._key(".fairlead-uploads/left")
    with store._told("large"):
        note = store._begun("large", left, "0" * 64, 5 << 20)
        again = store._begun("large", left, "1" * 64, 5 << 20)
    assert again.upload != note.upload
    store.put("large", large)
    assert store.read("large") == large
    store.get("small", folder / "out")
    assert [one.name for one in store.list()] == ["large", "small"]
    assert store.delete("small")
    assert store.stat("small") is None


@pytest.mark.verified(
    "stores",
    "Amazon S3, least-privilege policy",
    how="emulated",
    by="moto's IAM: enough for every call, and refused without each of four of its actions",
)
def test_the_policy_for_s3_is_enough(guarded: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    guarded(policies.s3_policy("kept", "fairlead"))
    use_all(store_of("s3://kept/fairlead", TERMS), tmp_path)


# moto asks nobody whether they may abort an upload or list its parts.
@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"])
def test_without_one_of_its_actions_it_is_not(
    action: str, guarded: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    policy = policies.s3_policy("kept", "fairlead")
    for statement in policy["Statement"]:
        statement["Action"] = [one for one in statement["Action"] if one != action] or ["s3:GetBucketLocation"]
    guarded(policy)
    with pytest.raises(StoreFailed, match="access is refused to"):
        use_all(store_of("s3://kept/fairlead", TERMS), tmp_path)


def test_a_reader_reads_and_does_not_write(guarded: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    guarded(policies.s3_policy("kept", "read"))
    store_of("s3://kept/read", TERMS).put("bundle", b"sealed")
    guarded(policies.s3_policy("kept", "read", reader=True))
    store = store_of("s3://kept/read", TERMS)
    assert store.read("bundle") == b"sealed"
    assert len(store.list()) == 1
    for act in (lambda: store.put("bundle", b"forged"), lambda: store.delete("bundle")):
        with pytest.raises(StoreFailed, match="access is refused"):
            act()


def test_what_is_written_in_the_page_is_what_is_generated() -> None:
    page = (ROOT / "docs/how-to/object-stores.md").read_text()
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234"
    scope = ("/subscriptions/SUBSCRIPTION/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/ACCOUNT"
             "/blobServices/default/containers/CONTAINER")  # fmt: skip
    for made in (policies.s3_policy("BUCKET", "churn", key=key), policies.azure_role(scope), policies.gcs_role()):
        assert json.dumps(made, indent=2) in page
