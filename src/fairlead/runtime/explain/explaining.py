"""Explanations of a sealed model: what each column of a row did to its answer, against the bundle's background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fairlead.contract.errors import NotOffered, UsageError
from fairlead.contract.plugins import variant
from fairlead.contract.signature import Cell
from fairlead.runtime.bundle.cells import columns_of_rows, rows_from
from fairlead.runtime.bundle.coded import Columns
from fairlead.runtime.bundle.columns import coded_columns_from
from fairlead.runtime.bundle.manifest import BACKGROUND, NATIVE_FORM
from fairlead.runtime.bundle.run import Model, build
from fairlead.runtime.bundle.tabular import is_table
from fairlead.runtime.bundle.verifying import verify
from fairlead.runtime.explain.attributed import Floats
from fairlead.runtime.explain.pooled import is_separable, pooled
from fairlead.runtime.explain.subject import HELD, Subject, Terms, background_rows, subject_of

INDEPENDENT = "synthetic, each column drawn independently of the others"
"""What the rows of background.jsonl are."""

AUTOMATIC = ("linear", "trees", "enumeration", "permutation")
"""Explainers in the order in which they are tried; others, third parties' among them, where they are named."""

_NO_COLUMNS = (
    "a forecast goes by a whole history, which is one column and not many: its report says how far it errs by step "
    "and what repeating the last season would have said; ask again with a changed history to see what it goes by"
)

CHUNK = 4096
"""Rows explained at once."""

CLOSE = 1e-6
"""How far, as a share of the larger of 1 and the margin, attributions may be from summing to it before that is said."""


@dataclass(frozen=True)
class Explanation:
    """Attributions of n rows, c columns and k outputs: baseline + their sum over columns = margin, but for `residual`.

    method: of the port `explainer`; exact: whether nothing was sampled; said: how it was done. scale: the margin's
    unit (`margins`); outputs: what each of k is about. baseline: (k,), the mean margin of `background` synthetic
    rows; margins: (n, k); attributions: (n, c, k); errors: standard errors, same shape, None where exact.
    """

    method: str
    exact: bool
    said: str
    scale: str
    outputs: tuple[str, ...]
    columns: tuple[str, ...]
    background: int
    baseline: Floats
    margins: Floats
    attributions: Floats
    errors: Floats | None

    @property
    def residual(self) -> float:
        """How far baseline and attributions are from summing to the margin, at most."""
        if not len(self.margins):
            return 0.0
        return float(np.abs(self.baseline + self.attributions.sum(axis=1) - self.margins).max())

    @property
    def sums(self) -> bool:
        """Whether that is within CLOSE of every margin."""
        apart = np.abs(self.baseline + self.attributions.sum(axis=1) - self.margins)
        return bool((apart <= CLOSE * np.maximum(1.0, np.abs(self.margins))).all())

    def answer(self) -> dict[str, Any]:
        """As JSON. One output: a number a column; several: by output. Lists have one entry a row."""
        found: dict[str, Any] = {
            "method": self.method,
            "exact": self.exact,
            "said": self.said,
            "scale": self.scale,
            "of": list(self.outputs),
            "background": {"rows": self.background, "kind": INDEPENDENT},
            "baseline": self._named(self.baseline.tolist()),
            "margins": [self._named(row) for row in self.margins.tolist()],
            "attributions": [self._by_column(row) for row in self.attributions],
            "residual": self.residual,
            "sums": self.sums,
        }
        if self.errors is not None:
            found["errors"] = [self._by_column(row) for row in self.errors]
        return found

    def _named(self, numbers: list[float]) -> Any:
        return numbers[0] if len(numbers) == 1 else dict(zip(self.outputs, numbers, strict=True))

    def _by_column(self, row: Floats) -> Any:
        listed = [dict(zip(self.columns, part, strict=True)) for part in row.T.tolist()]
        return listed[0] if len(listed) == 1 else dict(zip(self.outputs, listed, strict=True))


