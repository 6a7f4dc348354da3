"""An event time that is none is refused: taken as the time of arrival it would move the watermark to now."""

from __future__ import annotations

import json

import pytest

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire.checks import Checks
from fairlead.runtime.wire.native import Native
from fairlead.runtime.wire.v2 import V2

SIGNATURE = Signature(task="regression", columns=(Column("x", "number"),), target="y", time=("at",))
CHECKS = Checks(SIGNATURE)


def native(at: object) -> bytes:
    return json.dumps([{"x": 1.0, "at": "2024-01-01"}, {"x": 2.0, "at": at}]).encode()


def v2(at: object) -> bytes:
    inputs = [
        {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]},
        {"name": "at", "shape": [2], "datatype": "BYTES", "data": ["2024-01-01", at]},
    ]
    return json.dumps({"inputs": inputs}).encode()


@pytest.mark.parametrize("at", ["2024-01-02T10:00:00", "2024-01-02T10:00:00+02:00", "", None])
def test_times_and_their_absence_are_taken(at: object) -> None:
    assert len(Native("m", SIGNATURE, CHECKS).parse(native(at), {}).rows) == 2
    assert len(V2("m", SIGNATURE, CHECKS).parse(v2(at), {}).rows) == 2


@pytest.mark.parametrize("body", [native("tomorrow-ish"), v2("tomorrow-ish"), native("2024-13-45")])
def test_what_is_no_time_is_refused_with_its_row_and_without_its_value(body: bytes) -> None:
    codec = V2("m", SIGNATURE, CHECKS) if b"inputs" in body else Native("m", SIGNATURE, CHECKS)
    with pytest.raises(CellInvalid) as refused:
        codec.parse(body, {})
    assert refused.value.row == 1
    assert refused.value.column == "at"
    assert "tomorrow" not in str(refused.value)
