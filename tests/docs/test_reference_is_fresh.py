"""Generated documents are what the program would generate now."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from generate import GENERATED


@pytest.mark.parametrize("path", list(GENERATED), ids=lambda p: p.name)
def test_generated_document_is_not_stale(path: Path) -> None:
    assert path.read_text() == GENERATED[path](), f"{path.name} is stale: run `make docs`"
