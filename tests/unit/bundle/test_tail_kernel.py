"""The compiled kernel of small tails against numpy, and answers with and without kernels."""

from __future__ import annotations

import math
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_samples import FRONT, SIGNATURE, TAIL
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier

from fairlead.contract.errors import CellInvalid
from fairlead.contract.signature import Column, Signature
from fairlead.lab.compile.trees import Trees
from fairlead.runtime.bundle import Front, SigningKey, load, row_kernel, tail_kernel
from fairlead.runtime.bundle.few import MOST, Few
from fairlead.runtime.bundle.front import Number
from fairlead.runtime.bundle.ops import Impute
from fairlead.runtime.bundle.run import Model, decided
from fairlead.runtime.bundle.tail import LinearForm, LinearTail, Tail, load_tail
from fairlead.runtime.bundle.tail_kernel import Layer, deciding, dense, settling

COUNTS = (1, 2, 3, 9, 64)
random = np.random.default_rng(5)


@pytest.fixture(scope="module")
def kernel() -> None:
    if tail_kernel._tails is None or row_kernel._rows is None:
        pytest.skip("the kernel of tails was not compiled: there was no C compiler at installation")


@pytest.fixture(params=["kernels", "none"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "none":
        monkeypatch.setattr(row_kernel, "_rows", None)
        monkeypatch.setattr(tail_kernel, "_tails", None)
    return str(request.param)


def activated(name: str, x: Any) -> Any:
    known = {"": lambda x: x, "Relu": lambda x: np.maximum(x, 0.0), "Tanh": np.tanh, "Sigmoid": _sigmoid}
    return known[name](x)


def _sigmoid(x: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-x))


def linked(link: str, x: Any) -> Any:
    if link in ("logistic", "second"):
        p = _sigmoid(x) if link == "logistic" else x
        return np.concatenate([1.0 - p, p], axis=1)
    if link == "softmax":
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)
    return {"identity": lambda x: x, "exp": np.exp, "sigmoid": _sigmoid}[link](x)


def scored(tail: Any, x: Any, outputs: int) -> Any:
    found = np.full((len(x), outputs), 7.0)
    tail_kernel.score(tail, len(x), np.ascontiguousarray(x), found)
    return found


sizes = st.lists(st.integers(1, 11), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(sizes, st.sampled_from(sorted(tail_kernel.LINKS)), st.sampled_from(sorted(tail_kernel.ACTIVATIONS)), st.data())
def test_layers_are_what_numpy_makes_of_them(
    kernel: None, widths: list[int], link: str, active: str, data: Any
) -> None:
    outputs = 1 if link in ("logistic", "second") else data.draw(st.integers(1, 9))
    shapes = list(zip(widths, [*widths[1:], outputs], strict=True))
    layers = [Layer(random.normal(size=shape), random.normal(size=shape[1]), active) for shape in shapes]
    layers[-1] = layers[-1]._replace(active="")
    tail = dense(widths[0], layers, link)
    assert tail is not None
    x = random.normal(size=(9, widths[0])) * random.integers(0, 2, size=(9, widths[0]))
    at = x
    for layer in layers:
        at = activated(layer.active, at @ layer.weights + layer.bias)
    expected = linked(link, at)
    found = scored(tail, x, expected.shape[1])
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13)
    alone = np.concatenate([scored(tail, row[None], expected.shape[1]) for row in x])
    assert np.array_equal(found, alone)
    labels, listed = tail_kernel.answer(tail, None, len(x), np.ascontiguousarray(x))
    assert labels is None
    assert listed == found.tolist()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, math.inf]), min_size=2, max_size=4), max_size=5),
    st.integers(2, 4), st.sampled_from([0.25, 0.5, 0.75]), st.sampled_from([None, 0, 1]),
)  # fmt: skip
def test_labels_are_those_of_the_model(
    kernel: None, rows: list[list[float]], k: int, threshold: float, positive: int | None
) -> None:
    classes = tuple("abcd"[:k])
    chosen = None if positive is None else classes[positive]
    signature = Signature("classification", (), classes=classes, positive=chosen, threshold=threshold)
    scores = np.array([(row * 2)[:k] for row in rows]).reshape(len(rows), k)
    tail = settling(k, None, 1.0, 1.0, "identity")
    labels, listed = tail_kernel.answer(tail, deciding(signature), len(scores), scores)
    assert labels == [classes[at] for at in decided(scores, signature)]
    assert listed == scores.tolist()


def test_sums_are_settled_in_their_order(kernel: None) -> None:
    sums = random.normal(size=(5, 3))
    base = np.array([0.1, 0.2, 0.3])
    tail = settling(3, base, 7.0, 0.3, "identity")
    assert np.array_equal(scored(tail, sums, 3), (sums + base) / 7.0 * 0.3)


def model(signature: Signature, front: Front, tail: Tail) -> Model:
    return Model("id", None, signature, front, tail)  # type: ignore[arg-type]


