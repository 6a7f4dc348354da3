from __future__ import annotations

import os

import pytest
from native_samples import HERE, sealed

from fairlead.runtime.bundle import SigningKey


@pytest.fixture(autouse=True, scope="session")
def importable():
    """The models' processes find the classes of these tests as they would find any project's: on PYTHONPATH."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (HERE, before)))
    yield
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    return SigningKey.create(tmp_path_factory.mktemp("keys") / "seal.key")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, key, importable):
    return sealed(tmp_path_factory.mktemp("native") / "bundle", key)
