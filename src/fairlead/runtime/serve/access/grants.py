"""What a caller may do, as pairs of a verb and a model ("*": every model)."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Any

VERBS = ("predict", "explain", "feedback", "metrics", "admin")
MOST = 200
LONGEST = 200

Grants = frozenset[tuple[str, str]]


def of_scopes(claim: Any) -> Grants:
    """The scopes of a token: a text of words, or a list of them; a word that is not verb:model gives nothing.

    >>> sorted(of_scopes("openid predict:churn feedback:* predict fly:me"))
    [('feedback', '*'), ('predict', 'churn')]
    >>> of_scopes(None) == of_scopes(7) == frozenset()
    True
    """
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else []
    pairs = [word.partition(":")[::2] for word in words[:MOST] if isinstance(word, str) and len(word) <= LONGEST]
    return frozenset((verb, model) for verb, model in pairs if verb in VERBS and model)


def of_key(verbs: Iterable[str], models: Iterable[str]) -> Grants:
    """Every verb for every model."""
    named = tuple(models)
    return frozenset((verb, model) for verb in verbs for model in named)


def allows(grants: Set[tuple[str, str]], verb: str, model: str | None) -> bool:
    """Whether `verb` is granted for a model; for None: for any, except admin, which then needs all."""
    if (verb, "*") in grants:
        return True
    if model is None:
        return verb != "admin" and any(granted == verb for granted, _ in grants)
    return (verb, model) in grants
