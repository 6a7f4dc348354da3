"""Estimates beside NannyML's on the same windows, where its environment is there (see benchmarks/environments.py)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.environments import PEERS, cache
from benchmarks.worlds import CLASSES, NUMBERS, World, drawn, realised, reference_of

from fairlead.ops.monitor.estimates import estimates

ROWS, HELD = 500, 12
SHIFTS = (0.0, 0.5, 1.0) * 5


def frame_of(world: World) -> pd.DataFrame:
    frame = pd.DataFrame({**world.columns})
    if world.scores.shape[1] == 2:
        return frame.assign(
            p=world.scores[:, 1], said=(world.scores[:, 1] > 0.5).astype(int), y=(world.truth == "yes").astype(int)
        )
    return frame.assign(said=world.scores[:, 0], y=world.truth.astype(float))


@pytest.mark.long
def test_estimates_are_as_near_to_the_truth_as_nannymls(tmp_path: Path) -> None:
    python = cache() / "nannyml" / "bin" / "python"
    if not python.exists():
        pytest.skip("no environment of NannyML: benchmarks/environments.py makes it")
    errors: dict[tuple[str, float], list[tuple[float, float]]] = {}
    rng = np.random.default_rng(23)
    ours: dict[str, list[dict[str, float]]] = {}
    true: dict[str, list[dict[str, float]]] = {}
    for name, signature in (("classes", CLASSES), ("numbers", NUMBERS)):
        held = drawn(signature, rng, HELD * ROWS)
        reference = reference_of(signature, held, HELD)
        worlds = [drawn(signature, rng, ROWS, shift=shift) for shift in SHIFTS]
        frame_of(held).to_parquet(tmp_path / f"{name}_reference.parquet")
        pd.concat([frame_of(w) for w in worlds]).to_parquet(tmp_path / f"{name}_analysis.parquet")
        found = [estimates(reference, signature, w.columns, w.scores) for w in worlds]
        ours[name] = [{n: e.interval.value for n, e in one.items()} for one in found]
        true[name] = [realised(signature, w, reference.loss_clip) for w in worlds]
    script = PEERS / "nannyml_estimates.py"
    done = subprocess.run(
        [python, script, tmp_path, str(ROWS)], capture_output=True, text=True, check=True, timeout=500
    )
    theirs = json.loads(done.stdout.strip().splitlines()[-1])
    for name, kind, metrics in (
        ("classes", "cbpe", ("roc_auc", "accuracy", "f1")),
        ("numbers", "dle", ("mae", "rmse")),
    ):
        for metric in metrics:
            told = theirs[kind][metric][-len(SHIFTS) :]
            for place, shift in enumerate(SHIFTS):
                truth = true[name][place][metric]
                errors.setdefault((metric, shift), []).append(
                    (abs(ours[name][place][metric] - truth), abs(told[place] - truth))
                )
    table = {key: tuple(float(np.mean([p[i] for p in pairs])) for i in (0, 1)) for key, pairs in errors.items()}
    print(json.dumps({f"{m} shifted {s}": v for (m, s), v in table.items()}, indent=1))
    for (metric, shift), (mine, other) in table.items():
        if shift == 0.0:
            assert mine <= 1.5 * other + 0.005, (metric, shift, mine, other)
