"""A real browser (Debian's chromium, by playwright) before a real server; what it complains about is a failure."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser.served import home, server

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """For a module, as playwright keeps an event loop running for as long as it is open: no other test may meet it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium (Debian package chromium) is missing")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address and home of a server with every model of `served`."""
    root = home(tmp_path_factory.mktemp("home"))
    with server(root) as url:
        yield url, root


class Tab:
    """A page with what it asked for and complained about."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.expected: set[str] = set()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))
        # Violations of the policy are events, too, and some of them nothing else.
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error('policy: ' + e.violatedDirective))"
        )

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"} and not any(known in message.text for known in self.expected):
            self.complaints.append(message.text)

    def close(self, origin: str) -> None:
        self.context.close()
        assert self.complaints == []
        assert [url for url in self.asked if not url.startswith(origin + "/")] == []


@pytest.fixture
def tab(chromium: Any, served: tuple[str, Path]) -> Iterator[Tab]:
    made = Tab(chromium)
    yield made
    made.close(served[0])
