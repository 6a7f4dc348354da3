"""Generated documents are what the program would generate now."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from generate import GENERATED, configuration


@pytest.mark.parametrize("path", list(GENERATED), ids=lambda p: p.name)
def test_generated_document_is_not_stale(path: Path) -> None:
    assert path.read_text() == GENERATED[path](), f"{path.name} is stale: run `make docs`"


def test_settings_are_told_as_they_are_written() -> None:
    rows = [line.split(" | ") for line in configuration().splitlines() if line.startswith("| `")]
    python = re.compile(r"Literal|Union|Optional|NoneType|<class|tuple|dict|null|\bstr\b|\bint\b|fairlead\.")
    assert len(rows) > 150
    assert not [row[0] for row in rows if python.search(f"{row[1]} {row[2]}")]
