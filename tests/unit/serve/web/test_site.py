"""The pages: escaped, self-contained, under a strict policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest
from tests.browser import served
from tests.unit.serve.web.test_document import ask, plane

from fairlead.contract.signature import Column, Signature
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.web import is_frame
from fairlead.runtime.serve.web.markup import ASSETS
from fairlead.runtime.serve.worker import open_plane

__all__ = ["plane"]
PAGES = ("/docs", "/models/churn", "/models/rides", "/models/species")
EVIL = "\"><script>alert(1)</script>'`&"


@pytest.mark.parametrize("path", PAGES)
def test_pages_are_guarded_and_hold_nothing_inline(plane: DataPlane, path: str) -> None:
    said = ask(plane, "GET", path, accept="text/html")
    assert said.code == 200
    policy = said.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert said.headers["x-content-type-options"] == "nosniff"
    text = said.body.decode()
    assert not re.search(r"<[^>]*\s(on\w+|style)=", text)
    assert re.findall(r"<script[^>]*>", text) == ['<script type="module" src="/assets/site.js">']
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources
    assert not [source for source in sources if not source.startswith(("/", "#")) or source.startswith("//")]
    ids = re.findall(r'\sid="([^"]*)"', text)
    assert len(set(ids)) == len(ids)
    for label in re.findall(r'<label for="([^"]*)"', text):
        assert label in ids


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_assets_come_from_the_package_and_ask_nobody_else(plane: DataPlane, name: str) -> None:
    said = ask(plane, "GET", f"/assets/{name}")
    assert said.code == 200
    assert said.headers["content-type"] == ASSETS[name]
    urls = re.findall(rb"https?://[^\s\"')]+", said.body)
    assert urls in ([], [b"http://www.w3.org/2000/svg"])
    # Transports leave out the body of an answer to HEAD.
    assert ask(plane, "HEAD", f"/assets/{name}").headers["etag"] == said.headers["etag"]
    assert ask(plane, "POST", f"/assets/{name}").code == 405


def test_nothing_in_the_package_is_forgotten() -> None:
    found = {one.name for one in (files("fairlead.runtime.serve.web") / "assets").iterdir()}
    assert found == set(ASSETS)


@pytest.mark.parametrize(
    "path",
    ["/assets/", "/assets/../site.py", "/assets/%2e%2e/site.py", "/assets/site.css/", "/models/none", "/models/"],
)
def test_what_is_not_there_is_404(plane: DataPlane, path: str) -> None:
    assert ask(plane, "GET", path).code == 404


def test_people_read_a_page_about_what_is_not_there(plane: DataPlane) -> None:
    said = ask(plane, "GET", "/models/<i>none", accept="text/html,*/*")
    assert said.code == 404
    assert said.headers["content-type"].startswith("text/html")
    assert b"<i>" not in said.body


def test_frames_are_what_tells_nothing() -> None:
    assert [is_frame(path) for path in ("/", "/docs", "/models/churn", "/assets/site.js")] == [True] * 4
    others = (
        "/openapi.json",
        "/docs/contents",
        "/models/churn/contents",
        "/metrics",
        "/predict/churn",
        "/docs/",
        "/v2",
    )
    assert [is_frame(path) for path in others] == [False] * len(others)


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DataPlane]:
    signature = Signature(
        task="classification",
        target=EVIL,
        columns=(
            Column(EVIL, "category", categories=(EVIL, "b")),
            Column("many" + EVIL, "category", categories=tuple(f"{EVIL}{n}" for n in range(20))),
        ),
        classes=(EVIL, "other"),
        key="key" + EVIL,
        time=("at" + EVIL,),
        timezone="Europe/Berlin",
    )
    monkeypatch.setitem(served.SIGNATURES, "churn", signature)
    monkeypatch.setitem(served.CLOSED, "churn", ())
    root = served.home(tmp_path, "churn")
    made = open_plane(
        0, {"home": str(root), "run": str(root / "run"), "instance": "t", "load": "tests.browser.served:load"}
    )
    yield made
    made.close()


@pytest.mark.parametrize("path", ["/docs", "/models/churn", "/docs/contents", "/models/churn/contents"])
def test_names_are_text_whatever_is_in_them(evil: DataPlane, path: str) -> None:
    said = ask(evil, "GET", path)
    assert said.code == 200
    text = said.body.decode()
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r'="[^"]*"[^\s>/][^>]*>', text), "an attribute that was broken out of"
    assert msgspec.json.decode(ask(evil, "GET", "/openapi.json").body)["openapi"] == "3.1.0"
