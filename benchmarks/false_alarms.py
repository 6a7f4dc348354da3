"""False alarms where nothing changes: `false-alarms-bike-shuffled` as JSON.

    python benchmarks/false_alarms.py [--copies 10] [--learner ridge] [--data ../shared/data]

Rows of the bike table are shuffled over its hours, so no window differs from another but by chance; each copy is
lived through with the product's watcher. Targets: at most 1 performance alarm and 0.5 input alarms per 30 windows.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pandas as pd

from fairlead.ops.rehearse.copies import calm_copy
from fairlead.ops.rehearse.stage import Stage, one_thread
from rehearsal import bike_settings


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
    windows = asked.copies * len(stage.history.live)
    print(
        json.dumps(
            {
                "scenario": "false-alarms-bike-shuffled",
                "learner": asked.learner,
                "copies": asked.copies,
                "windows": windows,
                "performance_alarms_per_30_windows": round(30 * sum(len(one.alarms) for one in lived) / windows, 3),
                "input_alarms_per_30_windows": round(30 * sum(len(one.input_alarms) for one in lived) / windows, 3),
                "cpu_s": round(time.process_time() - started, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
