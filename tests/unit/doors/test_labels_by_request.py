"""Labels in a table find their row by the request's id, under the name that the answer's header and the API use."""

from __future__ import annotations

from pathlib import Path

import pytest

import fairlead
from fairlead.doors.python.serving import label_of


@pytest.mark.parametrize("name", ["request", "request_id"])
def test_a_request_is_named_as_the_api_names_it_or_shorter(tmp_path: Path, name: str) -> None:
    (tmp_path / "fairlead.toml").write_text('[model]\nname = "m"\ntask = "regression"\ntarget = "count"\n')
    ws = fairlead.open(tmp_path).workspace
    assert label_of(ws, {name: "b1", "row": 2, "count": 3.0}) == {"request": "b1", "row": 2, "label": 3.0}
