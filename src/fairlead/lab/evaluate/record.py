"""What an auditor asks of a judged bundle: where it comes from, who sealed it, who answers for it."""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.contract.evidence import Lineage
from fairlead.contract.settings import CardSettings


class Signed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person's statement about the bundle. what: the check waived, or "approval". until: last day, "" for none.

    recorded: the operating-system user at whose terminal it was made. lapsed: it no longer counts, and why.
    """

    what: str
    by: str
    at: float
    reason: str = ""
    until: str = ""
    recorded: str = ""
    lapsed: str = ""


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is signed or hashed. files: sha256 of every file of the bundle, by path.

    judged, judged_by: when and by whom. gate: the rules as they were. missing: approvals still asked for.
    purposes: intended uses that keys must name when they ask the server.
    """

    signer: str
    runtime: str
    files: dict[str, str]
    lineage: Lineage
    judged: float
    judged_by: str
    gate: dict[str, Any] = {}
    card: CardSettings = CardSettings()
    purposes: tuple[str, ...] = ()
    waivers: tuple[Signed, ...] = ()
    approvals: tuple[Signed, ...] = ()
    missing: tuple[str, ...] = ()
