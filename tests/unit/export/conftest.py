"""What tests of exports share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.export.sealed_loans import loans


@pytest.fixture(scope="session")
def loans_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose version 1 may go out. Not to be changed."""
    return loans(tmp_path_factory.mktemp("exports") / "loans")
