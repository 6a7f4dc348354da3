"""What can be calibrated jointly: a number a window and key, of counts alone, for many windows at once.

The same function gives the values of every window that the reference is made of and
that of the window looked at, so that a limit is what it says: how far windows go
when nothing is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import numpy as np

from fairlead.contract.profile import Bins, ColumnProfile, HourColumn, Hours, Profile

Floor = Literal["drift", "share", "spread"]
"""Which effect floor of `[monitor] floors` a statistic's values are held to."""


@dataclass(frozen=True)
class Counted:
    """One column over n windows. rows, missing: (n,); counts: (n, bins); z, zz: (n,), see `ColumnProfile`.

    groups: (bins,) how neighbouring bins are merged where fine ones would be mostly noise, the same for all windows of
    one reference; None: as they are.
    """

    bins: Bins
    rows: np.ndarray
    missing: np.ndarray
    counts: np.ndarray
    z: np.ndarray
    zz: np.ndarray
    groups: np.ndarray | None = None

    @property
    def present(self) -> np.ndarray:
        """Cells that are not missing, (n,)."""
        found: np.ndarray = self.rows - self.missing
        return found


@dataclass(frozen=True)
class Folded:
    """n windows, counted: columns and scores by name. rows: (n,)."""

    rows: np.ndarray
    columns: Mapping[str, Counted]
    scores: Mapping[str, Counted]

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def running(self) -> Folded:
        """Sums of the first 0, 1, ... n windows: (n + 1). Kept, as windows of every length are made of them."""

        def summed(array: np.ndarray) -> np.ndarray:
            return np.concatenate([np.zeros_like(array[:1]), np.cumsum(array, axis=0)])

        def of(parts: Mapping[str, Counted]) -> dict[str, Counted]:
            return {
                name: Counted(
                    c.bins, summed(c.rows), summed(c.missing), summed(c.counts), summed(c.z), summed(c.zz), c.groups
                )
                for name, c in parts.items()
            }

        return Folded(summed(self.rows), of(self.columns), of(self.scores))

    def parts(self) -> Iterator[tuple[str, str, Counted]]:
        """Kind ("columns" or "scores"), name and counts of everything."""
        for name, counted in self.columns.items():
            yield "columns", name, counted
        for name, counted in self.scores.items():
            yield "scores", name, counted


@dataclass(frozen=True)
class Judged:
    """What a statistic says of one key in one window.

    value, limit, usual: in the statistic's unit; limit: where it begins to speak, the effect floor included. speaks:
    whether it is beyond its limit. provisional: the limit is a guess, since the reference is too short to know it, and
    may be told as "info" alone. p: how often windows of the reference had something as unusual, over all keys of all
    statistics. why: in a sentence, why it speaks or is silent. against: what it was compared with.
    """

    value: float
    limit: float
    usual: float
    speaks: bool
    provisional: bool
    p: float
    why: str
    against: str = "the reference"

    @property
    def severity(self) -> Literal["info", "warning"]:
        """What a finding of it may be at most."""
        return "info" if self.provisional else "warning"

    @property
    def evidence(self) -> dict[str, float]:
        """For `Finding.evidence`."""
        return {"limit": self.limit, "usual": self.usual, "p": self.p}


class Statistic(Protocol):
    """One number a window and key; larger is more unusual. Pure, and cheap: it is asked about some thousand windows.

    name: by which its check finds what was judged, unique. floor: which effect floor holds. unit: as `Finding.unit`.
    """

    name: str
    floor: Floor
    unit: str

    def values(self, windows: Folded, rest: Folded) -> Mapping[str, np.ndarray]:
        """By key (mostly a column's name), (n,) each; NaN where nothing can be said.

        windows: n windows. rest: what each is compared with, n rows of counts too (for windows of the reference all
        of it without that window; of the season where there is one).
        """
        ...


def folded(profiles: Sequence[Profile], groups: Mapping[tuple[str, str], np.ndarray | None]) -> Folded:
    """Profiles in the same bins as arrays; scores that not all of them have are left out. profiles: at least one.

    groups: of `merged_bins` of the reference.
    """
    columns = {
        c.bins.name: _counted([p.columns[i] for p in profiles], groups.get(("columns", c.bins.name)))
        for i, c in enumerate(profiles[0].columns)
    }
    return Folded(
        np.asarray([p.rows for p in profiles], dtype=np.float64), columns, folded_scores(profiles, groups)
    )  # fmt: skip


def folded_scores(
    profiles: Sequence[Profile], groups: Mapping[tuple[str, str], np.ndarray | None]
) -> dict[str, Counted]:
    """The scores of profiles alone, where all of them have them."""
    first = profiles[0]
    scored = all(len(p.scores) == len(first.scores) for p in profiles)
    return {
        c.bins.name: _counted([p.scores[i] for p in profiles], groups.get(("scores", c.bins.name)))
        for i, c in enumerate(first.scores if scored else ())
    }


def folded_hours(hours: Hours, profile: Profile, groups: Mapping[tuple[str, str], np.ndarray | None]) -> Folded:
    """The hours of a reference as windows. profile: of the reference, whose bins they are counted in."""
    from fairlead.lab.stats.hours import counts_in

    rows = np.asarray(hours.rows, dtype=np.float64)

    def of(kind: str, parts: Sequence[HourColumn]) -> dict[str, Counted]:
        known = {c.bins.name: c.bins for c in getattr(profile, kind)}
        found = {}
        for part in parts:
            counts, sums = counts_in(hours, part, known[part.name])
            found[part.name] = Counted(
                known[part.name], rows, counts[:, -1], counts[:, :-1], sums[:, 0], sums[:, 1],
                groups.get((kind, part.name)),
            )  # fmt: skip
        return found

    return Folded(rows, of("columns", hours.columns), of("scores", hours.scores))


def merged_bins(profile: Profile) -> dict[tuple[str, str], np.ndarray | None]:
    """By kind and name: numeric columns are compared in about ten groups of bins as full as each other, categories
    as they are.
    """
    found: dict[tuple[str, str], np.ndarray | None] = {}
    for kind, parts in (("columns", profile.columns), ("scores", profile.scores)):
        for column in parts:
            found[kind, column.bins.name] = bin_groups(column)
    return found


def bin_groups(column: ColumnProfile) -> np.ndarray | None:
    """How a column's bins are merged for comparison, (bins,); None: not at all."""
    from fairlead.lab.stats.distances import coarsen

    if column.bins.categories or column.bins.kind in ("category", "text"):
        return None
    return coarsen(np.asarray(column.counts))


def _counted(parts: Sequence[ColumnProfile], groups: np.ndarray | None) -> Counted:
    rows, missing, z, zz = np.array([(p.rows, p.missing, p.z, p.zz) for p in parts], dtype=np.float64).T
    counts = np.array([p.counts for p in parts], dtype=np.float64)
    return Counted(parts[0].bins, rows, missing, counts, z, zz, groups)
