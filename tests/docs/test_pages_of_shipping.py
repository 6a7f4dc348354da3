"""docs/how-to pages of what is shipped: their commands, in their order, on the churn project."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.reader import Reader

pytestmark = pytest.mark.long


@pytest.mark.parametrize("page", ["docker", "kubernetes", "kserve", "terraform", "cloudformation", "ci"])
def test_what_the_page_exports_is_exported(page: str, shop: Path) -> None:
    Reader(page, shop).follow_all()
