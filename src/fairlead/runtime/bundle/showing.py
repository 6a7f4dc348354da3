"""`fairlead inspect`: what is in a bundle, who sealed it, whether it verifies. Executes nothing of it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused
from fairlead.runtime.bundle.keys import check_line
from fairlead.runtime.bundle.manifest import CARD, MANIFEST, PARITY, SEAL, SIGNATURE
from fairlead.runtime.bundle.verifying import read_file, verify


def inspect(folder: str | Path, trusted: Iterable[str]) -> dict[str, Any]:
    """`{bundle, seal {verified, signer, reason}, ...}`; the rest is given only for a bundle that verifies.

    Raises nothing for a bundle that does not hold: `seal.reason` says why.
    """
    folder = Path(folder)
    keys = tuple(trusted)
    try:
        verified = verify(folder, keys)
    except BundleRefused as why:
        return {"bundle": None, "seal": {"verified": False, "signer": _signer(folder), "reason": str(why)}}
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


def _signer(folder: Path) -> str | None:
    """The key that a broken bundle claims, if it made a valid seal of the manifest; else None."""
    try:
        signer, reason = check_line(read_file(folder, SEAL), read_file(folder, MANIFEST), ())
    except BundleRefused:
        return None
    return signer if reason is not None and "not trusted" in reason else None
