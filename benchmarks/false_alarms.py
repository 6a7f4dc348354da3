"""False alarms where nothing changes: `false-alarms-bike-shuffled` as JSON.

    python benchmarks/false_alarms.py [--copies 10] [--learner ridge] [--data ../shared/data]

Rows of the bike table are shuffled over its hours, so no window differs from another but by chance; each copy is
lived through with the product's watcher. Targets: at most 1 performance alarm and 0.5 input alarms per 30 windows.
Windows of one copy share its first release, so what is unlucky there alarms again and again: intervals are of copies
drawn anew, and a few copies say next to nothing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from fairlead.ops.rehearse.copies import calm_copy
from fairlead.ops.rehearse.stage import Stage, one_thread
from rehearsal import bike_settings


def per_30(windows: list[int], live: int) -> list[float]:
    """Windows with alarms per 30, with a 95 % interval from copies drawn anew. windows: of each copy."""
    rates = 30 * np.asarray(windows) / live
    drawn = np.random.default_rng(0).integers(0, len(rates), (4_000, len(rates)))
    low, high = np.quantile(rates[drawn].mean(axis=1), [0.025, 0.975])
    return [round(float(v), 3) for v in (rates.mean(), low, high)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with bike-sharing-hour.csv")
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--learner", default="hist_gradient_boosting")
    asked = parser.parse_args()
    frame = pd.read_csv(asked.data / "bike-sharing-hour.csv")
    started = time.process_time()
    with one_thread():
        stage = Stage.of(frame, bike_settings(), learner=asked.learner)
        way, shelf = stage.models.parameters, stage.shelf
        lived = [calm_copy(stage.history, asked.learner, way, seed, shelf) for seed in range(asked.copies)]
    live = len(stage.history.live)
    performance = per_30([len(one.alarms) for one in lived], live)
    inputs = per_30([len(one.input_alarms) for one in lived], live)
    by = Counter(f"{alarm.area}/{alarm.check}" for one in lived for alarm in one.waking)
    print(
        json.dumps(
            {
                "scenario": "false-alarms-bike-shuffled",
                "learner": asked.learner,
                "copies": asked.copies,
                "windows": asked.copies * live,
                "performance_alarms_per_30_windows": performance[0],
                "performance_interval": performance[1:],
                "input_alarms_per_30_windows": inputs[0],
                "input_interval": inputs[1:],
                "by": dict(by.most_common()),
                "cpu_s": round(time.process_time() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
