"""Point-in-time joins against a brute-force oracle, and the traps they are there for."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fairlead
from fairlead.contract.errors import CellInvalid, ColumnMissing, UsageError

keys = st.one_of(st.none(), st.integers(0, 3))
moments = st.integers(0, 12)


@given(
    st.lists(st.tuples(keys, moments), max_size=12),
    st.lists(st.tuples(keys, moments), max_size=20),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 8)),
    st.randoms(use_true_random=False),
)
def test_every_row_gets_what_a_look_at_all_feature_rows_gives(rows, features, exact, within, random):
    start = pd.Timestamp("2026-03-28", tz="UTC")
    left = pd.DataFrame(
        {"k": pd.array([k for k, _ in rows], "Int64"), "at": [start + pd.Timedelta(hours=t) for _, t in rows]}
    )
    right = pd.DataFrame(
        {"k": pd.array([k for k, _ in features], "Int64"), "at": [start + pd.Timedelta(hours=t) for _, t in features]}
    )
    right["value"] = np.arange(len(right), dtype=np.float64)
    left.index = random.sample(range(100), len(left))
    if not len(left) or not len(right):
        return
    joined = fairlead.as_of_join(
        left, right, by="k", at="at", exact=exact, within=None if within is None else within * 3600.0
    )
    assert list(joined.index) == list(left.index)
    assert joined[["k", "at"]].equals(left)
    for (key, moment), found in zip(rows, joined["value"], strict=True):
        able = [
            (when, place)
            for place, (other, when) in enumerate(features)
            if key is not None and other == key and (when <= moment if exact else when < moment)
            and (within is None or moment - when <= within)
        ]  # fmt: skip
        assert np.isnan(found) if not able else found == max(able)[1]


def orders(**more):
    return pd.DataFrame({"customer": ["a", "b", "a"], "at": ["2026-01-05", "2026-01-06", "2026-01-20"], **more})


def scores(**more):
    return pd.DataFrame(
        {"customer": ["a", "a", "a"], "at": ["2026-01-21", "2026-01-20", "2026-01-04"], "score": [9, 2, 1], **more}
    )


def test_the_future_is_never_joined_and_the_same_moment_only_if_asked():
    assert fairlead.as_of_join(orders(), scores(), by="customer", at="at")["score"].tolist()[::2] == [1, 2]
    strict = fairlead.as_of_join(orders(), scores(), by="customer", at="at", exact=False)["score"]
    assert strict.tolist()[::2] == [1, 1]
    assert pd.isna(strict[1])


def test_when_it_was_known_counts_not_when_it_happened():
    """Measured on the 4th, arrived on the 10th: on the 5th nobody knew."""
    late = scores(arrived=["2026-01-22", "2026-01-20", "2026-01-10"])
    naive = fairlead.as_of_join(orders(), late, by="customer", at="at", columns=["score"])
    honest = fairlead.as_of_join(orders(), late, by="customer", at="at", feature_at="arrived", columns=["score"])
    assert naive["score"][0] == 1
    assert pd.isna(honest["score"][0])


@pytest.mark.parametrize("within", ["15d", 15 * 86_400, datetime.timedelta(days=15)])
def test_what_is_too_old_is_missing(within):
    features = scores()[2:]
    joined = fairlead.as_of_join(orders(), features, by="customer", at="at", within=within)
    assert joined["score"][0] == 1
    assert pd.isna(joined["score"][2])


def test_of_one_key_and_moment_the_last_counts():
    features = pd.DataFrame({"at": ["2026-01-01"] * 3, "rate": [1.0, 2.0, 3.0]})
    assert fairlead.as_of_join(orders(), features, at="at")["rate"].tolist() == [3.0] * 3


def test_several_keys_and_new_names():
    rows = orders(shop=[1, 1, 2])
    features = pd.DataFrame({"customer": ["a", "a"], "shop": [1.0, 2.0], "t": ["2026-01-01"] * 2, "v": ["x", "y"]})
    joined = fairlead.as_of_join(rows, features, by=["customer", "shop"], at="at", feature_at="t", columns={"v": "w"})
    assert joined["w"].tolist()[::2] == ["x", "y"]
    assert list(joined.columns) == ["customer", "at", "shop", "w"]


def test_zones_are_said_and_not_guessed():
    rows = pd.DataFrame({"at": [pd.Timestamp("2026-07-01 12:00", tz="Europe/Paris")]})
    features = pd.DataFrame({"at": ["2026-07-01 11:30"], "v": [1]})
    with pytest.raises(UsageError, match="zone="):
        fairlead.as_of_join(rows, features, at="at")
    assert fairlead.as_of_join(rows, features, at="at", zone="Europe/Paris")["v"].tolist() == [1]
    assert fairlead.as_of_join(rows, features, at="at", zone="UTC")["v"].isna().all()
    mixed = pd.DataFrame({"at": ["2026-07-01 11:30", "2026-07-01T11:30:00Z"], "v": [1, 2]})
    with pytest.raises(UsageError, match="zone="):
        fairlead.as_of_join(pd.DataFrame({"at": ["2026-07-02"]}), mixed, at="at")
    with pytest.raises(UsageError, match="unknown zone"):
        fairlead.as_of_join(rows, features, at="at", zone="Mars/North")


def test_kinds_of_columns_stay_where_nothing_is_missing():
    features = pd.DataFrame({"at": ["2026-01-01"], "n": [7], "flag": [True], "text": ["x"]})
    joined = fairlead.as_of_join(orders(), features, at="at")
    assert [joined[name].dtype.kind for name in ("n", "flag")] == ["i", "b"]
    assert joined["text"].tolist() == ["x"] * 3


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"by": "client"}, ColumnMissing, "client (of the rows)"),
        ({"feature_at": "when"}, ColumnMissing, "when (of the features)"),
        ({"columns": ["none"]}, ColumnMissing, "none (of the features)"),
        ({"columns": {"score": "at"}}, UsageError, "names already: at"),
        ({"columns": []}, UsageError, "no column is left"),
        ({"within": "soon"}, UsageError, "no span of time"),
        ({"within": -1}, UsageError, "must not be negative"),
    ],
)
def test_what_cannot_be_joined_says_why(change, error, words):
    with pytest.raises(error) as caught:
        fairlead.as_of_join(orders(), scores(), **{"by": "customer", "at": "at", **change})
    assert words in str(caught.value)


def test_keys_of_different_kinds_and_rows_without_a_time_are_refused():
    with pytest.raises(UsageError, match=r"holds text in rows and numbers in features"):
        fairlead.as_of_join(orders(), scores(customer=[1, 2, 3]), by="customer", at="at")
    with pytest.raises(CellInvalid, match=r"row 1, column 'at \(of the features\)'"):
        fairlead.as_of_join(orders(), scores(at=["2026-01-01", None, "2026-01-02"]), by="customer", at="at")
    with pytest.raises(UsageError, match="must be a DataFrame"):
        fairlead.as_of_join(orders(), {"at": []}, at="at")  # type: ignore[arg-type]
