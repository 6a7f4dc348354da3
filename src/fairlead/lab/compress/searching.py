"""The search for the smallest model that costs no more than is allowed, judged out of fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fairlead.contract.errors import FairleadError, NotCompilable
from fairlead.contract.evidence import Interval
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.compress.certificate import Tried
from fairlead.lab.compress.shrinking import Smaller
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.loss import loss_clip, losses
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fitting import fit, learner_of

Say = Callable[..., None]


def smallest(
    bench: Bench,
    learner: str,
    parameters: Mapping[str, Any],
    tries: Sequence[Smaller],
    *,
    max_loss: float,
    seconds: float,
    seed: int,
    window: str = "",
    say: Say = lambda *words, **more: None,
) -> tuple[Smaller | None, tuple[Tried, ...]]:
    """The one whose compiled model has the fewest bytes, among those whose mean loss is surely at most `max_loss` above
    that of the model as it is; None when none is smaller. And all that was tried.

    Losses are out of fold, of the same rows, so differences are paired; their intervals are not widened for the number
    of tries, since what is chosen is judged again on rows that nobody has seen. `seconds` ends the search early.
    """
    started = time.perf_counter()
    before = _losses(bench, learner, parameters, seed)
    limit = _size(bench, learner, parameters, seed)
    block = block_rows(int(before.kept.sum()), _times(bench, before.kept), window)
    found: list[Tried] = []
    best: tuple[int, int] | None = None
    for number, one in enumerate(tries):
        if number and time.perf_counter() - started > seconds:
            found.append(Tried(one.way, one.what, None, None, "not tried: the time was over"))
            continue
        say(f"{one.what}", done=number / len(tries))
        try:
            after = _losses(bench, one.learner, one.parameters, seed, before.clip)
            difference = bootstrap(after.values - before.values, seed=seed, draws=500, block=block)
            size = None if difference.high > max_loss else _size(bench, one.learner, one.parameters, seed)
        except FairleadError as why:
            found.append(Tried(one.way, one.what, None, None, str(why)[:300]))
            continue
        found.append(Tried(one.way, one.what, difference, size, _why(difference, size, max_loss, limit)))
        if size is not None and size < limit and (best is None or size < best[0]):
            best = (size, number)
    if best is None:
        return None, tuple(found)
    found[best[1]] = _chosen(found[best[1]])
    return tries[best[1]], tuple(found)


def _chosen(one: Tried) -> Tried:
    import msgspec

    return msgspec.structs.replace(one, chosen=True)


def _why(difference: Interval, size: int | None, max_loss: float, limit: int) -> str:
    if size is None:
        surely = "surely" if difference.low > max_loss else "possibly"
        return f"{surely} more than {max_loss:g} worse"
    return "small enough a loss" if size < limit else "no smaller once compiled"


class _Lost:
    """Out-of-fold losses of one way of learning. kept: rows that some fold judged."""

    def __init__(self, values: np.ndarray, kept: np.ndarray, clip: float) -> None:
        self.values, self.kept, self.clip = values, kept, clip


def _losses(bench: Bench, learner: str, parameters: Mapping[str, Any], seed: int, clip: float | None = None) -> _Lost:
    built = learner_of(learner)
    answers = bench.whole([bench.answers(i, built, parameters, seed) for i in range(len(bench.folds))])
    kept = np.asarray(np.isfinite(answers).all(axis=1))
    material = bench.material
    truth, scores = material.truth[kept], answers[kept]
    if clip is None:
        numbers = material.signature.task == "regression"
        clip = loss_clip(np.abs(truth.astype(np.float64) - scores[:, 0])) if numbers else 1.0
    return _Lost(losses(material.signature.task, truth, scores, material.signature, clip), kept, clip)


def _times(bench: Bench, kept: np.ndarray) -> np.ndarray | None:
    return None if bench.material.times is None else bench.material.times[kept]


def _size(bench: Bench, learner: str, parameters: Mapping[str, Any], seed: int) -> int:
    """Bytes of the compiled model, fitted on all rows. Raises NotCompilable."""
    material = bench.material
    compiled = compile_pipeline(fit(material, learner, parameters, seed), material.signature, None)
    if not hasattr(compiled, "tail"):
        raise NotCompilable("it has no compiled form.")
    return len(compiled.front.to_json()) + len(compiled.tail)
