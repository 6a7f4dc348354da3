"""How answers look: one JSON object on stdout with --json, rich text otherwise; logs and progress on stderr."""

from __future__ import annotations

import math
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

if TYPE_CHECKING:
    from rich.console import Console

    from fairlead.doors.python import Project


class Chosen:
    """What the options before the verb said, whether the answer is wanted as JSON, what to say after Ctrl-C.

    stop: what a signal raised, once there was one.
    """

    folder: Path = Path(".")
    as_json: bool = False
    when_stopped: str = ""
    stop: SystemExit | None = None


chosen = Chosen()


def remember_json(given: bool) -> bool:
    """So that an error, too, is one JSON object."""
    chosen.as_json = chosen.as_json or given
    return given


Json = Annotated[bool, typer.Option("--json", callback=remember_json, help="print one JSON object instead of text")]


def project() -> Project:
    """The project that the verb works on."""
    from fairlead.doors.python import open

    return open(chosen.folder)


def console(*, stderr: bool = False) -> Console:
    """A rich console; plain text when the output is no terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def finite(value: Any) -> Any:
    """JSON has no NaN: such numbers become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value


def show(answer: dict[str, Any], as_json: bool, text: Callable[[dict[str, Any]], None]) -> None:
    """Print the answer: JSON with --json, else by `text`."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(finite(msgspec.to_builtins(answer))).decode() + "\n")
        sys.stdout.flush()
    else:
        text(answer)


def say_error(said: str, kind: str, code: int) -> None:
    """One line on stderr: what was wrong and what would be right. With --json also one object on stdout."""
    console(stderr=True).print(f"[bold red]error[/]: {escape(said)}")
    if chosen.as_json:
        sys.stdout.write(msgspec.json.encode({"error": said, "kind": kind, "exit": code}).decode() + "\n")
        sys.stdout.flush()


def program(verb: str) -> str:
    """A command to type next, for the project that this one was about."""
    import shlex

    where = "" if chosen.folder == Path(".") else f"-C {shlex.quote(str(chosen.folder))} "
    return f"fairlead {where}{verb}"


def escape(text: str) -> str:
    """Text that rich prints as it is."""
    from rich.markup import escape as rich_escape

    return rich_escape(text)


def number(value: Any) -> str:
    """A figure as people read it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:,.0f}"
    return str(value)


def moment(seconds: float | None) -> str:
    """A time to the minute, without its zone, which is UTC everywhere and stands in the table's head."""
    if not seconds:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


LEAST_WRAPPED = 12
"""Characters that a column whose text is wrapped has at least."""

FIGURE = re.compile(r"-?[0-9][0-9.,]*(e[+-]?[0-9]+)?")


def table(title: str, heads: Sequence[str], rows: Iterable[Iterable[Any]], wraps: Sequence[str] = ()) -> None:
    """Print a small table; figures to the right.

    wraps: the columns whose text may go over several lines (else the last); the others stay whole, so that a
    name can be read and copied on 80 columns. A table that does not fit is wider than the terminal: a figure that
    lost its last digits would be another one.
    """
    from rich import box
    from rich.table import Table

    grid = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False,
                 pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
    kept = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    free = set(wraps or heads[-1:])
    for index, head in enumerate(heads):
        figures = all(FIGURE.fullmatch(r[index]) for r in kept if r[index] not in {"-", ""})
        grid.add_column(
            head, justify="right" if kept and figures else "left", overflow="fold", no_wrap=head not in free
        )
    for row in kept:
        grid.add_row(*[escape(cell) for cell in row])
    out = console()
    widest = [max(map(len, column)) for column in zip(heads, *kept, strict=True)]
    least = sum(min(w, LEAST_WRAPPED) if head in free else w for head, w in zip(heads, widest, strict=True))
    grid.width = least + len(heads) if least + len(heads) > out.width else None
    out.print()
    out.print(grid, crop=False)
    out.print()


class Steps:
    """Progress on stderr for anything over a second: `steps("fold 2 of 5", done=0.4)`.

    A terminal sees one moving line with the time gone; a log sees a line per new text, at most two a second.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self.started = time.monotonic()
        self.last = 0.0
        self.moving = sys.stderr.isatty()

    def __call__(self, text: str, done: float | None = None) -> None:
        if chosen.stop is not None:
            # A library that was importing another one may have taken the first for a failed import, and gone on.
            raise chosen.stop
        now = time.monotonic()
        if self.quiet or now - self.last < (0.1 if self.moving else 0.5):
            return
        self.last = now
        share = "" if done is None else f"{done:4.0%} "
        line = f"  {now - self.started:5.1f} s  {share}{text}"
        # A line that wraps could not be cleared again.
        room = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r\x1b[2K{line[:room]}" if self.moving else f"{line}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Clear the moving line."""
        if self.moving and self.last and not self.quiet:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
