"""The quick way of V2 takes nothing that the careful one refuses or reads otherwise, and learns orders of columns."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from fairlead.contract.errors import InputInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire import v2_careful
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.tensors import BINARY
from fairlead.runtime.wire.v2 import V2
from fairlead.runtime.wire.v2_quick import _AT_ONCE, _EVER, _OFTEN, WIDEST, SingleRow, TypedRow

SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("n", "number", minimum=-5.0, maximum=5.0),
        Column("i", "integer", nullable=False),
        Column("bound", "integer", minimum=0.0, maximum=3.0),
        Column("b", "boolean"),
        Column("c", "category"),
        Column("ci", "category", coded="integer"),
        Column("cb", "category", coded="boolean"),
        Column("t", "time"),
    ),
    classes=("no", "yes"),
    key="id",
    time=("at",),
)
CHECKS = Checks(SIGNATURE)
RIGHT: dict[str, tuple[str, Any]] = {
    "n": ("FP64", 1.5), "i": ("INT64", 3), "bound": ("INT64", 2), "b": ("BOOL", True), "c": ("BYTES", "a"),
    "ci": ("INT64", 7), "cb": ("BOOL", False), "t": ("BYTES", "2020-01-01"),
}  # fmt: skip
values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.integers(-3, 4),
    st.sampled_from(["2020-01-01", "7", "true", 2.0, -0.0, 2**53 + 1, 2**63, -(2**63) - 1, 1e300, 0.5]),
)  # fmt: skip
datatypes = st.sampled_from([*BINARY, "BYTES", "FP128", 3])
shapes = st.sampled_from([[1], [1, 1], [2], [1, 2], [0], [], [True], [1.0], "1", None])


OUTPUTS: list[Any] = [
    [], None, [{"name": "label"}], [{"name": "nothing"}], [{"name": "label", "parameters": {"binary_data": True}}],
    [{"name": "label", "parameters": {"classification": 2}}], [{"name": "label"}, {"name": "label"}],
]  # fmt: skip
PARAMETERS: list[Any] = [{}, None, {"binary_data_output": True}, {"binary_data_output": False}, {"x": 1}]
MORE = {
    "id": st.sampled_from(["a", None, 3]),
    "parameters": st.sampled_from(PARAMETERS),
    "outputs": st.sampled_from(OUTPUTS),
}


def request(tensors: dict[str, tuple[Any, Any]], **more: Any) -> dict[str, Any]:
    inputs = [
        {"name": name, "shape": [1], "datatype": datatype, "data": [value]}
        for name, (datatype, value) in tensors.items()
    ]
    return {"inputs": inputs, **more}


def careful(body: bytes) -> Any:
    try:
        parsed = v2_careful.read(body, {}, CHECKS)
    except InputInvalid as refused:
        return str(refused)
    passes = None if parsed.passes is None else [list(row) for row in parsed.passes]
    return [list(row) for row in parsed.rows], passes, parsed.id, parsed.outputs, parsed.form


def quick(body: bytes, reader: Any = TypedRow) -> Any:
    try:
        parsed = reader(CHECKS).read(body)
    except InputInvalid as refused:
        return str(refused)
    if parsed is None:
        return None
    passes = None if parsed.passes is None else [list(row) for row in parsed.passes]
    return [list(row) for row in parsed.rows], passes, parsed.id, parsed.outputs, parsed.form


def same(one: Any, other: Any) -> bool:
    """Equal, and zeros of the same sign."""
    return repr(one) == repr(other)


def agree(asked: Any) -> None:
    body = json.dumps(asked).encode()
    for reader in (TypedRow, SingleRow):
        found = quick(body, reader)
        if found is not None and b"NaN" not in body and b"Infinity" not in body:
            assert same(found, careful(body))


@given(st.data())
def test_quick_and_careful_agree_on_requests_with_anything_changed(data: st.DataObject) -> None:
    tensors = dict(RIGHT)
    if data.draw(st.booleans()):
        tensors["id"] = data.draw(st.sampled_from([("BYTES", "k"), ("INT64", 5), ("BYTES", 5), ("INT64", "k")]))
    if data.draw(st.booleans()):
        tensors["at"] = ("BYTES", data.draw(st.sampled_from(["2024-01-01", "soon", "", None])))
    for name in data.draw(st.lists(st.sampled_from([*tensors, "more"]), max_size=2)):
        old = tensors.get(name, ("FP64", 1.0))
        tensors[name] = (data.draw(st.just(old[0]) | datatypes), data.draw(st.just(old[1]) | values))
    order = data.draw(st.permutations(list(tensors)))
    asked = request({name: tensors[name] for name in order})
    for one in asked["inputs"]:
        if data.draw(st.integers(0, 9)) == 0:
            one["shape"] = data.draw(shapes)
        if data.draw(st.integers(0, 9)) == 0:
            one["parameters"] = data.draw(
                st.sampled_from([{}, {"content_type": "np"}, {"content_type": "base64"}, {"binary_data_size": 8}, None])
            )
    if data.draw(st.integers(0, 4)) == 0:
        asked["inputs"].append(data.draw(st.sampled_from(asked["inputs"])))
    for name, choices in MORE.items():
        if data.draw(st.booleans()):
            asked[name] = data.draw(choices)
    agree(asked)


@given(st.sampled_from(list(RIGHT)), datatypes, values)
@example("i", "INT64", 2**63 - 1)
@example("i", "INT64", 2**63 - 512)
@example("i", "INT64", -(2**63))
@example("i", "INT64", -(2**63) - 1)
@example("i", "FP64", 1e300)
@example("i", "INT64", 9007199254740993)
@example("n", "FP64", -0.0)
@example("i", "INT64", -0.0)
@example("n", "INT64", 2.5)
@example("ci", "INT64", 2**63)
def test_quick_and_careful_agree_on_every_datatype_and_value(name: str, datatype: Any, value: Any) -> None:
    if not (isinstance(value, float) and not math.isfinite(value)):
        agree(request({**RIGHT, name: (datatype, value)}))


def test_the_common_request_goes_the_quick_way() -> None:
    for dimensions in ([1], [1, 1]):
        asked = request(RIGHT, id="a", parameters={"content_type": "pd"})
        for one in asked["inputs"]:
            one["shape"] = dimensions
        found = quick(json.dumps(asked).encode())
        assert found[0] == [[1.5, 3.0, 2.0, 1.0, "a", "7", "false", 1577836800.0]]
        assert found[2] == "a"


def test_of_two_wrong_times_the_same_one_is_named_whichever_way_a_request_goes() -> None:
    asked = request({**RIGHT, "t": ("BYTES", "soon"), "at": ("BYTES", "later")})
    plain = json.dumps(asked).encode()
    assert "'t'" in careful(plain)
    assert careful(plain) == quick(plain) == quick(plain, SingleRow)


def test_an_order_that_keeps_coming_is_learnt_and_many_orders_are_not() -> None:
    row = TypedRow(CHECKS)
    plain = json.dumps(request(RIGHT)).encode()
    turned = json.dumps(request({"id": ("BYTES", "k"), **dict(reversed(RIGHT.items()))})).encode()
    expected = row.read(plain)
    for _ in range(3 * _OFTEN):
        found = row.read(turned)
        assert found is not None
        assert expected is not None
        assert found.rows == expected.rows
        assert found.passes == [["k", None]]
    assert row._learnt == 1
    names = list(RIGHT)
    for turn in range(5040):
        names = [names[turn % 7 + 1], *names[: turn % 7 + 1], *names[turn % 7 + 2 :]]
        again = row.read(json.dumps(request({name: RIGHT[name] for name in names})).encode())
        assert again is not None
        assert again.rows == expected.rows
    assert row._learnt <= _EVER
    assert len(row._layouts) <= _AT_ONCE
    assert len(row._seen) <= 65


def test_a_signature_of_very_many_columns_goes_the_careful_way() -> None:
    names = [f"x{at}" for at in range(WIDEST + 1)]
    signature = Signature("regression", tuple(Column(name, "number") for name in names))
    codec = V2("m", signature, Checks(signature))
    body = json.dumps(request(dict.fromkeys(names, ("FP64", 1.0)))).encode()
    for reader in (TypedRow, SingleRow):
        assert reader(Checks(signature)).read(body) is None
    assert codec.parse(body, {}).rows == [(1.0,) * len(names)]
