"""Cells of the tables of false alarms: each is made once, by as many processes as asked, and kept for the next run.

What is kept belongs to the code that made it: another version of what is measured, or of how, makes every cell anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MEASURED = ("src/fairlead/ops/monitor", "src/fairlead/lab/stats", "src/fairlead/contract")
Say = Callable[[str], None]


def digest() -> str:
    """Of the code that cells depend on."""
    sources = [p for folder in MEASURED for p in sorted((ROOT / folder).rglob("*.py"))]
    sources += sorted((ROOT / "benchmarks").glob("alarm_*.py"))
    found = hashlib.sha256()
    for path in sources:
        found.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def made(
    make: Callable[..., Any], asked: Iterable[tuple[Any, ...]], jobs: int, say: Say, kept: Path | None = None
) -> dict[tuple[Any, ...], Any]:
    """`make(*args)` for every args, made or kept. make: a function of a module; args and what it returns: JSON.

    kept: file of cells, a line each; None: one of this version of the code in the folder for temporary files.
    """
    path = kept or Path(tempfile.gettempdir()) / f"fairlead-alarm-cells-{os.getuid()}" / f"{digest()}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = _read(path)
    every = list(dict.fromkeys(asked))
    missing = [args for args in every if args not in known]
    say(f"{len(every)} cells, {len(every) - len(missing)} of them kept in {path}")
    if not missing:
        return {args: known[args] for args in every}
    began = time.monotonic()
    with ProcessPoolExecutor(jobs) as pool, path.open("a") as file:
        futures = {pool.submit(make, *args): args for args in missing}
        for done, future in enumerate(as_completed(futures), start=1):
            args = futures[future]
            known[args] = future.result()
            file.write(json.dumps([list(args), known[args]]) + "\n")
            file.flush()
            say(f"{done}/{len(missing)} {time.monotonic() - began:.0f} s: {args} {known[args]}")
    return {args: known[args] for args in every}


def _read(path: Path) -> dict[tuple[Any, ...], Any]:
    """Whole lines; the last may be torn."""
    known = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            args, value = json.loads(line)
        except ValueError:
            continue
        known[tuple(args)] = value
    return known
