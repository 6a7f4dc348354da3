"""What datatype, shape and value of a tensor mean, whatever carries it: JSON, binary REST or gRPC."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.errors import BodyInvalid, CellInvalid, FairleadError, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire import tensors
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.codec import Answer

SIGNATURE = Signature(
    "classification",
    (Column("x", "number", minimum=0.0), Column("n", "integer", nullable=False), Column("c", "category")),
    classes=("no", "yes"),
    key="id",
)


@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("datatype", sorted(tensors.BINARY))
def test_every_datatype_is_read_from_bytes_and_from_lists(datatype: str, rows: int) -> None:
    expected = [bool(n % 2) if datatype == "BOOL" else n % 7 for n in range(rows)]
    if datatype == "BF16":
        raw = b"".join(struct.pack("<f", n)[2:] for n in expected)
    else:
        raw = np.array(expected).astype("<" + tensors.BINARY[datatype]).tobytes()
    for shape in ([rows], [rows, 1]):
        assert list(tensors.values_of_raw(raw, datatype, shape, "x")) == expected
        assert tensors.values_of(expected, datatype, shape, "x") == expected
    assert tensors.values_of([[n] for n in expected], datatype, [rows, 1], "x") == expected
    if datatype not in {"BF16"}:
        assert tensors.raw_of(expected, datatype) == raw


texts = st.lists(st.text(max_size=8), max_size=40)


@given(texts)
def test_texts_come_back_from_their_bytes(said: list[str]) -> None:
    raw = tensors.raw_of(said, "BYTES")
    assert tensors.values_of_raw(raw, "BYTES", [len(said)], "c") == said


@given(st.binary(max_size=60), st.sampled_from([*tensors.BINARY, "BYTES", "TEXT"]), st.lists(st.integers(-1, 9)))
def test_any_bytes_are_values_or_refused(raw: bytes, datatype: str, shape: list[int]) -> None:
    try:
        values = tensors.values_of_raw(raw, datatype, shape, "x")
    except FairleadError:
        return
    assert len(values) == math.prod(shape)


@pytest.mark.parametrize(
    ("raw", "datatype", "shape"),
    [
        (b"\0" * 7, "FP64", [1]), (b"\0" * 16, "FP64", [1]), (b"\0" * 8, "FP64", [2]), (b"", "BYTES", [1]),
        (b"\xff\xff\xff\xff", "BYTES", [1]), (b"\1\0\0\0a\0", "BYTES", [1]), (b"\1\0\0\0a" * 3, "BYTES", [2]),
        (b"\0" * 8, "FP64", [2**62, 2**62]), (b"\0" * 8, "FP64", []), (b"\0" * 8, "FP64", [-1, -1]),
    ],
)  # fmt: skip
def test_sizes_that_lie_are_refused(raw: bytes, datatype: str, shape: list[int]) -> None:
    with pytest.raises(ShapeMismatch):
        tensors.values_of_raw(raw, datatype, shape, "x")


@pytest.mark.parametrize("raw", [b"\1\0\0\0\xff", b"\2"])
def test_bytes_that_are_no_text_and_no_flag_are_refused(raw: bytes) -> None:
    with pytest.raises(BodyInvalid):
        tensors.values_of_raw(raw, "BYTES" if len(raw) > 1 else "BOOL", [1], "x")


@pytest.mark.parametrize(
    ("data", "datatype", "shape"),
    [
        ([[1], [2]], "INT64", [2, 2]), ([[1, 2], [3]], "INT64", [2, 2]), ([1, [2]], "INT64", [2]), ([], "INT64", [1]),
        ([[["a"]], [["b"]]], "BYTES", [2, 1]),
    ],
)  # fmt: skip
def test_nesting_that_is_not_that_of_the_shape_is_refused(data: list[Any], datatype: str, shape: list[int]) -> None:
    with pytest.raises((ShapeMismatch, BodyInvalid)):
        tensors.values_of(data, datatype, shape, "x")


@pytest.mark.parametrize("rows", [1, 40])
def test_nan_is_missing_and_infinity_is_refused_however_it_comes(rows: int) -> None:
    checks = Checks(SIGNATURE)
    others = {"n": [1] * rows, "c": ["a"] * rows}
    for value, fine in ((math.nan, True), (math.inf, False), (-math.inf, False), (-1.0, False)):
        raw = struct.pack(f"<{rows}d", *[2.0] * (rows - 1), value)
        for reads, given_as in ((tensors.values_of_raw, raw), (tensors.values_of, [*[2.0] * (rows - 1), value])):
            if fine:
                assert checks.columns({"x": reads(given_as, "FP64", [rows], "x"), **others})[0][-1][0] is None
                continue
            with pytest.raises((BodyInvalid, CellInvalid), match=rf"row {rows - 1}, column 'x'"):
                checks.columns({"x": reads(given_as, "FP64", [rows], "x"), **others})


def test_one_tensor_may_be_the_whole_table() -> None:
    signature = Signature("regression", (Column("a", "number"), Column("b", "integer")))
    values = tensors.values_of([1.5, 2, 3.5, 4], "FP64", [2, 2], "input-0")
    columns = tensors.columns_of([("input-0", [2, 2], values)], signature)
    assert Checks(signature).columns(columns)[0] == [(1.5, 2.0), (3.5, 4.0)]
    with pytest.raises(ShapeMismatch, match=r"\[rows, 2\]"):
        tensors.columns_of([("input-0", [1, 3], [1, 2, 3])], signature)
    with pytest.raises(BodyInvalid, match="twice"):
        tensors.columns_of([("a", [1], [1]), ("a", [1], [1])], signature)


def test_answers_are_tensors_in_the_order_asked_for() -> None:
    answer = Answer(["yes", "no"], [[0.25, 0.75], [1.0, 0.0]])
    label, probabilities = tensors.outputs_of(SIGNATURE, answer)
    assert label == ("label", "BYTES", [2], ["yes", "no"])
    assert probabilities == ("probabilities", "FP64", [2, 2], [0.25, 0.75, 1.0, 0.0])
    assert [one.name for one in tensors.outputs_of(SIGNATURE, answer, ("probabilities", "label"))] == [
        "probabilities", "label",
    ]  # fmt: skip
    number = Signature("regression", (Column("x", "number"),))
    assert tensors.outputs_of(number, Answer(None, [[2.5]])) == [("value", "FP64", [1], [2.5])]
    with pytest.raises(BodyInvalid, match="This model gives: value"):
        tensors.asked_outputs(["label"], number)


def test_metadata_names_inputs_outputs_and_what_is_passed_through() -> None:
    said = tensors.metadata_of(SIGNATURE)
    assert [one["datatype"] for one in said["inputs"]] == ["FP64", "INT64", "BYTES"]
    assert said["outputs"][1] == {"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}
    assert said["optional_inputs"] == [{"name": "id", "datatype": "BYTES", "shape": [-1]}]
