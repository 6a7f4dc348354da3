"""Is everything as it should be? Each complaint comes with its cure."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

import msgspec

from fairlead.contract.errors import BundleRefused, FairleadError
from fairlead.contract.evidence import Check
from fairlead.ops.flow.outdated import settings_read
from fairlead.ops.flow.streams import streams
from fairlead.ops.flow.surroundings import look
from fairlead.ops.flow.workspace import Workspace

DISK_FLOOR_BYTES = 512 * 1024 * 1024
LONGEST_AWAITED_S = 120
"""Seconds that a row may wait for the collector of a running `up`, which comes by every two."""


def examine(ws: Workspace, *further: Callable[[Workspace], Check | list[Check]]) -> dict[str, Any]:
    """All checks of this home, and `further` ones of rooms above; `verdict` is pass when none fails."""
    from fairlead.runtime.capture import reconcile

    reconciliation = reconcile(ws.home.root)
    # Asked once: each further check would wait for a database that is away as long again.
    unread = tried("state", opened, ws)
    checks = (
        reconciled(reconciliation), *tried("collected", collected, ws),
        *keys(ws), *unread, *([] if unread else tried("bundles", bundles, ws)), served(ws), settings_read(ws),
        *([] if unread else tried("audit", chain, ws)),
        disk(ws), *tried("streams", streams, ws), *look(ws, state=not unread),
        *(check for one in further for check in tried(one.__name__, one, ws)),
    )  # fmt: skip
    failed = [c for c in checks if c.verdict == "fail"]
    return {
        "verdict": "fail" if failed else "pass",
        "checks": [msgspec.to_builtins(c) for c in checks],
        "reconciliation": msgspec.to_builtins(reconciliation),
    }


def opened(ws: Workspace) -> list[Check]:
    """The state can be read; nothing to say where it can."""
    ws.state.generation()
    return []


def tried(name: str, look: Callable[[Workspace], Check | list[Check]], ws: Workspace) -> list[Check]:
    """A check that cannot be made is a complaint, not the end of the examination."""
    try:
        found = look(ws)
    except FairleadError as failure:
        return [Check(name, None, None, "fail", str(failure))]
    return found if isinstance(found, list) else [found]


def reconciled(found: Any) -> Check:
    """rows answered = captured + sampled out + dropped, for every worker that ever wrote."""
    if found.ok:
        return Check(
            "capture", found.answered, None, "pass", "every row answered is captured, sampled out or counted as dropped"
        )
    return Check(
        "capture", found.answered - found.captured - found.sampled_out - found.dropped, 0, "fail",
        "rows answered and rows accounted for differ: keep the spool and see the reconciliation per worker",
    )  # fmt: skip


def collected(ws: Workspace) -> Check:
    """What was answered is brought in soon: while `up` runs nothing waits for minutes."""
    from fairlead.ops.flow.supervise import read_up
    from fairlead.runtime.capture.awaited import oldest_awaited

    first = oldest_awaited(ws.home.root)
    if first is None:
        return Check("collected", 0, LONGEST_AWAITED_S, "pass", "nothing waits in the spool")
    waited = max(ws.clock() - first, 0.0)
    if waited <= LONGEST_AWAITED_S or read_up(ws.home.run) is None:
        why = "rows wait in the spool for `fairlead collect` or `fairlead up`"
        return Check("collected", round(waited), LONGEST_AWAITED_S, "pass", why)
    why = "seconds that rows have waited, so no window sees them: look for the collector in the log of `fairlead up`"
    return Check("collected", round(waited), LONGEST_AWAITED_S, "fail", why)


def keys(ws: Workspace) -> list[Check]:
    """Key files are for their owner's eyes alone."""
    checks = []
    for path in sorted(ws.home.keys.glob("*.key")):
        mode = path.stat().st_mode & 0o777
        open_to_others = bool(mode & 0o077) and os.name == "posix"
        why = f"run: chmod 600 {path.name}" if open_to_others else "readable by its owner alone"
        checks.append(Check(f"key {path.name}", oct(mode), "0o600", "fail" if open_to_others else "pass", why))
    return checks


def bundles(ws: Workspace) -> list[Check]:
    """Every bundle that answers verifies against the trusted keys."""
    intent = ws.state.intent(ws.model)
    checks = []
    for variant in intent.variants if intent else ():
        try:
            ws.load(variant.bundle)
            checks.append(
                Check(
                    f"bundle of {variant.name}", variant.bundle[:12], None, "pass", "seal, hashes and golden rows hold"
                )
            )
        except BundleRefused as refusal:
            checks.append(Check(f"bundle of {variant.name}", variant.bundle[:12], None, "fail", str(refusal)))
            continue
        checks.append(vouched(ws, variant.name, variant.bundle))
    return checks


def vouched(ws: Workspace, name: str, bundle: str) -> Check:
    """What answers would still be let through: a waiver that it rests on may have ended since."""
    from fairlead.contract.errors import NotAttested
    from fairlead.ops.flow.approving import require_standing

    try:
        found = require_standing(ws, bundle, approved=False)
    except NotAttested as refusal:
        return Check(f"verdict on {name}", bundle[:12], None, "fail", str(refusal))
    by = ", ".join(f"{w.check} waived by {w.by}" for w in found.waived)
    return Check(f"verdict on {name}", bundle[:12], None, "pass", by or "passed every check")


def served(ws: Workspace) -> Check:
    """What workers answer with is what is intended."""
    from fairlead.runtime.serve import live_workers
    from fairlead.runtime.serve import read as read_routes

    workers = live_workers(ws.home.root)
    if not workers:
        return Check("workers", 0, None, "pass", "no server is running")
    wanted = read_routes(ws.home.routes).generation
    behind = [w.pid for w in workers if w.generation != wanted]
    if behind:
        return Check(
            "workers", len(behind), 0, "fail", "workers answer with older routes: see the server's log for the reason"
        )
    return Check("workers", len(workers), None, "pass", f"all answer with generation {wanted}")


def chain(ws: Workspace) -> Check:
    """The audit chain verifies."""
    report = ws.audit.verify()
    why = report.why or "the chain verifies from its first event to its signed head"
    return Check("audit", report.events, None, "pass" if report.ok else "fail", why)


def disk(ws: Workspace) -> Check:
    """There is room to go on."""
    free = shutil.disk_usage(ws.home.root).free
    enough = free > DISK_FLOOR_BYTES
    why = "enough" if enough else "little room is left: lower capture.keep_days or move the home (FAIRLEAD_HOME)"
    return Check("disk", free, DISK_FLOOR_BYTES, "pass" if enough else "fail", why)
