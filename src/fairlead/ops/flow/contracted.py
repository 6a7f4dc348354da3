"""The project's data contract: read where it is used, in the audit log when it changes, told to the door.

What was last read is kept, so that a file that somebody is just writing neither stops the watcher nor opens the door.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused, ConfigInvalid, MissingExtra
from fairlead.contract.events import Finding
from fairlead.contract.expectations import DataContract, Expected
from fairlead.contract.signature import Signature
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor.arrivals import told_by_the_clock
from fairlead.ops.monitor.contracts.door import expected_at_door
from fairlead.ops.monitor.contracts.reading import Contract, read_contract
from fairlead.ops.monitor.identity import finding_id

FILE_CHECKS = ("contract:unreadable", "contract:version", "contract:door")


def by_the_clock(check: str) -> bool:
    """Whether passes find this, whether a window is over or not: then no window ends it."""
    return check in FILE_CHECKS or told_by_the_clock(check)


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """The contract as last read, and when."""

    digest: str
    terms: DataContract
    at: float


def contract_of(ws: Workspace) -> Contract | None:
    """What the file says now; None where the project has none. Raises ConfigInvalid, MissingExtra."""
    name = ws.settings.monitor.contract
    return read_contract(ws.project.root / name) if name else None


def kept(ws: Workspace) -> Kept | None:
    """The contract as last read, None where there is none."""
    found = ws.state.get(f"contract:{ws.model}") if ws.settings.monitor.contract else None
    return None if found is None else msgspec.json.decode(found, type=Kept)


def terms_of(ws: Workspace) -> DataContract | None:
    """What rows are judged by: the file, or what it last said where it cannot be read now."""
    try:
        contract = contract_of(ws)
    except (ConfigInvalid, MissingExtra):
        known = kept(ws)
        return None if known is None else known.terms
    return None if contract is None else contract.terms


def expected_of(ws: Workspace, signature: Signature) -> Expected | None:
    """What the door is told of it."""
    terms = terms_of(ws)
    return None if terms is None else expected_at_door(terms, signature)


def follow(ws: Workspace, publish: Callable[[], Any]) -> bool:
    """Note in the audit log what the file says, and tell the door by `publish`, if that is new; whether it is.

    Raises nothing about the file: one that cannot be read, or that changed under its old version, is a finding.
    """
    if not ws.settings.monitor.contract:
        return False
    known, at = kept(ws), ws.clock()
    try:
        contract = contract_of(ws)
    except (ConfigInvalid, MissingExtra) as why:
        _tell(ws, "contract:unreadable", str(why), at)
        return False
    assert contract is not None
    _over(ws, "contract:unreadable", at)
    if known is not None and known.digest == contract.digest and known.terms.version == contract.terms.version:
        return False
    same = known is not None and known.terms.version == contract.terms.version
    with ws.state.transaction():
        ws.state.put(f"contract:{ws.model}", msgspec.json.encode(Kept(contract.digest, contract.terms, at)))
        before = "" if known is None else f", was {known.terms.version}"
        said = f"version {contract.terms.version}{before}"
        details = {"version": contract.terms.version, "sha256": contract.digest, "file": contract.file}
        ws.audit.record(ws.actor, "contract", ws.model, said, details)
        if same:
            told = f"{contract.file}: its content changed and its version is still {contract.terms.version}"
            _tell(ws, "contract:version", told, at)
        else:
            _over(ws, "contract:version", at)
    try:
        publish()
        _over(ws, "contract:door", at)
    except BundleRefused as refusal:
        _tell(ws, "contract:door", f"the server answers by the contract it had before: {refusal}", at)
    return True


def _tell(ws: Workspace, check: str, message: str, at: float) -> None:
    known = next((f for f in ws.state.findings(ws.model) if f.check == check), None)
    since = at if known is None else known.since
    ws.state.put_finding(
        Finding(
            id=finding_id(ws.model, check, (), since), model=ws.model, area="contract", check=check, window=0,
            since=since, size=1.0, low=1.0, high=1.0, unit="file", message=message,
        )
    )  # fmt: skip


def _over(ws: Workspace, check: str, at: float) -> None:
    for finding in ws.state.findings(ws.model):
        if finding.check == check and ws.state.close_finding(finding.id, at):
            ws.outbox.all_clear(finding, at)
