"""Rows folded into blocks: none lost, few blocks, the same profile however they come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from fairlead.contract.errors import SourceUnreadable
from fairlead.lab.stats import profile
from fairlead.lab.tables import columns_of, open_table
from fairlead.lab.tables.drift.folding import BLOCKS, fold, known_rows, reference_of
from fairlead.lab.tables.drift.sampling import EverySo


def table(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    words = rng.choice(np.array(["x", "y", "z"], dtype=object), rows)
    return pa.table({
        "id": np.arange(rows), "at": np.datetime64("2024-01-01", "us") + np.arange(rows).astype("timedelta64[m]"),
        "a": pa.array(rng.normal(size=rows), mask=rng.random(rows) < 0.1), "n": rng.poisson(3, rows), "w": words,
    })  # fmt: skip


@pytest.mark.parametrize("rows", [1, 7, 500, 20_000])
@pytest.mark.parametrize("batch", [1000, 3_333, 100_000])
def test_no_row_is_lost_and_blocks_are_few(rows: int, batch: int) -> None:
    given = table(rows)
    compared, whole = reference_of(open_table(given))
    folded = fold(open_table(given).batches(batch), compared, rows=None)
    assert folded.rows == whole.rows == rows
    assert len(folded.blocks) <= 2 * BLOCKS
    assert sum(b.rows for b in folded.blocks) == rows
    assert folded.total().columns[0].counts == whole.total().columns[0].counts


def test_blocks_add_up_to_the_profile_of_all_rows() -> None:
    given = table(5_000)
    compared, folded = reference_of(open_table(given))
    cells = columns_of(given, compared.signature, text="arrow")
    expected = profile(cells, compared.bins)
    found = folded.total()
    assert [c.counts for c in found.columns] == [c.counts for c in expected.columns]
    assert [c.missing for c in found.columns] == [c.missing for c in expected.columns]
    np.testing.assert_allclose(found.gram, expected.gram, rtol=1e-9, atol=1e-9)


def test_what_numbers_rows_or_tells_their_time_is_left_out_with_the_reason() -> None:
    compared, _ = reference_of(open_table(table(400)))
    assert set(compared.left_out) == {"id", "at"}
    assert compared.left_out["id"] == "it numbers rows"
    assert compared.signature.names == ("a", "n", "w")


def test_bins_follow_rows_all_over_the_table_not_its_head() -> None:
    given = pa.table({"a": np.linspace(0.0, 1.0, 300_000)})
    _, folded = reference_of(open_table(given))
    counts = np.asarray(folded.total().columns[0].counts)
    assert counts.max() < 1.3 * counts.min()


def test_a_reference_too_large_to_be_held_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.parquet"
    parquet.write_table(table(30_000), path)
    held = reference_of(open_table(path))
    monkeypatch.setattr("fairlead.lab.tables.drift.folding.HELD_BYTES", 1000)
    streamed = reference_of(open_table(path))
    assert streamed[0].bins == held[0].bins
    assert streamed[1].total().columns[0].counts == held[1].total().columns[0].counts


def test_cells_of_another_kind_count_as_missing() -> None:
    compared, _ = reference_of(open_table(table(200)))
    other = pa.table({"a": ["1.5", "oops", "2"], "n": ["1", "2", "3"], "w": ["x", "new", "y"]})
    folded = fold(open_table(other).batches(), compared, rows=3)
    found = {c.bins.name: c for c in folded.total().columns}
    assert found["a"].missing == 1
    assert found["w"].counts[-1] == 1


def test_no_rows_are_refused_and_known_rows_cost_no_pass(tmp_path: Path) -> None:
    compared, _ = reference_of(open_table(table(50)))
    with pytest.raises(SourceUnreadable, match="no rows"):
        fold([], compared)
    with pytest.raises(SourceUnreadable, match="no rows"):
        reference_of(open_table(table(0)))
    csv = tmp_path / "t.csv"
    csv.write_text("a,w\n1,x\n2,y\n")
    assert known_rows(open_table(csv)) is None
    assert known_rows(open_table(table(5))) == 5


def test_a_sample_holds_words_with_and_without_their_dictionary() -> None:
    words = pa.array([f"word {i}" for i in range(3000)])
    many = pa.DictionaryArray.from_arrays(pa.array(np.arange(4000) % 3000, pa.int32()), words)
    few = pa.DictionaryArray.from_arrays(pa.array(np.arange(4000) % 3, pa.int32()), words.slice(0, 3))
    sampler = EverySo(200, 80_000)
    for at in range(20):
        batch = pa.RecordBatch.from_arrays([many if at % 2 else few], names=["w"])
        sampler.add(batch, at * 4000)
    found = sampler.table
    assert found.num_rows == -(-80_000 // sampler.step)
    assert set(found["w"].to_pylist()) <= set(words.to_pylist())
