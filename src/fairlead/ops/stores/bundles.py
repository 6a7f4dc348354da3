"""Bundles in a store, each file an object under the bundle's id, the manifest last; this machine's folder is a cache.

A bundle is in the store when its manifest is: whoever dies before leaves files that nobody takes for a bundle. What is
fetched is held to the id (the hash of the manifest) and to the hashes in the manifest before it becomes a bundle here;
its seal is checked where it is loaded, as ever.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fairlead.contract.errors import BundleNotFound, BundleRefused, ObjectNotFound, StoreFailed
from fairlead.contract.stores import Store, walk
from fairlead.runtime.bundle import BundleStore
from fairlead.runtime.bundle.manifest import LIMITS, MANIFEST, SEAL, read_manifest, sha256
from fairlead.runtime.bundle.verifying import names_in, read_file

STATEMENTS = "attestations"
_ID = re.compile(r"[0-9a-f]{64}")
_STATEMENT = re.compile(r"[0-9a-f]{64}\.(json|sig)")
_STATEMENT_BYTES = 16 << 20


class StoredBundles(BundleStore):
    """A `BundleStore` whose bundles lie in a store. root: the cache; attestations: the folder of signed statements."""

    def __init__(self, root: str | Path, store: Store, attestations: Path) -> None:
        super().__init__(root)
        self.store, self._statements = store, attestations
        self._sent: dict[str, frozenset[str]] = {}  # statements about each bundle that this process saw there

    def path(self, bundle: str) -> Path:
        """The bundle's folder here, fetched if need be. Raises BundleNotFound, BundleRefused, StoreFailed."""
        try:
            return super().path(bundle)
        except BundleNotFound:
            if not _ID.fullmatch(bundle):
                raise
        self.fetch(bundle)
        return super().path(bundle)

    def __call__(self, bundle: str) -> Path:
        """As `path`: what the data plane asks for."""
        return self.path(bundle)

    def add(self, folder: str | Path) -> str:
        """As of every store. It is here in any case; a store that does not answer gets it from `send_all` later."""
        bundle = super().add(folder)
        # `behind` says what the store lacks, and every collection tries again.
        with suppress(StoreFailed):
            self.send(bundle)
        return bundle

    def send(self, bundle: str) -> None:
        """Put a bundle and the statements about it into the store, as far as they are not there. Raises StoreFailed."""
        folder, told = super().path(bundle), frozenset(path.name for path in self._told(bundle))
        if self._sent.get(bundle) == told:
            return
        if not self.store.exists(f"{bundle}/{MANIFEST}"):
            for name in sorted(names_in(folder) - {MANIFEST}):
                self.store.put(f"{bundle}/{name}", read_file(folder, name))
            self.store.put(f"{bundle}/{MANIFEST}", read_file(folder, MANIFEST), sha256=bundle)
        there = {stored.name for stored in walk(self.store, f"{STATEMENTS}/{bundle}/")}
        # Signatures first, as they are written here.
        for path in sorted(self._told(bundle), key=lambda p: (p.suffix != ".sig", p.name)):
            name = f"{STATEMENTS}/{bundle}/{path.name}"
            if name not in there:
                self.store.put(name, path.read_bytes())
        self._sent[bundle] = told

    def send_all(self) -> int:
        """`send` for every bundle that is here; how many were sent that the store did not have. Raises StoreFailed."""
        behind = self.behind()
        for bundle in super().ids():
            self.send(bundle)
        return len(behind)

    def behind(self) -> tuple[str, ...]:
        """Bundles that are here and not in the store. Raises StoreFailed."""
        here = [bundle for bundle in super().ids() if bundle not in self._sent]
        return tuple(bundle for bundle in here if not self.store.exists(f"{bundle}/{MANIFEST}"))

    def there(self) -> tuple[str, ...]:
        """The ids of all bundles in the store, sorted. Raises StoreFailed."""
        found = (stored.name.partition("/") for stored in walk(self.store))
        return tuple(sorted({bundle for bundle, _, name in found if name == MANIFEST and _ID.fullmatch(bundle)}))

    def fetch(self, bundle: str) -> None:
        """Bring a bundle and the statements about it here. Raises BundleNotFound, BundleRefused, StoreFailed."""
        try:
            manifest = self.store.read(f"{bundle}/{MANIFEST}", limit=LIMITS[MANIFEST])
        except ObjectNotFound:
            raise BundleNotFound(f"there is no bundle {bundle!r} in {self.store.address}") from None
        if sha256(manifest) != bundle:
            raise BundleRefused(f"bundle {bundle[:12]} in {self.store.address}: its manifest is another's")
        files = {**read_manifest(manifest).files}
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.root) as name:
            folder = Path(name) / "bundle"
            for path, digest in files.items():
                self._file(bundle, path, folder, digest)
            self._file(bundle, SEAL, folder, "")
            (folder / MANIFEST).write_bytes(manifest)
            super().add(folder)
        self.fetch_statements(bundle)

    def fetch_statements(self, bundle: str) -> None:
        """Bring what was stated about a bundle here; who reads it holds each to its signature. Raises StoreFailed."""
        listed = walk(self.store, f"{STATEMENTS}/{bundle}/")
        found = [one.name.rpartition("/")[2] for one in listed if one.bytes <= _STATEMENT_BYTES]
        for name in sorted(filter(_STATEMENT.fullmatch, found), key=lambda n: (not n.endswith(".sig"), n)):
            to = self._statements / bundle / name
            if not to.exists():
                self.store.get(f"{STATEMENTS}/{bundle}/{name}", to)

    def _file(self, bundle: str, path: str, folder: Path, digest: str) -> None:
        try:
            data = self.store.read(f"{bundle}/{path}", limit=LIMITS[path], sha256=digest)
        except ObjectNotFound:
            raise BundleRefused(f"bundle {bundle[:12]} in {self.store.address} lacks {path}") from None
        to = folder / path
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(data)

    def _told(self, bundle: str) -> Iterator[Path]:
        folder = self._statements / bundle
        if folder.is_dir():
            yield from (p for p in folder.iterdir() if _STATEMENT.fullmatch(p.name)
                        and p.stat().st_size <= _STATEMENT_BYTES)  # fmt: skip
