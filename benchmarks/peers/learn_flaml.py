"""FLAML as its page starts: `AutoML().fit` with a time budget, the metric, and one job.

    python learn_flaml.py FOLDER SECONDS SEED

Writes answers.npy, prints one JSON object.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from pathlib import Path

import flaml
import numpy as np
from cost import by_cpu, cost
from learn_tables import read


def main() -> None:
    by_cpu()
    folder, budget, seed = Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    warnings.simplefilter("ignore")
    logging.getLogger("flaml").setLevel(logging.ERROR)
    meta, learn, truth, judge = read(folder)
    for name in meta["categories"]:
        levels = sorted(set(learn[name].dropna()))
        learn[name] = learn[name].astype("category").cat.set_categories(levels)
        judge[name] = judge[name].astype("category").cat.set_categories(levels)
    classifies = meta["task"] == "classification"
    more = {"split_type": "time"} if meta["ordered"] else {}
    started = time.perf_counter()
    found = flaml.AutoML()
    found.fit(
        learn, truth, task=meta["task"], metric="log_loss" if classifies else "mae", time_budget=budget, n_jobs=1,
        seed=seed, verbose=0, **more,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    if classifies:
        place = [list(found.classes_).index(label) for label in meta["classes"]]
        answers = found.predict_proba(judge)[:, place]
    else:
        answers = np.asarray(found.predict(judge)).reshape(-1, 1)
    np.save(folder / "answers.npy", np.asarray(answers, dtype=np.float64))
    said = {"chosen": found.best_estimator, "seconds": round(seconds, 2), "version": flaml.__version__}
    print(json.dumps(said | cost()))


if __name__ == "__main__":
    main()
