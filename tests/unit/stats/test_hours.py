"""Hours of a reference in few bytes: the same counts as a profile an hour."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.contract.errors import FormatUnknown
from fairlead.contract.profile import Hours, Reference
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile, score_bins
from fairlead.lab.stats.hours import MOST_HOURS, counts_in, hours_of

SIGNATURE = Signature(
    task="regression", columns=(Column("x", "number"), Column("kind", "category", categories=("a", "b")))
)


def table(seed: int, n: int, hours: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    x[rng.random(n) < 0.1] = np.nan
    kind = rng.choice(np.array(["a", "b", "new", None], dtype=object), n)
    return {"x": x, "kind": kind}, rng.normal(size=(n, 1)), np.sort(rng.uniform(0, hours * 3600.0, n))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(20, 200), st.integers(1, 30))
def test_each_hour_counts_what_a_profile_of_its_rows_counts(seed: int, n: int, hours: int) -> None:
    columns, scores, times = table(seed, n, hours)
    bins, scored = bins_for(columns, SIGNATURE), score_bins(SIGNATURE, scores)
    kept = hours_of(columns, bins, scores, scored, times)
    assert kept is not None
    kept = msgspec.json.decode(msgspec.json.encode(kept), type=Hours)
    slots = np.floor(times / 3600.0).astype(int)
    assert kept.slots == tuple(np.unique(slots).tolist())
    for place, slot in enumerate(kept.slots):
        chosen = slots == slot
        part = {name: values[chosen] for name, values in columns.items()}
        expected = profile(part, bins, scores=scores[chosen], score_bins=scored, gram=False)
        assert kept.rows[place] == expected.rows
        for packed, one in zip((*kept.columns, *kept.scores), (*expected.columns, *expected.scores), strict=True):
            counts, sums = counts_in(kept, packed, one.bins)
            assert tuple(counts[place, :-1]) == one.counts
            assert counts[place, -1] == one.missing
            assert sums[place] == pytest.approx([one.z, one.zz], rel=1e-5, abs=1e-4)


def test_it_is_bounded_and_keeps_the_newest() -> None:
    columns, scores, times = table(0, 9000, 3000)
    bins, scored = bins_for(columns, SIGNATURE), score_bins(SIGNATURE, scores)
    kept = hours_of(columns, bins, scores, scored, times)
    assert kept is not None
    assert len(kept.slots) == MOST_HOURS
    assert kept.slots[-1] == int(times[-1] // 3600)


def test_another_format_and_bytes_that_do_not_fit_are_refused() -> None:
    columns, scores, times = table(0, 50, 3)
    bins, scored = bins_for(columns, SIGNATURE), score_bins(SIGNATURE, scores)
    kept = hours_of(columns, bins, scores, scored, times)
    assert kept is not None
    with pytest.raises(FormatUnknown):
        counts_in(msgspec.structs.replace(kept, format=2), kept.columns[0], bins[0])
    with pytest.raises(FormatUnknown):
        counts_in(kept, msgspec.structs.replace(kept.columns[0], counts=b"\0\0"), bins[0])


def test_a_reference_sealed_before_hours_were_kept_still_loads() -> None:
    assert msgspec.json.decode(b'{"profile":{"rows":0,"columns":[]}}', type=Reference).hours is None
