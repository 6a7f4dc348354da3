"""Rollouts over a real data plane in this process: values, bandits, several challengers, pilots, guardrails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract.analysis import FILE
from fairlead.contract.errors import HeldByHuman, UsageError
from fairlead.contract.ports import Request
from fairlead.contract.settings import RolloutSettings
from fairlead.doors.python import rolling as python_rolling
from fairlead.ops.flow import Workspace, analysing, guarding, release, rolling
from fairlead.ops.flow.analysing import last_told
from fairlead.ops.flow.loop import Loop
from fairlead.ops.flow.rolling import Way, stages_of
from fairlead.ops.flow.situation import Trial
from fairlead.ops.flow.status import status_of
from fairlead.ops.flow.tracker import read_tracker
from fairlead.ops.flow.trial import trials_of
from fairlead.runtime.capture import collect
from fairlead.runtime.serve.analysis import read_analysis
from fairlead.runtime.serve.assignment import assign
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.serve.plane import DataPlane
from fairlead.runtime.serve.worker import open_plane

CONFIG = """
[model]
name = "offers"
task = "classification"
target = "bought"
positive = "yes"
id = "who"
[data]
train = "rows.csv"
[train]
learners = ["logistic"]
trials = 1
folds = 2
[gate]
beats = false
[evaluate]
find_slices = false
robustness = false
explanations = false
learning_s = 0
[monitor]
window = "100rows"
label_delay = "0s"
[retrain]
when = []
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A project with three judged versions, the first deployed; to be copied."""
    folder = tmp_path_factory.mktemp("rollouts")
    rng = np.random.default_rng(0)
    visits = rng.poisson(3, 600)
    bought = np.where(rng.random(600) < 1 / (1 + np.exp(3.0 - visits)), "yes", "no")
    frame = pd.DataFrame(
        {"who": [f"c{n}" for n in range(600)], "visits": visits, "region": rng.choice(["north", "south"], 600),
         "bought": bought}
    )  # fmt: skip
    frame.to_csv(folder / "rows.csv", index=False)
    (folder / "fairlead.toml").write_text(CONFIG)
    project = fairlead.open(folder)
    project.train()
    project.evaluate()
    project.register()
    for strength in (0.1, 0.5):
        sealed = project.bundle(fitted(frame, strength), sample=frame)
        project.evaluate(sealed["bundle"], data=frame)
        project.register(sealed["bundle"])
    release.deploy(project.workspace, 1)
    return project.workspace


def fitted(frame: pd.DataFrame, strength: float) -> Any:
    """A model made elsewhere, nearly the same for another strength."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    front = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), ["region"]), remainder="passthrough")
    return make_pipeline(front, LogisticRegression(C=strength)).fit(frame[["visits", "region"]], frame["bought"])


