"""What a model reached, before labels and with them: real bundle, records, labels and passes of the watcher."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.flow.served import BEGAN, Served, rows_of, trained

import fairlead
from fairlead.ops.flow.live_performance import performance_of
from fairlead.ops.flow.performing import reached
from fairlead.runtime.capture import collect


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("served"))


@pytest.fixture
def served(home: Path, tmp_path: Path) -> Served:
    shutil.copytree(home, tmp_path / "p")
    return Served(fairlead.open(tmp_path / "p").workspace)


def test_a_window_is_told_before_its_labels_with_them_and_again_when_more_come(served: Served) -> None:
    rng = np.random.default_rng(1)
    told = served.ask(rows_of(rng, 200))
    served.ask(rows_of(rng, 10))
    served.watch()
    one = reached(served.ws, 0)
    assert one is not None
    assert one.how == ""
    assert {"accuracy", "roc_auc", "loss"} <= set(one.estimated)
    early = one.estimated["accuracy"]
    # All but thirty labels, in another order than the rows came; later all of them.
    served.tell([told[i] for i in rng.permutation(200)[:170]])
    served.ask(rows_of(rng, 700))
    served.watch()
    one = reached(served.ws, 0)
    assert one is not None
    assert (one.how, one.labelled, one.estimated["accuracy"]) == ("as labelled", 170, early)
    assert early.low <= one.realised["accuracy"].value <= early.high
    served.tell(told)
    served.ask(rows_of(rng, 210))
    served.watch()
    one = reached(served.ws, 0)
    assert one is not None
    assert [r.labelled for r in one.revised] == [200]
    assert one.labelled == 170
    answer = performance_of(served.ws)
    assert answer["windows"][0]["late_labels"] == 30
    assert answer["record"]["accuracy"]["windows"] >= 1
    version = answer["versions"][0]
    assert (version["version"], version["shadow"]) == (1, False)
    assert {"accuracy", "roc_auc"} <= set(version["offline"]) & set(version["live"])


def test_estimates_of_rows_unlike_those_held_out_are_said_to_be_unsure(served: Served) -> None:
    rng = np.random.default_rng(9)
    served.ask(rows_of(rng, 200))
    served.ask(rows_of(rng, 210, shift=9.0))
    served.watch()
    first, second = performance_of(served.ws)["windows"]
    # All of them are answered alike, and with certainty: taken at its word, the model had never been as good.
    assert second["estimated"]["accuracy"]["value"] > first["estimated"]["accuracy"]["value"]
    assert (first["unsure"], second["unsure"]) == (False, True)
    page = fairlead.open(served.ws.home.root.parent).report(window=1)["report"]
    assert "not to be relied on" in Path(page).read_text()


def test_labels_of_another_definition_are_told_and_never_mixed_in(served: Served) -> None:
    rng = np.random.default_rng(2)
    told = served.ask(rows_of(rng, 200))
    # Every truth under the old meaning, and for half of the rows under a new one, which says the opposite.
    served.tell(told)
    served.tell([(i, r, "no" if y == "yes" else "yes") for i, r, y in told[:100]], definition="v2")
    served.ask(rows_of(rng, 700))
    done = served.watch()
    window = next(w for w in done.windows if w.index == 0 and w.state == "scored")
    assert window.labelled == 200
    assert window.metrics["accuracy"] > 0.65
    other = served.ask(rows_of(rng, 200))
    served.tell(other, definition="v2")
    served.ask(rows_of(rng, 900))
    done = served.watch()
    found = [f for f in done.findings if f.area == "definition"]
    assert len(found) == 1
    assert 'model.definition = "v2"' in found[0].message
    assert found[0].size == 1.0


def test_labels_of_what_turned_out_one_way_alone_give_bounds_and_break_no_promise(served: Served) -> None:
    rng = np.random.default_rng(3)
    for _ in range(3):
        told = served.ask(rows_of(rng, 200))
        served.tell([t for t in told if t[2] == "yes"])
    served.ask(rows_of(rng, 700))
    done = served.watch()
    one = reached(served.ws, 0)
    assert one is not None
    assert one.how == "bounds"
    assert "depends on the truth itself" in one.why
    assert one.realised["loss"].high - one.realised["loss"].low > 0.1
    inside = one.stated["loss"]
    assert one.realised["loss"].low <= inside.low <= inside.high <= one.realised["loss"].high
    assert {f.area for f in done.findings if f.severity != "info"} <= {"labels"}
    assert any(f.area == "labels" and f.severity == "warning" for f in done.findings)


def test_a_change_of_meaning_is_told_apart_from_a_change_of_inputs(served: Served) -> None:
    rng = np.random.default_rng(4)
    found = []
    for window in range(14):
        served.tell(served.ask(rows_of(rng, 200, shift=0.6 if window < 7 else 0.0, turned=0.0 if window < 7 else 0.3)))
        found += served.watch().findings
    ours = [f for f in found if f.area == "concept_drift" and f.check.startswith("concept:")]
    assert ours
    assert min(f.window for f in ours) >= 7
    assert any("the inputs do not explain it" in f.message or "has changed" in f.message for f in ours)


def test_a_switch_of_definition_learns_from_its_labels_alone_and_starts_a_reference_of_its_own(served: Served) -> None:
    from fairlead.contract.errors import UsageError
    from fairlead.ops.flow import release
    from fairlead.ops.flow.history import history
    from fairlead.ops.flow.retrain import retrain
    from fairlead.ops.flow.tracker import read_tracker

    rng = np.random.default_rng(6)
    served.tell(served.ask(rows_of(rng, 400)))
    opposite = {"yes": "no", "no": "yes"}
    for _ in range(8):
        told = served.ask(rows_of(rng, 200))
        served.tell([(i, r, opposite[y]) for i, r, y in told], definition="v2")
    served.watch()
    before = read_tracker(served.ws).promise
    old = served.ws.load(served.ws.state.version("yes", 1).bundle)
    assert len(history(served.ws, old.signature).frame) == 4000 + 400
    root = served.ws.project.root
    config = (root / "fairlead.toml").read_text()
    (root / "fairlead.toml").write_text(config.replace('target = "y"', 'target = "y"\ndefinition = "v2"'))
    ws = fairlead.open(root).workspace
    past = history(ws, old.signature)
    # Neither the table that was learned from as v1 nor labels of v1 are among them.
    assert (len(past.frame), past.recorded) == (1600, 1600)
    done = retrain(ws, why="it means something else now")
    assert done.version == 2
    model = ws.load(done.bundle)
    assert model.signature.definition == "v2"
    release.deploy(ws, 2)
    served.ws = ws
    served.tell(served.ask(rows_of(rng, 210), bundle=done.bundle))
    served.watch()
    tracker = read_tracker(ws)
    assert tracker.promise is not None
    assert tracker.promise.held_out != before.held_out
    assert msgspec.json.decode(ws.state.get(ws.state.names("promise-before:yes:v1:")[0]))["threshold"]
    # With neither a table nor labels of a definition there is nothing to learn.
    (root / "fairlead.toml").write_text(config.replace('target = "y"', 'target = "y"\ndefinition = "v3"'))
    with pytest.raises(UsageError, match="no label says 'v3'"):
        history(fairlead.open(root).workspace, old.signature)


def test_every_version_that_was_asked_has_its_figures_shadows_too(served: Served) -> None:
    rng = np.random.default_rng(7)
    told = served.ask(rows_of(rng, 200), shadow="f" * 64)
    served.tell(told)
    served.ask(rows_of(rng, 900))
    served.watch()
    other, figures = performance_of(served.ws)["versions"]
    # The shadow said the opposite: it has the other rows right, and no report.
    assert (other["bundle"], other["shadow"], other["offline"], other["rows"]) == ("f" * 64, True, {}, 200)
    assert abs(other["live"]["accuracy"]["value"] + figures["live"]["accuracy"]["value"] - 1.0) < 0.02
    assert figures["shadow"] is False
    assert figures["offline"]["accuracy"]["low"] < figures["offline"]["accuracy"]["value"]
    assert figures["live"]["accuracy"]["low"] <= figures["live"]["accuracy"]["value"]


def test_a_trial_judges_both_by_the_labels_of_the_challengers_definition(served: Served) -> None:
    from fairlead.ops.flow.trial import losses_between

    rng = np.random.default_rng(8)
    told = served.ask(rows_of(rng, 200))
    served.tell(told)
    opposite = {"yes": "no", "no": "yes"}
    served.tell([(i, r, opposite[y]) for i, r, y in told[:120]], definition="v2")
    served.spool.turn()
    collect(served.ws.home.root)
    ws = served.ws
    champion = ws.state.version(ws.model, 1).bundle
    plain = losses_between(ws, champion, champion, BEGAN, served.now + 1)
    assert plain is not None
    assert len(plain.old) == 200
    newer = ws.load(champion)
    newer.signature = msgspec.structs.replace(newer.signature, definition="v2")
    judged = losses_between(ws, champion, champion, BEGAN, served.now + 2)
    assert judged is not None
    assert len(judged.old) == 120
    assert judged.old.mean() > plain.old.mean()


def test_labels_that_stop_are_a_finding_although_there_is_none_to_judge(served: Served) -> None:
    rng = np.random.default_rng(6)
    found = []
    for window in range(12):
        told = served.ask(rows_of(rng, 200))
        if window < 6:
            served.tell(told)
        found += served.watch().findings
    late = [f for f in found if f.check == "labels_late"]
    assert len(late) == 1, "one trouble, however many windows it lasts"
    assert (late[0].window, late[0].area, late[0].severity) == (6, "labels", "warning")
    assert "no label came" in late[0].message
    assert [f.check for f in served.ws.state.findings(served.ws.model) if f.area == "labels"] == ["labels_late"]
