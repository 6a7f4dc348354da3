"""What a store's credentials must allow and no more, for each cloud, from the calls that the stores make.

The tables below name the permission of each call; a test reads the stores' source and holds that no call is missing
and none is there for nothing. `reader` is what replicas that only fetch bundles need, the rest is for who writes.
"""

from __future__ import annotations

from typing import Any

S3_CALLS = {
    "head_object": "s3:GetObject",
    "get_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "put_object": "s3:PutObject",
    "create_multipart_upload": "s3:PutObject",
    "upload_part": "s3:PutObject",
    "complete_multipart_upload": "s3:PutObject",
    "list_parts": "s3:ListMultipartUploadParts",
    "abort_multipart_upload": "s3:AbortMultipartUpload",
    "delete_object": "s3:DeleteObject",
}
_BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
AZURE_CALLS = {
    "get_blob_properties": f"{_BLOBS}/read",
    "download_blob": f"{_BLOBS}/read",
    "list_blobs": f"{_BLOBS}/read",
    "get_block_list": f"{_BLOBS}/read",
    "upload_blob": f"{_BLOBS}/write",
    "stage_block": f"{_BLOBS}/write",
    "commit_block_list": f"{_BLOBS}/write",
    "delete_blob": f"{_BLOBS}/delete",
}
GCS_CALLS = {
    "get_blob": "storage.objects.get",
    "download_as_bytes": "storage.objects.get",
    "list_blobs": "storage.objects.list",
    "upload_from_string": "storage.objects.create",
    "upload_from_file": "storage.objects.create",
    "compose": "storage.objects.create",
    # An object that replaces one asks for this, too.
    "delete": "storage.objects.delete",
}
_READS = ("get", "head", "list_objects", "list_blobs", "download")


def s3_policy(bucket: str, prefix: str = "", *, key: str = "", reader: bool = False) -> dict[str, Any]:
    """An IAM policy for `s3://bucket/prefix`. key: ARN of the KMS key that it is encrypted by, "" for none of yours."""
    under = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    actions = [action for action in _wanted(S3_CALLS, reader) if action != "s3:ListBucket"]
    listing: dict[str, Any] = {
        "Sid": "List", "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": f"arn:aws:s3:::{bucket}",
    }  # fmt: skip
    if under:
        # IfExists: to be told that an object is not there, and not that it is refused, asks for s3:ListBucket too, in a
        # call that has no prefix.
        listing["Condition"] = {"StringLikeIfExists": {"s3:prefix": [f"{under}*"]}}
    objects = {
        "Sid": "Objects", "Effect": "Allow", "Action": actions, "Resource": f"arn:aws:s3:::{bucket}/{under}*",
    }  # fmt: skip
    statements = [objects, listing]
    if key:
        # Parts of a multipart upload are decrypted when it is completed.
        asked = ["kms:Decrypt"] if reader else ["kms:Decrypt", "kms:GenerateDataKey"]
        statements.append({"Sid": "Key", "Effect": "Allow", "Action": asked, "Resource": key})
    return {"Version": "2012-10-17", "Statement": statements}


def azure_role(scope: str, *, reader: bool = False) -> dict[str, Any]:
    """A custom role of Azure. scope: id of the container, or of the account."""
    return {
        "Name": "Fairlead store, reading" if reader else "Fairlead store",
        "IsCustom": True,
        "Description": "Objects of Fairlead: bundles, records, backups",
        "Actions": [],
        "NotActions": [],
        "DataActions": _wanted(AZURE_CALLS, reader),
        "NotDataActions": [],
        "AssignableScopes": [scope],
    }


def gcs_role(*, reader: bool = False) -> dict[str, Any]:
    """A custom role of Google Cloud, as `gcloud iam roles create --file` takes it."""
    return {
        "title": "Fairlead store, reading" if reader else "Fairlead store",
        "description": "Objects of Fairlead: bundles, records, backups",
        "stage": "GA",
        "includedPermissions": _wanted(GCS_CALLS, reader),
    }


def _wanted(calls: dict[str, str], reader: bool) -> list[str]:
    reads = {permission for call, permission in calls.items() if call.startswith(_READS)}
    return sorted({permission for permission in calls.values() if not reader or permission in reads})
