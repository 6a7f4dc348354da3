"""How `fairlead status` says in words what the server did lately and what limits it."""

from __future__ import annotations

from typing import Any

Answer = dict[str, Any]


def machine_lines(machine: Answer) -> list[str]:
    """What the server did in the last minute, which resource is scarcest, and what is to blame where it is in
    trouble; nothing where no server has said anything lately."""
    if not machine:
        return []
    told = f"last {machine['seconds']:.0f} s: {machine['requests']:,} requests"
    if machine["requests"]:
        told += f", half within {machine['p50_ms']:.1f} ms, 99 % within {machine['p99_ms']:.1f} ms"
    if machine["failed"]:
        told += f", {machine['failed']:,} failed"
    blamed = [f"to blame: {cause['name']}; {cause['why']}" for cause in machine["causes"][:1]]
    return [told, f"limited by {machine['limiting']}", *blamed]
