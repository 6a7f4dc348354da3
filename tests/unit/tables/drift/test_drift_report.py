"""What a drift report says: seldom anything of tables that are alike, and what moved of those that are not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
import pytest

from fairlead.contract.errors import UsageError
from fairlead.lab.tables import open_table
from fairlead.lab.tables.drift.folding import BATCH_ROWS, begun
from fairlead.lab.tables.drift.page import render, write_page
from fairlead.lab.tables.drift.report import DriftReport, drift_schema
from fairlead.lab.tables.drift.reporting import headline
from fairlead.ops.flow.drifting import against_table

SCHEMA = Path(__file__).resolve().parents[4] / "docs" / "reference" / "drift.schema.json"


def report(before: pa.Table, now: pa.Table) -> DriftReport:
    return against_table(open_table(now), open_table(before), None)


def rows(rng: np.random.Generator, n: int, lasting: float = 0.0) -> pa.Table:
    """Four columns; lasting: how much of each row is that of the row before (AR(1))."""
    noise = rng.normal(size=(n, 3))
    made = noise.copy()
    for i in range(1, n if lasting else 0):
        made[i] = lasting * made[i - 1] + np.sqrt(1 - lasting**2) * noise[i]
    word = np.array(["x", "y", "z"], dtype=object)[np.digitize(made[:, 2], [-0.5, 0.5])]
    return pa.table({"a": made[:, 0], "b": 0.6 * made[:, 0] + made[:, 1], "w": word})


@pytest.fixture(scope="module")
def moved() -> DriftReport:
    rng = np.random.default_rng(0)
    before, now = rows(rng, 4000), rows(rng, 3000)
    a = now["a"].to_numpy() + 0.7
    gone = pa.array(now["w"].to_pylist(), mask=rng.random(3000) < 0.3)
    left = pa.table({"a": a, "b": rng.permutation(now["b"].to_numpy()), "w": gone, "extra<b>": np.ones(3000)})
    return report(before.append_column("old & gone", pa.array(rng.normal(size=4000))), left)


def test_of_copies_of_one_table_few_are_said_to_have_moved() -> None:
    rng = np.random.default_rng(1)
    alarms = [report(rows(rng, 400), rows(rng, 400)).moved for _ in range(25)]
    assert np.mean(alarms) <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 25)


@pytest.mark.long
@pytest.mark.parametrize("lasting", [0.0, 0.9])
def test_of_copies_of_one_table_few_are_said_to_have_moved_in_many(lasting: float) -> None:
    rng = np.random.default_rng(2)
    alarms = [report(rows(rng, 6400, lasting), rows(rng, 6400, lasting)).moved for _ in range(200)]
    assert np.mean(alarms) <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.long
@pytest.mark.parametrize("lasting", [0.0, 0.9])
def test_short_tables_beside_a_long_one_are_said_to_have_moved_as_seldom(lasting: float) -> None:
    rng = np.random.default_rng(3)
    alarms = [report(rows(rng, 12_800, lasting), rows(rng, 256, lasting)).moved for _ in range(200)]
    assert np.mean(alarms) <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.long
@pytest.mark.parametrize("lasting", [0.0, 0.9])
def test_long_tables_beside_a_short_one_are_said_to_have_moved_as_seldom(lasting: float) -> None:
    rng = np.random.default_rng(13)
    alarms = [report(rows(rng, 1600, lasting), rows(rng, 32_000, lasting)).moved for _ in range(100)]
    assert np.mean(alarms) <= 0.05 + 1.96 * np.sqrt(0.05 * 0.95 / 100)


def test_what_moved_is_named_furthest_first(moved: DriftReport) -> None:
    assert moved.moved
    told = {m.name: m for m in moved.columns}
    assert {m.name for m in moved.columns if m.moved} == {"a", "w"}
    assert not moved.columns[-1].moved
    assert not told["b"].moved
    assert told["a"].shift == pytest.approx(0.7, abs=0.08)
    assert told["a"].low < told["a"].distance < told["a"].high
    assert told["a"].p_joint <= 0.01
    assert "missing cells went from 0.0% to" in told["w"].says
    assert moved.lacking == ("old & gone",)
    assert moved.surplus == ("extra<b>",)
    assert "2 of 3 columns" in moved.headline


def test_columns_that_go_together_differently_are_a_pair(moved: DriftReport) -> None:
    (pair,) = moved.pairs
    assert (pair.one, pair.two, pair.moved) == ("a", "b", True)
    assert pair.before == pytest.approx(0.51, abs=0.05)
    assert abs(pair.now) < 0.05


def test_a_turned_correlation_shows_in_all_columns_together_and_in_no_column() -> None:
    rng = np.random.default_rng(7)

    def turned(n: int, sign: float) -> pa.Table:
        a, w = rng.normal(size=n), rng.choice(["x", "y"], n)
        return pa.table({"a": a, "b": 0.7 * sign * a + 0.71 * rng.normal(size=n), "w": w})

    found = report(turned(3000, 1.0), turned(2500, -1.0))
    together = found.together
    assert together is not None
    assert not any(m.moved for m in found.columns)
    assert (found.moved, together.moved, together.p) == (True, True, 0.001)
    assert 0.5 < together.low < together.auc < together.high
    assert set(list(together.by)[:2]) == {"a", "b"}
    assert "all columns together" in found.headline
    assert together.says.endswith("mostly by a, b") or together.says.endswith("mostly by b, a")
    assert together.says in render(found)


def test_all_columns_together_keep_their_level() -> None:
    rng = np.random.default_rng(8)
    found = [report(rows(rng, 400), rows(rng, 300)).together for _ in range(20)]
    assert not any(one is None or one.moved for one in found)
    p = np.asarray([one.p for one in found if one is not None])
    for level in (0.1, 0.3, 0.5):
        assert np.mean(p <= level) <= level + 2.5 * np.sqrt(level * (1 - level) / len(p))


@pytest.mark.long
@pytest.mark.parametrize("lasting", [0.0, 0.9])
def test_all_columns_together_keep_their_level_in_many(lasting: float) -> None:
    rng = np.random.default_rng(9)
    found = [report(rows(rng, 6400, lasting), rows(rng, 6400, lasting)).together for _ in range(200)]
    assert np.mean([one is not None and one.moved for one in found]) <= 0.0075 + 1.96 * np.sqrt(0.0075 / 200)


def test_a_season_of_the_reference_is_usual_for_all_columns_together_too() -> None:
    rng = np.random.default_rng(10)
    days = np.arange(64 * 100) / 100
    before = pa.table({"a": 2.0 * np.sin(days) + 0.1 * rng.normal(size=len(days)), "b": rng.normal(size=len(days))})
    ordinary = pa.table({"a": 2.0 * np.sin(70.0 + days[:200]) + 0.1 * rng.normal(size=200), "b": rng.normal(size=200)})
    together = report(before, ordinary).together
    assert together is not None
    assert (together.moved, together.stretches >= 8) == (False, True)
    assert together.auc > 0.6
    assert together.limit is not None
    assert together.auc <= together.limit


def test_too_few_rows_for_all_columns_together_are_said_to_be() -> None:
    rng = np.random.default_rng(11)
    found = report(rows(rng, 900), rows(rng, 20))
    assert found.together is None
    assert any(note.startswith("All columns together are not judged") for note in found.notes)


def test_a_stretch_that_goes_no_further_than_others_has_not_moved() -> None:
    # A season: any short stretch differs from the whole, and surely so.
    days = np.arange(64 * 200) / 200
    rng = np.random.default_rng(3)
    before = pa.table({"a": 2.0 * np.sin(days) + 0.1 * rng.normal(size=len(days))})
    ordinary = pa.table({"a": 2.0 * np.sin(70.0 + days[:1000]) + 0.1 * rng.normal(size=1000)})
    beyond = pa.table({"a": 5.0 + 0.1 * rng.normal(size=1000)})
    quiet, loud = report(before, ordinary), report(before, beyond)
    assert not quiet.moved
    assert quiet.columns[0].distance > 0.1
    assert quiet.columns[0].stretches >= 8
    assert "within what is usual" in quiet.columns[0].says or quiet.columns[0].p_joint > 0.02
    assert loud.moved


@pytest.mark.parametrize("times", [20, 200])
def test_rows_many_times_as_many_as_the_reference_are_judged(times: int) -> None:
    rng = np.random.default_rng(12)
    before = pa.table({"a": rng.normal(size=1000)})
    alike = report(before, pa.table({"a": rng.normal(size=1000 * times)}))
    other = report(before, pa.table({"a": rng.normal(size=1000 * times) + 1.0}))
    assert (alike.moved, other.moved) == (False, True)
    assert alike.headline == "Nothing moved that matters."
    assert min(alike.blocks, alike.other_blocks) >= 4


def test_too_few_rows_are_said_to_be_too_few() -> None:
    rng = np.random.default_rng(4)
    found = report(rows(rng, 3), rows(rng, 2))
    assert not found.moved
    assert found.headline == "Too few rows to say whether anything moved."


def test_the_headline_passes_over_neither_missing_columns_nor_few_rows() -> None:
    said = headline((), (), (), (), None, True, ("tenure",), 3)
    assert (
        said
        == "Nothing moved beyond what 3 rows may show by chance. One of the reference's columns is missing: tenure."
    )
    many = headline((), (), (), (), None, True, tuple("abcdefg"), 5000)
    assert many == "Nothing moved that matters. 7 of the reference's columns are missing: a, b, c, d, e, ..."
    assert headline((), (), (), (), None, True, (), 5000) == "Nothing moved that matters."


def test_tables_without_a_column_in_common_are_refused() -> None:
    with pytest.raises(UsageError, match="none of the columns"):
        report(pa.table({"a": [1.0, 2.0]}), pa.table({"b": [1.0, 2.0]}))


def test_the_report_follows_its_published_schema(moved: DriftReport) -> None:
    answer = json.loads(msgspec.json.encode(moved))
    jsonschema.Draft202012Validator(drift_schema()).validate(answer)
    assert json.loads(SCHEMA.read_bytes()) == json.loads(json.dumps(drift_schema()))
    assert msgspec.convert(answer, DriftReport) == moved


def test_the_page_opens_offline_and_shows_two_histograms_a_column(moved: DriftReport, tmp_path: Path) -> None:
    page = render(moved)
    assert "<script" not in page
    assert not re.search(r"(src|href)=", page)
    assert page.count('class="card ') == len(moved.columns)
    assert "extra&lt;b&gt;" in page
    assert "old &amp; gone" in page
    path = write_page(moved, tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8") == page
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_the_same_tables_give_the_same_report() -> None:
    first, second = (report(rows(np.random.default_rng(5), 900), rows(np.random.default_rng(6), 700)) for _ in range(2))
    assert msgspec.structs.replace(first, seconds=0.0) == msgspec.structs.replace(second, seconds=0.0)


def test_a_short_file_of_text_is_judged_as_the_same_rows_of_a_file_that_says_how_many(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    before, now = rows(rng, 6000), rows(rng, 160)
    now = now.set_column(0, "a", pa.array(now["a"].to_numpy() + 5.0))
    for name, table in (("before", before), ("now", now)):
        csv.write_csv(table, tmp_path / f"{name}.csv")
        parquet.write_table(table, tmp_path / f"{name}.parquet")
    of_text, of_parquet = (
        against_table(open_table(tmp_path / f"now.{end}"), open_table(tmp_path / f"before.{end}"), None)
        for end in ("csv", "parquet")
    )
    assert [(m.name, m.moved, m.p_joint) for m in of_text.columns if m.moved] == [("a", True, 0.001)]
    assert (of_text.blocks, [m.p for m in of_text.columns]) == (of_parquet.blocks, [m.p for m in of_parquet.columns])


def test_a_long_file_of_text_is_read_as_it_comes(tmp_path: Path) -> None:
    number = np.arange(BATCH_ROWS * 2 + 5) % 97
    csv.write_csv(pa.table({"n": number}), tmp_path / "long.csv")
    known, batches = begun(open_table(tmp_path / "long.csv"))
    assert known is None
    assert sum(b.num_rows for b in batches) == len(number)
