"""Settings of judging that are each valid and cannot hold: measures, slices and approvals that do not exist."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import Settings
from fairlead.ops.project.mitigating import check_mitigation

Fail = Callable[..., ConfigInvalid]


def check_judging(settings: Settings, fail: Fail) -> None:
    """Raise what `fail(key, what, cure)` makes of the first thing in [gate] and [evaluate] that cannot be."""
    _check_groups(settings, fail)
    _check_slices(settings, fail)
    check_mitigation(settings, fail)
    _check_populations(settings, fail)
    gate = settings.gate
    if gate.max_calibration_error is not False and settings.model.task != "classification":
        raise fail("gate.max_calibration_error", f"a {settings.model.task} gives no probabilities.")
    if isinstance(gate.approvals, tuple):
        bare = [name.strip().casefold() for name in gate.approvals]
        if "" in bare or len(set(bare)) != len(bare):
            raise fail("gate.approvals", "names the same person twice, or nobody.", "Name each approver once.")


def _check_groups(settings: Settings, fail: Fail) -> None:
    from fairlead.lab.evaluate.fairness import BINARY, MULTICLASS, measures_of

    groups, task = settings.gate.groups, settings.model.task
    if not groups:
        return
    if not settings.model.sensitive:
        raise fail("gate.groups", "there are no groups to compare.", "Name columns in model.sensitive.")
    # How many classes there are is known once the table is read.
    known = tuple(dict.fromkeys((*BINARY, *MULTICLASS))) if task == "classification" else measures_of(task, 0)
    for measure in groups:
        if measure not in known:
            near = difflib.get_close_matches(measure, known, n=1)
            cure = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise fail("gate.groups", f"{measure!r} is no measure of fairness of a {task}.", cure)


def _check_slices(settings: Settings, fail: Fail) -> None:
    from fairlead.lab.evaluate.expressions import read_rule

    for key, rules in (("evaluate.slices", settings.evaluate.slices), ("monitor.slices", settings.monitor.slices)):
        for rule in rules:
            try:
                read_rule(rule)
            except ConfigInvalid as why:
                raise fail(key, str(why).removeprefix("fairlead.toml: evaluate.slices: ")) from None


def _check_populations(settings: Settings, fail: Fail) -> None:
    from fairlead.lab.evaluate.populations import read_population

    for text in settings.card.populations:
        try:
            read_population(text)
        except ConfigInvalid as why:
            raise fail("card.populations", str(why).removeprefix("fairlead.toml: card.populations: ")) from None
