"""What is known of a caller once it has proved who it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from fairlead.contract.routes import Key, Route
from fairlead.runtime.serve.access.blunting import blunt
from fairlead.runtime.serve.access.grants import VERBS, Grants, allows
from fairlead.runtime.serve.access.ledger import Limit
from fairlead.runtime.wire.codec import Answer

USES = ("predict", "explain")
"""Verbs that use a model, and so have to fit what it is meant for."""


class Rules:
    """`Caller.rules`. mark: the keyed hash that records carry, None where there is no key to hash with.

    may: by verb, the served models that are allowed, looked up on the request path; `grants` and `purpose` are
    what it was worked out from. limit: None without limits. blunts: whether answers tell less than they could.
    """

    __slots__ = ("blunts", "digits", "expires", "grants", "label_only", "limit", "mark", "may", "purpose")

    def __init__(
        self,
        grants: Grants,
        mark: str | None,
        routes: Mapping[str, Route],
        *,
        expires: float = inf,
        key: Key | None = None,
        limit: Limit | None = None,
    ) -> None:
        self.grants, self.mark, self.expires, self.limit = grants, mark, expires, limit
        self.purpose = key.purpose if key else ""
        self.digits = key.digits if key else None
        self.label_only = key.label_only if key else False
        self.blunts = self.label_only or self.digits is not None
        self.may = {
            verb: frozenset(
                name
                for name, route in routes.items()
                if allows(grants, verb, name) and not (verb in USES and self.misuses(route))
            )
            for verb in VERBS
        }

    def misuses(self, route: Route) -> bool:
        """Whether the purpose of the caller's key is none that the model is meant for."""
        return bool(self.purpose) and self.purpose not in route.purposes

    def charge(self, rows: int, now: float) -> None:
        """Count the rows of a request before it is answered. now: seconds since the epoch. Raises TooManyRequests."""
        if self.limit is not None:
            self.limit.charge(rows, now)

    def blunted(self, answer: Answer, classes: Sequence[str]) -> Answer:
        """What this caller is told of an answer."""
        return blunt(answer, classes, self.digits, self.label_only)
