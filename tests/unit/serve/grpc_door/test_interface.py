"""The interface: compiled as it is written, with the protocol's own numbers, beside other people's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import compile_interfaces as interfaces
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import BodyInvalid, InputInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.proto import compiled, messages
from fairlead.runtime.wire.v2_grpc import V2Grpc, address

OPEN = messages("open_inference")
SIGNATURE = Signature("regression", (Column("x", "number"), Column("k", "category", categories=("a",))))


def test_the_compiled_interfaces_are_those_of_the_files(tmp_path: Path) -> None:
    interfaces.compile_to(tmp_path)
    for name in interfaces.INTERFACES:
        assert (tmp_path / f"{name}.binpb").read_bytes() == compiled(name).read_bytes(), "run `make proto`"


def fields(message: Any) -> dict[str, tuple]:
    """Every field of a message and of those inside it."""
    found = {f"{message.name}.{one.name}": (one.number, one.type) for one in message.fields}
    for inner in message.nested_types:
        found |= {f"{message.name}.{name}": kind for name, kind in fields(inner).items()}
    return found


def test_every_field_is_that_of_a_client_by_others() -> None:
    service_pb2 = pytest.importorskip("tritonclient.grpc.service_pb2", reason="tritonclient (pip) is missing")
    theirs = service_pb2.DESCRIPTOR.message_types_by_name
    ours = [getattr(OPEN, name).DESCRIPTOR for name in dir(OPEN) if not name.startswith("_")]
    assert len(ours) == 19
    for message in ours:
        if message.name not in {"Addressed", "RepositoryModelRequest", "RepositoryModelResponse"}:
            known = fields(theirs[message.name])
            assert fields(message).items() <= known.items(), message.name
    asked = {name.partition(".")[2]: kind for name, kind in fields(OPEN.RepositoryModelRequest.DESCRIPTOR).items()}
    triton = fields(theirs["RepositoryModelLoadRequest"])
    assert asked.items() <= {name.partition(".")[2]: kind for name, kind in triton.items()}.items()


def test_the_address_is_read_wherever_the_name_stands_and_whatever_it_says() -> None:
    def at(name: str, version: str = "") -> str:
        return address(OPEN.ModelInferRequest(model_name=name, model_version=version, id="x").SerializeToString())

    assert at("churn") == "grpc:/v2/models/churn/infer"
    assert at("churn", "3") == "grpc:/v2/models/churn/versions/3/infer"
    assert at("") == "grpc:/v2/models//infer"
    assert at("../metrics", "a/b") == "grpc:/v2/models/..%2Fmetrics/versions/a%2Fb/infer"
    inputs = OPEN.ModelInferRequest(inputs=[OPEN.ModelInferRequest.InferInputTensor(name="t")]).SerializeToString()
    late = inputs + OPEN.ModelInferRequest(model_name="last").SerializeToString()
    assert address(OPEN.ModelInferRequest(model_name="first").SerializeToString() + late).endswith("/last/infer")
    with pytest.raises(BodyInvalid):
        address(b"\xff")


def whole(message: Any) -> None:
    """Rows or a refusal, never anything else."""
    codec = V2Grpc("m", SIGNATURE, Checks(SIGNATURE))
    body = message if isinstance(message, bytes) else message.SerializeToString()
    try:
        address(body)
        parsed = codec.parse(body, {})
    except InputInvalid:
        return
    assert parsed.rows
    assert all(len(row) == 2 for row in parsed.rows)
    assert all(row[0] is None or row[0] - row[0] == 0.0 for row in parsed.rows)


KINDS = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BF16",
    "BYTES", "", "FP65",
]  # fmt: skip
VALUES = {
    "bool_contents": st.booleans(),
    "int_contents": st.integers(-(2**31), 2**31 - 1),
    "int64_contents": st.integers(-(2**63), 2**63 - 1),
    "uint_contents": st.integers(0, 2**32 - 1),
    "fp32_contents": st.floats(width=32),
    "fp64_contents": st.floats(),
    "bytes_contents": st.binary(max_size=4),
}
contents = st.one_of(
    st.lists(values, max_size=2).map(lambda held, field=field: OPEN.InferTensorContents(**{field: held}))
    for field, values in VALUES.items()
)
tensors = st.builds(
    OPEN.ModelInferRequest.InferInputTensor,
    name=st.sampled_from(["x", "k", "z"]),
    datatype=st.sampled_from(KINDS),
    shape=st.lists(st.integers(-1, 3), max_size=3) | st.just([1]) | st.just([2, 1]),
    contents=st.none() | contents,
)
requests = st.builds(
    OPEN.ModelInferRequest,
    model_name=st.text(max_size=5),
    inputs=st.lists(tensors, max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=20), max_size=3) | st.just([]),
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(message=requests)
def test_no_message_makes_anything_but_rows_or_a_refusal(message: Any) -> None:
    whole(message)


@given(body=st.binary(max_size=60))
def test_nor_do_any_bytes(body: bytes) -> None:
    whole(body)


GOOD = OPEN.ModelInferRequest(model_name="m", raw_input_contents=[b"\0" * 8, b"\1\0\0\0a"])
GOOD.inputs.add(name="x", datatype="FP64", shape=[1])
GOOD.inputs.add(name="k", datatype="BYTES", shape=[1])


@given(at=st.integers(0, len(GOOD.SerializeToString()) - 1), byte=st.integers(0, 255))
def test_nor_does_one_wrong_byte(at: int, byte: int) -> None:
    body = bytearray(GOOD.SerializeToString())
    body[at] = byte
    whole(bytes(body))


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True]), ("INT8", "int_contents", [-5]), ("INT16", "int_contents", [-5]),
        ("INT32", "int_contents", [-5]), ("INT64", "int64_contents", [-5]), ("UINT8", "uint_contents", [5]),
        ("UINT16", "uint_contents", [5]), ("UINT32", "uint_contents", [5]), ("UINT64", "uint64_contents", [5]),
        ("FP32", "fp32_contents", [2.5]), ("FP64", "fp64_contents", [2.5]), ("FP64", "fp64_contents", [float("nan")]),
    ],
)  # fmt: skip
def test_every_typed_datatype(datatype: str, field: str, values: list) -> None:
    kind = "boolean" if datatype == "BOOL" else "number"
    signature = Signature("regression", (Column("x", kind),))
    request = OPEN.ModelInferRequest(model_name="m")
    getattr(request.inputs.add(name="x", datatype=datatype, shape=[1]).contents, field).extend(values)
    (row,) = V2Grpc("m", signature, Checks(signature)).parse(request.SerializeToString(), {}).rows
    assert list(row) == [None if values[0] != values[0] else float(values[0])]
    request.inputs[0].contents.Clear()
    getattr(request.inputs[0].contents, field).extend(values * 2)
    with pytest.raises(InputInvalid, match="shape says 1 rows, data has 2"):
        V2Grpc("m", signature, Checks(signature)).parse(request.SerializeToString(), {})


def test_a_small_integer_out_of_its_range_is_refused() -> None:
    signature = Signature("regression", (Column("x", "number"),))
    request = OPEN.ModelInferRequest(model_name="m")
    request.inputs.add(name="x", datatype="INT8", shape=[1]).contents.int_contents.append(300)
    with pytest.raises(InputInvalid, match="row 0, column 'x': found an integer in a tensor of INT8"):
        V2Grpc("m", signature, Checks(signature)).parse(request.SerializeToString(), {})
