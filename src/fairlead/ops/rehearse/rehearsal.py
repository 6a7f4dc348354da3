"""The rehearsal: policies side by side over one history."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fairlead.contract.errors import UsageError
from fairlead.contract.settings import Settings
from fairlead.ops.rehearse.choosing import choose
from fairlead.ops.rehearse.history import history_of
from fairlead.ops.rehearse.injecting import COPIES, TRIALS, studies_of
from fairlead.ops.rehearse.rates import rate_over_copies
from fairlead.ops.rehearse.results import Calm, Rehearsal
from fairlead.ops.rehearse.shelf import Shelf
from fairlead.ops.rehearse.stage import WINDOWS, Progress, Stage, loaded, one_thread
from fairlead.ops.rehearse.tasks import Play, Player, Task, done
from fairlead.ops.rehearse.telling import result_of

POLICIES: tuple[str, ...] = ("never", "always", "scheduled", "performance", "project")
KNOWN: tuple[str, ...] = (*POLICIES, "recent", *WINDOWS)
SHUFFLED = 2
BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0)


def rehearse(
    frame: Any,
    settings: Settings,
    *,
    policies: Sequence[str] = POLICIES,
    learner: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    shuffled: bool | int = True,
    truth: Sequence[float] | None = None,
    learnt: int | None = None,
    windows: bool = False,
    faults: bool | int = False,
    budgets: Sequence[float] = BUDGETS,
    tune: bool = False,
    jobs: int = 1,
    folder: Path | None = None,
) -> Rehearsal:
    """Replay a time-ordered labelled table through train, deploy, watch, decide, retrain, canary and promote.

    frame: a DataFrame (or a path) with the project's time columns and target. policies: never, always, scheduled (as
    many retrainings as `performance`, evenly spread), performance (the promise, and a maximum age of 13 windows),
    project (`retrain.when`), recent (always, on the last 4 windows), and `window:...`, the project with another choice
    of rows to learn from; windows: all of these. learner, parameters: of every fit; without them `choosing.choose`
    says, which searches with `tune`. shuffled: whether (or on how many copies) to count false alarms. faults: whether
    (or how often each) to put faults into copies, at every one of `budgets` and the project's own.
    truth: event times at which the world is known to have changed. learnt: windows that the first release learns
    from, a quarter without it. jobs: processes. folder: keeps what models answered, at most 256 MiB, so that a
    rehearsal that was stopped goes on and the next one is quick. The outcome depends on neither.
    The schema is taken from the whole table; nothing else is known before its time.
    Raises ConfigInvalid without event time, UsageError for unknown policies or too short a history.
    """
    wanted = tuple(dict.fromkeys([*policies, *(WINDOWS if windows else ())]))
    unknown = [p for p in wanted if p not in KNOWN]
    if unknown:
        raise UsageError(f"unknown policies: {', '.join(unknown)}. Known: {', '.join(KNOWN)}.")
    started = time.monotonic()
    say = progress or (lambda *_args, **_more: None)
    with one_thread(), _place(folder, jobs) as place:
        history = history_of(frame, settings, learnt)
        if learner is None:
            searched = None if place is None else Path(place) / "search"
            learner, found = choose(history, tune=tune, folder=searched, say=say)
            parameters = found if parameters is None else parameters
        shelf = Shelf(None if place is None else Path(place) / "answers")
        stage = Stage(history, learner, parameters, progress, shelf)
        play = Play(history, learner, stage.models.parameters, None if shelf.folder is None else str(shelf.folder))
        player = Player(play, stage)
        with loaded():
            _play(stage, player, play, wanted, jobs)
        stage.random()
        copies = int(shuffled) * (SHUFFLED if shuffled is True else 1)
        tasks = [Task("calm", seed=seed) for seed in range(copies)]
        trials = int(faults) * (TRIALS if faults is True else 1)
        own = settings.monitor.false_alarms_per_month
        asked = tuple(sorted({own, *budgets})) if trials else ()
        many = min(COPIES, trials)
        tasks += [
            Task("faults", seed=seed, trials=-(-trials // many), budgets=asked) for seed in range(many)
        ]  # fmt: skip
        results: dict[Task, Any] = {}
        for number, (task, result) in enumerate(done(play, tasks, jobs, player)):
            say(f"{task.said} ({number + 1} of {len(tasks)})")
            results[task] = result
        calm = _calm([results[t] for t in tasks if t.kind == "calm"], len(history.labelled_rows().live))
        studies = studies_of(history, [results[t] for t in tasks if t.kind == "faults"])
        shelf.prune()
        return result_of(stage, wanted, calm, tuple(truth or ()), studies, started)


def _place(folder: Path | None, jobs: int) -> AbstractContextManager[Any]:
    """Where answers are kept: processes need a place to share them, for as long as they run."""
    if folder is not None:
        return nullcontext(folder)
    return tempfile.TemporaryDirectory(prefix="rehearsal-") if jobs > 1 else nullcontext(None)


def _play(stage: Stage, player: Player, play: Play, wanted: Sequence[str], jobs: int) -> None:
    """Live through the policies: those that follow another one after it."""
    first = [name for name in sorted(wanted, key=_order) if name != "scheduled"]
    last = [name for name in wanted if name == "scheduled"]
    for names in (first, last):
        after = stage.retrains.get("performance", stage.retrains.get("project"))
        tasks = [Task("play", name, after=after if name == "scheduled" else None) for name in names]
        for task, (lived, meter) in done(play, tasks, jobs, player):
            stage.say(f"{task.said} done: {len(lived.retrains)} retrainings")
            stage.lived[task.name] = lived, meter
            stage.retrains[task.name] = len(lived.retrains)


def _order(name: str) -> tuple[int, str]:
    # The calendar needs to know how often the trigger retrained; what fits most comes before what finds it done.
    order = ("never", "always", "recent", "performance", "project", "scheduled")
    return (order.index(name), "") if name in order else (len(order), name)


def _calm(copies: Sequence[Any], live: int) -> Calm | None:
    if not copies:
        return None
    performance = rate_over_copies([len(lived.alarms) for lived in copies], live / 30.0)
    inputs = rate_over_copies([len(lived.input_alarms) for lived in copies], live / 30.0)
    by = Counter(f"{a.area}/{a.check}" for lived in copies for a in lived.waking)
    return Calm(
        len(copies), len(copies) * live, performance.value, inputs.value, dict(by.most_common()), performance, inputs
    )
