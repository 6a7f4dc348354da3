"""Columns with any name can be asked for: quotes, backslashes, control characters, other scripts."""

from __future__ import annotations

import json

import pytest

from fairlead.contract.errors import CellInvalid, ColumnMissing
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.wire import V2, Native
from fairlead.runtime.wire.checks import Checks

NAMES = ('Größe "cm", netto', "a\\b", "tab\tname", "it's; ok", "価格 €", "c0", "")


def signature() -> Signature:
    """A number for each of the names, and a key whose name is as odd."""
    return Signature(
        task="regression", columns=tuple(Column(name, "number", nullable=False) for name in NAMES), key='row "id"'
    )


@pytest.mark.parametrize("many", [False, True])
def test_a_row_with_any_names_is_read(many: bool) -> None:
    shape = signature()
    codec = Native("m", shape, Checks(shape))
    row = {**{name: float(at) for at, name in enumerate(NAMES)}, 'row "id"': "k1"}
    parsed = codec.parse(json.dumps([row, row] if many else row).encode(), {})
    assert [list(cells) for cells in parsed.rows] == [[float(at) for at in range(len(NAMES))]] * (2 if many else 1)
    assert parsed.passes is not None
    assert list(parsed.passes[0]) == ["k1"]


def test_its_errors_name_the_column() -> None:
    shape = signature()
    codec = Native("m", shape, Checks(shape))
    row: dict[str, object] = dict.fromkeys(NAMES, 1.0)
    with pytest.raises(CellInvalid, match="netto"):
        codec.parse(json.dumps({**row, NAMES[0]: "much"}).encode(), {})
    del row[NAMES[1]]
    with pytest.raises(ColumnMissing):
        codec.parse(json.dumps(row).encode(), {})


def test_v2_takes_them_too() -> None:
    shape = signature()
    codec = V2("m", shape, Checks(shape))
    tensors = [{"name": name, "shape": [1], "datatype": "FP64", "data": [1.5]} for name in NAMES]
    parsed = codec.parse(json.dumps({"inputs": tensors}).encode(), {})
    assert list(parsed.rows[0]) == [1.5] * len(NAMES)
