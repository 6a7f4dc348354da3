"""What watching is worth, replayed: `rehearsal-bike` and `rehearsal-agrawal` as JSON, one line each.

    python benchmarks/rehearsal.py [rehearsal-bike] [rehearsal-agrawal] [--data ../shared/data]

Targets: bike, at least 80 % of the gap between never and always retraining with at most 15 % of the retrainings, at
most 5 points of it lost to the gate, at least 80 % of broken challengers blocked while the champion is healthy;
Agrawal, within 2 points of a model trained on the last 4 windows. Rows per CPU second count fits. Settings were chosen
on these data, so take the gains as what is possible, not as what to expect.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairlead.contract.settings import ModelSettings, MonitorSettings, Settings
from fairlead.ops.rehearse import Rehearsal, agrawal, rehearse
from fairlead.ops.rehearse.models import Meter
from fairlead.ops.rehearse.replay import Policy, Replay
from fairlead.ops.rehearse.stage import Stage, one_thread, performance_policy

SEEDS = 5


def bike_settings() -> Settings:
    """Weekly windows; counts are known at once."""
    model = ModelSettings(
        name="bike", task="regression", target="cnt", time=("dteday", "hr"),
        exclude=("casual", "registered", "instant"),
    )  # fmt: skip
    return Settings(model=model, monitor=MonitorSettings(window="7d", label_delay="0s"))


def credit_settings() -> Settings:
    """The Agrawal table; a window is a week of 500 applications, decided at once."""
    model = ModelSettings(name="credit", task="classification", target="approved", positive="1", time="at")
    return Settings(model=model, monitor=MonitorSettings(window="7d", label_delay="0s"))


def told(rehearsal: Rehearsal) -> dict[str, Any]:
    """The numbers of all policies."""
    found = {}
    for p in rehearsal.policies:
        found[p.name] = {
            "error": [round(v, 4) for v in (p.quality.value, p.quality.low, p.quality.high)],
            "gain": [round(v, 4) for v in (p.gain.value, p.gain.low, p.gain.high)],
            "gap_closed": [round(v, 3) for v in (p.gap.value, p.gap.low, p.gap.high)] if p.gap else None,
            "retrains": p.retrains, "fits": p.fits, "alerts": p.alerts, "input_alerts": p.input_alerts,
            "delay_windows": p.delay, "cpu_s": round(p.cpu_s, 2), "rows_per_cpu_s": round(p.rows_per_cpu_s),
        }  # fmt: skip
    return found


def lived(stage: Stage, policy: Policy) -> tuple[np.ndarray, Meter, Replay]:
    """Errors by window of one more policy on a stage, with its cost."""
    replay, meter = Replay(stage.history, stage.models, stage.watcher, policy), Meter()
    done = replay.run(meter)
    meter.own += stage.preparing.cpu_s
    return stage.series(done), meter, replay


def gate_costs(stage: Stage, gap: float, never: float) -> dict[str, Any]:
    """Share of the gap with and without the gate, and what it does when a third of the challengers is broken."""
    rows = np.asarray([stage.history.slots[w].rows for w in stage.history.live], dtype=np.float64)

    def closed(series: np.ndarray) -> float:
        return round((never - float(series @ rows / rows.sum())) / gap, 3)

    gated, _, _ = lived(stage, performance_policy(stage.history))
    free, _, _ = lived(stage, performance_policy(stage.history, gated=False))
    fates: list[str] = []
    shares: dict[bool, list[float]] = {True: [], False: []}
    for seed in range(SEEDS):
        for gate in (True, False):
            policy = performance_policy(stage.history, gated=gate, breaks=1 / 3, seed=seed)
            series, _, replay = lived(stage, policy)
            shares[gate].append(closed(series))
            if gate:
                fates += replay.lived.broken.values()
    healthy = [f for f in fates if f.startswith("healthy")]
    return {
        "closed_gated": closed(gated), "closed_ungated": closed(free),
        "third_broken_gated": round(float(np.mean(shares[True])), 3),
        "third_broken_ungated": round(float(np.mean(shares[False])), 3),
        "broken": len(fates), "broken_blocked": sum(f.endswith(":blocked") for f in fates),
        "broken_while_healthy": len(healthy),
        "broken_while_healthy_blocked": sum(f.endswith(":blocked") for f in healthy),
    }  # fmt: skip


def speeds(stage: Stage) -> dict[str, int]:
    """Rows per CPU second of the trigger alone, with the gate, and with gate and picker, each as if it ran alone."""
    rows = stage.history.material.rows
    ways = {
        "trigger": {"picked": False, "gated": False},
        "trigger_gate": {"picked": False},
        "trigger_gate_picker": {},
    }
    return {n: round(rows / lived(stage, performance_policy(stage.history, **w))[1].cpu_s) for n, w in ways.items()}


def bike(data: Path) -> dict[str, Any]:
    """The bike table, with the gate's cost and the speed of each part."""
    frame = pd.read_csv(data / "bike-sharing-hour.csv")
    found = rehearse(frame, bike_settings(), shuffled=False)
    gap = found.gap
    assert gap is not None
    with one_thread():
        stage = Stage.of(frame, bike_settings())
        gate = gate_costs(stage, gap.value, found.policy("never").quality.value)
        speed = speeds(stage)
    trigger = found.policy("performance")
    return {
        "scenario": "rehearsal-bike", "unit": found.unit, "windows": found.windows, "learnt": found.learnt,
        "gap_closed": trigger.gap.value if trigger.gap else None,
        "retrain_share": trigger.retrains / found.policy("always").retrains,
        "policies": told(found), "gate": gate, "rows_per_cpu_s": speed, "summary": found.summary,
    }  # fmt: skip


def credit() -> dict[str, Any]:
    """Agrawal, an abrupt change of the rule in mid-life."""
    windows, learnt, change = 52, 12, 24
    frame = agrawal(windows * 500, functions=(2, 5), change_at=change * 500, seed=1, noise=0.02)
    changed = frame["at"].iloc[change * 500].timestamp()
    policies = ("never", "always", "recent", "scheduled", "performance")
    found = rehearse(frame, credit_settings(), policies=policies, shuffled=False, truth=[changed], learnt=learnt)
    stage_speed = {}
    with one_thread():
        stage = Stage.of(frame, credit_settings(), learner="logistic", learnt=learnt)
        stage_speed = {f"{name}_logistic": value for name, value in speeds(stage).items()}
    after = {p.name: round(float(np.mean(p.series[-16:])), 4) for p in found.policies}
    behind = found.policy("performance").quality.value - found.policy("recent").quality.value
    return {
        "scenario": "rehearsal-agrawal", "unit": found.unit, "windows": found.windows, "learnt": found.learnt,
        "points_behind_last_4": round(100 * behind, 2), "error_last_16_windows": after,
        "detection_delay": found.policy("performance").delay,
        "policies": told(found), "rows_per_cpu_s": stage_speed, "summary": found.summary,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", default=["rehearsal-bike", "rehearsal-agrawal"])
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with bike-sharing-hour.csv")
    asked = parser.parse_args()
    for scenario in asked.scenarios:
        found = {"rehearsal-bike": lambda: bike(asked.data), "rehearsal-agrawal": credit}[scenario]()
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
