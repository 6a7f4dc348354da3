"""What the project asks of every fit besides its parameters: weights of rows and classes, monotone columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import ConfigInvalid, InputInvalid
from fairlead.contract.plugins import names, variant
from fairlead.contract.settings import AugmentSettings, Settings
from fairlead.contract.signature import Signature
from fairlead.lab.stats.measures import Floats, Ints
from fairlead.lab.train.augmenting import check_augment
from fairlead.lab.train.changing_texts import Groups, read_synonyms
from fairlead.lab.train.layout import Layout, layout_of
from fairlead.lab.train.mitigating import Mitigation, check_able, decided_by, mitigation_of
from fairlead.lab.train.transferring import Transferred

if TYPE_CHECKING:
    import pandas as pd

FILE = "fairlead.toml"


@dataclass(frozen=True)
class Terms:
    """class_weight: `balanced`, weights of classes, or None. monotone: column -> 1 (up) or -1 (down).

    patience: rounds without gain after which a learner that can stops early; 0: it does not. augment: rows that every
    fit makes of its own, see `augmenting`. keep: folder for fits
    that take long, so that they go on after a kill; watch: told of their passes. layout: where pictures and texts lie
    among the prepared features of this fit, where anything does; synonyms: words that mean the same, once they are
    read; transferred: what the network of one learner begins with. mitigation: what evens out groups; unseen: the
    column that groups are told by and the model itself does not learn from; groups: of the rows of this fit, (n,).
    clusters: of a ranking, which of its groups a row of this fit is of, (n,).
    """

    class_weight: str | Mapping[str, float] | None = None
    monotone: Mapping[str, int] = field(default_factory=dict)
    patience: int = 0
    augment: AugmentSettings | None = None
    keep: Path | None = None
    watch: Callable[[str, float], Any] | None = None
    quantile: float | None = None
    layout: Layout = field(default_factory=Layout)
    synonyms: Groups | None = None
    transferred: Transferred | None = None
    mitigation: Mitigation | None = None
    unseen: str = ""
    groups: Ints | None = None
    clusters: Ints | None = None

    def seeing(self, prepared: Any, signature: Signature) -> Terms:
        """These terms for features of that fitted preparation."""
        if not any(column.kind in ("tensor", "text") for column in signature.columns):
            return self
        return replace(self, layout=layout_of(prepared, signature))

    def words(self, root: Path | None = None) -> Groups:
        """Words that mean the same, from the file that `[train] augment` names. Raises ConfigInvalid."""
        if self.synonyms is not None or self.augment is None or not self.augment.synonyms:
            return self.synonyms or ()
        return read_synonyms((root or Path()) / self.augment.synonyms)

    def watched(self, home: Path | str | None, say: Callable[..., Any], root: Path | None = None) -> Terms:
        """These terms, with long fits kept in the home and their passes told to `say(text)`. root: of the project."""

        def tell(text: str, share: float) -> None:
            say(text)

        return replace(self, keep=None if home is None else Path(home) / "fits", watch=tell, synonyms=self.words(root))

    def __getstate__(self) -> dict[str, Any]:
        # Whom to tell is in this process alone.
        return {**self.__dict__, "watch": None}


def terms_of(settings: Settings, signature: Signature) -> Terms:
    """The terms of `[train]`, checked against the model's columns and classes. Raises ConfigInvalid."""
    rules = settings.train
    if rules.class_weight is not None:
        _check_classes(rules.class_weight, signature)
    if rules.monotone:
        _check_monotone(rules.monotone, signature)
    check_augment(rules.augment, signature.task)
    column = decided_by(settings) or ""
    return Terms(
        rules.class_weight, dict(rules.monotone), rules.patience, rules.augment,
        quantile=rules.quantile, mitigation=mitigation_of(settings, signature),
        unseen="" if column in settings.model.features else column,
    )  # fmt: skip


def _check_classes(asked: str | Mapping[str, float], signature: Signature) -> None:
    key = "train.class_weight"
    if signature.task != "classification":
        raise ConfigInvalid(f"a {signature.task} has no classes to weigh.", file=FILE, key=key)
    unknown = [] if isinstance(asked, str) else sorted(set(asked) - set(signature.classes))
    if unknown:
        cure = f"The classes are: {', '.join(signature.classes)}."
        raise ConfigInvalid(f"the target has no class {unknown[0]!r}.", file=FILE, key=key, cure=cure)


def _check_monotone(asked: Mapping[str, int], signature: Signature) -> None:
    key = "train.monotone"
    if signature.task not in ("classification", "regression") or len(signature.classes) > 2:
        raise ConfigInvalid(
            "an answer that rises or falls with a column is that of a regression or of two classes.",
            file=FILE, key=key, cure="Take monotone out.",
        )  # fmt: skip
    numeric = {column.name for column in signature.columns if column.numeric and column.kind != "boolean"}
    for name in asked:
        if name not in numeric:
            cure = f"Columns with an order: {', '.join(sorted(numeric)) or 'none'}."
            raise ConfigInvalid(f"{name!r} is no feature with an order.", file=FILE, key=key, cure=cure)


