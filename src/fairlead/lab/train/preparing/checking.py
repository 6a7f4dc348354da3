"""What cannot be asked of a kind of column, with the nearest thing that can."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.signature import Signature
from fairlead.lab.train.preparing.treating import completed, kind_of, stated_for
from fairlead.lab.train.preparing.words import stated

SCALES = ("none", "minmax", "standard", "robust", "power", "quantile", "quantile_normal")
ALLOWED: dict[str, dict[str, tuple[str, ...]]] = {
    "numbers": {
        "missing": ("drop", "mean", "median", "mode", "constant", "knn", "iterative"), "value": (), "indicator": (),
        "missing_values": (), "outliers": (), "threshold": (), "action": (), "scale": SCALES,
        "bins": (), "bins_by": (), "encode": ("one_hot", "ordinal"),
    },
    "flags": {"missing": ("drop", "mode", "mean", "median", "constant"), "value": (), "indicator": ()},
    "categories": {
        "missing": ("constant", "mode", "drop"), "value": (), "rare": (), "buckets": (), "scale": SCALES,
        "encode": ("one_hot", "ordinal", "label", "target", "hashing"),
    },
    "times": {
        "missing": ("drop", "mean", "median", "mode"), "indicator": (), "dates": (), "scale": SCALES,
    },
    "texts": {
        "missing": ("constant", "drop"), "text": (), "max_features": (), "ngrams": (), "unit": (), "length": (),
    },
}  # fmt: skip
"""For each kind the keys it takes, and the words of those of which it takes only some."""

NATIVE = ("knn", "iterative")


class Problem(NamedTuple):
    """key: of the treatment. what is wrong, and the cure."""

    key: str
    what: str
    cure: str


def problems(kind: str, treatment: Treatment, native: bool, supervised: bool = True) -> Iterator[Problem]:
    """All that is wrong with what is stated for a kind of column. native: whether models may run native; supervised:
    whether there is a target.
    """
    allowed = ALLOWED[kind]
    for key, value in stated(treatment).items():
        if key not in allowed:
            yield Problem(key, f"{kind} take no {key}.", f"{kind} take: {', '.join(allowed)}.")
        elif allowed[key] and value not in allowed[key]:
            near = difflib.get_close_matches(str(value), allowed[key], n=1)
            yield Problem(key, f"{value!r} is not for {kind}.", _nearest(near, allowed[key]))
    full = completed(kind, treatment)
    yield from _values(kind, treatment, full)
    if full.encode == "target" and not supervised:
        yield Problem("encode", "there is no target to take means of.", "Encode as one_hot.")
    if full.missing in NATIVE:
        if not native:
            what = f"{full.missing} looks at other columns, which cannot be compiled."
            yield Problem("missing", what, 'Set model.trust = "native", or use median.')
        if full.bins is not None:
            yield Problem("bins", f"cannot follow {full.missing}.", "Impute with median, or leave bins out.")


def _nearest(near: list[str], allowed: Iterable[str]) -> str:
    return f"Did you mean {near[0]!r}?" if near else f"Allowed: {', '.join(allowed)}."


def _values(kind: str, treatment: Treatment, full: Treatment) -> Iterator[Problem]:
    value = treatment.value
    if full.missing == "constant" and kind in ("numbers", "flags") and value is None:
        yield Problem("value", "is needed: what a missing cell becomes.", "For example value = 0.")
    if not all(math.isfinite(number) for number in treatment.missing_values or ()):
        yield Problem("missing_values", "are finite numbers: a cell that is NaN is missing as it is.", "")
    if value is not None and full.missing != "constant":
        yield Problem("value", f"is used by missing = \"constant\" alone, and missing is {full.missing!r}.",
                      'Say missing = "constant", or take it out.')  # fmt: skip
    elif value is not None and isinstance(value, str) != (kind in ("categories", "texts")):
        wanted = "text" if kind in ("categories", "texts") else "a number"
        yield Problem("value", f"{kind} take {wanted} here.", "")
    if full.outliers in (None, "none"):
        for key in ("threshold", "action"):
            if getattr(treatment, key) is not None:
                yield Problem(key, "has no outliers to act on.", 'Add outliers = "iqr" or "zscore".')
    if treatment.bins is None:
        if treatment.bins_by is not None:
            yield Problem("bins_by", "is about bins, and there are none.", "Add bins = 5.")
        if kind == "numbers" and treatment.encode is not None:
            yield Problem("encode", "numbers are encoded as bins alone.", "Add bins = 5, or take it out.")
    elif full.encode == "one_hot" and full.scale not in (None, "none"):
        yield Problem("scale", "bins as one column each are not scaled.", 'Say encode = "ordinal", or no scale.')
    if kind == "categories":
        if full.scale not in (None, "none") and full.encode not in ("ordinal", "target"):
            yield Problem("scale", f"{full.encode} columns are not scaled.", 'Scale encode = "target" or "ordinal".')
        if treatment.buckets is not None and full.encode != "hashing":
            yield Problem("buckets", f"is about hashing, and encode is {full.encode!r}.", 'Say encode = "hashing".')
    if treatment.ngrams is not None and treatment.ngrams[0] > treatment.ngrams[1]:
        yield Problem("ngrams", "the shortest is longer than the longest.", "Write [1, 2].")
    if kind == "texts":
        yield from _of_texts(treatment, full)


def _of_texts(treatment: Treatment, full: Treatment) -> Iterator[Problem]:
    used = {"tfidf": ("max_features", "ngrams", "unit"), "words": ("max_features", "length")}.get(full.text or "", ())
    for key in ("max_features", "ngrams", "unit", "length"):
        if getattr(treatment, key) is not None and key not in used:
            if not used:
                yield Problem(key, "texts are not used.", 'Add text = "tfidf".')
            else:
                yield Problem(key, f"is nothing that text = {full.text!r} takes.", f"It takes: {', '.join(used)}.")


def problem_of(settings: PreparationSettings, native: bool, supervised: bool = True) -> Problem | None:
    """The first thing that no table could make right, its key from [preparation] on."""
    for kind in ALLOWED:
        for problem in problems(kind, getattr(settings, kind), native, supervised):
            return problem._replace(key=f"{kind}.{problem.key}")
    for name, treatment in settings.columns.items():
        # The kind of a column is known with its table; what fits no kind is wrong now.
        found = [
            list(problems(kind, stated_for(treatment, getattr(settings, kind)), native, supervised)) for kind in ALLOWED
        ]
        if all(found):
            nearest = min(found, key=len)[0]
            return nearest._replace(key=f"columns.{name}.{nearest.key}")
    for first, second in settings.interactions:
        if first == second:
            return Problem("interactions", f"{first!r} with itself.", "Name two columns.")
    return None


def check_columns(signature: Signature, settings: PreparationSettings, native: bool) -> None:
    """Raises ConfigInvalid for the first statement about a column that is not there or is of another kind."""
    known = {column.name: column for column in signature.columns}
    for name, treatment in settings.columns.items():
        if name not in known:
            raise _absent(f"preparation.columns.{name}", name, known)
        kind = kind_of(known[name])
        if not kind:
            raise _invalid(f"preparation.columns.{name}", f"{name!r} holds tensors, which are always scaled.", "")
        for problem in problems(kind, stated_for(treatment, getattr(settings, kind)), native):
            raise _invalid(f"preparation.columns.{name}.{problem.key}", problem.what, problem.cure)
    for pair in settings.interactions:
        for name in pair:
            if name not in known:
                raise _absent("preparation.interactions", name, known)
            if kind_of(known[name]) not in ("numbers", "flags", "categories"):
                what = f"{name!r} is of kind {known[name].kind}, which has no products."
                raise _invalid("preparation.interactions", what, "Numbers, booleans and categories have.")


def _absent(key: str, name: str, known: Iterable[str]) -> ConfigInvalid:
    near = difflib.get_close_matches(name, list(known), n=1)
    return _invalid(key, f"{name!r} is no feature.", _nearest(near, known))


def _invalid(key: str, what: str, cure: str) -> ConfigInvalid:
    details: dict[str, Any] = {"file": "fairlead.toml", "key": key, "cure": cure}
    return ConfigInvalid(what, **details)