class Explainable:
    """A compiled model that can be asked why. Methods keep nothing but what all rows share."""

    def __init__(self, model: Model, files: dict[str, bytes]) -> None:
        """Raises BundleRefused, and NotOffered for forecasts."""
        if model.signature.task == "forecasting":
            raise NotOffered(_NO_COLUMNS)
        self.model = model
        self._behind = background_rows(files[BACKGROUND], model.signature, model.front.width)
        self.subject: Subject = subject_of(model, files, self._behind)
        self._separable = is_separable(model)
        self._encode = model.front.column_encoder()

    def explain(self, rows: Any, terms: Terms | None = None, method: str = "") -> Explanation:
        """Rows as `Model.predict` takes them. Raises InputInvalid and below, DeadlineExceeded, NotOffered."""
        signature = self.model.signature
        if is_table(rows):
            return self.explain_columns(coded_columns_from(rows, signature), terms, method)
        return self.explain_rows(rows_from(rows, signature), terms, method)

    def explain_rows(self, rows: Sequence[Sequence[Cell]], terms: Terms | None = None, method: str = "") -> Explanation:
        """Rows in signature order."""
        return self.explain_columns(columns_of_rows(rows, self.model.signature), terms, method)

    def explain_columns(self, columns: Columns, terms: Terms | None = None, method: str = "") -> Explanation:
        """Rows in the columns form. method: a variant of the port `explainer`; else the first that accepts."""
        total = len(next(iter(columns.values()))) if columns else 0
        each = max(1, min(CHUNK, HELD // max(1, self.model.front.width)))
        if total <= each:
            return self._explained(columns, terms or Terms(), method)
        parts = [
            self._explained(
                {name: _cut(column, at, each) for name, column in columns.items()}, terms or Terms(), method
            )
            for at in range(0, total, each)
        ]
        return together(parts)

    def _explained(self, columns: Columns, terms: Terms, method: str) -> Explanation:
        terms.check()
        if self._separable:
            subject, features = self.subject, self._encode(columns)
        else:
            subject, features = pooled(self.subject, self.model, self._behind, columns)
        explainer = chosen(subject, terms, method)
        found = explainer.attribute(subject, features, terms)
        return Explanation(
            method=explainer.name,
            exact=explainer.exact,
            said=found.said,
            scale=subject.margin.scale,
            outputs=subject.margin.outputs,
            columns=subject.players,
            background=len(subject.background),
            baseline=subject.baseline,
            margins=subject.margin(features),
            attributions=found.attributions,
            errors=found.errors,
        )


def together(parts: Sequence[Explanation]) -> Explanation:
    """Explanations of rows one after another as one."""
    first = parts[0]
    errors = (
        None if first.errors is None else np.concatenate([part.errors for part in parts if part.errors is not None])
    )
    return replace(
        first,
        margins=np.concatenate([part.margins for part in parts]),
        attributions=np.concatenate([part.attributions for part in parts]),
        errors=errors,
    )


def _cut(column: Any, first: int, rows: int) -> Any:
    return column[first : first + rows]


def chosen(subject: Subject, terms: Terms, method: str = "") -> Any:
    """The explainer `method`, else the first that accepts. Raises UnknownPlugin; UsageError, NotOffered: why not."""
    refused = []
    for name in (method,) if method else AUTOMATIC:
        explainer = variant("explainer", name, extra="explain")()
        why = explainer.accepts(subject, terms)
        if why is None:
            return explainer
        refused.append(f"{name}: {why}")
    said = f"{'' if method else 'no explainer takes this model. '}{'; '.join(refused)}."
    raise UsageError(said) if method else NotOffered(said)


def load(folder: str | Path, trusted: Iterable[str]) -> Explainable:
    """Verify the bundle in `folder` and build what explains it. Raises BundleRefused, NotOffered for native models and
    forecasts.
    """
    verified = verify(folder, trusted)
    if NATIVE_FORM in verified.files:
        raise NotOffered("a native model runs code of its own: only compiled models are explained")
    return Explainable(build(verified), verified.files)
