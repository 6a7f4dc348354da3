"""How the program ends: exit codes, one line for what went wrong, a file for what nobody foresaw, clean stops."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from fairlead import __version__
from fairlead.contract import errors
from fairlead.doors.cli.output import chosen, say_error

EXIT: tuple[tuple[type[Exception], int], ...] = (
    (errors.UsageError, 2),
    (errors.InputInvalid, 2),
    (errors.Refused, 3),
    (errors.Inconclusive, 4),
)
DEBUG = "FAIRLEAD_DEBUG"
KEPT_ACCIDENTS = 10
_CURES = {
    errno.ENOSPC: ". Make room on that disk and try again; `fairlead doctor` says how much is left for the home.",
    errno.EDQUOT: ". Make room within this user's quota and try again.",
    errno.EROFS: ". Its disk is mounted read-only: mount it to be written, or let FAIRLEAD_HOME name another folder.",
    errno.EMFILE: ". Too many files are open: raise the limit (`ulimit -n`).",
}
OURS = "fairlead"


class Stopped(SystemExit):
    """A signal asked for the end. Not an Exception: everything is left in order, nothing takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


def exit_code(failure: Exception) -> int:
    """0 done, 1 failed, 2 usage, configuration or rows that do not fit, 3 refused by a gate or verdict,
    4 inconclusive."""
    return next((code for kind, code in EXIT if isinstance(failure, kind)), 1)


@contextlib.contextmanager
def ended_well() -> Iterator[None]:
    """Whatever happens inside ends with one clear line and the right code; 130 after Ctrl-C, 143 after SIGTERM.

    FAIRLEAD_DEBUG=1 shows every traceback; else one that nobody foresaw goes to a file in the home's run folder.
    """
    chosen.stop = None
    listen()
    try:
        yield
    except (Stopped, KeyboardInterrupt) as stop:
        sys.stderr.write(f"\nstopped{chosen.when_stopped and ': ' + chosen.when_stopped}\n")
        sys.exit(stop.code if isinstance(stop, Stopped) else 130)
    except Exception as failure:
        if os.environ.get(DEBUG, "") not in {"", "0"}:
            traceback.print_exc()
        say_error(in_words(failure), type(failure).__name__, exit_code(failure))
        sys.exit(exit_code(failure))


def listen() -> None:
    """Let SIGINT and SIGTERM unwind what is in progress, temporary files included."""
    if threading.current_thread() is not threading.main_thread():
        return

    def stop(number: int, _frame: FrameType | None) -> None:
        chosen.stop = Stopped(number)
        raise chosen.stop

    for number in (signal.SIGINT, signal.SIGTERM):
        # One that our parent chose to ignore (nohup, a job in the background of a script) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)


def in_words(failure: Exception) -> str:
    """What is said to the person: the message of what we raise on purpose, the place of what the system refused."""
    if isinstance(failure, errors.FairleadError):
        return str(failure)
    if isinstance(failure, ModuleNotFoundError) and failure.name and failure.name.split(".")[0] != OURS:
        return str(errors.MissingExtra(failure.name.split(".")[0], "studio"))
    if isinstance(failure, OSError) and failure.strerror:
        return refused_by_system(failure)
    kept = keep(failure)
    where = f"The traceback is in {kept}" if kept else f"Run it again with {DEBUG}=1 to see where"
    return f"something unforeseen happened ({type(failure).__name__}). {where}; please report it."


def refused_by_system(failure: OSError) -> str:
    """A file that cannot be read or written, a full disk: what and where, with the home named if it lies there."""
    reason = (failure.strerror or "").split("] ", 1)[-1]
    names = [os.fspath(name) for name in (failure.filename, failure.filename2) if isinstance(name, str | os.PathLike)]
    said = f"{' -> '.join(names)}: {reason}" if names else reason
    if isinstance(failure, PermissionError) and any(".fairlead" in Path(name).parts for name in names):
        said += ". The home must be writable; FAIRLEAD_HOME names another folder for it."
    return said + _CURES.get(failure.errno or 0, "")


def keep(failure: Exception) -> Path | None:
    """Write the traceback where the project's other traces are, for its owner alone; the newest ten stay."""
    from fairlead.ops.project import Home

    start = chosen.folder.absolute()
    root = next((f for f in (start, *start.parents) if (f / "fairlead.toml").is_file()), None)
    if root is None or not Home.of(root).run.is_dir():
        return None
    folder = Home.of(root).run
    path = folder / f"accident-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.getpid()}.log"
    head = (
        f"fairlead {__version__}, Python {platform.python_version()}, {platform.platform()}\n{' '.join(sys.argv)}\n\n"
    )
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(head + "".join(traceback.format_exception(failure)))
        for old in sorted(folder.glob("accident-*.log"))[:-KEPT_ACCIDENTS]:
            old.unlink(missing_ok=True)
    except OSError:
        return None
    return path