def tails() -> dict[str, tuple[int, int, Any]]:
    """Features, outputs and a function that makes the tail."""
    x = random.normal(size=(300, 4)).round(2)
    three, two = np.digitize(x[:, 0], [-0.5, 0.5]), (x[:, 0] > x[:, 1]).astype(int)

    def linear(outputs: int, link: str) -> Any:
        weights = tuple(tuple(row) for row in random.normal(size=(4, outputs)).tolist())
        form = LinearForm(weights, tuple(random.normal(size=outputs).tolist()), link)  # type: ignore[arg-type]
        return lambda: LinearTail(form, 4)

    def grown(estimator: Any, target: Any) -> Any:
        data = Trees().emit(estimator.fit(x, target), 4)
        return lambda: load_tail({"model/tail.onnx": data}, 4)

    return {
        "sigmoid": (4, 2, linear(1, "sigmoid")), "softmax": (4, 3, linear(3, "softmax")),
        "identity": (4, 1, linear(1, "identity")), "exp": (4, 1, linear(1, "exp")),
        "boosted": (4, 2, grown(HistGradientBoostingClassifier(max_iter=9, random_state=0), two)),
        "boosted of three": (4, 3, grown(HistGradientBoostingClassifier(max_iter=9, random_state=0), three)),
        "forest": (4, 2, grown(RandomForestClassifier(9, random_state=0), two)),
        "forest of three": (4, 3, grown(RandomForestClassifier(9, random_state=0), three)),
        "numbers": (4, 1, grown(GradientBoostingRegressor(n_estimators=9), x[:, 0])),
    }  # fmt: skip


TAILS = tails()


@pytest.mark.parametrize("name", TAILS)
def test_few_rows_get_the_answers_of_many(either: str, name: str) -> None:
    width, outputs, make = TAILS[name]
    names = tuple(f"c{n}" for n in range(width))
    front = Front(names, (True,) * width, tuple(Number(one, (Impute(0.0),)) for one in names))
    classes = ("a", "b", "c")[:outputs] if outputs > 1 else ()
    task = "classification" if classes else "regression"
    positive = "b" if outputs == 2 else None
    signature = Signature(task, tuple(Column(one, "number") for one in names), classes=classes, positive=positive)
    made = model(signature, front, make())
    assert (made._few is None) == (either == "none")
    rows: list[Any] = [[None if cell > 1.0 else cell for cell in row] for row in random.normal(size=(300, 4)).tolist()]
    many = made.score_rows(rows)
    for count in (*COUNTS, MOST, len(rows)):
        scores = made.score_rows(rows[:count])
        labels, listed = made.answer_rows(rows[:count])
        assert listed == scores.tolist()
        np.testing.assert_allclose(scores, many[:count], rtol=0, atol=1e-14)
        assert labels == (list(made.decide(scores)) if classes else None)
        if either == "kernels" and count <= MOST:
            assert listed == [made.answer_rows([row])[1][0] for row in rows[:count]]
    assert made.answer_rows([]) == ([] if classes else None, [])


def test_a_bundle_answers_rows_and_refuses_cells(either: str, sealed: Path, key: SigningKey) -> None:
    loaded = load(sealed, (key.public,))
    labels, scores = loaded.answer_rows([[50.0, "pro", "2"], (None, None, "1")])
    assert labels == ["yes", "no"]
    assert scores == pytest.approx(loaded.score_rows([[50.0, "pro", "2"], [None, None, "1"]]))
    with pytest.raises(CellInvalid, match="row 1, column 'code': found a value never"):
        loaded.answer_rows([[50.0, "pro", "2"], [1.0, "pro", "3"]])


def test_numbers_that_are_not_finite_are_told(kernel: None) -> None:
    for finite in (tail_kernel.finite, tail_kernel._finite):
        assert finite([[1.0, 2.0], [-1e300]])
        assert finite([])
        assert not any(finite([[0.5], [1.0, bad]]) for bad in (math.nan, math.inf, -math.inf))
    for odd in (3, [3.0], [["x"]], [None], ((1.0,),)):
        with pytest.raises((TypeError, SystemError)):
            tail_kernel.finite(odd)  # type: ignore[arg-type]


def doubles(*numbers: float) -> bytes:
    return struct.pack(f"{len(numbers)}d", *numbers)


ONE = doubles(1.0)


