"""What columns are found to be, on the two real tables exactly and on made ones rule by rule."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fairlead.contract.errors import ColumnMissing, ConfigInvalid, SourceUnreadable
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.tables import infer, open_table, signature_of

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the tables of ../shared/data are not here")
N = 400
RANDOM = np.random.default_rng(5)


@pytest.fixture(scope="module")
def churn():
    return open_table(DATA / "telco-churn.csv")


@pytest.fixture(scope="module")
def bike():
    return open_table(DATA / "bike-sharing-hour.csv")


@needs_data
def test_the_churn_table(churn):
    schema = infer(churn, "Churn")
    assert schema.rows == 7043
    assert (schema.key, schema.time, schema.target) == ("customerID", (), "Churn")
    assert (schema.task, schema.positive, schema.classes) == ("classification", "Churned", ("Churned", "Stayed"))
    assert (schema.leaks, schema.ids, schema.coded) == ((), (), ())
    kinds = {c.name: c.kind for c in schema.columns}
    assert kinds.pop("customerID") == "text"
    assert kinds.pop("tenure") == "integer"
    assert kinds.pop("MonthlyCharges") == "number"
    assert kinds.pop("TotalCharges") == "number"
    assert set(kinds.values()) == {"category"}
    assert len(kinds) == 17
    assert schema.column("TotalCharges").missing == 11
    assert sum(c.missing for c in schema.columns) == 11
    assert schema.column("SeniorCitizen").categories == ("No", "Yes")
    assert len(schema.features) == 19
    assert all(c.why for c in schema.columns)


@needs_data
def test_the_churn_table_tells_categories_that_differ_in_case_alone(churn):
    (warning,) = infer(churn, "Churn").warnings
    assert warning.startswith("InternetService: 'DSL' and 'dsl'")


@needs_data
def test_the_bike_table(bike):
    schema = infer(bike, "cnt")
    assert schema.time == ("dteday", "hr")
    assert schema.key == "instant"
    assert schema.column("instant").role == "key"
    assert schema.task == "regression"
    assert schema.leaks == ("casual", "registered")
    assert schema.column("casual").why == "the target is their sum: casual + registered"
    assert schema.coded == ("season", "weekday", "weathersit")
    assert schema.column("season").categories == ("1", "2", "3", "4")
    integers = {"yr", "mnth", "hr", "holiday", "workingday"}
    assert {c.name for c in schema.columns if c.kind == "integer" and c.role == "feature"} == integers
    assert schema.features == (
        "season", "yr", "mnth", "hr", "holiday", "weekday", "workingday", "weathersit",
        "temp", "atemp", "hum", "windspeed",
    )  # fmt: skip


@needs_data
def test_the_bike_table_has_one_damaged_cell_and_it_is_told(bike):
    schema = infer(bike, "cnt")
    assert (schema.column("instant").strays, schema.column("instant").first_stray) == (1, 160)
    assert any(w.startswith("instant: 1 cell with control characters, first in row 160") for w in schema.warnings)
    assert bike.frame()["instant"].iloc[158:161].str.isdecimal().tolist() == [True, False, True]


def settings_of(**model):
    return Settings(model=ModelSettings(**{"name": "m", "task": "regression", "target": "y", **model}))


@needs_data
def test_signatures_of_the_two_tables(churn, bike):
    found = signature_of(
        churn.frame(), settings_of(task="classification", target="Churn", positive="Churned", id="customerID")
    )
    assert found == signature_of(
        churn, settings_of(task="classification", target="Churn", positive="Churned", id="customerID")
    )
    assert len(found.columns) == 19
    assert [c.name for c in found.columns if c.nullable] == ["TotalCharges"]
    assert (found.classes, found.positive, found.key) == (("Churned", "Stayed"), "Churned", "customerID")
    bike_settings = {"target": "cnt", "id": "instant", "time": ("dteday", "hr"), "exclude": ("casual", "registered")}
    found = signature_of(bike.frame(), settings_of(**bike_settings))
    columns = {c.name: c for c in found.columns}
    assert columns["hr"].kind == "integer"
    assert "dteday" not in columns
    assert (columns["season"].kind, columns["season"].coded) == ("category", "integer")
    assert (columns["temp"].low, columns["temp"].high) == (0.02, 1.0)
    none = signature_of(bike.frame(), settings_of(**bike_settings, categories=()))
    assert {c.kind for c in none.columns} == {"integer", "number"}
    chosen = signature_of(bike.frame(), settings_of(**bike_settings, categories=("mnth",)))
    assert [c.name for c in chosen.columns if c.kind == "category"] == ["mnth"]
    assert len({c.name: c for c in chosen.columns}["mnth"].categories) == 12


def kind(values, name="c"):
    found = infer(pd.DataFrame({name: values})).columns[0]
    return found.kind, found.coded


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4] * 20, ("category", "integer")),
        ([0, 1, 2, 3, 4, 5, 6] * 20, ("category", "integer")),
        ([1, 2, 4] * 20, ("integer", "text")),
        ([2, 3, 4] * 20, ("integer", "text")),
        ([0, 1] * 20, ("integer", "text")),
        (list(range(1, 10)) * 20, ("integer", "text")),
        ([1, 2, 3] * 5, ("integer", "text")),
        ([1.0, 2.0, 3.0, None] * 20, ("category", "integer")),
        ([1.0, 2.0, 3.0] * 20, ("number", "text")),
        ([7.0, 11.0, None] * 20, ("integer", "text")),
        (["1", "2", " 3 ", ""] * 20, ("category", "integer")),
        (["1.5", "NA", "?", "-", "null"] * 20, ("number", "text")),
        (["1e3", "2.", ".5"] * 20, ("number", "text")),
        (["01234", "04567"] * 20, ("category", "text")),
        (["Yes", "No"] * 20, ("category", "text")),
        (["true", "FALSE", ""] * 20, ("boolean", "text")),
        ([True, False] * 20, ("boolean", "text")),
        (["None", "good"] * 20, ("category", "text")),
        (["2024-01-31", "2024/02/28", "01.03.2024"] * 20, ("time", "text")),
        (["2024-01-31T10:00:00Z", "2024-01-31 11:00"] * 20, ("time", "text")),
        ([f"some words {i}" for i in range(60)], ("text", "text")),
        (["1"] * 199 + ["x"], ("integer", "text")),
        (["1"] * 90 + ["x"] * 10, ("category", "text")),
    ],
)
def test_kinds(values, expected):
    assert kind(values) == expected


@pytest.mark.parametrize("name", ["num_children", "childrenCount", "age", "n", "rooms", "Stars", "years_open"])
def test_few_consecutive_numbers_that_count_something_stay_integers(name):
    assert kind([0, 1, 2, 3] * 20, name) == ("integer", "text")


def frame(**columns):
    return pd.DataFrame({"y": RANDOM.normal(size=N), **columns})


def test_a_sum_hidden_among_other_numbers_is_a_leak():
    a, b, c, noise = (RANDOM.integers(0, 100, N) for _ in range(4))
    found = infer(frame(a=a, other=noise, b=b, c=c).assign(y=a + 2 * b - c), "y")
    assert set(found.leaks) == {"a", "b", "c"}


def test_a_scaled_copy_is_a_leak_and_a_good_predictor_is_not():
    table = frame()
    table["copy"] = table.y * 1.8 + 32
    table["good"] = table.y + RANDOM.normal(0, 0.01, N)
    assert infer(table, "y").leaks == ("copy",)


def test_with_few_rows_an_exact_fit_is_no_leak():
    table = pd.DataFrame(RANDOM.normal(size=(20, 19)), columns=[f"c{i}" for i in range(19)]).assign(
        y=RANDOM.normal(size=20)
    )
    assert infer(table, "y").leaks == ()


def test_class_leaks():
    label = RANDOM.choice(["left", "stayed"], N)
    gone = label == "left"
    table = pd.DataFrame(
        {
            "y": label,
            "status": np.where(gone, "closed", RANDOM.choice(["open", "active"], N)),
            "reason": np.where(gone, [f"because {i}" for i in range(N)], None),
            "closed_after": np.where(gone, RANDOM.normal(size=N), np.nan),
            "score": np.where(gone, 2.0, -2.0) + RANDOM.normal(0, 0.2, N),
            "fair": RANDOM.choice(["a", "b"], N),
            "honest": np.where(gone, 1.0, 0.0) + RANDOM.normal(size=N),
        }
    )
    found = infer(table, "y")
    assert set(found.leaks) == {"status", "reason", "closed_after", "score"}
    assert found.positive == "left"


def test_keys_ids_and_what_only_looks_like_one():
    table = frame(
        row=np.arange(N), code=[f"C{i:05d}" for i in range(N)], note=[f"free text {i}" for i in range(N)],
        income=RANDOM.permutation(N * 7)[:N],
    )  # fmt: skip
    found = infer(table, "y")
    assert found.key == "code"
    assert found.ids == ("row",)
    assert set(found.features) == {"note", "income"}


def test_the_time_is_the_column_the_rows_are_ordered_by_and_never_a_birthday():
    days = pd.date_range("2024-01-01", periods=N, freq="h")
    born = pd.Series(pd.to_datetime("1980-01-01") + pd.to_timedelta(np.arange(N), "D"))
    found = infer(frame(birth_date=born, shuffled=RANDOM.permutation(days), at=days), "y")
    assert found.time == ("at",)
    assert infer(frame(birth_date=born), "y").time == ()


def test_given_roles_are_taken_and_unknown_names_refused():
    table = frame(a=np.arange(N), b=pd.date_range("2024-01-01", periods=N, freq="D"))
    found = infer(table, "y", id="a", time="b")
    assert (found.key, found.time) == ("a", ("b",))
    with pytest.raises(ColumnMissing, match="columns missing: z"):
        infer(table, "z")
    with pytest.raises(SourceUnreadable, match="no rows"):
        infer(table.iloc[:0], "y")


@pytest.mark.parametrize(
    ("values", "task", "positive"),
    [
        (["no", "yes", "no"] * 40, "classification", "yes"),
        (["a", "b", "a"] * 40, "classification", "b"),
        (["a", "b", "c"] * 40, "classification", None),
        ([0, 1, 0] * 40, "classification", "1"),
        ([True, False, True] * 40, "classification", "true"),
        ([0.5, 1.5, 2.5] * 40, "regression", None),
        (list(range(120)), "regression", None),
    ],
)
def test_tasks(values, task, positive):
    found = infer(pd.DataFrame({"y": values, "x": RANDOM.normal(size=120)}), "y")
    assert (found.task, found.positive) == (task, positive)


def test_troubles_are_told():
    table = frame(
        constant=["x"] * N, empty=[None] * N, sparse=[1.0] + [None] * (N - 1), spaces=["a", " a", "A", "b"] * (N // 4)
    )
    table.loc[5, "y"] = None
    text = "\n".join(infer(table, "y").warnings)
    for part in ("constant: the same", "empty: no cell", "sparse: 100%", "' a' and 'A' and 'a'", "y: 1 rows have no"):
        assert part in text
    assert infer(table, "y").features == ("sparse", "spaces")


def test_kinds_come_from_all_rows_and_not_from_the_first(tmp_path):
    file = tmp_path / "late.csv"
    file.write_text("a,y\n" + "1,1\n" * 70_000 + "x,2\n" * 10_000)
    found = infer(open_table(file), "y", sample_rows=1000)
    assert found.rows == 80_000
    assert found.column("a").kind == "category"


def test_a_column_that_is_constant_in_some_rows_stays_in_the_signature():
    table = frame(yr=[0] * (N // 2) + [1] * (N // 2))
    first = signature_of(table.iloc[: N // 2], settings_of())
    assert first.names == signature_of(table, settings_of()).names == ("yr",)
    assert signature_of(table.assign(gone=None), settings_of()).names == ("yr", "gone")


def test_columns_of_kinds_no_model_takes_are_told_and_left_out():
    import pyarrow as pa

    lists = [[1], [1, 2]] * (N // 2)
    table = pa.table({"y": RANDOM.normal(size=N), "x": RANDOM.normal(size=N), "l": lists, "s": [{"a": 1}] * N,
                      "b": [b"z"] * N, "d": pa.array([1] * N, pa.duration("s")), "none": pa.nulls(N)})  # fmt: skip
    assert [c.role for c in infer(table, "y").columns] == ["target", "feature", *["unusable"] * 4, "empty"]
    assert signature_of(table, settings_of()).names == ("x", "none")


def test_settings_that_name_absent_columns_are_told_with_the_nearest():
    table = frame(income=RANDOM.normal(size=N))
    with pytest.raises(ConfigInvalid, match=r"model.features.*'incom'.*'income'"):
        signature_of(table, settings_of(features=("incom",)))
    labelled = table.assign(y=["a", "b"] * (N // 2))
    with pytest.raises(ConfigInvalid, match="is no class of the target"):
        signature_of(labelled, settings_of(task="classification", positive="c"))
    with pytest.raises(ConfigInvalid, match="only one class"):
        signature_of(table.assign(y="a"), settings_of(task="classification"))
