"""The data contract at the door: rules that one row can break, compiled; without a contract nothing is here to ask.

Rules that only count are looked at like those that refuse, and every row that breaks one is counted by the rule's
name, of which there are as many as the contract has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from fairlead.contract.errors import ExpectationBroken
from fairlead.contract.expectations import LONGEST_MATCHED, DoorRule
from fairlead.contract.routes import Route, Variant
from fairlead.contract.signature import Signature
from fairlead.runtime.serve.counters import Counters
from fairlead.runtime.wire.checks import Row

Guard = Callable[[Sequence[Row]], None]
Breaks = Callable[[Row], bool]
SIGNS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "==": "==", "!=": "!="}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {"<": lt, "<=": le, ">": gt, ">=": ge, "==": eq, "!=": ne}


def expecting(
    guard: Guard | None, route: Route, taken: Variant, signature: Signature, counters: Counters
) -> Guard | None:
    """`guard`, and one that counts rows that break a rule and raises ExpectationBroken where it refuses.

    `guard` as it is where no rule is about this variant's columns.
    """
    places = {name: at for at, name in enumerate(signature.names)}
    labels = (route.model, str(taken.version or ""), taken.name)
    rules: list[tuple[Breaks, int, DoorRule]] = []
    for rule in route.expected.rules if route.expected is not None else ():
        # Of variants with columns of their own each is asked what it can be asked.
        if rule.column in places and (not rule.other or rule.other in places):
            at = counters.index(("expectations", *labels, rule.name, "refuse" if rule.refuse else "count"))
            rules.append((_breaks(rule, places), at, rule))
    if not rules:
        return guard
    cells, suspects = counters.cells, _suspects([rule for _, _, rule in rules], signature)
    first = guard

    def expected(rows: Sequence[Row]) -> None:
        if first is not None:
            first(rows)
        refused: tuple[int, DoorRule] | None = None
        for number in suspects(rows):
            row = rows[number]
            for breaks, at, rule in rules:
                if breaks(row):
                    cells[at] += 1
                    if refused is None and rule.refuse:
                        refused = number, rule
        if refused is not None:
            number, rule = refused
            raise ExpectationBroken(number, rule.name, rule.said, rule.column)

    return expected


def _suspects(rules: Sequence[DoorRule], signature: Signature) -> Callable[[Sequence[Row]], list[int]]:
    """Numbers of the rows that break any rule, by one expression over a row's cells: nearly all break none, and then
    asking each rule by a call of its own would cost more than answering does.

    The text that is compiled holds places and names made here alone; limits, categories and patterns are bound.
    """
    places = {name: at for at, name in enumerate(signature.names)}
    bound: dict[str, Any] = {"__builtins__": {}, "enumerate": enumerate, "len": len}
    parts: list[str] = []
    for number, rule in enumerate(rules):
        cell, name = f"c{places[rule.column]}", f"b{number}"
        if rule.sign == "present":
            parts.append(f"{cell} is not None")
        elif rule.sign == "range":
            bound[f"{name}l"] = float("-inf") if rule.low is None else rule.low
            bound[f"{name}h"] = float("inf") if rule.high is None else rule.high
            parts.append(f"({cell} is None or {name}l <= {cell} <= {name}h)")
        elif rule.sign == "one_of":
            bound[name] = frozenset((*rule.values, None))
            parts.append(f"{cell} in {name}")
        elif rule.sign == "fits":
            bound[name] = re.compile(rule.pattern).fullmatch
            parts.append(f"({cell} is None or len({cell}) <= {LONGEST_MATCHED} and {name}({cell}) is not None)")
        else:
            other = f"c{places[rule.other]}"
            parts.append(f"({cell} is None or {other} is None or {cell} {SIGNS[rule.how]} {other})")
    cells = ", ".join(f"c{at}" for at in range(len(signature.names)))
    text = f"lambda rows: [n for n, ({cells},) in enumerate(rows) if not ({' and '.join(parts)})]"
    made: Callable[[Sequence[Row]], list[int]] = eval(compile(text, "<contract>", "eval"), bound)  # noqa: S307
    return made


def _breaks(rule: DoorRule, places: dict[str, int]) -> Breaks:
    """Whether a row breaks one rule; a missing cell breaks none but `present`."""
    at = places[rule.column]
    if rule.sign == "present":
        return lambda row: row[at] is None
    if rule.sign == "range":
        low = float("-inf") if rule.low is None else rule.low
        high = float("inf") if rule.high is None else rule.high
        return lambda row: (cell := row[at]) is not None and not low <= cell <= high  # type: ignore[operator]
    if rule.sign == "one_of":
        known: frozenset[Any] = frozenset((*rule.values, None))
        return lambda row: row[at] not in known
    if rule.sign == "fits":
        fits = re.compile(rule.pattern).fullmatch
        return lambda row: (
            (cell := row[at]) is not None and (len(cell) > LONGEST_MATCHED or fits(cell) is None)  # type: ignore[arg-type,call-overload]
        )
    other, holds = places[rule.other], COMPARE[rule.how]
    return lambda row: (a := row[at]) is not None and (b := row[other]) is not None and not holds(a, b)
