"""`train` for clusterings and anomaly detections: search, choose, fit, settle the clusters' names or the threshold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.stats.measures import Ints
from fairlead.lab.train.distributed.sessions import Hands
from fairlead.lab.train.fitting import fit, learner_of
from fairlead.lab.train.folding import folds_of
from fairlead.lab.train.journal import Journal
from fairlead.lab.train.material import Material
from fairlead.lab.train.provenance import lineage_of
from fairlead.lab.train.recorded import Trial
from fairlead.lab.train.search import Say, answers_of, leaderboard, learners_for, search
from fairlead.lab.train.untaught import UntaughtBench, reference_without_truth, settled, stability, with_signature

if TYPE_CHECKING:
    from fairlead.lab.train.training import Training


def train_without_truth(
    everything: Material,
    rows: tuple[Ints, Ints],
    settings: Settings,
    *,
    started: float,
    data: str,
    home: Path | str | None,
    root: Path | None,
    say: Say,
    parent: str,
    trial: Trial | None = None,
    hands: Hands | None = None,
) -> Training:
    """See `training.train`. everything: all rows; rows: positions to learn from, and kept for judging."""
    from fairlead.lab.compile import Candidate
    from fairlead.lab.train.training import Training, _folder, fold_lines, mean_metrics

    rules = settings.train
    if rules.entrypoint:
        what = f"an entrypoint learns from a target, and a {settings.model.task} has none."
        raise ConfigInvalid(what, file="fairlead.toml", key="train.entrypoint", cure="Name learners instead.")
    material = everything.take(rows[0])
    bench = UntaughtBench(material, folds_of(material, rules.folds, rules.seed), rules.seed)
    learners = learners_for(rules.learners, material.signature, trial)
    for learner in learners:
        if getattr(learner, "explores", False):
            say(f"exploring with {learner.name}", done=0.0)
            raise learner.refuse(bench.prepared(0)[0], rules.seed)
    found = search(
        bench,
        learners,
        trials=rules.trials,
        seconds=rules.seconds,
        seed=rules.seed,
        journal=Journal(_folder(home, data, settings)),
        say=say,
        hands=hands,
    )
    best = found.entries[0]
    say(f"fitting {best.name} on all {material.rows:,} rows", done=0.9)
    answers = answers_of(bench, best, rules.seed)
    pipeline = fit(material, best.name, best.parameters, rules.seed)
    signature = settled(material, pipeline, answers, settings)
    held = stability(bench, best, learner_of(best.name), pipeline, rules.seed)
    bench.material = final = with_signature(material, signature)
    candidate = Candidate(
        pipeline=pipeline,
        signature=signature,
        lineage=lineage_of(material, settings, best.name, best.parameters, data=data, root=root, parent=parent),
        reference=reference_without_truth(final, settings.monitor.window, pipeline, answers),
        columns=material.columns,
        name=settings.model.name,
    )
    folds = fold_lines(bench, answers)
    return Training(
        candidate=candidate,
        leaderboard=tuple(_told(row, bench.by, held) for row in leaderboard(found, material.signature)),
        metrics={**mean_metrics(folds), "stability": held},
        folds=folds,
        holdout=everything.source.iloc[rows[1]].reset_index(drop=True),
        seconds=time.perf_counter() - started,
        cut_short=found.cut_short,
        trials=found.trials,
        unlabelled=0,
    )


def _told(row: dict[str, Any], by: str, held: float) -> dict[str, Any]:
    return {**row, "metric": by, **({"stability": held} if row["chosen"] else {})}
