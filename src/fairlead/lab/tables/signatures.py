"""From a table and the project's rules to the signature of a model."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from typing import Any, Literal

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.settings import ModelSettings, Settings
from fairlead.contract.signature import UNSUPERVISED, Column, Signature
from fairlead.lab.tables.cells import columns_of
from fairlead.lab.tables.inference import infer
from fairlead.lab.tables.schema import ColumnFacts, Schema
from fairlead.lab.tables.sources import open_table

FILE = "fairlead.toml"


def signature_of(rows: Any, settings: Settings, *, schema: Schema | None = None) -> Signature:
    """The signature of a model of `settings.model` trained on these rows.

    rows: pandas frame, Arrow table or `Table`; schema: what is already known about them.
    Features: `[model] features`, else every column that is not target, id, time, sensitive or excluded; of a
    composed time the hour stays a feature and the date does not, unless listed. Constant and empty columns stay
    in: what a model takes must not change with the rows it is retrained on, or requests would stop fitting
    (`init` excludes them by name). Integer-coded categories: `[model] categories`, or where that is not given those of
    `lab.tables.kinds`. A column is nullable if training saw it missing.
    Raises ConfigInvalid, naming the key, for columns that the rows lack.
    """
    model = settings.model
    table = open_table(rows)
    found = schema or infer(table, model.target if model.target in table.columns else None, roles=False)
    _check_names(model, found, settings)
    names = model.features or tuple(_default_features(model, found, settings.train.weight))
    names = with_decider(names, settings)
    if not names:
        raise ConfigInvalid("no column is left to learn from", file=FILE, key="model.features")
    columns = tuple(_column(found.column(n), _category(found.column(n), model), rows, table) for n in names)
    classes = _classes(model, found)
    return Signature(
        task=model.task,
        columns=columns,
        target=model.target,
        classes=classes,
        positive=_positive(model, found, classes),
        key=model.id,
        time=model.time_columns,
        sticky=settings.sticky,
        # The encoding leaves out defaults by identity: a "v1" that was written must seal as one that was not.
        definition=sys.intern(model.definition),
        timezone=sys.intern(model.timezone),
        group=model.group,
        item=model.item,
        quantile=settings.train.quantile or 0.0,
    )


def _default_features(model: ModelSettings, schema: Schema, weight: str | None) -> Iterable[str]:
    out = {model.target, model.id, *model.time_columns[:1], *model.exclude, *model.sensitive, weight}
    out |= {model.group, model.item}
    for column in schema.columns:
        if column.name not in out and column.role != "unusable":
            yield column.name


def with_decider(names: tuple[str, ...], settings: Settings) -> tuple[str, ...]:
    """The columns that requests carry: beside the features the one that thresholds of groups go by, if any do."""
    rules = settings.train.mitigate
    way = rules if isinstance(rules, str) or rules is None else rules.by
    if way != "threshold_optimiser" or not settings.model.sensitive:
        return names
    column = (None if isinstance(rules, str) or rules is None else rules.column) or settings.model.sensitive[0]
    return names if column in names else (*names, column)


def _check_names(model: ModelSettings, schema: Schema, settings: Settings) -> None:
    asked = {
        "model.target": (model.target,) if model.target else (),
        "model.features": model.features,
        "model.categories": model.categories or (),
        "model.id": (model.id,) if model.id else (),
        "model.time": model.time_columns,
        "model.group": (model.group,) if model.group else (),
        "model.item": (model.item,) if model.item else (),
    }
    optional = {"model.id", "model.time", "model.group", "model.item"} | (
        {"model.target"} if model.task in UNSUPERVISED else set()
    )
    for key, names in asked.items():
        for name in names:
            if name in schema.names:
                continue
            # Labelled records of a running model may come without the pass-through columns.
            near = difflib.get_close_matches(name, schema.names, n=1)
            if key in optional and not near:
                continue
            cure = f"Did you mean {near[0]!r}?" if near else f"The table has: {', '.join(schema.names)}."
            raise ConfigInvalid(f"the table has no column {name!r}.", file=FILE, key=key, cure=cure)


def _category(facts: ColumnFacts, model: ModelSettings) -> bool:
    if model.categories is not None and facts.name in model.categories:
        return True
    if facts.kind != "category":
        return False
    return facts.coded == "text" or model.categories is None


def _column(facts: ColumnFacts, category: bool, rows: Any, table: Any) -> Column:
    if facts.kind == "tensor":
        return Column(
            facts.name, "tensor", nullable=False, low=facts.low, high=facts.high, dtype=facts.dtype, shape=facts.shape
        )
    if not category:
        kind: Any = "integer" if facts.kind == "category" else facts.kind
        return Column(facts.name, kind, nullable=facts.nullable, low=facts.low, high=facts.high)
    coded: Literal["text", "integer", "boolean"] = facts.coded
    if facts.kind == "integer":
        coded = "integer"
    elif facts.kind == "boolean":
        coded = "boolean"
    categories = facts.categories or _levels(facts.name, coded, table)
    return Column(facts.name, "category", nullable=facts.nullable, categories=categories, coded=coded)


def _levels(name: str, coded: Literal["text", "integer", "boolean"], table: Any) -> tuple[str, ...]:
    one = Signature("regression", (Column(name, "category", coded=coded),))
    seen: set[str] = set()
    for batch in table.batches():
        encoded = columns_of(batch, one, text="arrow", invalid="missing")[name]
        seen.update(v for v in encoded.dictionary.to_pylist() if v is not None)
    return tuple(sorted(seen))


def _classes(model: ModelSettings, schema: Schema) -> tuple[str, ...]:
    if model.task in UNSUPERVISED:
        return ()
    facts = schema.column(model.target)
    if model.task != "classification":
        if facts.low is not None and facts.low == facts.high:
            raise ConfigInvalid(f"column {model.target!r} is always the same number", file=FILE, key="model.target")
        return ()
    if schema.task == "classification" and schema.target == model.target:
        classes = schema.classes
    else:
        classes = facts.categories
    if len(classes) < 2:
        what = "only one class" if len(classes) == 1 else "no classes; is this a regression?"
        raise ConfigInvalid(f"column {model.target!r} has {what}", file=FILE, key="model.target")
    return classes


def _positive(model: ModelSettings, schema: Schema, classes: tuple[str, ...]) -> str | None:
    if model.task in UNSUPERVISED:
        return model.positive
    if model.positive is None:
        return schema.positive if len(classes) == 2 else None
    if len(classes) != 2:
        raise ConfigInvalid(f"needs two classes; the target has {len(classes)}", file=FILE, key="model.positive")
    if model.positive not in classes:
        raise ConfigInvalid(
            f"{model.positive!r} is no class of the target.", file=FILE, key="model.positive",
            cure=f"The classes are: {', '.join(classes)}.",
        )  # fmt: skip
    return model.positive
