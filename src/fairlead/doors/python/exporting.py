"""The verb `export`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from fairlead.ops.flow import Workspace

Answer = dict[str, Any]


def export(
    ws: Workspace,
    target: str,
    out: str | Path | None,
    version: str | int | None,
    image: str,
    options: Sequence[str],
    force: bool,
) -> Answer:
    """See `Project.export`."""
    from fairlead.reach import export as exports

    folder = Path(out) if out is not None else ws.project.root / "export" / target
    done = exports.export(
        ws, target, folder, version=None if version is None else str(version), image=image, options=options, force=force
    )
    answer: Answer = msgspec.to_builtins(done)
    return answer


def targets() -> list[Answer]:
    """Every target with what `--set` may say, for people who have not chosen yet."""
    from fairlead.contract.errors import MissingExtra
    from fairlead.reach.export import exporting

    rows: list[Answer] = []
    for name in exporting.targets():
        try:
            target = exporting.target_of(name)
        except MissingExtra as missing:
            rows.append({"target": name, "what": str(missing), "options": {}})
            continue
        what = (type(target).__doc__ or "").strip().splitlines()
        options = {option: msgspec.to_builtins(told) for option, told in target.options.items()}
        rows.append({"target": name, "what": what[0] if what else "", "options": options})
    return rows
