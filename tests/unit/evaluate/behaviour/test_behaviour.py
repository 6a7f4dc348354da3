"""A project's expectations of behaviour on a sealed model whose behaviour is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile import write_bundle
from fairlead.lab.evaluate.behaviour import behaviour_check, read_behaviour, try_behaviour, try_functions
from fairlead.lab.evaluate.behaviour.inputs import simulated
from fairlead.lab.tables import columns_of
from fairlead.lab.train import candidate_of
from fairlead.runtime.bundle import SigningKey, load


def people(rows: int = 400) -> pd.DataFrame:
    random = np.random.default_rng(4)
    age = random.integers(18, 80, rows).astype(float)
    town = random.choice(["north", "south"], rows)
    sex = random.choice(["f", "m"], rows)
    pull = 0.1 * (age - 50) + 2.0 * (town == "north") + random.logistic(size=rows)
    return pd.DataFrame({"age": age, "town": town, "sex": sex, "left": np.where(pull > 0, "yes", "no"), "sum": pull})


def sealed(folder: Path, target: str) -> Any:
    frame = people()
    task = "classification" if target == "left" else "regression"
    prepare = make_column_transformer((OneHotEncoder(), ["town", "sex"]), ("passthrough", ["age"]))
    fitted = make_pipeline(prepare, LogisticRegression() if target == "left" else LinearRegression())
    rows = frame[["age", "town", "sex"]]
    fitted.fit(rows, frame[target])
    settings = Settings(
        model=ModelSettings(
            name="m", task=task, target=target, features=("age", "town", "sex"),  # type: ignore[arg-type]
            positive="yes" if target == "left" else None,
        )
    )  # fmt: skip
    candidate = candidate_of(fitted, frame, settings=settings)
    key = SigningKey.create(folder / "key")
    (folder / "bundle").mkdir()
    write_bundle(candidate, folder / "bundle", key)
    return load(folder / "bundle", [key.public])


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return sealed(tmp_path_factory.mktemp("churn"), "left")


@pytest.fixture(scope="module")
def amounts(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return sealed(tmp_path_factory.mktemp("amounts"), "sum")


def tried(model: Any, folder: Path, text: str, judged: bool = True) -> dict[str, Any]:
    path = folder / "behaviour.toml"
    path.write_text(text)
    rows = columns_of(people(), model.signature, zone="UTC", invalid="missing") if judged else None
    return {r.name: r for r in try_behaviour(model, read_behaviour(path, model.signature), rows)}


GOOD = """
[base]
sex = "f"

[[minimum]]
name = "old northerners leave"
rows = [{ age = 79, town = "north" }, { age = 75, town = "north", sex = "m" }]
label = "yes"
above = 0.9

[[minimum]]
name = "the young stay"
rows = [{ age = 18, town = "south" }]
below = 0.2

[[invariance]]
name = "sex"
columns = ["sex"]
tolerance = 0.1

[[direction]]
name = "age"
column = "age"
by = 10
goes = "up"

[[direction]]
name = "moving south"
column = "town"
before = "north"
after = "south"
goes = "down"
inputs = "simulated"
rows = 50
where = { sex = "m" }
"""


def test_what_holds_passes(churn: Any, tmp_path: Path) -> None:
    results = tried(churn, tmp_path, GOOD)
    assert {r.verdict for r in results.values()} == {"pass"}, results
    assert results["age"].tried == 300
    assert results["moving south"].tried == 50
    assert behaviour_check(list(results.values())).verdict == "pass"


def test_what_is_broken_says_how_far_and_where(churn: Any, tmp_path: Path) -> None:
    results = tried(
        churn,
        tmp_path,
        """
[[minimum]]
name = "the young leave"
rows = [{ age = 79, town = "north", sex = "f" }, { age = 18, town = "south", sex = "f" }]
label = "yes"

[[invariance]]
name = "town"
columns = ["town"]

