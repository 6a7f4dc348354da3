"""The search for the smallest model that costs no more than is allowed, judged out of fold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from fairlead.contract.errors import FairleadError, NotCompilable
from fairlead.contract.evidence import Interval
from fairlead.lab.compile import compile_pipeline
from fairlead.lab.compress.certificate import Tried
from fairlead.lab.compress.shrinking import key_of
from fairlead.lab.compress.subject import SHRUNK, Smaller
from fairlead.lab.stats.blocks import Block, group_blocks
from fairlead.lab.stats.intervals import bootstrap
from fairlead.lab.stats.loss import loss_clip, losses
from fairlead.lab.stats.pinball import errors_of
from fairlead.lab.stats.ranking import whole_codes
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fitting import fit, learner_of
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.learners.shrunk import Shrunk
from fairlead.lab.train.terms import check_learners

Say = Callable[..., None]
MOST_TIMED, TIMED = 4096, 3
ALIKE, FASTER = 1.05, 0.8
"""Models of up to so many times the bytes of the smallest are alike; of those, one that needs so much less CPU."""
MOST_TRIES, BASES, ROUNDS = 80, 4, 4
"""Things tried at most; how many of a round are made smaller still; rounds."""


class Search:
    """Losses and sizes of ways of learning, each judged once. journal: where a search that ended early goes on."""

    def __init__(
        self, bench: Bench, *, max_loss: float, seed: int, window: str = "", journal: Journal | None = None
    ) -> None:
        self.bench, self.max_loss, self.seed, self.window = bench, max_loss, seed, window
        self.journal = Journal(None) if journal is None else journal
        # Sources are fitted once for all steps that follow them.
        self._shrunk = Shrunk({})
        self._before: _Lost | None = None

    def begin(self, learner: str, parameters: Mapping[str, Any]) -> int:
        """Judge the model as it is; bytes of its compiled form. Raises NotCompilable."""
        self._source = (learner, parameters)
        known = self.journal.find(learner, parameters)
        if known is not None and known[0][3] >= 0:
            return int(known[0][3])
        size, cpu = self._size(learner, parameters)
        self.journal.add(learner, parameters, [0.0, 0.0, 0.0, size, cpu], 0.0)
        return size

    def judge(self, one: Smaller) -> tuple[Interval, int | None, float | None]:
        """How much it loses, its bytes, and CPU seconds a million rows; None for the latter two where it surely or
        possibly loses too much.
        """
        known = self.journal.find(one.learner, one.parameters)
        if known is None:
            started = time.perf_counter()
            difference = self._difference(one)
            scores = [difference.value, difference.low, difference.high, -1.0, 0.0]
            self.journal.add(one.learner, one.parameters, scores, time.perf_counter() - started)
        else:
            scores = known[0]
            difference = Interval(*scores[:3])
        if difference.high > self.max_loss:
            return difference, None, None
        if scores[3] < 0:
            scores = [*scores[:3], *self._size(one.learner, one.parameters)]
            self.journal.add(one.learner, one.parameters, scores, 0.0)
        return difference, int(scores[3]), scores[4]

    def _difference(self, one: Smaller) -> Interval:
        if self._before is None:
            self._before = self._losses(*self._source, None)
        before = self._before
        after = self._losses(one.learner, one.parameters, before.clip)
        block: Block = block_rows(int(before.kept.sum()), _times(self.bench, before.kept), self.window)
        if (clusters := self.bench.material.clusters) is not None:
            block = group_blocks(whole_codes(clusters[before.kept]), int(block))
        return bootstrap(after.values - before.values, seed=self.seed, draws=500, block=block)

    def _learner(self, name: str) -> Any:
        return self._shrunk if name == SHRUNK else learner_of(name)

    def _losses(self, learner: str, parameters: Mapping[str, Any], clip: float | None) -> _Lost:
        bench, seed = self.bench, self.seed
        built, given = self._learner(learner), parameters
        check_learners([built], bench.material.terms)
        if (learner, parameters) == self._source and learner != SHRUNK and not bench.material.terms.monotone:
            # It is what steps begin with, and is kept by the same memory.
            built, given = self._shrunk, {"source": learner, "source_parameters": dict(parameters), "steps": []}
        answers = bench.whole([bench.answers(i, built, given, seed) for i in range(len(bench.folds))])
        kept = np.asarray(np.isfinite(answers).all(axis=1))
        material = bench.material
        truth, scores = material.truth[kept], answers[kept]
        if clip is None:
            numbers = material.signature.task == "regression"
            clip = loss_clip(errors_of(truth, scores[:, 0], material.signature)) if numbers else 1.0
        return _Lost(losses(material.signature.task, truth, scores, material.signature, clip), kept, clip)

    def _size(self, learner: str, parameters: Mapping[str, Any]) -> tuple[int, float]:
        """Bytes of the compiled model, fitted on all rows, and CPU seconds a million of them. Raises NotCompilable."""
        material = self.bench.material
        fitted = fit(material, self._learner(learner), parameters, self.seed)
        compiled = compile_pipeline(fitted, material.signature, None)
        if not hasattr(compiled, "tail"):
            raise NotCompilable("it has no compiled form.")
        return len(compiled.front.to_json()) + len(compiled.tail), self._cpu(compiled)

    def _cpu(self, compiled: Any) -> float:
        columns = {name: values[:MOST_TIMED] for name, values in self.bench.material.columns.items()}
        answering, taken = compiled.answering(), []
        for _ in range(TIMED):
            started = time.process_time()
            answering(columns)
            taken.append(time.process_time() - started)
        return round(min(taken) / min(MOST_TIMED, self.bench.material.rows) * 1e6, 4)


def smallest(
    search: Search,
    learner: str,
    parameters: Mapping[str, Any],
    tries: Sequence[Smaller],
    *,
    seconds: float,
    further: Callable[[Smaller], Sequence[Smaller]] | None = None,
    say: Say = lambda *words, **more: None,
) -> tuple[tuple[Smaller, ...], tuple[Tried, ...]]:
    """Those whose compiled model has fewer bytes than the one as it is, fewest first, among those whose mean loss is
    surely at most `search.max_loss` above its; and all that was tried.

    further: what to try of one that did well, so that ways are joined: in rounds, of the smallest of each way. Losses
    are out of fold, of the same rows, so differences are paired; their intervals are not widened for the number of
    tries, since what is chosen is judged again on rows that nobody has seen. `seconds` ends the search early; what was
    tried is in the journal, and is not tried again.
    """
    started = time.perf_counter()
    limit = search.begin(learner, parameters)
    found: list[Tried] = []
    good: list[tuple[int, float, Smaller]] = []
    seen: set[str] = set()
    wave = list(tries)
    for _ in range(ROUNDS):
        fresh: list[tuple[int, float, Smaller]] = []
        for one in wave:
            if key_of(one) in seen or len(found) >= MOST_TRIES:
                continue
            seen.add(key_of(one))
            if found and time.perf_counter() - started > seconds:
                found.append(Tried(one.way, one.what, None, None, "not tried: the time was over"))
                continue
            say(one.what, done=min(len(found) / (len(found) + len(wave)), 1.0))
            try:
                difference, size, cpu = search.judge(one)
            except FairleadError as why:
                found.append(Tried(one.way, one.what, None, None, str(why)[:300]))
                continue
            told = _why(difference, size, search.max_loss, limit)
            found.append(Tried(one.way, one.what, difference, size, told, cpu=cpu))
            if size is not None and cpu is not None and size < limit:
                fresh.append((size, cpu, one))
        good += fresh
        wave = [] if further is None else [more for tries in _bases(fresh, further) for more in tries]
        if not wave or time.perf_counter() - started > seconds:
            break
    return tuple(one for _, _, one in ranked(good)), tuple(found)


def ranked(good: Sequence[tuple[int, float, Smaller]]) -> list[tuple[int, float, Smaller]]:
    """The smallest first; ahead of it those that are hardly larger and much faster. good: bytes, CPU, what."""
    order = sorted(good, key=lambda one: one[0])
    if not order:
        return []
    size, cpu, _ = order[0]
    ahead = [one for one in order[1:] if one[0] <= size * ALIKE and one[1] <= cpu * FASTER]
    ahead.sort(key=lambda one: one[1])
    return [*ahead, *(one for one in order if one not in ahead)]


def _bases(
    good: list[tuple[int, float, Smaller]], further: Callable[[Smaller], Sequence[Smaller]]
) -> list[Sequence[Smaller]]:
    """What to try of the smallest of each way, the smallest ones first; but for those with nothing to try."""
    best: dict[str, tuple[int, Smaller]] = {}
    for size, _, one in good:
        if one.way not in best or size < best[one.way][0]:
            best[one.way] = (size, one)
    more = (further(one) for _, one in sorted(best.values(), key=lambda pair: pair[0]))
    return [tries for tries in more if tries][:BASES]


def marked(tried: Sequence[Tried], way: str, what: str) -> tuple[Tried, ...]:
    """All that was tried, with the one of these words as what was chosen."""
    return tuple(msgspec.structs.replace(one, chosen=(one.way, one.what) == (way, what)) for one in tried)


def _why(difference: Interval, size: int | None, max_loss: float, limit: int) -> str:
    if size is None:
        surely = "surely" if difference.low > max_loss else "possibly"
        return f"{surely} more than {max_loss:g} worse"
    return "small enough a loss" if size < limit else "no smaller once compiled"


class _Lost:
    """Out-of-fold losses of one way of learning. kept: rows that some fold judged."""

    def __init__(self, values: np.ndarray, kept: np.ndarray, clip: float) -> None:
        self.values, self.kept, self.clip = values, kept, clip


def _times(bench: Bench, kept: np.ndarray) -> np.ndarray | None:
    return None if bench.material.times is None else bench.material.times[kept]
