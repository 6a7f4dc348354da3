"""Where bundles lie: one folder each, named by its id."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from fairlead.contract.errors import BundleNotFound, BundleRefused
from fairlead.runtime.bundle.manifest import MANIFEST, sha256
from fairlead.runtime.bundle.verifying import names_in, read_file

_ID = re.compile(r"[0-9a-f]{64}")


class BundleStore:
    """A folder of bundles. Adding is one rename, so a bundle is there whole or not at all."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def path(self, bundle: str) -> Path:
        """The folder of a bundle. Raises BundleNotFound."""
        if not _ID.fullmatch(bundle) or not (self.root / bundle / MANIFEST).is_file():
            raise BundleNotFound(f"there is no bundle {bundle[:64]!r} in the store")
        return self.root / bundle

    __call__ = path

    def ids(self) -> tuple[str, ...]:
        """The ids of all bundles, sorted."""
        if not self.root.is_dir():
            return ()
        found = (entry.name for entry in os.scandir(self.root) if _ID.fullmatch(entry.name))
        return tuple(sorted(name for name in found if (self.root / name / MANIFEST).is_file()))

    def add(self, folder: str | Path) -> str:
        """Put a sealed folder into the store and return its id; adding what is there already changes nothing.

        The folder is copied beside its place, made durable and renamed. The seal is checked at loading, not here.
        Raises BundleRefused if the folder is no bundle.
        """
        folder = Path(folder)
        names = names_in(folder)
        if MANIFEST not in names:
            raise BundleRefused(f"there is no {MANIFEST}")
        files = {name: read_file(folder, name) for name in sorted(names)}
        bundle = sha256(files[MANIFEST])
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f".add-{bundle[:16]}-{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        try:
            _write_all(temporary, files)
            self._place(temporary, bundle)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return bundle

    def _place(self, temporary: Path, bundle: str) -> None:
        try:
            os.rename(temporary, self.root / bundle)
        except OSError:
            # A rename onto a folder with content fails: it is there already, or another process was first.
            if not (self.root / bundle / MANIFEST).is_file():
                raise
        _sync_folder(self.root)

    def remove(self, bundle: str) -> None:
        """Remove a bundle. Raises BundleNotFound."""
        # Renamed first, so that a reader never finds half a bundle under its id.
        gone = self.root / f".gone-{bundle[:16]}-{os.getpid()}"
        os.rename(self.path(bundle), gone)
        shutil.rmtree(gone, ignore_errors=True)


def _write_all(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir()
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    for inner in {(folder / name).parent for name in files}:
        _sync_folder(inner)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
