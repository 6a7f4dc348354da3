"""Texts as terms, hashes and products: scikit-learn's weights to the bit, refused where no vectorizer is like that."""

from __future__ import annotations

import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

from fairlead.contract.errors import BundleRefused
from fairlead.contract.signature import Column
from fairlead.lab.compile.lanes import TextLane
from fairlead.lab.compile.texts import vectorizer
from fairlead.runtime.bundle.coded import Coded
from fairlead.runtime.bundle.front import Delta, Front, Number, Product, Table
from fairlead.runtime.bundle.hashed import Hashed, bucket_of
from fairlead.runtime.bundle.ops import Impute, Multiply, Subtract
from fairlead.runtime.bundle.words import Words, words_reader

# Few letters, so that terms come back; and what lower case, accents, blanks and digits do beyond ASCII.
letters = st.text("abAB éİßıΣς,.-_ \t\n1٣\u0301\u00a0ŉ", max_size=30)
texts = st.one_of(letters, st.text(max_size=20))
ways = st.fixed_dictionaries(
    {
        "analyzer": st.sampled_from(["word", "char", "char_wb"]),
        "ngram_range": st.sampled_from([(1, 1), (1, 2), (2, 3), (1, 4)]),
        "lowercase": st.booleans(),
        "strip_accents": st.sampled_from([None, "unicode", "ascii"]),
        "token_pattern": st.sampled_from([r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\b\w+\b", r"\S+"]),
        "binary": st.booleans(),
        "stop_words": st.sampled_from([None, ["ab", "b"]]),
    }
)
weighing = st.fixed_dictionaries(
    {"norm": st.sampled_from([None, "l1", "l2"]), "sublinear_tf": st.booleans(), "use_idf": st.booleans()}
)


def dense(lane: Words, cells: list[str]) -> np.ndarray:
    read, found = words_reader(lane), np.zeros((len(cells), lane.width))
    for row, cell in enumerate(cells):
        for at, number in read(cell):
            found[row, at] = number
    return found


def read_off(fitted) -> Words:
    lanes = vectorizer(fitted, [TextLane(Column("note", "text"))], "here")
    return lanes[0].reader


@settings(max_examples=120)
@given(st.lists(letters, min_size=1, max_size=8), st.lists(texts, max_size=6), ways, weighing)
@pytest.mark.filterwarnings("ignore")
def test_terms_weigh_what_scikit_learn_says_to_the_bit(training, others, way, weights):
    for made in (TfidfVectorizer(**way, **weights), CountVectorizer(**way)):
        try:
            fitted = made.fit(training)
        except ValueError:  # no term at all
            continue
        lane = read_off(fitted)
        again = msgspec.json.decode(msgspec.json.encode(lane), type=Words)
        cells = [*training, *others, "ab " * 300]
        assert np.array_equal(dense(again, cells), fitted.transform(cells).toarray())


def front(*lanes, numeric=(False, True)) -> Front:
    return Front.from_json(Front(("note", "size"), numeric, lanes).to_json())


def test_a_missing_text_has_no_terms_and_the_features_may_be_some_of_them():
    made = front(Words("note", ("a", "b", "c"), pattern="letters", norm="l1", outputs=(2, 0)))
    rows = [["a b c c", 1.0], [None, 1.0], ["", 1.0], ["nothing known", 1.0]]
    expected = [[0.5, 0.25], [0, 0], [0, 0], [0, 0]]
    assert made.row_encoder()(rows).tolist() == expected
    columns = {"note": np.array([r[0] for r in rows], dtype=object), "size": np.ones(4)}
    assert made.encode(columns).tolist() == expected


def test_a_hash_knows_no_unseen_category():
    made = front(Hashed("note", 4, "(missing)"), Hashed("note", 3))
    found = made.row_encoder()([["x", 0.0], [None, 0.0]])
    assert found[:, :4].sum(axis=1).tolist() == [1, 1]
    assert found[:, 4:].sum(axis=1).tolist() == [1, 0]
    assert found[0].argmax() == bucket_of("x", 4)


def test_products_run_through_the_last_factor_first():
    table = Table("note", ("a", "b"), ((Delta(0, 1.0),), (Delta(1, 1.0),)), (0.0, 0.0))
    size = Number("size", (Impute(3.0), Subtract(1.0)))
    made = front(Product((table, size)), Product((size, size), (Multiply(10.0),)), Number("size", (Impute(0.0),)))
    rows = [["a", 5.0], ["b", None], ["c", 2.0]]
    expected = [[4, 0, 160, 5], [0, 2, 40, 0], [0, 0, 10, 2]]
    assert made.row_encoder()(rows).tolist() == expected
    columns = {"note": np.array(["a", "b", "c"], dtype=object), "size": np.array([5.0, np.nan, 2.0])}
    assert made.encode(columns).tolist() == expected
    assert made.row_encoder()([]).shape == (0, 4)


@pytest.mark.parametrize(
    "lane",
    [
        Words("note", ()),
        Words("note", ("a", "a")),
        Words("note", ("a",), weights=(1.0, 2.0)),
        Words("note", ("a",), shortest=3, longest=2),
        Words("note", ("a",), longest=99),
        Words("note", ("a",), outputs=(1,)),
        Words("note", ("a", "b"), outputs=(0, 0)),
        Words("note", ("a" * 5000,)),
        Words("size", ("a",)),
        Words("elsewhere", ("a",)),
        Hashed("note", 0),
        Hashed("note", 1_000_000),
        Hashed("size", 4),
        Product(()),
        Product((Number("size"),) * 6),
        Product((Number("note"),)),
        Product((Number("size"), Number("elsewhere"))),
        Product((Table("note", ("a",), ((),), (0.0,), closed=True),)),
    ],
)
def test_what_no_fitted_preparation_is_is_refused(lane):
    with pytest.raises(BundleRefused, match=r"front\.json"):
        front(lane)


@pytest.mark.parametrize("kernel", ["as it is", "missing"])
def test_many_rows_in_blocks_are_the_rows_one_by_one(kernel, monkeypatch):
    if kernel == "missing":
        monkeypatch.setattr("fairlead.runtime.bundle.coded.kernel", None)
        monkeypatch.setattr("fairlead.runtime.bundle.by_column.kernel", None)
    terms = Words("note", ("down", "server", "up"), weights=(1.5, 2.0, 0.5), sublinear=True)
    table = Table("note", ("up",), ((Delta(0, 1.0),),), (0.0,), (Delta(0, 2.0),))
    size = Number("size", (Impute(3.0),))
    made = front(terms, size, Hashed("note", 3, "(missing)"), Product((table, size), (Multiply(0.1),)), table)
    cells = np.array(["server down", "server up up", None, "", "up", "elsewhere"], dtype=object)
    random = np.random.default_rng(0)
    columns = {"note": cells[random.integers(0, 6, 1000)], "size": random.choice([1.0, np.nan, 1e300], 1000)}
    rows = [[a, None if b != b else b] for a, b in zip(columns["note"], columns["size"].tolist(), strict=True)]
    whole = made.encode(columns)
    blocks = [block.copy() for block in made.column_encoder().blocks(columns, 300)]
    coded = Coded(*np.unique(columns["note"].astype(str), return_inverse=True)[::-1])
    assert np.array_equal(whole, made.row_encoder()(rows))
    assert np.array_equal(whole, np.concatenate(blocks))
    told = made.encode({"note": Coded(coded.codes.astype(np.int32), [None if c == "None" else c for c in coded.cells]),
                        "size": columns["size"]})  # fmt: skip
    assert np.array_equal(whole, told)


@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
def test_a_long_text_weighs_the_same_and_its_terms_take_no_memory(analyzer):
    text = "server down, please help ÉCOLE " * 2_300
    made = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 3)).fit(["server down please help", "école", "down down"])
    lane = read_off(made)
    read = words_reader(lane)
    tracemalloc.start()
    found = read(text)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(text)
    expected = made.transform([text]).toarray()[0]
    assert [expected[at] for at, _ in found] == [number for _, number in found]
    assert len(found) == np.count_nonzero(expected)
