"""What the tests of streams share: a data plane with a deployed stand-in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.runtime.serve.worker import Worker

sys.path.insert(0, str(Path(__file__).parent.parent / "serve"))

import asking


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A worker of a home with a deployed stand-in."""
    asking.bundles(tmp_path)
    asking.deploy(tmp_path)
    one = Worker(0, asking.settings(tmp_path))
    yield one
    one.plane.close()
