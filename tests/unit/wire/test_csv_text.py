"""CSV as MLflow and as SageMaker send it, and the other forms and answers of `/invocations`."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import BodyInvalid, CellInvalid, InputInvalid, MediaUnsupported
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer
from fairlead.runtime.wire.mlflow import MLflow
from fairlead.runtime.wire.sagemaker import SageMaker

SIGNATURE = Signature(
    "classification",
    (
        Column("age", "integer"),
        Column("income", "number"),
        Column("plan", "category"),
        Column("season", "category", coded="integer"),
        Column("member", "boolean"),
        Column("seen", "time"),
    ),
    classes=("No, thanks", "Yes"),
    key="id",
)
CODEC = MLflow("m", SIGNATURE, Checks(SIGNATURE))
CSV = {"content-type": "text/csv"}
HEADER = b"age,income,plan,season,member,seen\n"


def rows(body: bytes, codec: Any = CODEC, **headers: str) -> list[list[Any]]:
    said = {"content-type": "text/csv", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return [list(row) for row in codec.parse(body, said).rows]


EXPECTED = [31.0, 1.5, "a", "2", 1.0, 0.0]


@pytest.mark.parametrize(
    "body",
    [
        HEADER + b"31,1.5,a,2,True,1970-01-01\n", b"31,1.5,a,2,true,0", b"31.0,1.5e0,a,2.0,1,1970-01-01\r\n",
        b"\xef\xbb\xbf" + HEADER + b"31,1.5,a,2,TRUE,0\n\n", b'"31","1.5","a","2","1.0","0"\n',
        b"seen, member ,season,plan,income,age\n0,true,2,a,1.5,31", b" 31 , 1.5 ,a, 2 , true , 0 ",
    ],
)  # fmt: skip
def test_a_row_is_read_with_a_header_and_without(body: bytes) -> None:
    assert rows(body) == [EXPECTED]


def test_what_is_missing_in_a_table_is_missing_here() -> None:
    assert rows(b"NA,nan,None,null,?,-\n,,,,,") == [[None, None, "None", None, None, None], [None] * 6]


def test_pandas_own_text_is_read_with_its_index_and_without() -> None:
    frame = pd.DataFrame(
        {
            "age": [31, None], "income": [1.5, 2.5], "plan": ["a", None], "season": [2, None], "member": [True, False],
            "seen": pd.to_datetime(["1970-01-01", None]),
        }
    )  # fmt: skip
    for index in (True, False):
        assert rows(frame.to_csv(index=index).encode()) == [EXPECTED, [None, 2.5, None, None, 0.0, None]]


def test_pass_through_columns_are_taken_by_name() -> None:
    parsed = CODEC.parse(b"id," + HEADER + b"007,31,1.5,a,2,true,0\n", CSV)
    assert [list(row) for row in parsed.passes] == [["007"]]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"31,1.5,a,2,true", "row 0: 5 values for 6 columns"), (HEADER + b"31,1.5,a,2,true,0,9", "row 0: 7 values"),
        (HEADER, "empty"), (b"", "empty"), (b"\n\n", "empty"), (b"\xff\xfe1", "UTF-8"), (b'"31', "not valid CSV"),
        (b"31,much,a,2,true,0", "row 0, column 'income': found text"), (b"31,1_0,a,2,true,0", "column 'income'"),
        (b"31,1.5,a,2,true,0\n31,inf,a,2,true,0", "row 1, column 'income'"), (b"31.5,1,a,2,true,0", "column 'age'"),
        (b"age,age,plan,season,member,seen\n1,1,a,2,true,0", "'age' is given twice"), (b"1,1,a,2,2,0", "'member'"),
        (b"age,income,plan,season,member,colour\n1,1,a,2,true,0", "columns missing: seen"),
        (b"1,1,a,2,true," + b"9" * 400, "column 'seen'"), (b"1,1e999,a,2,true,0", "column 'income'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(body: bytes, says: str) -> None:
    with pytest.raises(InputInvalid, match=says):
        rows(body)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(st.integers(-(2**53), 2**53), st.floats(allow_infinity=False, allow_nan=False), texts)))
def test_what_csv_writes_is_read_as_it_was(said: list[tuple[int, float, str]]) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([[*row, "", "", ""] for row in said])
    if not said:
        return
    expected = [[float(age), income, plan if plan.strip() else None] for age, income, plan in said]
    assert [row[:3] for row in rows(out.getvalue().encode())] == expected


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_rows_or_refused(body: bytes) -> None:
    for kind in ("text/csv", "application/jsonlines"):
        try:
            parsed = CODEC.parse(body, {"content-type": kind})
        except InputInvalid:
            continue
        assert all(len(row) == 6 for row in parsed.rows)


def test_json_lines_are_objects_lists_or_features() -> None:
    values = [31, 1.5, "a", 2, True, 0]
    lines = [dict(zip(SIGNATURE.names, values, strict=True))] * 2
    for said in (lines, [values] * 2, [{"features": values}] * 2):
        body = b"\n".join(json.dumps(line).encode() for line in said) + b"\r\n\n"
        assert rows(body, content_type="application/jsonlines") == [EXPECTED] * 2
    with pytest.raises(BodyInvalid, match="line 2: body is not valid JSON"):
        rows(b'{"age": 1}\n{', content_type="application/jsonlines")
    with pytest.raises(CellInvalid, match="row 1, column 'age'"):
        rows(json.dumps(lines[0]).encode() + b"\n" + json.dumps({**lines[0], "age": "x"}).encode(),
             content_type="application/x-ndjson")  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/json; charset=latin-1", "text/csv; header=present", "application/octet-stream",
     "application/json; version=1", "multipart/form-data"],
)  # fmt: skip
def test_other_media_types_are_415_in_plain_text(kind: str) -> None:
    with pytest.raises(MediaUnsupported):
        CODEC.parse(b'{"instances": [[31, 1.5, "a", 2, true, 0]]}', {"content-type": kind})
    assert CODEC.error("no", 415) == b"no"


def test_the_charset_may_be_said_and_sagemaker_says_more() -> None:
    for kind in ("text/csv; charset=utf-8", 'text/csv;charset="UTF-8"', "TEXT/CSV"):
        assert rows(b"31,1.5,a,2,true,0", content_type=kind) == [EXPECTED]
    sagemaker = SageMaker("m", SIGNATURE, Checks(SIGNATURE))
    for kind in ("text/csv; header=absent", "text/csv;label_size=0"):
        assert rows(b"31,1.5,a,2,true,0", sagemaker, content_type=kind) == [EXPECTED]


ANSWER = Answer(["Yes", "No, thanks"], [[0.25, 0.75], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("accept", "kind", "body"),
    [
        ("*/*", "application/json", b'{"predictions":["Yes","No, thanks"]}'),
        ("application/json, text/csv", "application/json", b'{"predictions":["Yes","No, thanks"]}'),
        ("application/x-npy", "application/json", b'{"predictions":["Yes","No, thanks"]}'),
        ("text/csv", "text/csv; charset=utf-8", b'Yes\n"No, thanks"\n'),
        ("application/x-npy, text/csv;q=0.9", "text/csv; charset=utf-8", b'Yes\n"No, thanks"\n'),
        ("application/jsonlines", "application/jsonlines",
         b'{"predicted_label":"Yes","scores":[0.25,0.75]}\n{"predicted_label":"No, thanks","scores":[1.0,0.0]}\n'),
    ],
)  # fmt: skip
def test_answers_come_as_they_are_accepted(accept: str, kind: str, body: bytes) -> None:
    parsed = CODEC.parse(b"31,1.5,a,2,true,0\n" * 2, {**CSV, "accept": accept})
    assert CODEC.render(parsed, ANSWER) == body
    assert dict(parsed.head)["content-type"] == kind


def test_numbers_of_a_regression_come_as_they_are_accepted() -> None:
    signature = Signature("regression", (Column("x", "number"),))
    codec = MLflow("m", signature, Checks(signature))
    for accept, said in (("text/csv", b"2.5\n-1.0\n"), ("application/jsonlines", b'{"score":2.5}\n{"score":-1.0}\n')):
        parsed = codec.parse(b"1\n2", {**CSV, "accept": accept})
        assert codec.render(parsed, Answer(None, [[2.5], [-1.0]])) == said


@pytest.mark.parametrize(
    "body",
    [
        {"params": {"a": 1}}, {"instances": [[1]], "inputs": [[1]]}, [[31, 1.5, "a", 2, True, 0]], {}, {"rows": []},
        {"dataframe_split": {"columns": ["age"], "data": [[1]], "more": 1}}, {"dataframe_split": [[1]]},
        {"dataframe_records": {"age": 1}}, {"dataframe_split": {"columns": "age", "data": [[1]]}},
        {"instances": None}, {"dataframe_records": None, "instances": [[31, 1.5, "a", 2, True, 0]]},
    ],
)  # fmt: skip
def test_several_keys_none_and_lists_are_refused(body: Any) -> None:
    with pytest.raises(InputInvalid):
        CODEC.parse(json.dumps(body).encode(), {"content-type": "application/json"})


def test_params_and_other_keys_change_nothing_and_nan_is_missing() -> None:
    body = {"instances": [[31, 1.5, "a", 2, True, 0]], "params": {"top_k": 3}, "other": 1}
    assert rows(json.dumps(body).encode(), content_type="application/json") == [EXPECTED]
    split = {"columns": [*SIGNATURE.names], "index": [0], "data": [[31, float("nan"), "a", 2, True, 0]]}
    got = rows(json.dumps({"dataframe_split": split}).encode(), content_type="application/json")
    assert got == [[31.0, None, *EXPECTED[2:]]]


def test_very_many_names_are_refused_soon() -> None:
    names = [f"c{at}" for at in range(60_000)]
    for several in (names, [*names, "c7"]):
        split = {"columns": several, "data": [[1] * len(several)]}
        with pytest.raises(InputInvalid):
            CODEC.parse(json.dumps({"dataframe_split": split}).encode(), {"content-type": "application/json"})
