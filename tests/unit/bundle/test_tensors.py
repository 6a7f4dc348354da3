"""Bundles whose models take tensors: sealed, loaded, asked in every way in which people hold a picture."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensor_samples import ALONE, BESIDE, EDGE, FRONT_BESIDE, IMAGE, MADE, SIZE, images, rows_of, sealed_at

from fairlead.contract.errors import BundleRefused, CellInvalid, InputInvalid, ShapeMismatch
from fairlead.contract.signature import Column, Signature
from fairlead.runtime.bundle import Front, SigningKey, by_row, load, row_kernel, run, tensor_cells, verify
from fairlead.runtime.bundle.by_row import closures
from fairlead.runtime.bundle.cells import columns_of_rows, outside
from fairlead.runtime.bundle.front import Delta, Number, Table, Tensor
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.bundle.native_model import check_form
from fairlead.runtime.bundle.ops import Add, Clip, Divide, Impute, Missing, Multiply, Part, Subtract
from fairlead.runtime.bundle.plan import plan
from fairlead.runtime.bundle.row_kernel import features_of
from fairlead.runtime.bundle.run import Model, build, check_signature
from fairlead.runtime.bundle.tensor_cells import DTYPES, packed, together
from fairlead.runtime.native.form import ColumnType, NativeForm


@pytest.fixture(scope="module", params=sorted(MADE))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Model:
    folder = sealed_at(tmp_path_factory.mktemp("tensors") / "bundle", request.param, key)
    return load(folder, (key.public,))


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Model:
    return load(sealed_at(tmp_path_factory.mktemp("beside") / "bundle", "linear", key), (key.public,))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, key: SigningKey) -> Model:
    return load(sealed_at(tmp_path_factory.mktemp("alone") / "bundle", "network", key), (key.public,))


def asked(model: Model, rows: list[list[Any]], how: Any) -> list[Any]:
    """Rows as dicts, their pictures as `how` makes them of an array."""

    def cell(value: Any, column: Column) -> Any:
        if column.kind != "tensor":
            return outside(value, column)
        return how(np.frombuffer(value, column.dtype).reshape(column.shape))

    columns = model.signature.columns
    return [{c.name: cell(value, c) for value, c in zip(row, columns, strict=True)} for row in rows]


# ---- Answers ----


def test_rows_one_by_one_together_and_by_columns_get_the_same_answers(model: Model) -> None:
    rows = rows_of(model.signature, 100)
    by_columns = model.score_columns(columns_of_rows(rows, model.signature))
    for some in (1, 3, 64, 100):
        np.testing.assert_allclose(model.score_rows(rows[:some]), by_columns[:some], rtol=0, atol=1e-15)
    for row, scores in zip(rows[:20], by_columns, strict=False):
        np.testing.assert_allclose(model.score_rows([row])[0], scores, rtol=0, atol=1e-15)
    labels, listed = model.answer_rows(rows)
    np.testing.assert_allclose(listed, by_columns, rtol=0, atol=1e-15)
    if labels is not None:
        assert labels == model.decide(by_columns)


def test_features_of_rows_and_columns_are_equal_bit_for_bit() -> None:
    rows = rows_of(BESIDE, 70)
    columns = columns_of_rows(rows, BESIDE)
    expected = FRONT_BESIDE.encode(columns)
    assert expected.tobytes() == FRONT_BESIDE.row_encoder()(rows).tobytes()
    assert expected.tobytes() == by_row.arrays_of(closures(plan(FRONT_BESIDE)), FRONT_BESIDE.width)(rows).tobytes()
    assert expected[:, 1:65].tolist() == (images(70).reshape(70, SIZE) / 16.0 - 0.5).tolist()
    several = list(FRONT_BESIDE.column_encoder().blocks(columns, 32, first=0))
    assert [len(block) for block in several] == [32, 32, 6]


OPS = (Divide(16.0), Subtract(0.3), Multiply(7.1), Add(0.1), Divide(3.0), Clip(-1.0, 2.0))


@pytest.mark.parametrize("ops", [(), OPS, OPS[1:], (Multiply(1e308), Multiply(1e308), Subtract(np.inf))])
@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.filterwarnings("error")
def test_every_dtype_and_operation_is_the_same_for_rows_and_columns(dtype: str, ops: Any) -> None:
    column = Column("t", "tensor", nullable=False, dtype=dtype, shape=(2, 3))
    front = Front(("t",), (False,), (Tensor("t", dtype, 6, ops), Tensor("t", dtype, 6)))
    given = np.arange(-12, 12).reshape(4, 6).astype(DTYPES[dtype])
    rows = [[row.tobytes()] for row in given]
    expected = front.encode({"t": given})
    assert front.row_encoder()(rows).tobytes() == expected.tobytes()
    assert expected[:, 6:].tolist() == given.astype(float).tolist()
    with np.errstate(all="ignore"):
        slowly = by_column_of(ops, given.astype(np.float64).reshape(-1))
    assert np.array_equal(expected[:, :6].reshape(-1), slowly, equal_nan=True)
    assert together([row[0] for row in rows], column).tolist() == given.tolist()


def by_column_of(ops: Any, numbers: Any) -> Any:
    from fairlead.runtime.bundle.ops import all_for_many

    return all_for_many(ops, numbers)


@pytest.mark.parametrize("kind", sorted(MADE))
def test_without_the_kernels_the_answers_are_the_same(
    kind: str, tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sealed_at(tmp_path / "bundle", kind, key)
    compiled = load(folder, (key.public,))
    rows = rows_of(compiled.signature, 80)
    monkeypatch.setattr(row_kernel, "_rows", None)
    monkeypatch.setattr(run, "few", lambda *_: None)
    pure = load(folder, (key.public,))
    assert features_of(plan(pure.front)) is None
    for some in (1, 10, 80):
        np.testing.assert_allclose(compiled.score_rows(rows[:some]), pure.score_rows(rows[:some]), rtol=0, atol=1e-15)


def test_a_linear_model_and_trees_keep_their_kernels_behind_tensors(tmp_path: Path, key: SigningKey) -> None:
    pytest.importorskip("fairlead.runtime.bundle._tails", reason="no compiled kernel")
    for kind, has in (("linear", True), ("tree", True), ("network", False)):
        loaded = load(sealed_at(tmp_path / kind, kind, key), (key.public,))
        assert (loaded._few is not None) == has


def test_large_tensors_are_answered_in_blocks(beside: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(BESIDE, 50)
    expected = beside.score_rows(rows)
    monkeypatch.setattr(run.by_tensor, "AT_ONCE", 7 * FRONT_BESIDE.width + 1)
    blocks = Model("", beside.manifest, BESIDE, FRONT_BESIDE, beside.tail)
    assert blocks._chunk == 7
    np.testing.assert_allclose(blocks.score_rows(rows), expected, rtol=0, atol=1e-15)
    np.testing.assert_allclose(blocks.score_columns(columns_of_rows(rows, BESIDE)), expected, rtol=0, atol=1e-15)


# ---- As people hold them ----

HELD = {
    "nested lists": lambda image: image.tolist(),
    "a flat list": lambda image: image.reshape(-1).tolist(),
    "an array": lambda image: image,
    "a flat array": lambda image: image.reshape(-1),
    "floats": lambda image: image.astype(float).tolist(),
    "lists of arrays": list,
    "tuples": lambda image: tuple(map(tuple, image.tolist())),
    "bytes": lambda image: image.tobytes(),
    "a view": lambda image: memoryview(image.tobytes()),
    "base64": lambda image: packed(image.tobytes()),
    "an array of objects": lambda image: image.astype(object),
    "of other bytes": lambda image: image.astype(">u4"),
    "turned": lambda image: np.asfortranarray(image),
}


@pytest.mark.parametrize("how", sorted(HELD))
def test_dicts_take_a_picture_in_every_form(how: str, beside: Model) -> None:
    rows = rows_of(BESIDE, 6)
    found = beside.predict(asked(beside, rows, HELD[how]))
    assert found == beside.answers(beside.score_rows(rows))


def tables() -> dict[str, Any]:
    given = images(7)
    flat = given.reshape(7, SIZE)
    nested = pa.list_(pa.list_(pa.uint8()))
    fixed = pa.list_(pa.list_(pa.uint8(), EDGE), EDGE)
    return {
        "array": given,
        "flat array": flat,
        "array of floats": given.astype(float),
        "mapping of arrays": {"image": given},
        "mapping of lists": {"image": given.tolist()},
        "mapping of bytes": {"image": [image.tobytes() for image in given]},
        "array of arrays": {"image": np.fromiter(given, dtype=object, count=7)},
        "pandas of lists": pd.DataFrame({"image": given.tolist()}),
        "pandas of flat lists": pd.DataFrame({"image": flat.tolist()}),
        "pandas of arrays": pd.DataFrame({"image": list(given)}),
        "pandas of arrow": pd.DataFrame({"image": pd.Series(flat.tolist(), dtype=pd.ArrowDtype(pa.list_(pa.uint8())))}),
        "pandas from nested arrow": pa.table({"image": pa.array(given.tolist(), nested)}).to_pandas(),
        "polars of lists": pl.DataFrame({"image": flat.tolist()}),
        "polars of nested lists": pl.DataFrame({"image": given.tolist()}),
        "polars of arrays": pl.DataFrame({"image": pl.Series(given.tolist(), dtype=pl.Array(pl.UInt8, (EDGE, EDGE)))}),
        "polars of bytes": pl.DataFrame({"image": [image.tobytes() for image in given]}),
        "arrow of lists": pa.table({"image": pa.array(flat.tolist())}),
        "arrow of nested lists": pa.table({"image": pa.array(given.tolist(), nested)}),
        "arrow of large lists": pa.table({"image": pa.array(flat.tolist(), pa.large_list(pa.int64()))}),
        "arrow of fixed lists": pa.table({"image": pa.array(flat.tolist(), pa.list_(pa.uint8(), SIZE))}),
        "arrow of nested fixed lists": pa.table({"image": pa.array(given.tolist(), fixed)}),
        "arrow of a slice": pa.table({"image": pa.array([*images(2, 8).tolist(), *given.tolist()], fixed)}).slice(2),
        "arrow of a slice of lists": pa.table({"image": pa.array([*images(2, 8).tolist(), *given.tolist()])}).slice(2),
        "arrow in chunks": pa.chunked_array(
            [pa.array(given[:3].tolist(), nested), pa.array(given[3:].tolist(), nested)]
        ),
        "arrow tensors": pa.table({"image": pa.FixedShapeTensorArray.from_numpy_ndarray(given)}),
        "arrow batch": pa.RecordBatch.from_pydict({"image": pa.array(flat.tolist(), pa.list_(pa.float64(), SIZE))}),
        "arrow bytes": pa.table({"image": pa.array([image.tobytes() for image in given])}),
    }


@pytest.mark.parametrize("how", sorted(tables()))
def test_tables_of_every_library_give_the_answers_of_rows(how: str, alone: Model) -> None:
    table = tables()[how]
    if isinstance(table, pa.ChunkedArray):
        table = pa.table({"image": table})
    expected = alone.answers(alone.score_rows([[image.tobytes()] for image in images(7)]))
    assert alone.predict(table) == expected


def test_tables_with_other_columns_give_the_answers_of_rows(beside: Model) -> None:
    rows = rows_of(BESIDE, 9)
    dicts = asked(beside, rows, lambda image: image.tolist())
    columns = {name: [row[name] for row in dicts] for name in dicts[0]}
    expected = beside.probabilities(dicts)
    for table in (columns, pd.DataFrame(columns), pl.DataFrame(columns), pa.table(columns)):
        np.testing.assert_allclose(beside.probabilities(table), expected, rtol=0, atol=1e-15)


# ---- What does not fit ----

WRONG: list[tuple[Any, str]] = [
    (None, "no value"),
    (7, "an integer"),
    ("0" * 64, "text"),
    (True, "a boolean"),
    ({"b65": ""}, "an object"),
    ({"b64": "%%%"}, "text that is no base64"),
    ({"b64": "A" * 84}, "63 bytes"),
    ({"b64": "A" * 4000}, "4000 letters of base64"),
    (b"1234", "4 bytes"),
    ([], "nothing of shape [0]"),
    ([[1] * 8] * 7, "numbers of shape [7, 8]"),
    (np.zeros((8, 7)), "numbers of shape [8, 7]"),
    (np.zeros((8, 8), bool), "booleans of shape [8, 8]"),
    (np.full((8, 8), "1"), "text of shape [8, 8]"),
    ([["1"] * 8] * 8, "text of shape [8, 8]"),
    ([[True] * 8] * 8, "booleans of shape [8, 8]"),
    ([[True, 1, 1, 1, 1, 1, 1, 1]] * 8, "booleans and numbers of shape [8, 8]"),
    ([[1] * 8] * 7 + [[1] * 7 + [None]], "nulls and numbers of shape [8, 8]"),
    ([[1] * 8] * 7 + [[1] * 7], "lists of different lengths"),
    ([[1] * 8] * 7 + [1], "lists beside what is none"),
    ([[[[[[1]]]]]], "lists nested deeper than 4"),
    ([[256] * 8] * 8, "numbers of shape [8, 8], one of them beyond uint8"),
    ([[-1] * 8] * 8, "numbers of shape [8, 8], one of them beyond uint8"),
    ([[10**30] * 8] * 8, "numbers of shape [8, 8], one of them beyond uint8"),
    ([[10**400] * 8] * 8, "numbers of shape [8, 8], one of them beyond uint8"),
    ([[0.5] * 8] * 8, "numbers of shape [8, 8], one of them not whole"),
    ([[float("nan")] * 8] * 8, "numbers of shape [8, 8], one of them not finite"),
    ([[{}] * 8] * 8, "objects of shape [8, 8]"),
    (object(), "object"),
]


@pytest.mark.parametrize(("value", "found"), WRONG, ids=[found for _, found in WRONG])
@pytest.mark.filterwarnings("error")
def test_what_does_not_fit_is_named_by_kind_and_shape(value: Any, found: str, beside: Model) -> None:
    good = asked(beside, rows_of(BESIDE, 1), lambda image: image)[0]
    with pytest.raises(CellInvalid) as caught:
        beside.predict([good, good | {"image": value}])
    said = str(caught.value)
    assert said.startswith(f"row 1, column 'image': found {found}, allowed: uint8 of shape [8, 8] as nested lists")
    assert caught.value.row == 1
    with pytest.raises(CellInvalid) as caught:
        beside.predict({name: [good[name], good[name] if name != "image" else value] for name in good})
    assert str(caught.value) == said


FLAT = images(2).reshape(2, SIZE).tolist()
GAPS = {
    "pandas": pd.DataFrame({"image": [FLAT[0], None]}),
    "pandas of NaN": pd.DataFrame({"image": [FLAT[0], float("nan")]}),
    "pandas of arrow": pd.DataFrame({"image": pd.Series([FLAT[0], None], dtype=pd.ArrowDtype(pa.list_(pa.int64())))}),
    "polars": pl.DataFrame({"image": [FLAT[0], None]}),
    "polars array": pl.DataFrame({"image": pl.Series([FLAT[0], None], dtype=pl.Array(pl.UInt8, SIZE))}),
    "arrow": pa.table({"image": pa.array([FLAT[0], None])}),
    "arrow fixed": pa.table({"image": pa.array([FLAT[0], None], pa.list_(pa.uint8(), SIZE))}),
}
HOLED = [FLAT[0], [*FLAT[1][:-1], None]]
HOLES = {
    "pandas": pd.DataFrame({"image": HOLED}),
    "polars": pl.DataFrame({"image": HOLED}),
    "polars array": pl.DataFrame({"image": pl.Series(HOLED, dtype=pl.Array(pl.UInt8, SIZE))}),
    "arrow": pa.table({"image": pa.array(HOLED)}),
    "arrow fixed": pa.table({"image": pa.array(HOLED, pa.list_(pa.uint8(), SIZE))}),
}
UNEVEN = {
    "polars": pl.DataFrame({"image": [FLAT[0], FLAT[1][1:]]}),
    "arrow": pa.table({"image": pa.array([FLAT[0], FLAT[1][1:]])}),
    "arrow that adds up": pa.table({"image": pa.array([[*FLAT[0], 1], FLAT[1][1:]])}),
}


@pytest.mark.parametrize("how", sorted(GAPS))
def test_a_missing_tensor_is_told_by_its_row(how: str, alone: Model) -> None:
    with pytest.raises(CellInvalid, match="row 1, column 'image': found no value"):
        alone.predict(GAPS[how])


@pytest.mark.parametrize("how", sorted(HOLES))
def test_a_missing_element_is_told_by_its_row(how: str, alone: Model) -> None:
    with pytest.raises(CellInvalid, match="row 1, column 'image': found n") as caught:
        alone.predict(HOLES[how])
    assert "of shape [64]" in str(caught.value)


@pytest.mark.parametrize("how", sorted(UNEVEN))
def test_lists_of_other_lengths_are_told_by_their_row(how: str, alone: Model) -> None:
    with pytest.raises(CellInvalid, match=r"column 'image': found numbers of shape \[6[35]\]"):
        alone.predict(UNEVEN[how])


def test_a_tensor_has_no_more_digits_in_an_error_than_its_shape(alone: Model) -> None:
    secret = 77_231
    with pytest.raises(CellInvalid) as caught:
        alone.predict([{"image": [[secret] * 8] * 8}])
    assert not re.search("77|231", str(caught.value))


def test_limits_of_the_project_hold_for_every_element() -> None:
    column = IMAGE.__class__(**{**{f: getattr(IMAGE, f) for f in IMAGE.__struct_fields__}, "maximum": 16.0})
    signature = Signature("regression", (column,))
    from fairlead.runtime.bundle.cells import rows_from
    from fairlead.runtime.bundle.columns import columns_from

    given = images(3)
    assert columns_from(given, signature)["image"].tolist() == given.reshape(3, SIZE).tolist()
    given[1, 7, 7] = 17
    with pytest.raises(CellInvalid, match=r"row 1, column 'image': found a value out of range.* up to 16"):
        columns_from(given, signature)
    with pytest.raises(CellInvalid, match=r"row 1, column 'image': found a value out of range.* up to 16"):
        rows_from([{"image": image} for image in given], signature)


def test_an_array_of_another_shape_is_no_table(alone: Model) -> None:
    with pytest.raises(ShapeMismatch, match=r"\(3, 8, 7\) is no table of this model: it needs \(rows, 8, 8\) or"):
        alone.predict(np.zeros((3, 8, 7)))
    with pytest.raises(InputInvalid):
        alone.predict({"image": 5})
    assert alone.predict(np.zeros((0, 8, 8))) == []


def test_columns_and_rows_of_other_sizes_are_refused_by_the_front(alone: Model, beside: Model) -> None:
    for wrong in (np.zeros((2, 63)), np.zeros((2, 8, 8)), np.zeros((2, 64), bool), np.zeros(2), [[0.0] * 64] * 2):
        with pytest.raises(ShapeMismatch, match="column 'image'"):
            alone.score_columns({"image": wrong})  # type: ignore[dict-item]
    row = rows_of(BESIDE, 1)[0]
    with pytest.raises(ShapeMismatch, match="row 1: a tensor has 65 bytes, the model takes 64"):
        beside.score_rows([row, [row[0], bytes(65), row[2]]])


# ---- What is no bundle ----


def changed(column: Column, **what: Any) -> Column:
    return msgspec.convert({**msgspec.to_builtins(column), **what}, Column)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"dtype": "complex128"}, "its dtype must be one of uint8"),
        ({"dtype": ""}, "its dtype must be one of"),
        ({"shape": ()}, "1 to 4 dimensions"),
        ({"shape": (8, 0)}, "each at least 1"),
        ({"shape": (1, 1, 1, 1, 64)}, "1 to 4 dimensions"),
        ({"shape": (10**9, 10**9)}, "more than 1000000 elements"),
        ({"shape": (10**4000,) * 4}, "more than 1000000 elements"),
        ({"nullable": True}, "must not be nullable"),
        ({"name": "id"}, "a tensor is no key"),
        ({"kind": "number"}, "only a tensor has a dtype or a shape"),
    ],
)
def test_signatures_that_cannot_be_served_are_refused(what: Any, says: str) -> None:
    with pytest.raises(BundleRefused, match=says):
        check_signature(Signature("regression", (changed(IMAGE, **what),), key="id"))


def test_many_tensors_are_bounded_together() -> None:
    columns = tuple(changed(IMAGE, name=f"c{n}", shape=(600_000,)) for n in range(2))
    with pytest.raises(BundleRefused, match="1200000 elements a row, the limit is 1000000"):
        check_signature(Signature("regression", columns))


@pytest.mark.parametrize(
    ("lanes", "says"),
    [
        ((Tensor("image", "uint8", 0),), "no known dtype or size"),
        ((Tensor("image", "uint8", -64),), "no known dtype or size"),
        ((Tensor("image", "complex64", 64),), "no known dtype or size"),
        ((Tensor("image", "uint8", 10**12),), "1000000000000 outputs, the limit is 1000000"),
        ((Tensor("image", "uint8", 10**12), Tensor("image", "uint8", -(10**12))), "no known dtype or size"),
        ((Tensor("age", "uint8", 64),), "holds numbers, its lane takes tensors"),
        ((Tensor("image", "uint8", 64, (Divide(0.0),)),), "not usable"),
        ((Number("image"),), "holds text, its lane takes numbers"),
    ],
)
def test_fronts_that_cannot_be_run_are_refused(lanes: Any, says: str) -> None:
    front = Front(("age", "image", "plan"), (True, False, False), lanes)
    with pytest.raises(BundleRefused, match=says):
        Front.from_json(front.to_json())


def test_a_front_agrees_with_the_tensors_of_its_signature() -> None:
    front = Front(("image",), (False,), (Tensor("image", "uint8", SIZE),))
    assert front.agrees(ALONE)
    assert front.agrees(Signature("regression", (changed(IMAGE, shape=(1, 4, 16)),)))
    assert not front.agrees(Signature("regression", (changed(IMAGE, dtype="int8"),)))
    assert not front.agrees(Signature("regression", (changed(IMAGE, shape=(8, 9)),)))
    assert not front.agrees(Signature("regression", (Column("image", "text"),)))
    texts = Front(("image",), (False,), (Table("image", ("a",), ((Delta(0, 1.0),),), (0.0,)),))
    assert not texts.agrees(ALONE)
    assert texts.agrees(Signature("regression", (Column("image", "text"),)))


def golden_with(content: bytes, image: Any) -> bytes:
    lines = content.splitlines()
    first = msgspec.json.decode(lines[0])
    first["row"]["image"] = image
    return b"\n".join([canonical(first), *lines[1:]])


@pytest.mark.parametrize("image", [packed(bytes(63)), packed(bytes(65)), {"b64": 5}, None, [[1]], packed(bytes(64))])
def test_golden_rows_with_other_tensors_refuse_the_bundle(image: Any, tmp_path: Path, key: SigningKey) -> None:
    from tensor_samples import files

    content = golden_with(files("tree")["golden.jsonl"], image)
    folder = sealed_at(tmp_path / "bundle", "tree", key, **{"golden.jsonl": content})
    with pytest.raises(BundleRefused, match="golden"):
        load(folder, (key.public,))


def test_a_giant_shape_is_refused_before_anything_of_its_size_is_made(tmp_path: Path, key: SigningKey) -> None:
    import tracemalloc

    giant = Signature("classification", (changed(IMAGE, shape=(50_000, 50_000)),), classes=ALONE.classes)
    folder = sealed_at(tmp_path / "bundle", "network", key, **{"signature.json": canonical(giant)})
    verified = verify(folder, (key.public,))
    tracemalloc.start()
    with pytest.raises(BundleRefused, match="more than 1000000 elements"):
        build(verified)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5e6


# ---- Any front ----

SIZES = {"s": ("int16", 3), "t": ("float32", 2)}
TAKEN = (
    Column("a", "number"),
    Column("b", "number"),
    Column("p", "text"),
    Column("s", "tensor", nullable=False, dtype="int16", shape=(3,)),
    Column("t", "tensor", nullable=False, dtype="float32", shape=(2,)),
)
finite = st.floats(-1e6, 1e6, allow_nan=False)
ops = st.lists(
    st.builds(Add, finite) | st.builds(Multiply, finite) | st.builds(Divide, st.floats(0.01, 1e6))
    | st.builds(Subtract, finite) | st.builds(Clip, st.none() | st.floats(-9, 0), st.none() | st.floats(0, 9))
    | st.builds(Impute, finite) | st.builds(Missing) | st.builds(Part, st.just("hour"), st.sampled_from(["", "sin"])),
    max_size=3,
).map(tuple)  # fmt: skip
lane = st.one_of(
    st.builds(Number, st.sampled_from("ab"), ops),
    st.just(Table("p", ("x", "y"), ((Delta(0, 1.0),), (Delta(1, 2.0),)), (0.0, -1.0), missing=(Delta(1, None),))),
    st.builds(lambda name, ops: Tensor(name, *SIZES[name], ops), st.sampled_from("st"), ops),
)
fronts = st.lists(lane, min_size=1, max_size=6).map(
    lambda lanes: Front(tuple(c.name for c in TAKEN), tuple(c.numeric for c in TAKEN), tuple(lanes))
)
rows_drawn = st.lists(
    st.tuples(
        st.none() | finite, st.none() | finite, st.sampled_from(["x", "y", "z", None]),
        st.lists(st.integers(-9, 9), min_size=3, max_size=3).map(lambda n: np.array(n, "<i2").tobytes()),
        st.lists(st.floats(-9, 9, width=32), min_size=2, max_size=2).map(lambda n: np.array(n, "<f4").tobytes()),
    ),
    max_size=5,
)  # fmt: skip


@given(fronts, rows_drawn, st.sampled_from([list, tuple]))
def test_any_front_encodes_tensors_the_same_in_every_way(front: Front, rows: list[Any], kind: Any) -> None:
    made = kind(map(kind, rows))
    front = Front.from_json(front.to_json())
    expected = by_row.arrays_of(closures(plan(front)), front.width)(made)
    assert front.row_encoder()(made).tobytes() == expected.tobytes()
    by_columns = front.encode(columns_of_rows(rows, Signature("regression", TAKEN)))
    assert np.array_equal(by_columns, expected, equal_nan=True)


def test_a_native_model_takes_no_tensors() -> None:
    form = NativeForm("joblib", "proba", 3, (ColumnType("image", False, "object"),))
    with pytest.raises(BundleRefused, match="gives it no tensors"):
        check_form(form, ALONE)


def test_memory_stays_when_the_same_rows_are_asked_again_and_again(beside: Model) -> None:
    rows = rows_of(BESIDE, 3)
    cell = rows[0][1]
    held = sys.getrefcount(cell)
    for _ in range(3000):
        beside.answer_rows(rows)
    assert sys.getrefcount(cell) == held


strange: Any = st.none() | st.integers() | st.integers(-3, 3) | st.just(10**30) | st.text(max_size=5) | st.floats()


@given(
    st.fixed_dictionaries(
        {"type": st.just("tensor")},
        optional={
            "column": st.sampled_from(["image", "age"]) | strange,
            "dtype": st.sampled_from(sorted(DTYPES)) | strange,
            "size": st.integers(-(10**7), 10**7) | strange,
            "ops": st.lists(st.fixed_dictionaries({"op": st.just("divide"), "by": strange}), max_size=2) | strange,
            "more": strange,
        },
    )
)
def test_any_lane_of_tensors_is_run_or_refused(lane: dict[str, Any]) -> None:
    said = {"columns": ["age", "image"], "numeric": [True, False], "lanes": [lane]}
    try:
        front = Front.from_json(msgspec.json.encode(said))
    except BundleRefused:
        return
    only = front.lanes[0]
    assert isinstance(only, Tensor)
    assert 1 <= front.width <= 1_000_000
    cell = bytes(only.size * DTYPES[only.dtype].itemsize)
    with np.errstate(all="ignore"):
        assert front.row_encoder()([[1.0, cell]]).shape == (1, only.size)


@given(
    st.sampled_from(sorted(DTYPES)) | st.text(max_size=9),
    st.lists(st.integers(-(10**40), 10**40) | st.integers(-1, 2000), max_size=6),
    st.booleans(),
)
def test_any_shape_is_served_or_refused(dtype: str, shape: list[int], nullable: bool) -> None:
    column = Column("t", "tensor", nullable=nullable, dtype=dtype, shape=tuple(shape))
    try:
        check_signature(Signature("regression", (column,)))
    except BundleRefused:
        return
    assert 1 <= tensor_cells.size(column) <= tensor_cells.LARGEST
    assert tensor_cells.cell_from([0] * tensor_cells.size(column), column) == bytes(tensor_cells.length(column))
