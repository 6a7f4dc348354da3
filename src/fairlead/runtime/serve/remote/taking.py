"""Bundles from a control plane: every byte is hashed on the way, and a bundle is in the store whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from fairlead.contract.errors import BundleNotFound, BundleRefused, RemoteError
from fairlead.contract.routes import Routes
from fairlead.runtime.bundle import BundleStore
from fairlead.runtime.bundle.keys import check_line
from fairlead.runtime.bundle.manifest import LIMITS, MANIFEST, SEAL, TOTAL, read_manifest
from fairlead.runtime.serve.remote.source import Source

_ID = re.compile(r"[0-9a-f]{64}")
_MARK = ".fetched-"
_ASIDE = re.compile(r"\.fetch-[0-9a-f]{16}-[0-9]+")


class _Hashed(io.RawIOBase):
    """A file that knows the hash and size of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)


def bundles_of(routes: Routes) -> tuple[str, ...]:
    """The bundles that these routes name."""
    return tuple(dict.fromkeys(taken.bundle for route in routes.routes for taken in route.variants))


def take_bundles(source: Source, store: BundleStore, routes: Routes) -> int:
    """Fetch what the store lacks; how many. Raises BundleRefused, RemoteError; the store is as whole as before."""
    missing = lacking(store, routes)
    for bundle in missing:
        _take(source, store, bundle, routes.trusted)
    return len(missing)


def lacking(store: BundleStore, routes: Routes) -> tuple[str, ...]:
    """The bundles of these routes that are not in the store."""
    return tuple(bundle for bundle in bundles_of(routes) if not (store.root / bundle / MANIFEST).is_file())


def _take(source: Source, store: BundleStore, bundle: str, trusted: Iterable[str]) -> None:
    if not _ID.fullmatch(bundle):
        raise BundleRefused("routes: a bundle is not named by 64 hex characters")
    store.root.mkdir(parents=True, exist_ok=True)
    aside = store.root / f".fetch-{bundle[:16]}-{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        manifest = _file(source, aside, bundle, MANIFEST, bundle)
        seal = _file(source, aside, bundle, SEAL, "")
        _, reason = check_line(seal.read_bytes(), manifest.read_bytes(), trusted)
        if reason is not None:
            raise BundleRefused(f"bundle {bundle[:12]}: {reason}")
        total = 0
        for name, digest in read_manifest(manifest.read_bytes()).files.items():
            total += _file(source, aside, bundle, name, digest).stat().st_size
            if total > TOTAL:
                raise BundleRefused(f"bundle {bundle[:12]}: larger than {TOTAL} bytes")
        # The mark first: a bundle that came from elsewhere may go again, one that was made here may not.
        (store.root / f"{_MARK}{bundle}").touch()
        if store.add(aside) != bundle:
            raise BundleRefused(f"bundle {bundle[:12]}: is another one")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _file(source: Source, aside: Path, bundle: str, name: str, digest: str) -> Path:
    if name not in LIMITS:
        raise BundleRefused(f"bundle {bundle[:12]}: a file that no bundle has: {name[:80]!a}")
    path = aside / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        hashed = _Hashed(file)
        status = source.get(f"bundles/{bundle}/{name}", hashed, LIMITS[name]).status  # type: ignore[arg-type]
    if status != 200:
        raise RemoteError(f"bundle {bundle[:12]}: {name} is answered with {status}")
    if digest and hashed.digest.hexdigest() != digest:
        raise BundleRefused(f"bundle {bundle[:12]}: {name} is not what was sealed: its hash differs")
    return path


def sweep(store: BundleStore) -> None:
    """Remove what fetches left that were killed. For who alone fetches into this store."""
    if store.root.is_dir():
        for left in [entry.path for entry in os.scandir(store.root) if _ASIDE.fullmatch(entry.name)]:
            shutil.rmtree(left, ignore_errors=True)


def let_go(store: BundleStore, kept: Iterable[str]) -> tuple[str, ...]:
    """Remove bundles that were fetched and that nobody needs any more; which. Those made here stay."""
    wanted, gone = set(kept), []
    for mark in sorted(store.root.glob(f"{_MARK}*")):
        bundle = mark.name.removeprefix(_MARK)
        if bundle in wanted:
            continue
        with contextlib.suppress(BundleNotFound):
            store.remove(bundle)
        mark.unlink(missing_ok=True)
        gone.append(bundle)
    return tuple(gone)
