"""Verifying: what is in the folder, whose seal it bears, and that every byte is what was sealed. Constructs nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fairlead.contract.errors import BundleRefused
from fairlead.contract.evidence import Manifest
from fairlead.runtime.bundle.keys import check_line
from fairlead.runtime.bundle.manifest import LIMITS, MANIFEST, SEAL, TOTAL, read_manifest, sha256

FOLDERS = frozenset(path[:at] for path in LIMITS for at, letter in enumerate(path) if letter == "/")
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class Verified(msgspec.Struct, frozen=True):
    """A bundle whose seal and hashes hold. files: path -> the very bytes that were hashed; read nothing again."""

    id: str
    signer: str
    manifest: Manifest
    files: dict[str, bytes]


def verify(folder: str | Path, trusted: Iterable[str]) -> Verified:
    """Check limits, links, names, seal and hashes of the bundle in `folder`.

    trusted: hex Ed25519 public keys. The bytes are read once and returned, so what
    was checked is what is used, whatever happens to the folder meanwhile.
    Raises BundleRefused with the reason. Nothing is parsed before its seal or hash holds.
    """
    folder = Path(folder)
    names = names_in(folder)
    for needed in (MANIFEST, SEAL):
        if needed not in names:
            raise BundleRefused(f"there is no {needed}")
    data = read_file(folder, MANIFEST)
    signer, reason = check_line(read_file(folder, SEAL), data, trusted)
    if reason is not None:
        raise BundleRefused(reason)
    manifest = read_manifest(data)
    stated = {MANIFEST, SEAL, *manifest.files}
    if extra := sorted(names - stated):
        raise BundleRefused(f"files that the manifest does not name: {', '.join(extra)}")
    if missing := sorted(stated - names):
        raise BundleRefused(f"files that the manifest names are missing: {', '.join(missing)}")
    return Verified(sha256(data), signer, manifest, _hashed(folder, manifest))


def _hashed(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for path, digest in manifest.files.items():
        content = read_file(folder, path)
        total += len(content)
        if total > TOTAL:
            raise BundleRefused(f"the bundle is larger than {TOTAL} bytes")
        if sha256(content) != digest:
            raise BundleRefused(f"{path} is not what was sealed: its hash differs")
        files[path] = content
    return files


def names_in(folder: Path) -> set[str]:
    """Paths of the files in `folder`, each one that a bundle may hold. Raises BundleRefused for anything else."""
    try:
        top = os.stat(folder, follow_symlinks=False)
    except OSError as why:
        raise BundleRefused(f"the bundle cannot be read: {why.strerror}") from why
    if not stat.S_ISDIR(top.st_mode):
        raise BundleRefused("a bundle is a folder, this is not one")
    found: set[str] = set()
    try:
        _list(folder, "", found)
    except OSError as why:
        raise BundleRefused(f"the bundle cannot be read: {why.strerror}") from why
    return found


def _list(folder: Path, prefix: str, found: set[str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            shown = ascii(path[:80])
            if entry.is_symlink():
                raise BundleRefused(f"{shown} is a link")
            if entry.is_dir(follow_symlinks=False):
                # Folders by name: depth and count are bounded by the list of what may be there.
                if path not in FOLDERS:
                    raise BundleRefused(f"a folder that no bundle has: {shown}")
                _list(folder / entry.name, f"{path}/", found)
            elif not entry.is_file(follow_symlinks=False):
                raise BundleRefused(f"{shown} is not a plain file")
            elif path not in LIMITS:
                raise BundleRefused(f"a file that no bundle has: {shown}")
            else:
                found.add(path)


def read_file(folder: Path, path: str) -> bytes:
    """The bytes of one file of a bundle. Raises BundleRefused if it is no plain single-linked file within its limit."""
    limit = LIMITS[path]
    try:
        descriptor = os.open(folder / path, _READ)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BundleRefused(f"{path} is not a plain file")
            if status.st_nlink != 1:
                raise BundleRefused(f"{path} is a hard link: its content could be changed from elsewhere")
            if status.st_size > limit:
                raise BundleRefused(f"{path} has {status.st_size} bytes, the limit is {limit}")
            data = file.read(limit + 1)
    except OSError as why:
        raise BundleRefused(f"{path} cannot be read: {why.strerror}") from why
    if len(data) > limit:
        raise BundleRefused(f"{path} grew beyond the limit of {limit} bytes while it was read")
    return data