class Door:
    """A data plane over the project's home, asked row by row, and told what came of it."""

    def __init__(self, ws: Workspace, plane: DataPlane) -> None:
        self.ws, self.plane, self.count = ws, plane, 0

    def _post(
        self, path: str, bodies: Sequence[Any], ids: Sequence[str], took: Sequence[float] = ()
    ) -> list[tuple[int, Any]]:
        replies: list[tuple[int, Any]] = []

        def take(code: int, head: Any, body: bytes) -> None:
            replies.append((code, json.loads(body)))

        requests = [
            Request("POST", path, "", {"x-request-id": id}, json.dumps(body).encode(), time.time() - late, take)
            for body, id, late in zip(bodies, ids, took or [0.0] * len(ids), strict=True)
        ]
        for start in range(0, len(requests), 100):
            self.plane.answer(requests[start : start + 100])
        return replies

    def ask(self, rows: int, region: str = "north") -> list[str]:
        """So many requests of a row each by different callers; their ids."""
        ids = [f"r{self.count + n}" for n in range(rows)]
        bodies = [{"visits": n % 7, "region": region, "who": id} for n, id in enumerate(ids)]
        self.count += rows
        assert all(code == 200 for code, _ in self._post(f"/predict/{self.ws.model}", bodies, ids))
        return ids

    def meet(self, callers: int, visits: dict[int, int], took: dict[int, float]) -> None:
        """A request of each of so many callers, which asks as many visits and takes as long (seconds) as given for the
        version that the caller meets."""
        route = release.route_of(self.ws, self.ws.state.intent(self.ws.model))  # type: ignore[arg-type]
        ids = [f"r{self.count + n}" for n in range(callers)]
        self.count += callers
        met = [assign(route, id).version for id in ids]
        bodies = [{"visits": visits[one], "region": "north", "who": id} for one, id in zip(met, ids, strict=True)]
        replies = self._post(f"/predict/{self.ws.model}", bodies, ids, [took.get(one, 0.0) for one in met])
        assert all(code == 200 for code, _ in replies)
        collect(self.ws.home.root)

    def tell(self, ids: Sequence[str], given: Callable[[int, int], dict[str, Any]]) -> None:
        """Feedback for requests; given: of the version that answered and the number of the request."""
        collect(self.ws.home.root)
        answered = self.versions()
        items = [{"request": id, **given(answered[id], n)} for n, id in enumerate(ids)]
        code, said = self._post(f"/feedback/{self.ws.model}", [items], ["f"])[0]
        assert code == 200
        assert said["accepted"] == len(ids)
        collect(self.ws.home.root)

    def versions(self) -> dict[str, int]:
        """The version that answered each request."""
        from fairlead.runtime.capture import Records

        numbers = {row.bundle: row.number for row in self.ws.state.versions(self.ws.model)}
        table = Records(self.ws.home.root, self.ws.model).columns(None, None, ["request", "bundle"])
        pairs = zip(table.column("request").to_pylist(), table.column("bundle").to_pylist(), strict=True)
        return {request: numbers[bundle] for request, bundle in pairs}


@pytest.fixture
def door(made: Workspace, tmp_path: Path) -> Iterator[Door]:
    """A copy of the project with a data plane of its own."""
    import shutil

    folder = tmp_path / "project"
    shutil.copytree(made.project.root, folder)
    ws = fairlead.open(folder).workspace
    settings = {"home": str(ws.home.root), "run": str(ws.home.run), "instance": "test"}
    plane = open_plane(0, settings)
    try:
        yield Door(ws, plane)
    finally:
        plane.close()


def with_rollout(ws: Workspace, **changes: Any) -> Workspace:
    """The same project with other settings of `[rollout]`."""
    ws.project = msgspec.structs.replace(ws.project) if isinstance(ws.project, msgspec.Struct) else ws.project
    rollout = msgspec.structs.replace(ws.settings.rollout, **changes)
    settings = msgspec.structs.replace(ws.settings, rollout=rollout)
    ws.project.__dict__["settings"] = settings
    assert ws.settings.rollout == rollout
    return ws


def roles(ws: Workspace) -> dict[int, str]:
    """Who is what now, by version."""
    intent = ws.state.intent(ws.model)
    assert intent is not None
    return {v.version: v.name for v in intent.variants}


def shares(ws: Workspace) -> dict[int, float]:
    intent = ws.state.intent(ws.model)
    assert intent is not None
    return {v.version: v.weight for v in intent.variants}


def fail_requests(ws: Workspace, counts: dict[int, tuple[int, int]]) -> None:
    """As the counters of a second server of this home would tell: answered and failed requests by version."""
    counters = Counters(ws.home.run / "counters-other-0.bin")
    for version, (answered, failed) in counts.items():
        name = roles(ws).get(version, "challenger")
        for code, number in (("200", answered), ("500", failed)):
            counters.cells[counters.index(("requests", ws.model, str(version), name, "native", code))] += number
    counters.close()


