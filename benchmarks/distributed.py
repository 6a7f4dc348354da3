"""Rows per second of fits: in this process, and by Spark with one and with two cores of this machine; trials likewise;
networks by one and two processes where torch is there; learners of streams row by row.

Scenarios `distributed-logistic`, `-forest`, `-boosting`, `-trials`, `-streaming` and `-networks`. Spark's session is up
and has made one small fit when the clock starts. Each figure is the median of `REPEATS`, `seconds` with its lowest and
highest; `of_local` is the rate against this process alone. Arguments: rows, repeats, scenarios.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Beside this file lies a profile.py, which Spark would take for Python's own.
sys.path[:] = [place for place in sys.path if Path(place or ".").resolve() != Path(__file__).resolve().parent]

ROWS, WIDTH, REPEATS = 100_000, 10, 3
WITHIN_S = 300.0
PAIRS: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "logistic": ("logistic", {"C": 1.0}, "spark_logistic", {"C": 1.0}),
    "forest": (
        "random_forest", {"n_estimators": 20, "max_depth": 8, "min_samples_leaf": 5, "max_features": 0.4},
        "spark_forest", {"trees": 20, "max_depth": 8, "min_samples_leaf": 5, "max_features": 0.4},
    ),
    "boosting": (
        "xgboost", {"n_estimators": 50, "max_depth": 4}, "spark_xgboost", {"n_estimators": 50, "max_depth": 4},
    ),
}  # fmt: skip


def main() -> None:
    """Measure, a line a scenario. Arguments: rows of the table, repeats, scenarios; all of them without."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    repeats = int(sys.argv[2]) if len(sys.argv) > 2 else REPEATS
    for what in sys.argv[3:] or (*PAIRS, "trials", "streaming", "networks"):
        found = {name: apart(what, name, rows, repeats) for name in ways(what)}
        if not found:
            print(json.dumps({"scenario": f"distributed-{what}", "skipped": "torch is not installed"}))
            continue
        here = found.get("local") or next(iter(found.values()))
        for one in found.values():
            one["of_local"] = round(one["rows_per_s"] / here["rows_per_s"], 3)
        load = round(os.getloadavg()[0], 1)
        print(json.dumps({"scenario": f"distributed-{what}", "rows": rows, **found, "load": load}), flush=True)


def ways(what: str) -> tuple[str, ...]:
    """How a scenario is done."""
    if what == "streaming":
        return ("online_linear", "online_tree")
    if what == "networks":
        import importlib.util

        return ("local", "rows-2", "layers-2") if importlib.util.find_spec("torch") else ()
    return ("local", "spark-1", "spark-2") if what != "trials" else ("local", "processes-2", "spark-2")


def apart(what: str, way: str, rows: int, repeats: int) -> dict[str, Any]:
    """One figure in a process of its own: a process has one session of Spark, with so many cores."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measured, args=(there, what, way, rows, repeats))
    process.start()
    there.close()
    try:
        if not here.poll(WITHIN_S):
            process.kill()
        found: dict[str, Any] = here.recv()
    except EOFError:
        raise SystemExit(f"{what}, {way}: no figure within {WITHIN_S} s") from None
    finally:
        process.join()
    return found


def _measured(pipe: Any, what: str, way: str, rows: int, repeats: int) -> None:
    import warnings

    warnings.simplefilter("ignore")
    do = {"trials": _trials, "streaming": _streaming, "networks": _network}.get(what, _fit)
    work, counted = do(what, way, rows)
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    told = {"median": round(median, 3), "low": round(min(seconds), 3), "high": round(max(seconds), 3)}
    pipe.send({"rows_per_s": round(counted / median), "seconds": told})


def _table(rows: int) -> tuple[Any, Any]:
    import numpy as np

    random = np.random.default_rng(0)
    x = random.normal(size=(rows, WIDTH))
    pull = x[:, 0] + x[:, 1] * x[:, 2] + random.normal(0, 0.5, rows)
    return x, np.where(pull > 0, "yes", "no")


def _session(way: str) -> Any:
    from fairlead.contract.engines import EngineSettings
    from fairlead.lab.tables.engines.session import session

    return session(EngineSettings(name="spark", master=f"local[{way[-1]}]"))


def _fit(what: str, way: str, rows: int) -> tuple[Callable[[], Any], int]:
    from fairlead.contract.plugins import variant
    from fairlead.lab.train.distributed.sessions import current, using

    x, y = _table(rows)
    local, parameters, there, theirs = PAIRS[what]
    if way == "local":
        return lambda: variant("learner", local)().build("classification", parameters, 0).fit(x, y), rows
    held = using(_session(way))
    held.__enter__()
    current()
    learner = variant("learner", there)()
    learner.build("classification", theirs, 0).fit(x[:1000], y[:1000])
    return lambda: learner.build("classification", theirs, 0).fit(x, y), rows


def _trials(what: str, way: str, rows: int) -> tuple[Callable[[], Any], int]:
    """Six trials of three folds: rows that fits went over."""
    import pandas as pd

    from fairlead.contract.settings import ModelSettings, Settings, TrainSettings
    from fairlead.lab.train.bench import Bench
    from fairlead.lab.train.distributed.spark_trials import SparkHands
    from fairlead.lab.train.folding import folds_of
    from fairlead.lab.train.journal import Journal
    from fairlead.lab.train.material import material_of
    from fairlead.lab.train.search import learners_for, search

    x, y = _table(rows)
    frame = pd.DataFrame(x, columns=[f"x{at}" for at in range(WIDTH)]).assign(y=y)
    model = ModelSettings(name="m", task="classification", target="y")
    material = material_of(frame, Settings(model=model, train=TrainSettings(folds=3)))
    bench = Bench(material, folds_of(material, 3, 0, 1))
    learners = learners_for(("logistic", "hist_gradient_boosting"), material.signature)
    hands = None
    if way.startswith("spark"):
        found = _session(way)
        hands = lambda bench, seed: SparkHands(found, bench, seed)  # noqa: E731
    parallel = 2 if way.startswith("processes") else 1

    def work() -> Any:
        return search(
            bench, learners, trials=6, seconds=1e6, seed=0, journal=Journal(None), say=lambda *_, **__: None,
            parallel=parallel, hands=hands,
        )  # fmt: skip

    return work, rows * 2 * 6


def _streaming(what: str, way: str, rows: int) -> tuple[Callable[[], Any], int]:
    from fairlead.contract.plugins import variant

    few = min(rows, 20_000)
    x, y = _table(few)
    learner = variant("learner", way)()
    model = learner.build("classification", learner.default(few), 0).fit(x[:4000], y[:4000])
    return lambda: model.learn(x, y), few


def _network(what: str, way: str, rows: int) -> tuple[Callable[[], Any], int]:
    from fairlead.contract.plugins import variant

    x, y = _table(rows)
    name = {"local": "neural_net", "rows-2": "divided_net", "layers-2": "staged_net"}[way]
    settings = {"layers": "256x256", "epochs": 5, "batch": 512, "dropout": 0.0, "patience": 0}

    def work() -> Any:
        net = variant("learner", name)().build("classification", settings, 0)
        net.processes = 2
        return net.fit(x, y)

    return work, rows * 5


if __name__ == "__main__":
    main()
