"""One flaw planted, that flaw found; nothing found where nothing is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from planted import NOW, clean

from fairlead.lab.tables import open_table
from fairlead.lab.tables.quality import examine
from fairlead.lab.tables.quality.checks.categories import distance, spellings
from fairlead.lab.tables.quality.checks.outliers import limits_of

DATA = Path(__file__).resolve().parents[4].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the tables of ../shared/data are not here")


def look(frame, target="bought", **more):
    return examine(frame, target=target, now=NOW, **more)


def only(report, check, column):
    (issue,) = report.found(check, column)
    return issue


def test_a_clean_table_has_a_key_to_name_and_nothing_else():
    report = look(clean())
    assert {(i.check, i.column) for i in report.issues} == {("id_like", "customer_id")}


def test_missing_cells_are_counted_and_a_half_empty_column_is_to_be_left_out():
    frame = clean()
    frame.loc[:99, "income"] = np.nan
    frame.loc[:799, "score"] = np.nan
    report = look(frame)
    issue = only(report, "missing", "income")
    assert (issue.severity, issue.count, issue.of, issue.rows) == ("warning", 100, 1200, (1, 2, 3, 4, 5))
    assert {s.key: s.value for s in issue.suggestions} == {"missing": "median", "indicator": True}
    assert [(s.key, s.value) for s in only(report, "missing", "score").suggestions] == [("exclude", "score")]


@pytest.mark.parametrize("mark", [-999, 999999, -1])
def test_numbers_that_stand_for_missing(mark):
    frame = clean()
    frame.loc[[7, 90, 400, 401, 900, 1000, 1100, 1101], "visits"] = mark
    issue = only(look(frame), "disguised_missing", "visits")
    assert (issue.count, issue.rows, issue.evidence["value"]) == (8, (8,), f"{mark:g}")


def test_words_and_dates_that_stand_for_missing():
    frame = clean()
    frame["income"] = frame["income"].astype(str)
    frame.loc[::40, "income"] = "N/A"
    frame.loc[::60, "region"] = "?"
    frame["ends"] = (frame["at"] - pd.Timedelta(days=30)).astype(str).str[:10]
    frame.loc[::25, "ends"] = "9999-12-31"
    report = look(frame)
    assert only(report, "disguised_missing", "income").count == 30
    assert only(report, "disguised_missing", "region").count == 20
    assert only(report, "disguised_missing", "ends").evidence["value"] == "9999-12-31"
    assert not report.found("impossible_dates")


def test_repeated_rows_and_keys():
    frame = pd.concat([clean(), clean().iloc[[3, 3, 10]]], ignore_index=True)
    report = examine(frame, target="bought", key="customer_id", now=NOW)
    rows = only(report, "duplicates", "")
    assert (rows.count, rows.evidence["repeats"]) == (3, [[1201, 4], [1202, 4], [1203, 11]])
    keys = only(report, "duplicate_keys", "customer_id")
    assert (keys.severity, keys.count) == ("problem", 3)


def test_constant_near_constant_and_copied_columns():
    frame = clean(2000)
    frame["country"] = "here"
    frame["odd"] = np.where(np.arange(2000) == 5, 1, 0)
    frame["age_again"] = frame["age"]
    frame["zone"] = frame["region"].map({"north": "N", "south": "S", "east": "E", "west": "W"})
    frame["cents"] = frame["income"] * 100 + np.random.default_rng(1).normal(0, 1, 2000)
    report = look(frame)
    assert only(report, "constant", "country").suggestions[0].value == "country"
    assert only(report, "near_constant", "odd").count == 1999
    assert only(report, "identical", "age_again").columns == ("age",)
    assert only(report, "identical", "zone").columns == ("region",)
    assert only(report, "correlated", "cents").columns == ("income",)


def test_names_of_people_are_ids_and_their_cells_stay_out_of_the_report():
    frame = clean()
    random = np.random.default_rng(2)
    frame["login"] = [f"user{n}" for n in random.integers(0, 90_000, len(frame))]
    report = look(frame)
    assert only(report, "id_like", "login").severity == "warning"
    assert not any(cell in str(report) for cell in frame["login"].head(50))


def test_strays_words_among_numbers_and_separators():
    frame = clean()
    frame["income"] = frame["income"].astype(str)
    frame.loc[[4, 9], "income"] = "a lot"
    frame["mixed"] = np.where(np.arange(len(frame)) % 4, [str(n) for n in range(len(frame))], "none of these")
    frame["price"] = [f"1,{n % 1000:03d}.50 €" for n in np.random.default_rng(1).integers(0, 1000, len(frame))]
    report = look(frame)
    assert (only(report, "mixed_types", "income").count, only(report, "mixed_types", "income").rows) == (2, (5,))
    assert only(report, "mixed_types", "mixed").rows[0] == 1
    assert "thousands" in only(report, "mixed_types", "price").says


def test_outliers_by_row_and_none_in_tails():
    frame = clean()
    frame.loc[[20, 700], "income"] = [1e9, 2e8]
    frame["tail"] = np.random.default_rng(4).lognormal(0, 2, len(frame))
    report = look(frame)
    issue = only(report, "outliers", "income")
    assert (issue.count, issue.rows, issue.exact) == (2, (21, 701), True)
    assert not report.found("outliers", "tail")
    assert limits_of(np.append(np.random.default_rng(1).uniform(0, 100, 500), 0))[1] < 1000


def test_rare_and_misspelt_categories_name_what_is_meant():
    frame = clean(4000)
    frame.loc[[1, 2, 3], "region"] = "North "
    frame.loc[[5, 6], "plan"] = "premuim"
    frame.loc[[8, 9], "plan"] = "trial"
    report = look(frame)
    assert only(report, "misspelt", "region").evidence["meant"]["North "]["as"] == "north"
    assert only(report, "misspelt", "plan").evidence["meant"]["premuim"]["as"] == "premium"
    assert list(only(report, "rare_categories", "plan").evidence["categories"]) == ["trial"]


def test_what_differs_by_a_number_or_a_sign_is_another_thing():
    assert spellings({"size 10": 900, "size 11": 3, "A+": 50, "A": 700, "<50K": 900, ">50K": 90}) == {}
    assert spellings({"Month-to-month": 900, "month to month": 4})["month to month"][0] == "Month-to-month"


def test_distance_is_that_of_optimal_alignment():
    def slow(a, b):
        d = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
        for i in range(1, len(a) + 1):
            for j in range(1, len(b) + 1):
                d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
                if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                    d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
        return d[len(a), len(b)]

    random = np.random.default_rng(0)
    for _ in range(300):
        a, b = ("".join(random.choice(list("abc"), random.integers(0, 7))) for _ in range(2))
        assert distance(a, b, 2) == min(slow(a, b), 3)


def test_dates_of_the_future_before_1900_and_ends_before_starts():
    frame = clean()
    frame["start"] = frame["at"] - pd.to_timedelta(np.arange(len(frame)) % 90 + 40, unit="D")
    frame["end"] = frame["start"] + pd.Timedelta(days=30)
    frame.loc[[2, 3], "end"] = pd.Timestamp("2031-05-05")
    frame.loc[[4], "start"] = pd.Timestamp("1801-01-01")
    frame.loc[[7, 8, 9], "end"] = frame.loc[[7, 8, 9], "start"] - pd.Timedelta(days=3)
    report = look(frame)
    future = only(report, "impossible_dates", "start")
    assert (future.count, future.rows, "before 1900" in future.says) == (1, (5,), True)
    found = {i.says.split(" in ")[0]: i for i in report.found("impossible_dates", "end")}
    assert found["end comes before start"].rows == (8, 9, 10)
    assert any("future" in says for says in (i.says for i in report.found("impossible_dates", "end")))


def test_what_is_wrong_with_a_target():
    frame = clean()
    frame.loc[:99, "bought"] = None
    assert only(look(frame), "unlabelled", "bought").count == 100
    frame = clean()
    frame["bought"] = np.where(np.arange(len(frame)) % 400 == 0, "yes", "no")
    issue = only(look(frame), "imbalance", "bought")
    assert (issue.severity, issue.count) == ("problem", 3)
    frame["bought"] = "no"
    assert "only one class" in only(look(frame), "target", "bought").says
    frame["bought"] = [f"class {n}" for n in range(len(frame))]
    assert only(look(frame), "target", "bought").severity == "problem"
    frame["bought"] = 4.5
    assert "always the same" in only(look(frame), "target", "bought").says


@needs_data
def test_the_churn_table_has_one_misspelling_and_few_gaps():
    report = examine(open_table(DATA / "telco-churn.csv"), target="Churn", now=NOW)
    assert {(i.check, i.column) for i in report.issues} == {
        ("misspelt", "InternetService"), ("duplicates", ""), ("id_like", "customerID"), ("missing", "TotalCharges"),
    }  # fmt: skip


@needs_data
def test_the_bike_table_holds_its_target_in_two_columns():
    report = examine(open_table(DATA / "bike-sharing-hour.csv"), target="cnt", now=NOW)
    assert {i.column for i in report.issues if i.severity == "problem"} == {"casual", "registered"}
    assert report.found("control_characters", "instant")[0].rows == (160,)
    assert {i.check for i in report.issues} <= {"leak", "control_characters", "mixed_types", "correlated", "id_like"}


def test_a_stream_of_batches_gives_what_the_table_gives():
    frame = clean(3000)
    frame.loc[:40, "income"] = np.nan
    table = pa.Table.from_pandas(frame, preserve_index=False)
    whole = look(table)
    streamed = look(iter(table.to_batches(max_chunksize=700)))
    assert whole.issues == streamed.issues


def test_a_table_larger_than_the_sample_keeps_exact_counts_and_says_what_it_projects():
    frame = clean(6000)
    frame.loc[[17, 4000], "income"] = 1e9
    frame.loc[::100, "visits"] = np.nan
    frame = pd.concat([frame, frame.iloc[[5]]], ignore_index=True)
    report = look(frame, sample_rows=500)
    assert report.sampled < 1001 < report.rows
    assert {18, 4001} <= set(only(report, "outliers", "income").rows)
    assert only(report, "missing", "visits").count == 60
    assert only(report, "duplicates", "").count == 1
