"""Texts as the numbers of their words: the same for training, a row and many; what is asked of them, and refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import BundleRefused, ConfigInvalid
from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
from fairlead.contract.signature import Column
from fairlead.lab.train import fit, material_of
from fairlead.lab.train.layout import Layout, Picture, Tokens, layout_of, picture_of
from fairlead.lab.train.preparing.checking import problem_of
from fairlead.lab.train.preparing.word_order import WordNumbersOf, for_learners
from fairlead.runtime.bundle.front import Front
from fairlead.runtime.bundle.hashed import bucket_of
from fairlead.runtime.bundle.word_numbers import WordNumbers


def front(buckets: int = 50, length: int = 4, fill: str = "") -> Front:
    return Front(("text",), (False,), (WordNumbers("text", buckets, length, fill),))


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), st.text(max_size=40)), min_size=1, max_size=80), st.integers(1, 9))
def test_training_a_row_and_many_read_the_same(cells: list[str | None], length: int) -> None:
    made = front(length=length)
    expected = WordNumbersOf(50, length).fit([]).transform(["" if cell is None else cell for cell in cells])
    by_row = np.frombuffer(made.row_encoder()([[cell] for cell in cells])).reshape(len(cells), -1)
    assert np.array_equal(by_row, expected)
    assert np.array_equal(made.encode({"text": np.array(cells, dtype=object)}), expected)
    again = Front.from_json(made.to_json())
    assert np.array_equal(again.encode({"text": np.array(cells, dtype=object)}), expected)


def test_words_come_in_order_in_lower_case_and_no_more_than_fit() -> None:
    (found,) = front().encode({"text": np.array(["A red, RED door: open it"], dtype=object)}).tolist()
    assert found == [1.0 + bucket_of(word, 50) for word in ("a", "red", "red", "door")]
    assert front().encode({"text": np.array([None], dtype=object)}).tolist() == [[0.0] * 4]
    assert front(fill="red").encode({"text": np.array([None], dtype=object)})[0, 0] == 1.0 + bucket_of("red", 50)


@pytest.mark.parametrize("lane", [WordNumbers("text", 0, 4), WordNumbers("text", 5, 0), WordNumbers("text", 5, 2000)])
def test_a_front_that_no_preparation_makes_is_refused(lane: WordNumbers) -> None:
    with pytest.raises(BundleRefused, match="the words of 'text'"):
        Front.from_json(Front(("text",), (False,), (lane,)).to_json())
    with pytest.raises(BundleRefused, match="takes text"):
        Front.from_json(Front(("text",), (True,), (WordNumbers("text", 5, 4),)).to_json())


def table(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    words = ["the", "parcel", "is", "late", "and", "I", "want", "my", "money", "back", "before", "it", "gets", "worse"]
    said = [" ".join(random.choice(words, random.integers(5, 14))) for _ in range(rows)]
    return pd.DataFrame({"said": said, "size": random.normal(size=rows), "y": ["a", "b"] * (rows // 2)})


def project(learners: tuple[str, ...] = (), **texts: Any) -> Settings:
    return Settings(
        model=ModelSettings(name="m", task="classification", target="y"),
        train=TrainSettings(learners=learners),
        preparation=PreparationSettings(texts=Treatment(**texts)),
    )


def test_text_net_alone_reads_words_unasked() -> None:
    assert for_learners(project(("text_net",))).texts.text == "words"
    assert for_learners(project(("text_net",), length=9)).texts == Treatment(text="words", length=9)
    assert for_learners(project(("text_net",), text="none")).texts.text == "none"
    assert for_learners(project(("text_net", "logistic"))).texts.text is None
    assert for_learners(project()).texts.text is None


def test_where_words_lie_is_known_and_to_other_learners_they_are_no_amounts() -> None:
    material = material_of(table(), project(text="words", length=7, max_features=100))
    prepared = material.preparation().fit(material.frame)
    assert layout_of(prepared, material.signature) == Layout(tokens=(Tokens("said", 1, 7, 101, words=True),))
    with pytest.raises(ConfigInvalid, match=r"to logistic the words of 'said' would be amounts"):
        fit(material, "logistic", {"C": 1.0})


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"text": "words", "ngrams": (1, 2)}, "nothing that text = 'words' takes"),
        ({"text": "tfidf", "length": 8}, "nothing that text = 'tfidf' takes"),
        ({"length": 8}, "texts are not used"),
    ],
)
def test_keys_of_the_other_way_are_refused(texts: dict[str, Any], message: str) -> None:
    found = problem_of(PreparationSettings(texts=Treatment(**texts)), native=False)
    assert found is not None
    assert message in found.what


@pytest.mark.parametrize(
    ("shape", "picture"),
    [
        ((8, 6), (8, 6, 1, True)), ((8, 6, 3), (8, 6, 3, True)), ((3, 8, 6), (8, 6, 3, False)),
        ((1, 8, 6), (8, 6, 1, False)), ((8, 6, 1), (8, 6, 1, True)), ((5, 8, 6), None), ((64,), None), ((1, 64), None),
        ((2, 3, 8, 6), None),
    ],
)  # fmt: skip
def test_what_is_an_image_is_told_by_its_shape(shape: tuple[int, ...], picture: Any) -> None:
    column = Column("i", "tensor", nullable=False, dtype="uint8", shape=shape)
    assert picture_of(column, 5) == (None if picture is None else Picture("i", 5, *picture))


def test_a_row_of_whole_numbers_is_a_text_of_its_own() -> None:
    numbers = np.random.default_rng(1).integers(0, 90, (40, 6)).astype(np.int32)
    numbers[0, 0], numbers[0, 1] = 0, 89
    frame = pd.DataFrame({"ids": list(numbers), "y": ["a", "b"] * 20})
    material = material_of(frame, project())
    prepared = material.preparation().fit(material.frame)
    assert layout_of(prepared, material.signature).tokens == (Tokens("ids", 0, 6, 90, 0.0, 89.0),)
