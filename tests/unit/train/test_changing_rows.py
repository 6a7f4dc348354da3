"""Pictures and texts changed while they are learned from: what stays, what moves, and that no judged row has a part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import AugmentSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.train import material_of
from fairlead.lab.train.augmenting import augmented
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.changing_pictures import changed_pictures
from fairlead.lab.train.changing_texts import changed_texts, numbers_of, read_synonyms, synonyms_of
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.layout import Layout, Picture, Tokens
from fairlead.runtime.bundle.hashed import bucket_of

STILL = {"by": "images", "shift": 0.0, "rotate": 0.0}
PICTURE = Picture("image", 1, 5, 7)


def pixels(rows: int = 6, seed: int = 0) -> np.ndarray:
    """A number, 35 pixels, a number."""
    return np.random.default_rng(seed).random((rows, 37))


def changed(x: np.ndarray, seed: int = 3, picture: Picture = PICTURE, **rules: Any) -> np.ndarray:
    return changed_pictures(x, (picture,), AugmentSettings(**{**STILL, **rules}), [seed]).x


def square(x: np.ndarray) -> np.ndarray:
    return x[:, 1:36].reshape(-1, 5, 7)


@settings(max_examples=25)
@given(
    st.integers(1, 9), st.integers(2, 12), st.integers(2, 12), st.sampled_from([1, 3]), st.booleans(),
    st.floats(0, 0.5), st.floats(0, 180), st.floats(0, 0.5), st.floats(0, 0.9), st.integers(0, 99),
)  # fmt: skip
def test_any_picture_stays_within_its_range_and_what_is_no_pixel_as_it_was(
    rows: int, height: int, width: int, channels: int, last: bool, shift: float, rotate: float, noise: float,
    cutout: float, seed: int,
) -> None:  # fmt: skip
    picture = Picture("image", 2, height, width, channels, last)
    x = np.random.default_rng(seed).random((rows, picture.size + 3))
    before = x.copy()
    rules = AugmentSettings(
        by="images", shift=shift, rotate=rotate, noise=noise, cutout=cutout, flip=("horizontal", "vertical")
    )
    made = changed_pictures(x, (picture,), rules, [seed])
    assert made.x.shape == x.shape
    assert np.array_equal(x, before)
    assert made.x.min() >= 0.0
    assert made.x.max() <= 1.0 + 1e-12
    assert np.array_equal(
        np.delete(made.x, np.s_[2 : 2 + picture.size], 1), np.delete(x, np.s_[2 : 2 + picture.size], 1)
    )
    assert np.array_equal(made.x, changed_pictures(x, (picture,), rules, [seed]).x)
    assert made.second is None


def test_nothing_asked_changes_nothing() -> None:
    assert np.array_equal(changed(pixels()), pixels())


def test_a_shift_moves_whole_pixels_and_repeats_the_edge() -> None:
    x = pixels(200)
    before, after = square(x), square(changed(x, shift=0.3))
    seen = set()
    for one, other in zip(before, after, strict=True):
        moves = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-3, 4)
            if np.array_equal(other, one[np.clip(np.arange(5) - down, 0, 4)][:, np.clip(np.arange(7) - right, 0, 6)])
        ]
        assert moves
        seen.add(moves[0])
    assert len(seen) > 10


def test_flips_mirror_about_half_of_the_rows_and_only_those_axes_that_are_asked_for() -> None:
    x = pixels(300)
    before, after = square(x), square(changed(x, flip=("horizontal",)))
    mirrored = (after == before[:, :, ::-1]).all(axis=(1, 2))
    assert (mirrored | (after == before).all(axis=(1, 2))).all()
    assert 100 < mirrored.sum() < 200


def test_a_half_turn_is_a_half_turn() -> None:
    """Degrees are drawn up to the limit, so the fit that draws nearly all of it is looked for."""
    picture = Picture("image", 0, 6, 6)
    x = np.random.default_rng(0).random((4000, 36))
    x[:] = x[0]
    made = changed(x, picture=picture, rotate=180.0)
    turned = x[0].reshape(6, 6)[::-1, ::-1].ravel()
    assert np.abs(made - turned).max(axis=1).min() < 0.02


def test_a_cutout_covers_a_square_of_that_size_by_the_mean() -> None:
    x = pixels(50)
    before, after = square(x), square(changed(x, cutout=0.6))
    for one, other in zip(before, after, strict=True):
        rows, columns = np.nonzero(one != other)
        assert np.ptp(rows) == np.ptp(columns) == 2
        assert other[rows, columns] == pytest.approx(one.mean())


def test_mixed_rows_are_what_their_shares_say() -> None:
    x = pixels(40)
    made = changed_pictures(x, (PICTURE,), AugmentSettings(**STILL, mixup=0.4), [1])
    assert made.second is not None
    assert made.share is not None
    share = made.share[:, None]
    assert np.allclose(made.x, share * x + (1 - share) * x[made.second])
    assert sorted(made.second) == list(range(40))


def test_a_channel_first_is_changed_as_a_channel_last() -> None:
    x = np.random.default_rng(2).random((5, 4 * 6 * 3))
    first = x.reshape(5, 4, 6, 3).transpose(0, 3, 1, 2).reshape(5, -1)
    rules = {"rotate": 30.0, "shift": 0.2, "cutout": 0.4, "flip": ("vertical",)}
    one = changed(x, picture=Picture("i", 0, 4, 6, 3), **rules)
    other = changed(first, picture=Picture("i", 0, 4, 6, 3, last=False), **rules)
    assert np.allclose(one.reshape(5, 4, 6, 3).transpose(0, 3, 1, 2).reshape(5, -1), other)


class Recording:
    """A learner that remembers what it was given."""

    name = "recording"
    tasks = ("classification",)

    def build(self, task: str, parameters: Any, seed: int) -> Any:
        from sklearn.dummy import DummyClassifier

        class Recorder(DummyClassifier):  # type: ignore[misc]
            def fit(self, x: Any, y: Any, sample_weight: Any = None) -> Any:
                parameters["given"].append(np.array(x))
                return super().fit(x, y, sample_weight)

        return Recorder()


def brightness(x: np.ndarray) -> set[float]:
    return set(np.round(x[:, 0], 6).tolist())


def test_no_judged_row_is_changed_and_none_has_a_part_in_what_is_learned_from() -> None:
    """Every picture is one grey of its own, which neither moving nor mirroring changes: greys tell where rows went."""
    grey = np.arange(60, dtype=np.uint8) * 4
    table = pd.DataFrame({"image": list(np.broadcast_to(grey[:, None, None], (60, 4, 4))), "y": ["a", "b", "c"] * 20})
    rules = AugmentSettings(by="images", copies=3, shift=0.4, rotate=45.0, flip=("horizontal",))
    project = Settings(
        model=ModelSettings(name="m", task="classification", target="y"), train=TrainSettings(augment=rules)
    )
    material = material_of(table, project)
    assert material.signature.columns[0].shape == (4, 4)
    plain = Bench(material_of(table, Settings(model=project.model)), folds_of(material, 3, 0))
    bench = Bench(material, folds_of(material, 3, 0))
    for index in range(3):
        given: list[np.ndarray] = []
        bench.answers(index, Recording(), {"given": given}, 0)
        (learned, judged), (same, as_they_were) = bench.prepared(index), plain.prepared(index)
        assert np.array_equal(judged, as_they_were)
        assert np.array_equal(learned, same)
        assert len(given[0]) == 4 * len(learned)
        assert brightness(given[0]) == brightness(learned)
        assert not brightness(given[0]) & brightness(judged)


WORDS = Tokens("text", 1, 6, 101, words=True)


def texts(rows: int = 200, seed: int = 0) -> np.ndarray:
    """A number of another column, then 2 to 6 words."""
    random = np.random.default_rng(seed)
    found = np.zeros((rows, 7))
    for row, count in enumerate(random.integers(2, 7, rows)):
        found[row, 1 : 1 + count] = random.integers(1, 101, count)
    found[:, 0] = random.random(rows)
    return found


def said(x: np.ndarray, groups: Any = (), seed: int = 1, **rules: Any) -> np.ndarray:
    still = {"by": "texts", "drop": 0.0, "swap": 0.0, "replace": 0.0}
    return changed_texts(x, (WORDS,), AugmentSettings(**{**still, **rules}), groups, [seed])


def test_dropped_words_leave_one_at_least_and_no_other_column_changes() -> None:
    x = texts()
    made = said(x, drop=0.5)
    gone = (made[:, 1:] != x[:, 1:]) & (x[:, 1:] > 0)
    assert (made[:, 1:][gone] == 0).all()
    assert ((made[:, 1:] > 0).sum(axis=1) >= 1).all()
    assert 0.3 < gone.sum() / (x[:, 1:] > 0).sum() < 0.6
    assert np.array_equal(made[:, 0], x[:, 0])


def test_swapped_words_are_the_same_words() -> None:
    x = texts()
    made = said(x, swap=0.3)
    assert np.array_equal(np.sort(made[:, 1:], axis=1), np.sort(x[:, 1:], axis=1))
    assert (made != x).any()
    assert np.array_equal(made == 0, x == 0)


def test_words_are_replaced_by_their_synonyms_alone() -> None:
    groups = (("refund", "repayment", "chargeback"),)
    others = synonyms_of(groups, 100)
    numbers = {word: 1 + bucket_of(word, 100) for word in groups[0]}
    assert others[numbers["refund"]] == [numbers["repayment"], numbers["chargeback"]]
    x = texts()
    x[:, 1] = numbers["refund"]
    made = said(x, groups, replace=0.5)
    different = made[:, 1:] != x[:, 1:]
    assert set(x[:, 1:][different]) <= set(numbers.values())
    assert set(made[:, 1:][different]) <= set(numbers.values())
    assert 60 < different[:, 0].sum() < 140


def test_numbers_of_words_survive_the_scaling_of_their_column() -> None:
    text = Tokens("ids", 0, 4, 50, low=3.0, width=46.0)
    numbers = np.array([[3, 17, 49, 30]])
    assert np.array_equal(numbers_of((numbers - 3.0) / 46.0, text), numbers)


def test_a_file_of_synonyms_is_read_and_what_is_wrong_in_it_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# of payments\nRefund, repayment\n\nbill, invoice, invoice\n", "utf-8")
    assert read_synonyms(path) == (("refund", "repayment"), ("bill", "invoice"))
    path.write_text("refund, repayment\nmoney back, refund\n", "utf-8")
    with pytest.raises(ConfigInvalid, match="line 2: 'money back' is not one word"):
        read_synonyms(path)
    path.write_text("refund\n", "utf-8")
    with pytest.raises(ConfigInvalid, match="line 1: one word alone"):
        read_synonyms(path)
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        read_synonyms(tmp_path / "absent.txt")


@pytest.mark.parametrize(
    ("rules", "layout", "message"),
    [
        ({"by": "images"}, Layout(), "no feature is an image"),
        ({"by": "texts"}, Layout(), "no text is learned from as its words"),
        ({"by": "texts"}, Layout(tokens=(WORDS,)), "for text_net alone"),
        ({"by": "texts", "synonyms": "a.txt"}, Layout(tokens=(Tokens("i", 0, 3, 9),)), "not known"),
    ],
)
def test_what_there_is_nothing_of_is_refused(rules: Any, layout: Layout, message: str) -> None:
    with pytest.raises(ConfigInvalid, match=message):
        augmented(np.zeros((4, 7)), np.zeros(4), None, AugmentSettings(**rules), "regression", 0, layout)
