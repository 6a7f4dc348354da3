"""A model of images watched, tried and retired by its records: real bundle, spool, collector and files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fairlead
from fairlead.contract import records as names
from fairlead.contract.errors import UsageError
from fairlead.ops.flow import Workspace, release
from fairlead.ops.flow.tracker import read_tracker
from fairlead.ops.flow.trial import Losses, losses_between, trial_of, verdict_on
from fairlead.ops.flow.view import read_view
from fairlead.runtime.capture import Records, Spool, Tally, collect, reconcile
from fairlead.runtime.capture.redaction import redact_cell
from fairlead.runtime.wire import frames

CONFIG = """
[model]
name = "shade"
task = "classification"
target = "shade"
positive = "bright"
id = "camera"
[gate]
beats = false
[monitor]
window = "100rows"
label_delay = "0s"
[capture]
redact = []
tensors = {tensors}
"""
RNG = np.random.default_rng(0)


def images(rows: int, brighter: int = 0) -> np.ndarray:
    """Dim images of 6 by 6, half of them with a bright upper half."""
    found = RNG.integers(20, 90, (rows, 6, 6)) + brighter
    found[: rows // 2, :3] += 60
    return found[RNG.permutation(rows)].astype(np.uint8)


def truth(found: np.ndarray) -> np.ndarray:
    """What a person would say."""
    return np.where(found[:, :3].mean(axis=(1, 2)) > found[:, 3:].mean(axis=(1, 2)) + 20, "bright", "dim")


def table(found: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"image": list(found), "shade": truth(found)})


def sealed(folder: Path, seed: int, rows: int) -> None:
    """A version more, judged and registered."""
    from sklearn.linear_model import LogisticRegression

    found = images(rows)
    fitted = LogisticRegression(C=10.0**-seed, max_iter=2000).fit(found.reshape(rows, -1) / 1.0, truth(found))
    project = fairlead.open(folder)
    bundle = project.bundle(fitted, sample=table(found))
    project.evaluate(bundle["bundle"], data=table(images(400)))
    project.register(bundle["bundle"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two versions, none deployed."""
    folder = tmp_path_factory.mktemp("shade")
    (folder / "fairlead.toml").write_text(CONFIG.format(tensors="true"))
    # Eight windows of the reference are what drift is calibrated on.
    sealed(folder, 2, 4500)
    sealed(folder, 4, 600)
    return folder


@pytest.fixture
def ws(home: Path, tmp_path: Path) -> Workspace:
    """The project anew, its first version deployed."""
    import shutil

    shutil.copytree(home, tmp_path / "p")
    found = fairlead.open(tmp_path / "p").workspace
    release.deploy(found, 1)
    return found


class Traffic:
    """Answers of deployed bundles, recorded as the data plane does, a second a request."""

    def __init__(self, ws: Workspace, hidden: bool = False) -> None:
        self.ws, self.hidden, self.number = ws, hidden, 0
        self.began = time.time() - 100_000.0
        self.spool = Spool(ws.home.root / "spool", "i", "0", 1 << 30)

    def ask(self, bundle: str, found: np.ndarray, labelled: bool = True) -> None:
        """One request a row."""
        model = self.ws.load(bundle)
        scores = model.score_columns({"image": found.reshape(len(found), -1)})
        schema = frames.Schema("shade", bundle, 1, model.signature, ["image"] if self.hidden else [], ["camera"])
        for image, row, label, told in zip(found, scores, model.decide(scores), truth(found), strict=True):
            self.number += 1
            at, id = self.began + self.number, f"r{self.number}"
            cell = redact_cell(image.tobytes(), b"key") if self.hidden else image.tobytes()
            one = frames.Prediction(at, 0.001, id, None, "shade", bundle, "champion", "v2", [[cell]],
                                    [[f"c{self.number % 3}"]], None, [label], [row.tolist()])  # fmt: skip
            given = frames.Given(id, 0, None, None, str(told), None, None, "v1")
            said = [frames.encode(one)]
            if labelled:
                said.append(frames.encode(frames.Label(at, "shade", None, [given])))
            assert self.spool.append(said, [schema], Tally(1, 1, labels=int(labelled)))
        collect(self.ws.home.root)


def bundles(ws: Workspace) -> list[str]:
    return [ws.state.version(ws.model, number).bundle for number in (1, 2)]


def watched(ws: Workspace) -> Iterator[Any]:
    """Findings of a pass of the watcher."""
    from fairlead.ops.flow import Loop

    done = Loop(ws).once()
    yield from done.findings


def test_windows_close_and_are_scored_and_a_change_of_light_is_found(ws: Workspace) -> None:
    traffic = Traffic(ws)
    champion = bundles(ws)[0]
    traffic.ask(champion, images(320))
    assert not [finding for finding in watched(ws) if finding.area in ("data_drift", "quality")]
    closed = ws.state.windows(ws.model)
    assert [window.state for window in closed[:2]] == ["scored", "scored"]
    assert closed[0].metrics["accuracy"] > 0.9
    traffic.ask(champion, images(320, brighter=70))
    found = list(watched(ws))
    assert ("image (mean)",) in {finding.columns for finding in found if finding.check == "drift"}
    # A score that is watched as of any model.
    assert ws.state.window_profile(ws.model, 0) is not None
    assert reconcile(ws.home.root).ok


