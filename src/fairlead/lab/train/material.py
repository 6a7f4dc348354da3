"""Rows made ready for learning: prepared columns, truth and times in one order, with their signature."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fairlead.contract.errors import InputInvalid
from fairlead.contract.preparing import PreparationSettings
from fairlead.contract.settings import Settings
from fairlead.contract.signature import UNSUPERVISED, Signature
from fairlead.lab.stats.measures import Floats, Ints, class_codes
from fairlead.lab.stats.ranking import whole_codes
from fairlead.lab.train.grouped import clusters_of, gain_by_group, kept_groups
from fairlead.lab.train.mitigating import groups_for, reweighed
from fairlead.lab.train.terms import Terms, fit_weights, terms_of, weights_of

if TYPE_CHECKING:
    import pandas as pd

STRATA = 10


@dataclass(frozen=True)
class Material:
    """Labelled rows in learning form, by time where there is time, else in the order of the table.

    source: the rows as they came; frame: the features as the pipeline takes them; columns: the same
    in the columns form; truth: (n,) labels or numbers; times: (n,) seconds since the epoch, or None.
    unlabelled: rows left out because they have no truth. weights: (n,) as `[train] weight` has them, or None;
    groups: (n,) by the sensitive columns, where `[train] mitigate` reweighs, or None;
    clusters: (n,) by `[model] group`, rows that splits keep together where there is no time, or None;
    terms: what the project asks of every fit of these rows; preparing: what is done to their columns.
    """

    signature: Signature
    source: pd.DataFrame
    frame: pd.DataFrame
    columns: dict[str, Any]
    truth: np.ndarray
    times: Floats | None
    unlabelled: int = 0
    weights: Floats | None = None
    groups: Ints | None = None
    clusters: Ints | None = None
    terms: Terms = field(default_factory=Terms)
    preparing: PreparationSettings = field(default_factory=PreparationSettings)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.truth)

    def codes(self) -> Ints:
        """The truth as positions in `signature.classes`. Shape (n,)."""
        return class_codes(self.truth, self.signature.classes)

    def take(self, rows: Ints) -> Material:
        """These rows alone, in the order given. rows: positions, shape (m,)."""
        return Material(
            signature=self.signature,
            source=self.source.iloc[rows].reset_index(drop=True),
            frame=self.frame.iloc[rows].reset_index(drop=True),
            columns={name: values[rows] for name, values in self.columns.items()},
            truth=self.truth[rows],
            times=None if self.times is None else self.times[rows],
            weights=None if self.weights is None else self.weights[rows],
            groups=None if self.groups is None else self.groups[rows],
            clusters=None if self.clusters is None else whole_codes(self.clusters[rows]),
            terms=self.terms,
            preparing=self.preparing,
        )

    def preparation(self) -> Any:
        """The unfitted ColumnTransformer of these columns, see `preparing`; where groups have thresholds of their own,
        their marks are its last features.
        """
        from fairlead.lab.train.preparing.marking import prepared_apart

        return prepared_apart(self.signature, self.preparing, self.terms.unseen, self.terms.mitigation)

    def terms_for(self, rows: Ints | None = None) -> Terms:
        """The terms of a fit of these rows (None: all)."""
        found = self.terms
        if self.clusters is not None:
            found = replace(found, clusters=self.clusters if rows is None else self.clusters[rows])
        if self.terms.mitigation is None or self.groups is None:
            return found
        return replace(found, groups=self.groups if rows is None else self.groups[rows])

    def plain(self) -> Material:
        """The same rows, nothing evened out: what a mitigation is compared with."""
        return replace(self, terms=replace(self.terms, mitigation=None), groups=None)

    def learned(self, rows: Ints | None = None) -> Ints | None:
        """Those of `rows` (None: all) that settings do not leave out of training."""
        from fairlead.lab.train.preparing.dropping import kept_rows

        return kept_rows(self.signature, self.preparing, self.columns, rows)

    def fit_weights(self, rows: Ints | None = None) -> Floats | None:
        """Weights of rows that are fitted together, those of their classes included; None where all are equal."""
        weights = self.weights if self.weights is None or rows is None else self.weights[rows]
        truth = self.truth if rows is None else self.truth[rows]
        found = fit_weights(truth, weights, self.terms)
        if self.groups is None or self.terms.mitigation is not None:
            return found
        return reweighed(truth, self.groups if rows is None else self.groups[rows], found)


def material_of(frame: Any, settings: Settings, signature: Signature | None = None) -> Material:
    """The rows of a frame that can be learned from.

    signature: when it is known already (retraining, judging); else it is inferred from these rows.
    Raises InputInvalid when no row has a truth, ColumnMissing, CellInvalid, ConfigInvalid.
    """
    from fairlead.lab.tables import columns_of, event_times, frame_of, open_table, signature_of, target_of
    from fairlead.lab.train.preparing.word_order import for_learners

    if settings.model.task == "forecasting":
        from fairlead.lab.train.forecasting.rows import forecast_material

        return forecast_material(frame, settings, signature)
    source = frame if hasattr(frame, "iloc") else open_table(frame).frame()
    pinned = signature is not None
    signature = signature or signature_of(source, settings)
    if settings.preparation.columns or settings.preparation.interactions:
        from fairlead.lab.train.preparing.checking import check_columns

        check_columns(signature, settings.preparation, settings.model.trust == "native")
    truth = target_of(source, signature)
    kept = np.flatnonzero(has_truth(truth, signature))
    if not len(kept):
        raise InputInvalid(f"no row has a usable value in the target column {signature.target!r}")
    model = settings.model
    times = None
    if model.time_columns and set(model.time_columns) <= set(source.columns):
        every = event_times(source, model.time_columns, model.timezone)
        # Stable, so that rows of one instant keep the order of the table.
        kept = kept[np.argsort(every[kept], kind="stable")]
        times = every[kept]
    chosen = source.iloc[kept].reset_index(drop=True)
    weights = weights_of(chosen, settings, pinned)
    columns = columns_of(chosen, signature, zone=model.timezone, invalid="missing")
    return Material(
        signature=signature,
        source=chosen,
        frame=frame_of(columns, signature),
        columns=columns,
        truth=truth[kept],
        times=times,
        unlabelled=len(source) - len(kept),
        weights=weights,
        groups=groups_for(chosen, settings),
        clusters=clusters_of(chosen, signature, truth[kept]),
        terms=terms_of(settings, signature),
        preparing=for_learners(settings),
    )


def has_truth(truth: np.ndarray, signature: Signature) -> np.ndarray:
    """Whether each row can be learned from, (n,) bool."""
    if signature.task in UNSUPERVISED:
        return np.ones(len(truth), dtype=bool)
    if signature.task == "classification":
        return np.array([v is not None for v in truth], dtype=bool)
    return np.asarray(np.isfinite(truth))


def split_holdout(material: Material, share: float, seed: int) -> tuple[Ints, Ints]:
    """Rows to learn from and rows kept for judging, both ascending.

    By time the newest `share` is kept, and rows of one instant stay together; else rows are drawn so that
    classes (numbers: tenths of their range by rank) have the same share on both sides; of a ranking whole groups are.
    """
    n = material.rows
    wanted = min(max(round(share * n), 1), n - 1)
    if material.times is not None:
        first = material.times[n - wanted]
        cut = int(np.searchsorted(material.times, first, side="left"))
        cut = cut if cut > 0 else int(np.searchsorted(material.times, first, side="right"))
        return np.arange(cut), np.arange(cut, n)
    random = np.random.default_rng([seed, 1])
    if material.clusters is not None:
        gain = gain_by_group(material.clusters, material.truth, material.signature)
        held = kept_groups(material.clusters, gain, share, random)
        return np.flatnonzero(~held), np.flatnonzero(held)
    group = strata(material)
    kept = np.concatenate(
        [random.permutation(rows)[: round(share * len(rows))] for rows in _members(group) if len(rows) > 1]
    )
    if not len(kept):
        kept = random.permutation(n)[:wanted]
    chosen = np.zeros(n, dtype=bool)
    chosen[kept] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def strata(material: Material) -> Ints:
    """The group of each row that splits keep in proportion: its class, or its tenth by rank. Shape (n,)."""
    task = material.signature.task
    if task == "classification":
        return material.codes()
    if task == "clustering":
        return np.zeros(material.rows, dtype=np.int64)
    if task == "anomaly":
        return np.where(np.isfinite(material.truth), material.truth, 2.0).astype(np.int64)
    rank = np.argsort(np.argsort(material.truth, kind="stable"), kind="stable")
    return (rank * STRATA // max(material.rows, 1)).astype(np.int64)


def _members(group: Ints) -> list[Ints]:
    return [np.flatnonzero(group == g) for g in np.unique(group)]
