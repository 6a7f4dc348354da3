"""The catalogue: what each treatment is made of, as parts of one ColumnTransformer that compile exactly."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.preparing import PreparationSettings, Treatment
from fairlead.contract.signature import Column, Signature
from fairlead.lab.train.preparing.treating import MISSING, kind_of, treatments

TIME_PARTS = ("epoch_day", "month", "weekday", "hour")
CIRCLES = ("epoch_day", "month:cyclic", "weekday:cyclic", "hour:cyclic")
STRATEGY = {"drop": "median", "mean": "mean", "median": "median", "mode": "most_frequent", "constant": "constant"}

Part = tuple[str, Any, list[str]]


def preparation(signature: Signature, settings: PreparationSettings | None = None) -> Any:
    """An unfitted ColumnTransformer for these columns. Raises InputInvalid when none of them can be used.

    settings: [preparation] of the project; without it, what is always done.
    """
    from sklearn.compose import ColumnTransformer

    from fairlead.contract.errors import InputInvalid

    stated = settings or PreparationSettings()
    parts: list[Part] = []
    for kind in ("numbers", "flags", "categories", "times", "texts"):
        for number, (treatment, columns) in enumerate(_groups(signature, stated, kind)):
            parts += _parts(f"{kind}{number or ''}", kind, treatment, columns)
    parts += _tensors(signature)
    parts += _crossings(signature, stated)
    if not parts:
        raise InputInvalid(
            "no column can be learned from: numbers, integers, booleans, categories, times and tensors can, "
            'and texts with [preparation] texts = {text = "tfidf"}'
        )
    return ColumnTransformer(parts, remainder="drop", sparse_threshold=0.0)


def _groups(signature: Signature, settings: PreparationSettings, kind: str) -> list[tuple[Treatment, list[Column]]]:
    """Columns of a kind that are treated alike, in the order of the first of each."""
    found: list[tuple[Treatment, list[Column]]] = []
    treated = treatments(signature, settings)
    for column in signature.columns:
        if kind_of(column) != kind:
            continue
        own = treated[column.name]
        for treatment, columns in found:
            if treatment == own:
                columns.append(column)
                break
        else:
            found.append((own, [column]))
    return found


def _parts(name: str, kind: str, treatment: Treatment, columns: list[Column]) -> list[Part]:
    names = [column.name for column in columns]
    if kind == "texts":
        from fairlead.lab.train.preparing.texts import terms
        from fairlead.lab.train.preparing.word_order import words

        if treatment.text == "words":
            return [(f"{name}_{at}", words(treatment), [own]) for at, own in enumerate(names)]
        used = treatment.text != "none"
        return [(f"{name}_{at}", terms(treatment), [own]) for at, own in enumerate(names) if used]
    if kind == "flags" and treatment.missing == "drop":
        treatment = msgspec.structs.replace(treatment, missing="mode")
    made = {"categories": _category, "times": _time}.get(kind, _number)(treatment)
    parts = [(name, made, names)]
    if treatment.indicator:
        parts.append((f"{name}_missing", _pipeline([*_stand_ins(treatment), _indicator()]), names))
    return parts


def _pipeline(steps: list[Any]) -> Any:
    from sklearn.pipeline import make_pipeline

    return steps[0] if len(steps) == 1 else make_pipeline(*steps)


def _indicator() -> Any:
    from sklearn.impute import MissingIndicator

    # Of the columns that had gaps in training; a gap in another is no reason to refuse a row.
    return MissingIndicator(features="missing-only", error_on_new=False)


def _number(treatment: Treatment) -> Any:
    steps = [*_stand_ins(treatment), *_outliers(treatment)]
    if treatment.missing in ("knn", "iterative"):
        from fairlead.lab.train.preparing.neighbours import imputer

        # Scaled first: nearness is a matter of units.
        return _pipeline([*steps, *_scaling(treatment), imputer(treatment.missing)])
    steps.append(_imputer(treatment))
    if treatment.bins is not None:
        from fairlead.lab.train.preparing.binning import Bins

        steps.append(Bins(treatment.bins, treatment.bins_by or "quantile"))
        if treatment.encode == "one_hot":
            steps.append(_one_hot())
    return _pipeline([*steps, *_scaling(treatment)])


def _stand_ins(treatment: Treatment) -> list[Any]:
    from fairlead.lab.train.preparing.standing_in import StandIns

    return [StandIns(treatment.missing_values)] if treatment.missing_values else []


def _outliers(treatment: Treatment) -> list[Any]:
    from fairlead.lab.train.preparing.clipping import Outliers, WithinTraining

    if treatment.outliers in (None, "none"):
        return []
    # Rows that were dropped are not seen in training; serving answers them as the nearest that training kept.
    return [WithinTraining() if treatment.action == "drop" else Outliers(treatment.outliers, treatment.threshold)]


def _imputer(treatment: Treatment) -> Any:
    from sklearn.impute import SimpleImputer

    # keep_empty_features: a column that one fold has nothing of must not change the number of outputs.
    strategy = STRATEGY[treatment.missing or "median"]
    if strategy == "constant":
        return SimpleImputer(strategy=strategy, fill_value=treatment.value, keep_empty_features=True)
    return SimpleImputer(strategy=strategy, keep_empty_features=True)


def _scaling(treatment: Treatment) -> list[Any]:
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    from fairlead.lab.train.preparing.curving import Powers, Quantiles

    made: dict[str, Any] = {
        "standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler, "power": Powers,
        "quantile": Quantiles, "quantile_normal": lambda: Quantiles(normal=True),
    }  # fmt: skip
    return [made[treatment.scale]()] if treatment.scale not in (None, "none") else []


def _one_hot() -> Any:
    from sklearn.preprocessing import OneHotEncoder

    return OneHotEncoder(handle_unknown="ignore", sparse_output=False)


def _category(treatment: Treatment) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OrdinalEncoder

    if treatment.missing == "mode":
        steps: list[Any] = [SimpleImputer(strategy="most_frequent", keep_empty_features=True)]
    else:
        fill = treatment.value if isinstance(treatment.value, str) else MISSING
        steps = [SimpleImputer(strategy="constant", fill_value=fill, keep_empty_features=True)]
    if treatment.rare:
        from fairlead.lab.train.preparing.grouping import RareCategories

        steps.append(RareCategories(treatment.rare))
    if treatment.encode == "target":
        from fairlead.lab.train.preparing.targets import TargetMeans

        steps.append(TargetMeans())
    elif treatment.encode == "ordinal":
        steps.append(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1))
    elif treatment.encode == "hashing":
        from fairlead.lab.train.preparing.hashing import HashedCategories

        steps.append(HashedCategories(treatment.buckets or 64))
    else:
        steps.append(_one_hot())
    return _pipeline([*steps, *_scaling(treatment)])


def _time(treatment: Treatment) -> Any:
    from fairlead.lab.compile import TimeParts
    from fairlead.lab.train.preparing.dates import Elapsed

    if treatment.dates == "elapsed":
        form: Any = Elapsed()
    else:
        form = TimeParts(CIRCLES if treatment.dates == "cyclic" else TIME_PARTS)
    return _pipeline([form, _imputer(treatment), *_scaling(treatment)])


def _crossings(signature: Signature, settings: PreparationSettings) -> list[Part]:
    """Numbers are standardised before they are multiplied; categories are one column each."""
    if not settings.interactions:
        return []
    from sklearn.preprocessing import StandardScaler

    from fairlead.lab.train.preparing.crossing import Crossed

    known = {column.name: column for column in signature.columns}
    treated = treatments(signature, settings)
    parts: list[Part] = []
    for at, pair in enumerate(settings.interactions):
        sides = [_side(kind_of(known[name]), treated[name]) for name in pair]
        steps: list[Any] = [Crossed([side for side, _ in sides])]
        if all(amount for _, amount in sides):
            steps.append(StandardScaler())
        parts.append((f"product{at}", _pipeline(steps), list(pair)))
    return parts


def _side(kind: str, treatment: Treatment) -> tuple[Any, bool]:
    """What a column is before it is multiplied, and whether that is an amount."""
    if kind == "categories":
        plain = msgspec.structs.replace(treatment, encode="one_hot", scale="none", buckets=None)
        return _category(plain), False
    way = treatment.missing if treatment.missing in STRATEGY else "median"
    if kind == "flags":
        return _imputer(msgspec.structs.replace(treatment, missing="mode" if way == "drop" else way)), False
    own = msgspec.structs.replace(treatment, missing=way, bins=None, encode=None, scale="standard")
    return _number(own), True


def _tensors(signature: Signature) -> list[Part]:
    from fairlead.lab.compile import Elements

    parts: list[Part] = []
    for at, column in enumerate(signature.columns):
        if column.kind == "tensor":
            low = column.low or 0.0
            parts.append((f"tensors{at}", Elements(low, (column.high or 0.0) - low or 1.0), [column.name]))
    return parts
