"""Generated documents are what the program would generate now."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from generate import GENERATED, ROOT, VARIABLES, configuration


@pytest.mark.parametrize("path", list(GENERATED), ids=lambda p: p.name)
def test_generated_document_is_not_stale(path: Path) -> None:
    assert path.read_text() == GENERATED[path](), f"{path.name} is stale: run `make docs`"


def test_settings_are_told_as_they_are_written() -> None:
    told = configuration().partition("## In the environment")[0]
    rows = [line.split(" | ") for line in told.splitlines() if line.startswith("| `")]
    python = re.compile(r"Literal|Union|Optional|NoneType|<class|tuple|dict|null|\bstr\b|\bint\b|fairlead\.")
    assert len(rows) > 150
    assert not [row[0] for row in rows if python.search(f"{row[1]} {row[2]}")]


def test_every_variable_that_a_page_names_is_told() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs" / "how-to").glob("*.md")]
    named = {name for page in pages for name in re.findall(r"\bFAIRLEAD_[A-Z_]+\b", page.read_text())}
    of_pipelines = {name for name in named if re.match(r"FAIRLEAD_(AWS|GCP|AZURE|COMMENT)_", name)}
    assert {name for name in named - of_pipelines if "__" not in name} == set(VARIABLES)
