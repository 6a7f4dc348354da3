"""Training where nothing says what is right: clusterings by their silhouette, anomalies by labels or by agreement.

What decides between models, smaller is better, is in the leaderboard by its name:

- `1 - silhouette` of the clusters of rows that were held out, on at most 2,000 of them;
- `1 - pr_auc` of held-out rows where the target column says which are anomalies;
- `instability` without labels: 1 less the rank correlation of what two halves of the rows learned to say about rows
  that neither saw. It tells how much is chance, not what is right.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.compile.untaught import clusters_of, untaught_scores
from fairlead.lab.stats.grouping import same_grouping, shape_metrics
from fairlead.lab.stats.measures import Floats, metrics
from fairlead.lab.stats.strangeness import best_threshold, rank_agreement, share_threshold
from fairlead.lab.stats.threads import few_threads
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.folding import Fold
from fairlead.lab.train.learning import learn
from fairlead.lab.train.material import Material
from fairlead.lab.train.search import Entry

if TYPE_CHECKING:
    from fairlead.contract.profile import Reference

WORST = {"1 - silhouette": 2.0, "1 - pr_auc": 1.0, "instability": 2.0}
FEWEST_LABELS = 5
"""Anomalies among the labels from which on they choose models and the threshold."""
REDRAWN = 5
REDRAWN_ROWS = 5_000


def without_truth(signature: Signature) -> bool:
    """Whether this task is learned here."""
    return signature.task in UNSUPERVISED


def labels_decide(material: Material) -> bool:
    """Whether there are labels of anomalies, and of others, enough to choose by."""
    if material.signature.task != "anomaly":
        return False
    truth = material.truth[np.isfinite(material.truth)]
    return bool(min((truth > 0.5).sum(), (truth < 0.5).sum()) >= FEWEST_LABELS)


def chosen_by(material: Material) -> str:
    """The name of what decides."""
    if material.signature.task == "clustering":
        return "1 - silhouette"
    return "1 - pr_auc" if labels_decide(material) else "instability"


class UntaughtBench(Bench):
    """A bench whose models are scored when they answer, as that takes the model and its features."""

    def __init__(self, material: Material, folds: Sequence[Fold], seed: int) -> None:
        super().__init__(material, folds)
        self.seed, self.by = seed, chosen_by(material)
        # By identity, with the answers themselves, so that no other array can take theirs.
        self._scored: dict[int, tuple[Floats, float]] = {}

    def answers(self, index: int, learner: Any, parameters: Mapping[str, Any], seed: int) -> Floats:
        """See Bench."""
        learned, judged = self.prepared(index)
        answers = self._asked(index, learner, parameters, seed, learned, judged, slice(None))
        self._scored[id(answers)] = answers, self._decided(index, answers, learner, parameters, seed)
        return answers

    def score(self, index: int, answers: Floats) -> float:
        """What `by` says about the answers to one fold."""
        return self._scored.pop(id(answers))[1]

    def _asked(
        self,
        index: int,
        learner: Any,
        parameters: Mapping[str, Any],
        seed: int,
        learned: Floats,
        judged: Floats,
        part: Any,
    ) -> Floats:
        task, nothing = self.material.signature.task, np.zeros(len(learned[part]))
        weights = self.material.fit_weights(self.learned(index))
        with few_threads(len(learned)), warnings.catch_warnings():
            # Half of a fold may hold fewer rows than a tree may draw; it then draws what there is.
            warnings.filterwarnings("ignore", message="max_samples")
            estimator = learn(
                learner, task, parameters, seed, learned[part], nothing,
                weights=None if weights is None else weights[part],
            )  # fmt: skip
            return untaught_scores(estimator, judged, task)

    def _decided(self, index: int, answers: Floats, learner: Any, parameters: Mapping[str, Any], seed: int) -> float:
        learned, judged = self.prepared(index)
        if self.by == "1 - silhouette":
            found = shape_metrics(judged, answers.argmax(axis=1), self.seed).get("silhouette")
        elif self.by == "1 - pr_auc":
            truth = self.material.truth[self.folds[index].judge]
            found = metrics("anomaly", truth, answers, self.material.signature).get("pr_auc")
        else:
            order = np.random.default_rng([self.seed, 8, index]).permutation(len(learned))
            halves = np.array_split(order, 2)
            one, other = (self._asked(index, learner, parameters, seed, learned, judged, np.sort(h)) for h in halves)
            found = rank_agreement(one[:, 0], other[:, 0])
        return WORST[self.by] if found is None or not np.isfinite(found) else 1.0 - found

    def metrics(self, index: int, answers: Floats) -> dict[str, float]:
        """See Bench."""
        fold, signature = self.folds[index], self.material.signature
        found = metrics(signature.task, self.material.truth[fold.judge], answers, signature)
        if signature.task == "clustering":
            found |= shape_metrics(self.prepared(index)[1], answers.argmax(axis=1), self.seed)
        return found


def settled(material: Material, pipeline: Any, answers: Floats, settings: Settings) -> Signature:
    """The signature with what training decided: the names of the clusters, or the threshold of an anomaly.

    answers: out-of-sample scores, (rows, outputs), NaN where no fold judged. The threshold is where F1 is best on
    labelled rows; without labels the share `[train] contamination` lies above it.
    """
    signature = material.signature
    if signature.task == "clustering":
        names = tuple(str(number) for number in range(clusters_of(pipeline)))
        return msgspec.structs.replace(signature, classes=names)
    score = answers[:, 0]
    judged = np.isfinite(score)
    if labels_decide(material):
        known = judged & np.isfinite(material.truth)
        threshold = best_threshold(material.truth[known], score[known])
    else:
        threshold = share_threshold(score[judged], settings.train.contamination)
    return msgspec.structs.replace(signature, threshold=threshold)


def stability(bench: UntaughtBench, entry: Entry, learner: Any, pipeline: Any, seed: int) -> float:
    """How far the model is the same when rows are drawn anew, at most 1.

    Clustering: mean adjusted Rand index between its clusters and those of five bootstrap samples (Hennig, 2007, with
    another index). Anomaly: mean rank correlation of its scores with theirs. On at most 5,000 rows.
    """
    material = bench.material
    task = material.signature.task
    random = np.random.default_rng([seed, 9])
    rows = np.arange(material.rows)
    if len(rows) > REDRAWN_ROWS:
        rows = np.sort(random.choice(rows, REDRAWN_ROWS, replace=False))
    features = np.asarray(pipeline[:-1].transform(material.frame.iloc[rows]), dtype=np.float64)
    with few_threads(len(rows)):
        own = untaught_scores(pipeline[-1], features, task)
        found = []
        for draw in range(REDRAWN):
            drawn = random.integers(0, len(rows), len(rows))
            other = learn(learner, task, entry.parameters, seed + draw, features[drawn], np.zeros(len(rows)))
            theirs = untaught_scores(other, features, task)
            if task == "clustering":
                found.append(same_grouping(own.argmax(axis=1), theirs.argmax(axis=1)))
            else:
                found.append(rank_agreement(own[:, 0], theirs[:, 0]))
    return float(np.mean(found))


def with_signature(material: Material, signature: Signature) -> Material:
    """The same rows under what training decided."""
    return replace(material, signature=signature)


def reference_without_truth(material: Material, window: str, pipeline: Any, answers: Floats) -> Reference:
    """The reference of a clustering, or of an anomaly detection. answers: as of `settled`.

    Clusters of other folds bear other names, so a clustering is counted by what the sealed model says itself; there
    is no promise of a loss where nobody knows what is right.
    """
    from fairlead.lab.train.promise import reference_of

    table = answers
    if material.signature.task == "clustering":
        with few_threads(material.rows):
            table = untaught_scores(pipeline, material.frame, "clustering")

    def answer(fold: Fold) -> Floats:
        return table[fold.judge]

    return reference_of(material, window, answer, table)
