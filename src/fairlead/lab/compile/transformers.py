"""The allow-list of transformers and parameters, each as what it does to lanes.

A transformer that is not here, or has a parameter that is not, is refused by name:
that a conversion raised no error has proved nothing (see `explanation/compiling`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fairlead.contract.errors import NotCompilable
from fairlead.lab.compile.encoders import encode, one_hot_widths, text_of
from fairlead.lab.compile.lanes import (
    AnyLane,
    ElementLane,
    NumberLane,
    ProductLane,
    TableLane,
    TensorLane,
    TermLane,
    TextLane,
    next_identity,
    spread,
)
from fairlead.lab.compile.sealed_front import lanes_of
from fairlead.lab.compile.texts import documents, hashed, vectorizer, word_numbers
from fairlead.runtime.bundle.curves import Above, Bin, Power, Quantile
from fairlead.runtime.bundle.front import MOST_FACTORS
from fairlead.runtime.bundle.ops import Add, AnyOp, Clip, Divide, Impute, Missing, Multiply, Part, Subtract

OWN = ("fairlead.lab.compile.on_numbers", "OnNumbers")
"""The base of our transformers of numbers, by name: it needs scikit-learn, which walking a pipeline does not."""

Rule = Callable[[Any, Sequence[AnyLane], str], list[AnyLane]]


def apply(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The lanes after a fitted transformer. Raises NotCompilable naming the step and why."""
    kind = type(transformer)
    rule = RULES.get(f"{kind.__module__.split('.')[0]}.{kind.__name__}")
    if rule is None and any((base.__module__, base.__name__) == OWN for base in kind.__mro__):
        rule = on_numbers
    if rule is None:
        raise NotCompilable(
            f"{where}: {kind.__name__} is not among what can be compiled: {', '.join(sorted(_names()))}."
        )
    whole = next((lane.column.name for lane in lanes if isinstance(lane, TensorLane)), None)
    if whole is not None and rule is not elements:
        raise NotCompilable(f"{where}: column {whole!r} holds tensors, this step takes numbers.")
    expected = getattr(transformer, "n_features_in_", len(lanes))
    if expected != len(lanes):
        raise NotCompilable(f"{where}: it was fitted on {expected} columns and gets {len(lanes)}.")
    return rule(transformer, lanes, where)


def _names() -> list[str]:
    return [name.rpartition(".")[2] for name in RULES]


def _numeric(lane: AnyLane, where: str) -> NumberLane | TableLane | ElementLane | ProductLane:
    if isinstance(lane, TextLane | TensorLane):
        raise NotCompilable(f"{where}: column {lane.column.name!r} is text here, this step takes numbers.")
    if isinstance(lane, TermLane):
        raise NotCompilable(f"{where}: terms of {lane.column.name!r} are features as they are; no step after them is.")
    return lane


def _each(lanes: Sequence[AnyLane], ops: Sequence[Sequence[AnyOp]], where: str) -> list[AnyLane]:
    return [_numeric(lane, where).then(*own) for lane, own in zip(lanes, ops, strict=True)]


