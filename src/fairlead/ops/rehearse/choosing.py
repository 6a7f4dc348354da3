"""How models of a rehearsal are learnt: one configuration a learner, or what a search finds at the first release."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fairlead.ops.rehearse.history import History
from fairlead.ops.rehearse.stage import LEARNER

FOLDS = 4


def choose(
    history: History, *, tune: bool, folder: Path | None, say: Callable[..., Any]
) -> tuple[str, dict[str, Any] | None]:
    """Learner and parameters of every fit, None for its defaults, by what the first release learns from.

    Without `tune` each of the project's learners has one configuration, its default, and the one with the lowest
    out-of-fold loss is taken (gradient boosting where the project names none). tune: as the project's own training
    searches, with its trials and seconds. folder: keeps trials, so that a search that was stopped goes on.
    """
    from fairlead.lab.train.bench import Bench
    from fairlead.lab.train.folding import folds_of
    from fairlead.lab.train.journal import Journal
    from fairlead.lab.train.search import learners_for, search

    rules = history.settings.train
    if not tune and len(rules.learners) < 2:
        return (rules.learners[0] if rules.learners else LEARNER), None
    material = history.material.take(history.rows(0, history.learnt - 1))
    learners = learners_for(rules.learners, material.signature)
    bench = Bench(material, folds_of(material, FOLDS, rules.seed))
    say(f"choosing among {', '.join(learner.name for learner in learners)}")
    found = search(
        bench, learners, trials=rules.trials if tune else len(learners), seconds=rules.seconds if tune else 1e9,
        seed=rules.seed, journal=Journal(folder), say=lambda *_args, **_more: None,
    )  # fmt: skip
    best = found.chosen(rules.choose)
    return best.name, dict(best.parameters)
