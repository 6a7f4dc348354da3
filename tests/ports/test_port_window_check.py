"""What every variant of the port `window_check` must do, ours and third parties' alike."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import numpy as np
import pytest

from fairlead.contract.events import Window
from fairlead.contract.evidence import Interval
from fairlead.contract.plugins import names, variant
from fairlead.contract.profile import HeldOut, Reference
from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.stats import bins_for, profile, score_bins, total
from fairlead.lab.stats.estimating import learn_estimation
from fairlead.ops.monitor import AREAS, Rows, Seen, Traffic, calibrate, look, start, step
from fairlead.ops.monitor.budget import PARTS, allowed
from fairlead.ops.monitor.joint import joint_of
from fairlead.ops.monitor.learnt import Learnt

DAY = 86_400.0
A_DAY = 40
MOST_FINDINGS = 200
MOST_MEMORY = 256 * 1024
SIGNATURE = Signature(
    task="classification",
    columns=(
        Column("income", "number"), Column("age", "integer"), Column("region", "category", categories=("n", "s", "w")),
    ),
    classes=("no", "yes"),
)  # fmt: skip
SETTINGS = Settings(
    model=ModelSettings(name="m", task="classification", target="y", positive="yes", time="at"),
    monitor=MonitorSettings(window="7d"),
)


def cells(rng: np.random.Generator, n: int, shift: float = 0.0) -> dict[str, np.ndarray]:
    return {
        "income": rng.normal(shift, 1.0, n),
        "age": rng.integers(18, 80, n).astype(float),
        "region": rng.choice(np.array(["n", "s", "w"], dtype=object), n, p=[0.5, 0.3, 0.2]),
    }


def answers(columns: dict[str, np.ndarray]) -> np.ndarray:
    yes = 1.0 / (1.0 + np.exp(-np.nan_to_num(columns["income"])))
    return np.column_stack([1.0 - yes, yes])


PARTS_LEARNT = [cells(np.random.default_rng([0, day]), A_DAY) for day in range(100)]
WHOLE = {k: np.concatenate([p[k] for p in PARTS_LEARNT]) for k in PARTS_LEARNT[0]}
LEARNT = Learnt(WHOLE, np.repeat(np.arange(100), A_DAY) * DAY + np.tile(np.arange(A_DAY), 100), timed=True)


@pytest.fixture(scope="module")
def reference() -> Reference:
    parts, whole = PARTS_LEARNT, WHOLE
    bins, scored = bins_for(whole, SIGNATURE), score_bins(SIGNATURE, answers(whole))
    blocks = tuple(
        profile(p, bins, scores=answers(p), score_bins=scored, start=i * DAY, end=(i + 1) * DAY - 1.0, gram=False)
        for i, p in enumerate(parts)
    )
    whole_profile = profile(whole, bins, scores=answers(whole), score_bins=scored, start=0.0, end=100 * DAY)
    held = tuple(HeldOut(i * DAY, (i + 1) * DAY, 280, 0.2 + 0.001 * (i % 3), {"accuracy": 0.7}) for i in range(10))
    assert total(blocks).rows == whole_profile.rows
    rng = np.random.default_rng(5)
    truth = np.where(rng.random(100 * A_DAY) < answers(whole)[:, 1], "yes", "no").astype(object)
    windows = [np.arange(i * 400, (i + 1) * 400) for i in range(10)]
    taught = learn_estimation(SIGNATURE, whole, truth, answers(whole), (bins, scored), windows, 1.0)
    return Reference(profile=whole_profile, blocks=blocks, held_out=held, estimation=taught)


def seen_of(
    reference: Reference, n: int, *, shift: float = 0.0, seed: int = 1, index: int = 20, state: Any = "closed",
    without: tuple[str, ...] = (), rows: bool = True, labels: bool = True,
) -> Seen:  # fmt: skip
    """A window of n rows, with everything that is known of one, or without."""
    rng = np.random.default_rng(seed)
    columns = cells(rng, n, shift)
    scores = answers(columns)
    begin = index * 7 * DAY
    times = np.sort(rng.uniform(begin, begin + 7 * DAY, n))
    bins = [c.bins for c in reference.profile.columns if c.bins.name not in without]
    live = profile(
        {k: v for k, v in columns.items() if k not in without}, bins, scores=scores,
        score_bins=[c.bins for c in reference.profile.scores], start=begin, end=begin + 7 * DAY,
    )  # fmt: skip
    truth = np.where(rng.random(n) < scores[:, 1], "yes", "no").astype(object)
    labelled = rng.random(n) < (0.7 if labels else 0.0)
    table = Rows(
        columns={k: v for k, v in columns.items() if k not in without}, times=times, scores=scores, labels=truth,
        labelled=labelled, definitions=np.full(n, None, dtype=object),
        arrived=np.where(labelled, times + 3600.0, np.nan),
        passed={"variant": np.full(n, "champion", dtype=object)},
    )  # fmt: skip
    window = Window("m", index, begin, begin + 7 * DAY, rows=n, labelled=int(labelled.sum()), state=state)
    earlier = tuple(
        Window("m", i, i * 7 * DAY, (i + 1) * 7 * DAY, 280, 200, state="scored", metrics={"loss": 0.2})
        for i in range(index - 12, index)
    )
    promise = step(start(reference.held_out), 0.2, int(labelled.sum()), begin)
    return Seen(
        window=window, profile=live, reference=reference, thresholds=calibrate(reference, SETTINGS),
        settings=SETTINGS, signature=SIGNATURE, rows=table if rows else None, earlier=earlier,
        importance={"income": 0.8, "age": 0.1, "region": 0.1}, traffic=Traffic(tuple(w.rows for w in earlier), 0, None),
        metrics={"accuracy": Interval(0.7, 0.65, 0.75)} if labels and n else {}, step=promise,
        learnt=LEARNT if rows else None,
    )  # fmt: skip


def judged_by(check: Any, seen: Seen) -> tuple[list[Any], Any]:
    """Findings, and what it remembers."""
    joint = joint_of(seen.reference, seen.settings, signature=seen.signature)
    judged, _ = joint.judge(seen.window, seen.profile, seen.reference.profile)
    mine = dataclasses.replace(seen, judged=judged, kept=[], told=[])
    found = list(check.look(mine, allowed(seen.settings, check.family) / 8.0))
    return found, mine.kept[0] if mine.kept else seen.memory


@pytest.fixture(params=names("window_check"))
def check(request: pytest.FixtureRequest) -> Any:
    return variant("window_check", request.param)()


def test_it_says_who_it_is(check: Any) -> None:
    assert check.name
    assert check.family in PARTS
    assert check.moment in AREAS
    assert isinstance(check.early, bool)
    made = [statistic.name for statistic in getattr(check, "statistics", ())]
    assert len(made) == len(set(made))


@pytest.mark.parametrize("n", [0, 1, 5, 29])
@pytest.mark.parametrize("rows", [True, False], ids=["rows", "profile alone"])
def test_it_raises_no_alarm_about_empty_and_tiny_windows(check: Any, reference: Reference, n: int, rows: bool) -> None:
    seen = dataclasses.replace(seen_of(reference, n, shift=5.0, rows=rows), traffic=None)
    found, _ = judged_by(check, seen)
    assert [f for f in found if f.severity != "info"] == []


@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_it_is_pure_bounded_and_says_what_it_means(check: Any, reference: Reference, shift: float) -> None:
    seen = seen_of(reference, 400, shift=shift)
    kept_before = msgspec.json.encode({k: v.tolist() for k, v in seen.rows.columns.items()}) if seen.rows else b""
    found, memory = judged_by(check, seen)
    again, same = judged_by(check, seen)
    assert found == again
    assert msgspec.json.encode(memory) == msgspec.json.encode(same)
    assert msgspec.json.encode({k: v.tolist() for k, v in seen.rows.columns.items()}) == kept_before  # type: ignore[union-attr]
    assert len(found) <= MOST_FINDINGS
    assert len({f.id for f in found}) == len(found)
    for finding in found:
        assert finding.area in AREAS[check.moment]
        assert (finding.model, finding.window) == ("m", seen.window.index)
        assert finding.message
        assert finding.unit
        assert len(finding.causes) <= 5
        assert all(np.isfinite([finding.size, finding.low, finding.high]))
        assert finding.low <= finding.size + 1e-9
        assert finding.size <= finding.high + 1e-9
        assert all(np.isfinite(list(finding.evidence.values())))
        assert msgspec.json.decode(msgspec.json.encode(finding), type=type(finding)) == finding


def test_its_memory_is_small_json_that_it_takes_up_again(check: Any, reference: Reference) -> None:
    memory: Any = None
    for index in range(20, 32):
        seen = dataclasses.replace(seen_of(reference, 280, seed=index, index=index), memory=memory)
        _, memory = judged_by(check, seen)
        told = msgspec.json.encode(memory)
        assert len(told) <= MOST_MEMORY
        memory = msgspec.json.decode(told)
    assert len(msgspec.json.encode(memory)) <= MOST_MEMORY


@pytest.mark.parametrize("without", [("income",), ("region",), ("income", "age", "region")])
def test_it_copes_with_columns_that_are_hidden(check: Any, reference: Reference, without: tuple[str, ...]) -> None:
    found, _ = judged_by(check, seen_of(reference, 280, without=without))
    assert not [f for f in found if f.severity != "info" and set(f.columns) & set(without) and f.area == "data_drift"]


def test_it_copes_with_no_rows_no_labels_and_all_cells_missing(check: Any, reference: Reference) -> None:
    judged_by(check, seen_of(reference, 280, rows=False, labels=False))
    judged_by(check, seen_of(reference, 280, labels=False))
    seen = seen_of(reference, 280)
    assert seen.rows is not None
    gone = {k: np.full(280, np.nan) if v.dtype != object else np.full(280, None) for k, v in seen.rows.columns.items()}
    live = profile(gone, [c.bins for c in reference.profile.columns], start=seen.profile.start, end=seen.profile.end)
    judged_by(check, dataclasses.replace(seen, rows=dataclasses.replace(seen.rows, columns=gone), profile=live))


def test_an_early_look_asks_those_alone_that_take_one(reference: Reference) -> None:
    seen = seen_of(reference, 200, shift=4.0, state="open", labels=False)
    looked = look("inputs", seen, {"rows": {"kept": 1}})
    early = {n for n in names("window_check") if variant("window_check", n).early}
    assert {f.check for f in looked.findings} >= ({"drift"} if "columns" in early else set())
    # What checks remember is of whole windows; the joint calibration alone counts its looks.
    assert {k: v for k, v in looked.memories.items() if k != "joint"} == {"rows": {"kept": 1}}
    assert looked.told


def test_the_parts_of_the_budget_are_all_of_it() -> None:
    from fairlead.ops.monitor.budget import JOINT

    assert JOINT + sum(PARTS.values()) == pytest.approx(1.0)


def test_a_check_that_fails_is_told_and_keeps_no_other_from_looking(reference: Reference) -> None:
    seen = seen_of(reference, 280, shift=3.0)
    whole = look("inputs", seen, {})
    # Words that are no numbers: a memory of another make.
    done = look("inputs", seen_of(reference, 280, shift=3.0), {"rhythm": {"windows": [["secret", "word"]] * 9}})
    told = [f for f in done.findings if f.check == "unable:rhythm"]
    assert [(f.severity, f.area) for f in told] == [("warning", "quality")]
    assert "the check rhythm could not look at this window, the others did: " in told[0].message
    assert "secret" not in told[0].message
    assert {f.check for f in whole.findings} <= {f.check for f in done.findings}
    assert done.memories["rhythm"] == {"windows": [["secret", "word"]] * 9}
