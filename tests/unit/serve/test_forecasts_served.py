"""Forecasts that a worker answers in every protocol, records a column a step, and hears the truth of."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from asking import ask
from pictures import plane
from riders import deployed, expected, histories, origins, rows

from fairlead.runtime.capture import Records, collect
from fairlead.runtime.capture.forecasts import label_of, steps_of
from fairlead.runtime.capture.redaction import redact

ROWS = 3


@pytest.fixture
def home(tmp_path: Path) -> Path:
    deployed(tmp_path)
    return tmp_path


def close(found: Any, wanted: Any) -> bool:
    return bool(np.allclose(found, wanted, rtol=0, atol=1e-9))


def test_every_protocol_answers_as_many_numbers_as_there_are_steps(home: Path) -> None:
    found, at = histories(ROWS), origins(ROWS)
    asked, wanted = rows(found, at), expected(found, at)
    one = {"name": "history", "shape": [ROWS, 4, 2], "datatype": "FP64", "data": found.reshape(-1).tolist()}
    two = {"name": "origin", "shape": [ROWS], "datatype": "FP64", "data": at.tolist()}
    with plane(home) as app:
        (said,) = ask(app, asked, path="/predict/riders")
        assert close([row["forecast"] for row in said.json["predictions"]], wanted)
        columns = {name: [row[name] for row in asked] for name in ("history", "origin")}
        (said,) = ask(app, {"columns": columns}, path="/predict")
        assert close([row["forecast"] for row in said.json["predictions"]], wanted)
        (said,) = ask(app, {"inputs": [one, two]}, path="/v2/models/riders/infer")
        assert said.json["outputs"] == [
            {"name": "forecast", "shape": [ROWS, 3], "datatype": "FP64", "data": pytest.approx(wanted.reshape(-1))}
        ]
        raw = {name: one[name] for name in ("name", "shape", "datatype")}
        head = json.dumps({"inputs": [{**raw, "parameters": {"binary_data_size": ROWS * 64}}, two]}).encode()
        sent = head + found.astype("<f8").tobytes()
        (said,) = ask(app, sent, path="/v2/models/riders/infer", inference_header_content_length=str(len(head)))
        assert close(said.json["outputs"][0]["data"], wanted.reshape(-1))
        (said,) = ask(app, {"instances": asked}, path="/v1/models/riders:predict")
        assert close(said.json["predictions"], wanted)
        (said,) = ask(app, {"dataframe_records": asked}, path="/invocations")
        assert close(said.json["predictions"], wanted)


def test_csv_and_arrow(home: Path) -> None:
    found, at = histories(ROWS), origins(ROWS)
    wanted = expected(found, at)
    lines = ["history,origin"]
    for one, origin in zip(found, at.tolist(), strict=True):
        lines.append(f'"{json.dumps(one.tolist())}",{origin}')
    table = pa.table({
        "history": pa.array(found.reshape(ROWS, -1).tolist(), pa.list_(pa.float64(), 8)), "origin": pa.array(at)
    })  # fmt: skip
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with plane(home) as app:
        (said,) = ask(
            app, "\n".join(lines).encode(), path="/invocations/riders", content_type="text/csv", accept="text/csv"
        )
        assert close([list(map(float, line.split(","))) for line in said.body.decode().splitlines()], wanted)
        (said,) = ask(
            app, sink.getvalue().to_pybytes(), path="/predict", content_type="application/vnd.apache.arrow.stream"
        )
        answer = pa.ipc.open_stream(said.body).read_all()
        assert answer.schema.names == ["t+1", "t+2", "t+3"]
        assert close(np.column_stack([answer.column(name).to_numpy() for name in answer.schema.names]), wanted)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"history": [[1.0, 2.0]] * 3}, "'history'"),
        ({"history": [[1.0, None]] * 4}, "'history'"),
        ({"history": [[1.0, float("inf")]] * 4}, ""),
        ({"origin": None}, "'origin'"),
        ({"origin": "someday"}, "'origin'"),
        ({"horizon": 3}, "'horizon'"),
    ],
)
def test_what_does_not_fit_is_named(home: Path, row: dict[str, Any], why: str) -> None:
    with plane(home) as app:
        (said,) = ask(app, {**rows(histories(1), origins(1))[0], **row}, path="/predict/riders")
    assert said.code == 400
    assert why.strip("'") in said.json["error"]


def test_forecasts_are_on_record_with_the_truth_that_came(home: Path) -> None:
    found, at = histories(ROWS), origins(ROWS)
    with plane(home) as app:
        (said,) = ask(app, rows(found, at), path="/predict/riders", x_request_id="r1")
        truths = [
            {"request_id": "r1", "row": 0, "label": [1.0, 2.0, 3.5]},
            {"key": "a", "time": at[1], "label": [4]},
            {"key": "a", "time": at[2], "label": [None, 5.0, None]},
        ]
        (taken,) = ask(app, truths, path="/feedback/riders")
        assert taken.json == {"accepted": 3, "rejected": []}
    collect(home)
    table = Records(home, "riders").joined(None, None)
    steps = np.column_stack([table.column(f"out.t+{step}").to_numpy() for step in (1, 2, 3)])
    assert close(steps, [row["forecast"] for row in said.json["predictions"]])
    assert table.column("time").to_pylist() == at.tolist()
    assert table.column("key").to_pylist() == ["a"] * ROWS
    assert table.column("label").to_pylist() == ["[1.0,2.0,3.5]", "[4.0,null,null]", "[null,5.0,null]"]
    assert close(table.column("newest.history").to_numpy(), found[:, -1, 0])
    assert close(table.column("mean.history").to_numpy(), found[:, :, 0].mean(axis=1))
    assert close(table.column("spread.history").to_numpy(), found[:, :, 0].std(axis=1))


def test_a_truth_is_told_step_by_step_and_is_that_of_its_own_origin_alone(home: Path) -> None:
    at = origins(2)
    with plane(home) as app:
        ask(app, rows(histories(2), at), path="/predict/riders", x_request_id="r1")
        for steps in ([1.0], [None, 2.0], [7.0, None, 3.0]):
            ask(app, {"key": "a", "time": at[0], "label": steps}, path="/feedback/riders")
        # No forecast was asked then: it is not the truth of the one before.
        ask(app, {"key": "a", "time": at[1] + 60.0, "label": [9.0]}, path="/feedback/riders")
        ask(app, {"key": "b", "time": at[1], "label": [9.0]}, path="/feedback/riders")
        ask(app, {"request_id": "r1", "row": 0, "comment": "late"}, path="/feedback/riders")
    collect(home)
    table = Records(home, "riders").joined(None, None)
    assert table.column("label").to_pylist() == ["[7.0,2.0,3.0]", None]
    assert table.column("comment").to_pylist() == ["late", None]


def test_of_one_series_the_time_of_the_origin_is_enough(tmp_path: Path) -> None:
    deployed(tmp_path, alone=True)
    at = origins(2)
    asked = [{name: row[name] for name in ("history", "origin")} for row in rows(histories(2), at)]
    with plane(tmp_path) as app:
        ask(app, asked, path="/predict/riders")
        (taken,) = ask(app, [{"time": at[1], "label": [4, 5, 6]}, {"label": [1]}], path="/feedback/riders")
    assert taken.json["accepted"] == 1
    assert "say which row" in taken.json["rejected"][0]["reason"]
    collect(tmp_path)
    assert Records(tmp_path, "riders").joined(None, None).column("label").to_pylist() == [None, "[4.0,5.0,6.0]"]


def test_a_hidden_series_is_its_hash_and_still_finds_its_truth(tmp_path: Path) -> None:
    deployed(tmp_path, redact=("station",))
    at = origins(1)
    with plane(tmp_path) as app:
        ask(app, rows(histories(1), at, "secret street"), path="/predict/riders")
        ask(app, {"key": "secret street", "time": at[0], "label": [1, 2, 3]}, path="/feedback/riders")
    for path in (tmp_path / "spool").rglob("*.spool"):
        assert b"secret street" not in path.read_bytes()
    collect(tmp_path)
    table = Records(tmp_path, "riders").joined(None, None)
    assert table.column("key").to_pylist() == [redact("secret street", bytes.fromhex("0a0b"))]
    assert table.column("label").to_pylist() == ["[1.0,2.0,3.0]"]


@pytest.mark.parametrize(
    "label", [3.0, "up", [], [None, None], [1, 2, 3, 4], [1, True, 3], [1, "2", 3], {"t+1": 1.0}, [10**400]]
)
def test_a_truth_that_is_none_is_rejected_and_told_what_is_allowed(home: Path, label: Any) -> None:
    with plane(home) as app:
        (taken,) = ask(app, {"request_id": "r1", "label": label}, path="/feedback/riders")
    (no,) = taken.json["rejected"]
    assert "a list of 1 to 3 numbers" in no["reason"]


def test_truths_come_back_as_they_were_told() -> None:
    assert steps_of(label_of([1, None, 0.1], 4), 4)[0] == 1.0
    assert np.isnan(steps_of(label_of([1, None, 0.1], 4), 4)).tolist() == [False, True, False, True]
    for odd in (None, "", "7", "[1.0]", '["a","b"]', "[[1.0,2.0]]", "[1e999,1]"):
        assert not np.isfinite(steps_of(odd, 2)).all()


def test_numbers_of_the_wire_are_doubles(home: Path) -> None:
    found = np.full((1, 4, 2), 0.1)
    body = struct.pack("<8d", *found.reshape(-1))
    assert body == found.tobytes()
    row = {"history": {"b64": base64.b64encode(body).decode()}, "origin": 0.0}
    with plane(home) as app:
        (said,) = ask(app, row, path="/predict/riders")
    assert close(said.json["predictions"][0]["forecast"], expected(found, np.zeros(1))[0])
