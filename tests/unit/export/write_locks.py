"""Bring the lock that ships with Fairlead up to date: `python -m tests.unit.export.write_locks WHEELS`.

WHEELS: folder of the locked wheels (`pip download --require-hashes --only-binary :all: -r requirements/base.txt`).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from fairlead.reach.export.locked import PYTHONS, read_lock, wheels_in

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ROOT / "src" / "fairlead" / "reach" / "export" / "locks"


def main(wheels: Path) -> None:
    text = (ROOT / "requirements" / "base.txt").read_text(encoding="utf-8")
    (LOCKS / "base.txt").write_text(text, encoding="utf-8")
    by_name = {name: part.licence for name, part in wheels_in(wheels).items()}
    wanted = {
        f"{part.name}=={part.version}": by_name[part.name] for python in PYTHONS for part in read_lock(text, python)
    }
    (LOCKS / "licences.json").write_text(json.dumps(wanted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
