"""What all tests share: the real tables, a deadline for waiting, the program as a process."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# How long an example takes says more of what else the machine does.
settings.register_profile("fairlead", deadline=None)
# `make test` tries the same examples each time, so that a change is refused for what it did; `make test-long`, and
# pytest by hand, look for new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.load_profile("fairlead")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--verified` keeps which systems this run was seen to work with."""
    parser.addoption("--verified", action="store_true", help="write tests/verified.json, see tests/verified.py")


def pytest_configure(config: pytest.Config) -> None:
    """In the process that hears of all results alone."""
    if config.getoption("--verified") and not hasattr(config, "workerinput"):
        from tests.verified import Recorder

        config.pluginmanager.register(Recorder(), "verified")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """What a test shows goes with its result, also to the process that hears of all of them."""
    for mark in item.iter_markers("verified"):
        from tests.verified import told

        item.user_properties.append(("verified", told(mark)))


def pytest_collection_finish() -> None:
    """Thousands of collected tests are no garbage: a collection that walked them would cost each test that asks for
    one most of a second."""
    gc.collect()
    gc.freeze()


ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT.parent / "shared" / "data"


def real_table(name: str) -> Path:
    """A real table, or a skip that names what is missing."""
    path = TABLES / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not here: this test needs it")
    return path


@pytest.fixture(scope="session")
def churn_csv() -> Path:
    """The churn table."""
    return real_table("telco-churn.csv")


@pytest.fixture(scope="session")
def bike_csv() -> Path:
    """The bike-sharing table."""
    return real_table("bike-sharing-hour.csv")


def eventually(check: Callable[[], Any], within_s: float = 60.0, what: str = "the condition") -> Any:
    """The first true answer of `check`; fails with its last answer when there is none in time."""
    deadline = time.monotonic() + within_s
    last = None
    while time.monotonic() < deadline:
        last = check()
        if last:
            return last
        time.sleep(0.02)
    raise AssertionError(f"{what} did not hold within {within_s:.0f} s; last answer: {last!r}")


class Program:
    """`fairlead` in a folder, as a user runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str, expect: int = 0, within_s: float = 1000.0) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end and check the exit code."""
        done = subprocess.run(
            [sys.executable, "-m", "fairlead", *arguments],
            cwd=self.folder, capture_output=True, text=True, timeout=within_s, env=environment(), check=False,
        )  # fmt: skip
        assert done.returncode == expect, (
            f"fairlead {' '.join(arguments)} ended with {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        )
        return done

    def json(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        """Run a verb with --json; its one object."""
        answer: dict[str, Any] = json.loads(self.run(*arguments, "--json", expect=expect).stdout)
        return answer

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a verb that runs until stopped; its output goes to a log in the folder."""
        log = (self.folder / f"{arguments[0]}.log").open("w")
        return subprocess.Popen(
            [sys.executable, "-m", "fairlead", *arguments],
            cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, text=True, env=environment(), start_new_session=True,
        )  # fmt: skip


def environment() -> dict[str, str]:
    """The tests' environment without settings of the person who runs them."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("FAIRLEAD_")}
    return {**kept, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """The program in an empty folder."""
    return Program(tmp_path)
