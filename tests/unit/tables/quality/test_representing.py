"""Two tables compared: what differs is named, and halves of one table raise an alarm within the level."""

import numpy as np
import pandas as pd
import pytest
from planted import NOW, clean

from fairlead.lab.tables.quality.looking import look_at
from fairlead.lab.tables.quality.representing import issues_of, newcombe, represent


def looks(a, b):
    more = {"target": "bought", "key": "customer_id", "time": ("at",), "now": NOW}
    return look_at(a, **more), look_at(b, **more)


def compared(a, b, **more):
    return represent(*looks(a, b), **more)


def halves(frame, seed):
    order = np.random.default_rng(seed).permutation(len(frame))
    return frame.iloc[order[: len(frame) // 2]], frame.iloc[order[len(frame) // 2 :]]


def test_halves_of_one_table_stand_for_each_other():
    frame = clean(1600, seed=8)
    assert sum(not compared(*halves(frame, s), domain=False).stands for s in range(8)) <= 1


@pytest.mark.long
def test_of_many_halves_at_most_one_in_twenty_is_accused():
    frame = clean(1600, seed=8)
    found = [compared(*halves(frame, s)) for s in range(150)]
    # 5 % of 150 is 7.5; more than 13 come by chance in 2 of 100 such runs.
    assert sum(bool(f.cells) for f in found) <= 13
    assert sum(f.domain.low > 0.5 for f in found) <= 13
    assert sum(not f.stands for f in found) <= 13


def test_no_model_tells_halves_or_copies_apart():
    frame = clean(900, seed=8)
    found = [compared(*halves(frame, s)).domain for s in range(3)]
    assert not any(d.apart for d in found)
    assert 0.45 < np.mean([d.value for d in found]) < 0.55
    copy = compared(frame, frame.sample(frac=1.0, random_state=1))
    assert copy.stands
    assert copy.domain.value <= 0.5


def test_columns_that_one_lacks_or_holds_in_another_kind():
    frame, other = halves(clean(1600), 1)
    other = other.drop(columns="score").assign(age=other["age"].map(lambda n: f"about {n // 10 * 10}"), new=1)
    found = compared(frame, other)
    assert (found.surplus, found.lacking) == (("score",), ("new",))
    assert found.rekinded == {"age": ("integer", "category")}
    assert not found.stands


def test_a_group_that_training_never_saw_is_named_with_its_interval_and_its_column_tells_most():
    frame, other = halves(clean(4000), 1)
    random = np.random.default_rng(2)
    other = other.assign(region=np.where(random.random(len(other)) < 0.2, "islands", other["region"]))
    other["income"] = other["income"] * 1.6
    here, there = looks(frame, other)
    found = represent(here, there)
    (cell,) = [c for c in found.cells if c.values == ("islands",)]
    assert (cell.how, cell.share) == ("lacks", 0.0)
    assert 0.1 < cell.low < cell.other < cell.high < 0.3
    assert found.domain.apart
    assert found.domain.low > 0.8
    assert set(list(found.domain.importance)[:2]) == {"income", "region"}
    said = [i.says for i in issues_of(found, here, "production")]
    assert any(s.startswith("region = islands: 0.0% of rows here, 2") for s in said)


def test_a_sub_population_of_two_columns_is_found_where_each_alone_looks_alike():
    frame, other = halves(clean(12000), 1)
    random = np.random.default_rng(2)
    # Who is north and basic becomes south and basic, and as many the other way: only the pair moves.
    swap = {"north": "south", "south": "north"}
    moved = (other["plan"] == "basic") & (random.random(len(other)) < 0.9)
    back = (other["plan"] == "premium") & (random.random(len(other)) < 0.9)
    region = other["region"].where(~moved & ~back, other["region"].map(lambda r: swap.get(r, r)))
    frame = frame.assign(
        region=np.where((frame["plan"] == "basic") & (frame["region"] == "north"), "south", frame["region"])
    )
    other = other.assign(region=region)
    found = compared(frame, other, domain=False)
    assert any(set(c.columns) == {"region", "plan"} for c in found.cells)


def test_the_share_of_missing_cells_is_compared():
    frame, other = halves(clean(4000), 1)
    other = other.copy()
    other.loc[other.index[::10], "income"] = np.nan
    (cell,) = [c for c in compared(frame, other, domain=False).cells if c.columns == ("income",)]
    assert cell.values == ("(missing)",)
    assert cell.other == pytest.approx(0.1)


def test_newcombes_interval_covers():
    random = np.random.default_rng(0)
    a, b = random.binomial(80, 0.1, 1500), random.binomial(120, 0.25, 1500)
    found = np.array([newcombe(int(x), 80, int(y), 120, 0.05) for x, y in zip(a, b, strict=True)])
    assert 0.935 <= np.mean((found[:, 0] <= 0.15) & (found[:, 1] >= 0.15)) <= 0.975


def test_records_hold_codes_as_texts_and_are_compared_all_the_same():
    frame, other = halves(clean(1600).assign(grade=np.arange(1600) % 5), 1)
    other = pd.DataFrame({n: other[n].astype(str) if n in {"grade", "region"} else other[n] for n in other.columns})
    assert compared(frame, other, domain=False).rekinded == {}


def test_what_the_project_excludes_is_not_compared():
    here, there = looks(*halves(clean(1600), 1))
    here.excluded = frozenset({"age"})
    there.sample = there.sample.drop_columns("age").append_column("age", there.sample["income"])
    assert represent(here, there, domain=False).stands
