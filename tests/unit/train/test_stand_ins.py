"""Numbers that stand for missing: as if the cells were empty, in training, for one row and for many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.tables.quality import examine
from fairlead.lab.train import fit, material_of
from fairlead.lab.train.preparing.dropping import kept_rows
from fairlead.ops.project import parse_settings
from fairlead.runtime.bundle.by_row import closures
from fairlead.runtime.bundle.plan import plan

MODEL = '[model]\nname = "m"\ntask = "classification"\ntarget = "two"\n'


def settings_of(text: str) -> Settings:
    return parse_settings(f"{MODEL}\n[preparation]\n{text}\n")[0]


def frame(mark: float) -> pd.DataFrame:
    random = np.random.default_rng(3)
    size = random.normal(5, 1, 120)
    two = np.where(size + random.normal(scale=0.5, size=120) > 5, "yes", "no")
    size[::9] = mark
    return pd.DataFrame({"size": size, "other": random.normal(size=120), "two": two})


def learned(mark: float, text: str) -> tuple[Any, Any]:
    settings = settings_of(text)
    material = material_of(frame(mark), settings)
    return material, compile_pipeline(fit(material, "logistic", {}, seed=1), material.signature)


@pytest.mark.parametrize("more", ["", ", indicator = true", ', missing = "drop"', ', outliers = "iqr"', ", bins = 3"])
def test_a_model_learns_and_answers_as_if_the_cell_were_empty(more: str) -> None:
    said = f"numbers = {{missing_values = [-999, -1]{more}}}"
    material, marked = learned(-999.0, said)
    _, empty = learned(np.nan, said)
    assert marked.tail == empty.tail
    rows: list[list[Any]] = [[-999.0, 0.5], [-1.0, 0.5], [None, 0.5], [4.0, 0.5]]
    by_row = marked.front.row_encoder()(rows).tolist()
    assert by_row[0] == by_row[1] == by_row[2] != by_row[3]
    columns = {"size": np.array([-999.0, -1.0, np.nan, 4.0]), "other": np.full(4, 0.5)}
    assert marked.front.column_encoder()(columns).tolist() == by_row
    assert closures(plan(marked.front))(rows).tolist() == [x for row in by_row for x in row]
    scored = marked.answering()(columns).tolist()
    assert scored[0] == scored[1] == scored[2] != scored[3]
    kept = kept_rows(material.signature, settings_of(said).preparation, material.columns, None)
    assert (120 if kept is None else len(kept)) == (120 - 14 if "drop" in more else 120)


@pytest.mark.parametrize(
    "text", ["numbers = {missing_values = [nan]}", "numbers = {missing_values = []}", "flags = {missing_values = [1]}"]
)
def test_what_cannot_stand_for_missing_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid):
        settings_of(text)


def test_quality_suggests_what_it_found() -> None:
    random = np.random.default_rng(5)
    rows = 600
    visits = random.integers(0, 30, rows).astype(float)
    visits[::40], visits[1::50] = -999, 99999
    table = pd.DataFrame(
        {"visits": visits, "age": random.normal(40, 9, rows), "bought": random.choice(["y", "n"], rows)}
    )
    toml = examine(table, target="bought").toml
    assert "missing_values = [" in toml
    own = parse_settings(f"{MODEL}\n{toml.partition('[preparation')[1]}{toml.partition('[preparation')[2]}")[0]
    assert set(own.preparation.columns["visits"].missing_values or ()) == {-999.0, 99999.0}