[[direction]]
name = "older stay"
column = "age"
by = 10
goes = "down"
inputs = "simulated"
""",
    )
    assert {r.verdict for r in results.values()} == {"fail"}
    assert results["the young leave"].broken == 1
    assert results["the young leave"].example == "row 2"
    town = results["town"]
    assert town.worst is not None
    assert 0.3 < town.worst < 0.6
    assert town.example.startswith("judged row ")
    assert "age=" in results["older stay"].example
    check = behaviour_check(list(results.values()))
    assert check.verdict == "fail"
    assert "3 of 3" in check.why
    assert "town" in check.why


def test_a_share_of_rows_may_break_it(churn: Any, tmp_path: Path) -> None:
    text = '[[invariance]]\nname = "town"\ncolumns = ["town"]\ntolerance = 0.3\nallowed = {}\n'
    share = tried(churn, tmp_path, text.format(0.0))["town"]
    assert 0 < share.broken < share.tried
    part = share.broken / share.tried
    assert tried(churn, tmp_path, text.format(round(part + 0.01, 2)))["town"].verdict == "pass"
    assert tried(churn, tmp_path, text.format(round(part - 0.01, 2)))["town"].verdict == "fail"


def test_a_decision_that_must_stay(churn: Any, tmp_path: Path) -> None:
    text = '[[invariance]]\nname = "town"\ncolumns = ["town"]\ntolerance = 1.0\ndecision = {}\n'
    assert tried(churn, tmp_path, text.format("false"))["town"].verdict == "pass"
    moved = tried(churn, tmp_path, text.format("true"))["town"]
    assert moved.verdict == "fail"
    scores = {
        town: churn.decide(churn.score_columns(columns))
        for town in ("north", "south")
        for columns in [columns_of(people().assign(town=town), churn.signature, zone="UTC")]
    }
    assert moved.broken <= sum(a != b for a, b in zip(scores["north"], scores["south"], strict=True))


def test_numbers_of_a_regression(amounts: Any, tmp_path: Path) -> None:
    results = tried(
        amounts,
        tmp_path,
        """
[[minimum]]
name = "near zero at fifty"
rows = [{ age = 50, town = "south", sex = "m" }]
above = -0.5
below = 0.5

[[invariance]]
name = "sex"
changes = [{ sex = "f" }, { sex = "m" }]

