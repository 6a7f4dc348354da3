"""The trials of a search as child runs of its training's run. Each is looked for first, so that none is made twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

TRIAL = "fairlead.trial"
PARENT = "mlflow.parentRunId"
MOST = 200
"""Trials that are written: the best of a longer search."""
PAGE = 200
CHARACTERS = 6000


def worth_writing(trials: Sequence[Mapping[str, Any]], most: int = MOST) -> list[Mapping[str, Any]]:
    """The best `most` trials, whole ones before pruned ones, in the order of their numbers."""
    ranked = sorted(trials, key=lambda one: (bool(one["pruned"]), float(one["score"]), int(one["number"])))
    return sorted(ranked[:most], key=lambda one: int(one["number"]))


def write_trials(client: Any, experiment: str, parent: str, trials: Sequence[Mapping[str, Any]], metric: str) -> None:
    """Make the child runs of `parent` that are not whole yet.

    trials: number, learner, parameters, score, folds, seconds, pruned of each, as `lab.train` tells them. metric: what
    the score is; it is logged as that, and each fold's as a step of `<metric>.fold`.
    """
    known = _known(client, experiment, parent)
    for trial in worth_writing(trials):
        run, whole = known.get(str(trial["number"]), ("", False))
        if not whole:
            _write(client, run or _begin(client, experiment, parent, trial), trial, metric)


def _known(client: Any, experiment: str, parent: str) -> dict[str, tuple[str, bool]]:
    """{number: (run, whether it is whole)}."""
    found: dict[str, tuple[str, bool]] = {}
    token = None
    while True:
        page = client.search_runs([experiment], f"tags.`{PARENT}` = '{parent}'", max_results=PAGE, page_token=token)
        for run in page:
            found[run.data.tags.get(TRIAL, "")] = (run.info.run_id, run.info.status != "RUNNING")
        token = page.token
        if not token:
            return found


def _begin(client: Any, experiment: str, parent: str, trial: Mapping[str, Any]) -> str:
    name = f"trial {int(trial['number']) + 1}: {trial['learner']}"
    tags = {PARENT: parent, TRIAL: str(trial["number"])}
    return str(client.create_run(experiment, tags=tags, run_name=name).info.run_id)


def _write(client: Any, run: str, trial: Mapping[str, Any], metric: str) -> None:
    from mlflow.entities import Metric, Param

    numbers = [(metric, trial["score"], 0), ("seconds", trial["seconds"], 0)]
    numbers += [(f"{metric}.fold", score, step) for step, score in enumerate(trial["folds"])]
    parameters = {"learner": trial["learner"], **trial["parameters"]}
    client.log_batch(
        run,
        metrics=[Metric(name, float(value), 0, step) for name, value, step in numbers if isfinite(value)],
        params=[Param(name, str(value)[:CHARACTERS]) for name, value in parameters.items()],
    )
    # What MLflow calls a run that was stopped before its end.
    client.set_terminated(run, "KILLED" if trial["pruned"] else "FINISHED")
