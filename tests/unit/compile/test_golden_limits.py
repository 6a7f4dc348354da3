"""Golden and background rows keep to the sizes that a bundle's files may have, however large a tensor is."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.synthetic import background, golden
from fairlead.runtime.bundle import golden as replaying
from fairlead.runtime.bundle.front import Front, Tensor
from fairlead.runtime.bundle.manifest import BACKGROUND, GOLDEN, LIMITS
from fairlead.runtime.bundle.run import Model
from fairlead.runtime.bundle.tail import LinearForm, LinearTail

SIZE = 2000
IMAGE = Column("image", "tensor", nullable=False, low=0.0, high=1.0, dtype="float64", shape=(SIZE,))
SIGNATURE = Signature("regression", (IMAGE,))


@pytest.fixture(scope="module")
def model() -> Model:
    weights = np.random.default_rng(0).normal(size=(SIZE, 1)).tolist()
    tail = LinearTail(LinearForm(tuple(map(tuple, weights)), (0.0,), "identity"), SIZE)
    front = Front(("image",), (False,), (Tensor("image", "float64", SIZE),))
    return Model("", None, SIGNATURE, front, tail)  # type: ignore[arg-type]


@pytest.mark.parametrize(("limit", "rows"), [(25_000, 1), (70_000, 3), (200_000, 9)])
def test_of_large_tensors_only_some_are_kept(
    model: Model, limit: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, before = golden(model), background(SIGNATURE)
    monkeypatch.setitem(LIMITS, GOLDEN, limit)
    monkeypatch.setitem(LIMITS, BACKGROUND, limit)
    some = golden(model)
    assert len(some) <= limit
    assert some.count(b"\n") == rows
    assert set(some.splitlines()) < set(whole.splitlines())
    assert len(background(SIGNATURE)) <= limit < len(before)
    replaying.replay(model, some, 1e-6)


def test_large_tensors_are_written_by_their_bytes_and_small_ones_as_numbers(model: Model) -> None:
    assert set(msgspec.json.decode(golden(model).splitlines()[0])["row"]["image"]) == {"b64"}
    small = Signature("regression", (msgspec.structs.replace(IMAGE, shape=(2, 2)),))
    row = replaying.row_of([np.array([0.1, -0.0, 5e-324, 1.0]).tobytes()], small)
    assert row == {"image": [[0.1, -0.0], [5e-324, 1.0]]}
    assert msgspec.json.decode(msgspec.json.encode(row)) == row