[[direction]]
name = "age"
column = "age"
by = 1
goes = "up"
""",
    )
    assert results["near zero at fifty"].verdict == results["age"].verdict == "pass"
    assert results["sex"].verdict == ("pass" if results["sex"].worst <= 0.01 * amounts.reference.loss_clip else "fail")


def test_without_rows_what_needs_them_is_inconclusive(churn: Any, tmp_path: Path) -> None:
    results = tried(churn, tmp_path, GOOD, judged=False)
    assert results["age"].verdict == results["sex"].verdict == "inconclusive"
    assert results["moving south"].verdict == "pass"
    assert behaviour_check(list(results.values())).verdict == "inconclusive"
    assert behaviour_check([]).verdict == "inconclusive"


def test_no_row_that_fits(churn: Any, tmp_path: Path) -> None:
    text = '[[direction]]\nname = "a"\ncolumn = "age"\nby = 1\ngoes = "up"\nwhere = { age = 1000 }\n'
    assert tried(churn, tmp_path, text)["a"].verdict == "inconclusive"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[minimum", "no TOML"),
        ('[[minimum]]\nname = "a"\nrows = [{ age = 1 }]\nabov = 1.0\n', "Did you mean 'above'"),
        ('[[minimum]]\nname = "a"\nrows = [{ age = 1 }]\n', "nothing is expected"),
        ('[[minimum]]\nname = "a"\nrows = [{ agee = 1 }]\nabove = 1.0\n', "Did you mean 'age'"),
        ('[[minimum]]\nname = "a"\nrows = [{ age = 1 }]\nlabel = "perhaps"\n', "none of the classes"),
        ('[[minimum]]\nname = "a"\nrows = []\nabove = 1.0\n', "length"),
        ('[[invariance]]\nname = "a"\n', "give columns, or changes"),
        ('[[invariance]]\nname = "a"\ncolumns = ["age"]\n', "no list of values"),
        ('[[direction]]\nname = "a"\ncolumn = "age"\ngoes = "up"\n', "give by, or before and after"),
        ('[[direction]]\nname = "a"\ncolumn = "town"\nby = 1\ngoes = "up"\n', "no number to add to"),
        ('[[direction]]\nname = "a"\ncolumn = "age"\nby = 1\ngoes = "sideways"\n', "sideways"),
        (
            '[[direction]]\nname = "a"\ncolumn = "age"\nby = 1\ngoes = "up"\nof = "maybe"\n',
            "none of the model's outputs",
        ),
        ("[base]\nheight = 1\n", "no column 'height'"),
        ('[[minimum]]\nname = "a"\nrows = [{ age = "old" }]\nabove = 1.0\n', "does not fit its column"),
        ('[[minimum]]\nname = "a"\nrows = [{ town = "north" }]\nabove = 1.0\n', r"State it there or in \[base\]"),
        ('[[invariance]]\nname = "a"\nchanges = [{ age = "old" }]\n', "does not fit its column"),
        (
            '[[minimum]]\nname = "a"\nrows = [{ age = 1 }]\nabove = 0.1\n[[direction]]\nname = "a"\ncolumn = "age"\n'
            'by = 1\ngoes = "up"\n',
            "taken by another",
        ),
    ],
)
def test_mistakes_are_told(churn: Any, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        tried(churn, tmp_path, text)


def test_simulated_rows_look_like_the_profile(churn: Any) -> None:
    frame, rows = people(), simulated(churn, 4000, seed=1)
    assert abs(np.mean(rows["town"] == "north") - (frame["town"] == "north").mean()) < 0.05
    assert frame["age"].min() <= rows["age"].min()
    assert rows["age"].max() <= frame["age"].max()
    assert abs(rows["age"].mean() - frame["age"].mean()) < 2.0
    again = simulated(churn, 4000, seed=1)
    assert all(np.array_equal(rows[name], again[name]) for name in rows)


FUNCTIONS = """
LIMIT = 0.5


def test_scores_are_shares(model):
    assert all(0 <= p <= 1 for p in model.probabilities([{"age": 40, "town": "north", "sex": "f"}])[0])


def test_that_fails(model):
    assert model.threshold > LIMIT, "the threshold is low"


def test_that_raises(model):
    model.predict([{"age": 40}])


def helper(model):
    raise RuntimeError
"""


def test_functions_of_the_project(churn: Any, tmp_path: Path) -> None:
    (tmp_path / "behaviour.py").write_text(FUNCTIONS)
    shares, fails, raises = try_functions(churn, tmp_path / "behaviour.py")
    assert (shares.name, shares.verdict) == ("scores are shares", "pass")
    assert fails.verdict == raises.verdict == "fail"
    assert fails.why == "AssertionError in line 10: the threshold is low"
    assert raises.why.startswith("ColumnMissing in line 14: row 0: columns missing: town, sex")


@pytest.mark.parametrize(
    ("text", "said"), [("import nothing_like_it", "ModuleNotFoundError"), ("x = 1", "no function")]
)
def test_a_file_that_is_no_use(churn: Any, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "behaviour.py").write_text(text)
    with pytest.raises(ConfigInvalid, match=said):
        try_functions(churn, tmp_path / "behaviour.py")


def test_of_a_forecast_it_is_said_which_step_counts(tmp_path: Path) -> None:
    history = Column("history", "tensor", nullable=False, dtype="float64", shape=(2, 1))
    ahead = Signature("forecasting", (history, Column("origin", "time", nullable=False)), horizon=2, step=3600.0)
    file = tmp_path / "behaviour.toml"
    row = "rows = [{ history = [[1.0], [2.0]], origin = 0 }]"
    file.write_text(f'[[minimum]]\nname = "up"\n{row}\nabove = 1.0\n')
    with pytest.raises(ConfigInvalid, match="which step"):
        read_behaviour(file, ahead)
    file.write_text(f'[[minimum]]\nname = "up"\n{row}\nabove = 1.0\nof = "t+2"\n')
    assert read_behaviour(file, ahead).minimum[0].of == "t+2"
