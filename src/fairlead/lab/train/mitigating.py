"""Learning so that groups are treated more alike: what `[train] mitigate` asks for, and its weights of rows.

Reweighing fits the model with other weights; `exponentiating` fits many and takes their mean; `group_thresholds` gives
groups thresholds of their own. Only the last asks for the sensitive column when it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import MitigateSettings, Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, Ints

if TYPE_CHECKING:
    import pandas as pd

FILE = "fairlead.toml"
FEWEST_ROWS = 10
"""A group of fewer rows of one class would let single rows weigh as much as many others; it keeps its weights."""
MOST_GROUPS = 12
LINEAR = ("logistic", "lasso", "elastic_net")
BOOSTED = ("hist_gradient_boosting", "lightgbm", "explainable_boosting")
FORESTS = ("random_forest", "extra_trees", "decision_tree")
ABLE: dict[str, tuple[str, ...]] = {
    "threshold_optimiser": (*LINEAR, *BOOSTED),
    "exponentiated_gradient": (*LINEAR, *BOOSTED, *FORESTS),
}
"""Learners by way: those whose answers are sums of log-odds; forests, too, where a mean of probabilities will do."""


def rules_of(settings: Settings) -> MitigateSettings | None:
    """`[train] mitigate` as its settings; None where the project mitigates nothing."""
    asked = settings.train.mitigate
    return MitigateSettings(by=asked) if isinstance(asked, str) else asked  # type: ignore[arg-type]


def decided_by(settings: Settings) -> str | None:
    """The sensitive column that thresholds go by, which every request must then carry; None for any other way."""
    rules = rules_of(settings)
    if rules is None or rules.by != "threshold_optimiser":
        return None
    return rules.column or (settings.model.sensitive[0] if settings.model.sensitive else None)


@dataclass(frozen=True)
class Mitigation:
    """What a fit is asked to even out. classes: both labels; positive: the one that is decided for or against.

    marks: the groups whose thresholds are their own, as the last features mark them; empty for other ways.
    """

    rules: MitigateSettings
    classes: tuple[str, str]
    positive: str
    column: str = ""
    marks: tuple[str | float, ...] = ()


def mitigation_of(settings: Settings, signature: Signature) -> Mitigation | None:
    """None where nothing is asked, or weights alone do it. Raises ConfigInvalid for what these columns cannot have."""
    rules = rules_of(settings)
    if rules is None or rules.by == "reweighing":
        return None
    if len(signature.classes) != 2:
        raise ConfigInvalid(
            f"{rules.by} needs a target of two classes; this has {len(signature.classes)}.",
            file=FILE, key="train.mitigate", cure="Use reweighing.",
        )  # fmt: skip
    positive = signature.positive or signature.classes[1]
    classes = (signature.classes[0], signature.classes[1])
    column = decided_by(settings)
    if column is None:
        return Mitigation(rules, classes, positive)
    return Mitigation(rules, classes, positive, column, _marks(column, signature))


def _marks(column: str, signature: Signature) -> tuple[str | float, ...]:
    known = {one.name: one for one in signature.columns}
    if column not in known:
        raise ConfigInvalid(
            f"the model does not take {column!r}, by which its thresholds go.",
            file=FILE, key="train.mitigate", cure="Train anew: the model must take it.",
        )  # fmt: skip
    found: tuple[Any, ...] = known[column].categories
    if known[column].kind == "boolean":
        found = (0.0, 1.0)
    if not 2 <= len(found) <= MOST_GROUPS:
        raise ConfigInvalid(
            f"thresholds go by 2 to {MOST_GROUPS} groups; {column!r} is a {known[column].kind} of {len(found)} values.",
            file=FILE, key="train.mitigate.column", cure="Cut it into groups with [data] prepare, or name another.",
        )  # fmt: skip
    return found


def check_able(names: Sequence[str], mitigation: Mitigation | None) -> None:
    """Raises ConfigInvalid, naming the learner, where one cannot be mitigated this way and sealed."""
    if mitigation is None:
        return
    able = ABLE[mitigation.rules.by]
    for name in names:
        if name not in able:
            raise ConfigInvalid(
                f"{name} cannot be sealed under {mitigation.rules.by}.",
                file=FILE, key="train.mitigate", cure=f"Set [train] learners to some of: {', '.join(able)}.",
            )  # fmt: skip


def groups_for(source: pd.DataFrame, settings: Settings) -> Ints | None:
    """The group of each row (n,) by all sensitive columns together; None where fits do not go by groups.

    Rare groups stay apart, a missing value is a group. Numbers of more than 12 values are cut in quarters.
    Raises ConfigInvalid where the rows lack a sensitive column.
    """
    rules = rules_of(settings)
    if rules is None or rules.by == "threshold_optimiser":
        return None
    import pandas as pd

    codes = np.zeros(len(source), dtype=np.int64)
    for column in (rules.column,) if rules.column is not None else settings.model.sensitive:
        if column not in source.columns:
            raise ConfigInvalid(
                f"{rules.by} needs the sensitive column {column!r} in the rows that are learned from.",
                file=FILE, key="train.mitigate", cure="Bring it, or take mitigate out.",
            )  # fmt: skip
        cells = source[column]
        if pd.api.types.is_numeric_dtype(cells) and cells.nunique() > 12:
            cells = pd.qcut(cells, 4, duplicates="drop")
        own, _ = pd.factorize(cells.astype(object).where(cells.notna(), "missing").astype(str))
        codes = np.unique(codes * (int(own.max()) + 1) + own, return_inverse=True)[1].reshape(-1)
    return codes.astype(np.int64)


def reweighed(truth: np.ndarray, groups: Ints, weights: Floats | None = None) -> Floats:
    """Weights (n,) that make class and group independent: P(group) P(class) / P(group and class), times `weights`.

    truth: classes (n,); groups: codes (n,). Each class and each group keeps its whole weight.
    Source: Kamiran and Calders, Data preprocessing techniques for classification without discrimination (2012).
    """
    own = np.ones(len(truth)) if weights is None else weights
    _, classes = np.unique(truth.astype(str), return_inverse=True)
    _, members = np.unique(groups, return_inverse=True)
    k, g = int(classes.max()) + 1, int(members.max()) + 1
    cell = members * k + classes
    both = np.bincount(cell, weights=own, minlength=g * k).reshape(g, k)
    rows = np.bincount(cell, minlength=g * k).reshape(g, k)
    wanted = both.sum(axis=1, keepdims=True) * both.sum(axis=0, keepdims=True) / both.sum()
    factor = np.where(rows >= FEWEST_ROWS, wanted / np.maximum(both, 1e-300), 1.0)
    found: Floats = own * factor.reshape(-1)[cell]
    return found


def mitigates_decisions(settings: Settings) -> bool:
    """Whether decisions are evened out as well as weights of rows, so that a plain fit of the same rows is no match."""
    rules = rules_of(settings)
    return rules is not None and rules.by != "reweighing"
