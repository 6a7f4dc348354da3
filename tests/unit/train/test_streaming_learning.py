"""Learning label by label: sealed as it is, kept whole, and back on its feet after a change of concept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlead.contract.errors import ConfigInvalid, InputInvalid, UsageError
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.lab.stats.loss import losses
from fairlead.lab.train import fit, material_of
from fairlead.lab.train.fitting import scores_of
from fairlead.lab.train.streaming.learning import Learning
from fairlead.ops.rehearse.synthetic import agrawal
from fairlead.runtime.bundle import SigningKey, load

pytest.importorskip("river", reason="river is not installed: pip install 'fairlead[drift]'")
MODEL = ModelSettings(name="loans", task="classification", target="approved", positive="1", time=("at",))  # type: ignore[arg-type]
SETTINGS = Settings(model=MODEL)
WINDOW, FIRST, CHANGE, ROWS = 500, 4_000, 7_000, 16_000


def stream(rows: int = ROWS, functions: tuple[int, ...] = (2, 5)) -> Any:
    return agrawal(rows, functions, change_at=CHANGE, seed=1)


def fixed_losses(pipeline: Any, rows: Any, signature: Any) -> np.ndarray:
    material = material_of(rows, SETTINGS, signature)
    return losses("classification", material.truth, scores_of(pipeline, material.frame, signature), signature, 0.0)


def windows(values: list[float]) -> int:
    """Windows after the change until the loss is back within half of what the change cost, for good; -1: never."""
    at = (CHANGE - FIRST) // WINDOW
    before = float(np.mean(values[at - 4 : at]))
    half = before + 0.5 * (max(values[at : at + 2]) - before)
    late = [number for number, value in enumerate(values[at:]) if value > half]
    return late[-1] + 1 if late and late[-1] + 1 < len(values) - at else 0 if not late else -1


@pytest.mark.long
@pytest.mark.verified(
    "engines",
    "Streaming learners",
    how="run",
    by="river: Agrawal's generator with a change of concept, beside static and retrained",
)
def test_after_a_change_of_concept_it_recovers_where_a_static_model_does_not() -> None:
    table = stream()
    tree = Learning.begin(table[:FIRST], SETTINGS, "online_tree")
    line = Learning.begin(table[:FIRST], SETTINGS, "online_linear")
    static = scheduled = fit(material_of(table[:FIRST], SETTINGS), "hist_gradient_boosting", {"max_iter": 60}, 0)
    signature = tree.material.signature
    told: dict[str, list[float]] = {"tree": [], "line": [], "static": [], "scheduled": []}
    for number, at in enumerate(range(FIRST, ROWS, WINDOW)):
        rows = table[at : at + WINDOW]
        told["static"].append(float(fixed_losses(static, rows, signature).mean()))
        told["scheduled"].append(float(fixed_losses(scheduled, rows, signature).mean()))
        told["tree"].append(tree.learn(rows).loss)
        told["line"].append(line.learn(rows).loss)
        if number % 6 == 5:
            # Every sixth window, from the newest 4,000 rows.
            newest = material_of(table[at + WINDOW - FIRST : at + WINDOW], SETTINGS, signature)
            scheduled = fit(newest, "hist_gradient_boosting", {"max_iter": 60}, 0)
    change = (CHANGE - FIRST) // WINDOW
    for name, values in told.items():
        print(
            f"{name}: before {np.mean(values[change - 4 : change]):.3f}, first window {values[change]:.3f}, "
            f"last four {np.mean(values[-4:]):.3f}, windows until half of the loss is back {windows(values)}"
        )
    assert np.mean(told["static"][-4:]) > 2 * np.mean(told["tree"][-4:])
    assert 0 < windows(told["tree"]) <= 10
    assert windows(told["static"]) == -1


def test_what_was_learned_is_sealed_and_answers_alike(tmp_path: Path) -> None:
    table = stream(2_400)
    key = SigningKey.create(tmp_path / "key")
    for learner in ("online_tree", "online_linear"):
        model = Learning.begin(table[:1_000], SETTINGS, learner)
        first = model.seal(tmp_path / f"{learner}-1", key)
        model.learn(table[1_000:2_000], "2000")
        second = model.seal(tmp_path / f"{learner}-2", key)
        assert first != second
        rows = material_of(table[2_000:], SETTINGS, model.material.signature)
        sealed = load(tmp_path / f"{learner}-2", [key.public])
        expected = scores_of(model.pipeline, rows.frame, rows.signature)
        assert np.abs(sealed.score_columns(rows.columns) - expected).max() <= 1e-9
        assert sealed.manifest.lineage.rows == 2_000


def test_a_stream_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    table, key = stream(2_000), SigningKey.create(tmp_path / "key")
    whole = Learning.begin(table[:1_000], SETTINGS)
    whole.learn(table[1_000:1_500], "1500")
    whole.save(tmp_path / "state", key)
    whole.learn(table[1_500:], "2000")
    again = Learning.load(tmp_path / "state", [key.public])
    assert (again.cursor, again.rows) == ("1500", 1_500)
    again.learn(table[int(again.cursor) :], "2000")
    assert again.seal(tmp_path / "b", key) == whole.seal(tmp_path / "a", key)


def test_a_state_that_others_wrote_is_not_opened(tmp_path: Path) -> None:
    key, other = SigningKey.create(tmp_path / "key"), SigningKey.create(tmp_path / "other")
    model = Learning.begin(stream(600), SETTINGS, "online_linear")
    model.save(tmp_path / "state", key)
    with pytest.raises(UsageError, match="not trusted here"):
        Learning.load(tmp_path / "state", [other.public])
    held = bytearray((tmp_path / "state").read_bytes())
    held[-20] ^= 1
    (tmp_path / "state").write_bytes(held)
    with pytest.raises(UsageError, match="the seal does not match"):
        Learning.load(tmp_path / "state", [key.public])


def test_what_cannot_be_learned_label_by_label_is_refused_in_words() -> None:
    with pytest.raises(ConfigInvalid, match=r"random_forest does not learn label by label\. .*online_tree"):
        Learning.begin(stream(600), SETTINGS, "random_forest")
    model = Learning.begin(stream(600), SETTINGS, "online_linear")
    rows = stream(650)[600:].assign(approved="maybe")
    with pytest.raises(InputInvalid):
        model.learn(rows)
