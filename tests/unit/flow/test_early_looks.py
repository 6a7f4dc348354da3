"""An open window is looked at day by day: a column that breaks on Monday is told on Tuesday, once, and explained."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parent.parent / "bundle"))

import msgspec
from bundle_samples import LINEAGE, SIGNATURE, files, write_files

import fairlead
from fairlead.contract.events import Window
from fairlead.contract.evidence import Attestation
from fairlead.contract.profile import Reference
from fairlead.doors.cli.why_watched import tell_why
from fairlead.lab.stats import bins_for, profile, score_bins, total
from fairlead.ops.flow import Loop, Workspace, making, release, telling
from fairlead.ops.flow.telling import told_of
from fairlead.ops.flow.tracker import read_tracker
from fairlead.ops.monitor import Looked
from fairlead.ops.monitor.seen import Told
from fairlead.ops.monitor.statistic import Judged
from fairlead.runtime.bundle import attest, seal, verify
from fairlead.runtime.bundle.manifest import canonical
from fairlead.runtime.capture import Spool, Tally, collect
from fairlead.runtime.wire import frames

CONFIG = """
[model]
name = "churn"
task = "classification"
target = "churned"
positive = "yes"
time = "at"
id = "id"
[data]
train = "rows.csv"
[monitor]
window = "7d"
label_delay = "1d"
[retrain]
when = []
"""
DAY = 86_400.0
A_DAY = 60
REFERENCE_DAYS = 120
TIMED = msgspec.structs.replace(SIGNATURE, time=("at",))
# A Monday, long enough ago that all weeks of the test are over.
SERVED = float(np.floor((time.time() / DAY - 4 - 70) / 7) * 7 * DAY + 4 * DAY)


def cells(rng: np.random.Generator, n: int, broken: bool = False) -> dict[str, np.ndarray]:
    return {
        "age": np.full(n, 89.0) if broken else rng.integers(18, 90, n).astype(float),
        "plan": rng.choice(np.array(["basic", "pro"], dtype=object), n, p=[0.7, 0.3]),
        "code": rng.choice(np.array(["1", "2"], dtype=object), n),
    }


def reference(score: object) -> Reference:
    """A hundred and twenty days before the first request."""
    rng = np.random.default_rng(0)
    days = [cells(rng, A_DAY) for _ in range(REFERENCE_DAYS)]
    scores = [score(day) for day in days]  # type: ignore[operator]
    whole = {name: np.concatenate([day[name] for day in days]) for name in days[0]}
    bins, scored = bins_for(whole, TIMED), score_bins(TIMED, np.concatenate(scores))
    begin = SERVED - REFERENCE_DAYS * DAY
    blocks = tuple(
        profile(day, bins, scores=given, score_bins=scored, start=begin + i * DAY, end=begin + (i + 1) * DAY - 1)
        for i, (day, given) in enumerate(zip(days, scores, strict=True))
    )
    return Reference(total(blocks), blocks)


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("early")
    (folder / "fairlead.toml").write_text(CONFIG)
    (folder / "rows.csv").write_text("at,id,age,plan,code,churned\n")
    found = fairlead.open(folder).workspace
    content = files() | {"signature.json": canonical(TIMED)}
    seal(write_files(folder / "first", content), "churn", LINEAGE, "linear", "1", found.key)
    from fairlead.runtime.bundle import load

    model = load(folder / "first", (found.key.public,))
    content |= {"reference.json": canonical(reference(model.score_columns))}
    seal(write_files(folder / "one", content), "churn", LINEAGE, "linear", "1", found.key)
    bundle = verify(folder / "one", (found.key.public,)).id
    found.store.add(folder / "one")
    passed = {"model": "churn", "outcome": "pass", "checks": []}
    attest(found.home.attestations, Attestation(bundle, "verdict", found.clock(), "test", passed), found.key)
    making.register(found, bundle)
    release.deploy(found, 1)
    return found


class Requests:
    """A day of requests at a time, recorded as the data plane does."""

    def __init__(self, ws: Workspace) -> None:
        self.ws, self.number, self.rng = ws, 0, np.random.default_rng(5)
        self.spool = Spool(ws.home.root / "spool", "i", "0", 1 << 30)

    def day(self, day: int, broken: bool = False) -> None:
        """A day's requests, evenly."""
        self.send(SERVED + (day + (np.arange(A_DAY) + 0.5) / A_DAY) * DAY, broken)

    def send(self, times: np.ndarray, broken: bool = False) -> None:
        """Requests at these event times."""
        bundle = self.ws.state.version("churn", 1).bundle
        model = self.ws.load(bundle)
        columns = cells(self.rng, len(times), broken)
        scores = model.score_columns(columns)
        schema = frames.Schema("churn", bundle, 1, model.signature, [], ["at", "id"])
        for i, at in enumerate(times.tolist()):
            self.number += 1
            row = [float(columns["age"][i]), str(columns["plan"][i]), str(columns["code"][i])]
            one = frames.Prediction(
                time.time(), 0.001, f"r{self.number}", None, "churn", bundle, "champion", "native", [row],
                [[at, f"k{self.number}"]], None, ["yes" if scores[i, 1] > 0.5 else "no"], [scores[i].tolist()],
            )  # fmt: skip
            assert self.spool.append([frames.encode(one)], [schema], Tally(1, 1, labels=0))
        collect(self.ws.home.root)