def check_learners(learners: Sequence[Any], terms: Terms) -> None:
    """Raises ConfigInvalid, naming the learner, where one cannot do what the terms ask."""
    check_able([learner.name for learner in learners], terms.mitigation)
    for learner in learners:
        if terms.quantile is not None and not hasattr(learner, "at_quantile"):
            able = [name for name in names("learner") if hasattr(variant("learner", name), "at_quantile")]
            raise ConfigInvalid(
                f"{learner.name} cannot answer a quantile.",
                file=FILE, key="train.quantile", cure=f"Set [train] learners to some of: {', '.join(able)}.",
            )  # fmt: skip
        if terms.monotone and not hasattr(learner, "constrain"):
            able = [name for name in names("learner") if hasattr(variant("learner", name), "constrain")]
            raise ConfigInvalid(
                f"{learner.name} cannot keep its answer monotone in a column.",
                file=FILE, key="train.monotone", cure=f"Set [train] learners to some of: {', '.join(able)}.",
            )  # fmt: skip


def weights_of(source: pd.DataFrame, settings: Settings, pinned: bool) -> Floats | None:
    """The weight of each row as the table states it, shape (n,), or None without `[train] weight`.

    pinned: the signature is known already (retraining, judging); rows of a running model carry no weights then, and
    all weigh the same. A row without a weight among others that have one is refused.
    Raises ConfigInvalid for a column that is not there, InputInvalid for weights that are none.
    """
    name = settings.train.weight
    if name is None or (pinned and name not in source.columns):
        return None
    if name not in source.columns:
        cure = f"The table has: {', '.join(map(str, source.columns))}."
        raise ConfigInvalid(f"the table has no column {name!r}.", file=FILE, key="train.weight", cure=cure)
    import pandas as pd

    found = pd.to_numeric(source[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= 0.0)))
    if len(wrong):
        raise InputInvalid(
            f"{len(wrong)} rows have no weight of 0 or more in the column {name!r}; the first is row {wrong[0]}"
        )
    if not found.any():
        raise InputInvalid(f"all weights in the column {name!r} are 0")
    return found


def fit_weights(truth: np.ndarray, weights: Floats | None, terms: Terms) -> Floats | None:
    """Weights of the rows of one fit, (n,): the rows' own to a mean of 1, times those of their classes.

    truth: the rows' classes or numbers. None where all weigh the same. `balanced` weighs a class by
    n / (classes * weight of its rows), so that all classes weigh the same together.
    """
    if weights is None and terms.class_weight is None:
        return None
    own = np.ones(len(truth)) if weights is None else weights / weights.mean() if weights.any() else weights + 1.0
    if terms.class_weight is None:
        return own
    _, codes = np.unique(truth.astype(str), return_inverse=True)
    if terms.class_weight == "balanced":
        sums = np.bincount(codes, weights=own)
        shares = np.divide(own.sum(), len(sums) * sums, out=np.zeros_like(sums), where=sums > 0.0)
        found: Floats = own * shares[codes]
        return found
    assert not isinstance(terms.class_weight, str)
    shares = np.array([terms.class_weight.get(str(label), 1.0) for label in truth], dtype=np.float64)
    return np.asarray(own * shares)


def signs_of(fitted: Any, frame: pd.DataFrame, signature: Signature, terms: Terms) -> list[int] | None:
    """For each prepared feature 1, -1 or 0: how the answer must follow it so that it follows the columns as asked.

    fitted: the preparation, fitted. Found by asking it: each column is moved through the values that training saw
    while the others stay, for several rows. Of two classes it is the answer for the positive one that is constrained.
    Raises ConfigInvalid where a column reaches the model as something that does not follow its order.
    """
    if not terms.monotone:
        return None
    upside = -1 if signature.positive is not None and signature.classes[0] == signature.positive else 1
    wanted: Ints | None = None
    for name, sign in terms.monotone.items():
        moved = _directions(fitted, frame, name)
        if wanted is None:
            wanted = np.zeros(len(moved), dtype=np.int64)
        asked = moved * sign * upside
        if (moved == MIXED).any() or ((wanted != 0) & (asked != 0) & (wanted != asked)).any():
            raise ConfigInvalid(
                f"the preparation of {name!r} does not keep its order, so no learner can be monotone in it.",
                file=FILE, key="train.monotone", cure=f"Prepare {name!r} as a number, or take it out of monotone.",
            )  # fmt: skip
        wanted = np.where(asked != 0, asked, wanted)
    return None if wanted is None else wanted.tolist()


MIXED = 9
PLACES, ROWS = 65, 5


def _directions(fitted: Any, frame: pd.DataFrame, name: str) -> Ints:
    """How each prepared feature follows a column: 1, -1, 0 (not at all) or MIXED. Shape (features,)."""
    import pandas as pd

    seen = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    seen = np.unique(seen[np.isfinite(seen)])
    places = seen[np.unique(np.linspace(0, len(seen) - 1, PLACES).astype(int))] if len(seen) else np.zeros(1)
    found: Ints | None = None
    for row in np.unique(np.linspace(0, len(frame) - 1, ROWS).astype(int)):
        block = pd.concat([frame.iloc[[row]]] * len(places), ignore_index=True)
        block[name] = places
        steps = np.diff(np.asarray(fitted.transform(block), dtype=np.float64), axis=0)
        up, down = (steps > 0.0).any(axis=0), (steps < 0.0).any(axis=0)
        here = np.where(up & down, MIXED, up.astype(np.int64) - down.astype(np.int64))
        if found is None:
            found = here
        else:
            apart = (found != here) & (found != 0) & (here != 0)
            found = np.where(apart, MIXED, np.where(found == 0, here, found))
    assert found is not None
    return found
