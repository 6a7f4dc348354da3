"""Cells to the in-memory forms, event times, and the frame that sklearn sees."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import CellInvalid, ColumnMissing, UsageError
from fairlead.contract.signature import Column, Signature
from fairlead.lab.tables import columns_of, event_times, frame_of, open_table, target_of


def one(values, **column):
    signature = Signature("regression", (Column("c", **column),))
    rows = values if isinstance(values, pa.Table) else {"c": values}
    return columns_of(rows, signature)["c"]


def same(found, expected):
    if found.dtype == object:
        return found.tolist() == expected
    return np.array_equal(found, np.array(expected, dtype=float), equal_nan=True)


NAN = float("nan")


@pytest.mark.parametrize("dress", ["arrow", "pandas", "dictionary"])
@pytest.mark.parametrize(
    ("values", "column", "expected"),
    [
        (["1", " 2.5 ", "", "NA", None], {"kind": "number"}, [1, 2.5, NAN, NAN, NAN]),
        ([1, 2, None], {"kind": "integer"}, [1, 2, NAN]),
        (["3", "4.0"], {"kind": "integer"}, [3, 4]),
        ([True, False, None], {"kind": "boolean"}, [1, 0, NAN]),
        (["true", "False", "1", "0", ""], {"kind": "boolean"}, [1, 0, 1, 0, NAN]),
        (["a", "", "  ", None, "None"], {"kind": "category"}, ["a", None, None, None, "None"]),
        ([1, 2, None], {"kind": "category", "coded": "integer"}, ["1", "2", None]),
        (["1", "2.0", " 3", "NA"], {"kind": "category", "coded": "integer"}, ["1", "2", "3", None]),
        ([1.0, NAN], {"kind": "category", "coded": "integer"}, ["1", None]),
        ([True, False], {"kind": "category", "coded": "boolean"}, ["true", "false"]),
        (["TRUE", "false"], {"kind": "category", "coded": "boolean"}, ["true", "false"]),
        (["x y", None], {"kind": "text"}, ["x y", None]),
        (["1970-01-02", "1970-01-01T00:00:10Z"], {"kind": "time"}, [86400, 10]),
    ],
)
def test_cells_take_their_pinned_form(values, column, expected, dress):
    array = pa.array(values, from_pandas=True)
    if dress == "pandas":
        array = pd.Series(values)
    elif dress == "dictionary" and pa.types.is_string(array.type):
        array = array.dictionary_encode()
    found = one(array, **column)
    assert found.dtype == (np.float64 if Column("c", column["kind"]).numeric else object)
    assert same(found, expected)


@pytest.mark.parametrize(
    ("values", "column", "found", "allowed"),
    [
        (["1", "secret"], {"kind": "number"}, "text", "a finite number"),
        ([1.0, float("inf")], {"kind": "number"}, "an infinite number", "a finite number"),
        (["1", "inf"], {"kind": "number"}, "text", "a finite number"),
        ([1.0, 1.5], {"kind": "integer"}, "a number", "an integer"),
        (["1", "x"], {"kind": "category", "coded": "integer"}, "text", "an integer"),
        (["1", "1.5"], {"kind": "category", "coded": "integer"}, "a number", "an integer"),
        ([1, 2], {"kind": "boolean"}, "a number", "true or false"),
        (["true", "maybe"], {"kind": "category", "coded": "boolean"}, "text", "true or false"),
        (["2024-01-01", "tomorrow"], {"kind": "time"}, "text", "a date"),
        (["2024-01-01", "2024-13-01"], {"kind": "time"}, "text", "a date"),
    ],
)
def test_cells_that_do_not_fit_are_refused_without_their_value(values, column, found, allowed):
    with pytest.raises(CellInvalid) as caught:
        one(pa.array(values), **column)
    assert (caught.value.row, caught.value.column, caught.value.found) == (1, "c", found)
    assert caught.value.allowed.startswith(allowed)
    assert "secret" not in str(caught.value)
    signature = Signature("regression", (Column("c", **column),))
    missing = columns_of({"c": pa.array(values)}, signature, invalid="missing")["c"]
    assert missing[1] is None or np.isnan(missing[1])
    with pytest.raises(CellInvalid, match="row 101,"):
        columns_of({"c": pa.array(values)}, signature, first_row=100)


def test_missing_columns_are_named_and_others_ignored():
    signature = Signature("regression", (Column("a", "number"), Column("b", "number")))
    with pytest.raises(ColumnMissing, match=r"columns missing: b\. This model expects: a, b"):
        columns_of(pd.DataFrame({"a": [1.0], "z": [1.0]}), signature)
    assert list(columns_of(pd.DataFrame({"z": [1], "b": [1], "a": [2]}), signature)) == ["a", "b"]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=20))
def test_floats_survive_their_text(values):
    texts = pa.array([None if v is None else repr(v) for v in values], pa.string())
    assert same(one(texts, kind="number"), [NAN if v is None else v for v in values])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=1, max_size=20))
def test_texts_survive_in_every_dress(values):
    expected = [None if v is None or not v.strip() else v for v in values]
    arrow = pa.array(values, pa.string())
    # Arrow and Python agree on what white space is, but for a few separators of the C0 block.
    keep = [i for i, v in enumerate(values) if not (v and any(c in "\x1c\x1d\x1e\x1f\x85" for c in v))]
    plain, coded = one(arrow, kind="category"), one(arrow.dictionary_encode(), kind="category")
    assert [plain[i] for i in keep] == [expected[i] for i in keep]
    assert plain.tolist() == coded.tolist()


def test_the_arrow_form_holds_the_same_cells():
    signature = Signature("regression", (Column("c", "category"),))
    table = pa.table({"c": pa.chunked_array([["a", ""], ["b", None]])})
    coded = columns_of(table, signature, text="arrow")["c"]
    assert pa.types.is_dictionary(coded.type)
    assert coded.to_pylist() == columns_of(table, signature)["c"].tolist() == ["a", None, "b", None]


def test_sklearn_sees_pinned_dtypes_and_fills_gaps():
    from sklearn.impute import SimpleImputer

    signature = Signature("regression", (Column("n", "integer"), Column("c", "category")))
    columns = columns_of(pd.DataFrame({"n": [1, 2, None], "c": ["a", "a", None]}), signature)
    frame = frame_of(columns, signature)
    assert frame.dtypes.tolist() == [np.float64, object]
    assert SimpleImputer(strategy="most_frequent").fit_transform(frame[["c"]]).ravel().tolist() == ["a", "a", "a"]
    assert columns["c"][2] is None


def test_whole_numbers_beyond_64_bits_stay_what_they_are(tmp_path):
    (tmp_path / "t.csv").write_text(f"n,m\n{10**300},1\n-{10**20},2\n3,3\n")
    frame = open_table(tmp_path / "t.csv").frame()
    assert frame["n"].tolist() == [1e300, -1e20, 3.0]
    assert frame["m"].dtype == np.int64


def test_targets():
    binary = Signature("classification", (), target="y", classes=("0", "1"))
    assert target_of(pd.DataFrame({"y": [1, 0, 1]}), binary).tolist() == ["1", "0", "1"]
    assert target_of(pd.DataFrame({"y": [1.0, None]}), binary).tolist() == ["1", None]
    flags = Signature("classification", (), target="y", classes=("false", "true"))
    assert target_of(pd.DataFrame({"y": [True, False]}), flags).tolist() == ["true", "false"]
    number = Signature("regression", (), target="y")
    assert target_of(pd.DataFrame({"y": ["1.5", "2"]}), number).tolist() == [1.5, 2.0]
    with pytest.raises(CellInvalid):
        target_of(pd.DataFrame({"y": ["1.5", "x"]}), number)
    with pytest.raises(ColumnMissing):
        target_of(pd.DataFrame({"z": [1]}), number)


NEW_YEAR = 1704067200.0  # 2024-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("values", "zone", "expected"),
    [
        (["2024-01-01", "2024-01-01 01:00"], "UTC", [0, 3600]),
        (["2024-01-01", "2024-01-01T00:00:00Z"], "Europe/Paris", [-3600, 0]),
        (["2024-01-01T00:00:00+02:00", "2024-01-01T00:00:00.250Z"], "UTC", [-7200, 0.25]),
        ([1704067200, 1704067201], "Asia/Tokyo", [0, 1]),
        ([1704067200000, 1704067201000], "UTC", [0, 1]),
        (pd.to_datetime(["2024-01-01", "2024-01-02"]), "UTC", [0, 86400]),
        (pd.to_datetime(["2024-01-01"]).tz_localize("Europe/Paris"), "UTC", [-3600]),
    ],
)
def test_event_times(values, zone, expected):
    found = event_times(pd.DataFrame({"at": values}), "at", zone)
    assert (found - NEW_YEAR).tolist() == expected


def test_a_date_and_an_hour_make_a_time_in_the_zone_of_the_wall_clock():
    frame = pd.DataFrame({"d": ["2024-01-01"] * 3, "h": [0, 17, 24], "t": ["00:00", "17:30", "23:59:30"]})
    assert (event_times(frame, ["d", "h"]) - NEW_YEAR).tolist() == [0, 17 * 3600, 86400]
    assert (event_times(frame, ("d", "h"), "Europe/Paris") - NEW_YEAR).tolist() == [-3600, 16 * 3600, 82800]
    assert (event_times(frame, ("d", "t")) - NEW_YEAR).tolist() == [0, 63000, 86370]
    # Clocks go forward in Paris on 31 March 2024 at 02:00: the day after has 23 hours between.
    spring = pd.DataFrame({"d": ["2024-03-31", "2024-03-31"], "h": [1, 3]})
    assert np.diff(event_times(spring, ("d", "h"), "Europe/Paris")).tolist() == [3600]


def test_rows_without_a_time_cannot_be_ordered():
    with pytest.raises(CellInvalid, match="row 1, column 'at': found nothing"):
        event_times(pd.DataFrame({"at": ["2024-01-01", None]}), "at")
    with pytest.raises(CellInvalid, match="an hour from 0 to 24"):
        event_times(pd.DataFrame({"d": ["2024-01-01"], "h": [25]}), ("d", "h"))
    with pytest.raises(ColumnMissing):
        event_times(pd.DataFrame({"d": ["2024-01-01"]}), ("d", "h"))
    with pytest.raises(UsageError):
        event_times(pd.DataFrame({"d": ["2024-01-01"]}), ("d", "d", "d"))