def test_a_business_value_decides_an_ab_test(door: Door) -> None:
    ws = with_rollout(door.ws, objective="value", value_range=(0.0, 10.0), max_loss=0.05)
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    rng = np.random.default_rng(0)
    door.tell(door.ask(500), lambda version, n: {"value": float(rng.random() < (0.6 if version == 2 else 0.3)) * 10})
    done = Loop(ws).once()
    promoted = [d for d in done.decisions if d.action == "promote"]
    assert len(promoted) == 1, [d.why for d in done.decisions]
    assert "of the champion's mean value" in promoted[0].why
    assert roles(ws) == {2: "champion"}
    told = json.loads((ws.home.run / FILE.format(model=ws.model)).read_bytes())
    assert (told["verdict"], told["state"], told["version"]) == ("pass", "ended", 2)


def test_values_of_one_variant_alone_leave_an_analysis_that_can_be_read(door: Door) -> None:
    ws = with_rollout(door.ws, objective="value", max_loss=0.05)
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    asked = door.ask(110)
    collect(ws.home.root)
    answered = door.versions()
    door.tell([id for id in asked if answered[id] == 1], lambda version, n: {"value": 1.0})
    Loop(ws).once()
    told = last_told(ws)
    assert told is not None
    assert (told.verdict, told.state, told.why) == ("inconclusive", "running", "no values of both variants yet")
    assert read_analysis(ws.home.run, ws.model) == told


def test_a_version_that_is_tried_again_starts_without_the_verdict_of_its_last_trial(door: Door) -> None:
    ws = with_rollout(door.ws, objective="value", max_loss=0.05)
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    door.tell(door.ask(110), lambda version, n: {"value": 1.0})
    Loop(ws).once()
    before = last_told(ws)
    assert before is not None
    assert before.n
    release.deploy(ws, 1)
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried again")
    guarding.look(ws)
    told = last_told(ws)
    assert told is not None
    assert (told.verdict, told.n, told.state, told.version) == ("inconclusive", 0, "running", 2)


def test_a_value_that_falls_ends_the_trial(door: Door) -> None:
    ws = with_rollout(door.ws, objective="value", value_range=(0.0, 1.0), max_loss=0.05)
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    rng = np.random.default_rng(1)
    door.tell(door.ask(500), lambda version, n: {"value": float(rng.random() < (0.1 if version == 2 else 0.5))})
    ended = [d for d in Loop(ws).once().decisions if d.action == "end_rollout"]
    assert len(ended) == 1
    assert "worse than the champion" in ended[0].why
    assert roles(ws) == {1: "champion"}


def test_a_trial_that_a_person_ends_ends_by_its_own_verdict_not_by_the_last_one_of_that_version(door: Door) -> None:
    ws, bundle = door.ws, door.ws.state.version(door.ws.model, 2).bundle
    for who, verdict in (("rule", "fail"), ("person", "inconclusive")):
        rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
        if who == "rule":
            analysing.tell(ws, analysing.analysis_of(ws, ws.state.intent(ws.model), [Trial(bundle, 0.0, version=2)]))
            fail_requests(ws, {1: (300, 0), 2: (200, 100)})
        guarding.look(ws.as_rule())
        if who == "person":
            release.end_rollout(ws, why="not now")
            guarding.look(ws.as_rule())
        told = last_told(ws)
        assert told is not None
        assert (told.verdict, told.state) == (verdict, "ended")


def test_what_is_told_is_of_this_rollout_from_its_first_moment_to_its_end(door: Door, monkeypatch: Any) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    analysing.refresh(ws, ws.state.intent(ws.model), {})
    analysing.tell(ws, analysing.analysis_of(ws, ws.state.intent(ws.model), [Trial("", 0.0, version=2)]))
    release.end_rollout(ws, why="not now")
    guarding.look(ws.as_rule())
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried again")
    told = last_told(ws)
    assert told is not None
    assert told.state == "running"
    # Whoever asks while the routes change already hears why.
    seen = []
    apply = release.apply

    def watched(*asked: Any, **how: Any) -> Any:
        seen.append(last_told(ws))
        return apply(*asked, **how)

    monkeypatch.setattr(release, "apply", watched)
    fail_requests(ws, {1: (300, 0), 2: (200, 100)})
    assert [d.action for d in guarding.look(ws.as_rule())] == ["end_rollout"]
    assert [(one.verdict, one.state) for one in seen] == [("fail", "running")]