def test_a_column_that_breaks_on_monday_is_told_on_tuesday_and_once(ws: Workspace) -> None:
    requests, loop = Requests(ws), Loop(ws)
    begun: dict[int, list[str]] = {}
    for day in range(11):
        # A calm week, and a second one that is calm until its Tuesday.
        requests.day(day, broken=day >= 8)
        done = loop.once()
        begun[day] = [f.check for f in done.findings if f.severity != "info" and f.columns == ("age",)]
    assert loop.once().findings == ()
    assert [day for day in range(9) if begun[day]] == []
    # The requests of Tuesday (day 8) are whole once one of Wednesday has come.
    assert "drift" in begun[9]
    assert "drift" not in begun[10]
    told = [f for f in ws.state.findings("churn") if f.check == "drift" and f.columns == ("age",)]
    assert len(told) == 1
    assert told[0].since == SERVED + 7 * DAY
    assert [w.index for w in ws.state.windows("churn")] == [0]
    assert read_tracker(ws).looked == SERVED + 10 * DAY


def test_what_was_looked_at_is_explained_and_the_open_window_too(ws: Workspace) -> None:
    windows = told_of(ws)
    assert [w.index for w in windows] == sorted(w.index for w in windows)
    assert "calibrated on" in windows[-1].calibration
    spoke = [line for line in windows[-1].lines if line.speaks]
    assert ("drift", "age") in {(line.check, line.key) for line in spoke}
    answer = fairlead.open(ws.project.root).watch_explained(last=2)
    assert answer["budget"]["false_alarms_per_month"] == 1.0
    assert answer["budget"]["alarms_in_30_days"] >= 1
    assert sum(answer["budget"]["parts"].values()) == pytest.approx(1.0)
    assert [w["index"] for w in answer["windows"]] == [windows[-1].index, windows[-2].index]
    for line in answer["windows"][0]["lines"]:
        assert line["why"]


def test_it_is_told_in_words_and_one_table(ws: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    tell_why(fairlead.open(ws.project.root).watch_explained())
    told = capsys.readouterr().out
    assert "budget of 1 false alarm a month" in told
    assert "still open: an early look" in told
    assert "spoke" in told
    assert "silent" in told
    tell_why({**fairlead.open(ws.project.root).watch_explained(), "windows": []})
    assert "no window was looked at yet" in capsys.readouterr().out


def test_a_row_of_the_far_future_does_not_end_the_watching_of_now(ws: Workspace) -> None:
    """One caller with a wrong clock must not stop the watcher."""
    requests, loop = Requests(ws), Loop(ws)
    requests.number = 10_000
    requests.send(np.array([time.time() + 900 * 365 * DAY]))
    requests.day(15)
    loop.once()
    for day in (16, 17, 23):
        requests.day(day)
    loop.once()
    windows = ws.state.windows("churn")
    assert [(w.index, w.start, w.rows) for w in windows[1:]] == [
        (1, SERVED + 7 * DAY, 4 * A_DAY), (2, SERVED + 14 * DAY, 3 * A_DAY)
    ]  # fmt: skip
    assert read_tracker(ws).largest < SERVED + 24 * DAY


def test_what_labels_show_of_a_window_stands_before_what_was_silent_of_its_inputs(ws: Workspace) -> None:
    window = told_of(ws)[-1]
    spoke = Told("promise", "loss", Judged(40.0, 30.0, 0.0, True, False, np.nan, "the loss is higher"), "evidence")
    silent = Told("promise", "other", Judged(29.0, 30.0, 0.0, False, False, np.nan, "within"), "evidence")
    telling.tell(
        ws, Window("churn", window.index, window.start, window.end, window.rows, state="scored"),
        Looked([], {}, (spoke, silent), ""),
    )  # fmt: skip
    lines = told_of(ws)[-1].lines
    assert lines[0].speaks
    assert [line.speaks for line in lines] == sorted((line.speaks for line in lines), reverse=True)
    assert next((line.check, line.key) for line in lines if not line.speaks) == ("promise", "other")
