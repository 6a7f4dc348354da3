"""What a report says of a bundle that stands in a larger one's place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from fairlead.contract.evidence import Interval

PAGE = "compression.html"


class Compressed(msgspec.Struct, frozen=True, omit_defaults=True):
    """former: the bundle it was made from; what: how; share: of bytes, memory, latency and CPU that are left.

    difference: of mean losses on rows that neither saw, above 0 it is worse; flipped: share of decisions that differ,
    None without decisions. page: beside the report.
    """

    former: str
    what: str
    max_loss: float
    difference: Interval
    share: dict[str, float]
    flipped: float | None = None
    rows: int = 0
    unread: tuple[str, ...] = ()
    page: str = PAGE


def compressed_by(statement: Mapping[str, Any]) -> Compressed | None:
    """What an attested certificate says; None for one of another make."""
    try:
        cost = statement["cost"]
        told = {name: statement.get(name, ()) for name in ("former", "what", "max_loss", "share", "unread")}
        plain = {**told, "difference": cost["difference"], "flipped": cost["flipped"], "rows": cost["rows"]}
        return msgspec.convert(plain, Compressed)
    except (KeyError, TypeError, msgspec.ValidationError):
        return None
