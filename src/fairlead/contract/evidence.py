"""Evidence about bundles: checks, verdicts, reports, attestations, lineage."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Outcome = Literal["pass", "fail", "inconclusive"]


class Interval(msgspec.Struct, frozen=True):
    """A value with its 95 % interval; `low`/`high` are NaN-free, equal to `value` when exact."""

    value: float
    low: float
    high: float


class Check(msgspec.Struct, frozen=True):
    """One rule applied: what was measured, what it must satisfy, and why it came out so.

    refuses: whether too little evidence holds the bundle back. Of checks that look for harm (`no_worse_than`,
    groups, slices) it does not: they pass marked inconclusive, and only evidence of harm makes them fail.
    """

    name: str
    value: float | str | None
    limit: float | str | None
    verdict: Outcome
    why: str
    refuses: bool = True

    @property
    def holds_back(self) -> bool:
        """Whether this check keeps the bundle from passing."""
        return self.verdict == "fail" or (self.verdict == "inconclusive" and self.refuses)


class Verdict(msgspec.Struct, frozen=True):
    """pass, fail or inconclusive, with a reason per check.

    fail if any check fails, else inconclusive if any that refuses is inconclusive.
    """

    outcome: Outcome
    checks: tuple[Check, ...]

    @classmethod
    def of(cls, checks: tuple[Check, ...]) -> Verdict:
        """The verdict that these checks add up to."""
        found = {c.verdict for c in checks if c.holds_back}
        outcome: Outcome = "fail" if "fail" in found else "inconclusive" if "inconclusive" in found else "pass"
        return cls(outcome, checks)


class Attestation(msgspec.Struct, frozen=True):
    """A statement about a bundle, signed apart from it. `kind`: verdict, waiver, approval, timing, continuation..."""

    bundle: str
    kind: str
    at: float
    by: str
    statement: dict[str, Any]
    format: int = 1


class TableRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """A table that was read: where from, without secrets (empty: rows in memory), and the hash of its content.

    hash: of the file's bytes; of a database or rows in memory, of the rows in their order. set_aside: lines that could
    not be read and were left out.
    """

    source: str
    hash: str
    rows: int = 0
    query: str = ""
    set_aside: int = 0


class Lineage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a candidate comes from; everything `reproduce` needs. `clean`: whether the Git tree had no changes.

    tables: every table that was read, by its part ("train", "holdout", or what `[data] prepare` read).
    configuration: settings that a model depends on and that are not the defaults, by section.
    files: sha256 of the project's own code that made rows or model, by the file's name.
    contains_training_rows: the model answers from rows it was trained on (neighbours, support vectors): who has the
        bundle has those rows.
    excluded_rows: rows that `[data] exclude_rows` left out.
    begun_with: what the network was before it was fitted: a bundle's id, or `sha256:` of a file; empty: nothing.
    warm_start: bundle that the model went on from; its preparation is this one's.
    out_of_core: of a table larger than memory its rows, those of the sample, and whether every row was learned from.
    """

    data: str
    rows: int
    learner: str
    parameters: dict[str, Any]
    seed: int
    config: str
    commit: str = ""
    clean: bool = False
    versions: dict[str, str] = {}
    preparation: dict[str, Any] = {}
    trained_from: float = 0.0
    trained_to: float = 0.0
    parent: str = ""
    tables: dict[str, TableRead] = {}
    configuration: dict[str, Any] = {}
    files: dict[str, str] = {}
    contains_training_rows: bool = False
    excluded_rows: int = 0
    begun_with: str = ""
    out_of_core: dict[str, Any] = {}
    warm_start: str = ""


class ParityCertificate(msgspec.Struct, frozen=True):
    """How far the compiled model is from the trained one.

    form: the form chosen; tried: forms tried before it, with the reason each was passed over.
    max_difference, mean_difference: over all score columns of all certified rows.
    flipped: decisions that differ. tolerance: what the form had to meet.
    """

    form: str
    rows: int
    max_difference: float
    mean_difference: float
    flipped: int
    tolerance: float
    kinds: dict[str, int]
    tried: tuple[tuple[str, str], ...] = ()


class Manifest(msgspec.Struct, frozen=True, omit_defaults=True):
    """manifest.json: the bundle's id is the sha256 of these bytes, canonically encoded."""

    name: str
    files: dict[str, str]
    lineage: Lineage
    runtime: str = "onnx"
    runtime_version: str = ""
    format: int = 1
