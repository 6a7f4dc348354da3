"""How answers look: one JSON object on stdout with --json, rich text otherwise; logs and progress on stderr."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fairlead.contract.errors import FairleadError

if TYPE_CHECKING:
    from rich.console import Console

    from fairlead.doors.python import Project

Json = Annotated[bool, typer.Option("--json", help="print one JSON object instead of text")]


class Chosen:
    """What the options before the verb said."""

    folder: Path = Path(".")


chosen = Chosen()


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


def say_error(failure: FairleadError) -> None:
    """One line on stderr: what was wrong and what would be right."""
    console(stderr=True).print(f"[bold red]error[/]: {escape(str(failure))}")


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
    """A time in UTC, to the minute."""
    if not seconds:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def table(title: str, heads: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Print a small table; figures to the right."""
    from rich import box
    from rich.table import Table

    grid = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    kept = [[cell if isinstance(cell, str) else number(cell) for cell in row] for row in rows]
    for index, head in enumerate(heads):
        figures = all(r[index].lstrip("-").replace(".", "").replace(",", "").isdigit() for r in kept if r[index] != "-")
        grid.add_column(head, justify="right" if kept and figures else "left", overflow="fold")
    for row in kept:
        grid.add_row(*[escape(cell) for cell in row])
    console().print(grid)


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
        now = time.monotonic()
        if self.quiet or now - self.last < (0.1 if self.moving else 0.5):
            return
        self.last = now
        share = "" if done is None else f"{done:4.0%} "
        line = f"  {now - self.started:5.1f} s  {share}{text}"
        sys.stderr.write(f"\r\x1b[2K{line[:110]}" if self.moving else f"{line}\n")
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