def standard_scaler(scaler: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """(x - mean) / scale."""
    # With with_mean=False the mean is fitted all the same, and not used.
    shift = scaler.mean_ if scaler.with_mean else None
    return _each(lanes, _shift_and_scale(shift, scaler.scale_ if scaler.with_std else None, len(lanes)), where)


def robust_scaler(scaler: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """(x - center) / scale."""
    shift = scaler.center_ if scaler.with_centering else None
    return _each(lanes, _shift_and_scale(shift, scaler.scale_ if scaler.with_scaling else None, len(lanes)), where)


def max_abs_scaler(scaler: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """x / scale, clipped to [-1, 1] where asked."""
    ops = _shift_and_scale(None, scaler.scale_, len(lanes))
    if getattr(scaler, "clip", False):
        ops = [(*own, Clip(-1.0, 1.0)) for own in ops]
    return _each(lanes, ops, where)


def min_max_scaler(scaler: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """x * scale + min, clipped to the range where asked."""
    low, high = (float(edge) for edge in scaler.feature_range)
    clip = (Clip(low, high),) if scaler.clip else ()
    ops = [(Multiply(float(s)), Add(float(m)), *clip) for s, m in zip(scaler.scale_, scaler.min_, strict=True)]
    return _each(lanes, ops, where)


def _shift_and_scale(shifts: Any, scales: Any, width: int) -> list[tuple[AnyOp, ...]]:
    moved = [()] * width if shifts is None else [(Subtract(float(s)),) for s in shifts]
    scaled = [()] * width if scales is None else [(Divide(float(s)),) for s in scales]
    return [(*a, *b) for a, b in zip(moved, scaled, strict=True)]


def simple_imputer(imputer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """A missing cell becomes the fitted statistic; empty columns go; indicators of missing cells come last."""
    wanted = imputer.missing_values
    if not (isinstance(wanted, float) and wanted != wanted) and type(wanted).__name__ != "NAType":
        raise NotCompilable(f"{where}: missing_values must be NaN, not a value that data may hold.")
    filled: list[AnyLane] = []
    for lane, statistic in zip(lanes, imputer.statistics_.tolist(), strict=True):
        if statistic is None or statistic != statistic:
            if imputer.keep_empty_features:
                raise NotCompilable(f"{where}: column {lane.column.name!r} was empty in training; drop it.")
            continue
        filled.append(_filled(lane, statistic, where))
    if imputer.indicator_ is not None:
        filled += missing_indicator(imputer.indicator_, lanes, where)
    return filled


def _filled(lane: AnyLane, statistic: Any, where: str) -> AnyLane:
    if isinstance(lane, TextLane):
        return lane if lane.fill is not None else TextLane(lane.column, text_of(statistic))
    try:
        return _numeric(lane, where).then(Impute(float(statistic)))
    except ValueError:
        raise NotCompilable(f"{where}: it fills the numeric column {lane.column.name!r} with text.") from None


def missing_indicator(indicator: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """1 where a cell is missing, for the columns that had missing cells in training."""
    if indicator.error_on_new and indicator.features == "missing-only":
        raise NotCompilable(f"{where}: error_on_new=True refuses rows at predict time; set it to False.")
    chosen = [lanes[int(at)] for at in indicator.features_]
    if any(isinstance(lane, TextLane) for lane in chosen):
        raise NotCompilable(f"{where}: indicators of missing text are not compiled; encode missing as a category.")
    return [_numeric(lane, where).then(Missing()) for lane in chosen]


def one_hot(encoder: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """Indicators per category."""
    return encode(encoder, one_hot_widths(encoder), lanes, where)


def ordinal(encoder: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The position of a category."""
    return encode(encoder, [1] * len(lanes), lanes, where)


def target_encoder(encoder: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The smoothed mean of the target in a category, one output a class if there are more than two."""
    outputs = len(encoder.classes_) if encoder.target_type_ == "multiclass" else 1
    return encode(encoder, [outputs] * len(lanes), lanes, where)


def function(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """Only the identity: any other function is code, and a bundle holds none."""
    if transformer.func is not None:
        raise NotCompilable(f"{where}: a FunctionTransformer holds code; use [data] prepare for functions of your own.")
    return list(lanes)


def selection(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The lanes that a fitted feature selection keeps."""
    return [lanes[int(at)] for at in transformer.get_support(indices=True)]


def time_parts(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """Parts of times, per column in the order of `TimeParts.parts`."""
    found: list[AnyLane] = []
    for lane in lanes:
        if not isinstance(lane, NumberLane) or lane.ops:
            raise NotCompilable(f"{where}: column {lane.column.name!r} is not a time as it came in.")
        found += [lane.then(Part(part, cyclic)) for part, cyclic in transformer.forms()]
    return found


def on_numbers(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The very operations that it learned."""
    return _each(lanes, transformer.ops_, where)


def power(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The fitted power, then mean 0 and deviation 1 where asked."""
    found = _each(lanes, [(Power(transformer.method, float(by)),) for by in transformer.lambdas_], where)
    return standard_scaler(transformer._scaler, found, where) if transformer.standardize else found


def quantiles(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The share of training below a number."""
    normal = transformer.output_distribution == "normal"
    knots = np.asarray(transformer.quantiles_, dtype=np.float64).T.tolist()
    return _each(lanes, [(Quantile(tuple(own), normal),) for own in knots], where)


def binarizer(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """1 above the threshold."""
    return _each(lanes, [(Above(float(transformer.threshold)),)] * len(lanes), where)


def bins(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The number of the bin, or one column a bin."""
    numbers = _each(lanes, [(Bin(tuple(map(float, edges[1:-1]))),) for edges in transformer.bin_edges_], where)
    return numbers if transformer.encode == "ordinal" else one_hot(transformer._encoder, numbers, where)


def polynomial(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """Products of the features, in the order in which scikit-learn multiplies them."""
    found: list[AnyLane] = []
    for powers in transformer.powers_.tolist():
        factors = [lane for lane, power in zip(lanes, powers, strict=True) for _ in range(power)]
        if not factors:
            found.append(_one(lanes, where))
        elif len(factors) == 1:
            found.append(_numeric(factors[0], where))
        else:
            found.append(_product(factors, where))
    return found


def _product(factors: Sequence[AnyLane], where: str) -> ProductLane:
    plain = [lane for lane in factors if isinstance(lane, NumberLane | TableLane)]
    if len(plain) != len(factors) or len(plain) > MOST_FACTORS:
        raise NotCompilable(f"{where}: products are of at most {MOST_FACTORS} numbers or encoded categories.")
    return ProductLane(tuple((lane,) for lane in plain), (0,) * len(plain), next_identity())


def _one(lanes: Sequence[AnyLane], where: str) -> AnyLane:
    """A feature that is 1 in every row."""
    number = next((lane for lane in lanes if isinstance(lane, NumberLane)), None)
    if number is None:
        raise NotCompilable(f"{where}: the constant feature needs a number beside it; set include_bias=False.")
    return NumberLane(number.column, (Impute(1.0), Clip(1.0, 1.0)))


def outer(sides: Sequence[Sequence[AnyLane]], where: str) -> list[AnyLane]:
    """All products of one lane a side, the last side's running fastest."""
    plain: list[tuple[NumberLane | TableLane, ...]] = []
    for side in sides:
        own = tuple(lane for lane in side if isinstance(lane, NumberLane | TableLane))
        if len(own) != len(side):
            raise NotCompilable(f"{where}: products are of numbers or encoded categories.")
        plain.append(own)
    identity = next_identity()
    places = itertools.product(*(range(len(side)) for side in plain))
    return [ProductLane(tuple(plain), at, identity) for at in places]


def rare(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """Texts of which the rare ones have become one."""
    found: list[AnyLane] = []
    for lane, kept in zip(lanes, transformer.kept_, strict=True):
        if not isinstance(lane, TextLane) or lane.other is not None:
            raise NotCompilable(f"{where}: column {lane.column.name!r} is no text as it came in.")
        found.append(lane if kept is None else replace(lane, kept=kept, other=transformer.group))
    return found


def terms(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """What its vectorizer learned."""
    return vectorizer(transformer.vectorizer_, lanes, where)


def target_means(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """What its encoder learned from all training rows."""
    return target_encoder(transformer.encoder_, lanes, where)


def elements(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """All elements of tensors side by side, from least and greatest to 0 and 1."""
    ops = (Subtract(float(transformer.low)), Divide(float(transformer.width)))
    return [_numeric(lane, where).then(*ops) for lane in spread(lanes)]


def step_parts(parts: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The calendar of every step after a time."""
    (lane,) = lanes
    return [_numeric(lane, where).then(*ops) for ops in parts.operations()]


def sealed(transformer: Any, lanes: Sequence[AnyLane], where: str) -> list[AnyLane]:
    """The lanes of another bundle's front, as they are."""
    columns = {lane.column.name: lane.column for lane in lanes}
    if len(columns) != len(lanes):
        raise NotCompilable(f"{where}: a sealed preparation comes first.")
    return lanes_of(transformer.front_, columns.values())


RULES: dict[str, Rule] = {
    "sklearn.StandardScaler": standard_scaler,
    "sklearn.RobustScaler": robust_scaler,
    "sklearn.MaxAbsScaler": max_abs_scaler,
    "sklearn.MinMaxScaler": min_max_scaler,
    "sklearn.SimpleImputer": simple_imputer,
    "sklearn.MissingIndicator": missing_indicator,
    "sklearn.OneHotEncoder": one_hot,
    "sklearn.OrdinalEncoder": ordinal,
    "sklearn.TargetEncoder": target_encoder,
    "sklearn.FunctionTransformer": function,
    "sklearn.VarianceThreshold": selection,
    "sklearn.SelectKBest": selection,
    "sklearn.SelectPercentile": selection,
    "sklearn.SelectFromModel": selection,
    "sklearn.RFE": selection,
    "sklearn.RFECV": selection,
    "sklearn.PowerTransformer": power,
    "sklearn.QuantileTransformer": quantiles,
    "sklearn.Binarizer": binarizer,
    "sklearn.KBinsDiscretizer": bins,
    "sklearn.PolynomialFeatures": polynomial,
    "sklearn.TfidfVectorizer": vectorizer,
    "sklearn.CountVectorizer": vectorizer,
    "fairlead.Documents": documents,
    "fairlead.Terms": terms,
    "fairlead.HashedCategories": hashed,
    "fairlead.WordNumbersOf": word_numbers,
    "fairlead.TimeParts": time_parts,
    "fairlead.RareCategories": rare,
    "fairlead.TargetMeans": target_means,
    "fairlead.Elements": elements,
    "fairlead.SealedPreparation": sealed,
    "fairlead.StepParts": step_parts,
}
