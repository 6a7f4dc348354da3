"""Between search and seal of a model that is to treat groups alike: what the search tries, and what is settled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.contract.decisions import Decisions
from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.lab.stats.measures import Floats
from fairlead.lab.stats.spans import block_rows
from fairlead.lab.train.bench import Bench
from fairlead.lab.train.fitting import learner_of
from fairlead.lab.train.gaps import mitigation_found
from fairlead.lab.train.material import Material
from fairlead.lab.train.mitigating import ABLE, check_able, mitigates_decisions

if TYPE_CHECKING:
    from fairlead.lab.train.search import Entry


def searched_on(bench: Bench) -> Bench:
    """What a search tries settings on: rows without a mitigation that takes many fits; weights of rows stay."""
    if bench.material.terms.mitigation is None:
        return bench
    return Bench(bench.material.plain(), bench.folds, bench.repeats)


def able_learners(learners: Sequence[Any], asked: Sequence[str], material: Material) -> list[Any]:
    """Of learners that nobody asked for those that can be sealed under the mitigation. Raises ConfigInvalid, naming
    one that was asked for and cannot.
    """
    mitigation = material.terms.mitigation
    if mitigation is None:
        return list(learners)
    if asked:
        check_able([learner.name for learner in learners], mitigation)
        return list(learners)
    able = ABLE[mitigation.rules.by]
    kept = [learner for learner in learners if learner.name in able]
    if not kept:
        raise ConfigInvalid(
            f"none of the learners can be sealed under {mitigation.rules.by}.",
            file="fairlead.toml", key="train.learners", cure=f"Set it to some of: {', '.join(able)}.",
        )  # fmt: skip
    return kept


def unmitigated(bench: Bench, entry: Entry, seed: int, answers: Floats) -> Floats:
    """Out-of-fold answers of the same settings to the same rows, nothing evened out. answers: the search's."""
    if bench.material.terms.mitigation is not None:
        return answers
    return _answered(Bench(bench.material.plain(), bench.folds, bench.repeats), entry, seed)


def mitigated(bench: Bench, entry: Entry, seed: int, answers: Floats) -> Floats:
    """Out-of-fold answers with the mitigation. answers: the search's."""
    return answers if bench.material.terms.mitigation is None else _answered(bench, entry, seed)


def _answered(bench: Bench, entry: Entry, seed: int) -> Floats:
    learner = learner_of(entry.name)
    return bench.whole([bench.answers(at, learner, entry.parameters, seed) for at in range(len(bench.folds))])


def as_settled(settings: Settings) -> Settings:
    """The settings by which decisions are settled after it: a calibration would move them again."""
    if not mitigates_decisions(settings):
        return settings
    plain = msgspec.structs.replace(settings.train, calibrate=False)
    return msgspec.structs.replace(settings, train=plain)


def with_evidence(
    found: Decisions | None, material: Material, settings: Settings, before: Floats, after: Floats, pipeline: Any
) -> Decisions | None:
    """What was settled, and what the mitigation did. before, after: out-of-fold answers, (rows, classes)."""
    block = block_rows(material.rows, material.times, settings.monitor.window)
    told = mitigation_found(material, settings, before, after, pipeline, block)
    return found if told is None else msgspec.structs.replace(found or Decisions(), mitigation=told)
