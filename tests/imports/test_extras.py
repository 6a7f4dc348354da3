"""What is told to be installed can be installed: an extra of that name, with that library in it."""

from __future__ import annotations

import ast
import re
import tomllib

import pytest
from tests.conftest import ROOT

EXTRAS: dict[str, list[str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def told() -> list[tuple[str, str, str]]:
    """(module, library, extra) of every `MissingExtra` whose words are in the source."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MissingExtra":
                words = [word.value for word in node.args if isinstance(word, ast.Constant)]
                if len(words) == 2:
                    found.append((path.stem, str(words[0]), str(words[1])))
    return found


@pytest.mark.parametrize(("module", "library", "extra"), told(), ids=lambda word: str(word))
def test_a_missing_library_comes_with_the_extra_that_is_named(module: str, library: str, extra: str) -> None:
    assert extra in EXTRAS
    assert any(wanted.startswith(library) for wanted in EXTRAS[extra]), f"{library} is not in {extra}"


@pytest.mark.parametrize("extra", ["skops", "torch", "boosting", "grpc", "telemetry"])
def test_what_a_bundle_can_be_made_of_has_its_extra(extra: str) -> None:
    assert extra in {extra for _, _, extra in told()}


def test_no_cure_names_a_package_instead_of_an_extra() -> None:
    loose = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "src").rglob("*.py")
        if "pip install" in re.sub(r"pip install (--no-cache-dir )?['\"]fairlead\[", "", path.read_text())
    ]
    assert loose == []
