"""Sealing: the manifest over the files in a folder, and the signature over the manifest."""

from __future__ import annotations

import os
from pathlib import Path

from fairlead.contract.errors import BundleRefused
from fairlead.contract.evidence import Lineage
from fairlead.runtime.bundle.keys import SigningKey, signed_line
from fairlead.runtime.bundle.manifest import LIMITS, MANIFEST, SEAL, canonical, check_files, manifest_of, sha256
from fairlead.runtime.bundle.verifying import names_in, read_file


def seal(folder: str | Path, name: str, lineage: Lineage, runtime: str, runtime_version: str, key: SigningKey) -> str:
    """Write manifest.json and seal.sig over the files already in `folder`; returns the bundle's id (hex).

    The same files, name and lineage give the same id. Raises BundleRefused if the
    folder holds what no bundle holds, or lacks what each must have.
    """
    folder = Path(folder)
    files: dict[str, bytes] = {}
    for path in names_in(folder):
        if path not in (MANIFEST, SEAL):
            files[path] = read_file(folder, path)
    manifest = manifest_of(name, files, lineage, runtime, runtime_version)
    check_files(manifest)
    data = canonical(manifest)
    if len(data) > LIMITS[MANIFEST]:
        raise BundleRefused(f"the manifest would have {len(data)} bytes, the limit is {LIMITS[MANIFEST]}")
    write(folder / MANIFEST, data)
    write(folder / SEAL, signed_line(key, data))
    return sha256(data)


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, durable before its name appears."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
