"""Every fault: pure, from its moment on, made again by its seed, for numbers and classes alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.plugins import names
from fairlead.contract.signature import Column, Signature
from fairlead.ops.monitor.seen import Rows
from fairlead.ops.rehearse.fault import Scene, fault_of

FAULTS = names("fault")
CLASSES = ("no", "yes")


def signature_of(task: str) -> Signature:
    """Two numbers and a category."""
    columns = (Column("x", "number"), Column("k", "integer"), Column("c", "category", categories=("a", "b")))
    if task == "regression":
        return Signature(task="regression", columns=columns, target="y")
    return Signature(task="classification", columns=columns, target="y", classes=CLASSES, positive="yes")


def rows_of(task: str, rows: int = 400, seed: int = 0) -> Rows:
    """A window or so of rows, one a minute."""
    random = np.random.default_rng(seed)
    texts = np.empty(rows, dtype=object)
    texts[:] = random.choice(["a", "b"], rows)
    truth = np.empty(rows, dtype=object)
    truth[:] = random.choice(CLASSES, rows, p=[0.7, 0.3])
    times = 60.0 * np.arange(rows)
    return Rows(
        columns={"x": random.normal(5.0, 1.0, rows), "k": random.integers(1, 9, rows).astype(float), "c": texts},
        times=times, labels=random.normal(10.0, 3.0, rows) if task == "regression" else truth,
        labelled=np.ones(rows, dtype=bool), arrived=times + 600.0,
    )  # fmt: skip


def parts(rows: Rows) -> dict[str, np.ndarray]:
    """Everything a fault may touch, by name."""
    found = {f"column {name}": cells for name, cells in rows.columns.items()}
    for name in ("labels", "arrived", "labelled", "definitions", "times"):
        if getattr(rows, name) is not None:
            found[name] = np.asarray(getattr(rows, name))
    return found


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Equal, missing cells included."""
    return all(a == b or (a != a and b != b) for a, b in zip(one.tolist(), other.tolist(), strict=True))


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", FAULTS)
@settings(max_examples=12)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 1.0))
def test_a_fault_touches_what_comes_after_it_alone(name: str, task: str, seed: int, share: float) -> None:
    fault, signature, rows = fault_of(name), signature_of(task), rows_of(task)
    assert fault.name == name
    assert fault.can(rows, signature)
    begin = float(rows.times[-1] * share)
    before = {part: cells.copy() for part, cells in parts(rows).items()}
    found = fault.happen(rows, Scene(signature, begin, 6_000.0, np.random.default_rng(seed)))
    again = fault.happen(rows, Scene(signature, begin, 6_000.0, np.random.default_rng(seed)))
    early = rows.times < begin
    for part, cells in parts(found).items():
        assert len(cells) == len(rows.times)
        assert same(cells, parts(again)[part])
        if part in before:
            assert same(cells[early], before[part][early])
            assert same(parts(rows)[part], before[part])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_from_the_beginning_changes_something(name: str, task: str) -> None:
    rows, signature = rows_of(task), signature_of(task)
    found = fault_of(name).happen(rows, Scene(signature, 0.0, 6_000.0, np.random.default_rng(1)))
    moved = [
        part for part, cells in parts(found).items() if part not in parts(rows) or not same(cells, parts(rows)[part])
    ]
    inputs = [part for part in moved if part.startswith("column")]
    assert moved
    assert bool(inputs) == (fault_of(name).moment == "inputs")


def test_faults_of_the_truth_need_one() -> None:
    rows = rows_of("regression")
    bare = Rows(columns=rows.columns, times=rows.times)
    blind = [name for name in FAULTS if not fault_of(name).can(bare, signature_of("regression"))]
    assert blind == [name for name in FAULTS if fault_of(name).moment == "labels"]


def test_rows_without_columns_of_a_kind_cannot_suffer_what_befalls_it() -> None:
    signature = Signature(task="regression", columns=(Column("c", "category"),), target="y")
    texts = np.array(["a", "b", None], dtype=object)
    rows = Rows(columns={"c": texts}, times=np.arange(3.0))
    assert not fault_of("unit_change").can(rows, signature)
    assert fault_of("new_category").can(rows, signature)
