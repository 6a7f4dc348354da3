"""Requests and errors of each version since a rollout began, kept through restarts of the server and of the watcher.

The counters of a server begin anew with it, so what is added is how far each of them has come since it was read last;
what was read last is kept in the state database, first when a rollout begins, before anybody is answered by it.
"""

from __future__ import annotations

import msgspec

from fairlead.contract.routes import Variant
from fairlead.ops.flow.workspace import Workspace
from fairlead.ops.rollout.guardrails import Counted
from fairlead.runtime.serve.observing.variants import answered_by_version


class Promoted(msgspec.Struct, frozen=True):
    """A champion that took over, and how the one before it did. at: seconds since the epoch."""

    version: int
    previous: int
    at: float
    before: Counted
    tried: bool


class Counting(msgspec.Struct, omit_defaults=True):
    """last: counts by file and version as they were read. seen: what was added since `since` (seconds), by version.
    before: how much of it before the split that holds now."""

    since: float = 0.0
    last: dict[str, dict[str, tuple[int, int]]] = {}
    seen: dict[str, tuple[int, int]] = {}
    promoted: Promoted | None = None
    before: dict[str, tuple[int, int]] = {}

    def of(self, version: int) -> Counted:
        """What a version was asked and failed since then."""
        requests, errors = self.seen.get(str(version), (0, 0))
        return Counted(errors, requests)

    def in_stage(self, version: int) -> Counted:
        """As `of`, since the shares were changed last."""
        all_of, (requests, errors) = self.of(version), self.before.get(str(version), (0, 0))
        return Counted(all_of.errors - errors, all_of.requests - requests)


def read_counting(ws: Workspace) -> Counting:
    """As last kept."""
    found = ws.state.get(f"counting:{ws.model}")
    return Counting() if found is None else msgspec.json.decode(found, type=Counting, strict=False)


def begin(ws: Workspace, promoted: Promoted | None = None) -> None:
    """From now on count anew, in the caller's transaction: other variants answer."""
    write(ws, Counting(ws.clock(), answered_by_version(ws.home.run, ws.model), {}, promoted))


def write(ws: Workspace, counting: Counting) -> None:
    """Keep what is counted of a model, in the caller's transaction."""
    ws.state.put(f"counting:{ws.model}", msgspec.json.encode(counting))


def counted(ws: Workspace) -> Counting:
    """What was counted so far, the live counters included; kept where it changed."""
    with ws.state.transaction():
        known = read_counting(ws)
        now = answered_by_version(ws.home.run, ws.model)
        if now == known.last:
            return known
        for file, counts in now.items():
            before = known.last.get(file, {})
            for version, (requests, errors) in counts.items():
                had = before.get(version, (0, 0))
                # A counter that went back is that of a server that was started anew.
                added = (requests, errors) if requests < had[0] else (requests - had[0], errors - had[1])
                total = known.seen.get(version, (0, 0))
                known.seen[version] = total[0] + added[0], total[1] + added[1]
        known.last = now
        write(ws, known)
        return known


def begin_after(ws: Workspace, before: tuple[Variant, ...], after: tuple[Variant, ...]) -> None:
    """Count anew where other variants answer, or in other roles; in the caller's transaction, before they do."""
    if [(v.name, v.version, v.shadow) for v in before] == [(v.name, v.version, v.shadow) for v in after]:
        if [v.weight for v in before] != [v.weight for v in after]:
            kept_on = counted(ws)
            kept_on.before = dict(kept_on.seen)
            write(ws, kept_on)
        return
    old = next((v for v in before if v.name == "champion"), None)
    new = next((v for v in after if v.name == "champion"), None)
    if old is None or new is None or old.version == new.version:
        kept = read_counting(ws).promoted
        # The trial of a challenger is no reason to forget how the champion's predecessor did.
        begin(ws, kept if kept is not None and new is not None and kept.version == new.version else None)
        return
    told = counted(ws).of(old.version)
    tried = any(v.version == new.version for v in before)
    begin(ws, Promoted(new.version, old.version, ws.clock(), told, tried))
