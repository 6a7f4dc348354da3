"""`quality --suspects`: rows and blocks that a person should look at, and the file that names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.settings import DataSettings, ModelSettings, Settings

if TYPE_CHECKING:
    import pandas as pd

    from fairlead.lab.tables.quality.looking import Look
    from fairlead.lab.tables.quality.report import Issue
    from fairlead.lab.train.suspects import Suspects
    from fairlead.ops.project import Project

Answer = dict[str, Any]
TOLD = 200
_SAYS = {
    "label": "carry a class that models of all other rows speak against",
    "number": "carry a number far from what rows like them have",
    "twin": "carry another answer than a row that is all but the same",
}


def suspects(
    project: Project | None, data: Any, source: Any, look: Look, out: str | Path | None, say: Callable[..., None]
) -> tuple[Answer, list[Issue]]:
    """What `find_suspects` says about the table, as an answer and as issues of the report. out: where rows go.

    Row numbers are those of the table after `[data] prepare`, before `[data] exclude_rows`.
    """
    from fairlead.lab.tables import open_table
    from fairlead.lab.train.suspects import find_suspects, write_suspects

    frame, settings = _rows(project, data, source, look)
    found = find_suspects(frame, settings, progress=say)
    answer: Answer = {
        "rows": found.rows,
        "of": found.of,
        "learner": found.learner,
        "noise": round(found.noise, 4),
        "found": {check: len(found.found(check)) for check in _SAYS if found.found(check)},
        "suspects": msgspec.to_builtins(found.suspects[:TOLD]),
        "more": max(0, len(found.suspects) - TOLD),
        "blocks": msgspec.to_builtins(found.blocks),
    }
    if out is not None:
        answer["written"] = write_suspects(found, out, open_table(frame).hash)
        answer["out"] = str(out)
    return answer, issues_of(found, out)


def _rows(project: Project | None, data: Any, source: Any, look: Look) -> tuple[pd.DataFrame, Settings]:
    if project is None:
        model = ModelSettings(
            name="table", task=look.task or "classification", target=look.target, id=look.key or None,  # type: ignore[arg-type]
            time=look.time or None, exclude=tuple(look.schema.leaks),
        )  # fmt: skip
        return source.frame(), Settings(model=model)
    if data is not None:
        plain = msgspec.structs.replace(project.settings, data=DataSettings())
        return source.frame(), plain
    from fairlead.ops.flow import Workspace
    from fairlead.ops.flow.gathering import gather

    return gather(Workspace(project), whole=True).frame, project.settings


def issues_of(found: Suspects, out: str | Path | None = None) -> list[Issue]:
    """Suspects and suspicious blocks as issues: one a kind, one a block."""
    from fairlead.lab.tables.quality.report import EXAMPLES, Issue, Suggestion

    told = []
    tips = () if out is None else (
        Suggestion(("data",), "exclude_rows", str(out), "leaves out the rows that the file lists: read it first"),
    )  # fmt: skip
    for check, says in _SAYS.items():
        rows = found.found(check)
        if rows:
            first = "some are merely unusual"
            told.append(Issue(
                f"suspect_{check}", "warning" if len(rows) >= 0.01 * found.rows else "note",
                f"{len(rows):,} rows {says}; {first}", count=len(rows), of=found.rows,
                rows=tuple(s.row for s in rows[:EXAMPLES]), exact=found.rows == found.of,
                evidence={"learner": found.learner, "noise": round(found.noise, 4)}, suggestions=tips,
            ))  # fmt: skip
    for block in found.blocks:
        if block.suspicious:
            where = f"rows {block.first:,} to {block.last:,}" if block.by in {"time", "order"} else block.name
            told.append(Issue(
                "suspect_block", "warning",
                f"{block.by}, {where}: without them the loss on all other rows falls by {block.harm:.1%} "
                f"[{block.low:.1%}, {block.high:.1%}]: poisoned, mislabelled, or from another time",
                block.by if block.by not in {"time", "order"} else "", count=block.rows, of=found.rows,
                rows=(block.first,), exact=found.rows == found.of, evidence=msgspec.to_builtins(block),
            ))  # fmt: skip
    return told
