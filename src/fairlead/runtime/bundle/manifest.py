"""manifest.json: which files a bundle of format 1 may hold, how large, and the canonical bytes that are its id."""

from __future__ import annotations

import hashlib
import re

import msgspec

from fairlead.contract.errors import BundleRefused
from fairlead.contract.evidence import Lineage, Manifest
from fairlead.runtime.bundle.defaults import by_default

FORMAT = 1
MIB = 1024 * 1024

MANIFEST, SEAL = "manifest.json", "seal.sig"
SIGNATURE, FRONT, REFERENCE = "signature.json", "model/front.json", "reference.json"
GOLDEN, BACKGROUND, PARITY = "golden.jsonl", "background.jsonl", "parity.json"
CARD, REQUIREMENTS = "model_card.md", "requirements.txt"
TAIL_ONNX, TAIL_LINEAR = "model/tail.onnx", "model/tail.json"
CALIBRATION = "model/calibration.json"
NATIVE_FORM, NATIVE_ARTEFACT = "model/native/form.json", "model/native/artefact"

LIMITS: dict[str, int] = {
    MANIFEST: MIB,
    SEAL: 1024,
    SIGNATURE: 16 * MIB,
    FRONT: 64 * MIB,
    TAIL_ONNX: 1024 * MIB,
    TAIL_LINEAR: 64 * MIB,
    CALIBRATION: 4 * MIB,
    NATIVE_FORM: 16 * MIB,
    NATIVE_ARTEFACT: 1024 * MIB,
    REFERENCE: 256 * MIB,
    GOLDEN: 16 * MIB,
    BACKGROUND: 16 * MIB,
    PARITY: MIB,
    CARD: MIB,
    REQUIREMENTS: MIB,
}
"""Every path that a bundle of format 1 may hold, with its largest size in bytes."""

TOTAL = 1280 * MIB
"""Largest size of a bundle, bytes."""

TAILS = (TAIL_ONNX, TAIL_LINEAR)
REQUIRED = frozenset({SIGNATURE, REFERENCE, GOLDEN, BACKGROUND, PARITY, CARD, REQUIREMENTS})
COMPILED, NATIVE = frozenset({FRONT, *TAILS}), frozenset({NATIVE_FORM, NATIVE_ARTEFACT})
"""Files of the two kinds of models: data that is computed with, and code that runs in a process of its own."""

_HASH = re.compile(r"[0-9a-f]{64}")


def sha256(data: bytes) -> str:
    """Hex sha256."""
    return hashlib.sha256(data).hexdigest()


def canonical(thing: object) -> bytes:
    """The one JSON encoding of `thing`: keys sorted, no spaces, defaults left out, so equal content has equal bytes."""
    return encoded(by_default(thing))


def encoded(thing: object) -> bytes:
    """Sorted JSON of `thing`, with what it states: of what was read, the bytes that it was read from."""
    return msgspec.json.encode(thing, order="sorted")


def manifest_of(name: str, files: dict[str, bytes], lineage: Lineage, runtime: str, version: str) -> Manifest:
    """The manifest over these files."""
    hashes = {path: sha256(data) for path, data in files.items()}
    return Manifest(name=name, files=hashes, lineage=lineage, runtime=runtime, runtime_version=version)


def read_manifest(data: bytes) -> Manifest:
    """The manifest in `data`, whose seal has been checked. Raises BundleRefused with the reason."""
    try:
        found = msgspec.json.decode(data, type=_Format)
        if found.format != FORMAT:
            raise BundleRefused(
                f"manifest.json: bundle format {found.format} is not known; this version reads {FORMAT}"
            )
        manifest = msgspec.json.decode(data, type=Manifest)
        if encoded(manifest) != data:
            raise BundleRefused("manifest.json is not in its canonical encoding")
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as why:
        raise BundleRefused(f"manifest.json: {why}") from why
    check_files(manifest)
    return manifest


def check_files(manifest: Manifest) -> None:
    """Raises BundleRefused unless the manifest names just the files that make a bundle."""
    for path, digest in manifest.files.items():
        if path not in LIMITS or path in (MANIFEST, SEAL):
            raise BundleRefused(f"manifest.json names a file that no bundle has: {path[:80]!r}")
        if not _HASH.fullmatch(digest):
            raise BundleRefused(f"manifest.json: the hash of {path} is malformed")
    missing = sorted(REQUIRED - manifest.files.keys())
    if missing:
        raise BundleRefused(f"manifest.json lacks {', '.join(missing)}")
    if native := NATIVE & manifest.files.keys():
        if native != NATIVE or COMPILED & manifest.files.keys():
            raise BundleRefused("a bundle holds one model: a compiled one, or a native form and its artefact")
        return
    if FRONT not in manifest.files:
        raise BundleRefused(f"manifest.json lacks {FRONT}")
    tails = [path for path in TAILS if path in manifest.files]
    if len(tails) != 1:
        raise BundleRefused(f"a bundle has one tail, this has {len(tails)}")


class _Format(msgspec.Struct):
    format: int = 1
