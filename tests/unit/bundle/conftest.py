"""Small sealed bundles, made without training anything."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bundle_samples import LINEAGE, files, write_files

from fairlead.runtime.bundle import SigningKey, seal


@pytest.fixture(scope="session")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("keys") / "seal.key")


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Path:
    """A sealed bundle; tests that change it take `copied`."""
    folder = write_files(tmp_path_factory.mktemp("sealed") / "bundle", files())
    seal(folder, "churn", LINEAGE, "linear", "2.4.6", key)
    return folder


@pytest.fixture
def copied(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "bundle"))
