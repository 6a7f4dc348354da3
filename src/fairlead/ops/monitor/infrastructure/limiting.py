"""Which resource a server will run out of first, and which would be next."""

from __future__ import annotations

import msgspec

from fairlead.ops.monitor.infrastructure.limits import DEFAULTS, MB
from fairlead.ops.monitor.infrastructure.minutes import Minute


class Resource(msgspec.Struct, frozen=True):
    """How much of a resource is used, and in words with figures. used: 1 where nothing can be added; of memory and
    disk how near they are to what should be left of them, as most of a large disk may be full and much be left."""

    name: str
    used: float
    says: str


def resources(minute: Minute, queue: int) -> list[Resource]:
    """What is known of every resource in a minute, the scarcest first. queue: how many requests may wait."""
    found = []
    for worker in minute.workers:
        if worker.busy >= 0:
            taken = max(worker.waited, worker.held, 0.0)
            name = f"CPU of worker {worker.name}" if not worker.role else f"CPU of {worker.role} process {worker.name}"
            kept = f", kept from running for another {taken:.0%}" if taken >= 0.05 else ""
            found.append(Resource(name, min(worker.busy + taken, 1.0), f"{worker.busy:.0%} busy{kept}"))
        if worker.spool > 0:
            found.append(Resource(f"spool of worker {worker.name}", min(worker.spool, 1.0), f"{worker.spool:.0%} full"))
        if worker.sync > 0:
            most = f"{worker.sync:.0%} of the time writing, up to {worker.sync_most_s * 1e3:,.0f} ms at once"
            found.append(Resource("disk speed", worker.sync, most))
    if minute.memory_total > 0:
        used = 1.0 - minute.memory_free / minute.memory_total
        left = f"{used:.0%} used, {minute.memory_free / 2**30:,.1f} GB left"
        found.append(Resource("memory", _nearness(minute.memory_free, minute.memory_total, "memory_free_mb"), left))
    if minute.disk_total > 0:
        used = 1.0 - minute.disk_free / minute.disk_total
        near = _nearness(minute.disk_free, minute.disk_total, "disk_free_mb")
        found.append(Resource("disk space", near, f"{used:.0%} used, {minute.disk_free / 2**30:,.1f} GB left"))
    if queue > 0:
        used = min(minute.in_flight / queue, 1.0)
        found.append(Resource("queue", used, f"at most {minute.in_flight} of {queue} requests at once"))
    best: dict[str, Resource] = {}
    for one in found:
        if one.name not in best or best[one.name].used < one.used:
            best[one.name] = one
    return sorted(best.values(), key=lambda one: (-one.used, one.name))


def _nearness(free: int, total: int, limit: str) -> float:
    least = min(DEFAULTS[limit] * MB, 0.05 * total)
    return min(least / max(free, 1), 1.0)


def in_words(found: list[Resource]) -> str:
    """The scarcest resource, and the next."""
    if not found:
        return "nothing is known of what it uses"
    first = f"{found[0].name}: {found[0].says}"
    return first + (f"; next {found[1].name}: {found[1].says}" if len(found) > 1 else "")
