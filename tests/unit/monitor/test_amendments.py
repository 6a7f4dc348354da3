"""A level that a person expects is usual from its time on, for its columns, and a second change is still one."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fairlead.contract.events import Cause, Finding
from fairlead.contract.incidents import Amendment
from fairlead.contract.profile import Reference
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, encode_profile, profile
from fairlead.ops.monitor.amendments import amended, level_key, levels_of, unexpected

SIGNATURE = Signature("regression", (Column("x", "number"), Column("z", "number")), target="y")


def world(shift: float = 0.0, rows: int = 2000, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(shift, 1, rows), "z": rng.normal(0, 1, rows)}


BINS = bins_for(world(), SIGNATURE)
REFERENCE = Reference(profile(world(), BINS))


def level(shift: float, columns: tuple[str, ...] = ("x",), **more: Any) -> Amendment:
    found = levels_of([profile(world(shift, 300, seed), BINS) for seed in (1, 2)], columns)
    assert found is not None
    told: dict[str, Any] = {"id": "a", "since": 100.0, "at": 5.0, **more}
    told["profile"] = encode_profile(found).decode()
    return Amendment(bundle="b", model="m", incident="i", columns=columns, by="anna", why="so", **told)


def test_the_columns_level_is_replaced_and_nothing_else() -> None:
    after = amended(REFERENCE, [level(3.0)], at=200.0)
    x, z = after.profile.columns
    assert (x.rows, z) == (600, REFERENCE.profile.columns[1])
    assert abs(x.bins.shift + x.bins.scale * x.z / 600 - 3.0) < 0.2
    assert x.low == REFERENCE.profile.columns[0].low, "what was in range stays in range"
    assert (after.blocks, after.held_out) == (REFERENCE.blocks, REFERENCE.held_out)


def test_it_holds_from_its_time_on_and_the_newest_holds() -> None:
    assert amended(REFERENCE, [level(3.0)], at=100.0) is REFERENCE
    assert amended(REFERENCE, [], at=100.0) is REFERENCE
    older, newer = level(3.0), level(-3.0, id="b", at=6.0)
    both, last = (amended(REFERENCE, known, 200.0).profile.columns[0] for known in ([newer, older], [newer]))
    assert both.counts == last.counts


def test_a_level_in_other_bins_changes_nothing() -> None:
    other = Reference(profile(world(9.0), bins_for(world(9.0), SIGNATURE)))
    assert amended(other, [level(3.0)], at=200.0) is other


def finding(check: str, size: float, **more: Any) -> Finding:
    return Finding("f", "m", "requests", check, 3, 0.0, size, size, size, "share", "told", **more)


def test_sizes_are_expected_as_far_as_they_were() -> None:
    known = level(3.0, levels={"volume": (2.0, 3.0)})
    assert unexpected([finding("volume", 3.2)], [known], 200.0) == []
    assert len(unexpected([finding("volume", 3.4)], [known], 200.0)) == 1
    assert len(unexpected([finding("volume", 1.5)], [known], 200.0)) == 1
    assert len(unexpected([finding("volume", 2.5)], [known], 50.0)) == 1, "not before its time"
    assert len(unexpected([finding("volume", 2.5, segment="north")], [known], 200.0)) == 1, "of a part, it is another"


def test_what_expected_columns_bring_about_is_expected_whatever_its_size() -> None:
    known = level(3.0, levels={"unusual": (0.1, 0.2)})
    mostly, hardly = (Cause("column", name, 0.9, "so") for name in ("x", "z"))
    assert unexpected([finding("unusual", 0.9, causes=(mostly,))], [known], 200.0) == []
    assert len(unexpected([finding("unusual", 0.9, causes=(hardly,))], [known], 200.0)) == 1


def test_no_rows_are_no_level() -> None:
    assert levels_of([profile(world(rows=0), BINS)], ("x",)) is None
    assert levels_of([], ("x",)) is None


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.floats(0, 1))
def test_what_lies_within_a_level_is_never_told(low: float, width: float, part: float) -> None:
    known = level(3.0, levels={level_key(finding("volume", 0.0)): (low, low + width)})
    size = min(max(low + part * width, low), low + width)
    assert unexpected([finding("volume", size)], [known], 200.0) == []
