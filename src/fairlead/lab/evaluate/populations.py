"""`[card] populations` to the conditions that are sealed: which rows the model is meant for."""

from __future__ import annotations

import difflib

import msgspec

from fairlead.contract.errors import ConfigInvalid
from fairlead.contract.population import Condition, Population
from fairlead.contract.settings import CardSettings
from fairlead.contract.signature import Column, Signature
from fairlead.lab.evaluate.expressions import Compare, Rule, Value, read_rule
from fairlead.lab.stats.measures import label_text
from fairlead.runtime.bundle.population import problem

KEY = "card.populations"


def with_population(signature: Signature, card: CardSettings) -> Signature:
    """The signature with the population that the card states; as it is where it states none.

    Raises ConfigInvalid for a column that the model does not take, or that cannot be asked that.
    """
    if not card.populations:
        return signature
    known = {column.name: column for column in signature.columns}
    conditions = tuple(_condition(read_population(text), known, text) for text in card.populations)
    for condition, text in zip(conditions, card.populations, strict=True):
        if why := problem(condition, known):
            raise _wrong(text, why)
    return msgspec.structs.replace(signature, population=Population(conditions, card.populations, card.outside))


def read_population(text: str) -> Rule:
    """The rule that a line states. Raises ConfigInvalid naming the character where it cannot be read."""
    try:
        return read_rule(text)
    except ConfigInvalid as why:
        said = str(why).removeprefix("fairlead.toml: evaluate.slices: ").replace("the slice", "the population", 1)
        raise ConfigInvalid(said, file="fairlead.toml", key=KEY) from None


def _condition(rule: Rule, known: dict[str, Column], text: str) -> Condition:
    if not isinstance(rule, Compare):
        return Condition(rule.how, parts=tuple(_condition(part, known, text) for part in rule.parts))
    column = known.get(rule.column)
    if column is None:
        near = difflib.get_close_matches(rule.column, known, n=1)
        cure = f"did you mean {near[0]!r}?" if near else f"it takes: {', '.join(known)}"
        raise _wrong(text, f"the model takes no column {rule.column!r}; {cure}")
    return Condition(rule.sign, rule.column, tuple(_value(value, column, text) for value in rule.values))


def _value(value: Value, column: Column, text: str) -> float | str:
    """As the model meets such a cell: 1, 1.0, true and 'true' are the same where the column says so."""
    if not column.numeric:
        return label_text(value).lower() if isinstance(value, bool) else label_text(value)
    if isinstance(value, str):
        told = {"true": 1.0, "false": 0.0}.get(value.lower()) if column.kind == "boolean" else None
        if told is None:
            raise _wrong(text, f"column {column.name!r} holds numbers, and {value!r} is text")
        return told
    return float(value)


def _wrong(text: str, why: str) -> ConfigInvalid:
    return ConfigInvalid(f"{text!r}: {why}.", file="fairlead.toml", key=KEY)
