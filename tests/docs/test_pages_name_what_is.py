"""Every verb, option, setting, extra and file that a how-to names is there: cheap, for all pages at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from tests import verified
from tests.docs.pages import HOW_TO, ROOT, SHELLS, blocks, calls, prose

PAGES = sorted(path.stem for path in HOW_TO.glob("*.md"))


@pytest.fixture(scope="module")
def program() -> Any:
    """The whole program, as click knows it."""
    from fairlead.doors.cli.main import app

    return typer.main.get_command(app)


@pytest.fixture(scope="module")
def targets() -> dict[str, Any]:
    """What can be exported, with the options of each target."""
    from fairlead.doors.python.exporting import targets

    return {one["target"]: one["options"] for one in targets()}


def said(page: str) -> Iterator[tuple[str, list[str]]]:
    """Every call of the program on a page, with its place."""
    for block in blocks(page):
        for command in block.commands:
            for words in calls(command.words):
                yield block.place, words
    for span in prose(page):
        for words in calls(span):
            yield f"docs/how-to/{page}.md", words


def wrong(program: Any, words: list[str]) -> str:
    """What in the words of a call is not there; "" where all of it is."""
    command, context = program, typer.Context(program, info_name="fairlead")
    rest = list(words)
    while rest and (rest[0] in ("-C", "--project")):
        rest = rest[2:]
    while rest and hasattr(command, "list_commands") and not rest[0].startswith("-"):
        name = rest.pop(0)
        if re.fullmatch(r"[A-Z]+|…|\.\.\.", name):  # stands for any verb
            return ""
        found = command.get_command(context, name)
        if found is None:
            return f"there is no verb {name}"
        command = found
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    for word in rest:
        option = word.split("=")[0]
        if re.match(r"--?[a-z]", option) and option not in known:
            return f"{command.name} has no {option}"
    return ""


@pytest.mark.parametrize("page", PAGES)
def test_verbs_and_options_are_there(page: str, program: Any) -> None:
    found = [f"{place}: fairlead {' '.join(words)}: {wrong(program, words)}" for place, words in said(page)
             if wrong(program, words)]  # fmt: skip
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_what_exports_are_told_is_there(page: str, targets: dict[str, Any]) -> None:
    for place, words in said(page):
        if words[:1] != ["export"] or len(words) < 2 or words[1].startswith("-") or words[1].isupper():
            continue
        assert words[1] in targets, f"{place}: nothing exports {words[1]}"
        told = [words[n + 1] for n, word in enumerate(words[:-1]) if word == "--set"]
        for one in told:
            assert one.split("=")[0] in targets[words[1]], f"{place}: {words[1]} is not told {one}"


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_there(page: str) -> None:
    from fairlead.ops.project.reading import sections

    known = sections()
    for block in blocks(page):
        if block.language != "toml" or block.note[0] == "file":
            continue
        for table, keys in tomllib.loads(block.text).items():
            if not isinstance(keys, dict):  # the page says in words of which table the key is
                assert any(table in one for one in known.values()), f"{block.place}: nothing has the key {table}"
                continue
            assert table in known, f"{block.place}: there is no [{table}]"
            unknown = set(keys) - set(known[table])
            assert not unknown, f"{block.place}: [{table}] has no {', '.join(sorted(unknown))}"


@pytest.mark.parametrize("page", PAGES)
def test_extras_and_other_pages_are_there(page: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (HOW_TO / f"{page}.md").read_text()
    for names in re.findall(r"fairlead\[([a-z,]+)\]", text):
        assert set(names.split(",")) <= set(project["optional-dependencies"]), names
    for link in re.findall(r"\]\(([^)#:]+\.md)(?:#[^)]*)?\)", text):
        assert (HOW_TO / link).resolve().is_file(), link
    for kind, told in (block.note for block in blocks(page)):
        if kind == "run by":
            assert (ROOT / told).is_file(), told
    for file in re.findall(r"`((?:tests|docs|src|benchmarks)/[\w/.-]+\.\w+)`", text):
        assert (ROOT / file).exists() or file.startswith("tests/behaviour."), file  # a project's own


@pytest.mark.parametrize("page", sorted({page for pages in verified.PAGES.values() for page in pages}))
def test_pages_of_systems_are_followed(page: str) -> None:
    """By a long test beside this one, or one of its own."""
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*page*.py"))
    assert f'"{page}"' in tests or f"how-to/{page}.md" in tests, page


@pytest.mark.parametrize("page", PAGES)
def test_commands_say_what_language_they_are(page: str) -> None:
    for block in blocks(page):
        assert block.language in SHELLS or not re.match(r"(\$ )?(fairlead|kubectl|pip|export) ", block.text), (
            block.place
        )


def test_a_page_that_names_what_is_not_there_is_told(program: Any, tmp_path: Path) -> None:
    for line, words in {
        "fairlead trian": "no verb trian", "fairlead train --sped 3": "no --sped", "X=1 fairlead keys creat": "no verb",
        "cd x && fairlead deploy 3 --canary 5%": "",
    }.items():  # fmt: skip
        (found,) = calls(line)
        assert words in wrong(program, found), line


def test_rooms_offer_what_is_in_them() -> None:
    """`room.module.name` and, behind it, `.name`: the module holds the name."""
    source = ROOT / "src" / "fairlead"
    files = {".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
             for path in source.rglob("*.py")}  # fmt: skip
    wrong = []
    for line in (ROOT / "docs" / "explanation" / "rooms.md").read_text().splitlines():
        module = ""
        for span in re.findall(r"`([^`]+)`", line.split("|")[1]) if line.startswith("| `") else ():
            found = re.match(r"((?:[a-z]\w*\.)+)?(\.?)([A-Za-z]\w*)", span)
            if found is None:  # what something answers, an address
                continue
            module = (found[1] or "")[:-1] or (module if found[2] else "")
            held = [files[name] for name in files if module and f".{name}".endswith(f".{module}")]
            beside = [files[name] for name in files if f".{name}".endswith(f".{module}.{found[3]}")]
            if held and not beside and not any(re.search(rf"\b{found[3]}\b", path.read_text()) for path in held):
                wrong.append(f"{module}: {found[3]}")
    assert not wrong
