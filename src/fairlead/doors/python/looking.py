"""Verbs that look and change nothing: inspect, config, audit, doctor."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from fairlead.ops.flow import Workspace

Answer = dict[str, Any]
SECRET = re.compile(r"secret|password|token|credential|access\.?key", re.IGNORECASE)
"""In names of settings of Spark whose values are nobody's to see."""


def inspect(ws: Workspace, reference: str | Path | None) -> Answer:
    """See `Project.inspect`."""
    from fairlead.ops.flow import making
    from fairlead.runtime.bundle import attestations
    from fairlead.runtime.bundle import inspect as look

    if reference is not None and Path(reference).is_dir():
        folder = Path(reference)
    else:
        folder = ws.store.path(making.resolve_bundle(ws, None if reference is None else str(reference)))
    answer: Answer = look(folder, ws.trusted)
    found = attestations(ws.home.attestations, answer["bundle"], ws.trusted) if answer["seal"]["verified"] else []
    answer["attestations"] = [msgspec.to_builtins(a) for a in found]
    return complete(answer)


def inspect_folder(folder: Path) -> Answer:
    """A bundle outside any project. The key that made its seal is taken for trusted, and `seal.own_word` says so."""
    from fairlead.contract.errors import BundleRefused
    from fairlead.runtime.bundle import inspect as look
    from fairlead.runtime.bundle import signer_of

    claimed: tuple[str, ...] = ()
    with contextlib.suppress(BundleRefused):  # `look` says why
        claimed = (signer_of(folder),)
    answer: Answer = {**look(folder, claimed), "attestations": []}
    answer["seal"]["own_word"] = bool(claimed)
    return complete(answer)


def complete(answer: Answer) -> Answer:
    """The same keys for a bundle that does not verify: nothing it says about itself is repeated."""
    return {"signature": None, "contents": {}, **answer}


def config(ws: Workspace) -> Answer:
    """See `Project.config`."""
    from fairlead.lab.tables.addresses import BLOT, shown_of
    from fairlead.ops.alerts import shown as shown_address

    def seen(name: str, value: Any) -> Any:
        # A secret that stands in an address is for those who read the file, not for logs and issues.
        if name == "engine.conf":
            return {key: BLOT if SECRET.search(key) else shown_of(said) for key, said in value.items()}
        if name == "alerts.to":
            return [shown_address(address) for address in value]
        if name == "alerts.escalate":
            return {**value, "to": [shown_address(address) for address in value["to"]]}
        # The password of the state is nowhere but where it is referred to; what follows its address is none.
        return shown_of(value) if isinstance(value, str) and name != "state.url" else value

    values: Answer = {}
    origins = ws.project.origins
    for section, table in msgspec.to_builtins(ws.settings).items():
        for key, value in table.items():
            name = f"{section}.{key}"
            values[name] = {"value": seen(name, value), "from": origins.get(name, "default")}
    return {"file": str(ws.project.root / "fairlead.toml"), "home": str(ws.home.root), "settings": values}


def audit(ws: Workspace, last: int) -> Answer:
    """See `Project.audit`."""
    report = ws.audit.verify()
    return {
        **msgspec.to_builtins(report),
        "newest": [msgspec.to_builtins(event) for event in ws.audit.events(last=last)],
    }


def doctor(ws: Workspace) -> Answer:
    """See `Project.doctor`."""
    from fairlead.ops.flow.doctor import examine
    from fairlead.ops.keep.examining import backed_up

    return examine(ws, backed_up)
