"""Every codec with tensor columns: one beside ordinary columns, and one alone."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import grpc_messages
import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speakers import (
    ARROW,
    BARE,
    BARE_ROW,
    IMAGE,
    PICTURE,
    PICTURED,
    PICTURED_CELLS,
    PICTURED_ROW,
    PIXELS,
    SPEAKERS,
    Speaker,
)  # fmt: skip

from fairlead.contract.errors import BundleRefused, CellInvalid, InputInvalid
from fairlead.contract.plugins import names, variant
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks

FLAT = [0, 1, 2, 3, 250, 5]
B64 = {"b64": base64.b64encode(PICTURE).decode()}
JSON = [speaker for speaker in SPEAKERS if speaker.typed and not speaker.whole]
"""Speakers whose cells are JSON values."""
BOTH = pytest.mark.parametrize(
    ("signature", "row", "cells"),
    [(PICTURED, PICTURED_ROW, PICTURED_CELLS), (BARE, BARE_ROW, [PICTURE])],
    ids=["beside", "alone"],
)


@pytest.fixture(params=SPEAKERS, ids=repr)
def speaker(request: pytest.FixtureRequest) -> Any:
    return request.param


def codec_of(name: str, signature: Signature) -> Any:
    return variant("codec", name)("churn", signature, Checks(signature))


def cells_of(codec: Any, body: Any, headers: dict[str, str] | None = None) -> list[list[Any]]:
    said = body if isinstance(body, bytes) else json.dumps(body).encode()
    return [list(row) for row in codec.parse(said, headers or {}).rows]


@BOTH
@pytest.mark.parametrize("count", [1, 2, 3, 70])
def test_tensors_are_decoded_to_the_bytes_of_their_elements(
    speaker: Speaker, signature: Signature, row: dict, cells: list, count: int
) -> None:
    parsed = speaker.parse(speaker.codec(signature), [row] * count)
    assert [list(one) for one in parsed.rows] == [cells] * count
    assert all(type(one[0]) is bytes for one in parsed.rows)
    if speaker.named and "id" in row:
        assert [list(one) for one in parsed.passes] == [["k1"]] * count


@BOTH
@pytest.mark.parametrize("said", [FLAT, B64, [[float(pixel) for pixel in line] for line in PIXELS]])
@pytest.mark.parametrize("speaker", JSON, ids=repr)
def test_a_flat_list_base64_and_whole_fractions_mean_the_same(
    speaker: Speaker, signature: Signature, row: dict, cells: list, said: Any
) -> None:
    for count in (1, 2, 3):
        parsed = speaker.parse(speaker.codec(signature), [{**row, "image": said}] * count)
        assert [list(one) for one in parsed.rows] == [cells] * count


WRONG: list[tuple[Any, str]] = [
    (None, "null"),
    ("soon", "text"),
    (3, "an integer"),
    ([[0, 1], [2, 3], [4, 5]], "numbers of shape [3, 2]"),
    ([[0, 1, 2], [3, 4]], "lists of different lengths"),
    ([[0, 1, 2], 3], "lists beside what is none"),
    ([0, 1, 2, 3, 4], "numbers of shape [5]"),
    ([], "nothing of shape [0]"),
    ([[0, 1, 2], [3, 4, None]], "nulls and numbers of shape [2, 3]"),
    ([[0, 1, 2], [3, 4, True]], "booleans and numbers of shape [2, 3]"),
    ([[0, 1, 2], [3, 4, "secret"]], "numbers and text of shape [2, 3]"),
    ([[0, 1, 2], [3, 4, {}]], "numbers and objects of shape [2, 3]"),
    ([[0, 1, 2], [3, 4, 256]], "numbers of shape [2, 3], one of them beyond uint8"),
    ([[0, 1, 2], [3, 4, -1]], "numbers of shape [2, 3], one of them beyond uint8"),
    ([[0, 1, 2], [3, 4, 0.5]], "numbers of shape [2, 3], one of them not whole"),
    ([[0, 1, 2], [3, 4, 251]], "a value out of range"),
    ({"b64": "AAAA"}, "3 bytes"),
    ({"b64": "%%"}, "text that is no base64"),
    ({"b64": 3}, "an object"),
    ({"b64": B64["b64"], "more": 1}, "an object"),
]


@pytest.mark.parametrize(("said", "found"), WRONG)
@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("speaker", JSON, ids=repr)
def test_a_wrong_tensor_is_named_by_row_column_shape_and_kind(speaker: Speaker, said: Any, found: str, at: int) -> None:
    rows = [dict(PICTURED_ROW), dict(PICTURED_ROW)][: at + 1]
    rows[at]["image"] = said
    with pytest.raises(CellInvalid) as refused:
        speaker.parse(speaker.codec(PICTURED), rows)
    assert f"row {at}, column 'image': found {found}, allowed: uint8 of shape [2, 3]" in str(refused.value)
    assert "up to 250" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_tensors_that_come_as_text_are_refused_likewise() -> None:
    for cell, found in (("AAAA", "3 bytes"), ("[[1,2]", "text"), ("", "null"), ("[1]", "numbers of shape [1]")):
        body = b'image,age,plan,flag\n"' + cell.encode() + b'",31,a,false\n'
        with pytest.raises(CellInvalid, match=r"row 0, column 'image'") as refused:
            codec_of("mlflow", PICTURED).parse(body, {"content-type": "text/csv"})
        assert found in str(refused.value)


@pytest.mark.parametrize("name", ["v1", "vertex", "mlflow", "sagemaker", "azureml"])
def test_a_model_of_one_tensor_takes_bare_tensors(name: str) -> None:
    codec = codec_of(name, BARE)
    keys = {"azureml": ["input_data", "data"], "v1": ["instances", "inputs"], "vertex": ["instances"]}
    for key in keys.get(name, ["instances", "inputs"]):
        for said in (PIXELS, FLAT, B64, [PIXELS], [FLAT], [B64]):
            for count in (1, 2, 6):
                assert cells_of(codec, {key: [said] * count}) == [[PICTURE]] * count
        assert cells_of(codec, {key: [PIXELS, FLAT, B64]}) == [[PICTURE]] * 3
        with pytest.raises(CellInvalid, match="row 1, column 'image': found numbers of shape"):
            codec.parse(json.dumps({key: [PIXELS, [1, 2]]}).encode(), {})
        with pytest.raises(InputInvalid):
            codec.parse(json.dumps({key: PIXELS}).encode(), {})
        for mixed in ([PIXELS, {"image": PIXELS}], [{"image": PIXELS}, B64]):
            with pytest.raises(InputInvalid, match=r"row 1: .* must be all objects or all tensors"):
                codec.parse(json.dumps({key: mixed}).encode(), {})


@pytest.mark.parametrize("shape", [(1,), (1, 3), (3, 1), (1, 1, 2), (1, 1)])
@pytest.mark.parametrize("name", ["v1", "mlflow"])
def test_a_first_dimension_of_one_is_no_row_of_lists(name: str, shape: tuple[int, ...]) -> None:
    column = Column("x", "tensor", nullable=False, dtype="int16", shape=shape)
    codec = codec_of(name, Signature("regression", (column,)))
    array = np.arange(np.prod(shape)).reshape(shape).astype("<i2")
    for said in (array.tolist(), array.reshape(-1).tolist()):
        for count in (1, 2, 3):
            assert cells_of(codec, {"instances": [said] * count}) == [[array.tobytes()]] * count
            assert cells_of(codec, {"instances": [[said]] * count}) == [[array.tobytes()]] * count
            assert cells_of(codec, {"inputs": {"x": [said] * count}}) == [[array.tobytes()]] * count


@pytest.mark.parametrize("name", ["v1", "mlflow", "azureml"])
def test_columns_of_one_row_may_go_without_lists(name: str) -> None:
    key = "input_data" if name == "azureml" else "inputs"
    for said in (PIXELS, FLAT, B64):
        row = {**PICTURED_ROW, "image": said}
        assert cells_of(codec_of(name, PICTURED), {key: row}) == [PICTURED_CELLS]
    for said in (PIXELS, B64):
        assert cells_of(codec_of(name, BARE), {key: {"image": said}}) == [[PICTURE]]


@pytest.mark.parametrize("name", ["mlflow", "sagemaker"])
def test_csv_holds_base64_lists_or_the_elements_of_the_only_tensor(name: str) -> None:
    csv = {"content-type": "text/csv"}
    body = f'image,age,plan,flag\n{B64["b64"]},31,a,false\n"{FLAT}",31,a,false\n'.encode()
    assert cells_of(codec_of(name, PICTURED), body, csv) == [PICTURED_CELLS] * 2
    bare = codec_of(name, BARE)
    assert cells_of(bare, b"0,1,2,3,250,5\n" * 3, csv) == [[PICTURE]] * 3
    assert cells_of(bare, f"{B64['b64']}\n".encode() * 2, csv) == [[PICTURE]] * 2
    with pytest.raises(InputInvalid):
        bare.parse(b"0,1,2,3,250,5\n0,1,2\n", csv)
    with pytest.raises(CellInvalid, match="numbers and text of shape"):
        bare.parse(b"0,1,2,3,250,secret\n", csv)


def test_csv_cells_may_be_as_large_as_the_tensor() -> None:
    column = Column("x", "tensor", nullable=False, dtype="uint8", shape=(300, 300))
    codec = codec_of("mlflow", Signature("regression", (column, Column("y", "number"))))
    body = b'x,y\n"' + json.dumps([[255] * 300] * 300).encode() + b'",1.5\n'
    assert cells_of(codec, body, {"content-type": "text/csv"}) == [[b"\xff" * 90_000, 1.5]]


# Open Inference Protocol


def v2(shape: Any, datatype: Any, data: Any, name: str = "image") -> dict[str, Any]:
    return {"inputs": [{"name": name, "shape": shape, "datatype": datatype, "data": data}]}


@pytest.mark.parametrize("name", ["image", "input-0"])
@pytest.mark.parametrize("datatype", ["UINT8", "INT8", "INT64", "UINT64", "FP16", "FP32", "FP64"])
def test_v2_takes_any_number_type_that_holds_the_same_numbers(name: str, datatype: str) -> None:
    codec, grpc = codec_of("v2", BARE), codec_of("v2grpc", BARE)
    flat, cell = [0, 1, 2, 3, 4, 5], bytes(range(6))
    nested = [flat[:3], flat[3:]]
    for count in (1, 2):
        for shape, data in (
            ([count, 2, 3], [nested] * count),
            ([count, 6], [flat] * count),
            ([count, 6], flat * count),
        ):
            assert cells_of(codec, v2(shape, datatype, data, name)) == [[cell]] * count
        if datatype != "FP16":
            typed = json.dumps(v2([count, 2, 3], datatype, flat * count, name)).encode()
            assert cells_of(grpc, grpc_messages.message(typed)) == [[cell]] * count
        form = {"UINT8": "B", "INT8": "b", "INT64": "q", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d"}[datatype]
        raw = struct.pack(f"<{6 * count}{form}", *flat * count)
        assert cells_of(codec, *binary([count, 2, 3], datatype, raw, name)) == [[cell]] * count
        assert cells_of(grpc, raw_message([count, 6], datatype, raw, name)) == [[cell]] * count


def binary(shape: list[int], datatype: str, raw: bytes, name: str = "image") -> tuple[bytes, dict[str, str]]:
    one = {"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
    said = json.dumps({"inputs": [one]}).encode()
    return said + raw, {"inference-header-content-length": str(len(said))}


def raw_message(shape: list[int], datatype: str, raw: bytes, name: str = "image") -> bytes:
    asked = grpc_messages.MESSAGES.ModelInferRequest(model_name="churn")
    asked.inputs.add(name=name, datatype=datatype, shape=shape)
    asked.raw_input_contents.append(raw)
    return bytes(asked.SerializeToString())


def test_v2_takes_bfloat16_where_it_is_the_same_number() -> None:
    raw = np.array([0, 1, 2, 3, 128, 5], np.float32).view(np.uint32) >> 16
    assert cells_of(codec_of("v2", BARE), *binary([1, 2, 3], "BF16", raw.astype("<u2").tobytes())) == [
        [bytes([0, 1, 2, 3, 128, 5])]
    ]


@pytest.mark.parametrize(
    ("shape", "datatype", "data", "said"),
    [
        ([1, 3, 2], "UINT8", FLAT, "shape must be [rows, 2, 3] or [rows, 6]"),
        ([2, 3], "UINT8", FLAT, "shape must be [rows, 2, 3] or [rows, 6]"),
        ([6], "UINT8", FLAT, "shape must be [rows, 2, 3] or [rows, 6]"),
        ([], "UINT8", FLAT, "shape must be [rows, 2, 3]"),
        ([-1, 2, 3], "UINT8", FLAT, "shape must be [rows, 2, 3]"),
        ([True, 2, 3], "UINT8", FLAT, "shape must be [rows, 2, 3]"),
        ([1, 2.0, 3], "UINT8", FLAT, "shape must be [rows, 2, 3]"),
        ([1 << 40, 2, 3], "UINT8", FLAT, "shape must be [rows, 2, 3]"),
        ([10**30, 10**30, 3], "UINT8", FLAT, "shape must be [rows, 2, 3]"),
        ([4_000_000_000, 2, 3], "UINT8", FLAT, "shape says 24000000000 values, data has 6"),
        ([1, 2, 3], "UINT8", FLAT[1:], "shape says 6 values, data has 5"),
        ([2, 2, 3], "UINT8", FLAT, "shape says 12 values, data has 6"),
        ([2, 2, 3], "UINT8", [PIXELS], "shape says 2 rows, data has 1"),
        ([0, 2, 3], "UINT8", [], "no rows"),
        ([1, 2, 3], "BYTES", FLAT, "its datatype must be UINT8 or another of numbers"),
        ([1, 2, 3], "BOOL", FLAT, "its datatype must be UINT8 or another of numbers"),
        ([1, 2, 3], None, FLAT, "its datatype must be UINT8 or another of numbers"),
        ([1, 2, 3], "INT8", FLAT, "found a number that is no INT8"),
        ([1, 2, 3], "UINT8", [*FLAT[1:], 256], "one of them beyond uint8"),
        ([1, 2, 3], "FP32", [*FLAT[1:], 0.5], "one of them not whole"),
        ([1, 2, 3], "UINT8", [*FLAT[1:], 255], "a value out of range"),
        ([1, 2, 3], "UINT8", [[[1, 2, 3], [4, 5]]], "lists of different lengths"),
    ],
)
def test_v2_refuses_what_does_not_fit(shape: Any, datatype: Any, data: Any, said: str) -> None:
    for signature in (BARE, PICTURED):
        with pytest.raises(InputInvalid) as refused:
            codec_of("v2", signature).parse(json.dumps(v2(shape, datatype, data)).encode(), {})
        if not (signature is PICTURED and said == "no rows"):
            assert said in str(refused.value) or (signature is PICTURED and "columns missing" in str(refused.value))


@pytest.mark.parametrize("rows", [0, 1, 2, 1 << 31, (1 << 32) - 1])
@pytest.mark.parametrize("datatype", ["UINT8", "INT64", "FP32", "BF16"])
def test_binary_sizes_that_do_not_add_up_are_refused_before_anything_is_made_of_them(rows: int, datatype: str) -> None:
    width = {"UINT8": 1, "INT64": 8, "FP32": 4, "BF16": 2}[datatype]
    raw = bytes(7 * width)
    said = f"{rows * 6} values of {datatype} are {rows * 6 * width} bytes, binary data has {len(raw)}"
    for name, body, headers in (
        ("v2", *binary([rows, 2, 3], datatype, raw)),
        ("v2grpc", raw_message([rows, 2, 3], datatype, raw), {}),
    ):
        with pytest.raises(InputInvalid) as refused:
            codec_of(name, BARE).parse(body, headers)
        assert said in str(refused.value)


def test_a_number_that_is_not_finite_is_refused_in_binary() -> None:
    column = Column("x", "tensor", nullable=False, dtype="float32", shape=(2,))
    signature = Signature("regression", (column,))
    for raw, datatype in ((struct.pack("<2f", 1.0, float("nan")), "FP32"), (struct.pack("<2d", 1e300, 1.0), "FP64")):
        for name, body, headers in (
            ("v2", *binary([1, 2], datatype, raw, "x")),
            ("v2grpc", raw_message([1, 2], datatype, raw, "x"), {}),
        ):
            with pytest.raises(CellInvalid, match=r"row 0, column 'x': found .*of.*(finite|beyond)"):
                codec_of(name, signature).parse(body, headers)


def test_metadata_says_datatype_and_shape() -> None:
    dtypes = {
        "uint8": "UINT8", "int8": "INT8", "uint16": "UINT16", "int16": "INT16", "int32": "INT32", "float16": "FP16",
        "float32": "FP32", "float64": "FP64",
    }  # fmt: skip
    columns = tuple(Column(dtype, "tensor", nullable=False, dtype=dtype, shape=(3, 8, 8)) for dtype in dtypes)
    said = msgspec.json.decode(
        codec_of("v2", Signature("regression", (*columns, Column("age", "number")))).metadata("1")
    )
    assert said["inputs"] == [
        *({"name": dtype, "datatype": name, "shape": [-1, 3, 8, 8]} for dtype, name in dtypes.items()),
        {"name": "age", "datatype": "FP64", "shape": [-1]},
    ]


@pytest.mark.parametrize(
    "change",
    [{"dtype": "int64"}, {"dtype": ""}, {"shape": ()}, {"shape": (0,)}, {"shape": (1, 1, 1, 1, 1)}, {"nullable": True}],
)
def test_a_tensor_that_cannot_be_served_is_refused_with_the_bundle(change: dict[str, Any]) -> None:
    with pytest.raises(BundleRefused, match="column 'image'"):
        Checks(Signature("regression", (msgspec.structs.replace(IMAGE, **change),)))


# Arrow


def arrow(column: Any) -> tuple[bytes, dict[str, str]]:
    table = pa.table({"image": column})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes(), {"content-type": ARROW}


NESTED = [PIXELS] * 3
ARRAYS = {
    "lists": pa.array(NESTED),
    "fixed": pa.array(NESTED, pa.list_(pa.list_(pa.uint8(), 3), 2)),
    "fixed floats": pa.array(NESTED, pa.list_(pa.list_(pa.float16(), 3), 2)),
    "large": pa.array(NESTED, pa.large_list(pa.list_(pa.int16(), 3))),
    "flat": pa.array([FLAT] * 3, pa.list_(pa.uint64(), 6)),
    "sliced": pa.array([[[9] * 3] * 2, *NESTED, [[8] * 3] * 2]).slice(1, 3),
    "chunks": pa.chunked_array([pa.array(NESTED[:1]), pa.array([[[9] * 3] * 2, *NESTED[1:]]).slice(1)]),
    "tensors": pa.FixedShapeTensorArray.from_numpy_ndarray(np.array(NESTED, np.uint8)),
    "bytes": pa.array([PICTURE] * 3),
    "fixed bytes": pa.array([PICTURE] * 3, pa.binary(6)),
}


@pytest.mark.parametrize("form", ARRAYS)
def test_arrow_takes_lists_of_any_make(form: str) -> None:
    assert cells_of(codec_of("native", BARE), *arrow(ARRAYS[form])) == [[PICTURE]] * 3


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pa.array([1.0]), "may be lists of numbers"),
        (pa.array([["a"]]), "may be lists of numbers"),
        (pa.array([[True] * 6]), "may be lists of numbers"),
        (pa.array([[[[[[1]]]]]]), "may be lists of numbers"),
        (pa.array([PIXELS, None]), "row 1, column 'image': found null"),
        (pa.array([PIXELS, [[1, 2, 3], [4, 5, None]]]), "row 1, column 'image': found nulls and numbers of shape"),
        (pa.array([PIXELS, [[1, 2, 3], [4, 5]]]), "row 1, column 'image': found lists of different lengths"),
        (pa.array([PIXELS, [[1, 2, 3]]]), "row 1, column 'image': found numbers of shape [1, 3]"),
        (pa.array([[[0, 1], [2, 3], [4, 5]]]), "found numbers of shape [3, 2]"),
        (pa.array([[]], pa.list_(pa.uint8())), "found numbers of shape [0]"),
        (pa.array([[]], pa.list_(pa.uint8(), 0)), "found numbers of shape [0]"),
        (pa.nulls(2, pa.list_(pa.float32(), 6)), "row 0, column 'image': found null"),
        (pa.array([[float("inf")] * 6]), "one of them not finite"),
        (pa.array([[0.5] * 6]), "one of them not whole"),
        (pa.array([PICTURE, b"x"]), "row 1, column 'image': found 1 bytes"),
        (pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((1, 3, 2), np.uint8)), "must have the shape [2, 3]"),
        (
            pa.ExtensionArray.from_storage(
                pa.fixed_shape_tensor(pa.uint8(), (2, 3), permutation=[1, 0]), pa.array([FLAT], pa.list_(pa.uint8(), 6))
            ),
            "not permuted",
        ),
    ],
)
def test_arrow_names_what_is_wrong(column: Any, said: str) -> None:
    body, headers = arrow(column)
    with pytest.raises(InputInvalid) as refused:
        codec_of("native", BARE).parse(body, headers)
    assert said in str(refused.value)


# Anything at all

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("x" * 100_000)
rubbish = st.recursive(
    leaves | st.sampled_from([PIXELS, FLAT, B64, [10**400] * 6, [[float("nan")] * 3] * 2]),
    lambda inner: (
        st.lists(inner, max_size=7)
        | st.lists(inner, min_size=6, max_size=6)
        | st.dictionaries(st.sampled_from(["b64", "image", "x"]), inner)
        | st.lists(st.lists(inner, min_size=3, max_size=3), min_size=2, max_size=2)
    ),
    max_leaves=14,
)


def check_rows_or_a_refusal(signature: Signature, codec: Any, body: bytes, headers: dict[str, str]) -> None:
    try:
        parsed = codec.parse(body, headers)
    except InputInvalid:
        return
    assert parsed.rows
    for row in parsed.rows:
        assert len(row) == len(signature.columns)
        assert type(row[0]) is bytes
        assert len(row[0]) == 6
        assert max(row[0]) <= 250


either = st.sampled_from([(PICTURED, PICTURED_ROW), (BARE, BARE_ROW)])


@given(asked=either, said=rubbish, at=st.integers(0, 2))
@pytest.mark.parametrize("speaker", JSON, ids=repr)
def test_no_tensor_cell_makes_anything_but_rows_or_a_refusal(
    speaker: Speaker, asked: tuple[Signature, dict], said: Any, at: int
) -> None:
    signature, row = asked
    rows = [dict(row) for _ in range(at + 1)]
    rows[at]["image"] = said
    check_rows_or_a_refusal(signature, speaker.codec(signature), *speaker.say(rows))


KEYS = ("inputs", "instances", "dataframe_split", "dataframe_records", "input_data", "columns", "data")


@given(said=rubbish, key=st.sampled_from(KEYS))
@pytest.mark.parametrize("name", names("codec"))
def test_no_body_makes_anything_but_rows_or_a_refusal(name: str, said: Any, key: str) -> None:
    for signature in (BARE, PICTURED):
        codec = codec_of(name, signature)
        for body in ({key: said}, {key: {"image": said}}, {key: {"columns": ["image"], "data": said}}, said):
            check_rows_or_a_refusal(signature, codec, json.dumps(body).encode(), {})


edges = st.integers(-1, 7) | st.integers() | rubbish
DATATYPES = ("UINT8", "INT8", "UINT64", "INT64", "FP16", "BF16", "FP32", "FP64", "BOOL", "BYTES")


@given(
    said=rubbish,
    shape=st.sampled_from([[1, 2, 3], [2, 6], [1, 6]]) | st.lists(edges, max_size=9) | rubbish,
    datatype=st.sampled_from(DATATYPES) | rubbish,
    raw=st.binary(max_size=50),
    name=st.sampled_from(["image", "x"]),
)
def test_no_v2_input_makes_anything_but_rows_or_a_refusal(
    said: Any, shape: Any, datatype: Any, raw: bytes, name: str
) -> None:
    codec = codec_of("v2", BARE)
    check_rows_or_a_refusal(BARE, codec, json.dumps(v2(shape, datatype, said, name)).encode(), {})
    check_rows_or_a_refusal(BARE, codec, *binary(shape, datatype, raw, name))


@given(
    shape=st.sampled_from([[1, 2, 3], [2, 6], [1, 6]]) | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=9),
    datatype=st.sampled_from(DATATYPES),
    raw=st.binary(min_size=6, max_size=6) | st.binary(max_size=50),
    typed=st.lists(st.integers(0, 2**32 - 1), min_size=6, max_size=6) | st.lists(st.integers(0, 255), max_size=13),
)
def test_no_message_makes_anything_but_rows_or_a_refusal(
    shape: list[int], datatype: str, raw: bytes, typed: list[int]
) -> None:
    codec = codec_of("v2grpc", BARE)
    check_rows_or_a_refusal(BARE, codec, raw_message(shape, datatype, raw), {})
    asked = grpc_messages.MESSAGES.ModelInferRequest(model_name="churn")
    made = asked.inputs.add(name="image", datatype=datatype, shape=shape)
    made.contents.uint_contents.extend(typed)
    check_rows_or_a_refusal(BARE, codec, asked.SerializeToString(), {})


@given(asked=either, data=st.data())
@pytest.mark.parametrize("speaker", SPEAKERS, ids=repr)
def test_damaged_bodies_make_nothing_but_rows_or_a_refusal(
    speaker: Speaker, asked: tuple[Signature, dict], data: st.DataObject
) -> None:
    signature, row = asked
    body, headers = speaker.say([row] * data.draw(st.integers(1, 3)))
    damaged = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    check_rows_or_a_refusal(signature, speaker.codec(signature), bytes(damaged), headers)


@given(
    text=st.text(max_size=60)
    | st.sampled_from(["[" * 5000, "[1e999,1,1,1,1,1]", "[[1,2,3],[4,5,6]]", "[true,1,1,1,1,1]", '{"b64":"AAECAwQF"}'])
)
def test_no_cell_of_csv_makes_anything_but_rows_or_a_refusal(text: str) -> None:
    cell = text.replace('"', '""')
    for signature, rest in ((BARE, ""), (PICTURED, ",31,a,false")):
        for body in (f'image\n"{cell}"{rest}\n', f'"{cell}"{rest}\n', f"{text}\n"):
            check_rows_or_a_refusal(
                signature, codec_of("mlflow", signature), body.encode("utf-8", "replace"), {"content-type": "text/csv"}
            )


@pytest.mark.parametrize("name", names("codec"))
def test_one_long_text_among_numbers_costs_no_more_than_itself(name: str) -> None:
    """numpy would make every element as long as the longest, 40 GB of a body of a megabyte."""
    column = Column("image", "tensor", nullable=False, dtype="uint8", shape=(100, 100))
    signature = Signature("regression", (column,))
    cell = [[1] * 100] * 99 + [[1] * 99 + ["x" * 1_000_000]]
    bodies: list[Any] = [{"image": cell}, {"instances": [cell]}, {"inputs": [cell]}, {"input_data": [cell]}]
    for body in [*bodies, v2([1, 100, 100], "UINT8", [cell])]:
        with pytest.raises(InputInvalid):
            codec_of(name, signature).parse(json.dumps(body).encode(), {})
