"""The text of a new project file: every choice with its reason, so that it can be judged and changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import Array, Table

from fairlead.contract.signature import UNSUPERVISED

if TYPE_CHECKING:
    from fairlead.lab.tables import Schema
    from fairlead.ops.project.initialise import Chosen

_MOST_NOTES = 20
_MOST_COVARIATES = 6


def _line(text: str) -> str:
    # A column's name may hold anything; a comment may not hold control characters.
    return "".join(c if c.isprintable() else " " for c in text)


def project_text(
    schema: Schema,
    chosen: Chosen,
    train: str,
    separator: str | None = None,
    decimal: str = ".",
    how: Mapping[str, str] | None = None,
) -> str:
    """fairlead.toml for this table. train: the table's path as it is to be written; separator, decimal: of a CSV.

    how: further settings of [data], those that say something.
    """
    document = tomlkit.document()
    document.add(tomlkit.comment("A model and all its rules. `fairlead config` shows what is in force and why."))
    for note in schema.warnings[:_MOST_NOTES]:
        document.add(tomlkit.comment(_line(f"Look: {note}")))
    document.add(tomlkit.nl())
    document.add("model", _model(schema, chosen))
    document.add("data", _data(schema, chosen, train, separator, decimal, how or {}))
    document.add("train", _table(
        ("folds", 5, "of cross-validation" + (", by time" if schema.time else "")),
        ("trials", 30, "the search ends here and is the same for the same seed"),
        ("seconds", 120, "may cut it short, and then the report says so"),
        ("seed", 0, ""),
        *((("contamination", 0.01, "share of rows that count as anomalies where no labels say which do"),)
          if chosen.task == "anomaly" else ()),
    ))  # fmt: skip
    document.add("gate", _table(
        ("beats", _list(["baseline"]), "every check has a default; false switches it off, and the report says so"),
        ("no_worse_than", "champion", ""),
    ))  # fmt: skip
    document.add("serve", _table(("host", "127.0.0.1", ""), ("port", 8080, ""), ("workers", 1, "")))
    document.add("capture", _capture(schema))
    document.add("monitor", _table(
        ("window", *_window(schema, chosen)),
        ("false_alarms_per_month", 1, "for all checks together"),
        ("label_delay", *_label_delay(chosen)),
    ))  # fmt: skip
    document.add("rollout", _table(
        ("start", 0.05, "share of requests a new version starts with"),
        ("max_loss", 0.01, "the largest harm worth tolerating"),
        ("max_days", 28, "an undecided rollout ends here"),
    ))  # fmt: skip
    when = _list(["performance", "max_age:90d"])
    document.add("retrain", _table(("when", when, "drift informs; it triggers only if asked to"),
                                   ("approve", "auto", "or manual: a person promotes")))  # fmt: skip
    alerts = _table(("to", _list([]), 'Apprise addresses, such as "mailto://…"'))
    document.add("alerts", alerts)
    return tomlkit.dumps(document)


def _model(schema: Schema, chosen: Chosen) -> Table:
    table = tomlkit.table()
    _add(table, "name", chosen.name, "")
    _add(table, "task", chosen.task, schema.why.get("task", "") if chosen.task == schema.task else "as given")
    if chosen.target:
        _add(table, "target", chosen.target, "judges alone" if chosen.task in UNSUPERVISED else "")
    else:
        table.add(tomlkit.comment('target = "…"   # a column that says what is right: judges, and is not learned from'))
    if chosen.positive is not None:
        found = chosen.positive == schema.positive
        _add(table, "positive", chosen.positive, schema.why.get("positive", "") if found else "as given")
    _add(table, "definition", "v1", "change it when the meaning of the target changes")
    if schema.key:
        _add(table, "id", schema.key, f"{schema.why.get('key', '')}; passed through, never a feature")
    if schema.time:
        time: Any = _list(schema.time) if len(schema.time) > 1 else schema.time[0]
        _add(table, "time", time, schema.why.get("time", ""))
        _add(table, "timezone", "UTC", "of times that carry none")
    else:
        table.add(tomlkit.comment('time = "at"   # no column says when a row happened; time is arrival'))
    if chosen.group:
        _add(table, "group", chosen.group, "rows of one value are put in order together; never a feature")
    if chosen.item:
        _add(table, "item", chosen.item, "what a row stands for: says what is popular; a feature only if listed")
    if chosen.ahead is not None:
        for key, value, why in chosen.ahead.settings:
            _add(table, key, value, why)
        named = ", ".join(f'"{name}"' for name in chosen.ahead.covariates[:_MOST_COVARIATES])
        table.add(
            tomlkit.comment(_line(f"covariates = [{named}]   # columns whose newest value an answer goes by, too"))
        )
        return table
    left_out = [c for c in schema.columns if c.role in {"leak", "id", "constant", "empty", "unusable"}]
    left_out = [c for c in left_out if c.name not in (chosen.group, chosen.item)]
    if left_out:
        for column in left_out:
            table.add(tomlkit.comment(_line(f"{column.name} is excluded: {column.why}.")))
        _add(table, "exclude", _list(c.name for c in left_out), "")
    if schema.coded:
        for column in (schema.column(n) for n in schema.coded if n != chosen.target):
            table.add(tomlkit.comment(_line(f"{column.name}: {column.why}.")))
        _add(table, "categories", _list(n for n in schema.coded if n != chosen.target), "whole numbers that are names")
    table.add(tomlkit.comment("sensitive = []   # columns for fairness checks, not features unless listed in features"))
    return table


def _window(schema: Schema, chosen: Chosen) -> tuple[str, str]:
    if chosen.ahead is not None:
        return chosen.ahead.window, "event time, of origins"
    return ("7d", "event time") if schema.time else ("500rows", "there is no time column")


def _label_delay(chosen: Chosen) -> tuple[str, str]:
    if chosen.ahead is not None:
        return chosen.ahead.label_delay, "when the truth is known, after the last step is over"
    return "7d", "when the truth is known"


def _kept(schema: Schema, chosen: Chosen) -> str:
    if schema.time:
        return "kept for judging: the newest rows"
    return "kept for judging: whole groups" if chosen.group else "kept for judging: stratified"


def _data(
    schema: Schema, chosen: Chosen, train: str, separator: str | None, decimal: str, how: Mapping[str, str]
) -> Table:
    table = tomlkit.table()
    _add(table, "train", train, f"{schema.rows:,} rows, {len(schema.columns)} columns")
    _add(table, "holdout", 0.2, _kept(schema, chosen))
    for key, value in how.items():
        if value:
            _add(table, key, value, "as given")
    if separator not in (None, ","):
        _add(table, "separator", separator, "as found")
    if decimal != ".":
        _add(table, "decimal", decimal, "as found")
    return table


def _capture(schema: Schema) -> Table:
    table = _table(("sample", 1.0, "share of requests kept"), ("keep_days", 90, ""))
    if schema.key and schema.column(schema.key).kind in {"text", "category"}:
        _add(table, "redact", _list([schema.key]), "stored as a keyed hash; labels still find their rows")
    return table


def _table(*entries: tuple[str, Any, str]) -> Table:
    table = tomlkit.table()
    for key, value, why in entries:
        _add(table, key, value, why)
    return table


def _add(table: Table, key: str, value: Any, why: str) -> None:
    item = tomlkit.item(value) if not isinstance(value, Array) else value
    if why.strip("; "):
        item.comment(_line(why))
    table.add(key, item)


def _list(values: Iterable[str]) -> Array:
    array = tomlkit.array()
    array.extend(list(values))
    return array
