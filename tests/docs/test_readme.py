"""The README says what the program does: its commands exist, its links lead somewhere, its numbers are measured."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from benchmarks.readme import written

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@cache
def verbs() -> set[str]:
    """Every verb of the program."""
    import typer

    from fairlead.doors.cli.main import app

    group = typer.main.get_command(app)
    return set(group.list_commands(typer.Context(group)))  # type: ignore[attr-defined, arg-type]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_documents_exist(page: Path) -> None:
    known = verbs()
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S):
        for verb in re.findall(r"^fairlead (?:-C \S+ )?([a-z]+)", block, re.M):
            assert verb in known, f"{page.name}: fairlead {verb} does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_every_page_is_linked_from_another() -> None:
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
        if not target.startswith(("http:", "https:", "mailto:")) and (page.parent / target).resolve() != page
    }
    assert not [str(page.relative_to(ROOT)) for page in PAGES[1:] if page.resolve() not in linked]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_settings_that_are_named_exist(page: Path) -> None:
    from fairlead.ops.project.reading import sections

    known = sections()
    for section, key in re.findall(r"`\[(\w+)\] (\w+)", page.read_text()):
        assert key in known.get(section, ()), f"{page.name}: there is no [{section}] {key}"


def test_numbers_come_from_the_results() -> None:
    assert written(TEXT) == TEXT, "run `python -m benchmarks.readme`"


def test_every_extra_is_told_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = TEXT.partition("| extra | for |")[2].partition("\n\n")[0]
    told = [name for row in rows.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]
    assert sorted(told) == sorted(set(project["optional-dependencies"]) - {"dev", "long"})


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z-]+)`?", TEXT):
        assert re.search(rf"^{target}:", makefile, re.M), f"make {target} does not exist"
