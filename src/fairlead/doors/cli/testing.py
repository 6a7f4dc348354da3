"""The verb `test`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from fairlead.doors.cli.output import Json, console, escape, project, show, table

FAILED, UNSURE = 3, 4
SIGNS = {"pass": "holds", "fail": "BROKEN", "inconclusive": "not tried"}


def add_to(app: typer.Typer) -> None:
    """Add this module's verb."""
    app.command()(test)


def test(
    bundle: Annotated[str | None, typer.Argument(help="bundle, version or alias; else the latest")] = None,  # noqa: PT028
    data: Annotated[str | None, typer.Option(help="rows to change instead of those kept")] = None,  # noqa: PT028
    as_json: Json = False,  # noqa: PT028
) -> None:
    """Try the project's own expectations on the sealed model.

    They stand in tests/behaviour.toml (minimum cases, invariance, direction) and tests/behaviour.py. Exit code 3 when
    one is broken, 4 when one could not be tried.
    """
    answer = project().test(bundle, data)
    show(answer, as_json, tell_test)
    if answer["verdict"] != "pass":
        raise typer.Exit(FAILED if answer["verdict"] == "fail" else UNSURE)


test.__test__ = False  # type: ignore[attr-defined]  # a verb, no test of pytest's


def tell_test(answer: dict[str, Any]) -> None:
    """A line an expectation; of the broken ones a row that shows it."""
    rows = [
        (SIGNS[r["verdict"]], r["kind"], r["name"], r["why"] + (f" ({r['example']})" if r["example"] else ""))
        for r in answer["results"]
    ]
    table("", ("", "kind", "expectation", "what was found"), rows, wraps=("expectation", "what was found"))
    colour = {"pass": "green", "fail": "red", "inconclusive": "yellow"}[answer["verdict"]]
    console().print(f"[bold {colour}]{answer['verdict']}[/]: {escape(answer['why'])} ({answer['bundle'][:12]})")
