"""The gate's check that somebody has said what the model is for."""

from __future__ import annotations

from fairlead.contract.evidence import Check
from fairlead.contract.settings import CardSettings


def card_check(card: CardSettings) -> Check:
    """Passes where intended use, misuse and limits (in words or as populations) are stated; else fails, naming what is
    not.
    """
    stated = {
        "intended_use": bool(card.intended_use.strip()),
        "misuse": any(one.strip() for one in card.misuse),
        "limits": any(one.strip() for one in card.limits) or bool(card.populations),
    }
    missing = [name for name, said in stated.items() if not said]
    if not missing:
        return Check("card", 0.0, 0.0, "pass", "the card says what it is for, its misuse and its limits")
    why = f"nobody has stated {', '.join(missing)} in [card]"
    return Check("card", float(len(missing)), 0.0, "fail", why)
