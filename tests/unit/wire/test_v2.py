"""What V2 alone has: tensors, shapes, datatypes, requested outputs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fairlead.contract.errors import InputInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer, Parsed
from fairlead.runtime.wire.v2 import V2

SIGNATURE = Signature("classification", (Column("n", "number"), Column("c", "category")), classes=("a", "b"), key="id")
CODEC = V2("m", SIGNATURE, Checks(SIGNATURE))


def tensor(name: str, data: Any, kind: str = "FP64", shape: Any = None) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "data": data, "shape": [len(data)] if shape is None else shape}


def parse(*tensors: dict[str, Any], **more: Any) -> Parsed:
    return CODEC.parse(json.dumps({"inputs": list(tensors), **more}).encode(), {})


C = tensor("c", ["x", "y"], "BYTES")


@pytest.mark.parametrize(
    "n",
    [
        tensor("n", [1, 2.5]),
        tensor("n", [[1], [2.5]], shape=[2, 1]),
        tensor("n", [1, 2.5], shape=[2, 1]),
        tensor("n", [1, 2.5], "FP32"),
    ],
)
def test_a_column_may_be_flat_or_nested(n: dict[str, Any]) -> None:
    assert [list(row) for row in parse(n, C).rows] == [[1.0, "x"], [2.5, "y"]]


@pytest.mark.parametrize(
    ("n", "says"),
    [
        (tensor("n", [1.0]), "length"),
        (tensor("n", [1, 2], shape=[3]), "shape says 3 rows, data has 2"),
        (tensor("n", [1, 2], shape=[1, 2]), "shape must be"),
        (tensor("n", [1, 2], shape=[-1]), "shape must be"),
        (tensor("n", [1, 2], shape=[True]), "shape must be"),
        (tensor("n", [1, 2], shape=[10**4200, 10**4200]), "shape must be"),
        (tensor("n", [[1, 2]], shape=[2]), "nested"),
        (tensor("n", [1, 2.5], "INT64"), "a number with a fraction in a tensor of INT64"),
        (tensor("n", [1, 300], "UINT8"), "an integer in a tensor of UINT8"),
        (tensor("n", ["1", "2"]), "text in a tensor of FP64"),
        (tensor("n", [True, 1]), "a boolean in a tensor of FP64"),
        (tensor("n", [1, 2], "FP128"), "datatype must be one of"),
        (tensor("n", {"a": 1}, shape=[1]), "data must be a list"),
    ],
)
def test_what_a_tensor_promises_is_held_against_it(n: dict[str, Any], says: str) -> None:
    with pytest.raises(InputInvalid, match=says):
        parse(n, C)


def test_a_tensor_twice_is_refused_even_if_its_row_is_single() -> None:
    with pytest.raises(InputInvalid, match="twice"):
        parse(tensor("n", [1]), tensor("n", [2]), tensor("c", ["x"], "BYTES"))


def test_the_id_and_the_outputs_asked_for_come_back() -> None:
    one = tensor("n", [1]), tensor("c", [None], "BYTES")
    asked = parse(*one, id="q", outputs=[{"name": "probabilities"}])
    assert asked.id == "q"
    said = json.loads(CODEC.render(asked, Answer(["a"], [[0.9, 0.1]])))
    assert said["id"] == "q"
    assert [output["name"] for output in said["outputs"]] == ["probabilities"]
    for rows in (one, (tensor("n", [1, 2]), C)):
        with pytest.raises(InputInvalid, match=r"outputs unknown: odds\. This model gives: label, probabilities\."):
            parse(*rows, outputs=[{"name": "odds"}])


def test_large_keys_keep_all_their_digits() -> None:
    asked = parse(tensor("n", [1]), tensor("c", ["x"], "BYTES"), tensor("id", [9007199254740993], "INT64"))
    assert [list(row) for row in asked.passes] == [[9007199254740993]]


def test_metadata_names_inputs_outputs_and_what_may_be_passed_through() -> None:
    said = json.loads(CODEC.metadata(["1"]))
    assert said["inputs"][0] == {"name": "n", "datatype": "FP64", "shape": [-1]}
    assert said["outputs"][1] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}
    assert said["parameters"]["optional_inputs"][0]["name"] == "id"
