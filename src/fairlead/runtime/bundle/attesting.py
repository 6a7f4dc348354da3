"""Signed statements about a bundle, kept apart from it: `<root>/<bundle>/<sha256 of the statement>.json` and `.sig`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fairlead.contract.errors import BundleRefused, FormatUnknown, UsageError
from fairlead.contract.evidence import Attestation
from fairlead.runtime.bundle.keys import SigningKey, check_line, signed_line
from fairlead.runtime.bundle.manifest import canonical, sha256
from fairlead.runtime.bundle.sealing import write

FORMAT = 1
_ID = re.compile(r"[0-9a-f]{64}")
_LIMIT = 16 * 1024 * 1024
# So that a signed attestation can never pass for a sealed manifest, nor the other way round.
_DOMAIN = b"fairlead attestation 1\n"


def attest(root: str | Path, attestation: Attestation, key: SigningKey) -> Path:
    """Sign and store a statement; returns its path. Storing the same statement twice changes nothing."""
    if not _ID.fullmatch(attestation.bundle):
        raise UsageError("an attestation names its bundle by 64 hex characters")
    data = canonical(attestation)
    folder = Path(root) / attestation.bundle
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{sha256(data)}.json"
    # The signature first: a statement that can be seen can be checked, even after a crash between the two.
    write(path.with_suffix(".sig"), signed_line(key, _DOMAIN + data))
    write(path, data)
    return path


def attestations(root: str | Path, bundle: str, trusted: Iterable[str]) -> list[Attestation]:
    """All statements about a bundle, oldest first.

    Raises BundleRefused naming the first that does not hold (signature, key, content
    or subject): an invalid statement is a sign of tampering, never skipped.
    """
    folder = Path(root) / bundle
    if not _ID.fullmatch(bundle) or not folder.is_dir():
        return []
    keys = tuple(trusted)
    paths = sorted(entry.path for entry in os.scandir(folder) if entry.name.endswith(".json") and entry.name[0] != ".")
    found = [_read(Path(path), bundle, keys) for path in paths]
    return sorted(found, key=lambda a: (a.at, a.kind))


def _read(path: Path, bundle: str, trusted: tuple[str, ...]) -> Attestation:
    name = f"attestation {path.stem[:16]}"
    try:
        data = path.open("rb").read(_LIMIT + 1)
        line = path.with_suffix(".sig").open("rb").read(1024)
    except OSError as why:
        raise BundleRefused(f"{name}: {why.strerror}") from why
    if len(data) > _LIMIT:
        raise BundleRefused(f"{name}: larger than {_LIMIT} bytes")
    _, reason = check_line(line, _DOMAIN + data, trusted)
    if reason is not None:
        raise BundleRefused(f"{name}: {reason.replace('manifest', 'statement')}")
    try:
        attestation = msgspec.json.decode(data, type=Attestation)
    except (msgspec.MsgspecError, RecursionError) as why:
        raise BundleRefused(f"{name}: {why}") from why
    if attestation.format != FORMAT:
        raise FormatUnknown(f"{name}: format {attestation.format} is not known; this version reads {FORMAT}")
    if attestation.bundle != bundle or sha256(data) != path.stem:
        raise BundleRefused(f"{name}: it is about another bundle, or was renamed")
    return attestation