def test_a_bandit_gives_more_to_what_brings_more_and_keeps_its_floor(door: Door) -> None:
    ws = with_rollout(door.ws, objective="value", explore=0.2, max_loss=0.01)
    rolling.start(ws, (2, 3), Way("bandit"), why="tried")
    assert shares(ws) == pytest.approx({1: 1 / 3, 2: 1 / 3, 3: 1 / 3})
    rng = np.random.default_rng(2)

    def bought(version: int, _: int) -> dict[str, Any]:
        return {"value": float(rng.random() < (0.75 if version == 3 else 0.25))}

    door.tell(door.ask(250), bought)
    before = ws.state.intent(ws.model)
    moved = [d for d in Loop(ws).once().decisions if d.action == "weigh"]
    assert len(moved) == 1
    now = shares(ws)
    assert now[3] > 0.8
    assert min(now.values()) >= 0.2 / 3 - 1e-3
    intent = ws.state.intent(ws.model)
    assert intent is not None
    assert before is not None
    assert intent.rollout is not None
    stages = stages_of(intent.rollout)
    assert len(stages) == 2
    assert stages[0].until > 0
    # Who is drawn anew has to be drawn by another salt, or the second draw would be the first again.
    assert intent.salt != before.salt
    door.tell(door.ask(400), bought)
    trials = trials_of(ws, intent, read_tracker(ws))
    assert {t.version for t in trials} == {2, 3}
    assert next(t.verdict for t in trials if t.version == 3).mean < -0.5  # type: ignore[union-attr]


def test_a_challenger_that_fails_goes_and_the_other_stays(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2, 3), Way("ab", 0.6), why="tried")
    assert roles(ws) == {1: "champion", 2: "challenger", 3: "challenger-2"}
    with pytest.raises(UsageError, match="say which"):
        release.promote(ws)
    assert guarding.look(ws.as_rule()) == []
    fail_requests(ws, {1: (400, 0), 2: (260, 40), 3: (300, 0)})
    done = guarding.look(ws.as_rule())
    assert [d.action for d in done] == ["end_rollout"]
    assert roles(ws) == {1: "champion", 3: "challenger-2"}
    assert shares(ws) == pytest.approx({1: 0.7, 3: 0.3})
    assert ws.state.aliases(ws.model) == {"champion": 1, "challenger-2": 3}
    assert guarding.look(ws.as_rule()) == []
    assert ws.audit.verify().ok


