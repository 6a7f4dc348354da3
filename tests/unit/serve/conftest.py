"""A home with two stand-ins and one of them deployed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import asking


@pytest.fixture
def home(tmp_path: Path) -> Path:
    asking.bundles(tmp_path)
    asking.deploy(tmp_path)
    return tmp_path
