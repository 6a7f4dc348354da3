"""The project's own expectations of its model's behaviour: `tests/behaviour.toml` and `tests/behaviour.py`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.errors import ConfigInvalid, UsageError
from fairlead.ops.flow.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.contract.evidence import Check
    from fairlead.lab.evaluate.behaviour import Result

FOLDER, TABLE, FUNCTIONS = "tests", "behaviour.toml", "behaviour.py"


class Tried(msgspec.Struct, frozen=True):
    """Every expectation's result on one sealed bundle, and the check that they add up to."""

    bundle: str
    results: tuple[Any, ...]
    check: Any


def has_expectations(root: Path) -> bool:
    """Whether the project states any."""
    return any((root / FOLDER / name).is_file() for name in (TABLE, FUNCTIONS))


def try_expectations(ws: Workspace, bundle: str, frame: pd.DataFrame | None = None) -> Tried:
    """Try them all on the sealed bundle. frame: rows to change; else those kept for judging, where there are some.

    Raises ConfigInvalid for a file that cannot be used, UsageError when the project has none.
    """
    from fairlead.lab.evaluate.behaviour import behaviour_check

    root = ws.project.root
    if not has_expectations(root):
        raise UsageError(
            f"this project expects nothing yet: write {FOLDER}/{TABLE} or {FOLDER}/{FUNCTIONS}, "
            "as docs/how-to/behaviour.md shows."
        )
    results = results_of(ws, bundle, frame)
    check: Check = behaviour_check(results)
    return Tried(bundle, results, check)


def results_of(ws: Workspace, bundle: str, frame: pd.DataFrame | None = None) -> tuple[Result, ...]:
    """The results alone, empty when the project states nothing."""
    from fairlead.lab.evaluate.behaviour import read_behaviour, try_behaviour, try_functions

    table, functions = (ws.project.root / FOLDER / name for name in (TABLE, FUNCTIONS))
    found: list[Result] = []
    model = ws.load(bundle)
    if table.is_file():
        expected = read_behaviour(table, model.signature)
        if not expected.count:
            raise ConfigInvalid("it states no expectation.", file=f"{FOLDER}/{TABLE}")
        needs = any(one.inputs == "judged" for one in (*expected.invariance, *expected.direction))
        rows = _columns(ws, bundle, model, frame) if needs else None
        found += try_behaviour(model, expected, rows, seed=ws.settings.train.seed)
    if functions.is_file():
        found += try_functions(model, functions)
    return tuple(found)


def _columns(ws: Workspace, bundle: str, model: Any, frame: pd.DataFrame | None) -> dict[str, Any] | None:
    from fairlead.lab.tables import columns_of
    from fairlead.ops.flow.making import kept, kept_rows

    if frame is None:
        remembered = kept(ws, bundle)
        if remembered is None:
            return None
        frame = kept_rows(ws, remembered.holdout)
    return dict(columns_of(frame, model.signature, zone=model.signature.timezone, invalid="missing"))
