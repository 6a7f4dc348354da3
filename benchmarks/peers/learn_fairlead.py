"""`fairlead train` as it is, less its own holdout: searched, sealed, loaded and asked as it would be served.

    python learn_fairlead.py FOLDER SECONDS SEED

Settings are the defaults but for `[train] seconds` and seed, and for `[data] holdout`, which keeps one row in a
thousand: judging is done by the benchmark. Writes answers.npy, prints one JSON object.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from cost import by_cpu, cost

from fairlead.contract.settings import DataSettings, ModelSettings, Settings, TrainSettings
from fairlead.lab.compile import write_bundle
from fairlead.lab.tables import open_table
from fairlead.lab.train import train
from fairlead.runtime.bundle.keys import SigningKey
from fairlead.runtime.bundle.run import load


def main() -> None:
    by_cpu()
    folder, budget, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    meta = json.loads((folder / "meta.json").read_text())
    model = ModelSettings(
        name="table", task=meta["task"], target=meta["target"], features=tuple(meta["numbers"] + meta["categories"]),
        time=tuple(meta["times"]) or None,
    )  # fmt: skip
    settings = Settings(
        model=model, data=DataSettings(holdout=0.001), train=TrainSettings(seconds=budget, seed=seed)
    )  # fmt: skip
    table = open_table(folder / "learn.csv").frame()
    started = time.perf_counter()
    training = train(table, settings)
    key = SigningKey.create(folder / "key")
    write_bundle(training.candidate, folder / "bundle", key)
    seconds = time.perf_counter() - started
    sealed = load(folder / "bundle", [key.public])
    judge = pd.read_csv(folder / "judge.csv")
    for name in sealed.signature.columns:
        if name.numeric:
            judge[name.name] = pd.to_numeric(judge[name.name], errors="coerce")
    answers = np.asarray(sealed.probabilities(judge), dtype=np.float64)
    if meta["task"] == "classification":
        answers = answers[:, [sealed.signature.classes.index(label) for label in meta["classes"]]]
    np.save(folder / "answers.npy", answers.reshape(len(judge), -1))
    found = training.decisions
    said = {
        "chosen": training.leaderboard[0]["name"],
        "seconds": round(seconds, 2),
        "trials": training.trials,
        "scores": {line["name"]: round(line["score"], 5) for line in training.leaderboard},
        "parameters": next(line["parameters"] for line in training.leaderboard if line["chosen"]),
        "calibration": getattr(getattr(found, "calibration", None), "method", ""),
    }
    print(json.dumps(said | cost()))


if __name__ == "__main__":
    main()
