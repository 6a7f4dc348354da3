"""Counters in shared files: exact, bounded, each series in cells of its own."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from fairlead.runtime.serve import counters as module
from fairlead.runtime.serve.counters import BUCKETS, CELLS, SPARE, Counters, read_counters, read_slot, slot_files

series = st.tuples(st.sampled_from("abc"), st.text(max_size=8), st.text(max_size=4))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(series, st.integers(1, 20), st.integers(0, 19), st.integers(0, 1000)), max_size=40),
    st.booleans(),
)
def test_what_is_read_is_what_was_counted(tmp_path_factory: object, counted: list, again: bool) -> None:
    path = tmp_path_factory.mktemp("counters") / "c.bin"  # type: ignore[attr-defined]
    counters, expected, widths = Counters(path), {}, {}
    for number, (name, width, cell, times) in enumerate(counted):
        if again and number == len(counted) // 2:
            counters.close()
            counters = Counters(path)  # as a replaced worker does
        width = widths.setdefault(name, width)
        cell = min(cell, width - 1)
        counters.cells[counters.index(name, width) + cell] += times
        expected.setdefault(name, [0.0] * width)[cell] += times
    counters.close()
    assert read_slot(path) == expected


def test_a_full_file_shares_cells_that_nobody_shows_and_says_so(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "c.bin")
    wide = [("wide", str(number)) for number in range((CELLS - SPARE) // 20 + 5)]
    places = [counters.index(name, 20) for name in wide]
    for at in places:
        for cell in range(20):
            counters.cells[at + cell] += 1
    counters.close()
    read = read_slot(tmp_path / "c.bin")
    kept = (CELLS - SPARE) // 20
    assert all(read["wide", str(number)] == [1.0] * 20 for number in range(kept))
    assert set(read) == {*wide[:kept], ("refused",)}
    assert read["refused",] == [5.0]


def test_names_are_bounded_too(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "c.bin")
    long = "x" * (module.NAMES_BYTES // 4)
    for number in range(6):
        counters.cells[counters.index(("long", f"{number}{long}"))] += 1
    counters.close()
    read = read_slot(tmp_path / "c.bin")
    assert len(read) == 4
    assert read["refused",] == [3.0]


def test_sums_over_slots_are_cell_by_cell(tmp_path: Path) -> None:
    for slot in (0, 1):
        counters = Counters(tmp_path / f"counters-here-{slot}.bin")
        counters.observe(("seconds", "churn"), 0.002 * (slot + 1))
        counters.close()
    total = read_counters(slot_files(tmp_path, "counters", "here", ".bin"))
    cells = total["seconds", "churn"]
    assert cells[BUCKETS.index(0.0025)] == cells[BUCKETS.index(0.005)] == 1
    assert sum(cells[:-1]) == 2
    assert cells[-1] == 0.002 + 0.004


def test_a_server_whose_name_begins_like_anothers_is_another(tmp_path: Path) -> None:
    for name in ("here-0", "here-2-0", "here-2-1"):
        Counters(tmp_path / f"counters-{name}.bin").close()
    assert [path.name for path in slot_files(tmp_path, "counters", "here", ".bin")] == ["counters-here-0.bin"]
    assert len(slot_files(tmp_path, "counters", "here-2", ".bin")) == 2