@pytest.mark.parametrize(
    "said",
    [
        (0, (), None, 1.0, 1.0, 0),
        (1, (), None, 0.0, 1.0, 0),
        (1, (), None, 1.0, math.inf, 0),
        (1, (), None, 1.0, 1.0, 6),
        (1, (), None, 1.0, 1.0, -1),
        (1, (), doubles(1.0, 2.0), 1.0, 1.0, 0),
        (1, (), doubles(math.nan), 1.0, 1.0, 0),
        (2, (), None, 1.0, 1.0, 4),
        (1, ((2, 1, doubles(1.0, 1.0), ONE, 0),), None, 1.0, 1.0, 0),
        (1, ((1, 1, ONE, ONE, 4),), None, 1.0, 1.0, 0),
        (1, ((1, 1, ONE, b"", 0),), None, 1.0, 1.0, 0),
        (1, ((1, 0, b"", b"", 0),), None, 1.0, 1.0, 0),
        (1, ((1, 65536, bytes(524288), bytes(524288), 0),), None, 1.0, 1.0, 0),
        (1, ((1, 1, doubles(math.inf), ONE, 0),), None, 1.0, 1.0, 0),
        (1, ((1, 2, bytes(16), bytes(16), 0), (1, 1, ONE, ONE, 0)), None, 1.0, 1.0, 0),
        (1, (5,), None, 1.0, 1.0, 0),
        (1, ((1, 1, "x", ONE, 0),), None, 1.0, 1.0, 0),
    ],
)
def test_tails_that_do_not_fit_are_refused(kernel: None, said: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        tail_kernel._tails.tail(*said)


def test_buffers_and_classes_are_checked(kernel: None) -> None:
    tail = settling(2, None, 1.0, 1.0, "identity")
    two = tail_kernel._tails.deciding(("a", "b"), 1, 0.5, False)
    x = np.zeros((3, 2))
    for rows, given_x in ((4, x), (-1, x), (2**62, x), (3, np.asfortranarray(x)), (3, x[:, :1]), (3, "text")):
        with pytest.raises((ValueError, TypeError, BufferError)):
            tail_kernel.answer(tail, two, rows, given_x)
        with pytest.raises((ValueError, TypeError, BufferError)):
            tail_kernel.score(tail, rows, given_x, np.zeros((3, 2)))
    with pytest.raises((ValueError, TypeError, BufferError)):
        tail_kernel.score(tail, 3, x, bytes(48))
    with pytest.raises(ValueError, match="classes"):
        tail_kernel.answer(tail, tail_kernel._tails.deciding(("a", "b", "c"), -1, 0.5, False), 3, x)
    for said in ((("a", "b"), 2, 0.5, False), (("a", "b", "c"), 1, 0.5, False), ((), -1, 0.5, False)):
        with pytest.raises(ValueError, match="no such class"):
            tail_kernel._tails.deciding(*said)
    with pytest.raises(ValueError, match="PyCapsule"):
        tail_kernel.answer(two, tail, 3, x)


def test_nothing_is_kept_of_answers(kernel: None) -> None:
    made = model(SIGNATURE, FRONT, LinearTail(TAIL, 4))
    assert isinstance(made._few, Few)
    rows = [[50.0, "pro", "2"]] * 5
    label = SIGNATURE.classes[1]
    held = sys.getrefcount(label), sys.getrefcount(None)
    for _ in range(1000):
        made.answer_rows(rows)
        made.score_rows(rows)
    now = sys.getrefcount(label), sys.getrefcount(None)
    assert now[0] == held[0]
    assert abs(now[1] - held[1]) < 20


def test_rows_in_blocks_are_answered_and_refused_as_one(
    either: str, sealed: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load(sealed, (key.public,))
    rows: list[Any] = [[float(20 + n % 50), ("pro", "basic", None)[n % 3], "12"[n % 2]] for n in range(MOST + 20)]
    whole = loaded.score_rows(rows)
    monkeypatch.setattr(loaded, "_chunk", 100)
    assert np.array_equal(loaded.score_rows(rows), whole)
    np.testing.assert_allclose(whole, [loaded.score_rows([row])[0] for row in rows], rtol=0, atol=1e-15)
    rows[MOST + 3][2] = "3"
    with pytest.raises(CellInvalid, match=f"row {MOST + 3}, column 'code'"):
        loaded.score_rows(rows)


def test_a_large_linear_model_is_left_to_numpy(kernel: None) -> None:
    form = LinearForm(((0.5,) * 40,) * 20_000, (0.0,) * 40, "softmax")
    tail = LinearTail(form, 20_000)
    assert (tail.most, tail.kernel) == (0, None)
    assert LinearTail(LinearForm(((0.5,) * 3,) * 300, (0.0,) * 3, "softmax"), 300).most > MOST


@pytest.mark.parametrize(("link", "outputs"), [("sigmoid", 1), ("softmax", 3), ("identity", 1), ("exp", 1)])
def test_a_row_of_a_linear_model_gets_the_same_bits_however_many_are_scored_with_it(
    link: str, outputs: int, kernel: None
) -> None:
    random = np.random.default_rng(3)
    weights, intercept = random.normal(size=(46, outputs)), random.normal(size=outputs)
    form = LinearForm(tuple(map(tuple, weights.tolist())), tuple(intercept.tolist()), link)  # type: ignore[arg-type]
    tail = LinearTail(form, 46)
    x = random.normal(size=(1_000, 46))
    whole = tail.scores(x)
    for size in (1, 7, 50, 333):
        parts = [tail.scores(np.ascontiguousarray(x[at : at + size])) for at in range(0, len(x), size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes(), size
