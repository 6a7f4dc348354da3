"""Networks of pictures and texts as sealed graphs: what numpy answers by their layers, onnxruntime answers too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.pictures import Pictures
from fairlead.lab.compile.texts_read import TextsRead
from fairlead.lab.train.estimators import picture_layers, text_layers
from fairlead.lab.train.estimators.picture_network import PictureClassifier, PictureRegressor
from fairlead.lab.train.estimators.text_network import TextClassifier, TextRegressor
from fairlead.lab.train.layout import Picture, Tokens
from fairlead.runtime.bundle.onnx_guard import gathered
from fairlead.runtime.bundle.tail import OnnxTail


def drawn(random: np.random.Generator, *shape: int) -> np.ndarray:
    """Numbers of a size that keeps sums of many of them around 1."""
    return picture_layers.single(random.normal(size=shape) / np.sqrt(max(np.prod(shape[1:]), 1)))


def of_pictures(picture: Picture, blocks: tuple[int, ...], beside: int, classes: int, seed: int = 0) -> Any:
    """An estimator as if it had been fitted, and 40 rows for it."""
    random = np.random.default_rng(seed)
    outputs = 1 if classes <= 2 else classes
    plan = picture_layers.Plan(picture, blocks, 12, beside, outputs, 0.0)
    inside = picture.channels
    kernels = []
    for channels in blocks:
        for source in (inside, channels):
            kernels.append((drawn(random, channels, source, 3, 3), drawn(random, channels)))
        inside = channels
    sums = [
        (drawn(random, plan.seen + beside, 12), drawn(random, 12)),
        (random.normal(size=(12, outputs)) / 4, drawn(random, outputs)),
    ]
    made = PictureClassifier() if classes else PictureRegressor()
    made.layers_ = picture_layers.Layers(plan, kernels, sums)
    if classes:
        made.classes_ = np.arange(classes)
    return made, random.random((40, picture.size + beside))


def answers(estimator: Any, x: np.ndarray) -> np.ndarray:
    return estimator.predict_proba(x) if hasattr(estimator, "classes_") else estimator.predict(x)[:, None]


@pytest.mark.parametrize("classes", [0, 2, 3])
@pytest.mark.parametrize(
    ("picture", "blocks", "beside"),
    [
        (Picture("i", 0, 8, 8), (3, 4), 0),
        (Picture("i", 2, 5, 7, 3), (4,), 3),
        (Picture("i", 0, 6, 9, 3, last=False), (2, 3), 2),
        (Picture("i", 1, 40, 24), (2, 2), 1),
        (Picture("i", 0, 2, 3), (2, 2, 2), 0),
    ],
)
def test_a_network_of_pictures_is_sealed_as_it_answers(
    picture: Picture, blocks: tuple[int, ...], beside: int, classes: int
) -> None:
    estimator, x = of_pictures(picture, blocks, beside, classes)
    x[0], x[1, picture.start] = 1e300, -1e300
    x[0, : picture.start] = x[0, picture.start + picture.size :] = 1.0
    emitter = Pictures()
    assert emitter.accepts(estimator) is None
    found = OnnxTail(emitter.emit(estimator, x.shape[1]), x.shape[1]).scores(x)
    assert found.shape == (40, classes or 1)
    assert np.abs(found - answers(estimator, x)).max() < 1e-6
    with pytest.raises(NotCompilable, match="gets 3"):
        emitter.emit(estimator, 3)


def test_norms_are_folded_into_the_convolutions_before_them() -> None:
    """A batch norm after a convolution is the convolution with other weights: at one pixel, by hand."""
    picture = Picture("i", 0, 4, 4)
    plan = picture_layers.Plan(picture, (2,), 3, 0, 1, 0.0)
    random = np.random.default_rng(4)
    state: dict[str, np.ndarray] = {}
    for at, inside in ((0, 1), (1, 2)):
        state |= {f"conv{at}.weight": random.normal(size=(2, inside, 3, 3)), f"conv{at}.bias": random.normal(size=2)}
        state |= {
            f"norm{at}.{name}": random.random(2) + 0.5 for name in ("weight", "bias", "running_mean", "running_var")
        }
    state |= {"sums.weight": random.normal(size=(3, plan.seen)), "sums.bias": random.normal(size=3)}
    state |= {"head.weight": random.normal(size=(1, 3)), "head.bias": random.normal(size=1)}
    (weights, bias), _ = picture_layers.folded(plan, state).kernels
    patch = random.normal(size=(1, 3, 3))
    raw = (state["conv0.weight"] * patch).sum(axis=(1, 2, 3)) + state["conv0.bias"]
    normed = (raw - state["norm0.running_mean"]) / np.sqrt(state["norm0.running_var"] + 1e-5)
    normed = normed * state["norm0.weight"] + state["norm0.bias"]
    assert np.allclose((weights * patch).sum(axis=(1, 2, 3)) + bias, normed, atol=1e-5)


def of_texts(texts: tuple[Tokens, ...], window: int, beside: int, classes: int) -> Any:
    """An estimator as if it had been fitted, and 60 rows for it, some with numbers that it does not know."""
    random = np.random.default_rng(1)
    features = beside + sum(text.size for text in texts)
    x = random.random((60, features))
    tables, words, threes = [], [], []
    for text in texts:
        numbers = random.integers(0, text.known, (60, text.size))
        table = text_layers.table_of(numbers[:20], text.known, {1})
        numbers[5:8] = 0
        numbers[8], numbers[9] = text.known + 5, -3
        x[:, text.start : text.start + text.size] = (numbers - text.low) / text.width
        tables.append(table)
        words.append(np.vstack([np.zeros((1, 5)), random.normal(size=(int(table.max()), 5))]))
        threes.append((random.normal(size=(15, window)), random.normal(size=window)))
    outputs = 1 if classes <= 2 else classes
    plan = text_layers.Plan(texts, tuple(int(t.max()) for t in tables), 5, window, 6, beside, outputs, 0.0)
    sums = [
        (random.normal(size=(plan.seen + beside, 6)), random.normal(size=6)),
        (random.normal(size=(6, outputs)), random.normal(size=outputs)),
    ]
    made = TextClassifier() if classes else TextRegressor()
    made.layers_ = text_layers.Layers(plan, tables, words, threes if window else [], sums)
    if classes:
        made.classes_ = np.arange(classes)
    return made, x


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("window", [0, 3])
@pytest.mark.parametrize(
    ("texts", "beside"),
    [
        ((Tokens("t", 0, 6, 40, words=True),), 0),
        ((Tokens("t", 1, 6, 40, words=True), Tokens("i", 8, 4, 20, low=2.0, width=17.0)), 3),
        ((Tokens("t", 0, 1, 40, words=True),), 1),
    ],
)
def test_a_network_of_words_is_sealed_as_it_answers(
    texts: tuple[Tokens, ...], beside: int, window: int, classes: int
) -> None:
    estimator, x = of_texts(texts, window, beside, classes)
    emitter = TextsRead()
    assert emitter.accepts(estimator) is None
    tail = OnnxTail(emitter.emit(estimator, x.shape[1]), x.shape[1])
    found = tail.scores(x)
    assert found.shape == (60, classes or 1)
    assert np.abs(found - answers(estimator, x)).max() < 1e-12
    assert np.allclose(tail.scores(x[7:8]), found[7:8], atol=1e-12)
    with pytest.raises(NotCompilable, match="gets 50"):
        emitter.emit(estimator, 50)


def test_words_are_looked_up_for_few_rows_at_once() -> None:
    """Each of 300 words becomes 5 numbers: rows are cut so that these stay within a bound; answers do not change."""
    estimator, x = of_texts((Tokens("t", 0, 300, 40, words=True),), 0, 0, 2)
    data = TextsRead().emit(estimator, 300)
    assert gathered(data) == 5
    assert gathered(Pictures().emit(*_pictures())) == 0
    tail = OnnxTail(data, 300)
    assert tail._step == (1 << 22) // 1500
    many = np.tile(x, (60, 1))
    assert np.allclose(tail.scores(many), np.tile(tail.scores(x), (60, 1)), atol=1e-12)


def _pictures() -> tuple[Any, int]:
    estimator, x = of_pictures(Picture("i", 0, 8, 8), (3,), 1, 3)
    return estimator, x.shape[1]


def test_only_their_own_networks_are_taken() -> None:
    assert "no network of pictures" in (Pictures().accepts(TextClassifier()) or "")
    assert "no network of words" in (TextsRead().accepts(PictureClassifier()) or "")
