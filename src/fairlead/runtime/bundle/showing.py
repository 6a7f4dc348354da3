"""`fairlead inspect`: what is in a bundle, who sealed it, whether it verifies. Executes nothing of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.keys import check_line
from fairlead.runtime.bundle.manifest import CARD, MANIFEST, PARITY, SEAL, SIGNATURE, sha256
from fairlead.runtime.bundle.verifying import read_file, verify


def inspect(folder: str | Path, trusted: Iterable[str]) -> dict[str, Any]:
    """`{bundle, seal {verified, signer, reason}, ...}`; the rest is given only for a bundle that verifies.

    A bundle that does not hold is no error here: `seal.reason` says why, `bundle` is the hash of its
    manifest ("" without one), `signer` who made a valid seal of that manifest (None if nobody did).
    """
    folder = Path(folder)
    keys = tuple(trusted)
    try:
        verified = verify(folder, keys)
    except BundleRefused as why:
        seal = {"verified": False, "signer": _claimed(folder), "reason": str(why)}
        return {"bundle": _identity(folder), "seal": seal}
    manifest, files = verified.manifest, verified.files
    return {
        "bundle": verified.id,
        "seal": {"verified": True, "signer": verified.signer, "reason": None},
        "name": manifest.name,
        "runtime": f"{manifest.runtime} {manifest.runtime_version}".strip(),
        "signature": msgspec.json.decode(files[SIGNATURE]),
        "lineage": msgspec.to_builtins(manifest.lineage),
        "parity": msgspec.json.decode(files[PARITY]),
        "contents": {path: len(data) for path, data in sorted(files.items())},
        "model_card": files[CARD].decode("utf-8", "replace"),
    }


def signer_of(folder: str | Path) -> str:
    """The hex public key that sealed the bundle in `folder`; says nothing about whether to trust it.

    Raises BundleRefused if there is no valid seal of its manifest.
    """
    data = read_file(Path(folder), MANIFEST)
    signer, reason = check_line(read_file(Path(folder), SEAL), data, None)
    if reason is not None:
        raise BundleRefused(reason)
    return signer


def _claimed(folder: Path) -> str | None:
    try:
        return signer_of(folder)
    except BundleRefused:
        return None


def _identity(folder: Path) -> str:
    try:
        return sha256(read_file(folder, MANIFEST))
    except BundleRefused:
        return ""
