"""Status shows what a server answered with errors, of this project's model alone, also when the server is gone."""

from __future__ import annotations

from pathlib import Path

from fairlead.contract.errors import BodyInvalid, CellInvalid
from fairlead.ops.flow import Workspace
from fairlead.ops.flow.status import status_of
from fairlead.ops.project import Project
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.observing.errors import Errors

CONFIG = '[model]\nname = "m"\ntask = "regression"\ntarget = "y"\n[data]\ntrain = "train.csv"\n'


def test_errors_of_all_workers_are_grouped_by_cause(tmp_path: Path) -> None:
    (tmp_path / "fairlead.toml").write_text(CONFIG)
    (tmp_path / "train.csv").write_text("x,y\n1,2\n")
    ws = Workspace(Project.find(tmp_path))
    assert status_of(ws)["errors"] == []
    for slot in (0, 1):
        counters = Counters(ws.home.root / "run" / f"counters-here-{slot}.bin")
        errors = Errors(counters, ws.home.root / "run" / f"errors-here-{slot}.json")
        for _ in range(slot + 1):
            errors.note("m", CellInvalid(3, "x", "text", "a number"), 400, ("x",))
        errors.note("another", BodyInvalid("no"), 400)
        errors.save()
        counters.close()
    (group,) = status_of(ws)["errors"]
    assert group.pop("first") <= group.pop("last")
    assert group == {
        "model": "m", "cause": "CellInvalid", "code": 400, "column": "x", "count": 3,
        "example": "row 3, column 'x': found text, allowed: a number",
    }  # fmt: skip
