"""What of a contract a row alone can break, as the data plane has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fairlead.contract.expectations import ColumnTerms, DataContract, DoorRule, Expected, RelationTerms
from fairlead.contract.signature import Column, Signature
from fairlead.ops.monitor.contracts.judging import numbers_in, text_of
from fairlead.ops.monitor.contracts.reading import RELATION

MOST_RULES = 200
"""Rules the door looks at: each is work a row, and a series in /metrics. Those that refuse come first."""


def expected_at_door(contract: DataContract, signature: Signature) -> Expected | None:
    """The rules for a model's rows; None where there is none. Columns it does not take are not looked at."""
    known = {column.name: column for column in signature.columns}
    rules: list[DoorRule] = []
    for name, terms in contract.columns.items():
        if name in known and terms.at_door != "leave":
            rules += _rules(known[name], terms)
    for relation in contract.relations:
        rules += _compared(relation, known)
    rules.sort(key=lambda rule: not rule.refuse)
    return Expected(contract.version, tuple(rules[:MOST_RULES])) if rules else None


def _rules(column: Column, terms: ColumnTerms) -> Iterator[DoorRule]:
    name, refuse = column.name, terms.at_door == "refuse"
    if column.kind == "tensor":
        return
    if terms.missing == 0.0 and column.nullable:
        yield DoorRule(f"{name}.missing", name, "present", f"{name} is never missing", refuse)
    if terms.range is not None and column.numeric:
        low, high = terms.range
        said = f"{name} from {'any' if low is None else f'{low:g}'} to {'any' if high is None else f'{high:g}'}"
        yield DoorRule(f"{name}.range", name, "range", said, refuse, low=low, high=high)
    if terms.categories is not None and terms.closed:
        values = terms.categories
        kept = tuple(numbers_in(values)) if column.numeric else tuple(text_of(value) for value in values)
        yield DoorRule(f"{name}.categories", name, "one_of", f"{name} is one of the agreed", refuse, values=kept)
    if terms.pattern and not column.numeric:
        said = f"{name} fits the pattern agreed"
        yield DoorRule(f"{name}.pattern", name, "fits", said, refuse, pattern=terms.pattern)


SIGNS: dict[str, Literal["<", "<=", ">", ">=", "==", "!="]] = {
    "<": "<", "<=": "<=", ">": ">", ">=": ">=", "==": "==", "!=": "!="
}  # fmt: skip


def _compared(terms: RelationTerms, known: dict[str, Column]) -> Iterator[DoorRule]:
    parts = RELATION.fullmatch(terms.rule)
    if parts is None or terms.at_door == "leave":
        return
    left, how, right = parts.groups()
    if left in known and right in known and known[left].numeric and known[right].numeric:
        refuse = terms.at_door == "refuse"
        yield DoorRule(f"{left}.{how}.{right}", left, "compare", terms.rule, refuse, other=right, how=SIGNS[how])
