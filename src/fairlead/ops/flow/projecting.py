"""The MLflow projection kept up to date: versions and aliases there follow the state database, never the reverse."""

from __future__ import annotations

import hashlib

import msgspec

from fairlead.contract.errors import FairleadError, NotLeader
from fairlead.contract.events import Finding
from fairlead.ops.flow.leading import term_of
from fairlead.ops.flow.making import kept, trials_of
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.monitor import finding_id

RETRY_S = 300.0
"""After a registry that could not be reached, so long until it is tried again."""


class Projection(msgspec.Struct, frozen=True):
    """What was last written to MLflow.

    failed: when that last went wrong, seconds since the epoch. term: of the leader that wrote it; one that takes over
    looks once itself, as the one before may have been stopped in the middle. where: hash of the registry's address; of
    another one nothing is known.
    """

    versions: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    failed: float = 0.0
    term: int = 0
    where: str = ""


def read(ws: Workspace) -> Projection:
    """What was last written there."""
    found = ws.state.get(f"mlflow:{ws.model}")
    known = Projection() if found is None else msgspec.json.decode(found, type=Projection)
    return known if known.where == _where(ws) else Projection()


def _where(ws: Workspace) -> str:
    return hashlib.sha256(ws.settings.registry.mlflow.encode()).hexdigest()[:16]


def wanted(ws: Workspace) -> Projection:
    """What ought to be there: bundles of all versions, and alias -> bundle."""
    versions = {v.number: v.bundle for v in ws.state.versions(ws.model)}
    aliases = {name: versions[number] for name, number in ws.state.aliases(ws.model).items() if number in versions}
    return Projection(tuple(versions[number] for number in sorted(versions)), aliases)


def behind(ws: Workspace) -> bool:
    """Whether the projection differs from the state database, and trying makes sense now."""
    now, ought = read(ws), wanted(ws)
    if ws.clock() - now.failed < RETRY_S:
        return False
    return (now.versions, now.aliases, now.term) != (ought.versions, ought.aliases, term_of(ws) or now.term)


def projected(ws: Workspace) -> str:
    """Bring the projection up to date if that can be done now, else say why not.

    A registry that is down or not installed holds nothing up: the state database is the truth, the next call
    catches up. Raises NotLeader where this acts for a control plane that no longer leads.
    """
    before, ought = read(ws), wanted(ws)
    ought = msgspec.structs.replace(ought, term=term_of(ws) or before.term, where=_where(ws))
    try:
        _write(ws, before, ought)
    except NotLeader:
        raise
    except (FairleadError, ImportError) as failure:
        again = msgspec.structs.replace(before, failed=ws.clock(), where=_where(ws))
        ws.state.put(f"mlflow:{ws.model}", msgspec.json.encode(again))
        return f"the MLflow projection waits: {failure}"
    ws.state.put(f"mlflow:{ws.model}", msgspec.json.encode(ought))
    return ""


def _write(ws: Workspace, before: Projection, ought: Projection) -> None:
    for version in ws.state.versions(ws.model):
        if version.bundle in before.versions:
            continue
        remembered = kept(ws, version.bundle)
        report = ws.home.reports / version.bundle[:16]
        ws.registry.register(
            ws.model,
            ws.store.path(version.bundle),
            bundle=version.bundle,
            signer=ws.key.public,
            metrics=remembered.metrics if remembered else {},
            report=report if report.exists() else None,
            version=version.number,
            trials=trials_of(ws, version.bundle),
            metric=str(remembered.leaderboard[0].get("metric", "score"))
            if remembered and remembered.leaderboard
            else "score",
        )
    moved_by_hand(ws, before)
    ws.registry.sync_aliases(ws.model, ought.aliases)
    for name in before.aliases.keys() - ought.aliases.keys():
        ws.registry.drop_alias(ws.model, name)


def moved_by_hand(ws: Workspace, before: Projection) -> None:
    """An alias that somebody moved in MLflow deploys nothing: it is put back, and told as a finding."""
    found = ws.registry.aliases(ws.model)
    for name, bundle in before.aliases.items():
        if found.get(name) == bundle:
            continue
        message = f"alias {name!r} was moved in MLflow by hand: put back, as `fairlead deploy` is what deploys"
        now = ws.clock()
        finding = Finding(
            id=finding_id(ws.model, "registry.alias", (name,), now), model=ws.model, area="registry",
            check="registry.alias", window=-1, since=now, size=1.0, low=1.0, high=1.0, unit="aliases", message=message,
        )  # fmt: skip
        with ws.state.transaction():
            ws.state.put_finding(finding)
            ws.audit.record(ws.actor, "alias moved", ws.model, message, {"alias": name, "found": found.get(name)})
            ws.state.close_finding(finding.id, now)
