"""How the program ends: codes, one line, a file for what nobody foresaw."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.contract import errors
from fairlead.doors.cli.ending import Stopped, ended_well, exit_code, in_words
from fairlead.doors.cli.output import chosen


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> Iterator[Path]:
    """A project with a home; what the options before the verb said."""
    (tmp_path / "fairlead.toml").write_text("")
    (tmp_path / ".fairlead" / "run").mkdir(parents=True)
    before = chosen.folder, chosen.as_json, chosen.when_stopped
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    chosen.folder, chosen.as_json = tmp_path, False
    yield tmp_path
    chosen.folder, chosen.as_json, chosen.when_stopped = before
    for number, handler in handlers.items():
        signal.signal(number, handler)


def ended(failure: BaseException) -> int:
    """The code that the program ends with when this happens."""
    with pytest.raises(SystemExit) as end, ended_well():
        raise failure
    return int(end.value.code)


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (errors.NotAProject("x"), 2),
        (errors.ConfigInvalid("x"), 2),
        (errors.SourceUnreadable("x"), 2),
        (errors.ColumnMissing(["a"], ["a", "b"]), 2),
        (errors.CellInvalid(0, "a", "a text", "numbers"), 2),
        (errors.VersionNotFound("x"), 1),
        (errors.ServerUnreachable("x"), 1),
        (errors.FormatUnknown("x"), 1),
        (errors.BundleRefused("x"), 3),
        (errors.GateFailed("x"), 3),
        (errors.HeldByHuman("x"), 3),
        (errors.Inconclusive("x"), 4),
        (ValueError("x"), 1),
        (OSError(errno.ENOSPC, "No space left on device"), 1),
    ],
)
def test_exit_codes(failure: Exception, code: int) -> None:
    assert exit_code(failure) == code
    assert ended(failure) == code


def test_an_error_is_one_line_and_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    chosen.as_json = True
    assert ended(errors.GateFailed("the gate says [fail]")) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {"error": "the gate says [fail]", "kind": "GateFailed", "exit": 3}
    assert err == "error: the gate says [fail]\n"


def test_what_the_system_refuses_names_the_place() -> None:
    said = in_words(PermissionError(errno.EACCES, "Permission denied", "p/.fairlead/state.db"))
    assert said.startswith("p/.fairlead/state.db: Permission denied.")
    assert "FAIRLEAD_HOME" in said
    full = in_words(OSError(errno.ENOSPC, "No space left on device", "p/table.csv"))
    assert full.startswith("p/table.csv: No space left on device. Make room on that disk")
    assert in_words(OSError(errno.EIO, "Input/output error")) == "Input/output error"
    both = in_words(OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"))
    assert both == "a -> b: Invalid cross-device link"


def test_a_missing_library_is_named_with_its_extra() -> None:
    said = in_words(ModuleNotFoundError("No module named 'sqlalchemy.orm'", name="sqlalchemy.orm"))
    assert said == "sqlalchemy is not installed. Install it with: pip install 'fairlead[studio]'"


def test_the_unforeseen_is_kept_in_the_home(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(KeyError("secret cell")) == 1
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert "secret cell" not in err
    assert "KeyError" in err
    (kept,) = (project / ".fairlead" / "run").glob("accident-*.log")
    assert str(kept) in err.replace("\n", "")
    assert kept.stat().st_mode & 0o077 == 0
    assert "secret cell" in kept.read_text()


def test_the_newest_accidents_stay(project: Path) -> None:
    run = project / ".fairlead" / "run"
    for day in range(10, 30):
        (run / f"accident-202001{day}T000000-1.log").write_text("")
    ended(KeyError("x"))
    left = sorted(p.name for p in run.glob("accident-*.log"))
    assert len(left) == 10
    assert left[0] == "accident-20200121T000000-1.log"


def test_without_a_home_debug_is_offered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "fairlead.toml").unlink()
    assert ended(KeyError("x")) == 1
    assert "FAIRLEAD_DEBUG=1" in capsys.readouterr().err


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FAIRLEAD_DEBUG", "1")
    assert ended(errors.NotAProject("x")) == 2
    assert "Traceback" in capsys.readouterr().err


def interrupted(number: int, left: list[str]) -> None:
    """Work that gets this signal and tidies up."""
    with ended_well():
        try:
            os.kill(os.getpid(), number)
            raise AssertionError("the signal had no effect")
        finally:
            left.append("in order")


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_signals_unwind_and_say_how_to_go_on(number: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    chosen.when_stopped = "`fairlead train` takes it up again"
    left: list[str] = []
    with pytest.raises(SystemExit) as end:
        interrupted(number, left)
    assert end.value.code == code
    assert left
    assert "takes it up again" in capsys.readouterr().err
    assert ended(Stopped(number)) == code
