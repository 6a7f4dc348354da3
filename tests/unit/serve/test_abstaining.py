"""A model that abstains, through the data plane: marked answers, marked records, in every protocol that has a place."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.ipc
import pytest
import stand_in
from asking import FIRST, ROW, SECOND, ask, deploy, plane

from fairlead.contract.routes import Variant
from fairlead.runtime.capture import Records, collect


@pytest.fixture
def unsure(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The first of both models abstains below 0.7."""
    before = stand_in.load

    def load(folder: Path, *rest: Any, **more: Any) -> Any:
        model = before(folder, *rest, **more)
        if folder.name == FIRST:
            model.signature = msgspec.structs.replace(model.signature, confidence=0.7)
        return model

    monkeypatch.setattr(stand_in, "load", load)
    return home


BODIES = [{**ROW, "tenure": tenure} for tenure in range(-300, 300, 25)]


def test_answers_and_records_say_which_are_left_to_people(unsure: Path) -> None:
    with plane(unsure) as app:
        alone = [reply.json["predictions"][0] for reply in ask(app, *BODIES)]
        together = ask(app, BODIES)[0].json["predictions"]
    assert alone == together
    expected = [max(one["probabilities"].values()) < 0.7 for one in alone]
    assert [one["abstained"] for one in alone] == expected
    assert 0 < sum(expected) < len(expected)
    collect(unsure)
    table = Records(unsure, "churn").between(None, None).sort_by([("offset", "ascending"), ("row", "ascending")])
    assert table.column("out.abstained").to_pylist() == expected * 2


def test_v2_and_arrow_have_an_output_for_it(unsure: Path) -> None:
    columns = {name: [row[name] for row in BODIES] for name in ROW}
    kinds = {"tenure": "INT64", "charges": "FP64", "contract": "BYTES", "paperless": "BOOL"}
    inputs = [{"name": n, "shape": [len(v)], "datatype": kinds[n], "data": v} for n, v in columns.items()]
    sink = io.BytesIO()
    batch = pa.RecordBatch.from_pydict(columns)
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    with plane(unsure) as app:
        native = [one["abstained"] for one in ask(app, BODIES)[0].json["predictions"]]
        said = ask(app, {"inputs": inputs}, path="/v2/models/churn/infer")[0].json
        first = [{**one, "shape": [1], "data": one["data"][:1]} for one in inputs]
        some = ask(app, {"inputs": first}, {"inputs": first}, path="/v2/models/churn/infer")
        only = {"inputs": inputs, "outputs": [{"name": "abstained"}]}
        wanted = ask(app, only, path="/v2/models/churn/infer")[0].json
        told = ask(app, b"", path="/v2/models/churn", method="GET")[0].json
        arrow = ask(app, sink.getvalue(), content_type="application/vnd.apache.arrow.stream")[0]
    by_name = {one["name"]: one for one in said["outputs"]}
    assert by_name["abstained"] == {"name": "abstained", "datatype": "BOOL", "shape": [len(BODIES)], "data": native}
    assert [one["name"] for one in wanted["outputs"]] == ["abstained"]
    assert [reply.json["outputs"][-1]["data"] for reply in some] == [native[:1]] * 2
    assert told["outputs"][-1] == {"name": "abstained", "datatype": "BOOL", "shape": [-1]}
    assert pa.ipc.open_stream(arrow.body).read_all().column("abstained").to_pylist() == native


def test_protocols_of_bare_labels_say_it_beside_them_or_in_a_header(unsure: Path) -> None:
    lines, comma = "application/jsonlines", "text/csv"
    with plane(unsure) as app:
        native = [one["abstained"] for one in ask(app, BODIES)[0].json["predictions"]]
        v1 = ask(app, {"instances": BODIES}, path="/v1/models/churn:predict")[0]
        mlflow = ask(app, {"dataframe_records": BODIES}, path="/invocations")[0]
        each = ask(app, {"dataframe_records": BODIES}, path="/invocations", accept=lines)[0]
        csv = ask(app, {"dataframe_records": BODIES}, path="/invocations", accept=comma)[0]
        azure = ask(app, {"input_data": BODIES}, path="/score")[0]
    rows = "rows=" + ",".join(str(at) for at, left in enumerate(native) if left)
    assert v1.json["abstained"] == mlflow.json["abstained"] == native
    assert [msgspec.json.decode(line)["abstained"] for line in each.body.splitlines()] == native
    assert csv.headers["fairlead-abstained"] == azure.headers["fairlead-abstained"] == rows
    assert len(csv.body.splitlines()) == len(azure.json) == len(BODIES)


def test_of_two_variants_each_abstains_by_its_own_rule(unsure: Path) -> None:
    both = (Variant("champion", FIRST, 1, 0.5), Variant("challenger", SECOND, 2, 0.5))
    deploy(unsure, *both, sticky_by="customer", salt="s")
    bodies = [{**row, "customer": f"c{at}"} for at, row in enumerate(BODIES)]
    with plane(unsure) as app:
        said = ask(app, bodies)[0].json["predictions"]
    collect(unsure)
    table = Records(unsure, "churn").between(None, None)
    by_row = dict(zip(table["row"].to_pylist(), table["variant"].to_pylist(), strict=True))
    for at, one in enumerate(said):
        sure = one["probabilities"][one["label"]] >= 0.7
        assert one["abstained"] == (by_row[at] == "champion" and not sure)


def test_a_model_that_answers_every_row_says_nothing_of_it(home: Path) -> None:
    with plane(home) as app:
        said = ask(app, ROW)[0].json["predictions"][0]
    assert set(said) == {"label", "probabilities"}