def test_a_few_errors_of_both_alike_are_no_reason(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    fail_requests(ws, {1: (300, 9), 2: (300, 10)})
    assert guarding.look(ws.as_rule()) == []
    assert 2 in roles(ws)


def test_what_both_failed_in_one_hour_is_not_held_against_the_larger_share(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("canary", 0.05), why="tried")
    fail_requests(ws, {1: (9500, 0), 2: (500, 0)})
    assert guarding.look(ws.as_rule()) == []
    rolling.weigh(ws.as_rule(), {1: 0.5, 2: 0.5}, why="grown", event=time.time())
    # A tenth of the requests of an hour fails, whoever answers: of the champion's 0.5 %, of the challenger's 5 %.
    fail_requests(ws, {1: (450, 50), 2: (450, 50)})
    assert guarding.look(ws.as_rule()) == []
    fail_requests(ws, {1: (500, 0), 2: (400, 100)})
    assert [d.action for d in guarding.look(ws.as_rule())] == ["end_rollout"]


def test_a_slow_challenger_is_out_between_passes(door: Door) -> None:
    ws = door.ws.as_rule()
    # What is made to look as though it took long came that much earlier, and that has to be in the stage still.
    rolling.start(Workspace(ws.project, clock=lambda: time.time() - 1.0), (2,), Way("ab", 0.5), why="tried")
    # Of fewer than 930 answers of the champion nobody can say what its 99th percentile is.
    door.meet(2000, {1: 3, 2: 3}, {1: 0.05, 2: 0.06})
    assert guarding.look(ws) == []
    door.meet(100, {1: 3, 2: 3}, {1: 0.05, 2: 0.5})
    done = guarding.look(ws)
    assert [d.action for d in done] == ["end_rollout"]
    assert "guardrail on latency" in done[0].why
    assert roles(door.ws) == {1: "champion"}


def test_a_challenger_that_decides_one_way_is_out_between_passes(door: Door) -> None:
    ws = with_rollout(door.ws, guardrails={"decision_rate": 0.1}).as_rule()
    rolling.start(door.ws, (2,), Way("ab", 0.5), why="tried")
    door.meet(200, {1: 0, 2: 0}, {})
    assert guarding.look(ws) == []
    door.meet(300, {1: 0, 2: 9}, {})
    done = guarding.look(ws)
    assert [d.action for d in done] == ["end_rollout"]
    assert "guardrail on decision_rate" in done[0].why


def test_a_caller_who_asks_again_and_again_is_one_caller(door: Door) -> None:
    from fairlead.ops.flow.tallying import tally_of
    from fairlead.ops.flow.trial import unit_of

    ws = with_rollout(door.ws, sticky_by="who")
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    ids = [f"a{n}" for n in range(300)]
    bodies = [{"visits": 9, "region": "north", "who": f"c{n % 3}"} for n in range(300)]
    door._post(f"/predict/{ws.model}", bodies, ids)
    collect(ws.home.root)
    intent = ws.state.intent(ws.model)
    assert intent is not None
    assert intent.rollout is not None
    tally = tally_of(ws, stages_of(intent.rollout)[-1], unit_of(ws)).follow(ws)
    sides = [tally.of(v.bundle) for v in intent.variants]
    assert sum(side.units for side in sides) == sum(side.decided.total() for side in sides) == 3
    assert sum(int(side.slow.sum()) for side in sides) == 300


def test_a_champion_that_took_over_and_fails_is_rolled_back_unless_pinned(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    fail_requests(ws, {1: (500, 0), 2: (500, 0)})
    guarding.look(ws.as_rule())
    release.promote(ws)
    release.hold(ws, "pinned", why="we want it")
    fail_requests(ws, {2: (100, 60)})
    assert guarding.look(ws.as_rule()) == []
    release.hold(ws, "", why="not any more")
    done = guarding.look(ws.as_rule())
    assert [d.action for d in done] == ["roll_back"]
    assert "since it took over" in done[0].why
    assert roles(ws) == {1: "champion"}
    assert guarding.look(ws.as_rule()) == []


def test_a_champion_that_fails_while_another_is_tried_goes_back_to_who_was_before_it(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    fail_requests(ws, {1: (500, 0), 2: (500, 0)})
    guarding.look(ws.as_rule())
    release.promote(ws)
    rolling.start(ws, (3,), Way("ab", 0.5), why="tried")
    fail_requests(ws, {2: (100, 60), 3: (100, 0)})
    done = guarding.look(ws.as_rule())
    assert [d.action for d in done] == ["roll_back"]
    assert roles(ws) == {1: "champion"}


def test_a_trial_that_ended_leaves_what_can_be_gone_back_to(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    release.roll_back(ws)
    with pytest.raises(UsageError, match="no earlier champion"):
        release.roll_back(ws)
    release.deploy(ws, 2)
    release.deploy(ws, 2)
    rolling.start(ws, (3,), Way("canary", 0.05), why="tried")
    release.roll_back(ws)
    assert roles(ws) == {2: "champion"}
    release.roll_back(ws)
    assert roles(ws) == {1: "champion"}


def test_a_frozen_model_is_left_alone_and_a_pinned_one_loses_its_challenger(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    fail_requests(ws, {1: (300, 0), 2: (200, 100)})
    release.hold(ws, "frozen", why="nobody is here")
    assert guarding.look(ws.as_rule()) == []
    release.hold(ws, "pinned", why="this one stays")
    assert [d.action for d in guarding.look(ws.as_rule())] == ["end_rollout"]
    intent = ws.state.intent(ws.model)
    assert intent is not None
    assert roles(ws) == {1: "champion"}
    assert intent.hold == "pinned"


def test_what_a_person_holds_stays_held_until_release(door: Door) -> None:
    ws = door.ws
    release.hold(ws, "frozen", why="nobody is here")
    release.deploy(ws, 2)
    assert (roles(ws), held(ws)) == ({2: "champion"}, "frozen")
    with pytest.raises(HeldByHuman, match="fairlead release"):
        rolling.start(ws, (3,), Way("canary", 0.05), why="tried")
    release.hold(ws, "", why="back again")
    rolling.start(ws, (3,), Way("canary", 0.05), why="tried")
    release.hold(ws, "pinned", why="this one stays")
    said = python_rolling.deploy(ws, (1,), None)
    assert said["note"] == "the trial of version 3 is over; still pinned: no rule moves it until `fairlead release`"
    assert (roles(ws), held(ws)) == ({1: "champion"}, "pinned")
    release.hold(ws, "frozen", why="nobody is here")
    release.deploy(ws, 2)
    release.roll_back(ws)
    assert (roles(ws), held(ws)) == ({1: "champion"}, "frozen")
    release.deploy(ws, 2)
    assert held(ws) == "frozen"


def held(ws: Workspace) -> str:
    intent = ws.state.intent(ws.model)
    assert intent is not None
    return intent.hold


def test_a_challenger_that_can_no_longer_be_loaded_goes_and_the_champion_is_watched(door: Door) -> None:
    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    door.ask(220)
    collect(ws.home.root)
    manifest = ws.store.path(ws.state.version(ws.model, 2).bundle) / "manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes()[:-20])
    done = Loop(Workspace(ws.project)).once()
    ended = [d for d in done.decisions if d.action == "end_rollout"]
    assert len(ended) == 1
    assert "cannot be loaded any more" in ended[0].why
    assert len(done.windows) >= 2
    assert roles(ws) == {1: "champion"}


def test_counts_survive_a_server_that_starts_anew(door: Door) -> None:
    from fairlead.ops.flow.counting import counted

    ws = door.ws
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried")
    fail_requests(ws, {2: (10, 3)})
    assert counted(ws).of(2).errors == 3
    (ws.home.run / "counters-other-0.bin").unlink()
    fail_requests(ws, {2: (5, 2)})
    both = counted(ws).of(2)
    assert (both.errors, both.requests) == (5, 20)
    assert counted(ws).of(2) == both


def test_a_pilot_answers_its_cohort_alone_and_ends_with_a_report(door: Door) -> None:
    ws = door.ws
    until = time.time() + 3600
    way = Way("pilot", 0.5, "region", ("south", "west"), until, "south first", "Does it work in the south?")
    rolling.start(ws, (2,), way, why="a pilot")
    north, south = door.ask(60, "north"), door.ask(60, "south")
    door.tell([*north, *south], lambda version, n: {"label": "yes" if n % 7 > 3 else "no"})
    answered = door.versions()
    assert {answered[id] for id in north} == {1}
    assert {answered[id] for id in south} == {2}
    # The split is chosen and no mismatch, and nothing is decided before the end.
    assert not [d for d in Loop(ws).once().decisions if d.action in ("promote", "end_rollout")]
    so_far = fairlead.open(ws.project.root).pilot_report()
    assert (so_far["closed"], so_far["rows"], so_far["verdict"]["n"]) == (False, 60, 40)
    later = Workspace(ws.project, clock=lambda: until + 1)
    ended = [d for d in Loop(later).once().decisions if d.action == "end_rollout"]
    assert len(ended) == 1
    assert "the pilot is over" in ended[0].why
    assert roles(ws) == {1: "champion"}
    folder = ws.home.reports / "pilot-south-first"
    report = json.loads((folder / "report.json").read_bytes())
    assert report["closed"]
    assert report["question"] == "Does it work in the south?"
    page = (folder / "report.html").read_text()
    assert "Recommendation" in page
    assert "south, west" in page
    assert "<script" not in page


def test_a_canary_grows_as_harm_is_excluded(door: Door) -> None:
    ws = with_rollout(door.ws, max_loss=0.01)
    rolling.start(ws, (2,), Way("canary", 0.05), why="tried")
    door.tell(door.ask(300), lambda version, n: {"label": "yes" if n % 7 > 3 else "no"})
    assert not [d for d in Loop(ws).once().decisions if d.action == "weigh"]
    # Losses would allow it: that a handful of its requests were answered well says too little about the others.
    fail_requests(ws, {1: (9000, 0), 2: (600, 0)})
    done = Loop(ws).once().decisions
    grown = [d for d in done if d.action == "weigh"]
    assert grown, [(d.action, d.why) for d in done]
    assert "is excluded" in grown[0].why
    assert shares(ws)[2] > 0.05
    intent = ws.state.intent(ws.model)
    assert intent is not None
    assert intent.rollout is not None
    assert stages_of(intent.rollout)[0].weights["2"] == 0.05


def test_two_challengers_grow_together_each_by_its_part(door: Door) -> None:
    ws = with_rollout(door.ws, max_loss=0.01)
    rolling.start(ws, (2, 3), Way("canary", 0.1), why="tried")
    assert shares(ws) == pytest.approx({1: 0.9, 2: 0.05, 3: 0.05})
    door.tell(door.ask(300), lambda version, n: {"label": "yes" if n % 7 > 3 else "no"})
    fail_requests(ws, {1: (9000, 0), 2: (900, 0), 3: (900, 0)})
    grown = [d for d in Loop(ws).once().decisions if d.action == "weigh"]
    assert len(grown) == 1
    assert "together" in grown[0].why
    now = shares(ws)
    assert now[2] == now[3] > 0.05
    assert sum(now.values()) == pytest.approx(1.0)


def test_a_trial_that_a_rule_began_says_how_long_it_takes_at_the_traffic_of_now(door: Door) -> None:
    ws = with_rollout(door.ws, max_loss=0.001, max_days=3.0)
    began = ws.clock()
    door.tell(door.ask(200), lambda version, n: {"label": "yes" if n % 7 > 3 else "no"})
    assert Loop(ws).once().windows
    # 200 rows came in a moment, and for fifteen hours no others: twenty an hour fit that at most.
    ws.clock = lambda: began + 15 * 3600.0
    release.deploy(ws.as_rule(), 2, mode="canary", share=0.05)
    waits = status_of(ws)["models"][0]["waits_for"]
    assert "labelled rows, at 480 a day" in waits
    assert "longer than the 3 days of rollout.max_days" in waits
    ws.clock = lambda: began + 150 * 3600.0
    assert "labelled rows, at 48 a day" in status_of(ws)["models"][0]["waits_for"]

    ws.clock = time.time
    rolling.start(ws, (2,), Way("canary", 0.05), why="tried")
    door.tell(door.ask(110), lambda version, n: {"label": "yes" if n % 7 > 3 else "no"})
    Loop(ws).once()
    told = last_told(ws)
    assert told is not None
    assert "not decided after" in told.why
    assert re.search(r"about \d+ more rows are needed, at [\d,]+ a day \d+ (hours?|days)$", told.why), told.why
    assert told.why in status_of(ws)["models"][0]["waits_for"]


def test_a_planned_comparison_of_values_waits_for_its_look(door: Door) -> None:
    ws = with_rollout(door.ws, objective="value", design="fixed", looks=2, max_loss=0.05)
    with pytest.raises(UsageError, match="needs a share that stays"):
        rolling.start(ws, (2,), Way("canary", 0.5), why="tried")
    assert shares(ws) == {1: 1.0}
    rolling.start(ws, (2,), Way("ab", 0.5), why="tried", plan={"rows": 1000})
    rng = np.random.default_rng(3)

    def earned(version: int, _: int) -> dict[str, Any]:
        return {"value": float(rng.normal(5.0 if version == 1 else 1.0))}

    door.tell(door.ask(450), earned)
    waits = [d for d in Loop(ws).once().decisions if d.action not in ("hold", "alert")]
    assert not waits
    door.tell(door.ask(100), earned)
    ended = [d for d in Loop(ws).once().decisions if d.action == "end_rollout"]
    assert len(ended) == 1
    assert "at look 1 of 2" in ended[0].why


def test_what_decides_is_said_where_it_is_not_what_is_set(made: Workspace, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "project"
    shutil.copytree(made.project.root, folder)
    config = folder / "fairlead.toml"
    config.write_text(config.read_text() + '[rollout]\nobjective = "value"\ndesign = "fixed"\n')
    project = fairlead.open(folder)
    told = project.deploy(2, shadow=True, plan=True)
    assert "judged by loss on labels" in told["note"]
    assert told["plan"]["paired"]
    with pytest.raises(UsageError, match="use --ab SHARE"):
        project.deploy(2, canary=0.05, plan=True)
    assert project.deploy(2, ab=0.5, plan=True)["note"] == ""
    until = {"pilot": "p", "until": "2099-01-01", "plan": True}
    assert "training saw no" not in project.deploy(2, cohort="region = 'north'", **until)["note"]
    assert "training saw no region 'norht'" in project.deploy(2, cohort="region in ('north', 'norht')", **until)["note"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"canary": 0.1, "shadow": True}, "choose one of"),
        ({"cohort": "region = 'north'"}, "belongs to a pilot"),
        ({"pilot": "p", "cohort": "region = 'north'"}, "--until"),
        ({"pilot": "p", "until": "2099-01-01"}, "--cohort"),
        ({"pilot": "p", "cohort": "region = 'north'", "until": "2001-01-01"}, "over already"),
        ({"pilot": "p", "cohort": "region = 'north'", "until": "soon"}, "no date"),
        ({"pilot": "p", "cohort": "street = 'a'", "until": "2099-01-01"}, "carry no column"),
        ({"pilot": "p", "cohort": "visits > 3", "until": "2099-01-01"}, "one column and its values"),
        ({"version": (2, 3)}, "tried beside the champion"),
        ({"version": (2, 2), "ab": 0.5}, "two of those named are the same"),
        ({"version": 1, "ab": 0.5}, "champion already"),
        ({"version": (2, 3), "pilot": "p", "cohort": "region = 'north'", "until": "2099-01-01"}, "tries one version"),
        ({"plan": True}, "how long a trial takes"),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(made: Workspace, asked: dict[str, Any], said: str) -> None:
    rest = {name: value for name, value in asked.items() if name != "version"}
    with pytest.raises(UsageError, match=said):
        fairlead.open(made.project.root).deploy(asked.get("version", 2), **rest)


def test_the_default_settings_guard_errors_and_latency() -> None:
    assert RolloutSettings().guardrails == {"errors": 0.01, "latency": 1.5}


@pytest.mark.parametrize(
    ("rollout", "said"),
    [
        ({"steps": (0.5, 0.2)}, "must grow"),
        ({"min_days": 40.0}, "more than rollout.max_days"),
        ({"value_range": (0.0, 1.0)}, 'for objective = "value"'),
        ({"objective": "value", "value_range": (1.0, 0.0)}, "no range"),
        ({"objective": "value", "design": "fixed", "value_range": (0.0, 1.0)}, "may always look"),
        ({"guardrails": {"latency": 0.5}}, "to be faster"),
        ({"guardrails": {"errors": 3.0}}, "below 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(made: Workspace, rollout: dict[str, Any], said: str) -> None:
    from fairlead.contract.errors import ConfigInvalid
    from fairlead.ops.project import check_combinations

    settings = msgspec.structs.replace(made.settings, rollout=RolloutSettings(**rollout))
    with pytest.raises(ConfigInvalid, match=said):
        check_combinations(settings)