def test_scores_of_another_model_are_computed_from_the_tensors_on_record(ws: Workspace) -> None:
    first, second = bundles(ws)
    traffic, found = Traffic(ws), images(60)
    traffic.ask(first, found[:40])
    traffic.ask(second, found[40:])
    view = read_view(Records(ws.home.root, ws.model), None, None, ws.load(first).signature)
    assert not any(name == "in.image" for name in view.table.schema.names)
    for bundle in (first, second):
        model = ws.load(bundle)
        assert np.allclose(view.scores(model), model.score_columns({"image": found.reshape(60, -1)}), atol=1e-12)
    start, end = traffic.began, traffic.began + 1000
    found_losses = losses_between(ws, first, second, start, end)
    assert found_losses is not None
    assert np.isfinite(found_losses).all()
    assert found_losses.tried.tolist() == [False] * 40 + [True] * 20


def test_of_hidden_tensors_scores_and_labels_are_watched_and_nothing_breaks(ws: Workspace) -> None:
    first, second = bundles(ws)
    traffic = Traffic(ws, hidden=True)
    traffic.ask(first, images(260))
    traffic.ask(second, images(60))
    findings = list(watched(ws))
    assert not [finding for finding in findings if finding.area in ("data_drift", "quality")]
    windows = ws.state.windows(ws.model)
    assert windows[0].metrics["accuracy"] > 0.9
    assert windows[2].state == "scored"
    view = read_view(Records(ws.home.root, ws.model), None, None, ws.load(first).signature)
    assert view.columns == {}
    told = np.isfinite(view.scores(ws.load(first))).all(axis=1)
    assert told.tolist() == [True] * 260 + [False] * 60
    # No row has the answers of both, so rows of either are compared.
    evidence = losses_between(ws, first, second, traffic.began, traffic.began + 1000)
    assert evidence is not None
    assert (np.isfinite(evidence.old) == ~evidence.tried).all()
    assert (np.isfinite(evidence.new) == evidence.tried).all()
    verdict, floor = verdict_on(evidence, 0.5, (0.8, 0.2))
    assert verdict is not None
    assert (verdict.n, floor) == (60, True)


def test_rows_of_either_variant_decide_where_none_has_both() -> None:
    rng = np.random.default_rng(1)
    rows = 4000
    tried = rng.random(rows) < 0.2
    good, bad = rng.uniform(0.0, 0.2, rows), rng.uniform(0.3, 0.6, rows)
    constant = np.full(rows, 0.4)

    def told(old: np.ndarray, new: np.ndarray) -> Losses:
        return Losses(np.where(tried, np.nan, old), np.where(tried, new, np.nan), constant, tried)

    for old, new, outcome, floor in ((good, bad, "fail", False), (bad, good, "pass", True)):
        verdict, beats = verdict_on(told(old, new), 0.05, (0.8, 0.2))
        assert verdict is not None
        assert (verdict.outcome, beats) == (outcome, floor)
        assert verdict.n <= tried.sum()
    assert verdict_on(None, 0.05, (0.8, 0.2)) == (None, None)
    nothing = told(good, good)._replace(new=np.full(rows, np.nan))
    assert verdict_on(nothing, 0.05, (1.0, 0.0)) == (None, None)
    # With the answers of both on every row, those are compared.
    paired, _ = verdict_on(Losses(good, bad, constant, tried), 0.05, (0.8, 0.2))
    assert paired is not None
    assert paired.n == rows


def test_tensors_hidden_for_a_while_are_left_out_of_that_window(ws: Workspace) -> None:
    first = bundles(ws)[0]
    traffic = Traffic(ws)
    traffic.ask(first, images(150))
    traffic.hidden = True
    traffic.ask(first, images(80))
    assert not [finding for finding in watched(ws) if finding.area in ("data_drift", "quality")]
    assert len(ws.state.windows(ws.model)) == 2


@pytest.mark.parametrize("hidden", [False, True])
def test_a_canary_is_judged_and_retraining_says_what_it_cannot(ws: Workspace, hidden: bool) -> None:
    first, second = bundles(ws)
    traffic = Traffic(ws, hidden)
    traffic.ask(first, images(120))
    list(watched(ws))
    release.deploy(ws, 2, mode="canary", share=0.5, why="tried", event_time=traffic.began + 60)
    for _ in range(3):
        traffic.ask(first, images(60))
        traffic.ask(second, images(60))
    list(watched(ws))
    intent = ws.state.intent(ws.model)
    assert intent is not None
    trial = trial_of(ws, intent, read_tracker(ws))
    assert trial is not None
    assert trial.verdict is not None
    assert trial.verdict.n > 50
    assert trial.floor_holds
    with pytest.raises(UsageError, match=r"tensors \(image\).*fairlead bundle"):
        fairlead.open(ws.project.root).retrain()


def test_pictures_need_never_touch_the_disk(ws: Workspace) -> None:
    config = ws.project.root / "fairlead.toml"
    config.write_text(CONFIG.format(tensors="false").replace("redact = []", 'redact = ["camera"]'))
    again = fairlead.open(ws.project.root).workspace
    release.deploy(again, 1, why="hidden from now on")
    from fairlead.runtime.serve import read

    (route,) = read(again.home.routes).routes
    assert route.redact == ("camera", "image")


def test_a_camera_is_forgotten_and_a_tensor_is_no_way_to_name_one(ws: Workspace) -> None:
    first = bundles(ws)[0]
    traffic = Traffic(ws)
    traffic.ask(first, images(30))
    traffic.spool.close()
    project = fairlead.open(ws.project.root)
    (ws.home.run).mkdir(exist_ok=True)
    (ws.home.run / "instance-i.lock").touch()
    done = project.forget("c1")
    assert (done["done"], done["records"], done["labels"]) == (True, 10, 10)
    table = Records(ws.home.root, ws.model).between(None, None)
    assert table.num_rows == 20
    assert names.FEATURE_IN + "image" in table.schema.names
    with pytest.raises(UsageError, match="'image' holds tensors"):
        project.forget("x", column="image")
    assert reconcile(ws.home.root).ok
